/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Failed logins over connections: of a source, of an account, of a pair that is known; for how long each is
 * refused, on a clock of the test's own; and what a file that can't be used comes to.
 */
#include "store.h"

#include "base/clock.h"
#include "base/files.h"
static int64_t test_now = 1800000000;
#define clock_now() test_now
#include "../../lib/store/login_limits.c"
#undef clock_now

#include <arpa/inet.h>

#define LIMIT 4

static struct settings settings;

static struct peer peer_of(const char *address)
{
    struct peer p = { .known = true };
    char v6[64];
    snprintf(p.text, sizeof p.text, "%s", address);
    snprintf(v6, sizeof v6, strchr(address, ':') ? "%s" : "::ffff:%s", address);
    if (inet_pton(AF_INET6, v6, &p.address) != 1)
        abort();
    return p;
}

static enum status ask(const char *address, const char *account)
{
    struct peer p = peer_of(address);
    struct login l = { .settings = &settings, .peer = &p };
    return login_limits_ask(&l, span_of(account));
}

static unsigned fail(const char *address, const char *account)
{
    struct peer p = peer_of(address);
    struct login l = { .settings = &settings, .peer = &p };
    return login_limits_failed(&l, span_of(account));
}

static void pass(const char *address, const char *account)
{
    struct peer p = peer_of(address);
    struct login l = { .settings = &settings, .peer = &p };
    login_limits_passed(&l, span_of(account));
}

static void fail_times(unsigned times, const char *address, const char *account)
{
    while (times--)
        fail(address, account);
}

static void begin_anew(void)
{
    unlink("spool/slots/logins");
    test_now += 10 * DAY;
}

static void of_a_source(void)
{
    begin_anew();
    ok(fail("192.0.2.1", "a@x") == 1 && fail("192.0.2.1", "b@x") == 2 && fail("192.0.2.1", "c@x") == 3,
       "the failures of a source are counted, whatever the name");
    ok(ask("192.0.2.1", "d@x") == ST_OK, "below the limit there may be more");
    fail("192.0.2.1", "d@x");
    ok(ask("192.0.2.1", "e@x") == ST_PERM, "at the limit there may not");
    ok(ask("192.0.2.2", "e@x") == ST_OK, "another source isn't concerned");
    test_now += LOCK_FIRST - 1;
    ok(ask("192.0.2.1", "e@x") == ST_PERM, "nearly a quarter of an hour later it is still refused");
    test_now += 1;
    ok(ask("192.0.2.1", "e@x") == ST_OK, "then it may try again");
    fail_times(LIMIT, "192.0.2.1", "e@x");
    test_now += 2 * LOCK_FIRST - 1;
    ok(ask("192.0.2.1", "e@x") == ST_PERM, "the second time is twice as long");
    for (int i = 0; i < 20; i++) {
        test_now += LOCK_MOST;
        fail_times(LIMIT, "192.0.2.1", "e@x");
    }
    test_now += LOCK_MOST;
    ok(ask("192.0.2.1", "e@x") == ST_OK, "and none is longer than LOCK_MOST");
    test_now += 2 * DAY;
    fail_times(LIMIT, "192.0.2.1", "e@x");
    test_now += LOCK_FIRST;
    ok(ask("192.0.2.1", "e@x") == ST_OK, "after a quiet day it begins anew");
    fail_times(LIMIT - 1, "192.0.2.9", "a@x");
    test_now += WINDOW;
    fail_times(LIMIT - 1, "192.0.2.9", "a@x");
    ok(ask("192.0.2.9", "a@x") == ST_OK, "what is an hour old doesn't count");
}

static void of_a_network(void)
{
    begin_anew();
    fail_times(LIMIT, "2001:db8::1", "a@x");
    ok(ask("2001:db8::ffff:2", "b@x") == ST_PERM, "an IPv6 /64 is one source");
    ok(ask("2001:db8:0:1::1", "b@x") == ST_OK, "its neighbour is another");
    fail_times(2 * LIMIT, "10.1.2.3", "c@x");
    ok(ask("10.1.2.3", "d@x") == ST_OK, "one in `networks` has no count of its own");
}

