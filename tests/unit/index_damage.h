/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the tests of a damaged index share: a small folder with everything in it that an index holds, what a
 * session says of it as one text, and steps that run in a process of their own, so that a crash or a hang is
 * seen.
 */
#ifndef POSTERN_TESTS_INDEX_DAMAGE_H
#define POSTERN_TESTS_INDEX_DAMAGE_H

#include "store.h"
#include "../helpers/one_message.h"

#include "base/bytes.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

enum { MESSAGES = 7, PATIENCE = 20 };

static size_t bulk; /* so many messages more, of other programs: a journal is for many */

/* In memory, if there is room to write: thousands of fsyncs aren't what is tested. */
UNUSED static void scratch_in_memory(const char *name)
{
    snprintf(scratch, sizeof scratch, "/dev/shm/postern-%s-XXXXXX", name);
    if (!mkdtemp(scratch))
        scratch_make(name);
    else if (chdir(scratch) != 0)
        abort();
}

UNUSED static bool long_run(void)
{
    return getenv("TORTURE") != NULL;
}

UNUSED static struct mailbox *box_of(struct mail *mail, const char *folder, bool read_only)
{
    struct mailbox *box;
    return mailbox_open(mail, span_of(folder), read_only, &box) == ST_OK ? box : NULL;
}

UNUSED static void add_message(struct bytes *out, struct mailbox *box, size_t i, bool summaries)
{
    struct mailbox_map map;
    struct summary s;
    uint64_t wire = 0;
    mailbox_wire_size(box, i, &wire);
    struct mailbox_message m = mailbox_message(box, i);
    if (mailbox_map(box, i, &map) == ST_OK) {
        bytes_printf(out, "%u %x %zu ", m.uid, m.flags, map.bytes.n);
        bytes_add_span(out, span_head(map.bytes, span_find(map.bytes, '\n')));
        bytes_add_str(out, m.size && m.size != map.bytes.n ? " of another size" : "");
        mailbox_unmap(&map);
    }
    bytes_printf(out, " %llu %lld", (unsigned long long)wire, (long long)mailbox_date(box, i));
    if (summaries && mailbox_summary(box, i, &s) == ST_OK) {
        bytes_add_char(out, ' ');
        bytes_add_span(out, s.envelope);
        bytes_add_span(out, s.body_structure);
        bytes_add_span(out, s.body);
        bytes_add_span(out, s.header);
        bytes_printf(out, " %llu %llu", (unsigned long long)s.header_size,
                     (unsigned long long)s.header_lines);
    }
    bytes_add_char(out, '\n');
}

/* UIDVALIDITY, next UID, keywords; and of each message UID, flags, size, first line, size on the wire, date,
 * and what a summary says. */
UNUSED static void add_box(struct bytes *out, struct mailbox *box, bool summaries)
{
    bytes_printf(out, "validity %u next %u", box->uid_validity, box->uid_next);
    for (size_t k = 0; k < MAILBOX_KEYWORDS; k++)
        if (box->keywords[k])
            bytes_printf(out, " %zu=%s", k, box->keywords[k]);
    bytes_add_char(out, '\n');
    for (size_t i = 0; i < box->count; i++)
        add_message(out, box, i, summaries);
}

/* As a session that opens the folder now says it; "" if it doesn't open. */
UNUSED static char *picture(const char *maildir, bool read_only, bool summaries)
{
    struct mail *mail;
    struct bytes out;
    bytes_init(&out, (size_t)64 << 20);
    if (mail_open(maildir, "mx.test", &mail) != ST_OK)
        abort();
    struct mailbox *box = box_of(mail, "INBOX", read_only);
    if (box)
        add_box(&out, box, summaries);
    if (box)
        mailbox_close(box);
    mail_close(mail);
    char *text = strndup(out.data ? out.data : "", out.len);
    bytes_free(&out);
    return text;
}

/* The same picture, but that UIDNEXT may have grown: without an index it is what durable.h reserved. */
UNUSED static bool same_picture(const char *is, const char *was)
{
    unsigned validity, next, validity_was, next_was;
    int n, n_was;
    return sscanf(is, "validity %u next %u%n", &validity, &next, &n) == 2 &&
           sscanf(was, "validity %u next %u%n", &validity_was, &next_was, &n_was) == 2 &&
           validity == validity_was && next >= next_was && strcmp(is + n, was + n_was) == 0;
}

/* Is there a line behind the first that isn't part of `was`? It is told, the first time. */
UNUSED static bool tell(const char *is, const char *was)
{
    const char *end;
    for (const char *line = strchr(is, '\n'); line && *++line; line = end) {
        end = strchr(line, '\n');
        char *copy = strndup(line, end ? (size_t)(end - line) : strlen(line));
        bool there = strstr(was, copy) != NULL;
        int fd = there ? -1 : open("told", O_CREAT | O_EXCL, 0600);
        if (fd >= 0)
            fprintf(stderr, "# it says: %s\n# not one of:\n%.2000s\n", copy, was);
        free(copy);
        if (!there)
            return true;
    }
    return false;
}

/* Runs it in a child: what it returns (0 to 120), 200 + the signal that ended it, 214 for one that took too
 * long. */
