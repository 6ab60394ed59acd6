/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One message into a folder: APPEND. It gets its UID before it appears, so that it never lies in cur/
 * without one, and its date before it is fsynced.
 */
#include "store/mailbox_private.h"
#include "base/files.h"
#include "store/quota.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE ((size_t)64 * 1024)

struct mailbox_append {
    struct place place;
    int fd;
    char temporary[160];
    struct lf_lines lines;
    char out[2 * PIECE + 2]; /* converted, not yet written */
    size_t waiting;
    enum status status; /* the first failure, and its errno */
    int why;
};

static enum status fail(struct mailbox_append *a, enum status st)
{
    if (st != ST_OK && a->status == ST_OK) {
        a->status = st;
        a->why = errno;
    }
    errno = a->why;
    return a->status;
}

static void release(struct mailbox_append *a, bool remove)
{
    int saved = errno;
    if (remove)
        unlinkat(a->place.tmp_dir, a->temporary, 0);
    file_close(a->fd);
    place_close(&a->place);
    free(a);
    errno = saved;
}

enum status mailbox_append_begin(struct mail *mail, struct span folder, struct mailbox_append **append)
{
    *append = NULL;
    struct mailbox_append *a = malloc(sizeof *a);
    if (!a)
        return ST_TEMP;
    a->waiting = 0;
    a->status = ST_OK;
    a->why = 0;
    a->lines = (struct lf_lines){ 0 };
    enum status st = place_open(mail, folder, &a->place);
    if (st != ST_OK) {
        free(a);
        return st;
    }
    a->fd = place_file(&a->place, a->temporary, sizeof a->temporary);
    if (a->fd < 0) {
        release(a, false);
        return ST_TEMP;
    }
    *append = a;
    return ST_OK;
}

static enum status flush(struct mailbox_append *a)
{
    struct span out = { a->out, a->waiting };
    a->waiting = 0;
    return a->status == ST_OK && out.n ? fail(a, file_write(a->fd, out)) : fail(a, ST_OK);
}

enum status mailbox_append_write(struct mailbox_append *a, struct span crlf_data)
{
    while (crlf_data.n && a->status == ST_OK) {
        struct span piece = span_head(crlf_data, PIECE);
        a->waiting += lf_lines_add(&a->lines, piece, a->out + a->waiting);
        crlf_data = span_from(crlf_data, piece.n);
        if (a->waiting >= PIECE)
            flush(a);
    }
    return fail(a, ST_OK);
}

static enum status make_durable(struct mailbox_append *a, int64_t date)
{
    a->waiting += lf_lines_end(&a->lines, a->out + a->waiting);
    if (flush(a) != ST_OK)
        return a->status;
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = (time_t)date } };
    if (date && futimens(a->fd, times) != 0)
        return ST_TEMP;
    return fsync(a->fd) == 0 ? ST_OK : ST_TEMP;
}

static enum status name_it(struct mailbox_append *a, uint32_t flags, const char *const *keywords,
                           uint32_t *uid, char *name)
{
    uint32_t bits[MAILBOX_KEYWORDS] = { 0 };
    size_t count = 0;
    while (keywords && keywords[count] && count < MAILBOX_KEYWORDS)
        count++;
    enum status st = place_keywords(&a->place, keywords, count, bits);
    if (st == ST_OK)
        st = durable_reserve(a->place.dir, &a->place.durable, 1, uid);
    if (st != ST_OK)
        return st;
    struct filename none = { 0 };
    struct filename_new n = { .size = a->lines.lf_size,
                              .wire = a->lines.crlf_size,
                              .uid = *uid,
                              .info = true,
                              .validity = a->place.durable.uid_validity,
                              .flags = flags & FLAG_SYSTEM };
    for (size_t i = 0; i < count; i++)
        n.flags |= bits[i];
    n.keywords = n.flags & ~FLAG_SYSTEM;
    errno = ENAMETOOLONG;
    return filename_write(span_of(a->temporary), &none, &n, name) ? ST_OK : ST_TEMP;
}

static enum status publish(struct mailbox_append *a, const char *name)
{
    enum status st = place_publish(&a->place, a->temporary, name);
    if (st != ST_OK || file_sync_dir(a->place.cur_dir, NULL) == ST_OK)
        return st;
    int saved = errno;
    unlinkat(a->place.cur_dir, name, 0); /* refused, so it must not be there */
    errno = saved;
    return ST_TEMP;
}

enum status mailbox_append_finish(struct mailbox_append *a, uint32_t system_flags,
                                  const char *const *keywords, int64_t date, uint32_t *uid_validity,
                                  uint32_t *uid)
{
    char name[FILENAME_LIMIT + 1];
    enum status st = make_durable(a, date);
    if (st == ST_OK)
        st = place_lock(&a->place);
    if (st == ST_OK)
        st = name_it(a, system_flags, keywords, uid, name);
    if (st == ST_OK)
        st = publish(a, name);
    if (st == ST_OK)
        quota_add(mail_dir(a->place.mail), (int64_t)a->lines.lf_size, 1);
    *uid_validity = a->place.durable.uid_validity;
    release(a, st != ST_OK);
    return st;
}

void mailbox_append_abort(struct mailbox_append *a)
{
    if (a)
        release(a, true);
}
