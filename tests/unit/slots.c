/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The file of slots: what is set is found until it expires, by any number of processes at once; a full table
 * lets go of what would expire first; a file that is damaged, cut, replaced or too big is survived; a clock
 * that jumps forgets; a stopped holder is waited for only so long.
 */
#include "store.h"

#include "base/clock.h"
#include "base/files.h"
#include "store/slots.h"

#include <signal.h>
#include <sys/wait.h>

#define NOW 1800000000
#define HOUR 3600

static struct slots *open_slots(size_t count)
{
    struct slots *s;
    if (slots_open("slots", count, &s) != ST_OK)
        abort();
    return s;
}

/* As slots_get(), for as long as it takes: on a busy machine others who have it may be kept from going on. */
static enum status get_at_last(struct slots *s, struct span name, int64_t now, struct slot *slot)
{
    int64_t until = clock_ms() + 60000;
    enum status st;
    do
        st = slots_get(s, name, now, slot);
    while (st == ST_TEMP && errno == EWOULDBLOCK && clock_ms() < until);
    return st;
}

static bool set(struct slots *s, const char *name, uint64_t value, int64_t now, int64_t expires)
{
    struct slot slot;
    if (get_at_last(s, span_of(name), now, &slot) != ST_OK)
        return false;
    slot.value[0] = value;
    slot.expires = expires;
    return slots_set(s, &slot, now) == ST_OK;
}

/* Its value; 0 where there is none. */
static uint64_t get(struct slots *s, const char *name, int64_t now)
{
    struct slot slot = { .value = { 99 } };
    if (slots_get(s, span_of(name), now, &slot) != ST_OK)
        return 98;
    slots_release(s);
    return slot.expires ? slot.value[0] : 0;
}

static void remembers(void)
{
    struct slots *s = open_slots(64), *other = open_slots(64);
    struct slot slot;
    struct stat st;
    ok(get(s, "a", NOW) == 0, "an empty file has no slot");
    ok(set(s, "a", 7, NOW, NOW + HOUR) && get(s, "a", NOW) == 7 && get(s, "b", NOW) == 0,
       "one is set and found");
    ok(get(other, "a", NOW + HOUR - 1) == 7, "by others too, up to its last second");
    ok(get(other, "a", NOW + HOUR) == 0, "and not beyond");
    ok(set(s, "", 3, NOW, NOW + HOUR) && get(s, "", NOW) == 3, "the empty name is one");
    ok(slots_get(s, SPAN("a"), NOW, &slot) == ST_OK && slots_get(s, SPAN("b"), NOW, &slot) == ST_TEMP &&
           errno == EDEADLK,
       "two at a time aren't given");
    slots_release(s);
    ok(stat("slots", &st) == 0 && st.st_size == 512 + 64 * 64 && (st.st_mode & 0777) == 0600 &&
           st.st_blocks * 512 >= st.st_size,
       "the file has its size from the beginning, and is ours alone");
    slots_close(s);
    s = open_slots(64);
    ok(get(s, "a", NOW) == 7, "what is set lasts");
    slots_close(s);
    slots_close(other);
}

static void clocks(void)
{
    struct slots *s = open_slots(64);
    ok(set(s, "late", 5, NOW, NOW + 10 * (int64_t)SLOTS_LIFETIME) &&
           get(s, "late", NOW + SLOTS_LIFETIME - 1) == 5 && get(s, "late", NOW + SLOTS_LIFETIME) == 0,
       "none lasts longer than SLOTS_LIFETIME");
    ok(set(s, "jump", 5, NOW, NOW + HOUR) && get(s, "jump", NOW - 30) == 5, "a clock half a minute back");
    ok(get(s, "jump", NOW - 86400) == 0, "one that went back a day forgets");
    ok(set(s, "jump", 6, NOW - 86400, NOW - 86400 + HOUR) && get(s, "jump", NOW - 86400) == 6,
       "and counts anew");
    ok(get(s, "jump", INT64_MAX) == 0 && get(s, "jump", 0) == 0, "at the ends of time there is nothing");
    slots_close(s);
}

static bool crowds(struct slots *s, const char *name, int64_t now)
{
    struct slot slot = { .crowded = false };
    if (slots_get(s, span_of(name), now, &slot) == ST_OK)
        slots_release(s);
    return slot.crowded;
}

