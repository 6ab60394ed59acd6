/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The tables beside postern.conf: where they lie, how a handler opens one, and how `postern` compiles
 * the text into them.
 *
 *     text              its lines                           compiled (NAME.gdbm): key -> value
 *     domains           a domain (text/domains.h)           domain -> its kind; "." -> the first of ours
 *     accounts          user@domain [limits, see quota.h]   address -> its limits
 *     aliases           name: target, target (aliases(5))   a name, @domain too -> a target a line
 *     secrets           a passwd-file (store/secrets.h)     address -> {SCHEME}hash, and a verifier
 *     relay-recipients  user@domain, @domain                the same -> ""
 *     refused           from|to|client WHO [text]           see store/refused.h
 *     routes            WHO WHERE [options] (text/hop.h)    who -> where
 *     bcc               all|from|to WHO TARGET, ...         see store/copies.h
 *     masters           a passwd-file: name:{SCHEME}hash    name, in lower case -> as in secrets
 *
 * Keys and targets are canonical: a name without a domain got the first one (not an alias' name: that stands
 * for every domain of ours), all in lower case; what isn't ASCII has its case folded and is in form C,
 * domains have A-labels.
 */
#ifndef POSTERN_STORE_TABLES_H
#define POSTERN_STORE_TABLES_H

#include "base/settings.h"
#include "store/table.h"
#include "text/domains.h"

#define TABLE_TEXT_LIMIT ((size_t)64 << 20) /* bytes of one text file */
#define TABLE_FIRST_DOMAIN "."

enum table_name {
    TABLE_DOMAINS,
    TABLE_ACCOUNTS,
    TABLE_ALIASES,
    TABLE_SECRETS,
    TABLE_RELAY,
    TABLE_REFUSED,
    TABLE_ROUTES,
    TABLE_BCC,
    TABLE_MASTERS,
    TABLES
};

/* "domains" and so on. */
const char *tables_word(enum table_name name);
/* The path of the text, or of the compiled file. False if it is too long. */
bool tables_path(const struct settings *s, enum table_name name, bool compiled, char *to, size_t size);

/* Opens a compiled table for look-ups. Anything but ST_OK is ST_TEMP, and logged with what to do. If the text
 * says something else by now, that is logged and the table used all the same. */
enum status tables_open(const struct settings *s, enum table_name name, struct table **table);
/* Is the compiled table what its text says? ST_OK: yes; ST_NONE: no, or there is none; ST_TEMP: can't
 * tell. */
enum status tables_fresh(const struct settings *s, enum table_name name, const struct table *table);
/* That, and no other has been compiled since this was opened? */
bool tables_current(const struct settings *s, enum table_name name, const struct table *table);

/* A domain name, and a line of domains (text/domains.h), with A-labels. */
bool tables_domain(struct span text, char to[ADDRESS_DOMAIN_LIMIT + 1]);
const char *tables_domain_entry(struct span line, struct domain_entry *e);
/* Two names of aliases, or two addresses, that are one in the table. */
bool tables_same_name(struct span a, struct span b);
/* May a master user be called so? Letters, digits and . _ - @, at most so many; they count without their
 * case. */
#define TABLE_MASTER_LIMIT 62
bool tables_master(struct span name, char to[TABLE_MASTER_LIMIT + 1]);
/* Does the table hold secrets, which nobody else may read? */
bool tables_secret(enum table_name name);
/* What stands before the first blank: the address in a line of accounts. */
struct span tables_first_word(struct span line);
/* The first domain of our own in the text of `domains`, in lower case; nothing where there is none. */
void tables_first_domain(struct span text, struct bytes *domain);
/* An address or bare name, as users and tables write it, made canonical. False if it is no address. */
bool tables_address(struct span text, struct span first_domain, struct address *a);

/* Compiles one text into its table; the old table stays where anything is wrong. To be called by one process
 * at a time (`postern` holds its lock). On anything but ST_OK *error has a line for a person, which names
 * file and line. A missing text is an empty one. ST_PERM: the text is wrong. */
enum status tables_compile(const struct settings *s, enum table_name name, struct bytes *error);
/* The same check of a text that isn't written yet, without writing anything. */
enum status tables_check(const struct settings *s, enum table_name name, struct span text,
                         struct bytes *error);

#endif
