/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sets of messages: from numbers as a client writes them to indexes of entries, and back to text for COPYUID.
 *
 * Ranges may overlap and come in any order, as many as fit into a line. They are marked as steps up and down
 * in one array and summed, so the work is the number of messages plus the number of ranges, whatever they
 * are.
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

bool set_indexes(struct imap *i, const struct set *set, bool uid, size_t **indexes, size_t *count)
{
    size_t total = i->box->count, found = 0;
    int32_t *steps = calloc(total + 1, sizeof *steps);
    *indexes = malloc((total + 1) * sizeof **indexes);
    *count = 0;
    bool valid = steps && *indexes;
    if (!valid)
        reply(i, "NO [UNAVAILABLE] Out of memory");
    for (size_t n = 0; valid && n < set->count; n++) {
        size_t from, to;
        valid = range_indexes(i->box, &set->ranges[n], uid, &from, &to);
        if (valid && from < to) {
            steps[from]++;
            steps[to]--;
        } else if (!valid) { /* doesn't count as a wrong command: it may have been there a moment ago */
            reply(i, "BAD No message has that number");
        }
    }
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
