/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rewritten senders: what libsrs2 makes of the same addresses, there and back, and what is refused. The
 * vectors were made with postsrsd 1.10 (tests/srs.t asks it anew).
 */
#include "tap.h"

#include "store/srs.h"

#include <stdlib.h>
#include <string.h>

#define NOW 1764154800 /* 2025-11-26 */
static const char key[] = "tops3cr3t\nolder secret\n";

static struct address address(const char *text)
{
    struct address a;
    if (address_parse(span_of(text), &a) != ADDRESS_OK)
        abort();
    return a;
}

static void there_and_back(const char *sender, const char *through)
{
    struct address a = address(sender), out, back;
    bool good = srs_forward(SPAN(key), &a, SPAN("ours.test"), NOW, &out) == ST_OK;
    ok(good && strncmp(out.text, through, strlen(through)) == 0, "%s goes as %s", sender,
       good ? out.text : "?");
    for (int days = 0; days <= SRS_DAYS + 1; days += SRS_DAYS / 3) {
        enum status st = srs_reverse(SPAN(key), &out, NOW + (int64_t)days * 86400, &back);
        bool in_time = days <= SRS_DAYS || strncmp(through, "SRS1", 4) == 0;
        if (strncmp(through, "SRS1", 4) != 0)
            ok(st == (in_time ? ST_OK : ST_PERM) && (st != ST_OK || strcmp(back.text, sender) == 0),
               "%d days later it %s", days, in_time ? "comes back" : "is too old");
    }
}

static void refused(const char *text, const char *why)
{
    struct address a = address(text), out;
    ok(srs_reverse(SPAN(key), &a, NOW, &out) == ST_PERM, "%s: %s", why, text);
}

static void chained(void)
{
    struct address second = address("SRS0=abcd=TT=far.test=joe@first.test"), out, back, third;
    ok(srs_forward(SPAN(key), &second, SPAN("ours.test"), NOW, &out) == ST_OK &&
           strncmp(out.text, "SRS1=", 5) == 0 &&
           strstr(out.text, "=first.test==abcd=TT=far.test=joe@ours.test"),
       "a sender that was rewritten: %s", out.text);
    ok(srs_reverse(SPAN(key), &out, NOW, &back) == ST_OK && strcmp(back.text, second.text) == 0,
       "its bounce goes to who rewrote it first: %s", back.text);
    struct address foreign = address("SRS1=wxyz=first.test==abcd=TT=far.test=joe@second.test");
    ok(srs_forward(SPAN(key), &foreign, SPAN("ours.test"), NOW, &third) == ST_OK &&
           strcmp(third.text, out.text) == 0,
       "one that was rewritten twice: who was between is left out: %s", third.text);
    foreign = address("SRS0+abcd=TT=far.test=joe@first.test");
    ok(srs_forward(SPAN(key), &foreign, SPAN("ours.test"), NOW, &out) == ST_OK &&
           srs_reverse(SPAN(key), &out, NOW, &back) == ST_OK && strcmp(back.text, foreign.text) == 0,
       "another separator stays: %s", out.text);
    foreign = address("SRS1=wxyz@second.test");
    ok(srs_forward(SPAN(key), &foreign, SPAN("ours.test"), NOW, &out) == ST_PERM,
       "half an SRS1 isn't rewritten");
    foreign = address("SRS1=wxyz=no$domain==abcd=TT=far.test=joe@second.test");
    ok(srs_forward(SPAN(key), &foreign, SPAN("ours.test"), NOW, &out) == ST_PERM,
       "nor one that leads nowhere");
}

static void keys(void)
{
    struct address a = address("joe@far.test"), old, out;
    ok(srs_forward(SPAN("older secret\n"), &a, SPAN("ours.test"), NOW, &old) == ST_OK &&
           srs_reverse(SPAN(key), &old, NOW, &out) == ST_OK && strcmp(out.text, a.text) == 0,
       "an older secret still takes bounces");
    ok(srs_reverse(SPAN("another\n"), &old, NOW, &out) == ST_PERM, "a strange one doesn't");
    ok(srs_reverse(SPAN(""), &old, NOW, &out) == ST_PERM &&
           srs_forward(SPAN("\n"), &a, SPAN("ours.test"), NOW, &out) == ST_PERM,
       "no key, no address");
}

int main(void)
{
    there_and_back("joe@far.test", "SRS0=");
    there_and_back("joe=x+y@far-away.test", "SRS0=");
    there_and_back("\"a..b.\"@phone.test", "\"SRS0=");
    there_and_back(
        "a-very-long-local-part-of-sixty-four-bytes-in-all-just-the-limit@sub.domain.of.a.long.name.test",
        "SRS0=");
    chained();
    keys();
    struct address a = address("joe@far.test"), out;
    srs_forward(SPAN(key), &a, SPAN("ours.test"), NOW, &out);
    char *upper = strdup(out.text);
    for (char *p = upper; *p; p++)
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 32);
    a = address(upper);
    ok(srs_reverse(SPAN(key), &a, NOW, &out) == ST_OK && strcasecmp(out.text, "joe@far.test") == 0,
       "in any case: %s", upper);
    free(upper);
    refused("SRS0=AAAA=EX=far.test=joe@ours.test", "a wrong hash");
    refused("SRS0=@ours.test", "nothing");
    refused("\"SRS0=AAAA=EX=far.test=a..b\"@ours.test", "a wrong hash, with dots");
    refused("SRS0==@ours.test", "nothing but separators");
    refused("SRS0=AAAA=EX=far.test@ours.test", "no user");
    refused("SRS0=AAAA=EX==joe@ours.test", "no domain");
    refused("SRS1=AAAA=far.test@ours.test", "SRS1 without an address");
    refused("joe@ours.test", "another address");
    a = address("\"joe x\"@far.test");
    ok(srs_forward(SPAN(key), &a, SPAN("ours.test"), NOW, &out) == ST_PERM,
       "a quoted local part isn't rewritten");
    return done_testing();
}
