/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Mailbox names between client and disk. On disk they are modified UTF-7 (RFC 3501 5.1.3), and so they go
 * over the wire until the client enables IMAP4rev2 or UTF8=ACCEPT; from then on they are UTF-8 there (RFC
 * 9051 5.1, RFC 6855 3).
 *
 * A name in UTF-8 is normalised to NFC, so that what looks the same is the same mailbox. Where another
 * program made one that isn't normalised, and the client names just that, it is found. A client that has
 * enabled nothing may send UTF-8 all the same: no modified UTF-7 has an 8-bit byte.
 */
#include "imapd.h"

#include "capabilities.h"
#include "text/unicode.h"
#include "text/utf7.h"
#include "text/utf8.h"

#include <string.h>

#define TEXT_LIMIT (4 * FOLDER_NAME_LIMIT) /* bytes of a name in UTF-8; one that long never fits on disk */

static bool speaks_utf8(const struct imap *i)
{
    return i->enabled & (ENABLED_REV2 | ENABLED_UTF8);
}

static bool has_8_bit(struct span s)
{
    for (size_t n = 0; n < s.n; n++)
        if (s.p[n] & 0x80)
            return true;
    return false;
}

/* The name as it came and its NFC, both as on disk. */
static bool to_disk(struct span name, struct bytes *as_is, struct bytes *normal)
{
    struct bytes nfc;
    bytes_init(&nfc, 2 * TEXT_LIMIT);
    bool good = name.n <= TEXT_LIMIT && utf8_valid(name) && utf7_from_utf8(name, as_is) &&
                unicode_nfc(name, &nfc) && utf7_from_utf8(span_bytes(&nfc), normal);
    bytes_free(&nfc);
    return good;
}

/* Is there a mailbox, or a subscription, of just this name? */
static bool is_known(struct imap *i, struct span name)
{
    struct folder_list list;
    bool found = false;
    if (folders_list(i->mail, &list) != ST_OK)
        return false;
    for (size_t n = 0; n < list.count && !found; n++)
        found = span_eq_str(name, list.folders[n].name);
    folders_free(&list);
    return found;
}

static bool from_utf8(struct imap *i, struct span name, char *to, size_t size)
{
    struct bytes as_is, normal;
    bytes_init(&as_is, 8 * TEXT_LIMIT);
    bytes_init(&normal, 8 * TEXT_LIMIT);
    bool good = to_disk(name, &as_is, &normal);
    if (good) {
        struct span best = span_bytes(&normal);
        if (!span_eq(best, span_bytes(&as_is)) && is_known(i, span_bytes(&as_is)))
            best = span_bytes(&as_is);
        good = span_copy(best, to, size);
    }
    bytes_free(&as_is);
    bytes_free(&normal);
    return good;
}

/* inbox.x is INBOX.x: a level above it named inbox would be INBOX itself (RFC 3501 5.1). */
bool folder_argument(struct imap *i, struct span name, struct span *folder)
{
    char *to = i->names[i->second_name];
    size_t size = sizeof i->names[0];
    i->second_name = !i->second_name;
    bool good = speaks_utf8(i) || has_8_bit(name) ? from_utf8(i, name, to, size) : span_copy(name, to, size);
    *folder = span_of(to);
    if (span_ieq_str(*folder, "INBOX") || span_istarts(*folder, "INBOX."))
        memcpy(to, "INBOX", strlen("INBOX"));
    if (good && folder_name_valid(*folder))
        return true;
    reply(i, "NO [CANNOT] That can't be a mailbox's name");
    return false;
}

bool name_for_client(const struct imap *i, struct span folder, struct bytes *b)
{
    if (!speaks_utf8(i))
        return bytes_add_span(b, folder);
    return utf7_to_utf8(folder, b);
}

bool pattern_normal(const struct imap *i, struct span pattern, struct bytes *b)
{
    if (!speaks_utf8(i))
        return bytes_add_span(b, pattern);
    return utf8_valid(pattern) && unicode_nfc(pattern, b);
}

/* Quoted; a name with control characters, which another program made, is a literal. */
static void add_string(struct bytes *b, struct span s)
{
    bool quotable = true;
    for (size_t n = 0; n < s.n; n++)
        quotable = quotable && (unsigned char)s.p[n] >= 0x20 && s.p[n] != 0x7f;
    if (!quotable) {
        bytes_printf(b, "{%zu}\r\n", s.n);
        bytes_add_span(b, s);
        return;
    }
    bytes_add_char(b, '"');
    for (size_t n = 0; n < s.n; n++) {
        if (s.p[n] == '"' || s.p[n] == '\\')
            bytes_add_char(b, '\\');
        bytes_add_char(b, s.p[n]);
    }
    bytes_add_char(b, '"');
}

void add_mailbox(struct imap *i, struct span folder)
{
    struct bytes name;
    bytes_init(&name, TEXT_LIMIT);
    name_for_client(i, folder, &name);
    add_string(&i->line, span_bytes(&name));
    bytes_free(&name);
}

bool name_differs(const struct imap *i, struct span supplied, struct span folder)
{
    struct bytes name;
    bytes_init(&name, TEXT_LIMIT);
    bool differs = name_for_client(i, folder, &name) && !span_eq(supplied, span_bytes(&name));
    bytes_free(&name);
    return differs;
}

void add_old_name(struct imap *i, struct span supplied)
{
    bytes_add_str(&i->line, " (\"OLDNAME\" (");
    add_string(&i->line, supplied);
    bytes_add_str(&i->line, "))");
}
