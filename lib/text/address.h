/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Addresses: the paths of SMTP (RFC 5321 4.1.2) and the address lists of message
 * headers (RFC 5322 3.4, with its obsolete forms).
 *
 * A parsed address is a copy in one canonical form, see struct address. Addresses may hold UTF-8 (RFC 6531);
 * where that isn't wanted, address_is_ascii() tells. Names in address lists may hold any bytes.
 */
#ifndef POSTERN_TEXT_ADDRESS_H
#define POSTERN_TEXT_ADDRESS_H

#include "base/bytes.h"

/* RFC 5321 4.5.3.1 asks for local parts of 64 at least, and senders that name each recipient in theirs (VERP)
 * need more: Exim takes 255, Postfix any. */
#define ADDRESS_LIMIT 320
#define ADDRESS_LOCAL_LIMIT 255
#define ADDRESS_DOMAIN_LIMIT 255

/* A mailbox as text, "" for the null path <>. Always valid: local part (quoted only if it must be), '@',
 * domain. The domain is lower case in ASCII; what of it and of the local part isn't ASCII stays as it came:
 * the tables' form of an address (store/tables.h) has one for all that mean the same. <Postmaster> alone has
 * no '@' and no domain: its text is the local part as it came.
 */
struct address {
    char text[ADDRESS_LIMIT + 4];
    size_t local_length; /* bytes of `text` before its last '@' */
};

enum address_result {
    ADDRESS_OK,
    ADDRESS_SYNTAX,   /* not a path: 501 5.1.3 or 5.1.7 */
    ADDRESS_TOO_LONG, /* a part is over its limit */
};

/* The path at the start of *text: `<local@domain>`, `<>`, `<Postmaster>` (any case), with a source route
 * (ignored, RFC 5321 C), a quoted local part, an address literal as domain. Tolerated are spaces before it,
 * dots that would need quotes, and a mailbox or Postmaster without brackets, if a space or the end follows.
 * On ADDRESS_OK *text is what follows. */
enum address_result address_path(struct span *text, struct address *a);
/* A bare `local@domain` without brackets: tables and command lines. All of `text`. */
enum address_result address_parse(struct span text, struct address *a);

struct span address_local(const struct address *a); /* as in text; may be quoted */
/* The same without quotes that stand there for nothing but dots: address_parse reads it as the same. */
struct span address_unquoted(const struct address *a);
struct span address_domain(const struct address *a); /* "" for <> and <Postmaster> */
bool address_is_null(const struct address *a);
bool address_is_ascii(const struct address *a);
/* Parts user+detail at the first of these characters: the address without it, and what stood behind it, in
 * `detail` of ADDRESS_LOCAL_LIMIT + 1 bytes. False where there is none: a quoted local part has none. */
bool address_part(const struct address *a, const char *delimiters, struct address *base, char *detail);
/* The same mailbox to us: local parts without regard to case, domains too. What isn't ASCII is compared as it
 * stands, so that both must have the tables' form. */
bool address_same(const struct address *a, const struct address *b);

/* One mailbox or group marker of a header's address list, as IMAP's ENVELOPE wants them (RFC 3501 7.4.2). */
enum address_kind { ADDRESS_MAILBOX, ADDRESS_GROUP_START, ADDRESS_GROUP_END };
struct address_entry {
    enum address_kind kind;
    struct bytes name; /* display name or group name, quoting and comments removed, encoded words kept */
    struct bytes local;
    struct bytes domain; /* empty if there was none */
};
/* The next entry of the list (an unfolded or folded header value) at *rest. False at the end. Never fails:
 * what can't be read is skipped to the next comma. Fields are cut at ADDRESS_NAME_LIMIT bytes; one that has
 * `failed` set lost something because memory ran out. Free with address_entry_free. */
#define ADDRESS_NAME_LIMIT 1024
bool address_list_next(struct span *rest, struct address_entry *entry);
/* The same into an entry that was used before, or is { 0 }, which saves its memory: free it in the end
 * only. */
bool address_list_more(struct span *rest, struct address_entry *entry);
/* The mailbox of an ADDRESS_MAILBOX entry in the form that address_parse gives, for comparisons and
 * envelopes. */
enum address_result address_of_entry(const struct address_entry *entry, struct address *a);
void address_entry_free(struct address_entry *entry);

#endif
