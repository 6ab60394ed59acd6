/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages that wait to be learned: what is kept and left out, names and when they are due, and what a
 * Maildir's owner may have put in the way. The programs around it are in tests/learn.t.
 */
#include "store.h"

#include "base/clock.h"
#include "store/learn.h"

#include <time.h>

#define FOLDER "m/postern-learn"

static struct settings settings = { .retry_first = 60, .retry_max = 3600 };
static int maildir;

static const struct {
    const char *name;
    int64_t age;    /* of the file, in seconds */
    bool due, left; /* due now; still there after the look */
} names[] = {
    { "1.M1.learn.0.spam", 0, true, true },
    { "1.M1.learn.0.ham", 99999, true, true },
    { "1.M1.learn.1.spam", 50, false, true },
    { "1.M1.learn.1.spam", 70, true, true },
    { "1.M1.learn.3.ham", 230, false, true },
    { "1.M1.learn.3.ham", 250, true, true },
    { "1.M1.learn.14.ham", 3500, false, true },
    { "1.M1.learn.14.ham", 3700, true, true },
    { "1.M1.learn.14.ham", -500, true, true }, /* a clock that was wrong */
    { "1.M1.learn.16.ham", 99999, false, true },
    { "1.M1.learn.x.ham", 99999, false, true },
    { "1.M1.learn.0.eggs", 99999, false, true },
    { ".0.spam", 99999, false, false },
    { "0.spam", 99999, false, true },
    { "spam", 99999, false, true },
    { ".1.M1.learn.0.spam", 60, false, true }, /* being written */
    { ".1.M1.learn.0.spam", 99999, false, false },
};

static void aged(const char *path, int64_t age)
{
    struct timespec t[2] = { { .tv_sec = clock_now() - age }, { .tv_sec = clock_now() - age } };
    utimensat(AT_FDCWD, path, t, 0);
}

static void naming(int dir)
{
    struct learn_item item;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *path = at(FOLDER "/%s", names[i].name);
        put_file(path, "Subject: x\n\n");
        aged(path, names[i].age);
        bool due = learn_due(dir, &settings, clock_now(), &item, 1) == 1;
        bool left = access(path, F_OK) == 0;
        ok(due == names[i].due && left == names[i].left, "%s, %lld seconds old", names[i].name,
           (long long)names[i].age);
        unlink(path);
    }
}

static void order(int dir)
{
    struct learn_item items[3];
    for (int i = 0; i < 9; i++)
        put_file(at(FOLDER "/%d.M1.learn.0.spam", 100 + i * 7 % 9), "x\n");
    size_t n = learn_due(dir, &settings, clock_now(), items, 3);
    ok(n == 3 && strncmp(items[0].name, "100.", 4) == 0 && strncmp(items[1].name, "101.", 4) == 0 &&
           strncmp(items[2].name, "102.", 4) == 0,
       "the oldest come first, and no more than there is room for");
    for (int i = 0; i < 9; i++)
        unlink(at(FOLDER "/%d.M1.learn.0.spam", 100 + i));
}

static size_t waiting(int dir)
{
    struct learn_item items[10];
    return learn_due(dir, &settings, clock_now(), items, 10);
}

static int file_of(off_t size)
{
    put_file("from", "Subject: a message\n\ntext\n");
    if (size && truncate("from", size) != 0)
        abort();
    return open("from", O_RDONLY | O_CLOEXEC);
}

static void in_and_out(int dir)
{
    struct learn_folder f;
    struct learn_item item;
    char name[256];
    uint64_t size = 0;
    int from = file_of(0);
    ok(learn_open(maildir, &f) == ST_OK && learn_put(&f, from, 25, LEARN_SPAM, name) == ST_OK,
       "a message is copied");
    ok(waiting(dir) == 0 && files_in(FOLDER, NULL, 0) == 0, "but doesn't wait yet");
    learn_drop(&f, name);
    ok(access(at(FOLDER "/.%s", name), F_OK) != 0, "it is dropped");
    ok(learn_put(&f, from, 25, LEARN_HAM, name) == ST_OK, "another");
    learn_publish(&f, name);
    ok(learn_due(dir, &settings, clock_now(), &item, 1) == 1 && item.kind == LEARN_HAM &&
           strcmp(item.name, name) == 0,
       "is published, and waits");
    int fd = learn_file(dir, &item, &size);
    ok(fd >= 0 && size == 25 && strcmp(text_of(at(FOLDER "/%s", name)), "Subject: a message\n\ntext\n") == 0,
       "its file is what it was");
    close(fd);
    ok(learn_again(dir, &item) == ST_OK && waiting(dir) == 0 && files_in(FOLDER, NULL, 0) == 1,
       "it fails, and waits");
    unsigned tries = 1;
    for (enum status st = ST_OK; st == ST_OK && tries < 100; tries++) {
        if (files_in(FOLDER, name, sizeof name) != 1)
            break;
        aged(at(FOLDER "/%s", name), 99999);
        if (learn_due(dir, &settings, clock_now(), &item, 1) != 1 || item.tries != tries)
            break;
        st = learn_again(dir, &item);
    }
    ok(tries == LEARN_TRIES && files_in(FOLDER, NULL, 0) == 0, "after %u failures it is given up", tries);
    close(from);
    learn_close(&f);
}

