/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Delivery: what is where after each step, into folders, and into Maildirs whose owner means harm.
 */
#include "store.h"

#include <sys/wait.h>

static const struct content message = {
    .trace = { "Return-Path: <a@b>\r\n", 20 }, .memory = { "S: x\r\n\r\ny\r\n", 11 }, .fd = -1, .size = 11
};

static void steps(void)
{
    struct maildir_delivery d;
    char name[300];
    ok(maildir_prepare("deep/er/alice", NULL, "mx.test", &message, &d) == ST_OK,
       "a Maildir is made where it is missing");
    ok(files_in("deep/er/alice/tmp", name, sizeof name) == 1 && files_in("deep/er/alice/new", NULL, 0) == 0,
       "prepared: in tmp/ only");
    ok(maildir_publish(&d) == ST_OK && files_in("deep/er/alice/tmp", NULL, 0) == 0 &&
           files_in("deep/er/alice/new", name, sizeof name) == 1,
       "published: in new/ only");
    ok(maildir_finish(&d) == ST_OK && d.new_dir == -1, "finished");
    ok(strcmp(text_of(at("deep/er/alice/new/%s", name)), "Return-Path: <a@b>\nS: x\n\ny\n") == 0,
       "LF line ends on disk");
    ok(strstr(name, ".mx.test,S=27,W=31") && strlen(strstr(name, ".mx.test,S=27,W=31")) == 18,
       "sizes in the name: %s", name);
    ok(maildir_prepare("deep/er/alice", NULL, "mx.test", &message, &d) == ST_OK, "another");
    maildir_abort(&d);
    ok(files_in("deep/er/alice/tmp", NULL, 0) == 0 && files_in("deep/er/alice/new", NULL, 0) == 1,
       "aborted: nothing left");
    maildir_abort(&d);
    ok(true, "aborting twice is harmless");
    ok(maildir_prepare("deep/er/alice", NULL, "mx.test", &message, &d) == ST_OK &&
           maildir_publish(&d) == ST_OK && files_in("deep/er/alice/new", NULL, 0) == 2,
       "one that the disk doesn't take");
    maildir_withdraw(&d);
    ok(files_in("deep/er/alice/new", NULL, 0) == 1 && d.new_dir == -1 && d.file == -1, "withdrawn");
    struct stat st;
    ok(stat(at("deep/er/alice/new/%s", name), &st) == 0 && (st.st_mode & 0777) == 0600 &&
           stat("deep/er/alice/new", &st) == 0 && (st.st_mode & 0777) == 0700,
       "nobody else may read it");
}

/* As qrun names its reports, so that one it made before a crash is seen. */
static void named_after(void)
{
    static const char id[] = "0644f5a1b2c3d4-0123456789abcdef";
    struct maildir_delivery d;
    char name[300];
    ok(maildir_holds("carol", NULL, id, "mx.test") == ST_NONE, "no Maildir: it isn't there");
    maildir_create("carol");
    ok(deliver("carol", NULL, "a\r\n") == ST_OK && maildir_holds("carol", NULL, id, "mx.test") == ST_NONE,
       "another is");
    unlink(at("carol/new/%s", (files_in("carol/new", name, sizeof name), name)));
    maildir_prepare("carol", NULL, "mx.test", &message, &d);
    maildir_name_after(&d, id, "mx.test");
    ok(maildir_holds("carol", NULL, id, "mx.test") == ST_NONE, "prepared: not there yet");
    ok(maildir_sync_file(&d) == ST_OK && d.file == -1 && maildir_sync_file(&d) == ST_OK,
       "its file is fsynced early");
    ok(maildir_publish(&d) == ST_OK && maildir_finish(&d) == ST_OK &&
           files_in("carol/new", name, sizeof name) == 1 &&
           strstr(name, "R0123456789abcdef.mx.test,S=27,W=31"),
       "it has its ID's name: %s", name);
    ok(maildir_holds("carol", NULL, id, "mx.test") == ST_OK, "and is seen");
    ok(rename(at("carol/new/%s", name), "carol/cur/x") == 0 &&
           maildir_holds("carol", NULL, id, "mx.test") == ST_NONE,
       "under another name it isn't");
    char seen[340];
    snprintf(seen, sizeof seen, "carol/cur/%s,P=1.7:2,S", name);
    ok(rename("carol/cur/x", seen) == 0 && maildir_holds("carol", NULL, id, "mx.test") == ST_OK,
       "when it was read it is");
    ok(maildir_holds("carol", NULL, "0644f5a1b2c3d4-0123456789abcdee", "mx.test") == ST_NONE,
       "another ID isn't");
}