/* One bucket, so that all names meet. */
static void full(void)
{
    char name[16];
    struct slots *s = open_slots(8);
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "n%d", i);
        set(s, name, 1 + (unsigned)i, NOW, NOW + HOUR + (i == 3 ? 1 : 100 + i));
    }
    ok(get(s, "n0", NOW) == 1 && get(s, "n7", NOW) == 8, "eight fill a bucket");
    ok(crowds(s, "n8", NOW) && !crowds(s, "n3", NOW) && !crowds(s, "n8", NOW + HOUR + 1),
       "a new one finds it full, until one expires");
    ok(set(s, "n8", 9, NOW, NOW + HOUR + 50) && get(s, "n8", NOW) == 9 && get(s, "n3", NOW) == 0 &&
           get(s, "n0", NOW) == 1,
       "the ninth takes the place of the first to expire");
    ok(set(s, "n9", 10, NOW, NOW + HOUR) && get(s, "n8", NOW) == 0 && get(s, "n7", NOW) == 8, "and so on");
    ok(set(s, "n10", 11, NOW + HOUR, NOW + 2 * HOUR) && get(s, "n7", NOW + HOUR) == 8 &&
           get(s, "n10", NOW + HOUR) == 11,
       "an expired one goes first");
    slots_close(s);
}

/* Each of `processes` adds one `times` times to each of three names. */
static void many(unsigned processes, unsigned times)
{
    static const char *const names[] = { "x", "y", "z" };
    unlink("slots");
    slots_close(open_slots(8));
    fflush(stdout);
    for (unsigned i = 0; i < processes; i++) {
        if (fork() != 0)
            continue;
        struct slots *s = open_slots(8);
        bool good = true;
        for (unsigned k = 0; k < 3 * times; k++) {
            struct slot slot;
            good = good && get_at_last(s, span_of(names[(k + i) % 3]), NOW, &slot) == ST_OK;
            slot.value[0]++;
            slot.value[2] = slot.value[0];
            slot.expires = NOW + HOUR;
            good = good && slots_set(s, &slot, NOW) == ST_OK;
        }
        _exit(good ? 0 : 1);
    }
    bool good = true;
    for (int status; wait(&status) > 0;)
        good = good && status == 0;
    struct slots *s = open_slots(8);
    ok(good && get(s, "x", NOW) == processes * times && get(s, "y", NOW) == processes * times &&
           get(s, "z", NOW) == processes * times,
       "%u processes at once count right", processes);
    slots_close(s);
}

/* All make it at once, and agree on one key. */
static void made_at_once(void)
{
    fflush(stdout);
    unlink("slots");
    for (unsigned i = 0; i < 12; i++)
        if (fork() == 0) {
            char name[16];
            snprintf(name, sizeof name, "p%u", i);
            _exit(set(open_slots(800), name, i + 1, NOW, NOW + HOUR) ? 0 : 1);
        }
    while (wait(NULL) > 0)
        ;
    struct slots *s = open_slots(800);
    unsigned found = 0;
    for (unsigned i = 0; i < 12; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%u", i);
        found += get(s, name, NOW) == i + 1;
    }
    ok(found == 12, "made by twelve at once, it is one file: %u of 12", found);
    slots_close(s);
}

static void holder(void)
{
    int ready[2], status;
    char byte;
    struct slots *s = open_slots(8);
    if (pipe(ready) != 0)
        abort();
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        struct slots *own = open_slots(8);
        struct slot slot;
        slots_get(own, SPAN("a"), NOW, &slot);
        if (write(ready[1], "x", 1) == 1)
            pause();
        _exit(0);
    }
    ok(read(ready[0], &byte, 1) == 1, "somebody stops with a slot in hand");
    struct slot slot;
    int64_t begun = clock_ms();
    ok(slots_get(s, SPAN("a"), NOW, &slot) == ST_TEMP && errno == EWOULDBLOCK && clock_ms() - begun >= 400,
       "it is waited for, and then not");
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    ok(slots_get(s, SPAN("a"), NOW, &slot) == ST_OK, "when it dies the slot is free");
    slots_close(s);
    close(ready[0]);
    close(ready[1]);
}

/* --- damage */

static void fill(void)
{
    unlink("slots");
    struct slots *s = open_slots(16);
    char name[16];
    for (int i = 0; i < 16; i++) {
        snprintf(name, sizeof name, "d%d", i);
        set(s, name, 1 + (unsigned)i, NOW, NOW + HOUR);
    }
    slots_close(s);
}

static void put(struct span contents)
{
    int fd = open("slots", O_WRONLY | O_TRUNC);
    if (fd < 0 || file_write(fd, contents) != ST_OK)
        abort();
    close(fd);
}

