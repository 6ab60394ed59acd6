/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A message comes into the queue: written in tmp/, and out (file_write_out()), renamed to its place, the file
 * and the directory fsynced. Between the rename and the fsyncs qrun may find it, whole, send it and remove
 * it: the writer then fsyncs what is gone, and a power cut brings back at most what is sent once more.
 *
 *     postern-queue 1
 *     time 1763752345
 *     size 1234                bytes of the message below; another number means damage
 *     body 8bit                or 7bit
 *     ...                      the options of its MAIL, if any: queue_options.c
 *     from alice@example.org   nothing behind "from " is <>
 *     T bob@example.net        one line a recipient, which begins with its mark
 *      notify=never            below it, behind a space, the options of its RCPT, if any
 *
 *     Received: ...            behind an empty line the message, CRLF, not dot-stuffed
 */
#include "store/queue_private.h"
#include "base/clock.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_one_line(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

static enum status write_envelope(const struct queue_envelope *e, const struct content *c, struct bytes *out)
{
    bool good = e->recipient_count > 0 && is_one_line(e->sender) && strlen(e->sender) < ADDRESS_LIMIT + 4;
    bytes_printf(out, QUEUE_MAGIC "\ntime %" PRId64 "\nsize %" PRIu64 "\nbody %s\n", clock_now(),
                 c->size + c->trace.n, e->eight_bit ? "8bit" : "7bit");
    good = queue_write_options(&e->options, out) && good;
    bytes_printf(out, "from %s\n", e->sender);
    for (size_t i = 0; i < e->recipient_count && good; i++) {
        good = e->recipients[i].text[0] && is_one_line(e->recipients[i].text);
        bytes_printf(out, "%c %s\n", QUEUE_TODO, e->recipients[i].text);
        if (e->recipient_options && e->recipient_options[i])
            good = queue_write_recipient_options(e->recipient_options[i], out) && good;
    }
    bytes_add_char(out, '\n');
    if (good && e->recipient_count <= QUEUE_RECIPIENTS_LIMIT && !out->failed)
        return ST_OK;
    errno = !good ? EINVAL : out->failed && out->len < out->limit / 2 ? ENOMEM : E2BIG;
    return errno == ENOMEM ? ST_TEMP : ST_PERM;
}

static void temporary_name(const char *id, char path[QUEUE_PATH_LIMIT])
{
    snprintf(path, QUEUE_PATH_LIMIT, QUEUE_TMP "/%s", id);
}

static enum status write_file(struct queue_new *q, struct span envelope, const struct content *c)
{
    char path[QUEUE_PATH_LIMIT];
    temporary_name(q->id, path);
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
    q->file = openat(q->dir, path, flags, 0600);
    if (q->file < 0 && errno == EEXIST && unlinkat(q->dir, path, 0) == 0) /* of a bounce, before a crash */
        q->file = openat(q->dir, path, flags, 0600);
    if (q->file < 0)
        return ST_TEMP;
    struct stat st;
    bool ok = file_write(q->file, envelope) == ST_OK && content_write_crlf(c, q->file) == ST_OK;
    if (ok && (fstat(q->file, &st) != 0 || (uint64_t)st.st_size != envelope.n + c->trace.n + c->size)) {
        errno = EIO;
        ok = false;
    }
    if (ok && file_write_out(&q->file) == ST_OK)
        return ST_OK;
    int saved = errno;
    unlinkat(q->dir, path, 0);
    errno = saved;
    return ST_TEMP;
}

static enum status choose_id(struct queue_new *q, const char *id)
{
    char path[QUEUE_PATH_LIMIT];
    if (!id) {
        queue_new_id(q->id);
        return ST_OK;
    }
    if (!queue_id_valid(id)) {
        errno = EINVAL;
        return ST_PERM;
    }
    snprintf(q->id, sizeof q->id, "%s", id);
    enum status st = queue_find(q->dir, id, path);
    if (st == ST_OK)
        errno = EEXIST;
    return st == ST_OK ? ST_PERM : st == ST_NONE ? ST_OK : ST_TEMP;
}

static void close_both(struct queue_new *q)
{
    file_close(q->file);
    file_close(q->dir);
    q->file = q->dir = -1;
}

enum status queue_prepare(const char *spool, const char *id, const struct queue_envelope *e,
                          const struct content *c, struct queue_new *q)
{
    struct bytes envelope;
    bytes_init(&envelope, QUEUE_ENVELOPE_LIMIT);
    *q = (struct queue_new){ .dir = -1, .file = -1 };
    enum status st = write_envelope(e, c, &envelope);
    if (st == ST_OK)
        st = queue_open(spool, &q->dir);
    if (st == ST_OK)
        st = choose_id(q, id);
    if (st == ST_OK)
        st = write_file(q, span_bytes(&envelope), c);
    bytes_free(&envelope);
    if (st != ST_OK)
        close_both(q);
    return st;
}

enum status queue_publish(struct queue_new *q)
{
    char path[QUEUE_PATH_LIMIT];
    temporary_name(q->id, path);
    enum status st = file_publish(q->dir, path, q->dir, q->id);
    q->published = st == ST_OK;
    return st;
}

enum status queue_finish(struct queue_new *q)
{
    if (q->lost) {
        errno = EIO;
        return ST_TEMP;
    }
    q->lost = file_sync_close(&q->file) != ST_OK || file_sync_dir(q->dir, NULL) != ST_OK;
    if (q->lost)
        return ST_TEMP;
    close_both(q);
    return ST_OK;
}

void queue_withdraw(struct queue_new *q)
{
    int saved = errno;
    if (q->dir >= 0 && q->published)
        unlinkat(q->dir, q->id, 0);
    close_both(q);
    errno = saved;
}

enum status queue_commit(struct queue_new *q, const char *spool)
{
    if (queue_publish(q) != ST_OK) {
        queue_abort(q);
        return ST_TEMP;
    }
    enum status st = queue_finish(q);
    queue_abort(q);
    queue_wake(spool, q->id);
    return st;
}

void queue_abort(struct queue_new *q)
{
    char path[QUEUE_PATH_LIMIT];
    int saved = errno;
    temporary_name(q->id, path);
    if (q->dir >= 0 && !q->published)
        unlinkat(q->dir, path, 0);
    close_both(q);
    errno = saved;
}
