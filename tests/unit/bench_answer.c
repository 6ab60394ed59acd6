/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What `make bench` checks answers with: an answer that lacks something, or is about something else, is seen.
 */
#include "tap.h"

#include "../bench/answer.h"

#define ID_ONE "<1.bench@example.test>"
#define DONE "x OK done\r\n"
#define MESSAGE "Subject: a\r\nX-Sum: af63ec4c860207bc\r\n\r\nq" /* FNV-1a of "q" */

static const struct {
    const char *name, *check, *answer;
    bool right;
} rows[] = {
    { "as many FETCH responses", "fetches=2", "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\n" DONE, true },
    { "one FETCH response less", "fetches=3", "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\n" DONE, false },
    { "an item that one lacks", "fetches=2,has=UID", "* 1 FETCH (UID 1)\r\n* 2 FETCH ()\r\n" DONE, false },
    { "a flag that is still there", "lacks=\\Seen", "* 1 FETCH (FLAGS (\\Seen))\r\n" DONE, false },
    { "a flag that is gone", "lacks=\\Seen", "* 1 FETCH (FLAGS ())\r\n" DONE, true },
    { "the envelope of this message", "numbered", "* 1 FETCH (ENVELOPE (\"" ID_ONE "\"))\r\n" DONE, true },
    { "the envelope of another", "numbered", "* 2 FETCH (ENVELOPE (\"" ID_ONE "\"))\r\n" DONE, false },
    { "an item behind a literal", "fetches=1,has=UID", "* 1 FETCH (X {5}\r\n* 9\r\n UID 1)\r\n" DONE, true },
    { "a body that is whole", "sums", "* 1 FETCH (BODY[] {40}\r\n" MESSAGE ")\r\n" DONE, true },
    { "a body that is another", "sums", "* 1 FETCH (BODY[] {41}\r\n" MESSAGE "q)\r\n" DONE, false },
    { "a body that is cut", "sums", "* 1 FETCH (BODY[] {39}\r\n" MESSAGE ")\r\n" DONE, false },
    { "a literal beyond the end", "-", "* 1 FETCH (BODY[] {4000}\r\n" MESSAGE ")\r\n" DONE, false },
    { "as many hits", "hits=3", "* SEARCH 1 20 300\r\n" DONE, true },
    { "no hits", "hits=0", "* SEARCH\r\n" DONE, true },
    { "one hit too many", "hits=2", "* SEARCH 1 20 300\r\n" DONE, false },
    { "no SEARCH at all", "hits=2", DONE, false },
    { "EXISTS", "exists=7", "* 7 EXISTS\r\n* 0 RECENT\r\n" DONE, true },
    { "another EXISTS", "exists=7", "* 8 EXISTS\r\n" DONE, false },
    { "EXPUNGE", "expunges=2", "* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n" DONE, true },
    { "no EXPUNGE", "expunges=2", DONE, false },
    { "STATUS", "messages=12", "* STATUS there (MESSAGES 12)\r\n" DONE, true },
    { "another STATUS", "messages=1", "* STATUS there (MESSAGES 12)\r\n" DONE, false },
};

int main(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *wrong = answer_check(rows[i].answer, strlen(rows[i].answer), rows[i].check);
        ok(!wrong == rows[i].right, "%s: %s", rows[i].name, wrong ? wrong : "right");
        free(wrong);
    }
    return done_testing();
}
