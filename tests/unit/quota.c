/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Quota: limits as text, maildirsize as others write it and as a hostile owner does, what is counted, and
 * many who add to it at once.
 */
#include "store.h"
#include "base/files.h"
#include "store/quota.h"
#include "store/quota_count.h"

#include <sys/wait.h>
#include <time.h>
#include <utime.h>

static const struct {
    const char *text, *printed; /* NULL: refused */
} limits[] = {
    { "", "" },
    { "storage=2G", "storage=2147483648" },
    { " messages=50  storage=10k ", "storage=10240 messages=50" },
    { "storage=0", "storage=0" },
    { "storage=1T\tmessages=0", "storage=1099511627776 messages=0" },
    { "storage=", NULL },
    { "storage", NULL },
    { "storage=1X", NULL },
    { "storage=-1", NULL },
    { "storage=9999999999999G", NULL },
    { "messages=10k", NULL },
    { "messages=9999999999999999", NULL },
    { "storage=1 storage=2", NULL },
    { "quota=1", NULL },
};

static void parsing(void)
{
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct quota q;
        struct bytes out;
        bytes_init(&out, 200);
        bool good = quota_parse(span_of(limits[i].text), &q);
        if (good)
            quota_print(&q, &out);
        ok(good == (limits[i].printed != NULL) && (!good || strcmp(bytes_str(&out), limits[i].printed) == 0),
           "limits \"%s\"", limits[i].text);
        bytes_free(&out);
    }
    struct quota q;
    quota_parse(SPAN("storage=5"), &q);
    quota_default(&q, 7, 8);
    ok(q.bytes == 5 && q.messages == 8, "what isn't said is the default");
}

static int dir;

static bool holds(const struct quota *q, uint64_t bytes, uint64_t messages)
{
    struct quota_used u;
    return quota_look(dir, q, 0, &u) == ST_OK && u.bytes == bytes && u.messages == messages;
}

static bool file_is(const char *text)
{
    char buffer[6000];
    FILE *f = fopen("m/maildirsize", "r");
    size_t n = f ? fread(buffer, 1, sizeof buffer - 1, f) : 0;
    buffer[n] = '\0';
    if (f)
        fclose(f);
    return strcmp(buffer, text) == 0;
}

/* What is in the Maildir: 3 messages, 100 + 20 + 4 bytes. */
static void fill(void)
{
    struct mail *mail;
    mail_open("m", "mx.test", &mail);
    folder_create(mail, SPAN("a.b"));
    mail_close(mail);
    put_file("m/new/1.x,S=100,W=110", "ten bytes\n");
    put_file("m/cur/2.x:2,ST", "twenty bytes of text");
    put_file("m/.a.b/cur/3.x,S=4:2,", "four");
    put_file("m/tmp/4.x,S=1000", "");
    put_file("m/cur/.hidden", "x");
    put_link("/etc/passwd", "m/cur/5.x,S=77");
    mkdir("m/cur/6.x,S=99", 0700);
    mkdir("m/nofolder", 0700);
    put_file("m/nofolder/7.x,S=5", "");
}

static void counting(void)
{
    const struct quota q = { 1000, 0 }, both = { 1000, 50 }, only = { 0, 50 }, none = { 0, 0 };
    fill();
    dir = open("m", O_RDONLY | O_DIRECTORY);
    ok(holds(&none, 124, 3) && access("m/maildirsize", F_OK) != 0, "without limits: counted, not written");
    ok(holds(&q, 124, 3) && file_is("1000S\n124 3\n"), "counted and written");
    quota_add(dir, 10, 1);
    quota_add(dir, -4, -1);
    ok(file_is("1000S\n124 3\n10 1\n-4 -1\n") && holds(&q, 130, 3), "lines are added");
    ok(holds(&both, 124, 3) && file_is("1000S,50C\n124 3\n"), "other limits: counted anew");
    ok(holds(&only, 124, 3) && file_is("50C\n124 3\n"), "messages alone");
    put_file("m/maildirsize", "50C,1000S\n         70            2\n30 1\n");
    ok(holds(&both, 100, 3), "as others write it");
    put_file("m/maildirsize", "1000S\n900 3\n200 1\n");
    ok(holds(&q, 124, 3), "over the limit by a line that was added: counted anew");
    put_file("m/maildirsize", "1000S\n1100 4\n");
    ok(holds(&q, 1100, 4), "over the limit, and fresh");
    struct utimbuf old = { time(NULL) - 3600, time(NULL) - 3600 };
    utime("m/maildirsize", &old);
    ok(holds(&q, 124, 3), "over the limit, and old: counted anew");
    quota_forget(dir);
    quota_add(dir, 5, 1);
    ok(access("m/maildirsize", F_OK) != 0, "where there is no file, none is made by adding");
}

