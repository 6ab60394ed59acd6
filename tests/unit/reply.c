/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Replies of SMTP servers, good and bad, and what EHLO offers.
 */
#include "tap.h"

#include "text/reply.h"

#include <string.h>

static const struct {
    const char *name;
    const char *lines; /* parted by '|' */
    enum reply_state expected;
    unsigned code;
    const char *text, *status;
} rows[] = {
    { "one line", "250 2.1.0 ok", REPLY_DONE, 250, "2.1.0 ok", "2.1.0" },
    { "a code alone", "354", REPLY_DONE, 354, "", "" },
    { "several lines", "550-5.1.1 no|550-5.1.1 such|550 5.1.1 user", REPLY_DONE, 550, "5.1.1 no such user",
      "5.1.1" },
    { "more to come", "250-one|250-two", REPLY_MORE, 250, "one two", "" },
    { "codes differ", "250-one|251 two", REPLY_BAD, 250, "one", "" },
    { "an enhanced code of another class", "550 2.1.1 odd", REPLY_DONE, 550, "2.1.1 odd", "" },
    { "no enhanced code", "550 5.1 odd", REPLY_DONE, 550, "5.1 odd", "" },
    { "an address like an enhanced code", "554 5.1.1.1 odd", REPLY_DONE, 554, "5.1.1.1 odd", "" },
    { "a long enhanced code", "554 5.1234.1 odd", REPLY_DONE, 554, "5.1234.1 odd", "" },
    { "control bytes and 8-bit bytes", "550 a\x01\x1b[2J\xff\tb", REPLY_DONE, 550, "a??[2J??b", "" },
    { "no code", "hello", REPLY_BAD, 0, "", "" },
    { "two digits", "25 x", REPLY_BAD, 0, "", "" },
    { "four digits", "2500 x", REPLY_BAD, 0, "", "" },
    { "a code too low", "150 x", REPLY_BAD, 0, "", "" },
    { "a code too high", "600 x", REPLY_BAD, 0, "", "" },
    { "an empty line", "", REPLY_BAD, 0, "", "" },
};

static void replies(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct span rest = span_of(rows[i].lines), line;
        struct reply r;
        char status[12];
        enum reply_state state = REPLY_MORE;
        reply_start(&r);
        while (state == REPLY_MORE && span_cut(&rest, '|', &line))
            state = reply_line(&r, line);
        reply_status(r.text, r.code, status);
        bool good = state == rows[i].expected;
        if (state != REPLY_BAD)
            good = good && r.code == rows[i].code && strcmp(r.text, rows[i].text) == 0 &&
                   strcmp(status, rows[i].status) == 0;
        ok(good, "%s: %u \"%s\" %s", rows[i].name, r.code, r.text, status);
    }
}

static void mechanisms(void)
{
    struct ehlo e = { 0 };
    ehlo_line(&e, SPAN("AUTH CRAM-MD5 plain XOAUTH2"));
    ok(e.auth == EHLO_AUTH_PLAIN, "AUTH: PLAIN among others");
    ehlo_line(&e, SPAN("AUTH=LOGIN"));
    ok(e.auth == (EHLO_AUTH_PLAIN | EHLO_AUTH_LOGIN), "AUTH= as there once was");
    ehlo_line(&e, SPAN("AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256"));
    ok(e.auth & EHLO_AUTH_SCRAM, "SCRAM-SHA-256");
}

static void limits(void)
{
    const struct span line = SPAN("250-many words on every line");
    static char wide[REPLY_LIMIT + 1];
    struct reply r;
    enum reply_state state = REPLY_MORE;
    unsigned lines = 0;
    memset(wide, 'x', sizeof wide);
    memcpy(wide, "250 ", 4);
    reply_start(&r);
    for (; state == REPLY_MORE && lines < 2000; lines++)
        state = reply_line(&r, line);
    ok(state == REPLY_MORE && reply_line(&r, SPAN("250 end")) == REPLY_DONE && r.code == 250,
       "%u lines are read to their end", lines);
    ok(strlen(r.text) == REPLY_TEXT_LIMIT && r.length == REPLY_TEXT_LIMIT, "and their text is cut");
    reply_start(&r);
    for (state = REPLY_MORE, lines = 0; state == REPLY_MORE && lines < REPLY_LIMIT; lines++)
        state = reply_line(&r, line);
    ok(state == REPLY_BAD && lines == REPLY_LIMIT / line.n + 1, "%u lines are too many", lines);
    reply_start(&r);
    ok(reply_line(&r, (struct span){ wide, REPLY_LIMIT }) == REPLY_DONE && r.length == REPLY_TEXT_LIMIT,
       "a line of %d bytes", REPLY_LIMIT);
    reply_start(&r);
    ok(reply_line(&r, (struct span){ wide, REPLY_LIMIT + 1 }) == REPLY_BAD, "and one more");
}

