/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Failed logins over connections and programs: spool/slots/logins, where each is counted under three names.
 *
 *     s source           failures there, of whatever names     at most `login-failures` an hour
 *     a account          failures of that name from anywhere   at most ACCOUNT_FACTOR times as many
 *     k account source   a pair that has logged in before      at most `login-failures` an hour
 *
 * A source is an IPv4 address or an IPv6 /64. Beyond a limit what goes by that name is refused for LOCK_FIRST
 * seconds, without looking at the password, and twice as long each further time within a day, up to
 * LOCK_MOST. Before that the delay after a failure grows with the failures of the source, not only of the
 * connection.
 *
 * A pair that has logged in within KNOWN_SECONDS is judged by its own failures alone, and they count nowhere
 * else: so guessing at an account from elsewhere doesn't keep its owner out, and a telephone with an old
 * password doesn't keep out the others of its office. A success clears nothing else: an account of one's own
 * would else pay for guesses at others'. Sources in `networks` (a webmail server) have no count of their own.
 *
 * Names without an account are counted like others. Where the file can't be used nobody logs in (ST_TEMP,
 * after a delay): who can break the counting mustn't get unlimited guesses. Only where a full disk keeps it
 * from being made does a login go on, or nobody could log in to make room; a wrong password then waits long,
 * and a connection has its three as ever. A file that is there has all its room. With `login-failures 0` the
 * file isn't touched.
 */
#include "base/clock.h"
#include "base/log.h"
#include "store/limits.h"
#include "store/login_private.h"
#include "store/slots.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define LOGINS_SLOTS 16384 /* 1 MiB */
#define WINDOW 3600
#define REFUSED_DELAY 3 /* who is refused waits as long as after so many failures */
#define ACCOUNT_FACTOR 5
#define LOCK_FIRST 900
#define LOCK_MOST 14400
#define DAY 86400
#define KNOWN_SECONDS (60 * DAY)
#define NAME_LIMIT (LOGIN_NAME_LIMIT + 64)

enum {
    FAILURES,
    SINCE,
    LOCKED
}; /* a slot's values; LOCKED: until when, and the number of times in the low bits */
#define TIMES_BITS 4
#define TIMES_MASK ((1u << TIMES_BITS) - 1)

static int64_t locked_until(const struct slot *slot)
{
    return (int64_t)(slot->value[LOCKED] >> TIMES_BITS);
}

static bool make_name(char kind, struct span account, struct span source, struct bytes *name)
{
    bytes_init(name, NAME_LIMIT);
    bytes_add_char(name, kind);
    bytes_add_span(name, account);
    bytes_add_char(name, '\0');
    return bytes_add_span(name, source);
}

/* --- whom it concerns */

struct who {
    const struct login *login;
    struct slots *slots;
    struct span account; /* canonical, or whatever was given */
    struct limits_source source;
    bool counted; /* the source has a count */
    int64_t now;
};

static bool find(struct who *w, char kind, struct slot *slot)
{
    struct bytes name;
    struct span none = { "", 0 }, source = { (const char *)w->source.octets, w->source.length };
    bool good = make_name(kind, kind == 's' ? none : w->account, kind == 'a' ? none : source, &name) &&
                slots_get(w->slots, span_bytes(&name), w->now, slot) == ST_OK;
    bytes_free(&name);
    return good;
}

static enum status begin(const struct login *l, struct span account, struct who *w)
{
    char path[PATH_MAX];
    const struct peer *peer = l->peer;
    *w = (struct who){ .login = l, .account = account, .now = clock_now() };
    if (peer && peer->known) {
        limits_source_of(&peer->address, LIMITS_WHOLE_IPV4, &w->source);
        w->counted = !settings_trusts(l->settings, &peer->address);
    }
    int n = snprintf(path, sizeof path, "%s/slots/logins", l->settings->spool);
    if (n < 0 || (size_t)n >= sizeof path || slots_open(path, LOGINS_SLOTS, &w->slots) != ST_OK)
        return ST_TEMP;
    return ST_OK;
}

/* --- before the password is looked at */

static enum status judge(struct who *w, char kind, bool *known)
{
    struct slot slot;
    if (!find(w, kind, &slot))
        return ST_TEMP;
    slots_release(w->slots);
    if (known)
        *known = slot.expires != 0;
    return locked_until(&slot) > w->now ? ST_PERM : ST_OK;
}

