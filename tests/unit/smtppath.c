/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The arguments of MAIL and RCPT.
 */
#include "text/smtppath.h"
#include "tap.h"

#include <inttypes.h>

struct row {
    const char *argument;
    enum smtppath_result result;
    const char *address;
    uint64_t size;
    bool eight_bit;
};

static const struct row mails[] = {
    { "FROM:<a@b.test>", SMTPPATH_OK, "a@b.test", 0, false },
    { "from:<a@b.test>", SMTPPATH_OK, "a@b.test", 0, false },
    { "FROM: <a@b.test>", SMTPPATH_OK, "a@b.test", 0, false },
    { "FROM:<>", SMTPPATH_OK, "", 0, false },
    { "FROM:<a@B.Test> SIZE=1000", SMTPPATH_OK, "a@b.test", 1000, false },
    { "FROM:<a@b.test>  size=1000   body=8bitmime ", SMTPPATH_OK, "a@b.test", 1000, true },
    { "FROM:<a@b.test> BODY=7BIT", SMTPPATH_OK, "a@b.test", 0, false },
    { "FROM:<a@b.test> AUTH=<>", SMTPPATH_OK, "a@b.test", 0, false },
    { "FROM:<a@b.test> SIZE=99999999999999999999", SMTPPATH_OK, "a@b.test", INT64_MAX, false },
    { "FROM:<@x.test,@y.test:a@b.test>", SMTPPATH_OK, "a@b.test", 0, false },
    { "FROM:a@b.test", SMTPPATH_ADDRESS, "", 0, false },
    { "FROM:<a@b.test", SMTPPATH_ADDRESS, "", 0, false },
    { "FROM:<a>", SMTPPATH_ADDRESS, "", 0, false },
    { "FROM:<postmaster>", SMTPPATH_ADDRESS, "", 0, false },
    { "FROM:", SMTPPATH_ADDRESS, "", 0, false },
    { "FROM:<a@b.test>SIZE=3", SMTPPATH_SYNTAX, "", 0, false },
    { "FROM:<a@b.test> SIZE", SMTPPATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> SIZE=", SMTPPATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> SIZE=-1", SMTPPATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> SIZE=1k", SMTPPATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> SIZE=999999999999999999999", SMTPPATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> SIZE=1 SIZE=1", SMTPPATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> BODY=9BIT", SMTPPATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> BODY=", SMTPPATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> AUTH", SMTPPATH_VALUE, "", 0, false },
    { "FROM:<a@b.test> RET=FULL", SMTPPATH_UNKNOWN, "", 0, false },
    { "FROM:<a@b.test> SMTPUTF8", SMTPPATH_UNKNOWN, "", 0, false },
    { "FROM:<a@b.test> =", SMTPPATH_UNKNOWN, "", 0, false },
    { "TO:<a@b.test>", SMTPPATH_SYNTAX, "", 0, false },
    { "<a@b.test>", SMTPPATH_SYNTAX, "", 0, false },
    { "FROM <a@b.test>", SMTPPATH_SYNTAX, "", 0, false },
    { "FROM", SMTPPATH_SYNTAX, "", 0, false },
    { "", SMTPPATH_SYNTAX, "", 0, false },
};

static const struct row rcpts[] = {
    { "TO:<a@b.test>", SMTPPATH_OK, "a@b.test", 0, false },
    { "To: <a@b.test> ", SMTPPATH_OK, "a@b.test", 0, false },
    { "TO:<Postmaster>", SMTPPATH_OK, "postmaster", 0, false },
    { "TO:<postmaster>", SMTPPATH_OK, "postmaster", 0, false },
    { "TO:<>", SMTPPATH_ADDRESS, "", 0, false },
    { "TO:<alice>", SMTPPATH_ADDRESS, "", 0, false },
    { "TO:<a@b.test> NOTIFY=NEVER", SMTPPATH_UNKNOWN, "", 0, false },
    { "TO:<a@b.test>x", SMTPPATH_SYNTAX, "", 0, false },
    { "FROM:<a@b.test>", SMTPPATH_SYNTAX, "", 0, false },
};

static void check_mail(const struct row *r)
{
    struct smtppath_mail m;
    enum smtppath_result got = smtppath_read_mail(span_of(r->argument), true, &m);
    bool same = got == r->result && (got != SMTPPATH_OK || (span_ieq_str(span_of(m.sender.text), r->address) &&
                                                            m.size == r->size && m.eight_bit == r->eight_bit));
    if (!ok(same, "MAIL %s", r->argument))
        printf("# result %d size %" PRIu64 " sender %s\n", got, m.size, m.sender.text);
}

static void check_rcpt(const struct row *r)
{
    struct address a;
    enum smtppath_result got = smtppath_read_rcpt(span_of(r->argument), &a);
    if (!ok(got == r->result && (got != SMTPPATH_OK || span_ieq_str(span_of(a.text), r->address)), "RCPT %s", r->argument))
        printf("# result %d recipient %s\n", got, a.text);
}

int main(void)
{
    struct smtppath_mail m;
    for (size_t i = 0; i < sizeof mails / sizeof mails[0]; i++)
        check_mail(&mails[i]);
    for (size_t i = 0; i < sizeof rcpts / sizeof rcpts[0]; i++)
        check_rcpt(&rcpts[i]);
    ok(smtppath_read_mail(SPAN("FROM:<a@b.test> AUTH=<>"), false, &m) == SMTPPATH_UNKNOWN, "AUTH= where it isn't offered");
    return done_testing();
}
