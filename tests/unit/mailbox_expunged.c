/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What mailbox_expunged_since() tells of messages that are gone, which a client with QRESYNC will never hear
 * of again (RFC 7162 3.2.5): each that went before the session began, also while others remove more; and each
 * under a mod-sequence above all that anybody could have seen before it went. A session that opens while
 * others remove some leaves their index alone.
 */
#include "store.h"
#include "../helpers/one_message.h"

#include "store/durable.h"
#include "store/index_private.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <time.h>

static struct mail *mail;

static void fill(const char *folder, int count)
{
    folder_create(mail, span_of(folder));
    for (int i = 0; i < count; i++)
        put_file(at("m/.%s/cur/%d.M1P1.host:2,S", folder, 1000 + i), "x\n");
}

static void expunge(struct mailbox *box, size_t index)
{
    struct mailbox_changes c;
    ok(mailbox_expunge(box, &index, 1, &c) == ST_OK && c.expunged_count == 1, "one more goes");
    mailbox_changes_free(&c);
}

/* "2 5": the UIDs, or why there are none. */
static const char *expunged(struct mailbox *box, uint64_t modseq)
{
    static char text[20000];
    uint32_t *uids;
    size_t count, n = 0;
    enum status st = mailbox_expunged_since(box, modseq, &uids, &count);
    if (st != ST_OK)
        return st == ST_NONE ? "not known" : "failed";
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%u", i ? " " : "", uids[i]);
    free(uids);
    return text;
}

static bool has_uid(const char *list, uint32_t uid)
{
    const char *one = at("%u", uid);
    size_t n = strlen(one);
    for (const char *found = list; (found = strstr(found, one)); found += n)
        if ((found == list || found[-1] == ' ') && (found[n] == ' ' || found[n] == '\0'))
            return true;
    return false;
}

/* The header that a session has read counts fewer than have gone by now. */
static void more_go_meanwhile(void)
{
    fill("more", 6);
    struct mailbox *other = open_folder(mail, "more", false);
    uint64_t known = other->modseq;
    expunge(other, 4);
    struct mailbox *box = open_folder(mail, "more", false);
    ok(strcmp(expunged(box, known), "5") == 0, "what went before: %s", expunged(box, known));
    expunge(other, 0);
    expunge(other, 1);
    const char *list = expunged(box, known);
    ok(has_uid(list, 5), "is told while others go: %s", list);
    ok(strcmp(expunged(box, box->modseq), "1 3") == 0, "and they are: %s", expunged(box, box->modseq));
    mailbox_close(box);
    mailbox_close(other);
}

/* Another program has renamed a file: it is looked for, and its flags are news. Others may have seen that
 * before the message is marked as gone. */
static void renamed_meanwhile(void)
{
    fill("renamed", 3);
    struct mailbox *box = open_folder(mail, "renamed", false);
    struct mailbox_changes c;
    char name[256];
    mailbox_name(box, 1, name);
    rename(at("m/.renamed/cur/%s", name), at("m/.renamed/cur/%sF", name));
    ok(mailbox_expunge(box, (size_t[]){ 0, 1 }, 2, &c) == ST_OK && c.expunged_count == 2,
       "a message goes whose file has another name by now, and one before it");
    mailbox_changes_free(&c);
    struct mailbox *other = open_folder(mail, "renamed", false);
    ok(other->count == 1 && has_uid(expunged(other, other->modseq - 1), 2),
       "under a mod-sequence above that of its flags: %s", expunged(other, other->modseq - 1));
    ok(strcmp(expunged(other, 1), "1 2") == 0, "both are told: %s", expunged(other, 1));
    mailbox_close(other);
    mailbox_close(box);
}

static void many(void)
{
    fill("many", 1000);
    struct mailbox *box = open_folder(mail, "many", false);
    uint64_t known = box->modseq;
    static size_t indexes[999];
    struct mailbox_changes c;
    for (size_t i = 0; i < 999; i++)
        indexes[i] = i;
    mailbox_expunge(box, indexes, 999, &c);
    mailbox_changes_free(&c);
    const char *list = expunged(box, known);
    ok(has_uid(list, 1) && has_uid(list, 65) && has_uid(list, 999) && !has_uid(list, 1000), "many are told");
    ok(strcmp(expunged(box, box->modseq + 1), "") == 0, "and none of the future");
    mailbox_close(box);
}

/* A session opens a folder and closes it again, until nothing has to be looked at to open it. */
static bool settles(int dir)
{
    struct index ix;
    bool settled = false;
    for (int i = 0; i < 1000 && !settled; i++) {
        mailbox_close(open_folder(mail, "torn", false));
        settled = index_open(dir, &ix) == ST_OK && ix.header.settled;
        index_close(&ix);
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    return settled;
}

/* Until somebody waits for the lock, or has removed the index. */
static void wait_for_another(int events)
{
    char room[4096] __attribute__((aligned(8)));
    struct pollfd p = { .fd = events, .events = POLLIN };
    while (poll(&p, 1, 20000) > 0) {
        ssize_t n = read(events, room, sizeof room);
        for (char *at = room; n > 0 && at < room + n;) {
            struct inotify_event *e = (struct inotify_event *)at;
            if (e->len && strncmp(e->name, "postern.lock", 12) == 0)
                return;
            at += sizeof *e + e->len;
        }
    }
}

/* Holds the lock, and has written which messages are gone, but not yet the header. */
static void write_half(int dir, int tell)
{
    struct index ix;
    int lock = folder_lock(dir), events = inotify_init1(IN_CLOEXEC);
    if (lock < 0 || events < 0 || index_open(dir, &ix) != ST_OK)
        _exit(1);
    off_t bits = (off_t)index_bits_at(&ix.header);
    char was, other;
    inotify_add_watch(events, "m/.torn", IN_OPEN);
    bool good = pread(ix.fd, &was, 1, bits) == 1;
    other = (char)(was ^ 2);
    good = good && pwrite(ix.fd, &other, 1, bits) == 1 && write(tell, "x", 1) == 1;
    wait_for_another(events);
    good = good && pwrite(ix.fd, &was, 1, bits) == 1;
    close(lock);
    _exit(!good);
}

static void opened_meanwhile(void)
{
    struct stat before, after;
    int pair[2], status;
    char begun;
    fill("torn", 5);
    struct mailbox *box = open_folder(mail, "torn", false);
    expunge(box, 2);
    mailbox_close(box);
    int dir = open("m/.torn", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!ok(settles(dir), "a folder at rest") || stat("m/.torn/" INDEX_FILE, &before) != 0 || pipe(pair) != 0)
        return;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        write_half(dir, pair[1]);
    close(pair[1]);
    ok(read(pair[0], &begun, 1) == 1, "somebody writes its index");
    box = open_folder(mail, "torn", false);
    ok(box->count == 4 && mailbox_uid(box, 2) == 4, "who opens it shows what is there");
    ok(waitpid(pid, &status, 0) == pid && status == 0 && stat("m/.torn/" INDEX_FILE, &after) == 0 &&
           after.st_ino == before.st_ino,
       "and leaves the index where it is");
    mailbox_close(box);
    close(pair[0]);
    close(dir);
}

int main(void)
{
    scratch_make("expunged");
    if (mail_open("m", "mx.test", &mail) != ST_OK)
        return 1;
    more_go_meanwhile();
    renamed_meanwhile();
    many();
    opened_meanwhile();
    mail_close(mail);
    scratch_remove();
    return done_testing();
}
