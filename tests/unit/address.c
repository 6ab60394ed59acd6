/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Paths (RFC 5321 4.1.2) and address lists (RFC 5322 3.4, appendix A.1, A.5 and A.6).
 */
#include "tap.h"

#include "text/address.h"

#include <stdlib.h>
#include <string.h>

#define S16 "abcdefghijklmnop"
#define S64 S16 S16 S16 S16
#define S255 S64 S64 S64 S16 S16 S16 "abcdefghijklmno"
#define LABEL_60 S16 S16 S16 "abcdefghijkl"
#define D244 LABEL_60 "." LABEL_60 "." LABEL_60 "." LABEL_60

static const char *const results[] = { "ok", "syntax", "too long" };

static const struct {
    const char *name, *input;
    enum address_result result;
    const char *text, *rest;
} path_rows[] = {
    { "plain", "<Jones@XYZ.com>", ADDRESS_OK, "Jones@xyz.com", "" },
    { "parameters follow", "<a@b.test> SIZE=100", ADDRESS_OK, "a@b.test", " SIZE=100" },
    { "null path", "<>", ADDRESS_OK, "", "" },
    { "null path with more", "<> BODY=8BITMIME", ADDRESS_OK, "", " BODY=8BITMIME" },
    { "postmaster", "<Postmaster>", ADDRESS_OK, "Postmaster", "" },
    { "POSTMASTER", "<POSTMASTER>", ADDRESS_OK, "POSTMASTER", "" },
    { "routed postmaster", "<@a.test:postmaster>", ADDRESS_SYNTAX, "", NULL },
    { "another local part alone", "<root>", ADDRESS_SYNTAX, "", NULL },
    { "source route", "<@hosta.int,@jkl.org:userc@d.bar.org>", ADDRESS_OK, "userc@d.bar.org", "" },
    { "route without end", "<@hosta.int>", ADDRESS_SYNTAX, "", NULL },
    { "route with a comma too many", "<@a.test,:b@c.test>", ADDRESS_SYNTAX, "", NULL },
    { "blanks before", "  <a@b>", ADDRESS_OK, "a@b", "" },
    { "tab before", "\t<a@b>", ADDRESS_SYNTAX, "", NULL },
    { "blanks inside", "< a@b>", ADDRESS_SYNTAX, "", NULL },
    { "blanks inside at the end", "<a@b >", ADDRESS_SYNTAX, "", NULL },
    { "no brackets", "a@b", ADDRESS_OK, "a@b", "" },
    { "no brackets, blanks, parameters", "  A@B SIZE=1", ADDRESS_OK, "A@b", " SIZE=1" },
    { "no brackets, quoted", "\"a b\"@c <d@e>", ADDRESS_OK, "\"a b\"@c", " <d@e>" },
    { "no brackets, postmaster", "Postmaster", ADDRESS_OK, "Postmaster", "" },
    { "no brackets, another local part alone", "root", ADDRESS_SYNTAX, "", NULL },
    { "no brackets, closed", "a@b>", ADDRESS_SYNTAX, "", NULL },
    { "no brackets, a path behind", "a@b<c@d>", ADDRESS_SYNTAX, "", NULL },
    { "no brackets, a name", "Joe <a@b>", ADDRESS_SYNTAX, "", NULL },
    { "no brackets, two", "a@b,c@d", ADDRESS_SYNTAX, "", NULL },
    { "no brackets, a tab behind", "a@b\tSIZE=1", ADDRESS_SYNTAX, "", NULL },
    { "no brackets, a source route", "@x.test:a@b", ADDRESS_SYNTAX, "", NULL },
    { "no brackets, a parameter alone", "SIZE=1", ADDRESS_SYNTAX, "", NULL },
    { "no brackets, too long", "a@" S64, ADDRESS_TOO_LONG, "", NULL },
    { "unclosed", "<a@b", ADDRESS_SYNTAX, "", NULL },
    { "nothing", "", ADDRESS_SYNTAX, "", NULL },
    { "bracket alone", "<", ADDRESS_SYNTAX, "", NULL },
    { "quoted", "<\"Joe Q\"@b.test>", ADDRESS_OK, "\"Joe Q\"@b.test", "" },
    { "quoted without need", "<\"joe.q\"@b.test>", ADDRESS_OK, "joe.q@b.test", "" },
    { "quoted pair", "<\"j\\oe\"@b.test>", ADDRESS_OK, "joe@b.test", "" },
    { "quoted quote", "<\"a\\\"b\\\\\"@c>", ADDRESS_OK, "\"a\\\"b\\\\\"@c", "" },
    { "quoted at", "<\"a@b\"@c>", ADDRESS_OK, "\"a@b\"@c", "" },
    { "quoted >", "<\"a>b\"@c>", ADDRESS_OK, "\"a>b\"@c", "" },
    { "empty quotes", "<\"\"@c>", ADDRESS_OK, "\"\"@c", "" },
    { "quote unclosed", "<\"abc@d>", ADDRESS_SYNTAX, "", NULL },
    { "backslash at the end", "<\"abc\\", ADDRESS_SYNTAX, "", NULL },
    { "control in quotes", "<\"a\tb\"@c>", ADDRESS_SYNTAX, "", NULL },
    { "dots", "<a.b.c@d>", ADDRESS_OK, "a.b.c@d", "" },
    { "dot first", "<.a@d>", ADDRESS_OK, "\".a\"@d", "" },
    { "dot last", "<a.@d>", ADDRESS_OK, "\"a.\"@d", "" },
    { "two dots", "<a..b@d>", ADDRESS_OK, "\"a..b\"@d", "" },
    { "two dots in quotes", "<\"a..b\"@d>", ADDRESS_OK, "\"a..b\"@d", "" },
    { "dots alone", "<..@d>", ADDRESS_OK, "\"..\"@d", "" },
    { "two dots and a blank", "<a.. b@d>", ADDRESS_SYNTAX, "", NULL },
    { "two dots and a quote", "<a..\"b\"@d>", ADDRESS_SYNTAX, "", NULL },
    { "two dots, no domain", "<a..b>", ADDRESS_SYNTAX, "", NULL },
    { "atext", "<!#$%&'*+-/=?^_`{|}~9@d>", ADDRESS_OK, "!#$%&'*+-/=?^_`{|}~9@d", "" },
    { "two ats", "<a@b@c>", ADDRESS_SYNTAX, "", NULL },
    { "no local part", "<@b>", ADDRESS_SYNTAX, "", NULL },
    { "no domain", "<a@>", ADDRESS_SYNTAX, "", NULL },
    { "UTF-8 local", "<j\xc3\xb6@b>", ADDRESS_OK, "j\xc3\xb6@b", "" },
    { "UTF-8 in quotes", "<\"j \xc3\xb6\"@b>", ADDRESS_OK, "\"j \xc3\xb6\"@b", "" },
    { "UTF-8 domain", "<j@b\xc3\xb6.Test>", ADDRESS_OK, "j@b\xc3\xb6.test", "" },
    { "Latin-1 local", "<j\xf6@b>", ADDRESS_SYNTAX, "", NULL },
    { "Latin-1 domain", "<j@b\xf6>", ADDRESS_SYNTAX, "", NULL },
    { "half a character", "<j\xc3@b>", ADDRESS_SYNTAX, "", NULL },
    { "an overlong form", "<j\xc0\xaf@b>", ADDRESS_SYNTAX, "", NULL },
    { "a C1 control", "<j\xc2\x85@b>", ADDRESS_SYNTAX, "", NULL },
    { "a line separator", "<j\xe2\x80\xa8@b>", ADDRESS_SYNTAX, "", NULL },
    { "UTF-8 after a hyphen", "<j@b-\xc3\xb6>", ADDRESS_OK, "j@b-\xc3\xb6", "" },
    { "domain's dot last", "<a@b.>", ADDRESS_SYNTAX, "", NULL },
    { "domain's dot first", "<a@.b>", ADDRESS_SYNTAX, "", NULL },
    { "domain's two dots", "<a@b..c>", ADDRESS_SYNTAX, "", NULL },
    { "hyphen first", "<a@-b>", ADDRESS_SYNTAX, "", NULL },
    { "hyphen last", "<a@b->", ADDRESS_SYNTAX, "", NULL },
    { "hyphen before a dot", "<a@b-.c>", ADDRESS_SYNTAX, "", NULL },
    { "underscore", "<a@my_host.test>", ADDRESS_OK, "a@my_host.test", "" },
    { "IPv4", "<a@[192.0.2.1]>", ADDRESS_OK, "a@[192.0.2.1]", "" },
    { "IPv6", "<a@[IPv6:2001:DB8::1]>", ADDRESS_OK, "a@[ipv6:2001:db8::1]", "" },
    { "bad literal", "<a@[192.0.2.256]>", ADDRESS_SYNTAX, "", NULL },
    { "unclosed literal", "<a@[192.0.2.1>", ADDRESS_SYNTAX, "", NULL },
    { "empty literal", "<a@[]>", ADDRESS_SYNTAX, "", NULL },
    { "longest local part of RFC 5321", "<" S64 "@d>", ADDRESS_OK, S64 "@d", "" },
    { "longest local part", "<" S255 "@d>", ADDRESS_OK, S255 "@d", "" },
    { "local part too long", "<" S255 "x@d>", ADDRESS_TOO_LONG, "", NULL },
    { "local part far too long", "<" S255 S255 ".x@d>", ADDRESS_TOO_LONG, "", NULL },
    { "too long and wrong", "<" S255 S255 "@@d>", ADDRESS_SYNTAX, "", NULL },
    { "longest domain", "<a@" D244 ".abcdefghijk>", ADDRESS_OK, "a@" D244 ".abcdefghijk", "" },
    { "longest of all", "<" S64 "@" D244 ".abcdefghijk>", ADDRESS_OK, S64 "@" D244 ".abcdefghijk", "" },
    { "too long together", "<" S64 S16 "@" D244 ".abcdefghijk>", ADDRESS_TOO_LONG, "", NULL },
    { "domain too long", "<a@" D244 ".abcdefghijkl>", ADDRESS_TOO_LONG, "", NULL },
    { "label too long", "<a@" S64 ".test>", ADDRESS_TOO_LONG, "", NULL },
};

