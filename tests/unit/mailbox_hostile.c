/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Folders whose owner, or a broken program, left what should not be there. Everything must still open, never
 * block and never reach outside; and the same from within a mailbox process's sandbox.
 */
#include "store.h"
#include "../helpers/one_message.h"

#include "net/sandbox.h"

#include <sys/wait.h>

static struct mail *mail;

static struct mailbox *open_box(const char *folder, enum status expected)
{
    struct mailbox *box = NULL;
    alarm(60);
    enum status st = mailbox_open(mail, span_of(folder), false, &box);
    if (st != expected)
        ok(false, "open %s: %d %s", folder, st, strerror(errno));
    return box;
}

/* Opens, reads, flags and removes everything. */
static bool usable(const char *folder, size_t count)
{
    struct mailbox *box = open_box(folder, ST_OK);
    struct mailbox_changes c;
    struct mailbox_map map;
    bool good = box && box->count == count;
    for (size_t i = 0; good && i < count; i++) {
        good &= mailbox_map(box, i, &map) == ST_OK;
        mailbox_unmap(&map);
        good &= store_flags(box, i, FLAG_SYSTEM) == ST_OK;
    }
    size_t all[64];
    for (size_t i = 0; i < 64; i++)
        all[i] = i;
    good =
        good && mailbox_expunge(box, all, count, &c) == ST_OK && c.expunged_count == count && box->count == 0;
    if (good)
        mailbox_changes_free(&c);
    mailbox_close(box);
    return good;
}

static const char *longest(char with)
{
    static char name[256];
    memset(name, with, 255);
    name[255] = '\0';
    return name;
}

static void names(void)
{
    folder_create(mail, SPAN("n"));
    put_file(at("m/.n/cur/%s", longest('a')), "a\n");
    put_file(at("m/.n/new/%s", longest('b')), "b\n");
    char name[256];
    snprintf(name, sizeof name, "%.238s,P=1.1:2,S", longest('c'));
    put_file(at("m/.n/cur/%s", name), "c\n");
    put_file("m/.n/cur/new\nline:2,", "d\n");
    put_file("m/.n/cur/\xff\xfe\x01 \"x\":2,", "e\n");
    put_file("m/.n/cur/:2,", "f\n");
    put_file("m/.n/cur/,S=1,W=2,P=3.4", "g\n");
    put_file("m/.n/cur/a:b:2,:2,S", "h\n");
    put_file("m/.n/cur/%s%n%d", "i\n");
    put_file("m/.n/cur/.hidden", "x\n");
    struct mailbox *box = open_box("n", ST_OK);
    ok(box->count == 9, "names of every kind are messages: %zu", box->count);
    bool short_enough = true;
    for (size_t i = 0; i < box->count; i++)
        short_enough &= strlen(name_at(box, i)) <= 255;
    ok(short_enough, "and there is room for UIDs and flags");
    mailbox_close(box);
    ok(usable("n", 9) && files_in("m/.n/cur", NULL, 0) == 0, "they can be read, flagged and removed");
}

