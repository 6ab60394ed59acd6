/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files share that compile text tables; nobody else includes this.
 *
 *     tables_compile.c   all of them, and domains, accounts and relay-recipients in detail
 *     tables_secrets.c   secrets, masters
 *     tables_aliases.c   aliases
 *     tables_refused.c   refused
 *     tables_routes.c    routes
 *     copies.c           bcc
 *     alias_draft.c      aliases that lead back to themselves
 */
#ifndef POSTERN_STORE_TABLES_PRIVATE_H
#define POSTERN_STORE_TABLES_PRIVATE_H

#include "store/tables.h"

#include <limits.h>

struct compile {
    const struct settings *settings;
    char path[PATH_MAX]; /* of the text */
    struct span text;
    struct bytes first_domain;
    struct table_build *build; /* NULL: only checking */
    struct bytes *error;
};

/* ST_PERM, with `FILE:LINE: WHAT: WHY` for a person. */
enum status compile_wrong(struct compile *c, unsigned line, struct span what, const char *why);
enum status compile_put(struct compile *c, struct span key, struct span value);
/* The next line that says something, trimmed, its number in *number. */
bool compile_next(struct span *rest, unsigned *number, struct span *line);
/* A name as key: "name", "name@domain" or "@domain". False if it is none. */
bool compile_key(struct span name, struct bytes *key);

enum status compile_secrets(struct compile *c);
enum status compile_masters(struct compile *c);
enum status compile_aliases(struct compile *c);
enum status compile_copies(struct compile *c);
enum status compile_refused(struct compile *c);
enum status compile_routes(struct compile *c);

#endif