/* Whatever is found has the value that was set, and what is set now is found. */
static bool works(void)
{
    struct slots *s;
    bool good = true;
    char name[16];
    if (slots_open("slots", 16, &s) != ST_OK)
        return false;
    for (unsigned i = 0; i < 16; i++) {
        snprintf(name, sizeof name, "d%u", i);
        uint64_t value = get(s, name, NOW);
        good = good && (value == 0 || value == i + 1);
    }
    good = set(s, "new", 77, NOW, NOW + HOUR) && get(s, "new", NOW) == 77 && good;
    slots_close(s);
    return good;
}

static void each_byte(void)
{
    fill();
    struct bytes whole;
    bytes_init(&whole, 10000);
    file_read(AT_FDCWD, "slots", &whole);
    unsigned bad = 0, tried = 0;
    for (size_t at = 0; at < whole.len; at++)
        for (int flip = 0; flip < 3; flip++, tried++) {
            static const unsigned char how[] = { 0x01, 0x80, 0xff };
            whole.data[at] = (char)(whole.data[at] ^ how[flip]);
            put(span_bytes(&whole));
            whole.data[at] = (char)(whole.data[at] ^ how[flip]);
            bad += !works();
            if (at == sizeof(uint64_t) * 5)
                at = 511; /* the rest of the header says nothing */
        }
    ok(tried > 3000 && bad == 0, "each byte damaged, %u ways: %u wrong", tried, bad);
    bad = 0;
    for (size_t n = 0; n < whole.len; n += 13) {
        put(span_head(span_bytes(&whole), n));
        bad += !works();
    }
    ok(bad == 0, "cut at any length: %u wrong", bad);
    bytes_free(&whole);
}

static void cut_while_open(void)
{
    fill();
    struct slots *s = open_slots(16);
    ok(truncate("slots", 600) == 0 && set(s, "new", 5, NOW, NOW + HOUR) && get(s, "new", NOW) == 5,
       "cut while it is open");
    slots_close(s);
}

static void no_file(void)
{
    struct slots *s;
    unlink("slots");
    ok(mkdir("slots", 0700) == 0 && slots_open("slots", 16, &s) == ST_TEMP && !s, "a directory in its place");
    rmdir("slots");
    ok(mkfifo("slots", 0600) == 0 && slots_open("slots", 16, &s) == ST_TEMP, "a FIFO");
    unlink("slots");
    ok(symlink("elsewhere", "slots") == 0 && slots_open("slots", 16, &s) == ST_TEMP &&
           access("elsewhere", F_OK) != 0,
       "a symbolic link isn't followed");
    unlink("slots");
    ok(slots_open("no/slots", 16, &s) == ST_TEMP && errno == ENOENT, "no directory");
    file_replace(AT_FDCWD, "slots", SPAN("PSLOTS1\n and what not"), 0600);
    ok(works(), "a file of something else is made anew");
    s = open_slots(16);
    set(s, "kept", 1, NOW, NOW + HOUR);
    slots_close(s);
    s = open_slots(24);
    ok(get(s, "kept", NOW) == 0 && set(s, "kept", 2, NOW, NOW + HOUR) && get(s, "kept", NOW) == 2,
       "another number of slots: made anew");
    slots_close(s);
}

/* --- places */

static int hold(const char *name, uint64_t limit)
{
    struct slots *s = open_slots(8);
    int fd = slots_hold(s, "places", span_of(name), limit), why = errno;
    slots_close(s);
    errno = why;
    return fd;
}

static void places(void)
{
    int a = hold("a", 3), b = hold("a", 3), c = hold("a", 3);
    ok(a >= 0 && b >= 0 && c >= 0, "three hold three places");
    ok(hold("a", 3) < 0 && errno == EWOULDBLOCK, "a fourth gets none");
    int other = hold("b", 3);
    ok(other >= 0, "but one of another name");
    close(b);
    b = hold("a", 3);
    ok(b >= 0 && hold("a", 3) < 0, "what one gives back another gets");
    fflush(stdout);
    int ready[2], status;
    char byte;
    if (pipe(ready) != 0)
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        if (hold("c", 1) >= 0 && write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    ok(read(ready[0], &byte, 1) == 1 && hold("c", 1) < 0, "another process holds one");
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    ok((c = hold("c", 1)) >= 0, "and gives it back by its death");
    ok(hold("d", 0) < 0 && errno == EWOULDBLOCK, "of no places there is none");
    unlink("places");
    ok(mkdir("places", 0700) == 0 && hold("a", 3) < 0 && errno != EWOULDBLOCK,
       "a directory in the file's place");
    rmdir("places");
}

int main(void)
{
    scratch_make("slots");
    remembers();
    clocks();
    full();
    many(8, 200);
    made_at_once();
    holder();
    each_byte();
    cut_while_open();
    no_file();
    places();
    scratch_remove();
    return done_testing();
}