static void things(void)
{
    folder_create(mail, SPAN("t"));
    put_file("secret", "secret\n");
    mkfifo("m/.t/cur/1.fifo:2,", 0600);
    mkfifo("m/.t/new/2.fifo", 0600);
    mkdir("m/.t/cur/3.dir:2,", 0700);
    put_link("../../../secret", "m/.t/cur/4.link:2,");
    put_link(at("%s/secret", scratch), "m/.t/new/5.link");
    put_link("nowhere", "m/.t/cur/6.dangling:2,");
    put_file("m/.t/cur/7.message:2,", "x\n");
    struct mailbox *box = open_box("t", ST_OK);
    ok(box->count == 1, "only a file is a message");
    char name[300];
    snprintf(name, sizeof name, "m/.t/cur/%s", name_at(box, 0));
    struct mailbox_map map;
    int fd;
    unlink(name);
    put_link("../../../secret", name);
    ok(mailbox_file(box, 0, &fd) == ST_NONE && mailbox_map(box, 0, &map) == ST_NONE,
       "a message swapped for a link is gone");
    unlink(name);
    mkfifo(name, 0600);
    ok(mailbox_file(box, 0, &fd) == ST_NONE, "swapped for a FIFO");
    unlink(name);
    mkdir(name, 0700);
    struct mailbox_changes c;
    ok(mailbox_file(box, 0, &fd) != ST_OK || close(fd) == 0, "swapped for a directory");
    ok(mailbox_map(box, 0, &map) == ST_NONE && mailbox_expunge(box, (size_t[]){ 0 }, 1, &c) == ST_OK,
       "is no message");
    mailbox_changes_free(&c);
    mailbox_close(box);
    ok(strcmp(text_of("secret"), "secret\n") == 0, "nothing outside was touched");
}

static void plant(size_t what, const char *path)
{
    if (what == 0)
        mkfifo(path, 0600);
    else if (what == 1)
        put_link(at("%s/secret", scratch), path);
    else if (what == 2)
        mkdir(path, 0700);
    else if (what == 3)
        put_file(path, "postern-folder 1\nuidnext x\n");
    else
        put_file(path, longest('x'));
}

/* In place of our own files: the folder begins anew, or can't be opened for now; never worse. */
static void our_files(void)
{
    static const char *const whats[] = { "FIFO", "link", "directory", "half a file", "garbage" };
    folder_create(mail, SPAN("f"));
    uint32_t last = 0;
    for (size_t i = 0; i < 5; i++) {
        unlink("m/.f/postern-folder");
        rmdir("m/.f/postern-folder");
        plant(i, "m/.f/postern-folder");
        deliver("m", "f", "x\r\n");
        struct mailbox *box = open_box("f", ST_OK);
        ok(box && box->count == i + 1 && box->uid_validity > last,
           "a %s for the durable file: a new UIDVALIDITY", whats[i]);
        last = box ? box->uid_validity : last;
        mailbox_close(box);
    }
    put_file("m/.f/postern-folder", "postern-folder 2\nsomething new\n");
    ok(!open_box("f", ST_TEMP) && strstr(text_of("m/.f/postern-folder"), "new"),
       "a newer version's file is left alone");
    unlink("m/.f/postern-folder");
    for (size_t i = 0; i < 3; i++) {
        unlink("m/.f/postern.lock");
        plant(i, "m/.f/postern.lock");
        ok(!open_box("f", ST_TEMP), "a %s for the lock", whats[i]);
        remove("m/.f/postern.lock");
    }
    ok(strcmp(text_of("secret"), "secret\n") == 0, "nothing outside was touched");
    ok(usable("f", 5), "without them it opens");
    put_file(
        "m/.f/postern-folder",
        at("postern-folder 1\nuidnext 4294967290\nuidvalidity %u\nmailboxid x\nkeyword a $A\nacl x\n", last));
    deliver("m", "f", "x\r\n");
    struct mailbox *box = open_box("f", ST_OK);
    ok(box && box->uid_validity > last && mailbox_uid(box, 0) == 1 && strcmp(box->keywords[0], "$A") == 0,
       "UIDs ran out: it begins anew");
    mailbox_close(box);
    ok(strstr(text_of("m/.f/postern-folder"), "\nacl x\n"), "lines of a newer version are kept");
}

