/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The arguments of MAIL and RCPT.
 */
#include "text/smtp_path.h"
#include "tap.h"

#include <inttypes.h>
#include <string.h>

#define ALL_OFFERS 63u
#define U "\xc3\xbc" /* u with two dots */

struct row {
    const char *argument;
    enum smtp_path_result result;
    const char *address;
    uint64_t size;
    bool eight_bit;
};

static const struct row mails[] = {
    { "FROM:<a@b.test>", SMTP_PATH_OK, "a@b.test", 0, false },
    { "from:<a@b.test>", SMTP_PATH_OK, "a@b.test", 0, false },
    { "FROM: <a@b.test>", SMTP_PATH_OK, "a@b.test", 0, false },
    { "FROM:<>", SMTP_PATH_OK, "", 0, false },
    { "FROM:<a@B.Test> SIZE=1000", SMTP_PATH_OK, "a@b.test", 1000, false },
    { "FROM:<a@b.test>  size=1000   body=8bitmime ", SMTP_PATH_OK, "a@b.test", 1000, true },
    { "FROM:<a@b.test> BODY=7BIT", SMTP_PATH_OK, "a@b.test", 0, false },
    { "FROM:<a@b.test> AUTH=<>", SMTP_PATH_OK, "a@b.test", 0, false },
    { "FROM:<a@b.test> SIZE=99999999999999999999", SMTP_PATH_OK, "a@b.test", INT64_MAX, false },
    { "FROM:<@x.test,@y.test:a@b.test>", SMTP_PATH_OK, "a@b.test", 0, false },
    { "FROM:a@B.test", SMTP_PATH_OK, "a@b.test", 0, false },
    { "FROM: a@b.test  SIZE=5 BODY=8BITMIME", SMTP_PATH_OK, "a@b.test", 5, true },
    { "FROM:a@b.test <c@d.test>", SMTP_PATH_UNKNOWN, "", 0, false },
    { "FROM:a@b.test> SIZE=5", SMTP_PATH_ADDRESS, "", 0, false },
    { "FROM: SIZE=5", SMTP_PATH_ADDRESS, "", 0, false },
    { "FROM:postmaster", SMTP_PATH_ADDRESS, "", 0, false },
    { "FROM:<a@b.test", SMTP_PATH_ADDRESS, "", 0, false },
    { "FROM:<a>", SMTP_PATH_ADDRESS, "", 0, false },
    { "FROM:<postmaster>", SMTP_PATH_ADDRESS, "", 0, false },
    { "FROM:", SMTP_PATH_ADDRESS, "", 0, false },
    { "FROM:<a@b.test>SIZE=3", SMTP_PATH_SYNTAX, "", 0, false },
    { "FROM:<a@b.test> SIZE", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> SIZE=", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> SIZE=-1", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> SIZE=1k", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> SIZE=999999999999999999999", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> SIZE=1 SIZE=1", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> BODY=9BIT", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> BODY=", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> AUTH", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> RET=SOME", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> RET", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> RET=FULL RET=HDRS", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> ENVID=a=b", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> ENVID=a+0Ab", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> ENVID=", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> SMTPUTF8=YES", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> SMTPUTF8 SMTPUTF8", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<j" U "rg@b" U ".test> SMTPUTF8", SMTP_PATH_OK, "j" U "rg@b" U ".test", 0, false },
    { "FROM:<j" U "rg@b.test>", SMTP_PATH_UTF8, "", 0, false },
    { "FROM:<a@b" U ".test> BODY=8BITMIME", SMTP_PATH_UTF8, "", 0, false },
    { "FROM:<j\xc3@b.test> SMTPUTF8", SMTP_PATH_ADDRESS, "", 0, false },
    { "FROM:<j\xfc@b.test> SMTPUTF8", SMTP_PATH_ADDRESS, "", 0, false },
    { "FROM:<j\xc2\x85@b.test> SMTPUTF8", SMTP_PATH_ADDRESS, "", 0, false },
    { "FROM:<\"j " U "\"@b.test> SMTPUTF8", SMTP_PATH_OK, "\"j " U "\"@b.test", 0, false },
    { "FROM:<a@b.test> REQUIRETLS=1", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> BODY=BINARYMIME", SMTP_PATH_OK, "a@b.test", 0, true },
    { "FROM:<a@b.test> HOLDFOR=0", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> HOLDFOR=1d", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> HOLDFOR=1000000000", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> HOLDFOR=60 HOLDUNTIL=2030-01-01T00:00:00Z", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> HOLDUNTIL=2030-01-01T00:00:00Z HOLDFOR=60", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> HOLDUNTIL=2030-13-01T00:00:00Z", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> HOLDUNTIL=2030-01-01", SMTP_PATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> NOTIFY=NEVER", SMTP_PATH_UNKNOWN, "", 0, false },
    { "FROM:<a@b.test> =", SMTP_PATH_UNKNOWN, "", 0, false },
    { "TO:<a@b.test>", SMTP_PATH_SYNTAX, "", 0, false },
    { "<a@b.test>", SMTP_PATH_SYNTAX, "", 0, false },
    { "FROM <a@b.test>", SMTP_PATH_SYNTAX, "", 0, false },
    { "FROM", SMTP_PATH_SYNTAX, "", 0, false },
    { "", SMTP_PATH_SYNTAX, "", 0, false },
};

/* Each parameter is known only where its extension is offered. */
static const struct {
    const char *parameter;
    unsigned offer;
} offers[] = {
    { "AUTH=<>", OFFER_AUTH },
    { "SMTPUTF8", OFFER_UTF8 },
    { "RET=HDRS", OFFER_DSN },
    { "ENVID=1", OFFER_DSN },
    { "REQUIRETLS", OFFER_REQUIRE_TLS },
    { "HOLDFOR=60", OFFER_FUTURERELEASE },
    { "HOLDUNTIL=2030-01-01T00:00:00Z", OFFER_FUTURERELEASE },
};

static const struct {
    const char *argument;
    bool utf8;
    enum smtp_path_result result;
    const char *address;
    unsigned notify;
    const char *orcpt;
} rcpts[] = {
    { "TO:<a@b.test>", false, SMTP_PATH_OK, "a@b.test", 0, "" },
    { "To: <a@b.test> ", false, SMTP_PATH_OK, "a@b.test", 0, "" },
    { "TO:<Postmaster>", false, SMTP_PATH_OK, "postmaster", 0, "" },
    { "TO:<postmaster>", false, SMTP_PATH_OK, "postmaster", 0, "" },
    { "TO:a@b.test NOTIFY=NEVER", false, SMTP_PATH_OK, "a@b.test", NOTIFY_NEVER, "" },
    { "TO:postmaster", false, SMTP_PATH_OK, "postmaster", 0, "" },
    { "TO:a@b.test c@b.test", false, SMTP_PATH_UNKNOWN, "", 0, "" },
    { "TO:", false, SMTP_PATH_ADDRESS, "", 0, "" },
    { "TO:<>", false, SMTP_PATH_ADDRESS, "", 0, "" },
    { "TO:<alice>", false, SMTP_PATH_ADDRESS, "", 0, "" },
    { "TO:<a@b.test>x", false, SMTP_PATH_SYNTAX, "", 0, "" },
    { "FROM:<a@b.test>", false, SMTP_PATH_SYNTAX, "", 0, "" },
    { "TO:<a@b.test> NOTIFY=NEVER", false, SMTP_PATH_OK, "a@b.test", NOTIFY_NEVER, "" },
    { "TO:<a@b.test> notify=success,DELAY,Failure", false, SMTP_PATH_OK, "a@b.test",
      NOTIFY_SUCCESS | NOTIFY_DELAY | NOTIFY_FAILURE, "" },
    { "TO:<a@b.test> NOTIFY=NEVER,DELAY", false, SMTP_PATH_VALUE, "", 0, "" },
    { "TO:<a@b.test> NOTIFY=DELAY,DELAY", false, SMTP_PATH_VALUE, "", 0, "" },
    { "TO:<a@b.test> NOTIFY=DELAY,", false, SMTP_PATH_VALUE, "", 0, "" },
    { "TO:<a@b.test> NOTIFY=,DELAY", false, SMTP_PATH_VALUE, "", 0, "" },
    { "TO:<a@b.test> NOTIFY=", false, SMTP_PATH_VALUE, "", 0, "" },
    { "TO:<a@b.test> NOTIFY", false, SMTP_PATH_VALUE, "", 0, "" },
    { "TO:<a@b.test> NOTIFY=ALWAYS", false, SMTP_PATH_VALUE, "", 0, "" },
    { "TO:<a@b.test> NOTIFY=NEVER NOTIFY=NEVER", false, SMTP_PATH_VALUE, "", 0, "" },
    { "TO:<a@b.test> ORCPT=rfc822;Bob+2Bx@c.test NOTIFY=SUCCESS", false, SMTP_PATH_OK, "a@b.test",
      NOTIFY_SUCCESS, "rfc822;Bob+2Bx@c.test" },
    { "TO:<a@b.test> ORCPT=utf-8;j\\x{FC}@c.test", false, SMTP_PATH_OK, "a@b.test", 0,
      "utf-8;j\\x{FC}@c.test" },
    { "TO:<a@b.test> ORCPT=utf-8;j" U "@c.test", false, SMTP_PATH_VALUE, "", 0, "" },
    { "TO:<a@b.test> ORCPT=utf-8;j" U "@c.test", true, SMTP_PATH_OK, "a@b.test", 0, "utf-8;j" U "@c.test" },
    { "TO:<a@b.test> ORCPT=c@c.test", false, SMTP_PATH_VALUE, "", 0, "" },
    { "TO:<a@b.test> ORCPT=", false, SMTP_PATH_VALUE, "", 0, "" },
    { "TO:<a@b.test> SIZE=3", false, SMTP_PATH_UNKNOWN, "", 0, "" },
    { "TO:<j" U "rg@b.test>", false, SMTP_PATH_UTF8, "", 0, "" },
    { "TO:<j" U "rg@b" U ".test>", true, SMTP_PATH_OK, "j" U "rg@b" U ".test", 0, "" },
};

static void check_mail(const struct row *r)
{
    struct smtp_path_mail m;
    enum smtp_path_result got = smtp_path_read_mail(span_of(r->argument), ALL_OFFERS, &m);
    bool same =
        got == r->result && (got != SMTP_PATH_OK || (span_ieq_str(span_of(m.sender.text), r->address) &&
                                                     m.size == r->size && m.eight_bit == r->eight_bit));
    if (!ok(same, "MAIL %s", r->argument))
        printf("# result %d size %" PRIu64 " sender %s\n", got, m.size, m.sender.text);
}

static void check_rcpt(size_t i)
{
    struct smtp_path_rcpt r;
    enum smtp_path_result got =
        smtp_path_read_rcpt(span_of(rcpts[i].argument), ALL_OFFERS, rcpts[i].utf8, &r);
    bool same = got == rcpts[i].result &&
                (got != SMTP_PATH_OK ||
                 (span_ieq_str(span_of(r.recipient.text), rcpts[i].address) &&
                  r.options.notify == rcpts[i].notify && strcmp(r.options.orcpt, rcpts[i].orcpt) == 0));
    if (!ok(same, "RCPT %s", rcpts[i].argument))
        printf("# result %d recipient %s notify %u orcpt %s\n", got, r.recipient.text, r.options.notify,
               r.options.orcpt);
}

static void check_offer(size_t i)
{
    struct smtp_path_mail m;
    char argument[100];
    snprintf(argument, sizeof argument, "FROM:<a@b.test> %s", offers[i].parameter);
    ok(smtp_path_read_mail(span_of(argument), offers[i].offer, &m) == SMTP_PATH_OK &&
           smtp_path_read_mail(span_of(argument), ALL_OFFERS & ~offers[i].offer, &m) == SMTP_PATH_UNKNOWN,
       "%s, offered and not", offers[i].parameter);
}

static void check_values(void)
{
    struct smtp_path_mail m;
    struct smtp_path_rcpt r;
    char argument[1000];
    ok(smtp_path_read_mail(
           SPAN("FROM:<> RET=hdrs ENVID=QQ+3D1 REQUIRETLS HOLDUNTIL=2026-11-21T21:38:01.5+01:00 "
                "BODY=binarymime"),
           ALL_OFFERS, &m) == SMTP_PATH_OK &&
           m.options.ret == RET_HDRS && strcmp(m.options.envid, "QQ+3D1") == 0 && m.options.require_tls &&
           m.binary && m.options.release == 1795293481 && !m.options.smtputf8,
       "the values of MAIL's parameters");
    ok(smtp_path_read_mail(SPAN("FROM:<> HOLDFOR=86400"), ALL_OFFERS, &m) == SMTP_PATH_OK &&
           m.hold_for == 86400,
       "HOLDFOR");
    ok(smtp_path_read_mail(SPAN("FROM:<> BODY=BINARYMIME"), 0, &m) == SMTP_PATH_VALUE,
       "BINARYMIME where it isn't offered");
    for (int n = ENVELOPE_ENVID_LIMIT; n < ENVELOPE_ENVID_LIMIT + 2; n++) {
        snprintf(argument, sizeof argument, "FROM:<> ENVID=%0*d", n, 7);
        ok((smtp_path_read_mail(span_of(argument), ALL_OFFERS, &m) == SMTP_PATH_OK) ==
               (n == ENVELOPE_ENVID_LIMIT),
           "an ENVID of %d bytes", n);
    }
    for (int n = ENVELOPE_ORCPT_LIMIT; n < ENVELOPE_ORCPT_LIMIT + 2; n++) {
        snprintf(argument, sizeof argument, "TO:<a@b.test> ORCPT=rfc822;%0*d", n - 7, 7);
        ok((smtp_path_read_rcpt(span_of(argument), ALL_OFFERS, false, &r) == SMTP_PATH_OK) ==
               (n == ENVELOPE_ORCPT_LIMIT),
           "an ORCPT of %d bytes", n);
    }
    ok(smtp_path_read_rcpt(SPAN("TO:<a@b.test> NOTIFY=NEVER"), 0, false, &r) == SMTP_PATH_UNKNOWN,
       "NOTIFY where DSN isn't offered");
}

int main(void)
{
    for (size_t i = 0; i < sizeof mails / sizeof mails[0]; i++)
        check_mail(&mails[i]);
    for (size_t i = 0; i < sizeof rcpts / sizeof rcpts[0]; i++)
        check_rcpt(i);
    for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++)
        check_offer(i);
    check_values();
    return done_testing();
}
