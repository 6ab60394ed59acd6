/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads a queued message's envelope, and beside it ID.why: what earlier attempts came to. The format of the
 * first is in queue_write.c; of the second:
 *
 *     next 1763752405
 *     attempts 3
 *     told 1763766745                 when the sender was told that it is late, if so
 *     0 450 4.2.0 Try again later     index of a recipient that isn't done with, last reply
 *
 * A message whose envelope isn't exactly right, or which isn't as long as it says, is damaged: it is logged
 * and left where it is. An ID.why that isn't right is passed over: it is only a memory.
 */
#include "store/queue_private.h"
#include "base/files.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_PIECE 4096
#define ATTEMPTS_LIMIT 1000000

static bool take_line(struct span *rest, const char *key, struct span *value)
{
    struct span line;
    if (!span_cut(rest, '\n', &line) || !rest->p || !span_starts(line, key))
        return false;
    *value = span_from(line, strlen(key));
    return true;
}

static bool is_mark(char c)
{
    static const char marks[] = { QUEUE_TODO, QUEUE_DONE,    QUEUE_FAILED,    QUEUE_BOUNCED,
                                  QUEUE_HELD, QUEUE_RELAYED, QUEUE_DELIVERED, QUEUE_EXPANDED };
    return memchr(marks, c, sizeof marks) != NULL;
}

/* What stands in a line of SMTP, of a header or of the log may not end it. */
static bool is_printable(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
            return false;
    return true;
}

static bool take_address(struct span text, struct address *a)
{
    if (text.n == 0 || !is_printable(text) || !span_copy(text, a->text, sizeof a->text))
        return false;
    const char *at = strrchr(a->text, '@');
    a->local_length = at ? (size_t)(at - a->text) : text.n;
    return true;
}

/* A line that begins with a space has the options of the recipient above it. */
static enum status take_recipient_options(struct queue_message *m, struct span line)
{
    struct queue_recipient *r = m->recipient_count ? &m->recipients[m->recipient_count - 1] : NULL;
    if (!r || r->options)
        return ST_PERM;
    r->options = calloc(1, sizeof *r->options);
    if (!r->options)
        return ST_TEMP;
    return queue_read_recipient_options(span_from(line, 1), r->options) ? ST_OK : ST_PERM;
}

static enum status take_recipient(struct queue_message *m, struct span line, off_t at)
{
    struct queue_recipient *r = &m->recipients[m->recipient_count];
    if (line.n < 3 || !is_mark(line.p[0]) || line.p[1] != ' ' ||
        !take_address(span_from(line, 2), &r->address))
        return ST_PERM;
    r->mark = line.p[0];
    r->at = at;
    m->recipient_count++;
    return ST_OK;
}

static enum status take_recipients(struct queue_message *m, struct span rest, off_t at)
{
    size_t lines = 0;
    for (size_t i = 0; i < rest.n; i++)
        lines += rest.p[i] != ' ' && (i == 0 || rest.p[i - 1] == '\n');
    if (lines < 1 || lines > QUEUE_RECIPIENTS_LIMIT)
        return ST_PERM;
    m->recipients = calloc(lines, sizeof *m->recipients);
    m->replies = calloc(lines, sizeof *m->replies);
    if (!m->recipients || !m->replies)
        return ST_TEMP;
    struct span line;
    while (rest.n && span_cut(&rest, '\n', &line)) {
        enum status st =
            span_starts(line, " ") ? take_recipient_options(m, line) : take_recipient(m, line, at);
        if (st != ST_OK)
            return st;
        at += (off_t)line.n + 1;
    }
    return ST_OK;
}

enum status queue_read_envelope(struct span text, uint64_t file_size, struct queue_message *m)
{
    struct span rest = text, value;
    uint64_t queued, content = 0;
    bool good = take_line(&rest, QUEUE_MAGIC, &value) && value.n == 0 && take_line(&rest, "time ", &value) &&
                span_u64(value, INT64_MAX, &queued) && take_line(&rest, "size ", &value) &&
                span_u64(value, INT64_MAX, &m->size) && take_line(&rest, "body ", &value) &&
                (span_eq_str(value, "8bit") || span_eq_str(value, "7bit"));
    if (!good)
        return ST_PERM;
    m->queued = (int64_t)queued;
    m->eight_bit = value.p[0] == '8';
    if (!queue_read_options(&rest, &m->options) || !take_line(&rest, "from ", &value) ||
        !is_printable(value) || !span_copy(value, m->sender, sizeof m->sender))
        return ST_PERM;
    size_t end = 0;
    while (end + 1 < rest.n && !(rest.p[end] == '\n' && rest.p[end + 1] == '\n'))
        end++;
    if (end + 1 >= rest.n)
        return ST_PERM;
    content = (uint64_t)(rest.p - text.p) + end + 2;
    m->content = (off_t)content;
    if (file_size < content || file_size - content != m->size)
        return ST_PERM;
    return take_recipients(m, span_head(rest, end + 1), (off_t)(rest.p - text.p));
}

