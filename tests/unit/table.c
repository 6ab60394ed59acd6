/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tables: what was put is found; a file that is damaged anywhere, or cut anywhere, answers "could not look"
 * and never "not there", a wrong value or a crash; a builder that is killed at any call leaves the old table.
 */
#include "tap.h"

#include "base/clock.h"
#include "base/files.h"
#include "store/table.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENTRIES 60

static char folder[] = "/tmp/postern-table-XXXXXX";
static char path[64], other[64];

static struct span key_of(unsigned i, char to[32])
{
    return (struct span){ to, (size_t)snprintf(to, 32, "user%u@example.test", i) };
}

static enum status build(const char *file, unsigned entries)
{
    struct table_build *b;
    struct table_source source = { 123456789012345, 77, 0xfedcba9876543210 };
    char key[32], value[32];
    enum status st = table_build_begin(file, &b);
    for (unsigned i = 0; st == ST_OK && i < entries; i++) {
        snprintf(value, sizeof value, "value %u", i);
        st = table_build_put(b, key_of(i, key), span_of(value));
    }
    table_build_source(b, &source);
    return st == ST_OK ? table_build_finish(b) : st;
}

/* Bits: 1 some key was "not there", 2 some value was wrong, 4 an absent key was found, 8 all was right. */
static int examine(const char *file)
{
    struct table *t;
    struct bytes value;
    char key[32], expected[32];
    int seen = 8;
    enum status st = table_open(file, &t);
    if (st != ST_OK)
        return st == ST_NONE;
    bytes_init(&value, 4096);
    for (unsigned i = 0; i < ENTRIES; i++) {
        bytes_clear(&value);
        snprintf(expected, sizeof expected, "value %u", i);
        st = table_get(t, key_of(i, key), &value);
        seen |= st == ST_NONE ? 1 : st == ST_OK && !span_eq_str(span_bytes(&value), expected) ? 2 : 0;
        seen &= st == ST_OK ? ~0 : ~8;
    }
    seen |= table_get(t, SPAN("nobody@example.test"), &value) == ST_OK ? 4 : 0;
    bytes_free(&value);
    table_close(t);
    return seen;
}

/* In a child, so that a crash is seen. -1: it crashed. */
static int examine_apart(const char *file)
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(examine(file));
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void write_file(const char *file, struct span contents)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || file_write(fd, contents) != ST_OK)
        abort();
    close(fd);
}

static void damage(const struct bytes *good)
{
    unsigned crashed = 0, lied = 0, noticed = 0;
    struct bytes bad;
    bytes_init(&bad, good->len);
    bytes_add_span(&bad, span_bytes(good));
    for (size_t i = 0; i < good->len; i += good->data[i] ? 1 : 61) {
        static const unsigned char masks[] = { 0x01, 0xff };
        for (size_t k = 0; k < sizeof masks; k++) {
            bad.data[i] = (char)(bad.data[i] ^ masks[k]);
            write_file(other, span_bytes(&bad));
            int seen = examine_apart(other);
            crashed += seen < 0;
            lied += seen >= 0 && (seen & 7);
            noticed += seen >= 0 && !(seen & 8);
            bad.data[i] = good->data[i];
        }
    }
    bytes_free(&bad);
    ok(crashed == 0, "no changed byte makes it crash (%u did)", crashed);
    ok(lied == 0, "no changed byte makes it lie (%u did)", lied);
    ok(noticed > 100, "and many are noticed (%u)", noticed);
}

static void cut(const struct bytes *good)
{
    unsigned crashed = 0, lied = 0;
    for (size_t n = 0; n < good->len; n += n < 600 ? 7 : 509) {
        write_file(other, span_head(span_bytes(good), n));
        int seen = examine_apart(other);
        crashed += seen < 0;
        lied += seen >= 0 && (seen & 7);
    }
    ok(crashed == 0 && lied == 0, "cut anywhere it neither crashes (%u) nor lies (%u)", crashed, lied);
    static const char *const texts[] = { "", "x", "alice@example.test\nbob@example.test\n" };
    for (size_t i = 0; i < 3; i++) {
        struct table *t;
        write_file(other, span_of(texts[i]));
        ok(table_open(other, &t) == ST_TEMP, "a file that is no table (%zu bytes) is ST_TEMP",
           strlen(texts[i]));
    }
}

