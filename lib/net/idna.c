/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Domains as A-labels; see idna.h. What GnuTLS gives back is checked once more: only what may stand in a
 * domain name of an address comes out.
 */
#include "net/idna.h"
#include "text/utf8.h"

#include <gnutls/gnutls.h>
#include <string.h>

static void copy_lower(struct span domain, char to[ADDRESS_DOMAIN_LIMIT + 1])
{
    for (size_t i = 0; i < domain.n; i++)
        to[i] = ascii_lower(domain.p[i]);
    to[domain.n] = '\0';
}

static bool is_domain(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!ascii_alpha(text.p[i]) && !ascii_digit(text.p[i]) && !strchr("-._", text.p[i]))
            return false;
    return text.n && text.n <= ADDRESS_DOMAIN_LIMIT && !memchr(text.p, '\0', text.n);
}

bool idna_to_ascii(struct span domain, char to[ADDRESS_DOMAIN_LIMIT + 1])
{
    gnutls_datum_t mapped = { NULL, 0 };
    to[0] = '\0';
    if (domain.n > ADDRESS_DOMAIN_LIMIT || span_find(domain, '\0') < domain.n)
        return false;
    if (utf8_ascii_run(domain) == domain.n) {
        copy_lower(domain, to);
        return true;
    }
    bool good = gnutls_idna_map(domain.p, (unsigned)domain.n, &mapped, 0) == 0 &&
                is_domain((struct span){ (char *)mapped.data, mapped.size });
    if (good)
        copy_lower((struct span){ (char *)mapped.data, mapped.size }, to);
    gnutls_free(mapped.data);
    return good;
}

bool idna_address(struct address *a)
{
    char domain[ADDRESS_DOMAIN_LIMIT + 1];
    if (!address_domain(a).n)
        return true;
    if (!idna_to_ascii(address_domain(a), domain))
        return false;
    memcpy(a->text + a->local_length + 1, domain, strlen(domain) + 1);
    return true;
}
