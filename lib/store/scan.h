/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What lies in new/ and cur/ of a folder at this moment.
 */
#ifndef POSTERN_STORE_SCAN_H
#define POSTERN_STORE_SCAN_H

#include "base/status.h"
#include "store/filename.h"

#include <time.h>

struct found {
    const char *name;  /* the scan's, see scan_keep() */
    struct filename f; /* of `name` */
    uint64_t time;     /* that the name begins with */
    uint64_t size;     /* scan_stat()'s, or the name's; 0: not known */
    int64_t date;      /* scan_stat()'s */
    uint64_t inode;    /* the same */
    uint32_t uid;      /* that it has or gets; whoever reads the scan says */
    uint32_t record;   /* the same */
    bool in_new, dated;
    bool recent; /* whoever reads the scan says */
    bool came;   /* an event: the name came; else it went */
    bool earlier; /* the same: another one about the name follows */
};

struct scan {
    struct found *items;
    size_t count, room;
    struct name_block *blocks;          /* the names' bytes */
    struct timespec new_time, cur_time; /* when the directories had changed last before they were read */
    bool settled; /* both times were old enough that a later change must show in them */
};

/* Adds what lies in the directories (either may be -1: it isn't read); *s begins zeroed. The descriptors'
 * offsets move. Directories, links and names that begin with '.' are passed over. If a directory changed
 * while it was read, items may stand there twice, also under names that they no longer have; but none is
 * missing. ST_TEMP with errno.
 */
enum status scan_folder(int new_dir, int cur_dir, struct scan *s);
/* Adds one name. False if memory runs out or there are too many. */
bool scan_add(struct scan *s, const char *name, bool in_new);
void scan_clear(struct scan *s); /* no items; memory stays for the next */
void scan_free(struct scan *s);
/* A copy of the name that lives as long as the scan's items. NULL if memory runs out. */
const char *scan_keep(struct scan *s, const char *name);

/* Do the directories still have these times, and were those settled? */
bool scan_current(int new_dir, int cur_dir, const struct scan *s);
/* Sets the directories' times and `settled` as they are now. */
void scan_times(int new_dir, int cur_dir, struct scan *s);

/* Size and date of the file; false if it is gone or no regular file. */
bool scan_stat(int new_dir, int cur_dir, struct found *item);

#endif
