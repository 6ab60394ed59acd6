/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * aliases(5): entries, their targets, their places in the text, and what is wrong.
 */
#include "tap.h"

#include "text/aliases.h"

#include <string.h>

/* "name=a|b;name2=c" of a text, with "!LINE why" at a mistake. */
static const char *read_all(const char *text, struct bytes *out)
{
    struct alias_reader r;
    struct alias_entry e;
    struct bytes target;
    const char *wrong;
    alias_reader_init(&r, span_of(text));
    alias_entry_init(&e);
    bytes_init(&target, 4096);
    bytes_clear(out);
    while (alias_next(&r, &e, &wrong)) {
        struct span value = span_bytes(&e.value);
        bytes_printf(out, "%s%s=", out->len ? ";" : "", bytes_str(&e.name));
        for (bool first = true; alias_target_next(&value, &target, &wrong); first = false)
            bytes_printf(out, "%s%s", first ? "" : "|", bytes_str(&target));
        if (wrong)
            break;
    }
    if (wrong)
        bytes_printf(out, "!%u %s", e.line, wrong);
    bytes_free(&target);
    alias_entry_free(&e);
    return bytes_str(out);
}

static const struct {
    const char *name, *text, *expected;
} rows[] = {
    { "nothing", "", "" },
    { "comments and empty lines", "# a\n\n   # b\n \n", "" },
    { "one", "a: b\n", "a=b" },
    { "without a last line feed", "a: b", "a=b" },
    { "several targets", "a: b, c@d.test,e\n", "a=b|c@d.test|e" },
    { "several entries", "a: b\nc: d\n", "a=b;c=d" },
    { "CRLF", "a: b\r\nc: d\r\n", "a=b;c=d" },
    { "blanks around", "a  :   b  ,\tc \n", "a=b|c" },
    { "continued", "a: b,\n  c,\n\td\ne: f\n", "a=b|c|d;e=f" },
    { "continued behind comment and empty line", "a: b,\n# no\n\n  c\n", "a=b|c" },
    { "comment behind targets", "a: b # c, d\ne: f\n", "a=b;e=f" },
    { "a # within a word stays", "a: b#c\n", "a=b#c" },
    { "quoted name", "\"a b\": c\n", "a b=c" },
    { "quoted colon", "\"a:b\": c\n", "a:b=c" },
    { "quoted target", "a: \"|prog x, y\", c\n", "a=|prog x, y|c" },
    { "quoted backslash", "a: \"x\\\"y\"\n", "a=x\"y" },
    { "quoted blanks stay", "a: \" x \"\n", "a= x " },
    { "last comma", "a: b,\n", "a=b" },
    { "catch-all", "@d.test: b\n", "@d.test=b" },
    { "no targets", "a:\n", "a=" },
    { "no colon", "a b\n", "!1 needs a ':' between the name and its targets" },
    { "no name", "x: y\n: b\n", "x=y!2 has no name before the ':'" },
    { "continues nothing", "# x\n  b\n",
      "!2 begins with a blank, as if it continued a line, but there is none before it" },
    { "open quote in a name", "\"a: b\n", "!1 a quote isn't closed" },
    { "open quote in a target", "a: \"b\n", "a=!1 a quote isn't closed" },
};

static void places(void)
{
    static const char text[] = "# head\na: b,\n   c # d\n# foot\nx: y\n";
    struct alias_reader r;
    struct alias_entry e;
    const char *wrong;
    alias_reader_init(&r, SPAN(text));
    alias_entry_init(&e);
    ok(alias_next(&r, &e, &wrong) && e.line == 2 && e.begin == 7 && strncmp(text + e.end, "# foot", 6) == 0,
       "an entry's place, without the comment behind it");
    ok(strncmp(text + e.value_end, " # d", 4) == 0, "where its last target ends");
    ok(alias_next(&r, &e, &wrong) && e.line == 5 && e.end == sizeof text - 1, "the next one's");
    ok(!alias_next(&r, &e, &wrong) && !wrong, "the end");
    alias_entry_free(&e);
}

int main(void)
{
    struct bytes out;
    bytes_init(&out, 65536);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *said = read_all(rows[i].text, &out);
        ok(strcmp(said, rows[i].expected) == 0, "%s: %s", rows[i].name, said);
    }
    places();
    bytes_free(&out);
    return done_testing();
}