static void limits(int dir)
{
    struct learn_folder f;
    char name[LEARN_NAME_LIMIT];
    int from = file_of(0);
    learn_open(maildir, &f);
    ok(learn_put(&f, from, LEARN_SIZE_LIMIT + 1, LEARN_SPAM, name) == ST_PERM && errno == EFBIG, "too large");
    f.bytes = LEARN_BYTES_LIMIT - 24;
    ok(learn_put(&f, from, 25, LEARN_SPAM, name) == ST_PERM && errno == ENOSPC, "too many bytes wait");
    ok(learn_put(&f, from, 24, LEARN_SPAM, name) == ST_OK, "just not too many");
    learn_drop(&f, name);
    f.bytes = 0;
    ok(learn_put(&f, from, 26, LEARN_SPAM, name) == ST_TEMP && errno == EIO,
       "a file that is shorter than it was");
    ok(files_in(FOLDER, NULL, 0) == 0 && waiting(dir) == 0, "leaves nothing");
    learn_close(&f);
    for (int i = 0; i < LEARN_FILES_LIMIT; i++)
        put_file(at(FOLDER "/%d.M1.learn.0.spam", 100000 + i), "");
    learn_open(maildir, &f);
    ok(f.files == LEARN_FILES_LIMIT && learn_put(&f, from, 5, LEARN_SPAM, name) == ST_PERM && errno == ENOSPC,
       "too many messages wait");
    learn_close(&f);
    close(from);
    for (int i = 0; i < LEARN_FILES_LIMIT; i++)
        unlink(at(FOLDER "/%d.M1.learn.0.spam", 100000 + i));
}

/* What is no file of a message is removed where it can be, and never waited for. */
static void traps(int dir)
{
    static const char *const kinds[] = { "a link",      "a FIFO",      "an empty file",
                                         "a huge file", "a directory", "a link to itself" };
    struct learn_item items[10];
    uint64_t size;
    put_file("secret", "of another\n");
    put_link("../../secret", FOLDER "/1.M1.learn.0.spam");
    mkfifo(FOLDER "/2.M1.learn.0.spam", 0600);
    put_file(FOLDER "/3.M1.learn.0.spam", "");
    put_file(FOLDER "/4.M1.learn.0.spam", "");
    if (truncate(FOLDER "/4.M1.learn.0.spam", (off_t)1 << 40) != 0)
        abort();
    mkdir(FOLDER "/5.M1.learn.0.spam", 0700);
    put_link("6.M1.learn.0.spam", FOLDER "/6.M1.learn.0.spam");
    alarm(60);
    size_t n = learn_due(dir, &settings, clock_now(), items, 10);
    ok(n == 6, "all of them are found");
    for (size_t i = 0; i < n; i++)
        ok(learn_file(dir, &items[i], &size) < 0 &&
               (i == 4 || access(at(FOLDER "/%s", items[i].name), F_OK) != 0),
           "%s is no message", kinds[i]);
    ok(strcmp(text_of("secret"), "of another\n") == 0, "what a link led to is still there");
    ok(learn_done(dir, &items[4]) == ST_TEMP && learn_again(dir, &items[0]) == ST_OK,
       "a directory can't be removed");
    rmdir(FOLDER "/5.M1.learn.0.spam");
    alarm(0);
}

static void folders(void)
{
    struct learn_folder f;
    ok(learn_look("m") < 0 && errno == ENOENT, "there is no folder before the first message");
    put_link("/tmp", FOLDER);
    ok(learn_look("m") < 0, "one that is a link isn't looked into");
    ok(learn_open(maildir, &f) == ST_TEMP, "nor written to");
    unlink(FOLDER);
    mkfifo(FOLDER, 0600);
    ok(learn_look("m") < 0 && learn_open(maildir, &f) == ST_TEMP, "nor is a FIFO");
    unlink(FOLDER);
    put_link("m", "l");
    ok(learn_open(maildir, &f) == ST_OK, "it is made");
    learn_close(&f);
    ok(learn_look("l") < 0, "a Maildir that is a link isn't looked into");
}

int main(void)
{
    scratch_make("learn");
    maildir_create("m");
    maildir = open("m", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    folders();
    int dir = learn_look("m");
    naming(dir);
    order(dir);
    in_and_out(dir);
    limits(dir);
    traps(dir);
    close(dir);
    close(maildir);
    scratch_remove();
    return done_testing();
}
