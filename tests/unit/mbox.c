/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mbox: where messages begin and end, how they are quoted, and what the file's own fields say.
 */
#include "tap.h"

#include "text/mbox.h"

#include <inttypes.h>
#include <string.h>

#define FROM "From bob@example.org  Fri Nov 21 09:55:06 1997\n"
#define NEXT "From MAILER-DAEMON Sat Nov 22 09:55:06 1997\n"
#define AT 880106106

static bool put(void *to, struct span piece)
{
    return bytes_add_span(to, piece);
}

/* Messages as they are read, a "|" behind each. */
static void reading(void)
{
    static const struct {
        const char *name, *file;
        enum mbox_format format;
        const char *messages; /* NULL: no mbox */
    } rows[] = {
        { "empty", "", MBOX_ANY, "" },
        { "empty lines", "\n\r\n", MBOX_ANY, "" },
        { "no mbox", "Subject: x\n\n", MBOX_ANY, NULL },
        { "one", FROM "a: b\n\ntext\n\n", MBOX_ANY, "a: b\n\ntext\n|" },
        { "without its last line", FROM "a: b\n\ntext\n", MBOX_ANY, "a: b\n\ntext\n|" },
        { "without its last line end", FROM "a: b\n\ntext", MBOX_ANY, "a: b\n\ntext|" },
        { "two", FROM "a: b\n\ntext\n\n" NEXT "c: d\n\n\n", MBOX_ANY, "a: b\n\ntext\n|c: d\n\n|" },
        { "empty lines at the end are the message's but for one",
          FROM "a: b\n\ntext\n\n\n\n" NEXT "c: d\n\n\n", MBOX_ANY, "a: b\n\ntext\n\n\n|c: d\n\n|" },
        { "no body, no empty line", FROM "a: b\n\n" NEXT "c: d\n\n", MBOX_ANY, "a: b\n|c: d\n|" },
        { "CRLF",
          "From a Fri Nov 21 09:55:06 1997\r\na: b\r\n\r\ntext\r\n\r\nFrom b Fri Nov 21 09:55:06 1997\r\nc: d\r\n\r\n\r\n",
          MBOX_ANY, "a: b\r\n\r\ntext\r\n|c: d\r\n\r\n|" },
        { "From without a date is text", FROM "a: b\n\ntext\n\nFrom here on\n\n", MBOX_ANY,
          "a: b\n\ntext\n\nFrom here on\n|" },
        { "unless the first has none", "From x\na: b\n\ntext\n\nFrom y\nc: d\n\n\n", MBOX_ANY,
          "a: b\n\ntext\n|c: d\n\n|" },
        { "From within a paragraph is text", FROM "a: b\n\ntext\n" NEXT "\n", MBOX_ANY,
          "a: b\n\ntext\n" NEXT "|" },
        { "mboxrd", FROM "a: b\n\n>From x\n>>From y\n> From z\nx>From\n\n", MBOX_RD,
          "a: b\n\nFrom x\n>From y\n> From z\nx>From\n|" },
        { "mboxrd if nothing is said", FROM "a: b\n\n>From x\n>>From y\n\n", MBOX_ANY,
          "a: b\n\nFrom x\n>From y\n|" },
        { "mboxo", FROM "a: b\n\n>From x\n>>From y\n\n", MBOX_O, "a: b\n\nFrom x\n>>From y\n|" },
        { "a length that fits: nothing is quoted",
          FROM "Content-Length: 58\na: b\n\n>From x\n\n" NEXT "text\n\n" NEXT "c: d\n\n\n", MBOX_ANY,
          "a: b\n\n>From x\n\n" NEXT "text\n|c: d\n\n|" },
        { "mboxcl: it is", FROM "a: b\nContent-Length: 16\n\n>From x\n>>From\n\n\n" NEXT "c: d\n\n\n",
          MBOX_CL, "a: b\n\nFrom x\n>>From\n\n|c: d\n\n|" },
        { "a length that fits at the end", FROM "content-length: 5\na: b\n\ntext\n", MBOX_CL2,
          "a: b\n\ntext\n|" },
        { "without the end of the last line", FROM "Content-Length: 4\na: b\n\ntext\n\n" NEXT "c: d\n\n\n",
          MBOX_ANY, "a: b\n\ntext|c: d\n\n|" },
        { "a length too short", FROM "Content-Length: 3\na: b\n\ntext\n\n" NEXT "c: d\n\n\n", MBOX_ANY,
          "a: b\n\ntext\n|c: d\n\n|" },
        { "too long", FROM "Content-Length: 60\na: b\n\ntext\n\n" NEXT "c: d\n\n\n", MBOX_ANY,
          "a: b\n\ntext\n|c: d\n\n|" },
        { "beyond the end", FROM "Content-Length: 99999999999999999999\na: b\n\ntext\n\n", MBOX_ANY,
          "a: b\n\ntext\n|" },
        { "mboxrd: no length counts", FROM "Content-Length: 51\na: b\n\ntext\n\n" NEXT "\n", MBOX_RD,
          "a: b\n\ntext\n||" },
        { "the file's own fields are taken out",
          FROM "Status: RO\na: b\nX-Keywords: x\n  y\nX-UID: 4\n c\nX-Status:\n\nStatus: text\n\n", MBOX_ANY,
          "a: b\n\nStatus: text\n|" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mbox m;
        struct mbox_message message;
        struct bytes out;
        bytes_init(&out, 4096);
        bool good = mbox_open(span_of(rows[i].file), rows[i].format, &m);
        while (good && mbox_next(&m, &message)) {
            mbox_read(&m, &message, put, &out);
            bytes_add_char(&out, '|');
        }
        ok(good == (rows[i].messages != NULL) && (!good || strcmp(bytes_str(&out), rows[i].messages) == 0),
           "read, %s: %s", rows[i].name, good ? bytes_str(&out) : "no mbox");
        bytes_free(&out);
    }
}

static void facts(void)
{
    static const struct {
        const char *name, *file;
        int64_t date;
        unsigned flags;
        const char *keywords;
        bool internal;
    } rows[] = {
        { "a date", FROM "a: b\n\n", AT, 0, "", false },
        { "with a zone", "From x Fri Nov 21 09:55:06 GMT 1997\na: b\n\n", AT, 0, "", false },
        { "with a numeric one", "From x Fri Nov 21 10:55:06 1997 +0100\na: b\n\n", AT, 0, "", false },
        { "a sender of words", "From \"Bob B\" <x> Fri Nov 21 09:55:06 1997\na: b\n\n", AT, 0, "", false },
        { "remote from", "From x Fri Nov 21 09:55:06 1997 remote from y\na: b\n\n", AT, 0, "", false },
        { "the Date field's, where there is none", "From x\nDate: Fri, 21 Nov 1997 09:55:06 +0000\n\n", AT, 0,
          "", false },
        { "none at all", "From x\na: b\n\n", 0, 0, "", false },
        { "read", FROM "Status: RO\n\n", AT, MBOX_SEEN, "", false },
        { "old", FROM "Status: O\n\n", AT, 0, "", false },
        { "all flags", FROM "X-Status: AFDT\nStatus: R\n\n", AT, 31, "", false },
        { "R says nothing in X-Status", FROM "X-Status: R\nStatus: AF\n\n", AT, 0, "", false },
        { "keywords", FROM "X-Keywords: $Forwarded work   \n\n", AT, 0, "$Forwarded work", false },
        { "flags in the body", FROM "a: b\n\nStatus: R\n", AT, 0, "", false },
        { "c-client's own message",
          FROM "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\n", AT, 0, "",
          true },
        { "one that only looks so", FROM "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n\n", AT,
          0, "", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mbox m;
        struct mbox_message message;
        bool good = mbox_open(span_of(rows[i].file), MBOX_ANY, &m) && mbox_next(&m, &message);
        ok(good && message.date == rows[i].date && message.flags == rows[i].flags &&
               span_eq_str(message.keywords, rows[i].keywords) && message.internal == rows[i].internal,
           "says, %s: %" PRId64 " %u", rows[i].name, good ? message.date : 0, good ? message.flags : 0);
    }
}

static void writing(void)
{
    static const struct {
        const char *name, *message;
        int64_t date;
        unsigned flags;
        const char *keywords, *file;
    } rows[] = {
        { "nothing", "", 86400, 0, "", "From MAILER-DAEMON  Fri Jan 02 00:00:00 1970\nStatus: O\n\n" },
        { "all", "Return-Path: <bob@example.org>\na: b\n\ntext\n", AT, 31, "$x y",
          FROM
          "Return-Path: <bob@example.org>\na: b\nStatus: RO\nX-Status: AFDT\nX-Keywords: $x y\n\ntext\n\n" },
        { "quoted", "a: b\n\nFrom x\n>From y\n> From\n", AT, 0, "",
          "From MAILER-DAEMON  Fri Nov 21 09:55:06 1997\na: b\nStatus: O\n\n>From x\n>>From y\n> From\n\n" },
        { "a path that can't stand there", "Return-Path: <\"a b\"@c>\n\n", AT, 1, "",
          "From MAILER-DAEMON  Fri Nov 21 09:55:06 1997\nReturn-Path: <\"a b\"@c>\nStatus: RO\n\n\n" },
        { "no last line end", "a: b\n\ntext", AT, 1, "",
          "From MAILER-DAEMON  Fri Nov 21 09:55:06 1997\na: b\nStatus: RO\n\ntext\n\n" },
        { "a field of the file's name", "Status: X\na: b\n\n", AT, 1, "",
          "From MAILER-DAEMON  Fri Nov 21 09:55:06 1997\na: b\nStatus: RO\n\n\n" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes out;
        bytes_init(&out, 4096);
        mbox_write(span_of(rows[i].message), rows[i].date, rows[i].flags, span_of(rows[i].keywords), put,
                   &out);
        ok(strcmp(bytes_str(&out), rows[i].file) == 0, "written, %s: %s", rows[i].name, bytes_str(&out));
        bytes_free(&out);
    }
}

int main(void)
{
    enum mbox_format format;
    reading();
    facts();
    writing();
    ok(mbox_format_of(SPAN("mboxcl2"), &format) && format == MBOX_CL2, "a format by its name");
    ok(!mbox_format_of(SPAN("mbox"), &format), "none");
    return done_testing();
}
