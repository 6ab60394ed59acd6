/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The record of last logins: what is written, when it is written again, what a crash or somebody's hand left,
 * and many at once.
 */
#include "store.h"

#include "base/clock.h"
#include "store/last_login.h"
#include "text/date.h"

#include <sys/wait.h>

static char spool[] = "spool";
static struct settings settings = { .spool = spool };
static struct address alice;

static bool note(const char *name)
{
    return last_login_note(&settings, &alice, name, "imapd", "192.0.2.7");
}

static const char *file(void)
{
    return at("spool/last-login/%s", alice.text);
}

static off_t size_of_file(void)
{
    struct stat info;
    return lstat(file(), &info) == 0 ? info.st_size : -1;
}

/* Lines as they would have been written so many seconds ago. */
static void put_lines(const char *const *names, size_t count, int64_t ago, const char *tail)
{
    static char text[65536];
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        struct bytes time;
        bytes_init(&time, 64);
        date_write_internet(clock_now() - ago - (int64_t)i, &time);
        n += (size_t)snprintf(text + n, sizeof text - n, "%-255s\n",
                              at("%s %s pop3d 2001:db8::1", bytes_str(&time), names[i]));
        bytes_free(&time);
    }
    snprintf(text + n, sizeof text - n, "%s", tail);
    put_file(file(), text);
}

/* Was it recorded by note(), not by put_lines()? */
static bool is_new(const char *name)
{
    struct last_login l;
    return last_login_find(&settings, &alice, name, &l) == ST_OK && strcmp(l.service, "imapd") == 0 &&
           strcmp(l.peer, "192.0.2.7") == 0 && (!name || strcmp(l.name, name) == 0);
}

static void first(void)
{
    struct last_login l;
    ok(last_login_find(&settings, &alice, NULL, &l) == ST_NONE, "nobody has logged in");
    ok(note("phone") && size_of_file() == 256, "the first login makes folder and file");
    ok(is_new("phone"), "and is found");
    ok(last_login_find(&settings, &alice, "tablet", &l) == ST_NONE, "under its name alone");
    ok(note("-") && size_of_file() == 512 && is_new(NULL), "another gets a line behind it");
    ok(!note("a-name-with-more-than-sixty-four-bytes-isn't-one-that-anything-here-has"),
       "too long a name isn't recorded");
}

static void again(void)
{
    static const char *const names[] = { "phone", "-" };
    put_lines(names, 2, 60, "");
    ok(note("phone") && !is_new("phone"), "within the hour nothing is written");
    put_lines(names, 2, LAST_LOGIN_AGAIN + 1, "");
    ok(note("-") && is_new("-") && size_of_file() == 512, "after it, in place");
    ok(!is_new("phone"), "and the other line is as it was");
    put_lines(names, 2, -7200, "");
    ok(note("-") && is_new("-"), "so is one from the future");
}

/* What isn't a line is nobody's, and its place is taken. */
static void damaged(void)
{
    static const char *const tails[] = { "", "2026-11-26T18:40:05Z",
                                         "garbage that is shorter than a line\n" };
    static const char *const names[] = { "phone" };
    struct last_login l;
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        put_lines(names, 1, 60, tails[i]);
        ok(note("-") && size_of_file() == 512 && is_new("-") &&
               last_login_find(&settings, &alice, "phone", &l) == ST_OK,
           "a torn end: %.12s", tails[i]);
    }
    put_file(file(), at("%-255s\n%-255s\n", "no line", "2026-11-26T18:40:05Z phone"));
    ok(last_login_find(&settings, &alice, "phone", &l) == ST_NONE && note("phone") && size_of_file() == 512 &&
           is_new("phone"),
       "what isn't a line makes way");
    unlink(file());
    put_link("../../victim", file());
    ok(!note("phone") && access("victim", F_OK) != 0, "a link is not followed");
    unlink(file());
    mkfifo(file(), 0600);
    ok(!note("phone") && last_login_find(&settings, &alice, "phone", &l) != ST_OK, "nor a FIFO waited for");
    unlink(file());
}

static void many_names(void)
{
    char name[16];
    bool all = true;
    for (int i = 0; i < LAST_LOGIN_LINES + 10; i++) {
        snprintf(name, sizeof name, "app%d", i);
        all = note(name) && all;
    }
    ok(all && size_of_file() == LAST_LOGIN_LINES * 256 && is_new(name),
       "a file has its limit, and the newest is in it");
}

/* Whom others keep from it for too long isn't recorded, as nobody is to wait for that: then again, as with
 * the next login. */
static bool note_at_last(const char *name)
{
    bool done = note(name);
    for (int64_t until = clock_ms() + 60000; done && !is_new(name) && clock_ms() < until;)
        done = note(name);
    return done;
}

/* Sixteen processes, each with a name of its own: all are there. */
static void at_once(void)
{
    unsigned found = 0;
    unlink(file());
    fflush(stdout);
    for (int i = 0; i < 16; i++)
        if (fork() == 0)
            _exit(note_at_last(at("app%d", i)) ? 0 : 1);
    for (int i = 0, how; i < 16; i++)
        wait(&how);
    for (int i = 0; i < 16; i++)
        found += is_new(at("app%d", i));
    ok(found == 16 && size_of_file() == 16 * 256, "sixteen at once: %u lines", found);
}

static void others(void)
{
    struct address odd;
    struct last_login l;
    address_parse(SPAN("a/b@example.test"), &odd);
    ok(!last_login_note(&settings, &odd, "-", "imapd", "-") &&
           last_login_find(&settings, &odd, "-", &l) == ST_NONE,
       "an address with a slash has no file");
    last_login_forget(&settings, &alice);
    ok(size_of_file() == -1, "an account's file goes with it");
}

int main(void)
{
    scratch_make("last-login");
    mkdir("spool", 0700);
    if (address_parse(SPAN("alice@example.test"), &alice) != ADDRESS_OK)
        abort();
    first();
    again();
    damaged();
    many_names();
    at_once();
    others();
    scratch_remove();
    return done_testing();
}
