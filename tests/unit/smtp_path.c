/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The arguments of MAIL and RCPT.
 */
#include "text/smtp_path.h"
#include "tap.h"

#include <inttypes.h>

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
    { "FROM:a@b.test", SMTP_PATH_ADDRESS, "", 0, false },
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
    { "FROM:<a@b.test> RET=FULL", SMTP_PATH_UNKNOWN, "", 0, false },
    { "FROM:<a@b.test> SMTPUTF8", SMTP_PATH_UNKNOWN, "", 0, false },
    { "FROM:<a@b.test> =", SMTP_PATH_UNKNOWN, "", 0, false },
    { "TO:<a@b.test>", SMTP_PATH_SYNTAX, "", 0, false },
    { "<a@b.test>", SMTP_PATH_SYNTAX, "", 0, false },
    { "FROM <a@b.test>", SMTP_PATH_SYNTAX, "", 0, false },
    { "FROM", SMTP_PATH_SYNTAX, "", 0, false },
    { "", SMTP_PATH_SYNTAX, "", 0, false },
};

static const struct row rcpts[] = {
    { "TO:<a@b.test>", SMTP_PATH_OK, "a@b.test", 0, false },
    { "To: <a@b.test> ", SMTP_PATH_OK, "a@b.test", 0, false },
    { "TO:<Postmaster>", SMTP_PATH_OK, "postmaster", 0, false },
    { "TO:<postmaster>", SMTP_PATH_OK, "postmaster", 0, false },
    { "TO:<>", SMTP_PATH_ADDRESS, "", 0, false },
    { "TO:<alice>", SMTP_PATH_ADDRESS, "", 0, false },
    { "TO:<a@b.test> NOTIFY=NEVER", SMTP_PATH_UNKNOWN, "", 0, false },
    { "TO:<a@b.test>x", SMTP_PATH_SYNTAX, "", 0, false },
    { "FROM:<a@b.test>", SMTP_PATH_SYNTAX, "", 0, false },
};

static void check_mail(const struct row *r)
{
    struct smtp_path_mail m;
    enum smtp_path_result got = smtp_path_read_mail(span_of(r->argument), true, &m);
    bool same = got == r->result && (got != SMTP_PATH_OK || (span_ieq_str(span_of(m.sender.text), r->address) &&
                                                            m.size == r->size && m.eight_bit == r->eight_bit));
    if (!ok(same, "MAIL %s", r->argument))
        printf("# result %d size %" PRIu64 " sender %s\n", got, m.size, m.sender.text);
}

static void check_rcpt(const struct row *r)
{
    struct address a;
    enum smtp_path_result got = smtp_path_read_rcpt(span_of(r->argument), &a);
    if (!ok(got == r->result && (got != SMTP_PATH_OK || span_ieq_str(span_of(a.text), r->address)), "RCPT %s", r->argument))
        printf("# result %d recipient %s\n", got, a.text);
}

int main(void)
{
    struct smtp_path_mail m;
    for (size_t i = 0; i < sizeof mails / sizeof mails[0]; i++)
        check_mail(&mails[i]);
    for (size_t i = 0; i < sizeof rcpts / sizeof rcpts[0]; i++)
        check_rcpt(&rcpts[i]);
    ok(smtp_path_read_mail(SPAN("FROM:<a@b.test> AUTH=<>"), false, &m) == SMTP_PATH_UNKNOWN, "AUTH= where it isn't offered");
    return done_testing();
}