static void paths(void)
{
    for (size_t i = 0; i < sizeof path_rows / sizeof path_rows[0]; i++) {
        struct address a;
        struct span text = span_of(path_rows[i].input);
        enum address_result got = address_path(&text, &a);
        bool rest = got != ADDRESS_OK || span_eq_str(text, path_rows[i].rest);
        ok(got == path_rows[i].result && strcmp(a.text, path_rows[i].text) == 0 && rest,
           "path, %s: %s \"%s\"", path_rows[i].name, results[got], a.text);
    }
    struct address a, b;
    struct span nul = SPAN("<a\0b@c>");
    ok(address_path(&nul, &a) == ADDRESS_SYNTAX, "path, NUL");
    ok(address_parse(SPAN("Joe@Example.TEST"), &a) == ADDRESS_OK && strcmp(a.text, "Joe@example.test") == 0 &&
           span_eq_str(address_local(&a), "Joe") && span_eq_str(address_domain(&a), "example.test"),
       "a bare mailbox and its parts");
    ok(address_parse(SPAN("\"joe\"@EXAMPLE.test"), &b) == ADDRESS_OK && address_same(&a, &b),
       "the same mailbox");
    static const char *const unquoted[][2] = { { "a..b@d", "a..b" },
                                               { ".@d", "." },
                                               { "a.b@d", "a.b" },
                                               { "\"\"@d", "\"\"" },
                                               { "\"a..b c\"@d", "\"a..b c\"" },
                                               { "\"..\\\"@d\"@d", "\"..\\\"@d\"" } };
    for (size_t i = 0; i < sizeof unquoted / sizeof unquoted[0]; i++)
        ok(address_parse(span_of(unquoted[i][0]), &a) == ADDRESS_OK &&
               span_eq_str(address_unquoted(&a), unquoted[i][1]),
           "%s without quotes for dots", unquoted[i][0]);
    ok(address_parse(SPAN("A..b@d"), &a) == ADDRESS_OK &&
           address_parse(SPAN("\"a..B\"@D"), &b) == ADDRESS_OK && address_same(&a, &b),
       "the same mailbox, with two dots");
    char detail[ADDRESS_LOCAL_LIMIT + 1];
    ok(address_parse(SPAN("a+../../b@d"), &a) == ADDRESS_OK && !address_part(&a, "+", &b, detail),
       "no detail has two dots");
    ok(address_parse(SPAN("a@b "), &a) == ADDRESS_SYNTAX && address_is_null(&a),
       "more behind a bare mailbox");
    ok(address_parse(SPAN("postmaster"), &a) == ADDRESS_SYNTAX, "a bare mailbox has a domain");
    ok(address_parse(SPAN("\"a@b\"@c"), &a) == ADDRESS_OK && span_eq_str(address_local(&a), "\"a@b\"") &&
           span_eq_str(address_domain(&a), "c"), "the last at sign divides");
    struct span path = SPAN("<postmaster>");
    ok(address_path(&path, &a) == ADDRESS_OK && address_domain(&a).n == 0 && !address_is_null(&a),
       "postmaster has no domain");
}

