/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages into a folder: APPEND. All are written in tmp/, and out (file_write_out()), before the first is
 * renamed, so that what fails while they come leaves none. They get their UIDs before they appear, so that
 * none ever lies in cur/ without one, and their dates before they are fsynced. A crash among the renames
 * leaves some of them, and the client without an OK.
 *
 * What comes from another Maildir keeps the base of its name, by which it is known again when it is to come
 * once more, and UIDs where the folder never had one of its own.
 *
 * A message that may hold NULs is taken as it comes into a file of its own first, because only when it is
 * there in whole can be said which of its parts must become base64: a Maildir file has LF line ends, and
 * those parts mean theirs.
 */
#include "store/mailbox_private.h"
#include "base/files.h"
#include "store/quota.h"
#include "text/mime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE ((size_t)64 * 1024)
#define BATCH 32    /* files that are brought to disk together */
#define BASE_LIMIT 160      /* of a kept name: with all our fields it fits still */
#define UIDS_TO_GO 16777216U /* a UID above those that leave so many isn't kept */
#define KEYWORDS 64 /* different ones in one APPEND; more are passed over, as there are 26 letters */

struct message {
    char temporary[160];
    char name[FILENAME_LIMIT + 1]; /* in cur/, "" while it isn't there */
    uint64_t size, wire;
    int64_t date; /* mtime */
    uint32_t flags;
    uint64_t keywords; /* bits of `keywords` below */
    char *base;        /* that the name keeps; NULL: the temporary name is it */
    uint32_t uid;      /* that it keeps, and at last has */
};

