/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A folder's UIDs from Dovecot; see dovecot.h. Its list of UIDs is read by uid_list.c; and
 *
 *     dovecot-keywords    0 $Forwarded                           0 is the letter a
 *
 * UIDs go into the journal: the files keep their names, and Dovecot knows them still. The journal is written
 * first and the durable file after that (by the caller), so that a crash in between only means doing it
 * again. Dovecot's files are left as they are, and not read any more.
 */
#include "store/dovecot.h"
#include "base/files.h"
#include "store/journal.h"
#include "store/scan.h"
#include "store/uid_list.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define LIST_LIMIT ((size_t)256 << 20)
#define KEYWORDS_LIMIT ((size_t)64 * 1024)

static void read_keywords(int dir, struct durable *d)
{
    struct bytes file;
    bytes_init(&file, KEYWORDS_LIMIT);
    struct span text = { NULL, 0 }, line, index;
    uint64_t letter;
    if (file_read_beneath(dir, "dovecot-keywords", &file) == ST_OK)
        text = span_bytes(&file);
    while (text.n && span_cut(&text, '\n', &line))
        if (span_cut(&line, ' ', &index) && span_u64(index, MAILBOX_KEYWORDS - 1, &letter))
            durable_set_keyword(d, (int)letter, line);
    bytes_free(&file);
}

/* What is listed and there, as lines of the journal. */
static enum status write_journal(int dir, const struct scan *s, const struct uid_list *l)
{
    struct bytes lines;
    bytes_init(&lines, JOURNAL_LIMIT);
    for (size_t i = 0; i < s->count; i++) {
        uint32_t uid = uid_list_find(l, s->items[i].f.base);
        if (uid && !memchr(s->items[i].f.base.p, '\n', s->items[i].f.base.n))
            journal_add_uid(&lines, uid, s->items[i].f.base);
    }
    enum status st = lines.failed ? ST_TEMP : journal_append(dir, l->validity, span_bytes(&lines), true);
    int saved = errno;
    bytes_free(&lines);
    errno = saved;
    return st;
}

static enum status take_uids(int dir, const struct uid_list *l)
{
    struct scan s = { 0 };
    int new_dir = file_open_beneath(dir, "new", O_RDONLY | O_DIRECTORY, 0);
    int cur_dir = file_open_beneath(dir, "cur", O_RDONLY | O_DIRECTORY, 0);
    enum status st = cur_dir < 0 ? ST_TEMP : scan_folder(new_dir, cur_dir, &s);
    if (st == ST_OK)
        st = write_journal(dir, &s, l);
    int saved = errno;
    scan_free(&s);
    file_close(new_dir);
    file_close(cur_dir);
    errno = saved;
    return st;
}

enum status dovecot_take_over(int dir, struct durable *d)
{
    struct bytes text;
    struct uid_list l = { 0 };
    bytes_init(&text, LIST_LIMIT);
    enum status st = file_read_beneath(dir, "dovecot-uidlist", &text);
    if (st == ST_OK)
        st = uid_list_read(span_bytes(&text), &l);
    else if (st == ST_PERM)
        st = ST_NONE;
    if (st == ST_OK)
        st = take_uids(dir, &l);
    if (st == ST_OK) {
        d->uid_validity = l.validity;
        d->uid_next = l.next;
        read_keywords(dir, d);
    }
    int saved = errno;
    uid_list_free(&l);
    bytes_free(&text);
    errno = saved;
    return st;
}
