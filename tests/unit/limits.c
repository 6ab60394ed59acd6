/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rates over connections: as many at once as the limit says, then at its pace; by many processes at once; and
 * clocks that jump.
 */
#include "store.h"

#include "base/clock.h"
#include "base/files.h"
static int64_t test_now = 1800000000;
#define clock_now() test_now
#include "../../lib/store/limits.c"
#undef clock_now

#include <sys/wait.h>

static struct settings settings;

static enum status take_one(const char *who, uint64_t limit, uint64_t cost)
{
    return limits_take(&settings, 'x', span_of(who), limit, 3600, cost);
}

/* How many of `tries` are let through. */
static unsigned through(const char *who, uint64_t limit, unsigned tries)
{
    unsigned n = 0;
    while (tries--)
        n += take_one(who, limit, 1) == ST_OK;
    return n;
}

static void rates(void)
{
    ok(through("a", 60, 100) == 60, "as many at once as the limit");
    ok(through("b", 60, 1) == 1 && limits_take(&settings, 'y', SPAN("a"), 60, 3600, 1) == ST_OK,
       "another name, and another kind of count, are others");
    test_now += 60;
    ok(through("a", 60, 10) == 1, "a minute later one more");
    test_now += 600;
    ok(through("a", 60, 100) == 10, "ten minutes later ten");
    test_now += 3600;
    ok(through("a", 60, 100) == 60, "an hour later all");
    ok(take_one("c", 10, 11) == ST_PERM && take_one("c", 10, 10) == ST_OK && take_one("c", 10, 1) == ST_PERM,
       "what costs more counts more");
    test_now += 1800;
    ok(take_one("c", 10, 6) == ST_PERM && take_one("c", 10, 5) == ST_OK,
       "half of it is back after half the time");
    bool good = true;
    for (int i = 0; i < 2000; i++, test_now += 36)
        good = good && take_one("d", 100, 1) == ST_OK;
    ok(good, "who keeps to the pace is never refused");
    good = take_one("e", 10, 5) == ST_OK;
    test_now -= 86400;
    ok(good && take_one("e", 10, 10) == ST_OK, "a clock that went back forgets");
    ok(take_one("f", UINT64_MAX, 1) == ST_OK && take_one("f", 1, UINT64_MAX) != ST_OK &&
           take_one("f", 0, 1) == ST_PERM,
       "the ends of the range");
    ok(take_one("g", 100, 100) == ST_OK && take_one("g", 10, 1) == ST_PERM, "a limit that was lowered");
    ok(limits_take(&settings, 'x', (struct span){ (char[1000]){ 0 }, 1000 }, 1, 60, 1) == ST_TEMP,
       "a name beyond all bounds");
}

static void at_once(void)
{
    fflush(stdout);
    for (int i = 0; i < 8; i++)
        if (fork() == 0)
            _exit((int)through("many", 100, 30));
    unsigned all = 0;
    for (int status; wait(&status) > 0;)
        all += (unsigned)WEXITSTATUS(status);
    ok(all == 100, "eight processes get no more together: %u", all);
}

static void sources(void)
{
    struct limits_source a, b;
    struct in6_addr
        v4 = { .s6_addr = { [10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = 1 } },
        other = v4;
    other.s6_addr[15] = 77;
    limits_source_of(&v4, LIMITS_WHOLE_IPV4, &a);
    limits_source_of(&other, LIMITS_WHOLE_IPV4, &b);
    ok(a.length == 16 && memcmp(a.octets, b.octets, 16) != 0, "IPv4 addresses are apart");
    limits_source_of(&v4, LIMITS_IPV4_NETWORK, &a);
    limits_source_of(&other, LIMITS_IPV4_NETWORK, &b);
    ok(a.length == 15 && b.length == 15 && memcmp(a.octets, b.octets, 15) == 0, "but for a /24");
    struct in6_addr v6 = { .s6_addr = { 0x20, 1, 13, 184, 0, 0, 0, 1, 9 } };
    limits_source_of(&v6, LIMITS_WHOLE_IPV4, &a);
    ok(a.length == 8 && memcmp(a.octets, v6.s6_addr, 8) == 0, "of IPv6 it is the /64");
}

int main(void)
{
    struct bytes error;
    bytes_init(&error, 1000);
    scratch_make("limits");
    if (mkdir("spool", 0700) != 0 || mkdir("spool/slots", 0700) != 0 ||
        file_replace(AT_FDCWD, "postern.conf", SPAN("spool spool\n"), 0600) != ST_OK ||
        settings_load("postern.conf", &settings, &error) != ST_OK)
        abort();
    rates();
    at_once();
    sources();
    unlink("spool/slots/rates");
    rmdir("spool/slots");
    ok(take_one("a", 10, 1) == ST_TEMP, "without its directory nothing is counted");
    settings_free(&settings);
    scratch_remove();
    return done_testing();
}