struct mailbox_append {
    struct place place;
    struct message *messages;
    size_t count, room;
    char *keywords[KEYWORDS];
    size_t keyword_count;
    int waiting_fds[BATCH]; /* of the last messages, to be fsynced; -1: is */
    size_t waiting_count;
    /* the one that is being written */
    int fd; /* -1: none */
    char temporary[160];
    bool raw; /* as it comes, for a look at its parts */
    char *base;
    uint32_t uid;
    uint32_t validity, next; /* of what is taken over; 0: nothing is */
    struct lf_lines lines;
    size_t waiting;
    enum status status; /* the first failure, and its errno */
    int why;
    char out[PIECE + 2]; /* converted, not yet written */
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

/* Removes what hasn't been published; `all`: that too. */
static void remove_files(struct mailbox_append *a, bool all)
{
    if (a->fd >= 0)
        unlinkat(a->place.tmp_dir, a->temporary, 0);
    for (size_t i = 0; i < a->count; i++) {
        if (!a->messages[i].name[0])
            unlinkat(a->place.tmp_dir, a->messages[i].temporary, 0);
        else if (all)
            unlinkat(a->place.cur_dir, a->messages[i].name, 0);
    }
}

static void release(struct mailbox_append *a, bool remove)
{
    int saved = errno;
    if (remove)
        remove_files(a, true);
    for (size_t i = 0; i < a->waiting_count; i++)
        file_close(a->waiting_fds[i]);
    for (size_t i = 0; i < a->keyword_count; i++)
        free(a->keywords[i]);
    for (size_t i = 0; i < a->count; i++)
        free(a->messages[i].base);
    free(a->base);
    free(a->messages);
    file_close(a->fd);
    place_close(&a->place);
    free(a);
    errno = saved;
}

static enum status begin_file(struct mailbox_append *a)
{
    if (a->fd >= 0)
        return ST_OK;
    a->lines = (struct lf_lines){ 0 };
    a->waiting = 0;
    a->fd = place_file(&a->place, a->temporary, sizeof a->temporary);
    return a->fd >= 0 ? ST_OK : ST_TEMP;
}

enum status mailbox_append_begin(struct mail *mail, struct mailbox *selected, struct span folder,
                                 struct mailbox_append **append)
{
    *append = NULL;
    struct mailbox_append *a = malloc(sizeof *a);
    if (!a)
        return ST_TEMP;
    memset(a, 0, offsetof(struct mailbox_append, out));
    a->fd = -1;
    enum status st = place_open_beside(mail, selected, folder, &a->place);
    if (st == ST_OK)
        *append = a;
    else
        free(a);
    return st;
}

enum status mailbox_append_expect(struct mailbox_append *a)
{
    return a->status == ST_OK ? fail(a, begin_file(a)) : fail(a, ST_OK);
}

static enum status flush(struct mailbox_append *a)
{
    struct span out = { a->out, a->waiting };
    a->waiting = 0;
    return a->status == ST_OK && out.n ? fail(a, file_write(a->fd, out)) : fail(a, ST_OK);
}

enum status mailbox_append_write(struct mailbox_append *a, struct span crlf_data)
{
    mailbox_append_expect(a);
    while (crlf_data.n && a->status == ST_OK) {
        struct span piece = span_head(crlf_data, PIECE);
        if (a->waiting && piece.n > PIECE - a->waiting && flush(a) != ST_OK)
            break;
        if (a->raw) {
            memcpy(a->out + a->waiting, piece.p, piece.n);
            a->waiting += piece.n;
        } else {
            a->waiting += lf_lines_add(&a->lines, piece, a->out + a->waiting);
        }
        crlf_data = span_from(crlf_data, piece.n);
        if (a->waiting >= PIECE)
            flush(a);
    }
    return fail(a, ST_OK);
}

void mailbox_append_binary(struct mailbox_append *a)
{
    a->raw = true;
}

static bool put(void *append, struct span piece)
{
    return mailbox_append_write(append, piece) == ST_OK;
}

/* The raw message again, into a file as they all are. */
static enum status write_again(struct mailbox_append *a, struct span message)
{
    struct mime_part *root = mime_parse(message);
    bool good = root && (mime_is_binary(root) ? mime_without_binary(message, root, put, a) : put(a, message));
    mime_free(root);
    return good ? ST_OK : fail(a, ST_TEMP);
}

static enum status finish_raw(struct mailbox_append *a)
{
    struct stat file;
    char temporary[sizeof a->temporary];
    int fd = a->fd;
    if (flush(a) != ST_OK || fstat(fd, &file) != 0)
        return fail(a, ST_TEMP);
    size_t size = (size_t)file.st_size;
    void *base = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    if (base == MAP_FAILED)
        return fail(a, ST_TEMP);
    memcpy(temporary, a->temporary, sizeof temporary);
    a->raw = false;
    a->fd = -1;
    if (fail(a, begin_file(a)) == ST_OK)
        write_again(a, (struct span){ size ? base : "", size });
    if (size)
        munmap(base, size);
    file_close(fd);
    unlinkat(a->place.tmp_dir, temporary, 0);
    return a->status;
}

/* As much as they need before they get their names. */
static enum status write_out_waiting(struct mailbox_append *a)
{
    return fail(a, a->status == ST_OK ? files_write_out(a->waiting_fds, a->waiting_count) : ST_OK);
}

static enum status sync_waiting(struct mailbox_append *a)
{
    size_t n = a->waiting_count;
    if (a->status != ST_OK)
        return fail(a, ST_OK);
    a->waiting_count = 0;
    return fail(a, files_sync_close(a->waiting_fds, n));
}

/* The keyword's bit; 0 where there is no room for another. */
static uint64_t keyword_bit(struct mailbox_append *a, const char *name)
{
    for (size_t i = 0; i < a->keyword_count; i++)
        if (span_ieq_str(span_of(name), a->keywords[i]))
            return UINT64_C(1) << i;
    if (a->keyword_count == KEYWORDS || !(a->keywords[a->keyword_count] = strdup(name)))
        return 0;
    return UINT64_C(1) << a->keyword_count++;
}

static struct message *add_message(struct mailbox_append *a)
{
    if (a->count == a->room) {
        size_t room = a->room ? a->room * 2 : 1;
        struct message *more = realloc(a->messages, room * sizeof *more);
        if (!more)
            return NULL;
        a->messages = more;
        a->room = room;
    }
    return &a->messages[a->count];
}

enum status mailbox_append_end(struct mailbox_append *a, uint32_t system_flags, const char *const *keywords,
                               int64_t date)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = (time_t)date } };
    struct stat file;
    if (mailbox_append_expect(a) == ST_OK && a->raw)
        finish_raw(a);
    if (a->status != ST_OK)
        return fail(a, ST_OK);
    a->waiting += lf_lines_end(&a->lines, a->out + a->waiting);
    struct message *m = flush(a) == ST_OK ? add_message(a) : NULL;
    if (!m || (date && futimens(a->fd, times) != 0) || fstat(a->fd, &file) != 0)
        return fail(a, ST_TEMP);
    *m = (struct message){ .size = a->lines.lf_size,
                           .wire = a->lines.crlf_size,
                           .date = file.st_mtim.tv_sec,
                           .flags = system_flags & FLAG_SYSTEM,
                           .base = a->base,
                           .uid = a->uid };
    a->base = NULL;
    a->uid = 0;
    memcpy(m->temporary, a->temporary, sizeof m->temporary);
    for (; keywords && *keywords; keywords++)
        m->keywords |= keyword_bit(a, *keywords);
    a->count++;
    a->waiting_fds[a->waiting_count++] = a->fd;
    a->fd = -1;
    if (a->waiting_count < BATCH)
        return ST_OK;
    write_out_waiting(a);
    return sync_waiting(a);
}

void mailbox_append_take_over(struct mailbox_append *a, uint32_t uid_validity, uint32_t next)
{
    a->validity = next < UINT32_MAX - UIDS_TO_GO ? uid_validity : 0;
    a->next = next;
}

static bool can_be_base(struct span base)
{
    bool good = base.n > 0 && base.n <= BASE_LIMIT && base.p[0] != '.';
    for (size_t i = 0; good && i < base.n; i++)
        good = base.p[i] > ' ' && base.p[i] < 0x7f && !strchr("/:,", base.p[i]);
    return good;
}

enum status mailbox_append_keep(struct mailbox_append *a, struct span base, uint32_t uid)
{
    free(a->base);
    a->base = can_be_base(base) ? span_dup(base) : NULL;
    a->uid = uid;
    return can_be_base(base) && !a->base ? ST_TEMP : ST_OK;
}

