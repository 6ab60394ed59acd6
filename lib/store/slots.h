/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What many connections count together: a file of fixed slots in the spool, each a few numbers under a name,
 * until they expire. Rates, failed logins and the greylist are kept so.
 *
 * The file never grows: where many names fall into one place, the slot that would expire first makes way. A
 * name is kept as its hash by a random key that lies in the file, so that strangers can't choose names that
 * push each other out. Whatever the file holds is harmless: what isn't a slot of ours counts as none.
 */
#ifndef POSTERN_STORE_SLOTS_H
#define POSTERN_STORE_SLOTS_H

#include "base/bytes.h"
#include "base/siphash.h"
#include "base/status.h"

#include <sys/types.h>

#define SLOT_VALUES 3
#define SLOTS_LIFETIME (90 * 86400) /* seconds that a slot lasts at most */

struct slots;

struct slot {
    int64_t expires; /* seconds since 1970; 0: there was none of that name */
    int64_t written; /* when */
    uint64_t value[SLOT_VALUES];
    bool crowded;    /* to set it, another that hasn't expired makes way */
    struct siphash hash; /* this and the next are for slots_set */
    off_t at;
};

/* Opens or makes the file; a damaged one is made anew. It has room for `count` slots (rounded up to eights),
 * 64 bytes each, which are allocated at once, so that a full disk doesn't stop the counting. Not to be shared
 * with a child. ST_TEMP: can't, with errno set. */
enum status slots_open(const char *path, size_t count, struct slots **s);
void slots_close(struct slots *s); /* NULL is allowed */

/* The slot of that name, all zero where there is none, locked until slots_set or slots_release: one at a
 * time. ST_TEMP, with nothing locked: the file can't be read, or somebody has held the lock for LOCK_MS. */
enum status slots_get(struct slots *s, struct span name, int64_t now, struct slot *slot);
/* Writes value and expires, and unlocks. */
enum status slots_set(struct slots *s, struct slot *slot, int64_t now);
void slots_release(struct slots *s);

/* Takes one of the `limit` places (4096 at most) that the name has in an empty file at `path`: a descriptor
 * that holds it until it and all copies of it are closed, so for a process's life. Who gets hold of it can do
 * no harm to the slots. -1 with errno EWOULDBLOCK where all places are taken, another errno where it can't be
 * told. */
int slots_hold(const struct slots *s, const char *path, struct span name, uint64_t limit);

#endif
