/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern dkim list|make|remove: the keys with which mail is signed (store/dkim_keys.h). The first
 * pair of a domain signs at once: who looks for a key that isn't published yet takes the message as one that
 * isn't signed, and a step that could be forgotten is saved. Later pairs wait; dkim_rotate.c has their way.
 */
#include "dkim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

/* --- list --- */

static void print_key_json(const char *domain, const struct dkim_key *key, const struct public_key *p,
                           const char *published)
{
    json_pair("{", "domain", span_of(domain));
    json_pair(",", "selector", span_of(key->selector));
    json_pair(",", "type", span_of(signature_key_type(p->algorithm)));
    printf(",\"bits\":%u", p->algorithm == SIGNATURE_RSA_SHA256 ? p->bits : 256);
    json_pair(",", "state", span_of(dkim_key_state_word(key->state)));
    printf(",\"made\":%" PRId64, key->made / 1000000000);
    json_pair(",", "dns", span_of(published));
    puts("}");
}

static void print_key(const char *domain, const struct dkim_key *key, const struct public_key *p)
{
    char day[16] = "?", size[16] = "";
    time_t made = (time_t)(key->made / 1000000000);
    struct tm tm;
    if (gmtime_r(&made, &tm))
        strftime(day, sizeof day, "%Y-%m-%d", &tm);
    if (p->algorithm == SIGNATURE_RSA_SHA256)
        snprintf(size, sizeof size, "-%u", p->bits);
    printf("%s %s %s%s %s %s", domain, key->selector, signature_key_type(p->algorithm), size,
           dkim_key_state_word(key->state), day);
}

static int list_key(struct admin *a, const char *domain, const struct dkim_key *key,
                    const struct asker *asker)
{
    struct public_key public;
    enum dkim_published published = DKIM_UNKNOWN;
    int result = dkim_public(a, domain, key, &public);
    if (result == EX_OK && asker)
        result = asker_ask(a, asker, domain, key, &published);
    if (result == EX_OK && a->json) {
        print_key_json(domain, key, &public, asker ? dkim_published_word(published) : NULL);
    } else if (result == EX_OK) {
        print_key(domain, key, &public);
        if (asker)
            printf(" %s", dkim_published_word(published));
        putchar('\n');
    }
    bytes_free(&public.key);
    return result;
}

static int list_domain(struct admin *a, const char *domain, void *arg)
{
    const struct asker *asker = arg;
    struct dkim_keys keys;
    int result = dkim_find(a, domain, &keys);
    for (size_t i = 0; i < keys.count; i++) {
        int one = list_key(a, domain, &keys.list[i], asker);
        result = result == EX_OK ? one : result;
    }
    return result;
}

int dkim_list(struct admin *a, int argc, char **argv)
{
    struct asker asker;
    if (argc == 0 || strcmp(argv[0], "--dns") != 0)
        return dkim_each_domain(a, argc, argv, list_domain, NULL);
    int result = asker_init(a, &asker);
    return result == EX_OK ? dkim_each_domain(a, argc - 1, argv + 1, list_domain, &asker) : result;
}

/* --- make --- */

/* Does this server send mail from that domain? One of ours or that is relayed, or its own name. */
static int check_domain(struct admin *a, const char *domain)
{
    struct domain_entry e;
    bool there;
    int result = edit_domain(a, span_of(domain), &there, &e);
    if (result == EX_OK && strcasecmp(domain, a->s.hostname) != 0 && !there)
        result =
            complain(EX_NOHOST, "%s: is no domain of this server; `postern domain add` makes it one", domain);
    return result;
}

static bool has_state(const struct dkim_keys *keys, enum dkim_key_state state)
{
    for (size_t i = 0; i < keys->count; i++)
        if (keys->list[i].state == state)
            return true;
    return false;
}

static int make_locked(struct admin *a, const char *domain)
{
    struct dkim_keys keys;
    int result = check_domain(a, domain);
    if (result == EX_OK)
        result = dkim_find(a, domain, &keys);
    if (result != EX_OK)
        return result;
    if (has_state(&keys, DKIM_KEY_WAITING))
        return complain(EX_DATAERR, "%s: has keys that wait already; `postern dns %s` shows their records",
                        domain, domain);
    enum dkim_key_state state = has_state(&keys, DKIM_KEY_SIGNING) ? DKIM_KEY_WAITING : DKIM_KEY_SIGNING;
    result = dkim_make_pair(a, domain, state, &keys);
    if (result != EX_OK)
        return result;
    puts(state == DKIM_KEY_SIGNING ? "; mail is signed with these from now on; to be published in DNS:"
                                   : "; to be published in DNS; then `postern dkim rotate` has them sign:");
    return dkim_print_records(a, domain, &keys, state);
}

