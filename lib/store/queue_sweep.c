/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What lies wrong in the queue, looked for now and then: what crashes left, once it is so old that nobody can
 * still be at work on it; and what a clock that ran ahead has put off. That waits in the directory of a time
 * which is years away when the clock is right again, and no run would ever look there. What is to be
 * released so late (RFC 4865) stays.
 */
#include "store/queue_private.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SWEEP_AGE (36 * 3600) /* seconds after which nobody can still be at work */

/* Removes what is old in a directory and isn't a message (all == false), or everything old (tmp/). */
static void sweep_dir(int queue_dir, const char *path, bool all)
{
    int fd = openat(queue_dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        file_close(fd);
        return;
    }
    int64_t now = clock_now();
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        struct stat st;
        char id[QUEUE_ID_LIMIT];
        bool has_id = span_copy(span_head(span_of(e->d_name), 31), id, sizeof id) && queue_id_valid(id);
        if (!has_id || fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode) ||
            now - st.st_mtime < SWEEP_AGE)
            continue;
        if (all ||
            (e->d_name[31] == '.' && fstatat(fd, id, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT))
            unlinkat(fd, e->d_name, 0);
    }
    closedir(dir);
}

void queue_sweep(int queue_dir)
{
    int64_t *times, now = clock_now();
    size_t count;
    sweep_dir(queue_dir, QUEUE_TMP, true);
    sweep_dir(queue_dir, ".", false);
    if (queue_due_times(queue_dir, &times, &count) != ST_OK)
        return;
    for (size_t i = 0; i < count && times[i] < now; i++) {
        char path[QUEUE_PATH_LIMIT];
        queue_due_path(times[i], path);
        if (now - times[i] >= SWEEP_AGE)
            sweep_dir(queue_dir, path, false);
        unlinkat(queue_dir, path, AT_REMOVEDIR);
    }
    free(times);
}

static void recall(int queue_dir, const struct queue_place *place, int64_t latest,
                   struct queue_changes *later)
{
    struct queue_message m;
    if (queue_read_place(queue_dir, place, true, &m) != ST_OK)
        return;
    if (m.next_attempt > latest && m.next_attempt > m.options.release + QUEUE_DUE_STEP) {
        m.next_attempt = clock_now();
        if (queue_defer_later(queue_dir, &m, later) == ST_OK)
            log_event(LOG_NOTICE, "recalled", "id", m.id, "text", "the clock was ahead when it was put off",
                      NULL);
    }
    queue_message_free(&m);
}

void queue_recall(int queue_dir, int64_t longest)
{
    struct queue_place *places;
    struct queue_changes later = { 0 };
    size_t count;
    int64_t latest = clock_now() + longest + QUEUE_DUE_STEP;
    if (queue_list(queue_dir, false, &places, &count) != ST_OK)
        return;
    for (size_t i = 0; i < count; i++)
        if (places[i].due > latest)
            recall(queue_dir, &places[i], latest, &later);
    free(places);
    queue_sync(queue_dir, &later);
}
