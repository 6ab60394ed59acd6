/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Limits over connections; see limits.h. Rates lie in spool/slots/rates: a level that rises with each use and
 * falls evenly, by the limit in the limit's time; what would raise it above the limit is refused, and not
 * counted. So who comes at the limit's pace is never refused, and who comes all at once is refused at the
 * same number.
 *
 * Connections at a time hold places in spool/slots/places, which the kernel gives back however they end. A
 * warm listener knows its children, and needs none.
 */
#include "store/limits.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/slots.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define RATES_SLOTS 16384 /* 1 MiB */
#define NAME_LIMIT 512
#define MINUTE 60
#define UNIT 1000 /* levels are thousandths */
#define LIMIT_MOST UINT64_C(1000000000000)

enum { LEVEL, SINCE };

void limits_source_of(const struct in6_addr *address, enum limits_ipv4 bits, struct limits_source *source)
{
    *source = (struct limits_source){ .length = 8 };
    if (IN6_IS_ADDR_V4MAPPED(address))
        source->length = 12 + (size_t)bits / 8;
    memcpy(source->octets, address->s6_addr, source->length);
}

static enum status open_rates(const struct settings *s, struct slots **slots)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/slots/rates", s->spool);
    if (n < 0 || (size_t)n >= sizeof path) {
        errno = ENAMETOOLONG;
        return ST_TEMP;
    }
    return slots_open(path, RATES_SLOTS, slots);
}

/* What is left of a level after `passed` seconds. */
static uint64_t fallen(uint64_t level, uint64_t passed, uint64_t limit, int64_t seconds)
{
    if (passed >= (uint64_t)seconds)
        return level > limit * UNIT ? level - limit * UNIT : 0;
    uint64_t down = limit * UNIT / (uint64_t)seconds * passed +
                    limit * UNIT % (uint64_t)seconds * passed / (uint64_t)seconds;
    return level > down ? level - down : 0;
}

static enum status take(struct slots *slots, struct span name, uint64_t limit, int64_t seconds, uint64_t cost)
{
    struct slot slot;
    int64_t now = clock_now();
    if (slots_get(slots, name, now, &slot) != ST_OK)
        return ST_TEMP;
    uint64_t since = slot.value[SINCE];
    uint64_t level =
        since <= (uint64_t)now ? fallen(slot.value[LEVEL], (uint64_t)now - since, limit, seconds) : 0;
    if (level > limit * UNIT || cost * UNIT > limit * UNIT - level) {
        slots_release(slots);
        return ST_PERM;
    }
    slot.value[LEVEL] = level + cost * UNIT;
    slot.value[SINCE] = (uint64_t)now;
    slot.expires = now + seconds;
    return slots_set(slots, &slot, now);
}

enum status limits_take(const struct settings *s, char what, struct span who, uint64_t limit, int64_t seconds,
                        uint64_t cost)
{
    struct slots *slots;
    struct bytes name;
    enum status st = open_rates(s, &slots);
    if (st != ST_OK)
        return st;
    bytes_init(&name, NAME_LIMIT);
    bytes_add_char(&name, what);
    limit = limit < LIMIT_MOST ? limit : LIMIT_MOST;
    st = bytes_add_span(&name, who) && cost <= LIMIT_MOST
             ? take(slots, span_bytes(&name), limit, seconds, cost)
             : ST_TEMP;
    bytes_free(&name);
    slots_close(slots);
    return st;
}

/* --- connections */

static enum status hold_place(struct serving *s, struct span source)
{
    char path[PATH_MAX];
    struct slots *slots;
    int n = snprintf(path, sizeof path, "%s/slots/places", s->settings->spool);
    if (n < 0 || (size_t)n >= sizeof path || open_rates(s->settings, &slots) != ST_OK)
        return ST_TEMP;
    s->place = slots_hold(slots, path, source, s->settings->connections_per_source);
    int why = errno;
    slots_close(slots);
    errno = why;
    return s->place >= 0 ? ST_OK : why == EWOULDBLOCK ? ST_PERM : ST_TEMP;
}

static const char *judge(const struct serving *s, enum status st, const char *setting)
{
    if (st == ST_PERM)
        log_event(LOG_NOTICE, "too-many-connections", "peer", s->peer.text, "setting", setting, NULL);
    if (st == ST_TEMP)
        log_event(LOG_WARNING, "limits-unusable", "spool", s->settings->spool, "why", strerror(errno), NULL);
    return st == ST_PERM ? setting : NULL;
}

bool limits_concern(const struct serving *s, const struct peer *peer)
{
    return peer->known && (!s->warm || s->settings->connection_rate) &&
           !settings_trusts(s->settings, &peer->address);
}

const char *limits_admit(struct serving *s)
{
    const char *against = NULL;
    struct limits_source from;
    const struct settings *set = s->settings;
    if (!limits_concern(s, &s->peer))
        return NULL;
    limits_source_of(&s->peer.address, LIMITS_WHOLE_IPV4, &from);
    struct span source = { (const char *)from.octets, from.length };
    if (set->connection_rate)
        against = judge(s, limits_take(set, 'c', source, set->connection_rate, MINUTE, 1), "connection-rate");
    if (!against && !s->warm)
        against = judge(s, hold_place(s, source), "connections-per-source");
    return against;
}