/* Reads until the empty line is there. */
static enum status load_envelope(int fd, struct bytes *text)
{
    size_t seen = 0;
    while (!text->len || !memmem(text->data + seen, text->len - seen, "\n\n", 2)) {
        seen = text->len ? text->len - 1 : 0;
        if (!bytes_reserve(text, READ_PIECE))
            return text->len + READ_PIECE > text->limit ? ST_PERM : ST_TEMP;
        ssize_t n = pread(fd, text->data + text->len, READ_PIECE, (off_t)text->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? ST_PERM : ST_TEMP;
        text->len += (size_t)n;
        text->data[text->len] = '\0';
    }
    return ST_OK;
}

/* A line that may be there. Else *to stays. */
static void take_time(struct span *rest, const char *key, int64_t *to)
{
    struct span after = *rest, value;
    uint64_t time;
    if (take_line(&after, key, &value) && span_u64(value, INT64_MAX, &time)) {
        *to = (int64_t)time;
        *rest = after;
    }
}

void queue_read_why(struct span text, struct queue_message *m)
{
    struct span rest = text, value, line, index;
    uint64_t next, attempts, i;
    if (!take_line(&rest, "next ", &value) || !span_u64(value, INT64_MAX, &next) ||
        !take_line(&rest, "attempts ", &value) || !span_u64(value, ATTEMPTS_LIMIT, &attempts))
        return;
    m->next_attempt = (int64_t)next;
    m->attempts = (unsigned)attempts;
    take_time(&rest, "told ", &m->told);
    take_time(&rest, "until ", &m->until);
    while (span_cut(&rest, '\n', &line)) {
        if (!span_cut(&line, ' ', &index) || !line.p || !span_u64(index, m->recipient_count - 1, &i))
            continue;
        free(m->replies[i]);
        m->replies[i] = span_dup(span_head(line, QUEUE_REPLY_LIMIT));
    }
}

/* The directory says when it is due, also where ID.why was lost. */
static void load_why(int queue_dir, const char *path, struct queue_message *m)
{
    char why[QUEUE_PATH_LIMIT + 8];
    struct bytes text;
    struct span rest = span_of(path), part;
    uint64_t due;
    if (span_cut(&rest, '/', &part) && rest.p && span_cut(&rest, '/', &part) &&
        span_u64(part, INT64_MAX, &due))
        m->next_attempt = m->near = (int64_t)due;
    bytes_init(&text, QUEUE_WHY_LIMIT);
    snprintf(why, sizeof why, "%s.why", path);
    if (file_read(queue_dir, why, &text) == ST_OK)
        queue_read_why(span_bytes(&text), m);
    bytes_free(&text);
}

/* Opens the file, and with `lock` makes sure that it still is the message once the lock is ours: it may have
 * been moved (the descriptor follows) or removed while we waited. */
static enum status open_message(int queue_dir, bool lock, struct queue_message *m, struct stat *st,
                                char path[QUEUE_PATH_LIMIT])
{
    enum status found = queue_find_near(queue_dir, m->id, m->near, path);
    if (found != ST_OK)
        return found;
    m->fd = openat(queue_dir, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (m->fd < 0)
        return status_of_errno(errno);
    if (lock && file_lock(m->fd, 0) != ST_OK)
        return ST_TEMP;
    if (fstat(m->fd, st) != 0)
        return ST_TEMP;
    if (st->st_nlink == 0)
        return ST_NONE;
    if (!S_ISREG(st->st_mode))
        return ST_PERM;
    return lock ? queue_find_near(queue_dir, m->id, m->near, path) : ST_OK;
}

enum status queue_read_place(int queue_dir, const struct queue_place *place, bool lock,
                             struct queue_message *m)
{
    struct bytes text;
    struct stat file;
    char path[QUEUE_PATH_LIMIT];
    *m = (struct queue_message){ .fd = -1, .near = place->due };
    snprintf(m->id, sizeof m->id, "%s", place->id);
    bytes_init(&text, QUEUE_ENVELOPE_LIMIT + READ_PIECE);
    enum status st = open_message(queue_dir, lock, m, &file, path);
    if (st == ST_OK)
        st = load_envelope(m->fd, &text);
    if (st == ST_OK)
        st = queue_read_envelope(span_bytes(&text), (uint64_t)file.st_size, m);
    if (st == ST_OK)
        load_why(queue_dir, path, m);
    bytes_free(&text);
    if (st == ST_OK)
        return ST_OK;
    if (st == ST_PERM)
        log_event(LOG_WARNING, "damaged", "id", place->id, "file", path, "text", "left where it is", NULL);
    int saved = errno;
    queue_message_free(m);
    errno = saved;
    return st;
}

enum status queue_read(int queue_dir, const char *id, bool lock, struct queue_message *m)
{
    struct queue_place anywhere = { .due = 0 };
    snprintf(anywhere.id, sizeof anywhere.id, "%s", id);
    return queue_read_place(queue_dir, &anywhere, lock, m);
}

void queue_message_free(struct queue_message *m)
{
    file_close(m->fd);
    for (size_t i = 0; m->replies && i < m->recipient_count; i++) {
        free(m->replies[i]);
        free(m->recipients[i].options);
    }
    free(m->replies);
    free(m->recipients);
    *m = (struct queue_message){ .fd = -1 };
}

int queue_reopen(int queue_dir, const struct queue_message *m)
{
    char path[QUEUE_PATH_LIMIT];
    enum status st = queue_find_near(queue_dir, m->id, m->near, path);
    if (st != ST_OK) {
        errno = st == ST_NONE ? ENOENT : errno;
        return -1;
    }
    return openat(queue_dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}
