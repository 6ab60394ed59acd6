/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern dkim rotate: new keys in the place of old ones, in two runs.
 *
 *     1. where no keys wait, a pair is made that does, and its records are printed
 *     2. where all that wait are in DNS, they sign, and those that signed are retired
 *
 * In the second the new ones sign first, so that there is no moment without one; as of several the newest
 * signs, mail that is sent between the two steps is signed with the new one already. Killed there, the next
 * run goes on: an old key that a newer one of its kind has replaced is retired.
 */
#include "dkim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

struct rotation {
    bool now; /* whatever DNS says */
    struct asker *asker;
};

static size_t count_state(const struct dkim_keys *keys, enum dkim_key_state state)
{
    size_t n = 0;
    for (size_t i = 0; i < keys->count; i++)
        n += keys->list[i].state == state;
    return n;
}

static int change(struct admin *a, const char *domain, struct dkim_key *key, enum dkim_key_state state)
{
    if (dkim_key_change(&a->s, domain, key, state) == ST_OK) {
        printf("; %s %s\n", key->selector,
               state == DKIM_KEY_SIGNING ? "signs now" : "signs no more, and stays in DNS for a week");
        return EX_OK;
    }
    return complain(EX_CANTCREAT, "%s: can't change the state of %s: %s", domain, key->selector,
                    strerror(errno));
}

/* Retires what a newer key of the same kind has replaced. */
static int retire_replaced(struct admin *a, const char *domain, struct dkim_keys *keys)
{
    bool newer[2] = { false, false }; /* by algorithm */
    int result = EX_OK;
    for (size_t i = keys->count; i-- > 0 && result == EX_OK;) {
        struct dkim_key *key = &keys->list[i];
        struct public_key public;
        if (key->state != DKIM_KEY_SIGNING)
            continue;
        result = dkim_public(a, domain, key, &public);
        bytes_free(&public.key);
        if (result == EX_OK && newer[public.algorithm])
            result = change(a, domain, key, DKIM_KEY_RETIRED);
        else if (result == EX_OK)
            newer[public.algorithm] = true;
    }
    return result;
}

/* EX_OK: all that wait are in DNS. */
static int check_published(struct admin *a, const char *domain, const struct dkim_keys *keys,
                           const struct rotation *r)
{
    int result = EX_OK;
    for (size_t i = 0; i < keys->count && !r->now; i++) {
        enum dkim_published published;
        const struct dkim_key *key = &keys->list[i];
        if (key->state != DKIM_KEY_WAITING)
            continue;
        int one = asker_ask(a, r->asker, domain, key, &published);
        if (one == EX_OK && published == DKIM_UNKNOWN)
            return complain(EX_TEMPFAIL, "%s: DNS doesn't tell now whether it has %s; nothing was changed",
                            domain, key->selector);
        if (one == EX_OK && published != DKIM_PUBLISHED)
            one = complain(EX_TEMPFAIL, "%s: %s isn't in DNS yet (%s); nothing was changed", domain,
                           key->selector, dkim_published_word(published));
        result = result == EX_OK ? one : result;
    }
    return result;
}

/* What waits signs, and what it replaces is retired. */
static int replace(struct admin *a, const char *domain, struct dkim_keys *keys)
{
    int result = EX_OK;
    for (size_t i = 0; i < keys->count && result == EX_OK; i++)
        if (keys->list[i].state == DKIM_KEY_WAITING)
            result = change(a, domain, &keys->list[i], DKIM_KEY_SIGNING);
    return result == EX_OK ? retire_replaced(a, domain, keys) : result;
}

static int rotate_locked(struct admin *a, const char *domain, const struct rotation *r)
{
    struct dkim_keys keys;
    int result = dkim_find(a, domain, &keys);
    if (result == EX_OK && keys.count == 0)
        return complain(EX_NOHOST, "%s: has no keys; `postern dkim make %s` makes them", domain, domain);
    size_t signing = count_state(&keys, DKIM_KEY_SIGNING);
    if (result == EX_OK)
        result = retire_replaced(a, domain, &keys);
    if (result != EX_OK ||
        (count_state(&keys, DKIM_KEY_SIGNING) < signing && !count_state(&keys, DKIM_KEY_WAITING)))
        return result; /* that was left to be done of a rotation */
    if (count_state(&keys, DKIM_KEY_WAITING) == 0) {
        result = dkim_make_pair(a, domain, DKIM_KEY_WAITING, &keys);
        if (result == EX_OK && !r->now)
            puts("; to be published in DNS; then run `postern dkim rotate` again:");
        if (result == EX_OK)
            result = dkim_print_records(a, domain, &keys, DKIM_KEY_WAITING);
        if (result != EX_OK || !r->now)
            return result;
    }
    result = check_published(a, domain, &keys, r);
    return result == EX_OK ? replace(a, domain, &keys) : result;
}

static int rotate(struct admin *a, const char *domain, void *arg)
{
    int result = edit_lock(a);
    if (result != EX_OK)
        return result;
    result = rotate_locked(a, domain, arg);
    edit_unlock(a);
    return result;
}

int dkim_rotate(struct admin *a, int argc, char **argv)
{
    struct asker asker;
    bool now = argc > 0 && strcmp(argv[0], "--now") == 0;
    struct rotation r = { .now = now, .asker = &asker };
    int result = asker_init(a, &asker);
    return result == EX_OK ? dkim_each_domain(a, argc - now, argv + now, rotate, &r) : result;
}
