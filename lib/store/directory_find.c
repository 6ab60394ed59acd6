/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What one address is. In a domain of ours, and the first that is there counts:
 *
 *     user+detail   alias user+detail@domain, alias user+detail, account user+detail@domain
 *     user          alias user@domain, alias user, account user@domain
 *     mailer-daemon, from whom reports come: alias postmaster
 *     anybody       alias @domain
 *
 * So an alias may stand in front of an account of the same name. In another name of a domain of ours its own
 * full addresses among the aliases come first, and then the address is what it is in the domain that is
 * meant. In a domain that is relayed: full addresses among the aliases, then the recipients that are listed
 * (or all), postmaster and abuse, alias @domain.
 */
#include "store/directory_private.h"
#include "store/tables.h"

#include <stdio.h>
#include <string.h>

static enum status get_alias(struct directory *d, struct span key, struct found *f)
{
    enum status st = d->draft ? alias_draft_get(d->draft, key, &f->value)
                              : directory_get(d, TABLE_ALIASES, key, &f->value);
    if (st == ST_OK) {
        f->kind = FOUND_ALIAS;
        if (!span_copy(key, f->key, sizeof f->key))
            st = ST_TEMP;
    }
    return st;
}

/* An alias or account of exactly this name; with `bare`, also an alias that stands for every domain. */
static enum status find_exactly(struct directory *d, const struct address *a, bool bare, struct found *f)
{
    f->address = *a;
    enum status st = get_alias(d, span_of(a->text), f);
    if (st == ST_NONE && bare)
        st = get_alias(d, address_local(a), f);
    if (st == ST_NONE && bare && (st = directory_look(d, TABLE_ACCOUNTS, span_of(a->text))) == ST_OK)
        f->kind = FOUND_ACCOUNT;
    return st;
}

static enum status find_user(struct directory *d, const struct address *a, bool bare, struct found *f)
{
    struct address base;
    char detail[ADDRESS_LOCAL_LIMIT + 1];
    enum status st = find_exactly(d, a, bare, f);
    if (st == ST_NONE && address_part(a, d->settings->recipient_delimiter, &base, detail) &&
        (st = find_exactly(d, &base, bare, f)) == ST_OK)
        memcpy(f->detail, detail, sizeof detail);
    return st;
}

static enum status find_anybody(struct directory *d, const struct address *a, struct found *f)
{
    char key[ADDRESS_DOMAIN_LIMIT + 2];
    snprintf(key, sizeof key, "@%.*s", SPAN_FMT(address_domain(a)));
    f->address = *a;
    return get_alias(d, span_of(key), f);
}

/* Who answers a report writes to postmaster. */
static enum status find_daemon(struct directory *d, const struct address *a, struct found *f)
{
    struct address postmaster = { .local_length = sizeof "postmaster" - 1 };
    if (!span_eq_str(address_local(a), "mailer-daemon"))
        return ST_NONE;
    int n = snprintf(postmaster.text, sizeof postmaster.text, "postmaster@%.*s", SPAN_FMT(address_domain(a)));
    return n > 0 && n <= ADDRESS_LIMIT ? find_user(d, &postmaster, true, f) : ST_NONE;
}

static enum status find_ours(struct directory *d, const struct address *a, struct found *f)
{
    enum status st = find_user(d, a, true, f);
    if (st == ST_NONE)
        st = find_daemon(d, a, f);
    return st == ST_NONE ? find_anybody(d, a, f) : st;
}

/* The same user in another domain. False: that is too long. */
static bool rename_domain(const struct address *a, const char *domain, struct address *meant)
{
    int n = snprintf(meant->text, sizeof meant->text, "%.*s@%s", SPAN_FMT(address_local(a)), domain);
    meant->local_length = a->local_length;
    return n >= 0 && (size_t)n <= ADDRESS_LIMIT;
}

static enum status find_renamed(struct directory *d, const struct address *a, const char *domain,
                                struct found *f)
{
    struct address meant;
    enum status st = find_user(d, a, false, f);
    if (st != ST_NONE)
        return st;
    return rename_domain(a, domain, &meant) ? find_ours(d, &meant, f) : ST_NONE;
}

enum status directory_renamed(struct directory *d, const struct address *a, struct address *meant)
{
    struct domain_entry e;
    enum status st = directory_classify(d, address_domain(a), &e);
    return st != ST_OK ? st : e.kind == DOMAIN_ALIAS && rename_domain(a, e.target, meant) ? ST_OK : ST_NONE;
}

static enum status look_relayed(struct directory *d, const struct address *a)
{
    struct address base;
    char detail[ADDRESS_LOCAL_LIMIT + 1], key[ADDRESS_DOMAIN_LIMIT + 2];
    enum status st = directory_look(d, TABLE_RELAY, span_of(a->text));
    if (st == ST_NONE && address_part(a, d->settings->recipient_delimiter, &base, detail))
        st = directory_look(d, TABLE_RELAY, span_of(base.text));
    snprintf(key, sizeof key, "@%.*s", SPAN_FMT(address_domain(a)));
    return st == ST_NONE ? directory_look(d, TABLE_RELAY, span_of(key)) : st;
}

/* Postmaster and abuse can be written to wherever mail is taken (RFC 5321 4.5.1, RFC 2142). */
static enum status find_office(struct directory *d, const struct address *a, struct found *f)
{
    struct span local = address_local(a);
    f->address = *a;
    return span_eq_str(local, "postmaster") || span_eq_str(local, "abuse") ? get_alias(d, local, f) : ST_NONE;
}

static enum status find_relayed(struct directory *d, const struct address *a, bool all, struct found *f)
{
    enum status st = find_user(d, a, false, f);
    if (st == ST_NONE && (st = all ? ST_OK : look_relayed(d, a)) == ST_OK) {
        f->kind = FOUND_RELAY;
        f->address = *a;
    }
    if (st == ST_NONE)
        st = find_office(d, a, f);
    return st == ST_NONE ? find_anybody(d, a, f) : st;
}

enum status directory_find(struct directory *d, const struct address *a, const struct domain_entry *e,
                           struct found *f)
{
    *f = (struct found){ .kind = FOUND_ALIAS };
    bytes_init(&f->value, DIRECTORY_VALUE_LIMIT);
    switch (e->kind) {
    case DOMAIN_OURS:
        return find_ours(d, a, f);
    case DOMAIN_ALIAS:
        return find_renamed(d, a, e->target, f);
    case DOMAIN_RELAY:
    case DOMAIN_RELAY_ALL:
        return find_relayed(d, a, e->kind == DOMAIN_RELAY_ALL, f);
    }
    return ST_TEMP;
}