UNUSED static int apart(int (*run)(void *), void *context)
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(PATIENCE);
        _exit(run(context));
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        abort();
    return WIFSIGNALED(status) ? 200 + WTERMSIG(status) : WEXITSTATUS(status);
}

UNUSED static void append_to(struct mail *mail, const char *text, uint32_t flags, const char *keyword)
{
    struct mailbox_append *a;
    const char *keywords[] = { keyword, NULL };
    uint32_t validity, uid;
    if (mailbox_append_begin(mail, NULL, SPAN("INBOX"), &a) != ST_OK)
        abort();
    mailbox_append_write(a, span_of(text));
    if (finish_append(a, flags, keywords, 1000000000, &validity, &uid) != ST_OK)
        abort();
}

/* A folder "m" with flags, keywords, a multipart, foreign names, UIDs that are gone, and summaries in the
 * cache. The session ends as sessions end, or at once. */
UNUSED static int make_folder(void *at_once)
{
    struct mail *mail;
    struct mailbox_changes c;
    struct summary s;
    size_t count = bulk + MESSAGES + 2, *all = calloc(count, sizeof *all);
    unsigned char *results = calloc(count, 1);
    if (!all || !results || mail_open("m", "mx.test", &mail) != ST_OK)
        return 1;
    for (size_t i = 0; i < bulk; i++)
        put_file(at("m/cur/09%06zu.bulk:2,", i), at("Subject: bulk %zu\n\ntext\n", i));
    for (int i = 0; i < MESSAGES - 2; i++)
        put_file(
            at("m/cur/10%02d.M%dP1.foreign:2,%s", i, i, i % 2 ? "S" : "FR"),
            at("Subject: foreign %d\nFrom: =?utf-8?q?J=C3=BCrgen?= <j@x.test>\nTo: a@x.test\n\ntext\n", i));
    append_to(mail,
              "Subject: appended\r\nContent-Type: multipart/mixed; "
              "boundary=b\r\n\r\n--b\r\n\r\na\r\n--b\r\n\r\nb\r\n--b--\r\n",
              FLAG_SEEN, "$Word");
    append_to(mail, "Subject: another\r\n\r\n", FLAG_DRAFT, "Other");
    append_to(mail, "Subject: third\r\n\r\n", 0, "Other");
    append_to(mail, "Subject: fourth\r\n\r\n", 0, NULL);
    struct mailbox *box = box_of(mail, "INBOX", false);
    if (!box || box->count != count)
        return 2;
    for (size_t i = 0; i < box->count; i++)
        all[i] = i;
    uint32_t bit;
    if (mailbox_keyword(box, SPAN("$Word"), true, &bit) != ST_OK ||
        mailbox_expunge(box, all + bulk + MESSAGES, 2, &c) != ST_OK)
        return 3;
    mailbox_changes_free(&c);
    struct flags_store add = { FLAGS_ADD, FLAG_FLAGGED | bit, UINT64_MAX };
    if (mailbox_store(box, all + 1, bulk + 3, &add, results) != ST_OK)
        return 4;
    mailbox_expect(box, all, box->count);
    for (size_t i = 0; i < box->count; i++)
        if (mailbox_summary(box, i, &s) != ST_OK)
            return 5;
    if (at_once)
        _exit(0);
    mailbox_close(box);
    mail_close(mail);
    return 0;
}

struct file {
    char *bytes;
    size_t size;
};

UNUSED static struct file file_of(const char *path)
{
    struct stat st;
    struct file f = { NULL, 0 };
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return f;
    if (fstat(fd, &st) != 0 || !(f.bytes = malloc((size_t)st.st_size + 1)))
        abort();
    f.size = (size_t)read(fd, f.bytes, (size_t)st.st_size);
    close(fd);
    return f;
}

/* In the file's place by rename, as a restored backup is. */
UNUSED static void put_bytes(const char *path, const char *bytes, size_t n)
{
    int fd = open("put.tmp", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n || close(fd) != 0 || rename("put.tmp", path) != 0)
        abort();
}

/* A folder of files and folders, copied with the folders' times; messages are linked. */
UNUSED static void copy_folder(const char *from, const char *to)
{
    DIR *d = opendir(from);
    struct dirent *e;
    struct stat st;
    mkdir(to, 0700);
    while (d && (e = readdir(d))) {
        char a[600], b[600];
        snprintf(a, sizeof a, "%s/%s", from, e->d_name);
        snprintf(b, sizeof b, "%s/%s", to, e->d_name);
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (e->d_type == DT_DIR) {
            copy_folder(a, b);
        } else if (strncmp(e->d_name, "postern", 7) == 0) {
            struct file f = file_of(a);
            put_bytes(b, f.bytes, f.size);
            free(f.bytes);
        } else if (link(a, b) != 0) {
            abort();
        }
    }
    if (d)
        closedir(d);
    if (stat(from, &st) == 0)
        utimensat(AT_FDCWD, to, (struct timespec[]){ st.st_atim, st.st_mtim }, 0);
}

UNUSED static int unlink_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    return scratch_remove_one(path, st, type, walk);
}

UNUSED static void remove_folder(const char *path)
{
    nftw(path, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
