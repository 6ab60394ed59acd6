/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The names that events told of, taken into a scan until no file is on its way: one that is renamed while a
 * directory is read may be missed by every reading, but its new name is told.
 */
#include "store/mailbox_private.h"
#include "base/clock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define PATIENCE_MS 2000 /* for an event that must come: its program may be waiting for a processor */

bool touched_is_there(const struct mailbox_private *p, const struct found *item, struct stat *st)
{
    return fstatat(item->in_new ? p->new_dir : p->cur_dir, item->name, st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The names that events told of, from the first'th on, as far as they are there. False if memory runs out. */
static bool take_touched(struct merging *m, size_t first)
{
    struct mailbox_private *p = mailbox_private(m->box);
    struct stat st;
    for (size_t i = first; i < p->touched.count; i++) {
        const struct found *item = &p->touched.items[i];
        if (touched_is_there(p, item, &st) && S_ISREG(st.st_mode) &&
            !scan_add(&m->scan, item->name, item->in_new))
            return false;
    }
    return true;
}

static int compare_touched(const void *a, const void *b)
{
    const struct found *x = *(struct found *const *)a, *y = *(struct found *const *)b;
    int order = x->in_new - y->in_new;
    if (order == 0)
        order = strcmp(x->name, y->name);
    return order ? order : (x > y) - (x < y);
}

static bool is_found(const struct merging *m, struct span base)
{
    for (size_t i = m->scan.count; i-- > 0;)
        if (span_eq(m->scan.items[i].f.base, base))
            return true;
    return false;
}

/* Of what was heard of a name only the last counts, and the order stays; of the first *seen so many are left.
 * Else what a program tells that renames all the time is more than can be gone through while it does. */
static void forget_earlier(struct scan *touched, size_t *seen)
{
    size_t kept = 0, left = 0;
    struct found **items = malloc((touched->count + 1) * sizeof *items);
    if (!items)
        return;
    for (size_t i = 0; i < touched->count; i++)
        items[i] = &touched->items[i];
    qsort(items, touched->count, sizeof *items, compare_touched);
    for (size_t i = 0; i < touched->count; i++)
        items[i]->earlier = i + 1 < touched->count && items[i]->in_new == items[i + 1]->in_new &&
                            strcmp(items[i]->name, items[i + 1]->name) == 0;
    for (size_t i = 0; i < touched->count; i++) {
        if (touched->items[i].earlier)
            continue;
        left += i < *seen;
        touched->items[kept++] = touched->items[i];
    }
    touched->count = kept;
    *seen = left;
    free(items);
}

/* Will an event still come that says where a file went, which was found under no name yet? The last that was
 * heard is that it came, and it isn't there. */
static bool one_is_on_its_way(const struct merging *m)
{
    const struct mailbox_private *p = mailbox_private(m->box);
    struct stat st;
    for (size_t i = 0; i < p->touched.count; i++) {
        const struct found *item = &p->touched.items[i];
        if (item->came && !touched_is_there(p, item, &st) && !is_found(m, item->f.base))
            return true;
    }
    return false;
}

/* A rename is seen a moment before it is heard of. */
bool merging_take_touched(struct merging *m)
{
    struct mailbox_private *p = mailbox_private(m->box);
    size_t seen = 0;
    mailbox_drain(m->box);
    for (int64_t end = clock_ms() + PATIENCE_MS; clock_ms() < end && !p->events_lost;) {
        forget_earlier(&p->touched, &seen);
        if (!take_touched(m, seen))
            return false;
        seen = p->touched.count;
        if (!one_is_on_its_way(m))
            break;
        nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
        mailbox_drain(m->box);
    }
    return true;
}