static const char *const odd[] = {
    "", "\n", "1000S", "1000S\n", "1000S\n1", "1000S\n1\n", "1000S\nx y\n", "1000S\n1 2 3\n", "1000S\n-5 1\n",
    "1000S\n5 -1\n", "1000S\n99999999999999999999 1\n", "1000S\n9223372036854775807 1\n9223372036854775807 1\n",
    "1000S\n-9223372036854775807 0\n-9223372036854775807 0\n", "1000X\n1 1\n", "S\n1 1\n", "1000S,\n1 1\n",
    "1000S\n1 1\n\n", "-1000S\n1 1\n",
};

static void hostile(void)
{
    const struct quota q = { 1000, 0 };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        put_file("m/maildirsize", odd[i]);
        ok(holds(&q, 124, 3), "odd file %zu", i);
    }
    FILE *f = fopen("m/maildirsize", "w");
    fputs("1000S\n", f);
    for (int i = 0; i < 1500; i++)
        fputs("1 0\n", f);
    fclose(f);
    quota_add(dir, 1, 1);
    ok(access("m/maildirsize", F_OK) != 0, "one that has grown goes instead of growing");
    ok(holds(&q, 124, 3), "and is counted anew");
    put_file("m/maildirsize", "");
    ok(truncate("m/maildirsize", (off_t)1 << 40) == 0 && holds(&q, 124, 3), "a terabyte of nothing");
    unlink("m/maildirsize");
    mkfifo("m/maildirsize", 0600);
    quota_add(dir, 1, 1);
    ok(holds(&q, 124, 3), "a FIFO keeps nobody waiting");
    unlink("m/maildirsize");
    put_file("others", "1000S\n1 1\n");
    put_link("../others", "m/maildirsize");
    quota_add(dir, 7, 7);
    ok(holds(&q, 124, 3), "a link isn't followed");
    unlink("m/maildirsize");
    ok(link("others", "m/maildirsize") == 0, "a file with another name");
    quota_add(dir, 7, 7);
    ok(holds(&q, 124, 3), "isn't written to");
    struct bytes text;
    bytes_init(&text, 100);
    file_read(AT_FDCWD, "others", &text);
    ok(span_eq_str(span_bytes(&text), "1000S\n1 1\n"), "nor is what the links led to");
    bytes_free(&text);
    unlink("m/maildirsize");
    mkdir("m/maildirsize", 0700);
    ok(holds(&q, 124, 3), "a directory");
    rmdir("m/maildirsize");
    put_file("m/cur/8.x,S=18446744073709551615", "");
    put_file("m/cur/9.x,S=18446744073709551615", "");
    struct quota_used u;
    ok(quota_look(dir, &q, 0, &u) == ST_OK && u.bytes <= INT64_MAX && u.messages == 5, "sizes that lie");
    unlink("m/cur/8.x,S=18446744073709551615");
    unlink("m/cur/9.x,S=18446744073709551615");
    quota_forget(dir);
    struct quota_count c;
    ok(quota_count(dir, 0, &c) == ST_TEMP && errno == ETIME, "counting ends when its time is over");
    ok(quota_count(dir, INT64_MAX, &c) == ST_OK && !quota_count_moved(dir, INT64_MAX, &c), "nothing moved");
    put_file("m/new/late.x,S=1", "x");
    ok(quota_count_moved(dir, INT64_MAX, &c), "what came meanwhile is seen");
    unlink("m/new/late.x,S=1");
}

static void room(void)
{
    const struct quota q = { 200, 5 };
    ok(quota_room(dir, &q, 0, 0, 76, 1) == ST_OK, "it fits exactly");
    ok(quota_room(dir, &q, 0, 0, 77, 1) == ST_PERM && errno == EDQUOT, "a byte too much");
    ok(quota_room(dir, &q, 10, 0, 96, 1) == ST_OK && quota_room(dir, &q, 10, 0, 97, 1) == ST_PERM, "with grace");
    ok(quota_room(dir, &q, 0, 0, 1, 2) == ST_OK && quota_room(dir, &q, 0, 0, 1, 3) == ST_PERM, "messages");
    put_file("m/maildirsize", "200S,5C\n200 5\n");
    ok(quota_room(dir, &q, 10, 0, 0, 1) == ST_PERM, "no grace for one that is full");
    ok(quota_room(dir, &(struct quota){ 0, 0 }, 0, 0, 1u << 30, 1) == ST_OK, "no limits");
    ok(quota_room_at("none", &q, 1) == ST_OK, "no Maildir yet");
    quota_add(dir, 0, 0);
    ok(quota_room_at("m", &q, 1) == ST_OK, "counted anew: there was room after all");
    quota_forget(dir);
}

static void together(void)
{
    const struct quota q = { 1000000, 0 };
    ok(holds(&q, 124, 3), "before many add");
    for (int i = 0; i < 8; i++)
        if (fork() == 0) {
            for (int n = 0; n < 40; n++)
                quota_add(dir, 10, 1);
            _exit(0);
        }
    while (wait(NULL) > 0)
        ;
    ok(holds(&q, 124 + 3200, 323), "nothing of what 8 processes add is lost");
}

int main(void)
{
    scratch_make("quota");
    parsing();
    counting();
    hostile();
    room();
    together();
    close(dir);
    scratch_remove();
    return done_testing();
}
