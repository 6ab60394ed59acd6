/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The meaning of keywords' letters, shared with a Dovecot that keeps the same folder: its file
 * dovecot-keywords has lines "NUMBER NAME", where 0 is the letter a. It reads the file whenever it changed;
 * what we write replaces it by a rename, under Dovecot's own lock, a file that only one can make. Where that
 * is taken, another time will do.
 */
#include "base/clock.h"
#include "base/files.h"
#include "store/dovecot.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "dovecot-keywords"
#define LIST_NAME "dovecot-uidlist"
#define LIST_OF_INBOX "../dovecot-uidlist" /* of a folder that Dovecot hasn't seen yet */
#define LOCK_NAME "dovecot-uidlist.lock"
#define KEYWORDS_LIMIT ((size_t)64 * 1024)
#define STALE_SECONDS 120 /* after which Dovecot takes such a lock for forgotten */

struct theirs {
    struct bytes text;
    struct span names[MAILBOX_KEYWORDS]; /* into text; empty where there is none */
};

/* False: no Dovecot keeps this folder. */
static bool read_theirs(int dir, struct theirs *t)
{
    struct stat st;
    struct span line, index;
    uint64_t letter;
    *t = (struct theirs){ .text.limit = KEYWORDS_LIMIT };
    if (file_read_beneath(dir, FILE_NAME, &t->text) != ST_OK &&
        fstatat(dir, LIST_NAME, &st, AT_SYMLINK_NOFOLLOW) != 0 &&
        fstatat(dir, LIST_OF_INBOX, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    for (struct span text = span_bytes(&t->text); text.n && span_cut(&text, '\n', &line);)
        if (span_cut(&line, ' ', &index) && span_u64(index, MAILBOX_KEYWORDS - 1, &letter))
            t->names[letter] = line;
    return true;
}

static bool take_lock(int dir)
{
    struct stat st;
    if (fstatat(dir, LOCK_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        st.st_mtim.tv_sec < clock_now() - STALE_SECONDS)
        unlinkat(dir, LOCK_NAME, 0);
    int fd = file_open_beneath(dir, LOCK_NAME, O_WRONLY | O_CREAT | O_EXCL, 0600);
    file_close(fd);
    return fd >= 0;
}

/* Dovecot sees a change by the whole seconds of the file's time. */
static void replace_later(int dir, struct span text)
{
    struct stat st;
    int64_t before = fstatat(dir, FILE_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_mtim.tv_sec : 0;
    if (file_replace(dir, FILE_NAME, text, 0600) != ST_OK || before < clock_now())
        return;
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = (time_t)before + 1 } };
    utimensat(dir, FILE_NAME, times, AT_SYMLINK_NOFOLLOW);
}

/* Theirs with ours added; lines that say nothing to us stay. */
static void write_theirs(int dir, const struct theirs *t, const struct durable *d)
{
    struct bytes text;
    bytes_init(&text, 2 * KEYWORDS_LIMIT);
    bytes_add_span(&text, span_bytes(&t->text));
    if (text.len && text.data[text.len - 1] != '\n')
        bytes_add_char(&text, '\n');
    for (int i = 0; i < MAILBOX_KEYWORDS; i++)
        if (d->keywords[i] && t->names[i].n == 0)
            bytes_printf(&text, "%d %s\n", i, d->keywords[i]);
    if (!text.failed && take_lock(dir)) {
        replace_later(dir, span_bytes(&text));
        unlinkat(dir, LOCK_NAME, 0);
    }
    bytes_free(&text);
}

bool dovecot_share_keywords(int dir, struct durable *d)
{
    struct theirs t;
    bool learned = false, told = true;
    if (!read_theirs(dir, &t)) {
        bytes_free(&t.text);
        return false;
    }
    for (int i = 0; i < MAILBOX_KEYWORDS; i++) {
        if (t.names[i].n && !d->keywords[i]) {
            durable_set_keyword(d, i, t.names[i]);
            learned |= d->keywords[i] != NULL;
        }
        told &= !d->keywords[i] || t.names[i].n;
    }
    if (!told)
        write_theirs(dir, &t, d);
    bytes_free(&t.text);
    return learned;
}