static int make(struct admin *a, const char *domain, void *arg)
{
    (void)arg;
    int result = edit_lock(a);
    if (result != EX_OK)
        return result;
    result = make_locked(a, domain);
    edit_unlock(a);
    return result;
}

int dkim_make(struct admin *a, int argc, char **argv)
{
    return dkim_each_domain(a, argc, argv, make, NULL);
}

int dkim_make_first(struct admin *a, const char *domain, bool *made)
{
    struct dkim_keys keys;
    int result = dkim_find(a, domain, &keys);
    *made = result == EX_OK && keys.count == 0;
    return *made ? dkim_make_pair(a, domain, DKIM_KEY_SIGNING, &keys) : result;
}

/* --- remove --- */

struct removal {
    bool now;
    int count; /* of selectors; 0: all that are retired */
    char **selectors;
    struct asker *asker;
    unsigned removed, kept;
};

static bool is_meant(const struct removal *r, const struct dkim_key *key)
{
    if (r->count == 0)
        return key->state == DKIM_KEY_RETIRED;
    for (int i = 0; i < r->count; i++)
        if (strcmp(r->selectors[i], key->selector) == 0)
            return true;
    return false;
}

/* EX_OK: it may go. */
static int may_go(struct admin *a, const char *domain, const struct dkim_key *key, struct removal *r)
{
    enum dkim_published published = DKIM_MISSING;
    if (r->now || key->state == DKIM_KEY_WAITING)
        return EX_OK;
    if (key->state == DKIM_KEY_SIGNING)
        return complain(EX_DATAERR,
                        "%s: mail is signed with %s; `postern dkim rotate %s` puts another in its place",
                        domain, key->selector, domain);
    int result = asker_ask(a, r->asker, domain, key, &published);
    if (result == EX_OK && published == DKIM_PUBLISHED)
        result = complain(EX_TEMPFAIL,
                          "%s: %s is still in DNS; take its record away first, a week after it signed last",
                          domain, key->selector);
    else if (result == EX_OK && published == DKIM_UNKNOWN)
        result = complain(EX_TEMPFAIL, "%s: DNS doesn't tell now whether it has %s; try again, or with --now",
                          domain, key->selector);
    return result;
}

static int remove_locked(struct admin *a, const char *domain, struct removal *r)
{
    struct dkim_keys keys;
    int result = dkim_find(a, domain, &keys);
    for (size_t i = 0; i < keys.count; i++) {
        const struct dkim_key *key = &keys.list[i];
        if (!is_meant(r, key))
            continue;
        int one = may_go(a, domain, key, r);
        if (one == EX_OK && dkim_key_remove(&a->s, domain, key) != ST_OK)
            one = complain(EX_CANTCREAT, "%s: can't remove %s: %s", domain, key->selector, strerror(errno));
        if (one == EX_OK) {
            printf("%s %s removed\n", domain, key->selector);
            r->removed++;
        } else {
            r->kept++;
        }
        result = result == EX_OK ? one : result;
    }
    if (result == EX_OK && r->removed + r->kept < (unsigned)(r->count ? r->count : 1))
        result = complain(EX_NOUSER,
                          r->count ? "%s: has no such key; `postern dkim list` shows them"
                                   : "%s: has no retired key",
                          domain);
    return result;
}

int dkim_remove(struct admin *a, int argc, char **argv)
{
    struct asker asker;
    char domain[ADDRESS_DOMAIN_LIMIT + 1];
    bool now = argc > 0 && strcmp(argv[0], "--now") == 0;
    if (argc == now)
        return complain(EX_USAGE, "of which domain? `postern dkim --help` shows how");
    struct removal r = { .now = now, .count = argc - now - 1, .selectors = argv + now + 1, .asker = &asker };
    int result = dkim_domain_argument(argv[now], domain);
    if (result == EX_OK)
        result = asker_init(a, &asker);
    if (result == EX_OK)
        result = edit_lock(a);
    if (result != EX_OK)
        return result;
    result = remove_locked(a, domain, &r);
    edit_unlock(a);
    return result;
}
