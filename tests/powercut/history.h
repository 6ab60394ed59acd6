/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a disk was told, in order, and what a power cut after any of it can leave.
 *
 * Safe at a cut is a write that was answered before a flush came that was answered before the cut. Of every
 * other write that had come, answered or not, all, nothing or any of its sectors may be there, whatever came
 * of those before it: so is a disk with a cache. (A write that must go through the cache, FUA, comes from a
 * loop device as a write and a flush.) No two writes on their way are to the same place: file systems wait.
 *
 * Nothing here locks.
 */
#ifndef POSTERN_TESTS_POWERCUT_HISTORY_H
#define POSTERN_TESTS_POWERCUT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kind { WRITE, WRITTEN, FLUSH, FLUSHED, NOTE };

#define NEVER SIZE_MAX

struct event {
    enum kind kind;
    size_t of;         /* a write or flush: the event that answers it, or NEVER; an answer: what it answers */
    size_t at, length; /* of a write, in bytes; a flush is of the disk that `at` is in */
    char *data;        /* a write's, until it is in `safe`; a note's text */
};

/* Two disks, of which the second may be empty, lie one behind the other; a flush is of one of them. */
struct history {
    size_t size, sector;    /* of both; a write may end behind any of its sectors */
    size_t second;          /* where the second begins */
    char *now;              /* what is on it: `size` bytes, read by anybody, written by history_put() */
    char *safe;             /* what is on it for good: at history_record(), and then at the last cut */
    unsigned char *changed; /* a byte a page: `now` may differ from `safe` there */
    struct event *events;
    size_t count, room;
    bool recording;
    size_t cut;     /* events before the last cut */
    size_t pending; /* its writes that were not safe */
    size_t lost;    /* of these those that are not there */
    size_t torn;    /* and those that are there in part */
};

/* Disks of so many bytes, all zero, with nothing recorded: false without memory for that. Live as long as the
 * process. */
bool history_begin(struct history *h, size_t first, size_t second, size_t sector);
/* `length` bytes at `at`, which are within the disk, become `data`: nothing is recorded. */
void history_put(struct history *h, size_t at, const char *data, size_t length);
/* What is on the disks now is there for good, and events are kept from here on. False if that was said
 * before. */
bool history_record(struct history *h);
/* Records an event: its number, or NEVER where nothing is recorded or no memory is left. `of`: of an answer,
 * what it answers; else NEVER. `data` is copied; it is what a write or a note has. */
size_t history_keep(struct history *h, enum kind kind, size_t of, size_t at, const char *data, size_t length);
/* `now` becomes what a disk could hold that lost its power after the first `end` events, chosen by `seed`;
 * whatever was put since the cut before is forgotten. False while recording, and where `end` is less than at
 * the cut before, or too much. */
bool history_cut(struct history *h, size_t end, uint64_t seed);
/* A number below `sides`; *state is never zero. */
unsigned history_roll(uint64_t *state, unsigned sides);

#endif
