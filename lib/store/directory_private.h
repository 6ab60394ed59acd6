/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of the directory share; nobody else includes this but the compiler of aliases, which looks
 * for loops in a text before it becomes the table.
 *
 *     directory.c          the tables; domains, accounts, quotas
 *     directory_find.c     what one address is
 *     directory_include.c  files of addresses
 *     directory_expand.c   where it leads in the end
 */
#ifndef POSTERN_STORE_DIRECTORY_PRIVATE_H
#define POSTERN_STORE_DIRECTORY_PRIVATE_H

#include "store/directory.h"
#include "store/tables.h"
#include "text/domains.h"

#define DIRECTORY_VALUE_LIMIT ((size_t)16 << 20) /* bytes of one alias' targets */

struct alias_draft;

struct directory {
    const struct settings *settings;
    struct table *tables[TABLES];    /* NULL: not looked at so far */
    const struct alias_draft *draft; /* stands in for the aliases */
};

/* Domains and accounts alone, with aliases that aren't compiled yet. */
enum status directory_open_draft(const struct settings *s, const struct alias_draft *draft,
                                 struct directory **d);
/* The targets of a key, a line each. */
enum status alias_draft_get(const struct alias_draft *draft, struct span key, struct bytes *value);

/* A key's value in one of the tables, which is opened when it is first asked. */
enum status directory_get(struct directory *d, enum table_name name, struct span key, struct bytes *value);
/* Is the key there? Its value doesn't matter. */
enum status directory_look(struct directory *d, enum table_name name, struct span key);
/* In lower case, with our first domain where it has none. ST_NONE: we have no domain at all. */
enum status directory_canonical(struct directory *d, const struct address *a, struct address *to);
/* What the table `domains` says of it, or that it is this machine's own name. ST_NONE: nothing. */
enum status directory_classify(struct directory *d, struct span domain, struct domain_entry *e);

enum found_kind { FOUND_ALIAS, FOUND_ACCOUNT, FOUND_RELAY };
struct found {
    enum found_kind kind;
    struct address address; /* as it was found: without detail, in the domain that an alias domain means */
    char detail[ADDRESS_LOCAL_LIMIT + 1];
    char key[ADDRESS_LIMIT + 8]; /* of an alias */
    struct bytes value;          /* of an alias: its targets, a line each */
};
/* What an address in a domain of `e` (canonical) is. The caller frees f->value in each case. ST_NONE:
 * unknown. */
enum status directory_find(struct directory *d, const struct address *a, const struct domain_entry *e,
                           struct found *f);

/* May this file be included: below the folder of the settings, or one of `alias-directories`? */
bool directory_may_include(const struct settings *s, struct span path);
/* Its text. Anything but ST_OK is ST_TEMP with errno ENOLINK, and logged. */
enum status directory_include(struct directory *d, struct span path, struct bytes *text);

#endif
