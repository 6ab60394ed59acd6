/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Modified UTF-7 (RFC 3501 5.1.3) and UTF-8 (RFC 3629).
 */
#include "tap.h"

#include "text/utf7.h"
#include "text/utf8.h"

#include <string.h>

static void names(void)
{
    static const struct {
        const char *name, *utf7, *utf8;
    } rows[] = {
        { "ASCII", "INBOX.a b~", "INBOX.a b~" },
        { "empty", "", "" },
        { "ampersand", "A&-B", "A&B" },
        { "ampersands", "&-&-", "&&" },
        { "RFC 3501 5.1.3", "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
          "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
        { "umlaut", "Entw&APw-rfe", "Entw\xc3\xbcrfe" },
        { "shift, ampersand", "&APw-&-", "\xc3\xbc&" },
        { "surrogate pair", "&2D3eAA-", "\xf0\x9f\x98\x80" },
        { "last character", "&2,,f,w-", "\xf4\x8f\xbf\xbf" },
        { "control", "&AAk-", "\t" },
        { "DEL", "&AH8-", "\x7f" },
    };
    struct bytes out;
    bytes_init(&out, 1000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bytes_clear(&out);
        bool good = utf7_to_utf8(span_of(rows[i].utf7), &out) && strcmp(bytes_str(&out), rows[i].utf8) == 0;
        ok(good && utf7_valid(span_of(rows[i].utf7)), "decode, %s: %s", rows[i].name, rows[i].utf7);
        bytes_clear(&out);
        good = utf7_from_utf8(span_of(rows[i].utf8), &out) && strcmp(bytes_str(&out), rows[i].utf7) == 0;
        ok(good, "encode, %s: %s", rows[i].name, bytes_str(&out));
    }
    bytes_free(&out);
}

static void refused(void)
{
    static const struct {
        const char *name;
        struct span utf7;
    } rows[] = {
        { "unclosed shift", SPAN("a&APw") },
        { "lone ampersand", SPAN("a&") },
        { "plain letter shifted", SPAN("&AGE-") },
        { "ampersand shifted", SPAN("&ACY-") },
        { "two shifts beside another", SPAN("&APw-&APw-") },
        { "RFC 3501 5.1.3, superfluous shift", SPAN("&U,BTFw-&ZeVnLIqe-") },
        { "bits left over", SPAN("&APx-") },
        { "a letter too many", SPAN("&APwA-") },
        { "a letter too few", SPAN("&AP-") },
        { "slash", SPAN("&U/BTFw-") },
        { "padding", SPAN("&APw=-") },
        { "high surrogate alone", SPAN("&2D0-") },
        { "low surrogate alone", SPAN("&3gA-") },
        { "high surrogate and a letter", SPAN("&2D0A,A-") },
        { "U+0000", SPAN("&AAA-") },
        { "raw 8-bit", SPAN("\xc3\xbc") },
        { "raw control", SPAN("a\tb") },
        { "NUL", SPAN("a\0b") },
        { "NUL in a shift", SPAN("&A\0w-") },
        { "DEL", SPAN("\x7f") },
    };
    struct bytes out;
    bytes_init(&out, 1000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ok(!utf7_valid(rows[i].utf7), "refused, %s", rows[i].name);
    ok(!utf7_from_utf8(SPAN("\xc3"), &out) && !utf7_from_utf8(SPAN("\xed\xa0\x80"), &out) &&
           !utf7_from_utf8(SPAN("a\0"), &out), "no name from broken UTF-8 or NUL");
    bytes_free(&out);
    bytes_init(&out, 3);
    ok(!utf7_from_utf8(SPAN("\xc3\xbc"), &out), "encode over the limit");
    bytes_clear(&out);
    ok(!utf7_to_utf8(SPAN("abcd"), &out), "decode over the limit");
    bytes_free(&out);
}

static void utf8(void)
{
    static const struct {
        const char *name;
        struct span text;
        size_t length;
        uint32_t character;
    } rows[] = {
        { "ASCII", SPAN("ab"), 1, 'a' },
        { "NUL", SPAN("\0"), 1, 0 },
        { "two", SPAN("\xc2\x80"), 2, 0x80 },
        { "three", SPAN("\xef\xbf\xbf"), 3, 0xffff },
        { "four", SPAN("\xf4\x8f\xbf\xbf"), 4, 0x10ffff },
        { "empty", SPAN(""), 0, 0 },
        { "overlong two", SPAN("\xc1\xbf"), 0, 0 },
        { "overlong three", SPAN("\xe0\x9f\xbf"), 0, 0 },
        { "overlong four", SPAN("\xf0\x8f\xbf\xbf"), 0, 0 },
        { "surrogate", SPAN("\xed\xa0\x80"), 0, 0 },
        { "past the end", SPAN("\xf4\x90\x80\x80"), 0, 0 },
        { "five", SPAN("\xf8\x88\x80\x80\x80"), 0, 0 },
        { "0xff", SPAN("\xff"), 0, 0 },
        { "continuation alone", SPAN("\x80"), 0, 0 },
        { "cut", SPAN("\xe2\x82"), 0, 0 },
        { "broken", SPAN("\xe2\x82x"), 0, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t c = 0;
        size_t n = utf8_read(rows[i].text, &c);
        ok(n == rows[i].length && (n == 0 || c == rows[i].character), "UTF-8, %s", rows[i].name);
    }
    struct bytes out;
    bytes_init(&out, 8);
    bool same = true;
    for (uint32_t c = 0; c <= 0x110000 && same; c++) {
        uint32_t back = 0;
        bytes_clear(&out);
        utf8_write(c, &out);
        bool none = c > 0x10ffff || (c >= 0xd800 && c < 0xe000);
        same = utf8_read(span_bytes(&out), &back) == out.len && back == (none ? UTF8_REPLACEMENT : c);
    }
    ok(same, "every character is written and read back");
    ok(utf8_valid(SPAN("a\xc3\xbc")) && !utf8_valid(SPAN("a\xc3")) && utf8_valid(SPAN("")), "valid UTF-8");
    bytes_free(&out);
}

int main(void)
{
    names();
    refused();
    utf8();
    return done_testing();
}
