/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Dates: RFC 5322 3.3, 4.3 and appendix A; RFC 3501 date-time and date.
 */
#include "tap.h"

#include "text/date.h"

#include <inttypes.h>
#include <string.h>

static void reading(void)
{
    static const struct {
        const char *name, *text;
        bool good;
        int64_t seconds;
        int zone;
    } rows[] = {
        { "A.1.1", "Fri, 21 Nov 1997 09:55:06 -0600", true, 880127706, -360 },
        { "A.1.2", " Tue, 1 Jul 2003 10:52:37 +0200", true, 1057049557, 120 },
        { "A.1.3", "Thu, 13 Feb 1969 23:32:54 -0330", true, -27723426, -210 },
        { "A.5",
          "Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 (Newfoundland Time)",
          true, -27723480, -210 },
        { "A.6.2", "21 Nov 97 09:55:06 GMT", true, 880106106, 0 },
        { "A.6.3", "Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", true, 880127706, -360 },
        { "no weekday, no seconds", "21 Nov 1997 09:55 -0600", true, 880127700, -360 },
        { "EST", "21 Nov 1997 09:55:06 EST", true, 880124106, -300 },
        { "PDT", "21 Nov 1997 09:55:06 pdt", true, 880131306, -420 },
        { "military", "21 Nov 1997 09:55:06 A", true, 880106106, 0 },
        { "unknown zone", "21 Nov 1997 09:55:06 CEST", true, 880106106, 0 },
        { "no zone", "21 Nov 1997 09:55:06", true, 880106106, 0 },
        { "broken zone", "21 Nov 1997 09:55:06 +1", true, 880106106, 0 },
        { "two-digit year below 50", "1 Jan 49 00:00:00 +0000", true, 2493072000, 0 },
        { "two-digit year from 50", "1 Jan 50 00:00:00 +0000", true, -631152000, 0 },
        { "three-digit year", "1 Jan 126 00:00:00 +0000", true, 1767225600, 0 },
        { "leap second", "31 Dec 2016 23:59:60 +0000", true, 1483228800, 0 },
        { "29 February", "29 Feb 2000 00:00:00 +0000", true, 951782400, 0 },
        { "no 29 February", "29 Feb 1900 00:00:00 +0000", false, 0, 0 },
        { "asctime", "Fri Nov 21 09:55:06 1997", true, 880106106, 0 },
        { "asctime with a zone", "Fri Nov 21 09:55:06 GMT 1997", true, 880106106, 0 },
        { "dashes", "21-Nov-1997 09:55:06 +0000", true, 880106106, 0 },
        { "one-digit hour", "21 Nov 1997 9:55:06 +0000", true, 880106106, 0 },
        { "1 January 0000", "1 Jan 0000 00:00:00 +0000", true, -62167219200, 0 },
        { "31 December 9999", "31 Dec 9999 23:59:59 +0000", true, 253402300799, 0 },
        { "year of five digits", "1 Jan 10000 00:00:00 +0000", false, 0, 0 },
        { "day 32", "32 Jan 2000 00:00:00 +0000", false, 0, 0 },
        { "day 0", "0 Jan 2000 00:00:00 +0000", false, 0, 0 },
        { "hour 24", "1 Jan 2000 24:00:00 +0000", false, 0, 0 },
        { "minute 60", "1 Jan 2000 00:60:00 +0000", false, 0, 0 },
        { "no month", "1 Foo 2000 00:00:00 +0000", false, 0, 0 },
        { "no time", "1 Jan 2000", false, 0, 0 },
        { "long number", "1 Jan 99999999999999999999 00:00:00 +0000", false, 0, 0 },
        { "words", "yesterday", false, 0, 0 },
        { "8-bit", "\xff, 1 Jan 2000 00:00 +0000", false, 0, 0 },
        { "empty", "", false, 0, 0 },
        { "unclosed comment", "(1 Jan 2000 00:00:00 +0000", false, 0, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t seconds = 0;
        int zone = 0;
        bool good = date_read(span_of(rows[i].text), &seconds, &zone);
        ok(good == rows[i].good && (!good || (seconds == rows[i].seconds && zone == rows[i].zone)),
           "read, %s: %" PRId64 " %d", rows[i].name, seconds, zone);
    }
}

static void imap(void)
{
    static const struct {
        const char *name, *text;
        bool good;
        int64_t seconds;
    } rows[] = {
        { "RFC 3501 6.3.11", "07-Feb-1994 21:52:25 -0800", true, 760686745 },
        { "RFC 3501 7.4.2", "17-Jul-1996 02:44:25 -0700", true, 837596665 },
        { "day with a blank", " 7-Feb-1994 21:52:25 -0800", true, 760686745 },
        { "case", "07-FEB-1994 21:52:25 +0000", true, 760657945 },
        { "no zone", "07-Feb-1994 21:52:25", false, 0 },
        { "named zone", "07-Feb-1994 21:52:25 PST", false, 0 },
        { "more behind", "07-Feb-1994 21:52:25 -0800 ", false, 0 },
        { "long month", "07-February-1994 21:52:25 -0800", false, 0 },
        { "31 February", "31-Feb-1994 21:52:25 -0800", false, 0 },
        { "year of two digits", "07-Feb-94 21:52:25 -0800", false, 0 },
        { "blank and two digits", " 17-Feb-1994 21:52:25 -0800", false, 0 },
        { "zone's minutes", "07-Feb-1994 21:52:25 -0860", false, 0 },
        { "empty", "", false, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t seconds = 0;
        bool good = date_read_imap(span_of(rows[i].text), &seconds);
        ok(good == rows[i].good && (!good || seconds == rows[i].seconds), "IMAP, %s: %" PRId64, rows[i].name,
           seconds);
    }
    int64_t day = 0;
    ok(date_read_imap_day(SPAN("1-Feb-1994"), &day) && day == 760060800, "SEARCH date");
    ok(date_read_imap_day(SPAN("01-feb-1994"), &day) && day == 760060800, "SEARCH date of two digits");
    ok(!date_read_imap_day(SPAN("1-Feb-1994 "), &day) && !date_read_imap_day(SPAN(" 1-Feb-1994"), &day) &&
           !date_read_imap_day(SPAN("1-Feb-94"), &day) && !date_read_imap_day(SPAN(""), &day),
       "no SEARCH dates");
}

static void writing(void)
{
    static const struct {
        int64_t seconds;
        const char *mail, *imap;
    } rows[] = {
        { 0, "Thu, 1 Jan 1970 00:00:00 +0000", "\"01-Jan-1970 00:00:00 +0000\"" },
        { -1, "Wed, 31 Dec 1969 23:59:59 +0000", "\"31-Dec-1969 23:59:59 +0000\"" },
        { 1795297081, "Sat, 21 Nov 2026 21:38:01 +0000", "\"21-Nov-2026 21:38:01 +0000\"" },
        { 951782400, "Tue, 29 Feb 2000 00:00:00 +0000", "\"29-Feb-2000 00:00:00 +0000\"" },
        { 4107542399, "Sun, 28 Feb 2100 23:59:59 +0000", "\"28-Feb-2100 23:59:59 +0000\"" },
        { INT64_MAX, "Fri, 31 Dec 9999 23:59:59 +0000", "\"31-Dec-9999 23:59:59 +0000\"" },
        { INT64_MIN, "Sat, 1 Jan 0000 00:00:00 +0000", "\"01-Jan-0000 00:00:00 +0000\"" },
    };
    struct bytes out;
    bytes_init(&out, 100);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bytes_clear(&out);
        ok(date_write(rows[i].seconds, &out) && strcmp(bytes_str(&out), rows[i].mail) == 0, "write %s",
           bytes_str(&out));
        bytes_clear(&out);
        ok(date_write_imap(rows[i].seconds, &out) && strcmp(bytes_str(&out), rows[i].imap) == 0, "write %s",
           bytes_str(&out));
    }
    bool same = true;
    for (int64_t t = -62167219200; t <= 253402300799 && same; t += 86400 * 13 + 12345) {
        int64_t mail = 0, imap = 0;
        bytes_clear(&out);
        date_write(t, &out);
        same = date_read(span_bytes(&out), &mail, NULL) && mail == t;
        bytes_clear(&out);
        date_write_imap(t, &out);
        same = same && date_read_imap((struct span){ out.data + 1, out.len - 2 }, &imap) && imap == t;
    }
    ok(same, "what is written is read back, over ten thousand years");
    bytes_free(&out);
}

static void internet(void)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        { "2026-12-31T23:59:59Z", true },  { "2026-13-01T00:00:00Z", false },
        { "2026-41-01T00:00:00Z", false }, { "2026-99-99T00:00:00Z", false },
        { "2026-00-01T00:00:00Z", false }, { "2026-01-00T00:00:00Z", false },
        { "2026-02-29T00:00:00Z", false }, { "2028-02-29T00:00:00Z", true },
        { "2026-01-01T24:00:00Z", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t seconds;
        ok(date_read_internet(span_of(rows[i].text), &seconds) == rows[i].valid, "%s is %s", rows[i].text,
           rows[i].valid ? "a date" : "none");
    }
}

int main(void)
{
    reading();
    internet();
    imap();
    writing();
    return done_testing();
}
