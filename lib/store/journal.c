/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The journal; see journal.h. Read only where the index can't be used, so that it may be text.
 */
#include "store/journal.h"
#include "base/files.h"
#include "store/filename.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "postern-journal"
#define HEADER "postern-journal 1 "

static bool parse_flags(struct span s, uint32_t *flags)
{
    char letters[FILENAME_LETTERS + 1];
    *flags = span_eq_str(s, "-") ? 0 : filename_flags(s);
    filename_letters(*flags, letters);
    return span_eq_str(s, *flags ? letters : "-");
}

static void read_line(struct journal *j, struct span line)
{
    struct span kind, word, before;
    uint64_t uid;
    struct journal_flags f = { 0 };
    if (!span_cut(&line, ' ', &kind) || kind.n != 1 || !span_cut(&line, ' ', &word) ||
        !span_hex(word, UINT32_MAX, &uid) || uid == 0)
        return;
    f.uid = (uint32_t)uid;
    if (kind.p[0] == 'u' && line.n) {
        j->uids[j->uid_count] = (struct journal_uid){ line, f.uid, (uint32_t)j->uid_count };
        j->uid_count++;
    } else if (kind.p[0] == 'd' && line.n == 0)
        j->flags[j->flags_count++] = f; /* nothing changes any more */
    else if (kind.p[0] == 'f' && span_cut(&line, ' ', &before) && parse_flags(before, &f.before) &&
             parse_flags(line, &f.after))
        j->flags[j->flags_count++] = f;
}

