/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a session does with many messages, for the process to end or a call to fail within; and a look at what
 * is there.
 *
 *     index make NUMBER MAILDIR    a folder with so many messages, UIDs given, index and cache written
 *     index foreign NUMBER MAILDIR the same, but as another program left them
 *     index WHAT MAILDIR           open append few many copy move expunge: says "begin ..." before and "done
 *                                  ..." after; abrupt is many, and the session ends without a word; in pair
 *                                  two sessions take turns, and one can't take in what another program does
 *     index look MAILDIR           what is there
 *     index use MAILDIR            that it can be changed
 *
 * Messages are known by their subjects. Lines: "FOLDER validity N next N", "FOLDER UID FLAGS SUBJECT".
 */
#include "say.h"
#include "../helpers/one_message.h"

#include "store/mailbox.h"
#include "store/maildir.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/stat.h>

#define MOST 2000

static struct mail *mail;

static struct mailbox *open_box(struct span folder)
{
    struct mailbox *box;
    need(mailbox_open(mail, folder, false, &box), "open");
    return box;
}

/* Valid until the mailbox's next call. */
static struct span subject_of(struct mailbox *box, size_t index)
{
    struct summary s;
    need(mailbox_summary(box, index, &s), "summary");
    size_t line = 0;
    while (line < s.header.n && !span_eq_str(span_head(span_from(s.header, line), 9), "Subject: "))
        line += span_find(span_from(s.header, line), '\n') + 1;
    struct span subject = span_from(s.header, line + 9 < s.header.n ? line + 9 : s.header.n);
    size_t end = span_find(subject, '\n');
    return span_head(subject, end && end < subject.n && subject.p[end - 1] == '\r' ? end - 1 : end);
}

static void say_box(struct mailbox *box)
{
    say("%s validity %u next %u\n", box->folder, box->uid_validity, box->uid_next);
    for (size_t i = 0; i < box->count; i++) {
        struct mailbox_message m = mailbox_message(box, i);
        struct span subject = subject_of(box, i);
        say("%s %u %x %.*s\n", box->folder, m.uid, m.flags, SPAN_FMT(subject));
    }
}

static uint32_t append(struct mailbox *box, struct span folder, const char *subject)
{
    static const char *const keywords[] = { "$New", NULL };
    struct mailbox_append *a;
    uint32_t validity, uid;
    char text[200];
    snprintf(text, sizeof text, "Subject: %s\r\n\r\ntext\r\n", subject);
    need(mailbox_append_begin(mail, box, folder, &a), "append");
    mailbox_append_write(a, span_of(text));
    need(finish_append(a, FLAG_SEEN, keywords, 1000000000, &validity, &uid), "append");
    return uid;
}

static void make(const char *maildir, size_t count, bool foreign)
{
    char path[500], text[100];
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s/%zu.M%zuP1.other%s", maildir, i % 5 ? "cur" : "new",
                 1000000000 + i, i, i % 5 ? ":2,R" : "");
        int n = snprintf(text, sizeof text, "Subject: m%zu\n\ntext\n", i),
            fd = open(path, O_WRONLY | O_CREAT, 0600);
        if (fd < 0 || write(fd, text, (size_t)n) != n)
            exit(74);
        close(fd);
    }
    if (foreign)
        return;
    struct mailbox *box = open_box(SPAN("INBOX"));
    uint32_t bit;
    need(mailbox_keyword(box, SPAN("$Old"), true, &bit), "keyword");
    say_box(box);
    mailbox_close(box);
}

static size_t indexes[MOST];

static void store(struct mailbox *box, size_t first, size_t count, uint32_t flags)
{
    static unsigned char results[MOST];
    struct flags_store add = { FLAGS_ADD, flags, UINT64_MAX };
    say("begin store %zu %zu %x\n", first, count, flags);
    enum status st = mailbox_store(box, indexes + first, count, &add, results);
    for (size_t i = 0; i < count && st != ST_OK; i++)
        if (results[i] == FLAGS_STORED || results[i] == FLAGS_MERGED)
            say("done store %zu 1 %x\n", first + i, flags);
    need(st, "store");
    say("done store %zu %zu %x\n", first, count, flags);
}

static void copy(struct mailbox *box, size_t count, bool move)
{
    uint32_t validity, *uids;
    struct mailbox_changes c;
    say("begin %s 0 %zu 0\n", move ? "move" : "copy", count);
    need(mailbox_copy(box, indexes, count, SPAN("Goal"), &validity, &uids), "copy");
    for (size_t i = 0; i < count; i++)
        say("copied m%zu %u\n", i, uids[i]);
    free(uids);
    if (move) {
        need(mailbox_expunge(box, indexes, count, &c), "expunge");
        mailbox_changes_free(&c);
    }
    say("done %s 0 %zu 0\n", move ? "move" : "copy", count);
}

