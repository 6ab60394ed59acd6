/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Base subjects (RFC 5256 2.1) and the names that addresses are sorted by (RFC 5957).
 */
#include "tap.h"

#include "text/subject.h"

#include <stdlib.h>
#include <string.h>

static const struct { const char *value, *base; bool reply; } rows[] = {
    { "hello", "hello", false },
    { " \t hello \r\n", "hello", false },
    { "", "", false },
    { "   ", "", false },
    { "a  b\t\tc\r\n  d", "a b c d", false },
    { "=?utf-8?Q?Re:_gr=C3=BC=C3=9Fe?=", "gr\xc3\xbc\xc3\x9f" "e", true },
    { "Re: =?iso-8859-1?Q?=FC?=", "\xc3\xbc", true },
    { "Re: hello", "hello", true },
    { "RE:hello", "hello", true },
    { "re : hello", "hello", true },
    { "Fw: hello", "hello", true },
    { "Fwd: hello", "hello", true },
    { "fwD:hello", "hello", true },
    { "Re: Fwd: RE: hello", "hello", true },
    { "Re[2]: hello", "hello", true },
    { "Re [2] : hello", "hello", true },
    { "Re[2][3]: hello", "Re[2][3]: hello", false },
    { "[list] hello", "hello", false },
    { "[list]hello", "hello", false },
    { "[a] [b] hello", "hello", false },
    { "[list] Re: hello", "hello", true },
    { "[a][b] Re: [c] Fwd: [d] hello", "hello", true },
    { "Re: [list] hello", "hello", true },
    { "[list]", "[list]", false },
    { "[a] [b]", "[b]", false },
    { "Re: [list]", "[list]", true },
    { "[]", "[]", false },
    { "[] x", "x", false },
    { "[a[b] hello", "[a[b] hello", false },
    { "[unclosed hello", "[unclosed hello", false },
    { "hello (fwd)", "hello", true },
    { "hello (FWD) (fwd)  ", "hello", true },
    { "hello(fwd)", "hello", true },
    { "(fwd)", "", true },
    { "(fwd) hello", "(fwd) hello", false },
    { "[Fwd: hello]", "hello", true },
    { "[fwd: hello", "[fwd: hello", false },
    { "Fwd: [fwd: Re: hello (fwd)] (fwd)", "hello", true },
    { "[fwd: [fwd: hello]]", "hello", true },
    { "[list] [fwd: hello]", "hello", true },
    { "Re:", "", true },
    { "Re: ", "", true },
    { "Re", "Re", false },
    { "Rest: hello", "Rest: hello", false },
    { "Reply: hello", "Reply: hello", false },
    { "AW: hello", "AW: hello", false },
    { "Re: Re", "Re", true },
    { "hello Re: world", "hello Re: world", false },
    { "broken =?utf-8?Q?word", "broken =?utf-8?Q?word", false },
};

static void bases(void)
{
    struct bytes out;
    bytes_init(&out, 1000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool reply = false;
        bytes_clear(&out);
        ok(subject_base(span_of(rows[i].value), &out, &reply) && strcmp(bytes_str(&out), rows[i].base) == 0 &&
               reply == rows[i].reply,
           "\"%s\": \"%s\"%s", rows[i].value, bytes_str(&out), reply ? ", a reply" : "");
    }
    bytes_clear(&out);
    bool reply;
    bytes_add_str(&out, "before ");
    ok(subject_base(SPAN("Re: x"), &out, &reply) && strcmp(bytes_str(&out), "before x") == 0, "appended");
    bytes_free(&out);
    bytes_init(&out, 3);
    ok(!subject_base(SPAN("hello"), &out, &reply), "over the limit");
    bytes_free(&out);
}

/* What would take quadratic time if it were looked at again and again. */
static void large(void)
{
    static const char *const pieces[] = { "[a]",   "[",     "[a", "Re:", "Re[a]:",   "re:[a",
                                          "(fwd)", "[fwd:", "]",  " ",   "\t \r\n ", "=?" };
    size_t n = 1 << 20;
    char *big = malloc(n);
    struct bytes out;
    bytes_init(&out, 4 * n);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        bool reply;
        for (size_t at = 0; at < n; at++)
            big[at] = pieces[i][at % strlen(pieces[i])];
        bytes_clear(&out);
        ok(subject_base((struct span){ big, n }, &out, &reply), "1 MiB of \"%s\"", pieces[i]);
    }
    bytes_free(&out);
    free(big);
}

static void addresses(void)
{
    static const struct { const char *value, *mailbox, *display; } address_rows[] = {
        { "a@example.org", "a", "a@example.org" },
        { "\"Doe, Jane\" <jane@example.org>, b@example.org", "jane", "Doe, Jane" },
        { "=?utf-8?Q?J=C3=BCrgen?= <j@example.org>", "j", "J\xc3\xbcrgen" },
        { "a@example.org (Jane Doe)", "a", "Jane Doe" },
        { "team: a@example.org, b@example.org;", "team", "team" },
        { "undisclosed-recipients:;", "undisclosed-recipients", "undisclosed-recipients" },
        { "local", "local", "local" },
        { "\"\" <a@example.org>", "a", "a@example.org" },
        { "", "", "" },
        { ",,", "", "" },
    };
    struct bytes out;
    bytes_init(&out, 1000);
    for (size_t i = 0; i < sizeof address_rows / sizeof address_rows[0]; i++) {
        bytes_clear(&out);
        subject_address(span_of(address_rows[i].value), false, &out);
        bytes_add_char(&out, '|');
        size_t at = out.len;
        subject_address(span_of(address_rows[i].value), true, &out);
        struct span all = span_bytes(&out);
        ok(span_eq_str(span_head(all, at - 1), address_rows[i].mailbox) &&
               span_eq_str(span_from(all, at), address_rows[i].display),
           "address \"%s\": %s", address_rows[i].value, bytes_str(&out));
    }
    bytes_free(&out);
}

int main(void)
{
    bases();
    large();
    addresses();
    return done_testing();
}