static int compare_uids(const void *a, const void *b)
{
    const struct journal_uid *x = a, *y = b;
    int order = span_compare(x->base, y->base);
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

static void merge_uids(struct journal *j)
{
    size_t kept = 0;
    qsort(j->uids, j->uid_count, sizeof *j->uids, compare_uids);
    for (size_t i = 0; i < j->uid_count; i++) {
        if (kept && span_eq(j->uids[kept - 1].base, j->uids[i].base))
            kept--;
        j->uids[kept++] = j->uids[i];
    }
    j->uid_count = kept;
}

struct ordered {
    struct journal_flags f;
    size_t at;
};

static int compare_ordered(const void *a, const void *b)
{
    const struct ordered *x = a, *y = b;
    if (x->f.uid != y->f.uid)
        return x->f.uid > y->f.uid ? 1 : -1;
    return (x->at > y->at) - (x->at < y->at);
}

/* One item a message: each line says what its name was when it was written and all of what it should be, so
 * that the last one counts. */
static bool merge_flags(struct journal *j)
{
    struct ordered *all = malloc((j->flags_count + 1) * sizeof *all);
    size_t kept = 0;
    if (!all)
        return false;
    for (size_t i = 0; i < j->flags_count; i++)
        all[i] = (struct ordered){ j->flags[i], i };
    qsort(all, j->flags_count, sizeof *all, compare_ordered);
    for (size_t i = 0; i < j->flags_count; i++) {
        if (kept && j->flags[kept - 1].uid == all[i].f.uid)
            kept--;
        j->flags[kept++] = all[i].f;
    }
    j->flags_count = kept;
    free(all);
    return true;
}

static enum status read_lines(struct journal *j, struct span text)
{
    struct span line;
    size_t lines = 1;
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    j->uids = malloc(lines * sizeof *j->uids);
    j->flags = malloc(lines * sizeof *j->flags);
    if (!j->uids || !j->flags)
        return ST_TEMP;
    while (text.n && span_cut(&text, '\n', &line))
        read_line(j, line);
    merge_uids(j);
    return merge_flags(j) ? ST_OK : ST_TEMP;
}

enum status journal_read(int dir, uint32_t uid_validity, struct journal *j)
{
    uint64_t validity;
    *j = (struct journal){ 0 };
    bytes_init(&j->text, JOURNAL_LIMIT);
    enum status st = file_read_beneath(dir, FILE_NAME, &j->text);
    struct span text = span_bytes(&j->text), first;
    if (st != ST_OK)
        return st == ST_TEMP ? ST_TEMP : ST_OK;
    if (!span_cut(&text, '\n', &first) || !span_starts(first, HEADER) ||
        !span_hex(span_from(first, strlen(HEADER)), UINT32_MAX, &validity) || validity != uid_validity)
        return ST_OK;
    return read_lines(j, text);
}

void journal_free(struct journal *j)
{
    free(j->uids);
    free(j->flags);
    bytes_free(&j->text);
    *j = (struct journal){ 0 };
}

uint32_t journal_uid(const struct journal *j, struct span base)
{
    size_t low = 0, high = j->uid_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (span_compare(j->uids[middle].base, base) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < j->uid_count && span_eq(j->uids[low].base, base) ? j->uids[low].uid : 0;
}

const struct journal_flags *journal_flags(const struct journal *j, uint32_t uid)
{
    size_t low = 0, high = j->flags_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (j->flags[middle].uid < uid)
            low = middle + 1;
        else
            high = middle;
    }
    bool there =
        low < j->flags_count && j->flags[low].uid == uid && j->flags[low].before != j->flags[low].after;
    return there ? &j->flags[low] : NULL;
}

/* bytes_printf() would be most of what a hundred thousand lines cost. */
static void add_number(struct bytes *lines, char kind, uint32_t uid)
{
    char text[12], *at = text + sizeof text;
    do
        *--at = "0123456789abcdef"[uid & 15];
    while (uid >>= 4);
    *--at = ' ';
    *--at = kind;
    bytes_add(lines, at, (size_t)(text + sizeof text - at));
}

static void add_flags(struct bytes *lines, uint32_t flags)
{
    char letters[FILENAME_LETTERS + 1];
    filename_letters(flags, letters);
    bytes_add_char(lines, ' ');
    bytes_add_str(lines, flags ? letters : "-");
}

void journal_add_uid(struct bytes *lines, uint32_t uid, struct span base)
{
    add_number(lines, 'u', uid);
    bytes_add_char(lines, ' ');
    bytes_add_span(lines, base);
    bytes_add_char(lines, '\n');
}

void journal_add_flags(struct bytes *lines, uint32_t uid, uint32_t before, uint32_t after)
{
    add_number(lines, 'f', uid);
    add_flags(lines, before);
    add_flags(lines, after);
    bytes_add_char(lines, '\n');
}

void journal_add_done(struct bytes *lines, uint32_t uid)
{
    add_number(lines, 'd', uid);
    bytes_add_char(lines, '\n');
}

/* Ready for more lines: it begins with the header and ends with a line's end. */
static enum status make_ready(int fd, uint32_t uid_validity, bool *made)
{
    struct stat st;
    char last, header[64], there[sizeof header];
    snprintf(header, sizeof header, HEADER "%lx\n", (unsigned long)uid_validity);
    size_t n = strlen(header);
    if (fstat(fd, &st) != 0)
        return ST_TEMP;
    *made = pread(fd, there, n, 0) != (ssize_t)n || memcmp(there, header, n) != 0;
    if (*made)
        return ftruncate(fd, 0) == 0 ? file_write(fd, span_of(header)) : ST_TEMP;
    bool whole = pread(fd, &last, 1, st.st_size - 1) == 1 && last == '\n';
    return whole ? ST_OK : file_write(fd, SPAN("\n"));
}

enum status journal_append(int dir, uint32_t uid_validity, struct span lines, bool durable)
{
    bool made;
    int fd = file_open_beneath(dir, FILE_NAME, O_RDWR | O_CREAT | O_APPEND, 0600);
    if (fd < 0 && (errno == EINVAL || errno == ELOOP || errno == EISDIR)) { /* not a file: it can't be ours */
        journal_remove(dir);
        fd = file_open_beneath(dir, FILE_NAME, O_RDWR | O_CREAT | O_APPEND, 0600);
    }
    if (fd < 0)
        return ST_TEMP;
    enum status st = make_ready(fd, uid_validity, &made);
    if (st == ST_OK)
        st = file_write(fd, lines);
    if (st == ST_OK && durable && fdatasync(fd) != 0)
        st = ST_TEMP;
    file_close(fd);
    return st == ST_OK && durable && made ? file_sync_dir(dir, NULL) : st;
}

void journal_remove(int dir)
{
    if (unlinkat(dir, FILE_NAME, 0) != 0 && errno == EISDIR)
        unlinkat(dir, FILE_NAME, AT_REMOVEDIR);
}