static enum status judge_all(struct who *w, const char **by)
{
    bool known;
    *by = "account and source";
    enum status st = judge(w, 'k', &known);
    if (st != ST_OK || known)
        return st;
    *by = "source";
    if (w->counted)
        st = judge(w, 's', NULL);
    if (st != ST_OK)
        return st;
    *by = "account";
    return judge(w, 'a', NULL);
}

static enum status unusable(const struct login *l)
{
    bool full = errno == ENOSPC || errno == EDQUOT;
    log_event(LOG_ERR, "login-limits-unusable", "spool", l->settings->spool, "why", strerror(errno), "do",
              full ? "make room on the disk" : "look at slots/logins in the spool", NULL);
    return full ? ST_OK : ST_TEMP;
}

enum status login_limits_ask(struct login *l, struct span account)
{
    struct who w;
    const char *by = NULL;
    if (!l->settings->login_failures)
        return ST_OK;
    enum status st = begin(l, account, &w);
    if (st == ST_OK)
        st = judge_all(&w, &by);
    slots_close(w.slots);
    if (st == ST_TEMP)
        return unusable(l);
    if (st == ST_PERM) {
        l->failures = REFUSED_DELAY;
        char shown[LOGIN_NAME_LIMIT + 1];
        snprintf(shown, sizeof shown, "%.*s", SPAN_FMT(span_head(account, LOGIN_NAME_LIMIT)));
        log_event(LOG_NOTICE, "login-refused", "user", shown, "peer", l->peer ? l->peer->text : NULL, "why",
                  "too many failed logins", "by", by, "setting", "login-failures", NULL);
    }
    return st;
}

/* --- and after */

/* One more; the failures within the window. */
static enum status count(struct who *w, char kind, uint64_t limit, unsigned *failures)
{
    struct slot slot;
    if (!find(w, kind, &slot))
        return ST_TEMP;
    if (slot.value[SINCE] + WINDOW <= (uint64_t)w->now || slot.value[SINCE] > (uint64_t)w->now) {
        slot.value[SINCE] = (uint64_t)w->now;
        slot.value[FAILURES] = 0;
    }
    *failures = (unsigned)++slot.value[FAILURES];
    int64_t expires = w->now + WINDOW;
    if (slot.value[FAILURES] >= limit) {
        uint64_t times = slot.value[LOCKED] & TIMES_MASK;
        int64_t lasts = LOCK_FIRST << times < LOCK_MOST ? LOCK_FIRST << times : LOCK_MOST;
        times += times < TIMES_MASK;
        slot.value[LOCKED] = (uint64_t)(w->now + lasts) << TIMES_BITS | times;
        slot.value[FAILURES] = 0;
        expires = w->now + lasts + DAY;
    }
    if (expires > slot.expires)
        slot.expires = expires;
    return slots_set(w->slots, &slot, w->now);
}

static enum status count_all(struct who *w, unsigned *failures)
{
    bool known;
    unsigned of_account;
    uint64_t limit = w->login->settings->login_failures;
    if (judge(w, 'k', &known) == ST_TEMP)
        return ST_TEMP;
    if (known)
        return count(w, 'k', limit, failures);
    if (w->counted && count(w, 's', limit, failures) != ST_OK)
        return ST_TEMP;
    return count(w, 'a', ACCOUNT_FACTOR * limit, &of_account);
}

unsigned login_limits_failed(const struct login *l, struct span account)
{
    struct who w;
    unsigned failures = 0;
    if (!l->settings->login_failures)
        return 0;
    if (begin(l, account, &w) != ST_OK || count_all(&w, &failures) != ST_OK) {
        unusable(l);
        failures = REFUSED_DELAY;
    }
    slots_close(w.slots);
    return failures;
}

/* Written once a day where nothing else has to be. */
void login_limits_passed(const struct login *l, struct span account)
{
    struct who w;
    struct slot slot;
    if (!l->settings->login_failures)
        return;
    if (begin(l, account, &w) == ST_OK && find(&w, 'k', &slot)) {
        if (slot.expires && slot.value[FAILURES] == 0 && slot.written > w.now - DAY) {
            slots_release(w.slots);
        } else {
            memset(slot.value, 0, sizeof slot.value);
            slot.expires = w.now + KNOWN_SECONDS;
            slots_set(w.slots, &slot, w.now);
        }
    }
    slots_close(w.slots);
}
