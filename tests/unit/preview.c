/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * PREVIEW's text, and transfer encodings undone in pieces: what mail programs send, and what tries to be slow
 * or to come out wrong.
 */
#include "tap.h"

#include "text/base64.h"
#include "text/preview.h"

#include <string.h>

#define HTML "Content-Type: text/html\n\n"
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct {
    const char *name, *message, *expected;
} rows[] = {
    { "plain", "Subject: x\n\nHello,\r\n\r\n  world\t!\n", "Hello, world !" },
    { "nothing", "Subject: x\n\n", "" },
    { "nothing but blanks", "\n \n\t\n", "" },
    { "200 characters, not more", "\n" HUNDRED HUNDRED "x", HUNDRED HUNDRED },
    { "no blank at the end", "\n" HUNDRED HUNDRED " x", HUNDRED HUNDRED },
    { "a blank as the 200th is left out", "\n" HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN "012345678 x",
      HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN "012345678" },
    { "quoted lines", "\n> yours\nmine\n>> older\n", "mine" },
    { "nothing but quoted lines", "\n> yours\n", "> yours" },
    { "a signature", "\nmine\n-- \nAlice\n", "mine" },
    { "a signature first", "\n-- \nAlice\n", "-- Alice" },
    { "latin1", "Content-Type: text/plain; charset=iso-8859-1\n\ngr\xfc\xdf\n", "gr\xc3\xbc\xc3\x9f" },
    { "broken UTF-8", "\na\xff" "b\n", "a\xef\xbf\xbd" "b" },
    { "control characters", "\na\x01\x7f" "b\n", "a b" },
    { "invisible characters", "\n\xe2\x80\x8b\xef\xbb\xbf" "a\xc2\xad" "b\n", "ab" },
    { "no-break spaces", "\na\xc2\xa0\xc2\xa0" "b\n", "a b" },
    { "base64", "Content-Transfer-Encoding: base64\n\nSGVs\nbG8=\n", "Hello" },
    { "tags", HTML "<p>a<b>b</b>c</p><p>d<br>e", "abc d e" },
    { "upper case", HTML "<STYLE>no</sTyLe>yes", "yes" },
    { "head", HTML "<html><head><title>t</title></head><body>b", "b" },
    { "comment", HTML "a<!-- > -- b -->c", "ac" },
    { "comment without end", HTML "a<!-- b ->", "a" },
    { "script without end", HTML "a<script>b", "a" },
    { "quotes in a tag", HTML "<a title='<\">'>x</a>", "x" },
    { "quote without end", HTML "<a title='>x</a>", "x" },
    { "tag without end", HTML "a<b", "a" },
    { "lonely <", HTML "1 < 2 <3", "1 < 2 <3" },
    { "references", HTML "&lt;&amp;&gt;&auml;&#228;&#xE4;&euro;", "<&>\xc3\xa4\xc3\xa4\xc3\xa4\xe2\x82\xac" },
    { "bad references", HTML "&;&#;&#x;&#xffffffff;&#55296;&nope;& x", "&;&#;&#x;&#xffffffff;\xef\xbf\xbd&nope;& x" },
    { "alternative", "Content-Type: multipart/alternative; boundary=b\n\n--b\n" HTML "html\n--b\n\nplain\n--b--\n", "plain" },
    { "empty alternative", "Content-Type: multipart/alternative; boundary=b\n\n--b\n\n\n--b\n" HTML "html\n--b--\n", "html" },
    { "attachment", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: attachment\n\nno\n--b\n\nyes\n--b--\n",
      "yes" },
    { "message inside", "Content-Type: message/rfc822\n\nSubject: y\n\ninner", "" },
    { "image", "Content-Type: image/png\n\nx", "" },
};

static void previews(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes out;
        bytes_init(&out, 4 * PREVIEW_CHARACTERS);
        struct mime_part *root = mime_parse(span_of(rows[i].message));
        bool good = preview_write(root, &out);
        if (!ok(good && strcmp(bytes_str(&out), rows[i].expected) == 0, "%s", rows[i].name))
            printf("# got      %s\n# expected %s\n", bytes_str(&out), rows[i].expected);
        mime_free(root);
        bytes_free(&out);
    }
}

static const struct {
    const char *name;
    enum mime_encoding encoding;
    const char *stored, *expected;
} encodings[] = {
    { "as it is", MIME_8BIT, "a\nb\r\nc\rd", "a\r\nb\r\nc\rd" },
    { "base64", MIME_BASE64, "QU\nJD", "ABC" },
    { "base64 with junk", MIME_BASE64, "Q!U\xff" "J D\n", "ABC" },
    { "base64 behind padding", MIME_BASE64, "QQ==QUJD", "A" },
    { "base64 cut off", MIME_BASE64, "QUJDQ", "ABC" },
    { "quoted-printable", MIME_QUOTED_PRINTABLE, "a=3Db=0A\nc", "a=b\n\r\nc" },
    { "soft line breaks", MIME_QUOTED_PRINTABLE, "a=\nb= \t\r\nc=", "abc" },
    { "blanks at the end of lines", MIME_QUOTED_PRINTABLE, "a  \nb \t\r\n  c ", "a\r\nb\r\n  c" },
    { "bad escapes", MIME_QUOTED_PRINTABLE, "=4 =xx = a", "=4 =xx = a" },
    { "nothing", MIME_BASE64, "", "" },
};

/* In pieces of `max` bytes. */
static bool decodes(size_t i, size_t max)
{
    struct mime_decoder d;
    struct span piece;
    struct bytes out;
    bytes_init(&out, 1000);
    mime_decoder_start(&d, span_of(encodings[i].stored), encodings[i].encoding);
    while (mime_decoder_next(&d, max, &piece))
        bytes_add_span(&out, piece);
    bool good = strcmp(bytes_str(&out), encodings[i].expected) == 0;
    if (!good)
        printf("# got %s\n", bytes_str(&out));
    bytes_free(&out);
    return good;
}

static void decoded(void)
{
    for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++)
        ok(decodes(i, 1) && decodes(i, 100000), "%s", encodings[i].name);
}

/* More than one buffer, and the same in one piece. */
static void large(void)
{
    struct bytes data, text, out;
    struct mime_decoder d, copy;
    struct span piece;
    bytes_init(&data, 100000);
    bytes_init(&text, 200000);
    bytes_init(&out, 100000);
    for (unsigned i = 0; i < 50000; i++)
        bytes_add_char(&data, (char)(i * 7919 >> 5));
    base64_encode(span_bytes(&data), &text);
    mime_decoder_start(&d, span_bytes(&text), MIME_BASE64);
    while (out.len < 20000 && mime_decoder_next(&d, 333, &piece))
        bytes_add_span(&out, piece);
    copy = d;
    copy.stored = span_bytes(&text);
    while (mime_decoder_next(&copy, 5000, &piece))
        bytes_add_span(&out, piece);
    ok(span_eq(span_bytes(&data), span_bytes(&out)), "a large part, with a copy of the decoder");
    bytes_free(&data);
    bytes_free(&text);
    bytes_free(&out);
}

int main(void)
{
    previews();
    decoded();
    large();
    return done_testing();
}
