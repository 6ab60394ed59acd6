/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * xtext, and the addresses of ORCPT.
 */
#include "text/xtext.h"
#include "tap.h"

static const struct {
    const char *text, *decoded; /* NULL: isn't xtext */
    bool valid;
} texts[] = {
    { "", "", true },
    { "QQ314159", "QQ314159", true },
    { "a+2Bb+3Dc", "a+b=c", true },
    { "a+20b", "a b", true },
    { "a+0D+0Ab", "a\r\nb", false },
    { "a+7F", "a\x7f", false },
    { "a+C3+BC", "a\xc3\xbc", false },
    { "a+2bb", NULL, false }, /* lower case */
    { "a+2", NULL, false },
    { "a+", NULL, false },
    { "a=b", NULL, false },
    { "a b", NULL, false },
    { "\xc3\xbc", NULL, false },
};

static const struct {
    const char *value;
    bool valid, valid_utf8;
    const char *shown, *shown_utf8;
} orcpts[] = {
    { "rfc822;Bob@Example.COM", true, true, "rfc822; Bob@Example.COM", "rfc822; Bob@Example.COM" },
    { "rfc822;a+2Bb@x.test", true, true, "rfc822; a+b@x.test", "rfc822; a+b@x.test" },
    { "x400;/S+3DBob/", true, true, "x400; /S=Bob/", "x400; /S=Bob/" },
    { "utf-8;j\\x{F6}rg@x.test", true, true, "utf-8; j\\x{F6}rg@x.test", "utf-8; j\xc3\xb6rg@x.test" },
    { "utf-8;a\\x{2B}b@x.test", true, true, "utf-8; a\\x{2B}b@x.test", "utf-8; a+b@x.test" },
    { "UTF-8;j\xc3\xb6rg@x.test", false, true, "UTF-8; j\\x{F6}rg@x.test", "UTF-8; j\xc3\xb6rg@x.test" },
    { "rfc822;j\xc3\xb6rg@x.test", false, false, NULL, NULL },
    { "rfc822;j+C3+B6rg@x.test", false, true, "rfc822; j+C3+B6rg@x.test", "rfc822; j\xc3\xb6rg@x.test" },
    { "rfc822;j+C3rg@x.test", false, false, NULL, NULL },
    { "rfc822;j+C2+85rg@x.test", false, false, NULL, NULL },
    { "rfc822;j+0Arg+C3+B6@x.test", false, false, NULL, NULL },
    { "utf-8;a\\x{A}b", false, false, NULL, NULL },
    { "utf-8;a\\x{D800}b", false, false, NULL, NULL },
    { "utf-8;a\\x{110000}b", false, false, NULL, NULL },
    { "utf-8;a\\x{}b", false, false, NULL, NULL },
    { "utf-8;a\\x{F6", false, false, NULL, NULL },
    { "utf-8;a\\x{0000000F6}", false, false, NULL, NULL },
    { "utf-8;a\\y", false, false, NULL, NULL },
    { "utf-8;a\xc3", false, false, NULL, NULL },
    { "utf-8;a+2Bb", false, false, NULL, NULL },
    { "rfc822;", false, false, NULL, NULL },
    { ";a@b.test", false, false, NULL, NULL },
    { "rfc822", false, false, NULL, NULL },
    { "rf c;a@b.test", false, false, NULL, NULL },
    { "rfc822;a+0Ab", false, false, NULL, NULL },
    { "rfc822;a=b", false, false, NULL, NULL },
    { "", false, false, NULL, NULL },
};

static void check_orcpt(size_t i, bool utf8)
{
    const char *wanted = utf8 ? orcpts[i].shown_utf8 : orcpts[i].shown;
    struct bytes out;
    bytes_init(&out, 500);
    bool shown = orcpt_show(span_of(orcpts[i].value), utf8, &out);
    ok(shown == (wanted != NULL) && (!wanted || span_eq_str(span_bytes(&out), wanted)), "shown %s: %s",
       utf8 ? "in UTF-8" : "in ASCII", orcpts[i].value);
    ok(orcpt_valid(span_of(orcpts[i].value), utf8) == (utf8 ? orcpts[i].valid_utf8 : orcpts[i].valid),
       "valid %s or not: %s", utf8 ? "in UTF-8" : "in ASCII", orcpts[i].value);
    bytes_free(&out);
}

int main(void)
{
    struct bytes out;
    bytes_init(&out, 100);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        bytes_clear(&out);
        bool good = xtext_decode(span_of(texts[i].text), &out);
        ok(good == (texts[i].decoded != NULL) && (!good || span_eq_str(span_bytes(&out), texts[i].decoded)),
           "decoded: %zu", i);
        ok(xtext_valid(span_of(texts[i].text)) == texts[i].valid, "valid or not: row %zu", i);
    }
    bytes_clear(&out);
    ok(xtext_encode(SPAN("a+b=c d\xc3"), &out) && span_eq_str(span_bytes(&out), "a+2Bb+3Dc+20d+C3"),
       "encoded");
    bytes_clear(&out);
    ok(recipient_show(SPAN("a+b@x.test"), false, &out) &&
           recipient_show(SPAN("j\xc3\xb6+b@x.test"), false, &out) &&
           recipient_show(SPAN("j\xc3\xb6@x.test"), true, &out) &&
           span_eq_str(span_bytes(&out),
                       "rfc822; a+b@x.testutf-8; j\\x{F6}\\x{2B}b@x.testutf-8; j\xc3\xb6@x.test"),
       "recipients in the end");
    bytes_free(&out);
    for (size_t i = 0; i < sizeof orcpts / sizeof orcpts[0]; i++) {
        check_orcpt(i, false);
        check_orcpt(i, true);
    }
    return done_testing();
}