/* Another program's: a message comes, and one that is there gets a flag. */
static void come(struct mailbox *box)
{
    static const char text[] = "Subject: arrived1\n\ntext\n";
    char name[256], from[300], to[300];
    int dir = mail_dir(mail), fd = openat(dir, "tmp/1000000101.M1P1.other", O_WRONLY | O_CREAT, 0600);
    bool whole = fd >= 0 && write(fd, text, sizeof text - 1) == sizeof text - 1;
    close(fd);
    if (!whole)
        unlinkat(dir, "tmp/1000000101.M1P1.other", 0);
    need(whole ? ST_OK : ST_TEMP, "come");
    need(renameat(dir, "tmp/1000000101.M1P1.other", dir, "new/1000000101.M1P1.other") == 0 ? ST_OK : ST_TEMP,
         "come");
    mailbox_name(box, 1, name);
    snprintf(from, sizeof from, "cur/%s", name);
    snprintf(to, sizeof to, "cur/%sS", name);
    need(renameat(dir, from, dir, to) == 0 ? ST_OK : ST_TEMP, "rename");
}

static void pair(struct mailbox *box)
{
    struct mailbox_changes c;
    struct mailbox *other = open_box(SPAN("INBOX"));
    come(box);
    say("begin store 1 1 %x\n", FLAG_SEEN);
    if (mailbox_refresh(box, false, &c) == ST_OK) /* or it is behind */
        mailbox_changes_free(&c);
    store(other, 2, 1, FLAG_FLAGGED);
    say("begin expunge 4 1 0\n");
    need(mailbox_expunge(other, &indexes[4], 1, &c), "expunge");
    mailbox_changes_free(&c);
    say("done expunge 4 1 0\n");
    store(box, 3, 1, FLAG_ANSWERED);
    mailbox_close(other);
}

static void work(const char *what)
{
    struct mailbox_changes c;
    struct mailbox *box = open_box(SPAN("INBOX"));
    say_box(box);
    if (strcmp(what, "append") == 0 || strcmp(what, "beside") == 0) {
        say("begin append 0 0 0\n");
        say("appended new %u\n", append(what[0] == 'a' ? box : NULL, SPAN("INBOX"), "new"));
    } else if (strcmp(what, "few") == 0) {
        store(box, 2, 1, FLAG_FLAGGED);
        store(box, 3, 3, FLAG_SEEN | 1);
    } else if (strcmp(what, "many") == 0 || strcmp(what, "abrupt") == 0) {
        store(box, 0, box->count, FLAG_FLAGGED | 1);
        if (what[0] == 'a')
            _exit(0);
    } else if (strcmp(what, "copy") == 0 || strcmp(what, "move") == 0) {
        copy(box, box->count / 2, what[0] == 'm');
    } else if (strcmp(what, "expunge") == 0) {
        say("begin expunge 0 %zu 0\n", box->count / 2);
        need(mailbox_expunge(box, indexes, box->count / 2, &c), "expunge");
        mailbox_changes_free(&c);
        say("done expunge 0 %zu 0\n", box->count / 2);
    }
    if (strcmp(what, "pair") == 0)
        pair(box);
    if (strcmp(what, "open") == 0) /* so long that the directories' times count, and the index is closed as settled */
        nanosleep(&(struct timespec){ .tv_nsec = 60000000 }, NULL);
    need(mailbox_refresh(box, false, &c), "refresh");
    mailbox_changes_free(&c);
    mailbox_close(box);
    say("end\n");
}

static void look(struct span folder)
{
    if (folder_exists(mail, folder) != ST_OK)
        return;
    struct mailbox *box = open_box(folder);
    say_box(box);
    mailbox_close(box);
}

/* Is that the last message, but for those that another program had brought before and nobody had seen? */
static bool is_last(struct mailbox *box, size_t index, uint32_t uid, const char *subject)
{
    bool is = index < box->count && mailbox_uid(box, index) == uid &&
              span_eq_str(subject_of(box, index), subject);
    while (is && ++index < box->count)
        is = span_starts(subject_of(box, index), "arrived");
    return is;
}

/* The folder still does everything. */
static void use(void)
{
    struct mailbox_changes c;
    uint32_t uid = append(NULL, SPAN("INBOX"), "after"), other = append(NULL, SPAN("Goal"), "after");
    struct mailbox *box = open_box(SPAN("INBOX"));
    size_t i = mailbox_find(box, uid);
    if (!is_last(box, i, uid, "after") || !other)
        need(ST_TEMP, "find");
    need(store_flags(box, 0, FLAG_DRAFT), "flags");
    need(mailbox_expunge(box, &i, 1, &c), "expunge");
    mailbox_changes_free(&c);
    mailbox_close(box);
    box = open_box(SPAN("INBOX"));
    need(mailbox_message(box, 0).flags == FLAG_DRAFT ? ST_OK : ST_TEMP, "flags again");
    mailbox_close(box);
    say("works\n");
}

int main(int argc, char **argv)
{
    bool making = argc == 4;
    if (argc != 3 && !making)
        return 64;
    for (size_t i = 0; i < MOST; i++)
        indexes[i] = i;
    need(mail_open(argv[argc - 1], "mx.test", &mail), "mail");
    if (making) {
        need(folder_create(mail, SPAN("Goal")), "create");
        make(argv[3], strtoul(argv[2], NULL, 10), argv[1][0] == 'f');
    } else if (strcmp(argv[1], "look") == 0) {
        look(SPAN("INBOX"));
        look(SPAN("Goal"));
    } else if (strcmp(argv[1], "use") == 0) {
        use();
    } else {
        work(argv[1]);
    }
    mail_close(mail);
    return 0;
}
