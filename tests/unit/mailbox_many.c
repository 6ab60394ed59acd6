/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Many processes in one folder at once: delivery, appending, copying, flags and expunging, with another
 * program that renames files all the while. No UID is used twice, no message is lost, and no session sees a
 * message vanish that is there.
 */
#include "store.h"
#include "../helpers/one_message.h"

#include <sys/mman.h>
#include <sys/wait.h>

enum { WORKERS = 4, ROUNDS = 40, DELIVERED = 150 };

/* What the workers tell: by UID, who got it and whether it was removed. */
struct shared {
    _Atomic int given[20000], removed[20000];
    _Atomic int wrong, appended, done;
};

static struct shared *shared;

static void blame(const char *what, unsigned uid)
{
    fprintf(stderr, "# %s %u\n", what, uid);
    shared->wrong++;
}

/* With `box` the index is told at once. */
static void append_one(struct mail *mail, struct mailbox *box)
{
    struct mailbox_append *a;
    uint32_t validity, uid;
    static const char *const keywords[] = { "$Busy", NULL };
    if (mailbox_append_begin(mail, box, SPAN("INBOX"), &a) != ST_OK ||
        mailbox_append_write(a, SPAN("appended\r\n")) != ST_OK ||
        finish_append(a, 0, keywords, 0, &validity, &uid) != ST_OK)
        blame("append failed", 0);
    else if (shared->given[uid]++ != 0)
        blame("given twice by append", uid);
    shared->appended++;
}

static void copy_one(struct mailbox *box)
{
    uint32_t validity, *uids;
    size_t index = box->count / 2;
    enum status st = mailbox_copy(box, &index, 1, SPAN("INBOX"), &validity, &uids);
    if (st == ST_OK && shared->given[uids[0]]++ != 0)
        blame("given twice by copy", uids[0]);
    if (st == ST_OK)
        shared->appended++;
    else if (st != ST_PERM)
        blame("copy failed", 0);
    free(uids);
}

static void expunge_one(struct mailbox *box, size_t index)
{
    struct mailbox_changes c;
    uint32_t uid = mailbox_uid(box, index);
    if (mailbox_message(box, index).gone)
        return;
    if (mailbox_expunge(box, &index, 1, &c) != ST_OK)
        blame("expunge failed", uid);
    shared->removed[uid] = 1;
    mailbox_changes_free(&c);
}

/* A refresh; what it says must fit what is known. */
static void look(struct mailbox *box)
{
    struct mailbox_changes c;
    size_t before = box->count;
    uint32_t highest = before ? mailbox_uid(box, before - 1) : 0, next = box->uid_next;
    enum status st = mailbox_refresh(box, false, &c);
    if (st != ST_OK)
        blame("refresh failed", 0);
    for (size_t i = 0; i < c.expunged_count; i++)
        if (!shared->removed[c.expunged[i]] && !shared->done) /* whoever removes says so after it is done */
            for (int k = 0; k < 6000 && !shared->removed[c.expunged[i]]; k++)
                usleep(10000);
    for (size_t i = 0; i < c.expunged_count; i++)
        if (!shared->removed[c.expunged[i]])
            blame("vanished", c.expunged[i]);
    for (size_t i = before - c.expunged_count; i < box->count; i++)
        if (mailbox_uid(box, i) <= highest || mailbox_uid(box, i) < next)
            blame("new below what was known", mailbox_uid(box, i));
    mailbox_changes_free(&c);
}

static void worker(int number)
{
    struct mail *mail;
    struct mailbox *box;
    if (mail_open("m", "mx.test", &mail) != ST_OK || mailbox_open(mail, SPAN("INBOX"), false, &box) != ST_OK)
        return blame("open failed", 0);
    for (int i = 0; i < ROUNDS; i++) {
        append_one(mail, (number + i) % 3 ? box : NULL);
        look(box);
        if (box->count > 10 && i % 3 == 0)
            copy_one(box);
        if (box->count > 10 && i % 2 == 0)
            expunge_one(box, (size_t)(number * 7 + i) % box->count);
        if (box->count > 5)
            store_flags(box, (size_t)i % box->count, i % 2 ? FLAG_SEEN : FLAG_FLAGGED);
    }
    look(box);
    mailbox_close(box);
    mail_close(mail);
}

/* A delivery agent. */
static void agent(void)
{
    for (int i = 0; i < DELIVERED; i++)
        if (deliver("m", NULL, "delivered\r\n") != ST_OK)
            blame("delivery failed", 0);
}

/* Another mail program, which sets and removes the P flag ("passed") of whatever it finds. */
static void another_program(void)
{
    while (!shared->done) {
        DIR *d = opendir("m/cur");
        struct dirent *e;
        while (d && (e = readdir(d))) {
            char *info = strstr(e->d_name, ":2,");
            if (!info)
                continue;
            char from[600], to[600];
            snprintf(from, sizeof from, "m/cur/%s", e->d_name);
            snprintf(to, sizeof to, "m/cur/%.*s:2,%s", (int)(info - e->d_name), e->d_name,
                     strchr(info, 'P') ? "" : "P");
            rename(from, to);
        }
        if (d)
            closedir(d);
        usleep(20000);
    }
}

static pid_t start(void (*run)(int), void (*other)(void), int number)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (run)
            run(number);
        else
            other();
        _exit(0);
    }
    return pid;
}

static void check_result(void)
{
    struct mail *mail;
    struct mailbox *box;
    mail_open("m", "mx.test", &mail);
    mailbox_open(mail, SPAN("INBOX"), false, &box);
    size_t removed = 0, lost = 0, back = 0;
    for (uint32_t uid = 1; uid < box->uid_next; uid++) {
        size_t at_index = mailbox_find(box, uid);
        bool there = at_index < box->count && mailbox_uid(box, at_index) == uid;
        removed += shared->removed[uid] != 0;
        back += there && shared->removed[uid];
        lost += !there && !shared->removed[uid] && shared->given[uid];
    }
    ok(back == 0, "no UID came back");
    ok(lost == 0, "no message with a UID that was told is lost: %zu", lost);
    size_t all = (size_t)shared->appended + DELIVERED;
    ok(box->count + removed == all, "%zu messages came, %zu were removed, %zu are there", all, removed,
       box->count);
    ok(box->uid_next - 1 <= all + 20, "few UIDs were wasted: %u for %zu", box->uid_next - 1, all);
    ok(files_in("m/tmp", NULL, 0) == 0 && files_in("m/new", NULL, 0) == 0, "nothing is left behind");
    mailbox_close(box);
    mail_close(mail);
}

static void round_of(bool foreign)
{
    memset(shared, 0, sizeof *shared);
    pid_t other = foreign ? start(NULL, another_program, 0) : -1, pids[WORKERS + 1];
    for (int i = 0; i < WORKERS; i++)
        pids[i] = start(worker, NULL, i);
    pids[WORKERS] = start(NULL, agent, 0);
    int crashed = 0, status;
    for (int i = 0; i <= WORKERS; i++)
        crashed += waitpid(pids[i], &status, 0) < 0 || status != 0;
    shared->done = 1;
    if (foreign)
        waitpid(other, &status, 0);
    ok(crashed == 0 && shared->wrong == 0, "%d sessions and a delivery agent%s", WORKERS,
       foreign ? ", and a program that renames" : "");
    check_result();
}

int main(void)
{
    scratch_make("many");
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    round_of(false);
    scratch_remove();
    scratch_make("many");
    round_of(true);
    scratch_remove();
    return done_testing();
}
