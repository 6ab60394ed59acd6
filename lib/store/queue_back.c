/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A message comes back into the queue from a backup. Since then it may have been sent, so it comes held:
 * every recipient that was to be tried, or was to be told of in a bounce, is marked H before the message has
 * its place. Those that were done with stay so.
 */
#include "store/queue_private.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE 65536

/* The envelope, with its empty line. */
static enum status read_envelope(int fd, struct bytes *text)
{
    while (!text->len || !memmem(text->data, text->len, "\n\n", 2)) {
        if (!bytes_reserve(text, PIECE))
            return ST_PERM;
        ssize_t n = pread(fd, text->data + text->len, PIECE, (off_t)text->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? ST_TEMP : ST_PERM;
        text->len += (size_t)n;
        text->data[text->len] = '\0';
    }
    return ST_OK;
}

static enum status hold_all(int fd, uint64_t size)
{
    struct queue_message m = { .fd = -1 };
    struct bytes text;
    bytes_init(&text, QUEUE_ENVELOPE_LIMIT + PIECE);
    enum status st = read_envelope(fd, &text);
    if (st == ST_OK)
        st = queue_read_envelope(span_bytes(&text), size, &m);
    for (size_t i = 0; st == ST_OK && i < m.recipient_count; i++)
        if ((m.recipients[i].mark == QUEUE_TODO || m.recipients[i].mark == QUEUE_FAILED) &&
            pwrite(fd, "H", 1, m.recipients[i].at) != 1)
            st = ST_TEMP;
    queue_message_free(&m);
    bytes_free(&text);
    return st;
}

enum status queue_bring_back(int queue_dir, const char *id, int from)
{
    char path[QUEUE_PATH_LIMIT];
    struct stat info;
    enum status st = queue_id_valid(id) ? queue_find(queue_dir, id, path) : ST_PERM;
    if (st != ST_NONE) {
        errno = st == ST_OK ? EEXIST : st == ST_PERM ? EINVAL : errno;
        return st == ST_OK ? ST_PERM : st;
    }
    if (fstat(from, &info) != 0)
        return ST_TEMP;
    snprintf(path, sizeof path, QUEUE_TMP "/%s", id);
    unlinkat(queue_dir, path, 0); /* that another restore left */
    int fd = openat(queue_dir, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return ST_TEMP;
    st = content_copy(from, (uint64_t)info.st_size, fd);
    if (st == ST_OK)
        st = hold_all(fd, (uint64_t)info.st_size);
    if (st == ST_PERM)
        errno = EBADMSG;
    if (st == ST_OK)
        st = file_write_out(&fd);
    if (st == ST_OK)
        st = file_publish(queue_dir, path, queue_dir, id);
    int saved = errno;
    if (st != ST_OK)
        unlinkat(queue_dir, path, 0);
    errno = saved;
    if (st == ST_OK)
        st = file_sync_close(&fd);
    file_close(fd);
    return st == ST_OK ? file_sync_dir(queue_dir, NULL) : st;
}
