/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Domains, accounts and aliases; see directory.h.
 *
 * An address is looked up as: alias name@domain, alias name, account, alias @domain. So an
 * alias may stand in front of an account of the same name, and name it among its targets to keep a copy: an
 * alias' own name as its target is the mailbox. Any longer way back to an address is a loop.
 */
#include "store/directory.h"
#include "base/log.h"
#include "store/tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_LIMIT ((size_t)16 << 20) /* bytes of one alias' targets */

struct directory {
    struct table *domains, *accounts, *aliases;
};

enum status directory_open(const struct settings *s, struct directory **d)
{
    *d = calloc(1, sizeof **d);
    if (*d && tables_open(s, TABLE_DOMAINS, &(*d)->domains) == ST_OK &&
        tables_open(s, TABLE_ACCOUNTS, &(*d)->accounts) == ST_OK &&
        tables_open(s, TABLE_ALIASES, &(*d)->aliases) == ST_OK)
        return ST_OK;
    directory_close(*d);
    *d = NULL;
    return ST_TEMP;
}

void directory_close(struct directory *d)
{
    if (!d)
        return;
    table_close(d->domains);
    table_close(d->accounts);
    table_close(d->aliases);
    free(d);
}

/* Is the key there? Its value doesn't matter. */
static enum status look(struct table *t, struct span key)
{
    struct bytes value;
    bytes_init(&value, ADDRESS_LIMIT);
    enum status st = table_get(t, key, &value);
    bytes_free(&value);
    return st;
}

enum status directory_domain(struct directory *d, struct span domain)
{
    char lower[ADDRESS_DOMAIN_LIMIT + 1];
    if (domain.n == 0 || !span_copy(domain, lower, sizeof lower) || strcmp(lower, TABLE_FIRST_DOMAIN) == 0)
        return ST_NONE;
    for (char *p = lower; *p; p++)
        *p = ascii_lower(*p);
    return look(d->domains, span_of(lower));
}

enum status directory_first_domain(struct directory *d, struct bytes *domain)
{
    return table_get(d->domains, SPAN(TABLE_FIRST_DOMAIN), domain);
}

/* In lower case, with our first domain where it has none. ST_NONE: we have no domain at all. */
static enum status canonical(struct directory *d, const struct address *a, struct address *to)
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
    enum status st = canonical(d, a, &c);
    if (st == ST_OK)
        st = look(d->accounts, span_of(c.text));
    if (st == ST_OK)
        *account = c;
    return st;
}

static enum status get_quota(struct table *accounts, const struct settings *s, const struct address *account,
                             struct quota *q)
{
    struct bytes value;
    bytes_init(&value, ADDRESS_LIMIT);
    enum status st = table_get(accounts, span_of(account->text), &value);
    if (st == ST_OK && !quota_parse(span_bytes(&value), q))
        st = ST_TEMP; /* it was valid when it was compiled */
    bytes_free(&value);
    if (st == ST_OK)
        quota_default(q, s->quota_storage, s->quota_messages);
    return st;
}

enum status directory_quota(struct directory *d, const struct settings *s, const struct address *account,
                            struct quota *q)
{
    return get_quota(d->accounts, s, account, q);
}

enum status directory_quota_of(const struct settings *s, const struct address *account, struct quota *q)
{
    struct table *accounts = NULL;
    enum status st = tables_open(s, TABLE_ACCOUNTS, &accounts);
    if (st == ST_OK)
        st = get_quota(accounts, s, account, q);
    table_close(accounts);
    return st;
}

/* --- expansion --- */

struct expansion {
    struct directory *d;
    struct targets *targets;
    size_t first;                             /* targets that the caller had before */
    struct address path[DIRECTORY_DEPTH + 1]; /* the addresses being expanded */
    unsigned depth;
    size_t steps; /* addresses looked at */
    bool reached; /* a target that exists, new or not */
};

static enum status add_target(struct expansion *x, const struct address *a, bool local)
{
    struct targets *t = x->targets;
    x->reached = true;
    for (size_t i = 0; i < t->count; i++)
        if (address_same(&t->list[i].address, a))
            return ST_OK;
    if (t->count - x->first == DIRECTORY_TARGETS) {
        errno = E2BIG;
        return ST_PERM;
    }
    struct target *more = reallocarray(t->list, t->count + 1, sizeof *more);
    if (!more)
        return ST_TEMP;
    t->list = more;
    t->list[t->count++] = (struct target){ *a, local };
    return ST_OK;
}

