/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Policy that counts: how many recipients a source or an account has had within an hour, and the greylist.
 *
 * The greylist (RFC 6647) lies in spool/slots/greylist, under two kinds of names:
 *
 *     t network sender recipient   when it first came; it may pass from `greylist` seconds later on
 *     s network                    one that passed, for PASSED_SECONDS from its last message on
 *
 * A network is an IPv4 /24 or an IPv6 /64, as large senders come again from a neighbour. What hasn't passed
 * is forgotten after RETRY_SECONDS. New ones expire first, so no flood of them pushes out who has passed. Off
 * by default: it delays the first message from everybody, among them codes and links that are waited for, and
 * senders with many networks by hours; most spam now comes from what tries again. Where it can't be used mail
 * is taken: it fails open.
 *
 * spool/slots/deferred has in the same way who was told to come again as DNS couldn't tell who sent what.
 * There new ones push out nobody: who finds no room isn't told to, so that no flood of them puts off others
 * for ever.
 */
#include "guard_policy.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/limits.h"
#include "store/slots.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define HOUR 3600
#define DAY 86400
#define GREYLIST_SLOTS 65536 /* 4 MiB */
#define DEFERRED_SLOTS 16384 /* 1 MiB */
#define RETRY_SECONDS (2 * DAY)
#define PASSED_SECONDS (36 * DAY)

enum { FIRST };

/* --- rates */

static enum verdict over(struct smtp_guard *g, const struct address *recipient, const char *setting,
                         const char *whose, uint64_t limit)
{
    char text[128];
    const struct finding f = { .setting = setting, .why = "too many messages" };
    snprintf(text, sizeof text, "Too many messages from this %s, at most %llu an hour; try again later",
             whose, (unsigned long long)limit);
    return policy_refuse(g, recipient, &f, "450 4.7.1", text);
}

static enum verdict count(struct smtp_guard *g, const struct address *recipient, char what, struct span who,
                          uint64_t limit)
{
    bool account = what == 'a';
    enum status st = limits_take(g->settings, what, who, limit, HOUR, 1);
    if (st == ST_PERM)
        return over(g, recipient, account ? "messages-per-account" : "messages-per-source",
                    account ? "account" : "address", limit);
    if (st != ST_OK)
        log_event(LOG_WARNING, "rates-unusable", "spool", g->settings->spool, "why", strerror(errno), NULL);
    return VERDICT_OK;
}

enum verdict policy_rate(struct smtp_guard *g, const struct address *recipient)
{
    const struct settings *s = g->settings;
    const struct peer *peer = &g->serving->peer;
    struct limits_source source;
    if (g->login.done && s->messages_per_account)
        return count(g, recipient, 'a', span_of(g->login.account.text), s->messages_per_account);
    if (guard_may_relay(g) || !peer->known || !s->messages_per_source)
        return VERDICT_OK;
    limits_source_of(&peer->address, LIMITS_WHOLE_IPV4, &source);
    return count(g, recipient, 's', (struct span){ (char *)source.octets, source.length },
                 s->messages_per_source);
}

/* --- the greylist */

/* ST_OK: passed, and remembered anew once a day. */
static enum status has_passed(struct slots *slots, struct span name, int64_t now)
{
    struct slot slot;
    if (slots_get(slots, name, now, &slot) != ST_OK)
        return ST_TEMP;
    bool known = slot.expires != 0;
    if (!known || slot.written > now - DAY) {
        slots_release(slots);
        return known ? ST_OK : ST_NONE;
    }
    slot.expires = now + PASSED_SECONDS;
    slots_set(slots, &slot, now);
    return ST_OK;
}

/* ST_NONE: not yet, but after *left seconds. `crowds`: a new one may push out another, and else passes. */
static enum status triplet(struct slots *slots, struct span name, int64_t now, int64_t delay, bool crowds,
                           int64_t *left)
{
    struct slot slot;
    if (slots_get(slots, name, now, &slot) != ST_OK)
        return ST_TEMP;
    if (slot.expires) {
        slots_release(slots);
        *left = (int64_t)slot.value[FIRST] + delay - now;
        return *left > 0 ? ST_NONE : ST_OK;
    }
    if (slot.crowded && !crowds) {
        slots_release(slots);
        return ST_OK;
    }
    slot.value[FIRST] = (uint64_t)now;
    slot.expires = now + delay + RETRY_SECONDS;
    *left = delay;
    return slots_set(slots, &slot, now) == ST_OK ? ST_NONE : ST_TEMP;
}

