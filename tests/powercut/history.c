/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a power cut can leave; see history.h. `safe` goes along from cut to cut with what flushes make safe,
 * and `now` is that and some of what isn't: so a cut costs what has changed since the one before, not the
 * size of the disk.
 */
#include "history.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE ((size_t)4096)
#define FIRST_ROOM 4096

/* xorshift64*; never zero. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

unsigned history_roll(uint64_t *state, unsigned sides)
{
    return (unsigned)((next_random(state) >> 33) % sides);
}

size_t history_keep(struct history *h, enum kind kind, size_t of, size_t at, const char *data, size_t length)
{
    if (!h->recording)
        return NEVER;
    if (h->count == h->room) {
        size_t room = h->room ? 2 * h->room : FIRST_ROOM;
        struct event *more = realloc(h->events, room * sizeof *more);
        if (!more)
            return NEVER;
        h->events = more;
        h->room = room;
    }
    char *copy = data ? malloc(length + 1) : NULL;
    if (data && !copy)
        return NEVER;
    if (copy) {
        memcpy(copy, data, length);
        copy[length] = '\0';
    }
    h->events[h->count] = (struct event){ .kind = kind, .of = of, .at = at, .length = length, .data = copy };
    if (of != NEVER)
        h->events[of].of = h->count;
    return h->count++;
}

void history_put(struct history *h, size_t at, const char *data, size_t length)
{
    memcpy(h->now + at, data, length);
    for (size_t page = at / PAGE; page * PAGE < at + length; page++)
        h->changed[page] = 1;
}

/* Where `now` and `safe` may differ: the one becomes what the other is. */
static void restore(struct history *h, char *to, const char *from)
{
    for (size_t page = 0; page < h->size / PAGE; page++)
        if (h->changed[page]) {
            memcpy(to + page * PAGE, from + page * PAGE, PAGE);
            h->changed[page] = 0;
        }
}

static bool on_second(const struct history *h, const struct event *e)
{
    return e->at >= h->second;
}

/* Of each disk the last flush to come of those that were answered by now, or 0. */
struct flushes {
    size_t last[2];
};

static struct flushes last_flushes(const struct history *h, size_t end)
{
    struct flushes f = { { 0, 0 } };
    for (size_t i = 0; i < end; i++) {
        size_t flush = h->events[i].of;
        if (h->events[i].kind != FLUSHED)
            continue;
        size_t *last = &f.last[on_second(h, &h->events[flush])];
        *last = flush > *last ? flush : *last;
    }
    return f;
}

enum fate { LOST, KEPT, TORN };

/* Of all that isn't safe: nothing is there, everything, all but one, one alone; or each by itself is there
 * with a chance of 1, 4 or 7 of 8. One of a few is torn. */
struct fates {
    unsigned how;
    size_t one;
};

static enum fate fate_of(const struct fates *f, size_t index, uint64_t *random)
{
    static const unsigned chances[] = { 1, 4, 7 };
    bool torn = history_roll(random, 5) == 0;
    switch (f->how) {
    case 0:
        return LOST;
    case 1:
        return KEPT;
    case 2:
        return index != f->one ? KEPT : torn ? TORN : LOST;
    case 3:
        return index != f->one ? LOST : torn ? TORN : KEPT;
    default:
        return torn ? TORN : history_roll(random, 8) < chances[f->how % 3] ? KEPT : LOST;
    }
}

static void put_torn(struct history *h, const struct event *e, uint64_t *random)
{
    for (size_t done = 0; done < e->length;) {
        size_t n = h->sector - (e->at + done) % h->sector;
        n = n < e->length - done ? n : e->length - done;
        if (history_roll(random, 2))
            history_put(h, e->at + done, e->data + done, n);
        done += n;
    }
}

/* Writes that have become safe since the cut before. */
static void settle(struct history *h, size_t end)
{
    struct flushes flushes = last_flushes(h, end);
    for (size_t i = 0; i < end; i++) {
        struct event *e = &h->events[i];
        if (e->kind != WRITE || !e->data || e->of == NEVER || e->of >= flushes.last[on_second(h, e)])
            continue;
        memcpy(h->safe + e->at, e->data, e->length);
        memcpy(h->now + e->at, e->data, e->length);
        free(e->data);
        e->data = NULL;
    }
}

/* Some of the first `end` events' writes that aren't safe come to be there. */
static void lose_the_rest(struct history *h, size_t end, uint64_t *random)
{
    h->pending = h->lost = h->torn = 0;
    for (size_t i = 0; i < end; i++)
        h->pending += h->events[i].kind == WRITE && h->events[i].data;
    struct fates fates = { .how = history_roll(random, 10) };
    fates.one = h->pending ? history_roll(random, (unsigned)h->pending) : 0;
    size_t index = 0;
    for (size_t i = 0; i < end; i++) {
        struct event *e = &h->events[i];
        if (e->kind != WRITE || !e->data)
            continue;
        enum fate fate = fate_of(&fates, index++, random);
        h->lost += fate == LOST;
        h->torn += fate == TORN;
        if (fate == KEPT)
            history_put(h, e->at, e->data, e->length);
        else if (fate == TORN)
            put_torn(h, e, random);
    }
}

bool history_cut(struct history *h, size_t end, uint64_t seed)
{
    if (h->recording || end < h->cut || end > h->count)
        return false;
    uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    for (int i = 0; i < 8; i++)
        next_random(&random);
    restore(h, h->now, h->safe);
    settle(h, end);
    h->cut = end;
    lose_the_rest(h, end, &random);
    return true;
}

bool history_record(struct history *h)
{
    if (h->recording || h->count)
        return false;
    restore(h, h->safe, h->now);
    h->recording = true;
    return true;
}

static char *zeros(size_t size)
{
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

bool history_begin(struct history *h, size_t first, size_t second, size_t sector)
{
    *h = (struct history){ .second = first / PAGE * PAGE, .sector = sector };
    h->size = h->second + second / PAGE * PAGE;
    if (!h->size || !sector)
        return false;
    h->now = zeros(h->size);
    h->safe = zeros(h->size);
    h->changed = calloc(h->size / PAGE, 1);
    return h->now && h->safe && h->changed;
}
