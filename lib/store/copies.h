/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table `bcc`: who gets a copy of mail besides those whom it is for, and unseen by them.
 *
 *     all archive@example.org                   of everything that comes in by SMTP, or from this machine's
 * users from boss@example.org assistant@example.org, log@example.net to @sales.example.org audit of what is
 * for anybody in that domain
 *
 * Of entries with the same beginning the first counts. A copy is never copied again, and nobody is told what
 * becomes of it.
 */
#ifndef POSTERN_STORE_COPIES_H
#define POSTERN_STORE_COPIES_H

#include "base/settings.h"
#include "store/table.h"
#include "text/address.h"

#define COPIES_KEY_LIMIT (ADDRESS_LIMIT + 16)
#define COPIES_VALUE_LIMIT 65536

struct copies_entry {
    struct bytes key;   /* "all", "from a@b", "to @b" */
    struct bytes value; /* an address a line, canonical */
};
/* Reads a line that says something. NULL, or what is wrong with it, for a person. Free it in each case. */
const char *copies_read(struct span line, struct span first_domain, struct copies_entry *e);
void copies_entry_free(struct copies_entry *e);

/* ST_NONE: there is no such table, as is usual. ST_TEMP: it can't be read, and logged. */
enum status copies_open(const struct settings *s, struct table **t);
/* Appends the addresses for which `kind` ("from" or "to") and an address, the same without its detail (for
 * these delimiters), or its domain, have an entry; with kind "all" the address doesn't matter. ST_OK also
 * where there are none; ST_TEMP: can't tell. */
enum status copies_find(struct table *t, const char *kind, const struct address *a, const char *delimiters,
                        struct bytes *to);

#endif