static void remember(struct slots *slots, struct span name, int64_t now)
{
    struct slot slot;
    if (slots_get(slots, name, now, &slot) != ST_OK)
        return;
    slot.expires = now + PASSED_SECONDS;
    slots_set(slots, &slot, now);
}

static void add_lower(struct bytes *to, const char *text)
{
    for (; *text; text++)
        bytes_add_char(to, ascii_lower(*text));
    bytes_add_char(to, '\0');
}

/* A file of slots; its path is for the log. */
static enum status open_slots(const struct smtp_guard *g, const char *name, size_t count, char path[PATH_MAX],
                              struct slots **slots)
{
    errno = ENAMETOOLONG;
    if ((size_t)snprintf(path, PATH_MAX, "%s/slots/%s", g->settings->spool, name) >= PATH_MAX)
        return ST_TEMP;
    return slots_open(path, count, slots);
}

/* With the file open. */
static enum status judge(struct smtp_guard *g, struct slots *slots, const struct address *recipient,
                         int64_t *left)
{
    struct limits_source network;
    struct bytes source, whole;
    int64_t now = clock_now(), delay = (int64_t)g->settings->greylist;
    limits_source_of(&g->serving->peer.address, LIMITS_IPV4_NETWORK, &network);
    bytes_init(&source, sizeof network.octets + 1);
    bytes_init(&whole, 3 * ADDRESS_LIMIT);
    bytes_add_char(&source, 's');
    bytes_add(&source, network.octets, network.length);
    bytes_add_char(&whole, 't');
    bytes_add(&whole, network.octets, network.length);
    add_lower(&whole, g->envelope.sender.text);
    add_lower(&whole, recipient->text);
    enum status st = whole.failed ? ST_TEMP : has_passed(slots, span_bytes(&source), now);
    if (st == ST_NONE) {
        st = triplet(slots, span_bytes(&whole), now, delay, true, left);
        if (st == ST_OK)
            remember(slots, span_bytes(&source), now);
    }
    bytes_free(&source);
    bytes_free(&whole);
    return st;
}

enum verdict policy_greylist(struct smtp_guard *g, const struct address *recipient)
{
    static const struct finding f = { .setting = "greylist", .why = "seen for the first time" };
    char path[PATH_MAX], text[128];
    struct slots *slots = NULL;
    int64_t left = 0;
    if (!g->settings->greylist || !g->serving->peer.known || g->policy->greylist_passed)
        return VERDICT_OK;
    enum status st = open_slots(g, "greylist", GREYLIST_SLOTS, path, &slots);
    if (st == ST_OK)
        st = judge(g, slots, recipient, &left);
    if (st == ST_TEMP)
        log_event(LOG_WARNING, "greylist-unusable", "file", path, "why", strerror(errno), NULL);
    slots_close(slots);
    g->policy->greylist_passed = st != ST_NONE;
    if (st != ST_NONE)
        return VERDICT_OK;
    snprintf(text, sizeof text, "Greylisted, try again in %lld seconds", (long long)left);
    return policy_refuse(g, recipient, &f, "451 4.7.1", text);
}

/* --- what DNS hides */

bool policy_defers(struct smtp_guard *g)
{
    char path[PATH_MAX];
    struct slots *slots = NULL;
    struct limits_source network;
    struct bytes name;
    int64_t left = 0;
    if (!g->settings->dns_defer)
        return false;
    limits_source_of(&g->serving->peer.address, LIMITS_IPV4_NETWORK, &network);
    bytes_init(&name, sizeof network.octets + 2 * ADDRESS_LIMIT);
    bytes_add(&name, network.octets, network.length);
    add_lower(&name, g->envelope.sender.text);
    enum status st = open_slots(g, "deferred", DEFERRED_SLOTS, path, &slots);
    if (st == ST_OK && !name.failed)
        st = triplet(slots, span_bytes(&name), clock_now(), (int64_t)g->settings->dns_defer, false, &left);
    if (st == ST_TEMP)
        log_event(LOG_WARNING, "deferred-unusable", "file", path, "why", strerror(errno), NULL);
    slots_close(slots);
    bytes_free(&name);
    return st == ST_NONE;
}
