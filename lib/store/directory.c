/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Domains, accounts and their quotas; see directory.h. What an address is: directory_find.c; where it leads:
 * directory_expand.c.
 */
#include "store/directory_private.h"
#include "net/idna.h"
#include "store/tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool open_table(struct directory *d, enum table_name name)
{
    return d->tables[name] || tables_open(d->settings, name, &d->tables[name]) == ST_OK;
}

enum status directory_open_as_needed(const struct settings *s, struct directory **d)
{
    *d = calloc(1, sizeof **d);
    if (!*d)
        return ST_TEMP;
    (*d)->settings = s;
    return ST_OK;
}

enum status directory_open_draft(const struct settings *s, const struct alias_draft *draft,
                                 struct directory **d)
{
    enum status st = directory_open_as_needed(s, d);
    if (st == ST_OK && open_table(*d, TABLE_DOMAINS) && open_table(*d, TABLE_ACCOUNTS) &&
        (draft || open_table(*d, TABLE_ALIASES))) {
        (*d)->draft = draft;
        return ST_OK;
    }
    directory_close(*d);
    *d = NULL;
    return ST_TEMP;
}

enum status directory_open(const struct settings *s, struct directory **d)
{
    return directory_open_draft(s, NULL, d);
}

bool directory_current(const struct directory *d)
{
    for (size_t i = 0; i < TABLES; i++)
        if (d->tables[i] && !tables_current(d->settings, (enum table_name)i, d->tables[i]))
            return false;
    return true;
}

void directory_close(struct directory *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < TABLES; i++)
        table_close(d->tables[i]);
    free(d);
}

enum status directory_get(struct directory *d, enum table_name name, struct span key, struct bytes *value)
{
    return open_table(d, name) ? table_get(d->tables[name], key, value) : ST_TEMP;
}

enum status directory_look(struct directory *d, enum table_name name, struct span key)
{
    struct bytes value;
    bytes_init(&value, ADDRESS_LIMIT);
    enum status st = directory_get(d, name, key, &value);
    bytes_free(&value);
    return st;
}

/* This machine's own names, where the table says nothing else of them, are other names of the first domain:
 * its programs write to root@HOST, and who is written to by its users and reports answers there. */
static enum status classify_host(struct directory *d, struct span name, struct domain_entry *e)
{
    struct bytes first;
    if (!span_eq_str(name, "localhost") && !span_ieq_str(name, d->settings->hostname))
        return ST_NONE;
    bytes_init(&first, ADDRESS_DOMAIN_LIMIT);
    *e = (struct domain_entry){ .kind = DOMAIN_ALIAS };
    enum status st = directory_first_domain(d, &first);
    if (st == ST_OK && !(span_copy(name, e->name, sizeof e->name) &&
                         span_copy(span_bytes(&first), e->target, sizeof e->target)))
        st = ST_TEMP;
    bytes_free(&first);
    return st;
}

enum status directory_classify(struct directory *d, struct span domain, struct domain_entry *e)
{
    char lower[ADDRESS_DOMAIN_LIMIT + 1];
    struct bytes value;
    if (domain.n == 0 || !idna_to_ascii(domain, lower) || strcmp(lower, TABLE_FIRST_DOMAIN) == 0)
        return ST_NONE;
    bytes_init(&value, ADDRESS_LIMIT);
    enum status st = directory_get(d, TABLE_DOMAINS, span_of(lower), &value);
    if (st == ST_OK && !domain_entry_read(span_of(lower), span_bytes(&value), e)) {
        errno = EBADMSG; /* it was valid when it was compiled */
        st = ST_TEMP;
    }
    bytes_free(&value);
    return st == ST_NONE ? classify_host(d, span_of(lower), e) : st;
}

enum status directory_domain(struct directory *d, struct span domain)
{
    struct domain_entry e;
    enum status st = directory_classify(d, domain, &e);
    return st == ST_OK && e.kind != DOMAIN_OURS && e.kind != DOMAIN_ALIAS ? ST_NONE : st;
}

enum status directory_first_domain(struct directory *d, struct bytes *domain)
{
    return directory_get(d, TABLE_DOMAINS, SPAN(TABLE_FIRST_DOMAIN), domain);
}

enum status directory_canonical(struct directory *d, const struct address *a, struct address *to)
{
    struct bytes domain;
    enum status st = ST_OK;
    bytes_init(&domain, ADDRESS_DOMAIN_LIMIT);
    if (address_domain(a).n == 0)
        st = directory_first_domain(d, &domain);
    struct bytes text;
    bytes_init(&text, ADDRESS_LIMIT);
    bytes_add_span(&text, address_local(a));
    bytes_add_char(&text, '@');
    bytes_add_span(&text, domain.len ? span_bytes(&domain) : address_domain(a));
    if (st == ST_OK && (address_is_null(a) || !tables_address(span_bytes(&text), SPAN(""), to)))
        st = ST_NONE;
    bytes_free(&text);
    bytes_free(&domain);
    return st;
}

enum status directory_account(struct directory *d, const struct address *a, struct address *account)
{
    struct address c;
    enum status st = directory_canonical(d, a, &c);
    if (st == ST_OK)
        st = directory_look(d, TABLE_ACCOUNTS, span_of(c.text));
    if (st == ST_OK)
        *account = c;
    return st;
}

enum status directory_quota(struct directory *d, const struct settings *s, const struct address *account,
                            struct quota *q)
{
    struct bytes value;
    bytes_init(&value, ADDRESS_LIMIT);
    enum status st = directory_get(d, TABLE_ACCOUNTS, span_of(account->text), &value);
    if (st == ST_OK && !quota_parse(span_bytes(&value), q))
        st = ST_TEMP; /* it was valid when it was compiled */
    bytes_free(&value);
    if (st == ST_OK)
        quota_default(q, s->quota_storage, s->quota_messages);
    return st;
}

enum status directory_quota_of(const struct settings *s, const struct address *account, struct quota *q)
{
    struct directory *d;
    enum status st = directory_open_as_needed(s, &d);
    if (st == ST_OK)
        st = directory_quota(d, s, account, q);
    directory_close(d);
    return st;
}
