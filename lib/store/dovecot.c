/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A folder's UIDs from Dovecot; see dovecot.h. Formats read:
 *
 *     dovecot-uidlist     3 V1275660208 N25022 G3085f01b7f11     UIDVALIDITY, next UID
 *                         25006 :1276528487.M3P9.host,S=13       UID, fields, ':', a name without flags
 *                     or  1 1275660208 25022                     the oldest version
 *                         25006 1276528487.M3P9.host
 *     dovecot-keywords    0 $Forwarded                           0 is the letter a
 *
 * UIDs go into the journal: the files keep their names, and Dovecot knows them still. The journal is written first
 * and the durable file after that (by the caller), so that a crash in between only means doing it again. Dovecot's
 * files are left as they are, and not read any more.
 */
#include "store/dovecot.h"
#include "base/files.h"
#include "store/journal.h"
#include "store/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT ((size_t)256 << 20)
#define KEYWORDS_LIMIT ((size_t)64 * 1024)

struct listed {
    struct span base; /* of the file's name, into the list's text */
    uint32_t uid;
};

struct list {
    uint32_t validity, next;
    struct listed *items;
    size_t count;
};

static int compare_bases(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;
    return span_compare(x->base, y->base);
}

static uint32_t number(struct span text, char prefix)
{
    uint64_t value;
    if (prefix && (text.n == 0 || text.p[0] != prefix))
        return 0;
    return span_u64(span_from(text, prefix != 0), UINT32_MAX, &value) ? (uint32_t)value : 0;
}

static bool read_header(struct span line, struct list *l)
{
    struct span word;
    if (!span_cut(&line, ' ', &word))
        return false;
    bool newer = span_eq_str(word, "3");
    if (!newer && !span_eq_str(word, "1"))
        return false;
    for (int i = 0; span_cut(&line, ' ', &word); i++) {
        if (newer ? word.n && word.p[0] == 'V' : i == 0)
            l->validity = number(word, newer ? 'V' : 0);
        else if (newer ? word.n && word.p[0] == 'N' : i == 1)
            l->next = number(word, newer ? 'N' : 0);
    }
    return l->validity && l->next;
}

static void read_entry(struct span line, bool newer, struct list *l)
{
    struct span uid, name = line;
    struct filename f;
    if (!span_cut(&name, ' ', &uid))
        return;
    if (newer) {
        size_t at = name.n && name.p[0] == ':' ? 0 : SIZE_MAX;
        for (size_t i = 0; i + 1 < name.n && at == SIZE_MAX; i++)
            if (name.p[i] == ' ' && name.p[i + 1] == ':')
                at = i + 1;
        if (at == SIZE_MAX)
            return;
        name = span_from(name, at + 1);
    }
    filename_parse(name, &f);
    uint32_t n = number(uid, 0);
    if (n && n < l->next && f.base.n)
        l->items[l->count++] = (struct listed){ f.base, n };
}

static enum status read_list(struct span text, struct list *l)
{
    struct span line;
    size_t lines = 0;
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    bool newer = span_starts(text, "3 ");
    if (!span_cut(&text, '\n', &line) || !read_header(line, l))
        return ST_NONE;
    l->items = calloc(lines + 1, sizeof *l->items);
    if (!l->items)
        return ST_TEMP;
    while (text.n && span_cut(&text, '\n', &line))
        read_entry(line, newer, l);
    qsort(l->items, l->count, sizeof *l->items, compare_bases);
    return ST_OK;
}

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

static uint32_t listed_uid(const struct list *l, struct span base)
{
    struct listed key = { .base = base };
    const struct listed *found = bsearch(&key, l->items, l->count, sizeof *l->items, compare_bases);
    return found ? found->uid : 0;
}

/* What is listed and there, as lines of the journal. */
static enum status write_journal(int dir, const struct scan *s, const struct list *l)
{
    struct bytes lines;
    bytes_init(&lines, JOURNAL_LIMIT);
    for (size_t i = 0; i < s->count; i++) {
        uint32_t uid = listed_uid(l, s->items[i].f.base);
        if (uid && !memchr(s->items[i].f.base.p, '\n', s->items[i].f.base.n))
            journal_add_uid(&lines, uid, s->items[i].f.base);
    }
    enum status st = lines.failed ? ST_TEMP : journal_append(dir, l->validity, span_bytes(&lines), true);
    int saved = errno;
    bytes_free(&lines);
    errno = saved;
    return st;
}

static enum status take_uids(int dir, const struct list *l)
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
    struct list l = { 0 };
    bytes_init(&text, LIST_LIMIT);
    enum status st = file_read_beneath(dir, "dovecot-uidlist", &text);
    if (st == ST_OK)
        st = read_list(span_bytes(&text), &l);
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
    free(l.items);
    bytes_free(&text);
    errno = saved;
    return st;
}
