/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What settings mean for an account's Maildir and for a client's address; see settings.h.
 */
#include "base/settings.h"

#include <errno.h>
#include <string.h>

static bool add_part(struct bytes *path, struct span part)
{
    if (part.n == 0 || part.n > 255 || part.p[0] == '.' || span_find(part, '/') < part.n ||
        span_find(part, '\0') < part.n) {
        errno = EINVAL;
        return false;
    }
    for (size_t i = 0; i < part.n; i++)
        bytes_add_char(path, ascii_lower(part.p[i]));
    return true;
}

bool settings_maildir(const struct settings *s, struct span local, struct span domain, struct bytes *path)
{
    for (const char *p = s->mail; *p; p++) {
        bool ok = p[0] == '%' && p[1] == 'u'   ? add_part(path, local)
                  : p[0] == '%' && p[1] == 'd' ? add_part(path, domain)
                                               : bytes_add_char(path, *p);
        if (!ok)
            return false;
        if (p[0] == '%' && (p[1] == 'u' || p[1] == 'd'))
            p++;
    }
    while (path->len > 1 && path->data[path->len - 1] == '/') /* behind it a link would be followed */
        path->data[--path->len] = '\0';
    return !path->failed;
}

bool settings_mail_root(const struct settings *s, struct bytes *path)
{
    const char *end = strchr(s->mail, '%');
    if (!end)
        return bytes_add_str(path, s->mail);
    while (end > s->mail + 1 && end[-1] != '/')
        end--;
    while (end > s->mail + 1 && end[-1] == '/')
        end--;
    return bytes_add(path, s->mail, (size_t)(end - s->mail));
}

bool network_has(const struct network *net, const struct in6_addr *address)
{
    const unsigned char *a = address->s6_addr, *n = net->address.s6_addr;
    unsigned whole = net->prefix / 8, rest = net->prefix % 8;
    unsigned mask = rest ? 0xffu << (8 - rest) & 0xffu : 0;
    return memcmp(a, n, whole) == 0 && (!rest || (a[whole] & mask) == (n[whole] & mask));
}

bool settings_trusts(const struct settings *s, const struct in6_addr *address)
{
    for (size_t i = 0; i < s->network_count; i++)
        if (network_has(&s->networks[i], address))
            return true;
    return false;
}
