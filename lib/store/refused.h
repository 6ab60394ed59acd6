/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table `refused`: senders, recipients and clients from whom or for whom no mail is taken, one a line,
 * with the text of the reply where it isn't the usual one:
 *
 *     from    user@example.net                     this sender; <> is the null sender
 *     from    example.net      Their text          every address of the domain
 *     from    .example.net                         of its subdomains, but not of itself
 *     to      old@example.org  Moved to new@...    a recipient, in the same forms
 *     client  192.0.2.0/24                         an address, or a network
 *
 * The table's keys are "from user@example.net" and so on, in lower case; a client's is its network as 32
 * hexadecimal digits and its prefix length, and "client" leads to the prefix lengths that there are.
 */
#ifndef POSTERN_STORE_REFUSED_H
#define POSTERN_STORE_REFUSED_H

#include "base/settings.h"
#include "store/table.h"
#include "text/address.h"

#define REFUSED_KEY_LIMIT (ADDRESS_LIMIT + 16)
#define REFUSED_TEXT_LIMIT 200 /* of a reply */
#define REFUSED_PREFIXES "client"

struct refused_entry {
    struct bytes key;
    struct span text; /* within the line; may be empty */
    unsigned prefix;  /* of a client: its prefix length as IPv6, 0 to 128 */
    bool is_client;
};

/* Reads a line that isn't empty or a comment; refused_entry_free() in each case. NULL, or what is wrong with
 * it. */
const char *refused_read(struct span line, struct refused_entry *e);
void refused_entry_free(struct refused_entry *e);

struct refused;

/* For look-ups. ST_NONE, and nothing opened: nothing is refused (there is no text). ST_TEMP: it can't be
 * read; the log says so. */
enum status refused_open(const struct settings *s, struct refused **r);
void refused_close(struct refused *r); /* NULL is allowed */
/* ST_OK: it is refused, and *text is what the reply is to say, or empty. ST_NONE: not. `kind` is "from" or
 * "to"; user+detail is refused where user is, for these delimiters. */
enum status refused_address(struct refused *r, const char *kind, const struct address *a,
                            const char *delimiters, struct bytes *text);
enum status refused_client(struct refused *r, const struct in6_addr *client, struct bytes *text);

#endif