/* The targets of `@domain`. */
static enum status get_catch_all(struct directory *d, const struct address *a, struct bytes *value)
{
    struct bytes key;
    bytes_init(&key, ADDRESS_LIMIT);
    bytes_add_char(&key, '@');
    bytes_add_span(&key, address_domain(a));
    enum status st = table_get(d->aliases, span_bytes(&key), value);
    bytes_free(&key);
    return st;
}

/* What an address of ours is: an alias (its targets in *value), an account (*value stays empty), or ST_NONE.
 */
static enum status find(struct directory *d, const struct address *a, struct bytes *value)
{
    enum status st = table_get(d->aliases, span_of(a->text), value);
    if (st == ST_NONE)
        st = table_get(d->aliases, address_local(a), value);
    if (st == ST_NONE)
        st = look(d->accounts, span_of(a->text));
    if (st == ST_NONE)
        st = get_catch_all(d, a, value);
    return st;
}

static enum status expand(struct expansion *x, const struct address *a);

static enum status expand_targets(struct expansion *x, const struct address *a, struct span value)
{
    struct span line;
    struct address target;
    enum status st = ST_OK;
    while (st == ST_OK && span_cut(&value, '\n', &line)) {
        if (line.n == 0)
            continue;
        if (address_parse(line, &target) != ADDRESS_OK)
            return ST_TEMP; /* it was valid when it was compiled */
        if (address_same(&target, a)) {
            st = look(x->d->accounts, span_of(a->text));
            errno = ELOOP;
            st = st == ST_OK ? add_target(x, a, true) : st == ST_NONE ? ST_PERM : st;
            continue;
        }
        st = expand(x, &target);
        if (st == ST_NONE) {
            log_event(LOG_WARNING, "alias-target-unknown", "alias", a->text, "target", target.text, NULL);
            st = ST_OK;
        }
    }
    return st;
}

/* `a` is canonical. ST_NONE: ours, and unknown. */
static enum status expand(struct expansion *x, const struct address *a)
{
    enum status st = directory_domain(x->d, address_domain(a));
    if (st == ST_NONE)
        return add_target(x, a, false);
    if (st != ST_OK)
        return st;
    for (unsigned i = 0; i < x->depth; i++)
        if (address_same(&x->path[i], a)) {
            errno = ELOOP;
            return ST_PERM;
        }
    if (++x->steps > 4 * DIRECTORY_TARGETS) {
        errno = E2BIG;
        return ST_PERM;
    }
    struct bytes value;
    bytes_init(&value, VALUE_LIMIT);
    st = find(x->d, a, &value);
    if (st == ST_OK && value.len == 0) {
        st = add_target(x, a, true);
    } else if (st == ST_OK && x->depth == DIRECTORY_DEPTH) {
        errno = ELOOP;
        st = ST_PERM;
    } else if (st == ST_OK) {
        x->path[x->depth++] = *a;
        st = expand_targets(x, a, span_bytes(&value));
        x->depth--;
    }
    bytes_free(&value);
    return st;
}

enum status directory_expand(struct directory *d, const struct address *a, struct targets *targets)
{
    struct address start;
    enum status st = canonical(d, a, &start);
    if (st == ST_OK)
        st = directory_domain(d, address_domain(&start));
    if (st == ST_NONE) {
        errno = EREMOTE;
        return ST_PERM;
    }
    if (st != ST_OK)
        return st;
    struct expansion *x = calloc(1, sizeof *x);
    if (!x)
        return ST_TEMP;
    *x = (struct expansion){ .d = d, .targets = targets, .first = targets->count };
    st = expand(x, &start);
    if (st == ST_OK && !x->reached)
        st = ST_NONE; /* an alias none of whose targets exists */
    int saved = errno;
    if (st != ST_OK)
        targets->count = x->first;
    if (targets->count == 0)
        targets_free(targets);
    free(x);
    errno = saved;
    return st;
}

void targets_free(struct targets *targets)
{
    free(targets->list);
    *targets = (struct targets){ 0 };
}

enum status directory_may_send_as(struct directory *d, const struct address *account, const struct address *a)
{
    struct targets targets = { 0 };
    struct address as;
    enum status st = canonical(d, a, &as);
    if (st != ST_OK)
        return st == ST_NONE ? ST_PERM : st;
    if (address_same(&as, account))
        return ST_OK;
    st = directory_expand(d, &as, &targets);
    if (st == ST_OK || st == ST_NONE)
        st = ST_PERM;
    for (size_t i = 0; i < targets.count; i++)
        if (targets.list[i].local && address_same(&targets.list[i].address, account))
            st = ST_OK;
    targets_free(&targets);
    return st;
}
