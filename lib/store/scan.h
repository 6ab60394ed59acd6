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
    char *name;
    struct filename f; /* of `name` */
    bool in_new;
    uint32_t uid;  /* that it has or gets; whoever reads the scan says */
    uint64_t size; /* from here on: scan_stat() */
    int64_t date;
};

struct scan {
    struct found *items;
    size_t count, room;
    struct timespec new_time, cur_time; /* the directories' mtime before they were read */
    bool settled; /* both mtimes were old enough that a later change must show in them */
};

/* The descriptors' offsets move. Directories, links and names that begin with '.' are passed over. If a
 * directory changed while it was read, items may stand there twice, also under names that they no longer
 * have; but none is missing. ST_TEMP with errno. */
enum status scan_folder(int new_dir, int cur_dir, struct scan *s);
void scan_free(struct scan *s);

/* Do the directories still have these mtimes, and were those settled? */
bool scan_current(int new_dir, int cur_dir, const struct scan *s);

/* Size and date of the file; false if it is gone or no regular file. */
bool scan_stat(int new_dir, int cur_dir, struct found *item);

#endif