static void directories(void)
{
    for (size_t i = 0; i < 3; i++) {
        const char *folder = at("d%zu", i);
        folder_create(mail, span_of(folder));
        deliver("m", folder, "x\r\n");
        mailbox_close(open_box(folder, ST_OK));
        rmdir(at("m/.%s/new", folder));
        rmdir(at("m/.%s/tmp", folder));
        plant(i, at("m/.%s/new", folder));
        plant(i, at("m/.%s/tmp", folder));
        struct mailbox_append *a = NULL;
        if (i < 2)
            ok(mailbox_append_begin(mail, NULL, span_of(folder), &a) == ST_TEMP && !a,
               "no tmp/ to append in");
        ok(usable(folder, 1), "new/ and tmp/ swapped: cur/ is still read");
    }
    folder_create(mail, SPAN("d"));
    rmdir("m/.d/cur");
    put_link("../cur", "m/.d/cur");
    ok(!open_box("d", ST_NONE), "a link for cur/ is no folder");
    put_file("m/.n/tmp/old", "x");
    struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
    utimensat(AT_FDCWD, "m/.n/tmp/old", times, 0);
    mailbox_close(open_box("n", ST_OK));
    ok(files_in("m/.n/tmp", NULL, 0) == 1,
       "a file in tmp/ is left while its inode is young, whatever its date says");
}

/* Everything a session does, within what a mailbox process may do. */
static int confined(void)
{
    char root[128];
    struct bytes error;
    struct sandbox *sandbox;
    struct sandbox_path path = { root, SANDBOX_READ | SANDBOX_WRITE };
    bytes_init(&error, 1024);
    snprintf(root, sizeof root, "%s/m", scratch);
    if (sandbox_prepare(SANDBOX_MAILBOX, SANDBOX_REQUIRE, &path, 1, (uint64_t)1 << 30, &sandbox, &error) !=
        ST_OK)
        return 2;
    sandbox_first();
    if (!sandbox_enter(sandbox))
        return 3;
    struct mail *mine;
    struct mailbox *box;
    struct mailbox_append *a;
    struct mailbox_changes c;
    uint32_t bit, validity, uid, *uids;
    if (mail_open(root, "mx.test", &mine) != ST_OK || mailbox_open(mine, SPAN("INBOX"), false, &box) != ST_OK)
        return 4;
    if (box->count != 2 || box->watch < 0 || mailbox_keyword(box, SPAN("k"), true, &bit) != ST_OK ||
        store_flags(box, 0, bit) != ST_OK)
        return 5;
    if (folder_create(mine, SPAN("new")) != ST_OK ||
        mailbox_copy(box, (size_t[]){ 0, 1 }, 2, SPAN("new"), &validity, &uids) != ST_OK)
        return 6;
    if (mailbox_append_begin(mine, NULL, SPAN("new"), &a) != ST_OK ||
        mailbox_append_write(a, SPAN("x\r\n")) != ST_OK ||
        finish_append(a, 0, NULL, 1, &validity, &uid) != ST_OK || uid != 3)
        return 7;
    if (mailbox_expunge(box, (size_t[]){ 0 }, 1, &c) != ST_OK || mailbox_refresh(box, false, &c) != ST_OK)
        return 8;
    if (folder_rename(mine, SPAN("new"), SPAN("newer.still")) != ST_OK ||
        folder_rename(mine, SPAN("INBOX"), SPAN("was")) != ST_OK)
        return 9;
    if (folder_subscribe(mine, SPAN("was"), true) != ST_OK ||
        folder_delete(mine, SPAN("newer.still")) != ST_OK)
        return 10;
    return mail_lock_pop3(mine) == ST_OK ? 0 : 11;
}

static void sandboxed(void)
{
    const char *mode = getenv("SANDBOX");
    if (mode && strcmp(mode, "none") == 0)
        return;
    deliver("m", NULL, "one\r\n");
    deliver("m", NULL, "two\r\n");
    int status = -1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(confined());
    waitpid(pid, &status, 0);
    ok(status == 0, "the mailbox process's sandbox allows all of it: %x", status);
}

int main(void)
{
    scratch_make("hostile");
    if (mail_open("m", "mx.test", &mail) != ST_OK)
        return 1;
    names();
    things();
    our_files();
    directories();
    sandboxed();
    mail_close(mail);
    scratch_remove();
    return done_testing();
}