static void folders(void)
{
    maildir_create("bob");
    maildir_create("bob/.Junk");
    mkdir("bob/.Broken", 0700);
    ok(deliver("bob", "Junk", "a\r\n") == ST_OK && files_in("bob/.Junk/new", NULL, 0) == 1, "into a folder");
    static const char *const odd[] = {
        "None", "Broken", "../alice", "a/b", "", "..", "a..b", "Junk/../../bob"
    };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        ok(deliver("bob", odd[i], "a\r\n") == ST_OK && files_in("bob/new", NULL, 0) == i + 1,
           "a folder that can't be (\"%s\") is INBOX", odd[i]);
    char long_name[400];
    memset(long_name, 'a', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    ok(deliver("bob", long_name, "a\r\n") == ST_OK, "a folder's name that is too long is INBOX");
}

static void plant(const char *what, const char *path)
{
    if (strcmp(what, "link outside") == 0)
        put_link(at("%s/outside", scratch), path);
    else if (strcmp(what, "relative link") == 0)
        put_link("../outside", path);
    else if (strcmp(what, "FIFO") == 0)
        mkfifo(path, 0600);
    else if (strcmp(what, "file") == 0)
        put_file(path, "x");
}

/* None of these may block us, write outside, or end as delivered. */
static void hostile(void)
{
    static const char *const whats[] = { "link outside", "relative link", "FIFO", "file" };
    static const char *const parts[] = { "tmp", "new" };
    mkdir("outside", 0700);
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 2; k++) {
            const char *dir = at("evil%zu%zu", i, k);
            maildir_create(dir);
            rmdir(at("%s/%s", dir, parts[k]));
            plant(whats[i], at("%s/%s", dir, parts[k]));
            enum status st = deliver(dir, NULL, "a\r\n");
            ok(st == ST_TEMP && files_in("outside", NULL, 0) == 0 &&
                   files_in(at("%s/tmp", dir), NULL, 0) == 0,
               "a %s for %s/ is a temporary failure", whats[i], parts[k]);
        }
    for (size_t i = 0; i < 4; i++) {
        const char *dir = at("evilfolder%zu", i);
        maildir_create(dir);
        plant(whats[i], at("%s/.Junk", dir));
        ok(deliver(dir, "Junk", "a\r\n") == ST_OK && files_in(at("%s/new", dir), NULL, 0) == 1 &&
               files_in("outside", NULL, 0) == 0,
           "a %s for a folder: INBOX", whats[i]);
    }
}

/* The owner swaps tmp/ for a link between prepare and publish. */
static void swapped(void)
{
    struct maildir_delivery d;
    maildir_prepare("swap", NULL, "mx.test", &message, &d);
    rename("swap/new", "swap/kept");
    put_link("../outside", "swap/new");
    ok(maildir_publish(&d) == ST_OK && files_in("outside", NULL, 0) == 0 &&
           files_in("swap/kept", NULL, 0) == 1,
       "a directory swapped for a link after prepare leads nowhere");
    maildir_finish(&d);
}

static void names(void)
{
    char a[200], b[200];
    maildir_unique("mx.test", a, sizeof a);
    maildir_unique("mx.test", b, sizeof b);
    ok(strcmp(a, b) != 0 && strlen(a) < 80, "names differ: %s %s", a, b);
    maildir_unique("../:,e\nvil/h\xc3\xb6st", a, sizeof a);
    ok(!strpbrk(a, "/:,\n") && strstr(a, "evilhst"), "only safe characters of a hostname: %s", a);
    char host[500];
    memset(host, 'h', sizeof host);
    host[sizeof host - 1] = '\0';
    maildir_unique(host, a, 160);
    ok(strlen(a) < 120, "a long hostname is cut");
}

static void many_at_once(void)
{
    enum { PROCESSES = 4, EACH = 50 };
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0) {
            for (int k = 0; k < EACH; k++)
                if (deliver("many", NULL, "a\r\n") != ST_OK)
                    _exit(1);
            _exit(0);
        }
    int bad = 0, status;
    while (wait(&status) > 0)
        bad += status != 0;
    ok(bad == 0 && files_in("many/new", NULL, 0) == PROCESSES * EACH && files_in("many/tmp", NULL, 0) == 0,
       "%d processes deliver into a Maildir that isn't there yet", PROCESSES);
}

int main(void)
{
    scratch_make("maildir");
    steps();
    named_after();
    folders();
    hostile();
    swapped();
    names();
    many_at_once();
    scratch_remove();
    return done_testing();
}