static void show(struct span list, struct bytes *out)
{
    struct address_entry e;
    while (address_list_next(&list, &e)) {
        static const char kinds[] = { 'm', 'g', 'e' };
        bytes_printf(out, "%s%c[%s|%s|%s]", out->len ? " " : "", kinds[e.kind], bytes_str(&e.name),
                     bytes_str(&e.local), bytes_str(&e.domain));
        address_entry_free(&e);
    }
}

static const struct { const char *name, *input, *expected;
} list_rows[] = {
    { "A.1.1", " John Doe <jdoe@machine.example>", "m[John Doe|jdoe|machine.example]" },
    { "A.1.2 from", "\"Joe Q. Public\" <john.q.public@example.com>",
      "m[Joe Q. Public|john.q.public|example.com]" },
    { "A.1.2 to", "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
      "m[Mary Smith|mary|x.test] m[|jdoe|example.org] m[Who?|one|y.test]" },
    { "A.1.2 cc", "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
      "m[|boss|nil.test] m[Giant; \"Big\" Box|sysservices|example.net]" },
    { "A.1.3", "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
      "g[A Group||] m[Ed Jones|c|a.test] m[|joe|where.test] m[John|jdoe|one.test] e[||]" },
    { "A.1.3 empty group", "Undisclosed recipients:;", "g[Undisclosed recipients||] e[||]" },
    { "A.5 from", "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
      "m[Pete|pete|silly.test]" },
    { "A.5 to",
      "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
      "         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
      "g[A Group||] m[Chris Jones|c|public.example] m[|joe|example.org] m[John|jdoe|one.test] e[||]" },
    { "A.5 cc", "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;",
      "g[Hidden recipients||] e[||]" },
    { "A.6.1 from", "Joe Q. Public <john.q.public@example.com>",
      "m[Joe Q. Public|john.q.public|example.com]" },
    { "A.6.1 to", "Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
      "m[Mary Smith|mary|example.net] m[|jdoe|test.example]" },
    { "A.6.3", "John Doe <jdoe@machine(comment).  example>", "m[John Doe|jdoe|machine.example]" },
    { "comment as name", "joe@x.test (Joe Doe)", "m[Joe Doe|joe|x.test]" },
    { "blanks around dots", "joe . q @ x . test", "m[|joe.q|x.test]" },
    { "quoted local part", "\"joe q\"@x.test", "m[|joe q|x.test]" },
    { "quoted local part in brackets", "<\"joe \\\"q\"@x.test>", "m[|joe \"q|x.test]" },
    { "name in quotes with brackets", "\"a@b <c@d>\" <e@f>", "m[a@b <c@d>|e|f]" },
    { "two addresses", "<a@b> <c@d>", "m[|a|b]" },
    { "address as name", "a@b <c@d>", "m[a|c|d]" },
    { "no domain", "root", "m[|root|]" },
    { "no domain in brackets", "Root <root>", "m[Root|root|]" },
    { "words alone", "Joe Doe", "m[Joe Doe||]" },
    { "empty brackets", "Joe <>", "m[Joe||]" },
    { "words before an address", "Joe joe@x.test", "m[|joe|x.test]" },
    { "semicolons", "a@b;c@d", "m[|a|b] e[||] m[|c|d]" },
    { "literal", "a@[192.0.2.1]", "m[|a|[192.0.2.1]]" },
    { "literal in brackets", "<a@[IPv6:::1]>", "m[|a|[IPv6:::1]]" },
    { "unclosed literal", "a@[192.0.2.1, b@c", "m[|a|[192.0.2.1,b@c]" },
    { "unclosed brackets", "Joe <a@b", "m[Joe|a|b]" },
    { "unclosed quotes", "\"Joe <a@b>, c@d", "m[|Joe <a@b>, c@d|]" },
    { "unclosed comment", "a@b (c, d@e", "m[c, d@e|a|b]" },
    { "encoded words", "=?utf-8?Q?J=C3=B6?= =?utf-8?Q?rg?= <j@x>",
      "m[=?utf-8?Q?J=C3=B6?= =?utf-8?Q?rg?=|j|x]" },
    { "8-bit name", "J\xc3\xb6rg <j@x>", "m[J\xc3\xb6rg|j|x]" },
    { "commas alone", " , ,, ,", "" },
    { "nothing", "", "" },
    { "blanks", " \r\n ", "" },
    { "colon in a domain", "a@b:c", "m[|a|bc]" },
    { "stray specials", ")>]\\ a@b", "m[|a|b]" },
    { "at signs", "@@@", "m[||]" },
    { "at alone between", "a@b,@,c@d", "m[|a|b] m[||] m[|c|d]" },
    { "folded name", "\"Joe\r\n Doe\" <j@x>", "m[Joe Doe|j|x]" },
    { "group in a group", "a:b:c@d;;", "g[a||] g[b||] m[|c|d] e[||] e[||]" },
};