static void offers(void)
{
    static const char *const lines[] = { "PIPELINING", "size 1000",     "8bitmime", "STARTTLS", "SMTPUTF8",
                                         "dsn",        "X-UNKNOWN a b", "",         "SIZEX 5" };
    struct ehlo e = { 0 };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        ehlo_line(&e, span_of(lines[i]));
    ok(e.pipelining && e.size && e.size_limit == 1000 && e.eight_bit && e.starttls && e.utf8 && e.dsn,
       "what EHLO offers");
    ehlo_line(&e, SPAN("SIZE 99999999999999999999"));
    ok(e.size && e.size_limit == 0, "a size that is none is no limit");
    e = (struct ehlo){ 0 };
    ehlo_line(&e, SPAN("SIZE"));
    ok(e.size && e.size_limit == 0 && !e.starttls, "SIZE without a number");
}

/* LIMITS (RFC 9422), as the lines of one reply, parted by '|'. */
static const struct {
    const char *name, *lines;
    unsigned mails, recipients, domains;
} limit_rows[] = {
    { "the RFC's example", "LIMITS RCPTMAX=20 MAILMAX=5", 5, 20, 0 },
    { "all of them, in any case", "limits rcptdomainmax=3 Mailmax=1 RCPTMAX=2", 1, 2, 3 },
    { "the largest", "LIMITS MAILMAX=999999 RCPTMAX=999999 RCPTDOMAINMAX=999999", 999999, 999999, 999999 },
    { "blanks at the ends", "LIMITS   RCPTMAX=7 ", 0, 7, 0 },
    { "unknown ones beside", "LIMITS FLAG DATA-MAX=a=b RCPT_MAX=1 RCPTMAX=7 X=1:2", 0, 7, 0 },
    { "none", "LIMITS", 0, 0, 0 },
    { "another keyword", "LIMITSX RCPTMAX=7", 0, 0, 0 },
    /* a value that is wrong is no limit, and spoils no other */
    { "zero", "LIMITS RCPTMAX=0 MAILMAX=5", 5, 0, 0 },
    { "zeros", "LIMITS RCPTMAX=000000 MAILMAX=5", 5, 0, 0 },
    { "a zero in front", "LIMITS RCPTMAX=07 MAILMAX=5", 5, 0, 0 },
    { "seven digits", "LIMITS RCPTMAX=1000000 MAILMAX=5", 5, 0, 0 },
    { "digits without end", "LIMITS RCPTMAX=99999999999999999999999999999999999999 MAILMAX=5", 5, 0, 0 },
    { "2 to the 64th and one", "LIMITS RCPTMAX=18446744073709551617 MAILMAX=5", 5, 0, 0 },
    { "a sign", "LIMITS RCPTMAX=-1 MAILMAX=+5", 0, 0, 0 },
    { "no number", "LIMITS RCPTMAX=many MAILMAX=5", 5, 0, 0 },
    { "something behind the number", "LIMITS RCPTMAX=7, MAILMAX=5", 5, 0, 0 },
    { "no value", "LIMITS RCPTMAX MAILMAX=5", 5, 0, 0 },
    /* a list that is none says nothing */
    { "an empty value", "LIMITS RCPTMAX= MAILMAX=5", 0, 0, 0 },
    { "an empty name", "LIMITS RCPTMAX=7 =5", 0, 0, 0 },
    { "a semicolon", "LIMITS RCPTMAX=7; MAILMAX=5", 0, 0, 0 },
    { "two blanks", "LIMITS RCPTMAX=7  MAILMAX=5", 0, 0, 0 },
    { "a tab", "LIMITS RCPTMAX=7\tMAILMAX=5", 0, 0, 0 },
    { "a name of other bytes", "LIMITS RCPTMAX=7 M\xc3\xa4X=5", 0, 0, 0 },
    { "a value of other bytes", "LIMITS RCPTMAX=7 X=\xff", 0, 0, 0 },
    { "a colon for the sign of equality", "LIMITS RCPTMAX:7 MAILMAX=5", 0, 0, 0 },
    /* said twice */
    { "the lower one, first", "LIMITS RCPTMAX=3 RCPTMAX=7", 0, 3, 0 },
    { "the lower one, last", "LIMITS RCPTMAX=7 RCPTMAX=3", 0, 3, 0 },
    { "a wrong one beside", "LIMITS RCPTMAX=7 RCPTMAX=0", 0, 7, 0 },
    { "in two lines", "LIMITS RCPTMAX=7 MAILMAX=5|SIZE 5|LIMITS RCPTMAX=3 MAILMAX=6", 5, 3, 0 },
    { "in two lines, one of them none", "LIMITS RCPTMAX=7|LIMITS RCPTMAX=3;", 0, 7, 0 },
};

static void said_limits(void)
{
    for (size_t i = 0; i < sizeof limit_rows / sizeof limit_rows[0]; i++) {
        struct span rest = span_of(limit_rows[i].lines), line;
        struct ehlo e = { 0 };
        const struct ehlo_limits *l = &e.limits;
        while (span_cut(&rest, '|', &line))
            ehlo_line(&e, line);
        ok(l->mails == limit_rows[i].mails && l->recipients == limit_rows[i].recipients &&
               l->domains == limit_rows[i].domains,
           "LIMITS, %s: %u %u %u", limit_rows[i].name, l->mails, l->recipients, l->domains);
    }
}

int main(void)
{
    replies();
    mechanisms();
    limits();
    offers();
    said_limits();
    return done_testing();
}