/* Builds over `path` in a child that is killed after `us` microseconds. True if it was killed in time. */
static bool killed_build(unsigned us)
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(build(path, 20000) == ST_OK ? 0 : 1);
    usleep(us);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return WIFSIGNALED(status);
}

static void kill_builders(void)
{
    unsigned killed = 0, broken = 0;
    for (unsigned us = 0; us < 60000; us += 1500) {
        killed += killed_build(us);
        broken += !(examine(path) & 8);
    }
    ok(killed > 0 && broken == 0, "killed at %u moments, the table could always be read", killed);
    ok(build(path, ENTRIES) == ST_OK && examine(path) == 8,
       "and the next builder isn't hindered by what they left");
}

static void measure(void)
{
    struct table *t[3];
    struct bytes value;
    int64_t best = INT64_MAX;
    bytes_init(&value, 4096);
    for (int round = 0; round < 200; round++) {
        int64_t start = clock_now_us();
        for (int i = 0; i < 3; i++)
            if (table_open(path, &t[i]) != ST_OK)
                abort();
        bytes_clear(&value);
        table_get(t[0], SPAN("user7@example.test"), &value);
        for (int i = 0; i < 3; i++)
            table_close(t[i]);
        int64_t took = clock_now_us() - start;
        best = took < best ? took : best;
    }
    bytes_free(&value);
    ok(best < 2000, "three opened, one looked up in: %lld us", (long long)best);
}

int main(void)
{
    struct table *t;
    struct bytes value, good;
    if (!mkdtemp(folder))
        abort();
    snprintf(path, sizeof path, "%s/a.gdbm", folder);
    snprintf(other, sizeof other, "%s/b.gdbm", folder);
    bytes_init(&value, 4096);
    bytes_init(&good, 1 << 24);

    ok(table_open(path, &t) == ST_NONE, "no file is ST_NONE");
    ok(build(path, 0) == ST_OK && table_open(path, &t) == ST_OK, "an empty table");
    ok(table_get(t, SPAN("x"), &value) == ST_NONE, "in which nothing is");
    table_close(t);
    ok(build(path, ENTRIES) == ST_OK && examine(path) == 8, "all entries are found with their values");
    ok(table_open(path, &t) == ST_OK && table_get(t, SPAN("user1"), &value) == ST_NONE,
       "part of a key isn't it");
    ok(table_source(t)->mtime_ns == 123456789012345 && table_source(t)->size == 77 &&
           table_source(t)->digest == 0xfedcba9876543210,
       "the source comes back");
    ok(build(path, 0) == ST_OK && table_get(t, SPAN("user1@example.test"), &value) == ST_OK,
       "an open table stays what it was when another takes its place");
    table_close(t);
    build(path, ENTRIES);
    ok(file_read(AT_FDCWD, path, &good) == ST_OK, "its bytes are read");
    damage(&good);
    cut(&good);
    kill_builders();
    measure();
    ok(build(path, 100000) == ST_OK && (examine(path) & 8), "100,000 entries");
    measure();
    struct table_build *b;
    chmod(folder, 0500);
    ok(geteuid() == 0 || (table_build_begin(path, &b) == ST_OK && table_build_finish(b) == ST_TEMP),
       "a folder that can't be written is ST_TEMP");
    chmod(folder, 0700);
    unlink(path);
    unlink(other);
    ok(rmdir(folder) == 0, "nothing is left behind");
    bytes_free(&good);
    bytes_free(&value);
    return done_testing();
}