static bool write_name(const struct mailbox_append *a, const struct message *m, const uint32_t *bits,
                       char *name)
{
    struct filename none = { 0 };
    struct filename_new n = { .size = m->size,
                              .wire = m->wire,
                              .uid = m->uid,
                              .info = true,
                              .validity = a->place.durable.uid_validity,
                              .flags = m->flags };
    for (size_t i = 0; i < a->keyword_count; i++)
        if (m->keywords >> i & 1)
            n.flags |= bits[i];
    n.keywords = n.flags & ~FLAG_SYSTEM;
    errno = ENAMETOOLONG;
    return filename_write(span_of(m->base ? m->base : m->temporary), &none, &n, name);
}

/* A folder that never gave a UID gets another's UIDVALIDITY. *next is the first UID that is free, *free the
 * first that a message may get that keeps none. */
static enum status take_over(struct mailbox_append *a, uint32_t *next, uint32_t *free_from)
{
    struct durable *d = &a->place.durable;
    enum status st = place_uids(&a->place, 0, next);
    *free_from = *next;
    if (st != ST_OK || *next != 1)
        return st;
    *free_from = a->next;
    if (d->uid_validity == a->validity)
        return ST_OK;
    d->uid_validity = a->validity;
    return durable_write(a->place.dir, d);
}

/* Every message gets its UID, or keeps it; *first is the least that is new. */
static enum status give_uids(struct mailbox_append *a, uint32_t *first)
{
    uint32_t next = 1, free_from = 1, given;
    size_t others = 0;
    enum status st = a->validity ? take_over(a, &next, &free_from) : place_uids(&a->place, a->count, first);
    for (size_t i = 0; st == ST_OK && !a->validity && i < a->count; i++)
        a->messages[i].uid = *first + (uint32_t)i;
    if (st != ST_OK || !a->validity)
        return st;
    bool keeps = a->place.durable.uid_validity == a->validity;
    uint32_t last = next - 1;
    for (size_t i = 0; i < a->count; i++) {
        struct message *m = &a->messages[i];
        if (!keeps || m->uid <= last || m->uid >= UINT32_MAX - UIDS_TO_GO) {
            m->uid = 0;
            others++;
        } else {
            last = m->uid;
        }
    }
    *first = last >= free_from ? last + 1 : free_from;
    st = place_uids(&a->place, *first - next + others, &given);
    uint32_t uid = *first;
    for (size_t i = 0; st == ST_OK && i < a->count; i++)
        if (a->messages[i].uid == 0)
            a->messages[i].uid = uid++;
    return st;
}

/* All are on disk. */
static void tell(struct mailbox_append *a)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct message *m = &a->messages[i];
        struct index_record r = { .uid = m->uid, .bits = INDEX_DATED, .date = m->date };
        r.size = m->size < INDEX_UNSIZED ? (uint32_t)m->size : INDEX_UNSIZED;
        r.wire = m->wire < INDEX_UNSIZED ? (uint32_t)m->wire : INDEX_UNSIZED;
        place_tell(&a->place, &r, m->name);
    }
    place_tell_end(&a->place);
}

/* Under the lock. */
static enum status publish(struct mailbox_append *a, uint32_t *uid)
{
    uint32_t bits[KEYWORDS] = { 0 };
    enum status st = place_keywords(&a->place, (const char *const *)a->keywords, a->keyword_count, bits);
    if (st == ST_OK)
        st = give_uids(a, uid);
    for (size_t i = 0; st == ST_OK && i < a->count; i++) {
        struct message *m = &a->messages[i];
        if (!write_name(a, m, bits, m->name) ||
            place_publish(&a->place, m->temporary, m->name) != ST_OK) {
            m->name[0] = '\0';
            st = ST_TEMP;
        }
    }
    if (st == ST_OK)
        st = sync_waiting(a);
    if (st == ST_OK)
        st = file_sync_dir(a->place.cur_dir, NULL);
    if (st == ST_OK)
        tell(a);
    return st;
}

static uint64_t bytes_of(const struct mailbox_append *a)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < a->count; i++)
        bytes += a->messages[i].size;
    return bytes;
}

enum status mailbox_append_publish(struct mailbox_append *a, uint32_t *uid_validity, uint32_t *first_uid)
{
    /* the disk works while the lock is taken and the folder looked at */
    files_write_start(a->waiting_fds, a->waiting_count);
    enum status st = a->status == ST_OK ? place_lock(&a->place) : fail(a, ST_OK);
    if (st == ST_OK)
        st = write_out_waiting(a);
    if (st == ST_OK)
        st = publish(a, first_uid);
    if (st == ST_OK)
        quota_add(mail_dir(a->place.mail), (int64_t)bytes_of(a), (int64_t)a->count);
    *uid_validity = a->place.durable.uid_validity;
    release(a, st != ST_OK); /* refused, so it must not be there */
    return st;
}

void mailbox_append_abort(struct mailbox_append *a)
{
    if (a)
        release(a, true);
}
