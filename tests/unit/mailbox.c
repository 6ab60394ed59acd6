/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An opened folder: UIDs that stay, sizes that are right, flags and keywords, what other programs do
 * meanwhile, appending and copying. Hostile folders are in mailbox_hostile.c, many processes in
 * mailbox_many.c.
 */
#include "store.h"
#include "../helpers/one_message.h"

#include "store/index.h"

#include <poll.h>
#include <time.h>
#include <utime.h>

static struct mail *mail;

static struct mailbox_changes refresh(struct mailbox *box, bool keep)
{
    struct mailbox_changes c;
    enum status st = mailbox_refresh(box, keep, &c);
    if (st != ST_OK) {
        ok(false, "refresh %s: %d %s", box->folder, st, strerror(errno));
        exit(1);
    }
    return c;
}

/* "1 3 7" */
static const char *uids_of(const struct mailbox *box)
{
    static char text[4096];
    size_t n = 0;
    text[0] = '\0';
    for (size_t i = 0; i < box->count && n < sizeof text - 16; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%u", i ? " " : "", mailbox_uid(box, i));
    return text;
}

static bool uids_are(const struct mailbox *box, const char *expected)
{
    return strcmp(uids_of(box), expected) == 0;
}

static bool reopened(const char *folder, const char *expected)
{
    struct mailbox *box = open_folder(mail, folder, false);
    bool same = uids_are(box, expected);
    mailbox_close(box);
    return same;
}

static void new_mail(void)
{
    deliver("m", NULL, "Subject: one\r\n\r\n1\r\n");
    deliver("m", NULL, "Subject: two\r\n\r\n2\r\n");
    struct mailbox *box = open_folder(mail, "inbox", true);
    ok(uids_are(box, "1 2") && strcmp(box->folder, "INBOX") == 0 && box->uid_next == 3,
       "read-only: UIDs are given");
    ok(files_in("m/new", NULL, 0) == 2 && mailbox_message(box, 0).in_new && mailbox_message(box, 0).recent,
       "in new/, and still recent");
    uint32_t validity = box->uid_validity;
    char id[40];
    strcpy(id, box->mailbox_id);
    mailbox_close(box);
    box = open_folder(mail, "INBOX", false);
    ok(uids_are(box, "1 2") && mailbox_message(box, 1).recent && files_in("m/new", NULL, 0) == 0 &&
           files_in("m/cur", NULL, 0) == 2,
       "opened: moved to cur/, recent");
    ok(box->uid_validity == validity && validity && strcmp(id, box->mailbox_id) == 0 && strlen(id) > 10,
       "validity and ID stay");
    ok(mailbox_message(box, 0).size == 16 && mailbox_message(box, 0).wire_size == 19, "sizes");
    mailbox_close(box);
    box = open_folder(mail, "INBOX", false);
    ok(uids_are(box, "1 2") && !mailbox_message(box, 0).recent && box->uid_next == 3,
       "opened again: the same, no longer recent");
    struct mailbox_map map;
    ok(mailbox_map(box, 1, &map) == ST_OK && span_eq_str(map.bytes, "Subject: two\n\n2\n"),
       "a message's bytes, in order of arrival");
    mailbox_unmap(&map);
    mailbox_close(box);
    struct mailbox_status s;
    deliver("m", NULL, "x\r\n");
    ok(mailbox_status(mail, SPAN("INBOX"), true, &s) == ST_OK && s.messages == 3 && s.recent == 1 &&
           s.unseen == 3 && s.uid_next == 4 && s.uid_validity == validity && s.size == 41,
       "STATUS");
    ok(mailbox_status(mail, SPAN("none"), true, &s) == ST_NONE, "STATUS of no folder");
    ok(mailbox_open(mail, SPAN("none"), false, &box) == ST_NONE, "no folder to open");
}

static void flags(void)
{
    folder_create(mail, SPAN("flags"));
    for (int i = 0; i < 3; i++)
        deliver("m", "flags", "x\r\n");
    struct mailbox *box = open_folder(mail, "flags", false), *other = open_folder(mail, "flags", false);
    uint32_t bit, again;
    enum status set = store_flags(box, 1, FLAG_SEEN | FLAG_DRAFT);
    ok(set == ST_OK && mailbox_message(box, 1).flags == (FLAG_SEEN | FLAG_DRAFT) &&
           strstr(name_at(box, 1), ":2,DS"),
       "flags are letters: %s", name_at(box, 1));
    struct mailbox_changes c = refresh(box, false);
    ok(c.changed_count == 0 && c.expunged_count == 0 && c.added == 0, "one's own change is no news");
    mailbox_changes_free(&c);
    c = refresh(other, true);
    ok(c.changed_count == 1 && c.changed[0] == 2 &&
           mailbox_message(other, 1).flags == (FLAG_SEEN | FLAG_DRAFT),
       "another session's is");
    mailbox_changes_free(&c);
    ok(mailbox_keyword(box, SPAN("$Forwarded"), false, &bit) == ST_NONE, "no such keyword");
    ok(mailbox_keyword(box, SPAN("$Forwarded"), true, &bit) == ST_OK && bit == 1, "is made");
    ok(mailbox_keyword(other, SPAN("$FORWARDED"), true, &again) == ST_OK && again == bit,
       "in another session, in another case");
    ok(mailbox_keyword(other, SPAN("Other"), true, &again) == ST_OK && again == 2, "another");
    ok(store_flags(other, 0, again | bit) == ST_OK && strstr(name_at(other, 0), ":2,ab"),
       "keywords are letters");
    c = refresh(box, false);
    ok(c.changed_count == 1 && c.keywords && box->keywords[1] &&
           mailbox_message(box, 0).flags == (bit | again),
       "a new keyword is learned");
    mailbox_changes_free(&c);
    store_flags(box, 2, FLAG_SEEN);
    struct flags_store add = { .change = FLAGS_ADD, .flags = FLAG_FLAGGED, .unchanged_since = UINT64_MAX };
    unsigned char result;
    ok(mailbox_store(other, &(size_t){ 2 }, 1, &add, &result) == ST_OK && result == FLAGS_MERGED &&
           mailbox_message(other, 2).flags == (FLAG_SEEN | FLAG_FLAGGED),
       "two sessions change one message: both changes stay");
    static const char *const bad[] = { "", "\\Bad", "a b", "a(b", "a%", "a*", "a\"", "\xc3\xbc" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ok(mailbox_keyword(box, span_of(bad[i]), true, &bit) == ST_PERM, "no keyword: %s", bad[i]);
    for (int i = 2; i < 26; i++)
        mailbox_keyword(box, span_of(at("k%d", i)), true, &bit);
    ok(bit == 1 << 25 && mailbox_keyword(box, SPAN("k26"), true, &bit) == ST_PERM, "26 keywords and no more");
    store_flags(box, 0, FLAG_SYSTEM | 0x3ffffff);
    mailbox_close(box);
    mailbox_close(other);
    box = open_folder(mail, "flags", true);
    ok(mailbox_message(box, 0).flags == (FLAG_SYSTEM | 0x3ffffff) && strcmp(box->keywords[25], "k25") == 0,
       "all flags, read again");
    ok(store_flags(box, 0, 0) == ST_PERM && errno == EROFS, "a read-only mailbox has its flags");
    mailbox_close(box);
}

static void expunging(void)
{
    folder_create(mail, SPAN("gone"));
    for (int i = 0; i < 5; i++)
        deliver("m", "gone", "x\r\n");
    struct mailbox *box = open_folder(mail, "gone", false), *other = open_folder(mail, "gone", false);
    struct mailbox_changes c;
    ok(mailbox_expunge(box, (size_t[]){ 1, 4 }, 2, &c) == ST_OK && c.expunged_count == 2 &&
           c.expunged[1] == 5 && uids_are(box, "1 3 4"),
       "expunged: %s", uids_of(box));
    mailbox_changes_free(&c);
    int fd;
    ok(mailbox_file(other, 1, &fd) == ST_NONE && store_flags(other, 4, FLAG_SEEN) == ST_NONE,
       "gone for others");
    c = refresh(other, true);
    ok(c.expunged_count == 0 && other->count == 5 && mailbox_message(other, 1).gone,
       "but sequence numbers stay where they must");
    mailbox_changes_free(&c);
    c = refresh(other, false);
    ok(c.expunged_count == 2 && c.expunged[0] == 2 && c.expunged[1] == 5 && uids_are(other, "1 3 4"),
       "and are told later");
    mailbox_changes_free(&c);
    deliver("m", "gone", "x\r\n");
    c = refresh(other, true);
    ok(c.added == 1 && uids_are(other, "1 3 4 6"), "the highest UID is never used again: %s", uids_of(other));
    mailbox_changes_free(&c);
    unlink(at("m/.gone/cur/%s", name_at(other, 3)));
    mailbox_close(box);
    mailbox_close(other);
    deliver("m", "gone", "x\r\n");
    ok(reopened("gone", "1 3 4 7"), "nor one that another program removed");
}

static void other_programs(void)
{
    folder_create(mail, SPAN("o"));
    put_file("m/.o/cur/1000.1_0.host:2,S", "a: b\r\n\r\nc\r\n");        /* CRLF on disk */
    put_file("m/.o/cur/1001.M1P2.host,S=999,W=999:2,F", "a: b\n\nc\n"); /* sizes that are wrong */
    put_file("m/.o/new/1002.mutt", "a: b\n\nc\r\nd\n");
    put_file("m/.o/cur/0999.h,U=5,Z=q:2,Tz", "");
    struct mailbox *box = open_folder(mail, "o", false);
    uint64_t size;
    ok(uids_are(box, "1 2 3 4"), "foreign files are taken over in order of arrival");
    ok(strstr(name_at(box, 0), ",U=5,Z=q:2,Tz") && mailbox_message(box, 0).flags == FLAG_DELETED,
       "unknown fields and letters stay: %s", name_at(box, 0));
    ok(mailbox_wire_size(box, 1, &size) == ST_OK && size == 11 && mailbox_message(box, 1).size == 11,
       "CRLF on disk is counted once");
    ok(mailbox_wire_size(box, 2, &size) == ST_OK && size == 11 && mailbox_message(box, 2).size == 8,
       "sizes in a name aren't believed");
    ok(mailbox_wire_size(box, 3, &size) == ST_OK && size == 14, "line ends of both kinds");
    ok(mailbox_wire_size(box, 0, &size) == ST_OK && size == 0, "an empty message");
    uint32_t bit;
    mailbox_keyword(box, SPAN("mine"), true, &bit);
    store_flags(box, 0, bit);
    ok(strstr(name_at(box, 0), ":2,az"), "a letter without a meaning stays: %s", name_at(box, 0));
    char from[400], to[400];
    snprintf(from, sizeof from, "m/.o/cur/%s", name_at(box, 1));
    snprintf(to, sizeof to, "%s", from);
    strcpy(strstr(to, ":2,"), ":2,FS");
    rename(from, to);
    int fd;
    ok(mailbox_file(box, 1, &fd) == ST_OK, "a renamed file is found");
    close(fd);
    struct mailbox_changes c = refresh(box, true);
    ok(c.changed_count == 1 && c.changed[0] == 2 &&
           mailbox_message(box, 1).flags == (FLAG_FLAGGED | FLAG_SEEN),
       "and its flags are news");
    mailbox_changes_free(&c);
    rename(at("m/.o/cur/%s", name_at(box, 1)), "m/.o/cur/1000.1_0.host:2,");
    c = refresh(box, false);
    ok(c.expunged_count == 1 && c.added == 1 && uids_are(box, "1 3 4 5"),
       "a UID taken off a name: a new message");
    mailbox_changes_free(&c);
    snprintf(from, sizeof from, "m/.o/cur/%s", name_at(box, 3));
    rename(from, "m/kept");
    c = refresh(box, false);
    mailbox_changes_free(&c);
    rename("m/kept", from);
    c = refresh(box, false);
    ok(c.added == 1 && uids_are(box, "1 3 4 6"), "a file that was put back is new: %s", uids_of(box));
    mailbox_changes_free(&c);
    mailbox_close(box);
    ok(reopened("o", "1 3 4 6"), "as others see it");
}

static void clashes(void)
{
    folder_create(mail, SPAN("c"));
    mailbox_close(open_folder(mail, "c", false));
    struct mailbox *box = open_folder(mail, "c", false);
    uint32_t v = box->uid_validity;
    mailbox_close(box);
    put_file(at("m/.c/cur/1000.a,P=%x.3:2,", v), "a");
    put_file(at("m/.c/cur/1001.b,P=%x.3:2,", v), "b");
    put_file(at("m/.c/cur/1001.b,P=%x.3:2,S", v), "b");
    put_file(at("m/.c/cur/1002.c,P=%x.1:2,", v + 1), "c");
    put_file(at("m/.c/cur/1003.d,P=%x.ffffffff:2,", v), "d");
    put_file(at("m/.c/cur/1004.e,P=%x.9:2,", v), "e");
    box = open_folder(mail, "c", false);
    ok(uids_are(box, "3 9 10 11 12 13") && strstr(name_at(box, 0), "1000.a"), "one keeps the UID: %s",
       uids_of(box));
    put_file(at("m/.c/cur/0001.z,P=%x.9:2,", v), "z");
    struct mailbox_changes c = refresh(box, false);
    ok(c.added == 1 && c.expunged_count == 0 && uids_are(box, "3 9 10 11 12 13 14") &&
           strstr(name_at(box, 1), "1004.e"),
       "the one that is known keeps it");
    mailbox_changes_free(&c);
    mailbox_close(box);
    ok(reopened("c", "3 9 10 11 12 13 14"), "and so it stays");
}

/* A folder is opened a moment after a change, and once more after the next: none may be missed because the
 * directory's time is still the same, nor because it was believed too early. */
static void same_tick(void)
{
    folder_create(mail, SPAN("tick"));
    size_t missed = 0;
    for (size_t i = 1; i <= 200; i++) {
        deliver("m", "tick", "x\r\n");
        usleep((useconds_t)(i % 50 * 1000));
        for (int again = 0; again < 2; again++) {
            struct mailbox *box = open_folder(mail, "tick", false);
            missed += box->count != i;
            mailbox_close(box);
        }
    }
    ok(missed == 0, "%zu of 400 looks at a folder that has just changed missed a message", missed);
}

static void same_second(void)
{
    folder_create(mail, SPAN("fast"));
    struct mailbox *box = open_folder(mail, "fast", false);
    bool seen = true, watched = true;
    for (size_t i = 1; i <= 20; i++) {
        deliver("m", "fast", "x\r\n");
        struct pollfd p = { .fd = box->watch, .events = POLLIN };
        watched &= box->watch < 0 || poll(&p, 1, 5000) == 1;
        struct mailbox_changes c = refresh(box, true);
        seen &= c.added == 1 && box->count == i;
        mailbox_changes_free(&c);
    }
    ok(seen, "twenty messages within a second are each seen at once");
    ok(watched && box->watch >= 0, "and waited for");
    mailbox_close(box);
}

/* One message. Its UID, or 0. */
static uint32_t append_to_app(struct mailbox *selected)
{
    struct mailbox_append *a;
    uint32_t validity, uid;
    bool done = mailbox_append_begin(mail, selected, SPAN("app"), &a) == ST_OK &&
                mailbox_append_write(a, SPAN("a: b\r\n")) == ST_OK &&
                finish_append(a, 0, NULL, 0, &validity, &uid) == ST_OK;
    return done ? uid : 0;
}

static uint32_t records_of_app(void)
{
    struct index ix;
    int dir = open("m/.app", O_RDONLY | O_DIRECTORY);
    uint32_t count = index_open(dir, &ix) == ST_OK ? ix.header.count : 0;
    index_close(&ix);
    close(dir);
    return count;
}

/* `box` shows UIDs 1 and 2. */
static void telling(struct mailbox *box)
{
    struct mailbox *other = open_folder(mail, "app", false);
    ok(append_to_app(box) == 3 && records_of_app() == 3, "the index is told of it before anybody looks");
    struct mailbox_changes c = refresh(other, true);
    ok(c.added == 1 && mailbox_message(other, 2).modseq == other->modseq &&
           mailbox_message(other, 2).wire_size == 6,
       "and so are others");
    mailbox_changes_free(&c);
    ok(append_to_app(NULL) == 4 && append_to_app(box) == 5 && records_of_app() == 3,
       "but not while a UID is without a record");
    c = refresh(box, true);
    ok(c.added == 3 && mailbox_uid(box, 3) == 4 && mailbox_uid(box, 4) == 5 &&
           box->modseq == mailbox_message(box, 4).modseq,
       "each is found under its own");
    mailbox_changes_free(&c);
    rename("m/.app", "m/.moved");
    ok(mailbox_append_begin(mail, box, SPAN("app"), &(struct mailbox_append *){ NULL }) == ST_NONE,
       "a folder of another name isn't the one that is open");
    rename("m/.moved", "m/.app");
    ok(append_to_app(box) == 6 && records_of_app() == 6, "told again");
    mailbox_close(other);
}

static void appending(void)
{
    folder_create(mail, SPAN("app"));
    struct mailbox *box = open_folder(mail, "app", false);
    struct mailbox_append *a;
    uint32_t validity, uid;
    static const char *const keywords[] = { "$Label1", "not an atom", NULL };
    ok(mailbox_append_begin(mail, box, SPAN("none"), &a) == ST_NONE, "APPEND to no folder");
    ok(mailbox_append_begin(mail, box, SPAN("app"), &a) == ST_OK &&
           mailbox_append_write(a, SPAN("a: b\r")) == ST_OK &&
           mailbox_append_write(a, SPAN("\n\r\nc\r\n")) == ST_OK && files_in("m/.app/cur", NULL, 0) == 0,
       "written in tmp/");
    ok(finish_append(a, FLAG_SEEN, keywords, 1000000000, &validity, &uid) == ST_OK && uid == 1 &&
           validity == box->uid_validity,
       "APPENDUID");
    struct mailbox_changes c = refresh(box, true);
    struct mailbox_message e = mailbox_message(box, 0);
    ok(c.added == 1 && e.uid == 1 && e.flags == (FLAG_SEEN | 1) && mailbox_date(box, 0) == 1000000000 &&
           e.size == 8 && e.wire_size == 11 && strcmp(box->keywords[0], "$Label1") == 0 && !e.recent,
       "as it was said");
    mailbox_changes_free(&c);
    mailbox_append_begin(mail, box, SPAN("app"), &a);
    mailbox_append_write(a, SPAN("x"));
    mailbox_append_abort(a);
    ok(files_in("m/.app/tmp", NULL, 0) == 0 && files_in("m/.app/cur", NULL, 0) == 1, "aborted: nothing left");
    mailbox_append_begin(mail, box, SPAN("app"), &a);
    char line[1000];
    memset(line, 'x', sizeof line);
    memcpy(line + sizeof line - 2, "\r\n", 2);
    for (int i = 0; i < 1000; i++)
        mailbox_append_write(a, (struct span){ line, sizeof line });
    ok(finish_append(a, 0, NULL, 0, &validity, &uid) == ST_OK && uid == 2, "a large message");
    c = refresh(box, true);
    struct mailbox_map map;
    ok(mailbox_message(box, 1).wire_size == 1000000 && mailbox_message(box, 1).size == 999000 &&
           mailbox_map(box, 1, &map) == ST_OK && map.mapped && map.bytes.n == 999000 &&
           map.bytes.p[998] == '\n' && llabs(mailbox_date(box, 1) - time(NULL)) < 60,
       "is mapped");
    mailbox_unmap(&map);
    mailbox_changes_free(&c);
    telling(box);
    mailbox_close(box);
}

static void copying(void)
{
    folder_create(mail, SPAN("from"));
    folder_create(mail, SPAN("to"));
    for (int i = 0; i < 40; i++)
        deliver("m", "from", "x: y\r\n\r\n");
    struct mailbox *box = open_folder(mail, "from", false), *to = open_folder(mail, "to", false);
    uint32_t bit, validity, *uids;
    mailbox_keyword(to, SPAN("unrelated"), true, &bit);
    mailbox_keyword(box, SPAN("moves"), true, &bit);
    store_flags(box, 0, bit | FLAG_FLAGGED);
    utime(at("m/.from/cur/%s", name_at(box, 0)), &(struct utimbuf){ 1, 1234567890 });
    size_t all[40];
    for (size_t i = 0; i < 40; i++)
        all[i] = i;
    ok(mailbox_copy(box, all, 40, SPAN("none"), &validity, &uids) == ST_NONE, "COPY to no folder");
    ok(mailbox_copy(box, all, 40, SPAN("to"), &validity, &uids) == ST_OK && validity == to->uid_validity &&
           uids[0] == 1 && uids[39] == 40,
       "COPYUID");
    free(uids);
    struct mailbox_changes c = refresh(to, true);
    ok(c.added == 40 && mailbox_date(to, 0) == 1234567890 &&
           mailbox_message(to, 0).flags == (FLAG_FLAGGED | 2) && strcmp(to->keywords[1], "moves") == 0 &&
           mailbox_message(to, 0).wire_size == 8,
       "date, flags, keywords and sizes follow");
    mailbox_changes_free(&c);
    unlink(at("m/.from/cur/%s", name_at(box, 39)));
    ok(mailbox_copy(box, all, 40, SPAN("to"), &validity, &uids) == ST_PERM && errno == ENOENT && !uids &&
           files_in("m/.to/cur", NULL, 0) == 40 && files_in("m/.to/tmp", NULL, 0) == 0,
       "one is gone: none is copied");
    ok(mailbox_copy(box, all, 2, SPAN("from"), &validity, &uids) == ST_OK && uids[1] == 42,
       "into the same folder");
    free(uids);
    mailbox_close(box);
    mailbox_close(to);
}

static void inbox_renamed(void)
{
    struct mailbox *box = open_folder(mail, "INBOX", false);
    uint32_t bit;
    mailbox_keyword(box, SPAN("kept"), true, &bit);
    store_flags(box, 0, bit);
    ok(folder_rename(mail, SPAN("INBOX"), SPAN("old.mail")) == ST_OK, "INBOX is renamed");
    struct mailbox_changes c = refresh(box, false);
    ok(c.expunged_count == 3 && box->count == 0 && folder_exists(mail, SPAN("INBOX")) == ST_OK,
       "and stays, empty");
    mailbox_changes_free(&c);
    struct mailbox *to = open_folder(mail, "old.mail", false);
    ok(to->count == 3 && mailbox_message(to, 0).flags == bit && strcmp(to->keywords[0], "kept") == 0 &&
           to->uid_validity != box->uid_validity,
       "its messages are in the new folder");
    ok(folder_rename(mail, SPAN("INBOX"), SPAN("old.mail")) == ST_PERM && errno == EEXIST,
       "not over another");
    ok(folder_rename(mail, SPAN("old.mail"), SPAN("newer")) == ST_OK &&
           store_flags(to, 0, FLAG_SEEN) == ST_OK,
       "an opened mailbox follows its folder");
    uint32_t before = to->uid_validity;
    ok(folder_delete(mail, SPAN("newer")) == ST_OK, "removed while open");
    ok(mailbox_refresh(to, false, &c) == ST_NONE && c.expunged_count == 0,
       "the session is told that the folder is gone");
    mailbox_close(to);
    folder_create(mail, SPAN("newer"));
    to = open_folder(mail, "newer", false);
    ok(to->uid_validity > before, "a folder of the same name has another UIDVALIDITY");
    mailbox_close(to);
    mailbox_close(box);
}

static void speed(void)
{
    struct timespec a, b;
    maildir_create("big");
    for (int i = 0; i < 10000; i++)
        put_file(at("big/cur/%d.M%dP1.host,S=6,W=8:2,S", 1500000000 + i, i), "a: b\n\n");
    struct mail *big;
    mail_open("big", "mx.test", &big);
    struct mailbox *box;
    for (int i = 0; i < 3; i++) {
        clock_gettime(CLOCK_MONOTONIC, &a);
        enum status st = mailbox_open(big, SPAN("INBOX"), false, &box);
        clock_gettime(CLOCK_MONOTONIC, &b);
        double ms = (double)(b.tv_sec - a.tv_sec) * 1000 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
        ok(st == ST_OK && box->count == 10000 && ms < (i ? 1000 : 20000),
           "10000 messages opened in %.1f ms%s", ms, i ? "" : ", the first time");
        mailbox_close(box);
    }
    mail_close(big);
}

/* Records of messages that are gone don't stay for ever; who still shows them is told all the same. */
static void waste(void)
{
    enum { MANY = 4400, LEFT = 3 };
    struct stat before, after;
    struct mailbox_changes c;
    static size_t indexes[MANY];
    uint32_t *uids;
    size_t count;
    folder_create(mail, SPAN("waste"));
    for (int i = 0; i < MANY + LEFT; i++)
        put_file(at("m/.waste/cur/%d.M%05dP1.host:2,S", 1000 + i / 100000, i), "x\n");
    for (size_t i = 0; i < MANY; i++)
        indexes[i] = i;
    struct mailbox *box = open_folder(mail, "waste", false), *other = open_folder(mail, "waste", false);
    uint64_t modseq = box->modseq;
    ok(box->count == MANY + LEFT && mailbox_expunge(box, indexes, MANY, &c) == ST_OK &&
           c.expunged_count == MANY,
       "expunged");
    mailbox_changes_free(&c);
    mailbox_close(box);
    stat("m/.waste/postern-index", &before);
    box = open_folder(mail, "waste", false);
    stat("m/.waste/postern-index", &after);
    ok(after.st_size < before.st_size && box->count == LEFT && mailbox_uid(box, 0) == MANY + 1 &&
           box->uid_next == MANY + LEFT + 1,
       "a smaller index says the same");
    ok(mailbox_expunged_since(box, modseq, &uids, &count) == ST_NONE, "but not all that went");
    c = refresh(other, false);
    ok(c.expunged_count == MANY && c.expunged[0] == 1 && other->count == LEFT &&
           mailbox_uid(other, 0) == MANY + 1,
       "whoever had it open is told");
    mailbox_changes_free(&c);
    mailbox_close(box);
    mailbox_close(other);
}

int main(void)
{
    scratch_make("mailbox");
    if (mail_open("m", "mx.test", &mail) != ST_OK)
        return 1;
    new_mail();
    flags();
    expunging();
    other_programs();
    clashes();
    same_tick();
    same_second();
    appending();
    copying();
    inbox_renamed();
    speed();
    waste();
    mail_close(mail);
    scratch_remove();
    return done_testing();
}
