/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sets of messages: from numbers as a client writes them to indexes of entries, and back to text for COPYUID.
 *
 * Ranges may overlap and come in any order, as many as fit into a line. They are marked as steps up and down
 * in one array and summed, so the work is the number of messages plus the number of ranges, whatever they
 * are.
 *
 * `$` (RFC 5182) is kept as UIDs: what is expunged drops out of it by itself.
 */
#include "imapd.h"

#include <stdlib.h>

/* The range as indexes [*from, *to). False: a sequence number that isn't there (RFC 3501 9, seq-range). */
static bool range_indexes(const struct mailbox *box, const struct range *r, bool uid, size_t *from,
                          size_t *to)
{
    uint32_t last = uid ? (box->count ? mailbox_uid(box, box->count - 1) : 0) : (uint32_t)box->count;
    uint32_t a = r->first ? r->first : last, b = r->last ? r->last : last;
    uint32_t low = a < b ? a : b, high = a < b ? b : a;
    *from = *to = 0;
    if (box->count == 0) /* `1:*` names nothing here; some clients ask before they look */
        return uid || r->first == 0 || r->last == 0;
    if (!uid) {
        if (high > box->count)
            return false;
        *from = low - 1;
        *to = high;
        return true;
    }
    *from = mailbox_find(box, low);
    *to = high == UINT32_MAX ? box->count : mailbox_find(box, high + 1);
    return true;
}

/* A step up where messages of the set begin, one down behind them. False with a reply. */
static bool mark_ranges(struct imap *i, const struct set *set, bool uid, int32_t *steps)
{
    for (size_t n = 0; n < set->count; n++) {
        size_t from, to;
        if (!range_indexes(i->box, &set->ranges[n], uid, &from, &to)) {
            /* doesn't count as a wrong command: it may have been there a moment ago */
            reply(i, "BAD No message has that number");
            return false;
        }
        if (from < to) {
            steps[from]++;
            steps[to]--;
        }
    }
    return true;
}

static void mark_saved(const struct imap *i, int32_t *steps)
{
    for (size_t n = 0; n < i->saved.count; n++) {
        size_t at = mailbox_find(i->box, i->saved.uids[n]);
        if (at < i->box->count && mailbox_uid(i->box, at) == i->saved.uids[n]) {
            steps[at]++;
            steps[at + 1]--;
        }
    }
}

bool set_indexes(struct imap *i, const struct set *set, bool uid, size_t **indexes, size_t *count)
{
    size_t total = i->box->count, found = 0;
    int32_t *steps = calloc(total + 1, sizeof *steps);
    *indexes = malloc((total + 1) * sizeof **indexes);
    *count = 0;
    bool valid = steps && *indexes;
    if (!valid)
        reply(i, "NO [UNAVAILABLE] Out of memory");
    else if (set->saved)
        mark_saved(i, steps);
    else
        valid = mark_ranges(i, set, uid, steps);
    int32_t depth = 0;
    for (size_t n = 0; valid && n < total; n++) {
        depth += steps[n];
        if (depth > 0)
            (*indexes)[found++] = n;
    }
    free(steps);
    if (!valid) {
        free(*indexes);
        *indexes = NULL;
    }
    *count = found;
    return valid;
}

void saved_clear(struct imap *i)
{
    free(i->saved.uids);
    i->saved = (struct saved){ NULL, 0 };
}

bool saved_keep(struct imap *i, const size_t *indexes, size_t count)
{
    uint32_t *uids = malloc((count + 1) * sizeof *uids);
    saved_clear(i);
    for (size_t n = 0; uids && n < count; n++)
        uids[n] = mailbox_uid(i->box, indexes[n]);
    if (uids)
        i->saved = (struct saved){ uids, count };
    return uids != NULL;
}

void add_uids(struct bytes *b, const uint32_t *uids, size_t count)
{
    for (size_t n = 0; n < count;) {
        size_t end = n + 1;
        while (end < count && uids[end] == uids[end - 1] + 1)
            end++;
        if (n > 0)
            bytes_add_char(b, ',');
        add_number(b, uids[n]);
        if (end > n + 1) {
            bytes_add_char(b, ':');
            add_number(b, uids[end - 1]);
        }
        n = end;
    }
}