static void lists(void)
{
    struct bytes out;
    bytes_init(&out, 65536);
    for (size_t i = 0; i < sizeof list_rows / sizeof list_rows[0]; i++) {
        bytes_clear(&out);
        show(span_of(list_rows[i].input), &out);
        ok(strcmp(bytes_str(&out), list_rows[i].expected) == 0, "list, %s: %s", list_rows[i].name,
           bytes_str(&out));
    }
    bytes_free(&out);
}

static void hostile(void)
{
    size_t n = 1 << 20;
    char *big = malloc(n);
    if (!big)
        abort();
    struct address_entry e;
    static const char fillers[] = { '(', '"', '<', 'a', '@', '[', '\\', ' ', ':', '.' };
    for (size_t i = 0; i < sizeof fillers; i++) {
        memset(big, fillers[i], n);
        struct span list = { big, n };
        size_t count = 0;
        while (address_list_next(&list, &e)) {
            count++;
            address_entry_free(&e);
        }
        ok(list.n == 0, "1 MiB of '%c' makes %zu entries", fillers[i], count);
    }
    memset(big, 'a', n);
    struct span list = { big, n };
    ok(address_list_next(&list, &e) && e.local.len == ADDRESS_NAME_LIMIT && !e.local.failed,
       "a field is cut at its limit");
    address_entry_free(&e);
    free(big);

    struct address a;
    struct span from = SPAN("\"a b\" <\"x y\"@Example.TEST>, Joe, <\"\xff\"@b>");
    address_list_next(&from, &e);
    ok(address_of_entry(&e, &a) == ADDRESS_OK && strcmp(a.text, "\"x y\"@example.test") == 0,
       "the mailbox of an entry");
    address_entry_free(&e);
    address_list_next(&from, &e);
    ok(address_of_entry(&e, &a) == ADDRESS_SYNTAX && address_is_null(&a), "an entry without a domain");
    address_entry_free(&e);
    address_list_next(&from, &e);
    ok(address_of_entry(&e, &a) == ADDRESS_SYNTAX, "an entry with 8-bit bytes");
    address_entry_free(&e);
}

int main(void)
{
    paths();
    lists();
    hostile();
    return done_testing();
}
