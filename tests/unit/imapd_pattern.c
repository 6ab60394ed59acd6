/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * LIST's patterns: wildcards, levels, INBOX, limits, and the time that a wicked one takes.
 */
#include "tap.h"

#include "../../bin/imapd/pattern.c"

#include <stdlib.h>

static const struct {
    const char *pattern, *name;
    bool matches;
} rows[] = {
    { "", "a", false },
    { "a", "a", true },
    { "a", "A", false },
    { "a", "ab", false },
    { "*", "a.b.c", true },
    { "%", "a", true },
    { "%", "a.b", false },
    { "%.%", "a.b", true },
    { "%.%", "a.b.c", false },
    { "a.*", "a.b.c", true },
    { "a.*", "a", false },
    { "a*", "a.b", true },
    { "*b", "a.b", true },
    { "*b*", "abc", true },
    { "%b%", "a.b", false },
    { "a%c", "abc", true },
    { "a%c", "ac", true },
    { "a%c", "a.c", false },
    { "**%%**", "a.b", true },
    { "*2", "foo2.bar2", true },
    { "*2", "foo2.bar1", false },
    { "inbox", "INBOX", true },
    { "iNbOx.x", "INBOX.x", true },
    { "inbox.X", "INBOX.x", false },
    { "inboxes", "INBOXES", false },
    { "\xc3\xa4%", "\xc3\xa4.b", false },
    { "\xc3\xa4*", "\xc3\xa4.b", true },
};

int main(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ok(pattern_matches(span_of(rows[i].pattern), span_of(rows[i].name)) == rows[i].matches, "%s %s %s",
           rows[i].pattern, rows[i].matches ? "matches" : "doesn't match", rows[i].name);
    char *text = malloc(PATTERN_LIMIT + 1);
    memset(text, 'a', PATTERN_LIMIT + 1);
    ok(pattern_matches(SPAN("*"), (struct span){ text, PATTERN_NAME_LIMIT }) &&
           !pattern_matches(SPAN("*"), (struct span){ text, PATTERN_NAME_LIMIT + 1 }),
       "the longest name");
    for (size_t i = 0; i < PATTERN_LIMIT; i++)
        text[i] = i % 2 ? 'a' : '*';
    char name[PATTERN_NAME_LIMIT];
    memset(name, 'a', sizeof name);
    ok(pattern_matches((struct span){ text, PATTERN_LIMIT }, (struct span){ name, sizeof name }) &&
           !pattern_matches((struct span){ text, PATTERN_LIMIT + 1 }, (struct span){ name, sizeof name }),
       "the longest pattern, with many wildcards");
    free(text);
    return done_testing();
}
