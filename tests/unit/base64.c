/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Base64 (RFC 4648 10, and the exchanges of RFC 4616) and quoted-printable (RFC 2045 6.7).
 */
#include "tap.h"

#include "text/base64.h"

#include <string.h>

static void print(const char *what, const char *name, bool good, struct span got)
{
    char text[100];
    size_t n = 0;
    for (size_t i = 0; i < got.n && n + 1 < sizeof text; i++)
        text[n++] = got.p[i] < ' ' || got.p[i] > '~' ? '?' : got.p[i];
    text[n] = '\0';
    ok(good, "%s, %s: %s", what, name, text);
}

static void strict(struct bytes *out)
{
    static const struct {
        const char *name;
        struct span text;
        bool good;
        struct span data;
    } rows[] = {
        { "empty", SPAN(""), true, SPAN("") },
        { "f", SPAN("Zg=="), true, SPAN("f") },
        { "fo", SPAN("Zm8="), true, SPAN("fo") },
        { "foo", SPAN("Zm9v"), true, SPAN("foo") },
        { "foob", SPAN("Zm9vYg=="), true, SPAN("foob") },
        { "fooba", SPAN("Zm9vYmE="), true, SPAN("fooba") },
        { "foobar", SPAN("Zm9vYmFy"), true, SPAN("foobar") },
        { "RFC 4616 4, tim", SPAN("AHRpbQB0YW5zdGFhZnRhbnN0YWFm"), true, SPAN("\0tim\0tanstaaftanstaaf") },
        { "RFC 4616 4, Ursel", SPAN("VXJzZWwAS3VydAB4aXBqM3BsbXE="), true, SPAN("Ursel\0Kurt\0xipj3plmq") },
        { "every bit", SPAN("+/+/"), true, SPAN("\xfb\xff\xbf") },
        { "too short", SPAN("Zg="), false, SPAN("") },
        { "no padding", SPAN("Zg"), false, SPAN("") },
        { "padding alone", SPAN("===="), false, SPAN("") },
        { "three pads", SPAN("Z==="), false, SPAN("") },
        { "padding within", SPAN("Zg==Zg=="), false, SPAN("") },
        { "blank", SPAN("Zm9v YmF"), false, SPAN("") },
        { "line end", SPAN("Zm9\n"), false, SPAN("") },
        { "bits left over", SPAN("Zh=="), false, SPAN("") },
        { "bits left over by two", SPAN("Zm9="), false, SPAN("") },
        { "URL alphabet", SPAN("-_-_"), false, SPAN("") },
        { "NUL", SPAN("Zm9\0"), false, SPAN("") },
        { "8-bit", SPAN("Zm9\xff"), false, SPAN("") },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bytes_clear(out);
        bool good = base64_decode(rows[i].text, out);
        print("decode", rows[i].name,
              good == rows[i].good && (!good || span_eq(span_bytes(out), rows[i].data)), span_bytes(out));
        bytes_clear(out);
        if (rows[i].good)
            print("encode", rows[i].name,
                  base64_encode(rows[i].data, out) && span_eq(span_bytes(out), rows[i].text),
                  span_bytes(out));
    }
}

static void lenient(struct bytes *out)
{
    static const struct {
        const char *name;
        struct span text, data;
    } rows[] = {
        { "lines", SPAN("Zm9v\r\nYmFy\r\n"), SPAN("foobar") },
        { "junk", SPAN("Z-m*9\0v\xff"), SPAN("foo") },
        { "stops at padding", SPAN("Zg==Zm9v"), SPAN("f") },
        { "no padding", SPAN("Zm8"), SPAN("fo") },
        { "a letter alone", SPAN("Zm9vY"), SPAN("foo") },
        { "empty", SPAN(""), SPAN("") },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bytes_clear(out);
        print("body", rows[i].name,
              base64_decode_body(rows[i].text, out) && span_eq(span_bytes(out), rows[i].data),
              span_bytes(out));
    }
}

static void quoted_printable(struct bytes *out)
{
    static const struct {
        const char *name;
        struct span text, data;
    } rows[] = {
        { "RFC 2045 6.7", SPAN("Now's the time =\r\nfor all folk to come=\r\n to the aid of their country."),
          SPAN("Now's the time for all folk to come to the aid of their country.") },
        { "escapes", SPAN("=3D=0C=c3=B6"), SPAN("=\f\xc3\xb6") },
        { "hard lines", SPAN("a\r\nb\nc"), SPAN("a\r\nb\nc") },
        { "blanks at line ends", SPAN("a \t\r\nb =20 \r\n"), SPAN("a\r\nb  \r\n") },
        { "blanks behind a soft break", SPAN("a= \t\r\nb"), SPAN("ab") },
        { "soft break with LF", SPAN("a=\nb"), SPAN("ab") },
        { "soft break at the end", SPAN("a="), SPAN("a") },
        { "broken escapes", SPAN("=G0 =0 =4"), SPAN("=G0 =0 =4") },
        { "two equal signs", SPAN("a==\r\nb"), SPAN("a=b") },
        { "escape cut by a line", SPAN("a=4\r\n1"), SPAN("a=4\r\n1") },
        { "8-bit and NUL", SPAN("\xff\0=00"), SPAN("\xff\0\0") },
        { "empty", SPAN(""), SPAN("") },
        { "bare CR", SPAN("a\rb\r"), SPAN("a\rb\r") },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bytes_clear(out);
        print("quoted-printable", rows[i].name,
              quoted_printable_decode(rows[i].text, out) && span_eq(span_bytes(out), rows[i].data),
              span_bytes(out));
    }
}

int main(void)
{
    struct bytes out, small;
    bytes_init(&out, 65536);
    bytes_init(&small, 2);
    strict(&out);
    lenient(&out);
    quoted_printable(&out);
    ok(!base64_decode(SPAN("Zm9v"), &small), "decode over the limit");
    bytes_clear(&small);
    ok(!base64_decode_body(SPAN("Zm9v"), &small), "body over the limit");
    bytes_clear(&small);
    ok(!base64_encode(SPAN("a"), &small), "encode over the limit");
    bytes_clear(&small);
    ok(!quoted_printable_decode(SPAN("abc"), &small), "quoted-printable over the limit");
    bytes_free(&out);
    bytes_free(&small);
    return done_testing();
}
