/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Copies that nobody sees (store/copies.h): gathered while RCPTs come, as targets of the message beside its
 * own when that is complete. Who is among its own gets one message. What becomes of a copy is nobody's
 * concern but the log's: it is NOTIFY=NEVER, and a copy for a mailbox that is full or unusable doesn't keep
 * the message from its recipients. A table that can't be read does: an archive that misses mail isn't one.
 *
 * Not for LMTP, where the server in front has seen to it, nor for a message that we sent on ourselves and
 * that came back: a copy would be copied again.
 */
#include "guard_private.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/copies.h"
#include "store/srs.h"

#include <errno.h>
#include <stdlib.h>

#define LOOK_UPS 13 /* of `bcc`: three for each of two names of sender and recipient, and all */

static const struct rcpt_options never = { .notify = NOTIFY_NEVER };

/* Where one copy goes. */
static enum status add_copy(struct smtp_guard *g, const struct address *a)
{
    struct targets *t = &g->envelope.copies;
    enum status st = directory_expand(g->directory, a, t);
    int why = errno;
    if (st == ST_PERM && why == EREMOTE)
        return targets_add_outside(t, a) ? ST_OK : ST_TEMP;
    if (st == ST_NONE || st == ST_PERM)
        log_event(LOG_ERR, "copy-unknown", "to", a->text, "why",
                  st == ST_NONE ? "no such user" : "its aliases loop, or are too many", NULL);
    return st == ST_TEMP ? ST_TEMP : ST_OK;
}

static enum status add_copies(struct smtp_guard *g, struct span list)
{
    struct span line;
    struct address a;
    enum status st = ST_OK;
    while (st == ST_OK && span_cut(&list, '\n', &line))
        if (line.n)
            st = address_parse(line, &a) == ADDRESS_OK ? add_copy(g, &a) : ST_TEMP;
    return st;
}

/* By its sender, which we made: anybody can say one that only looks so. */
static bool came_back(struct smtp_guard *g)
{
    const struct address *sender = &g->envelope.sender;
    struct address first;
    struct bytes key;
    if (!srs_is(sender) || directory_domain(g->directory, address_domain(sender)) != ST_OK)
        return false;
    bool ours = srs_key(g->settings, &key) == ST_OK &&
                srs_reverse(span_bytes(&key), sender, clock_now(), &first) == ST_OK;
    bytes_wipe(&key);
    return ours;
}

/* What is said of an address holds for it in the other names of its domain. */
static enum status find(struct smtp_guard *g, const char *kind, const struct address *a, struct bytes *list)
{
    struct address meant;
    const char *delimiters = g->settings->recipient_delimiter;
    enum status st = copies_find(g->copies, kind, a, delimiters, list);
    if (st != ST_OK)
        return st;
    st = directory_renamed(g->directory, a, &meant);
    return st == ST_OK ? copies_find(g->copies, kind, &meant, delimiters, list) : st == ST_NONE ? ST_OK : st;
}

bool guard_copies_recipient(struct smtp_guard *g, const struct address *recipient)
{
    struct bytes list;
    enum status st = g->copies || g->no_copies ? ST_OK : copies_open(g->settings, &g->copies);
    g->no_copies = st == ST_NONE || g->no_copies;
    if (st == ST_TEMP || g->no_copies || guard_is_lmtp(g) || came_back(g))
        return st != ST_TEMP;
    bytes_init(&list, LOOK_UPS * COPIES_VALUE_LIMIT);
    st = find(g, "to", recipient, &list);
    if (st == ST_OK && g->envelope.recipients == 0)
        st = find(g, "from", &g->envelope.sender, &list);
    if (st == ST_OK && g->envelope.recipients == 0)
        st = copies_find(g->copies, "all", NULL, "", &list);
    if (st == ST_OK && !list.failed)
        st = add_copies(g, span_bytes(&list));
    bool good = st == ST_OK && !list.failed;
    bytes_free(&list);
    return good;
}

bool guard_copies_join(struct envelope *e)
{
    struct targets *t = &e->targets, *copies = &e->copies;
    size_t own = t->count, *places = calloc(copies->count + 1, sizeof *places);
    bool good = places && targets_reserve(t, copies->count);
    if (good)
        targets_places(t, copies, places);
    for (size_t i = 0; good && i < copies->count; i++) {
        copies->list[i].options = places[i] < own ? t->list[places[i]].options : &never;
        copies->list[i].forwarded = !copies->list[i].local;
    }
    if (good)
        targets_join(t, copies, places);
    free(places);
    if (!good)
        return false;
    e->copied = t->count - own;
    guard_bound_local(t);
    return true;
}