static void of_an_account(void)
{
    char source[32];
    begin_anew();
    pass("198.51.100.1", "alice@x");
    for (unsigned i = 0; i < ACCOUNT_FACTOR * LIMIT; i++) {
        snprintf(source, sizeof source, "203.0.113.%u", i);
        ok(ask(source, "alice@x") == ST_OK || i == 0, "guess %u at an account from somewhere else", i);
        fail(source, "alice@x");
    }
    ok(ask("203.0.113.200", "alice@x") == ST_PERM, "an account that is guessed at is refused to the next");
    ok(ask("203.0.113.200", "bob@x") == ST_OK, "other accounts aren't");
    ok(ask("198.51.100.1", "alice@x") == ST_OK, "its owner logs in from where he has before");
    ok(ask("10.1.2.3", "alice@x") == ST_PERM, "a network of ours that he has never come from is refused too");
}

static void of_a_pair(void)
{
    begin_anew();
    pass("198.51.100.1", "alice@x");
    fail_times(LIMIT, "198.51.100.1", "alice@x");
    ok(ask("198.51.100.1", "alice@x") == ST_PERM, "a telephone with an old password is refused");
    ok(ask("198.51.100.1", "bob@x") == ST_OK && ask("192.0.2.77", "alice@x") == ST_OK,
       "and keeps out nobody else");
    test_now += LOCK_FIRST;
    pass("198.51.100.1", "alice@x");
    ok(fail("198.51.100.1", "alice@x") == 1, "a success forgives a pair its failures");
    fail_times(LIMIT - 1, "192.0.2.50", "bob@x");
    pass("192.0.2.50", "mine@x");
    fail("192.0.2.50", "bob@x");
    ok(ask("192.0.2.50", "bob@x") == ST_PERM,
       "but not a source: an account of one's own pays for no guesses");
    ok(ask("192.0.2.50", "mine@x") == ST_OK, "who is known there still gets in");
    test_now += KNOWN_SECONDS;
    fail_times(ACCOUNT_FACTOR * LIMIT, "203.0.113.1", "alice@x");
    ok(ask("198.51.100.1", "alice@x") == ST_PERM, "a pair is known for two months");
}

static void unusable_file(void)
{
    begin_anew();
    mkdir("spool/slots/logins", 0700);
    ok(ask("192.0.2.1", "a@x") == ST_TEMP, "where failures can't be counted nobody logs in");
    ok(fail("192.0.2.1", "a@x") == REFUSED_DELAY, "a failure waits long all the same");
    settings.login_failures = 0;
    ok(ask("192.0.2.1", "a@x") == ST_OK, "without a limit nothing is counted");
    settings.login_failures = LIMIT;
    rmdir("spool/slots/logins");
    ok(ask("192.0.2.1", "a@x") == ST_OK, "it comes back by itself");
}

/* A peer without an address: a pipe, a Unix socket. */
static void of_nobody(void)
{
    begin_anew();
    struct login l = { .settings = &settings };
    for (unsigned i = 0; i < ACCOUNT_FACTOR * LIMIT; i++)
        login_limits_failed(&l, SPAN("a@x"));
    ok(login_limits_ask(&l, SPAN("a@x")) == ST_PERM && login_limits_ask(&l, SPAN("b@x")) == ST_OK,
       "without a source the account counts");
}

int main(void)
{
    struct bytes error;
    bytes_init(&error, 1000);
    scratch_make("limits");
    if (mkdir("spool", 0700) != 0 || mkdir("spool/slots", 0700) != 0 ||
        file_replace(AT_FDCWD, "postern.conf", SPAN("spool spool\nnetworks 10.0.0.0/8\nlogin-failures 4\n"),
                     0600) != ST_OK ||
        settings_load("postern.conf", &settings, &error) != ST_OK)
        abort();
    of_a_source();
    of_a_network();
    of_an_account();
    of_a_pair();
    unusable_file();
    of_nobody();
    settings_free(&settings);
    scratch_remove();
    return done_testing();
}
