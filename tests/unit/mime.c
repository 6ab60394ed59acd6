/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The structure of messages: RFC 2046 5.1's examples, what belongs to which part, and hostile nesting. A part
 * is shown as type/subtype{header length,lines,bare}[body], children in parentheses; a multipart's body by
 * its length.
 */
#include "tap.h"

#include "text/mime.h"

#include <string.h>

static void show(const struct mime_part *part, struct bytes *out)
{
    for (; part; part = part->next) {
        bytes_add_span(out, part->type);
        bytes_add_char(out, '/');
        bytes_add_span(out, part->subtype);
        bytes_printf(out, "{%zu,%zu,%zu}", part->header.n, part->lines, part->bare);
        if (part->child)
            bytes_printf(out, "[%zu]", part->body.n);
        else
            bytes_printf(out, "[%.*s]", SPAN_FMT(part->body));
        if (part->child) {
            bytes_add_char(out, '(');
            show(part->child, out);
            bytes_add_char(out, ')');
        }
        if (part->next)
            bytes_add_char(out, ' ');
    }
}

#define MULTI "Content-Type: multipart/mixed; boundary=b\r\n\r\n" /* 45 bytes */
#define DIGEST "Content-Type: multipart/digest; boundary=b\r\n\r\n" /* 46 bytes */
#define INNER "Content-Type: multipart/mixed; boundary=i\r\n\r\n"
#define RFC822 "Content-Type: message/rfc822\r\n\r\n" /* 32 bytes */

static const struct { const char *name, *input, *expected;
} structure_rows[] = {
    { "plain", "A: b\r\n\r\nx\r\n", "text/plain{8,1,0}[x\r\n]" },
    { "LF", "A: b\n\nx\ny", "text/plain{6,1,1}[x\ny]" },
    { "empty", "", "text/plain{0,0,0}[]" },
    { "header alone", "A: b\r\n", "text/plain{6,0,0}[]" },
    { "empty line alone", "\r\n", "text/plain{2,0,0}[]" },
    { "no header", "Hello\nyou\n", "text/plain{10,0,0}[]" },
    { "type as written", "Content-type: TEXT/Html\r\n\r\n", "TEXT/Html{27,0,0}[]" },
    { "comments in the type", "Content-Type: (a(b)) text (c) / (d) html (e)\r\n\r\n", "text/html{48,0,0}[]" },
    { "folded type", "Content-Type:\r\n text/\r\n html\r\n\r\n", "text/html{32,0,0}[]" },
    { "no subtype", "Content-Type: text\r\n\r\n", "text/plain{22,0,0}[]" },
    { "broken type", "Content-Type: ; /x\r\n\r\n", "text/plain{22,0,0}[]" },
    { "first type wins", "Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n", "a/b{40,0,0}[]" },
    { "RFC 2046 5.1.1",
      "Content-Type: multipart/mixed; boundary=\"simple boundary\"\r\n\r\n"
      "This is the preamble.\r\n\r\n--simple boundary\r\n\r\nNo line end.\r\n--simple boundary\r\n"
      "Content-type: text/plain; charset=us-ascii\r\n\r\nOne line end.\r\n\r\n--simple boundary--\r\n\r\nEpilogue.\r\n",
      "multipart/mixed{61,13,0}[176](text/plain{2,0,0}[No line end.] text/plain{46,1,0}[One line end.\r\n])" },
    { "with LF",
      "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nNo line end.\n--b\nA: b\n\nOne line end.\n\n--b--\n",
      "multipart/mixed{43,9,9}[49](text/plain{1,0,0}[No line end.] text/plain{6,1,1}[One line end.\n])" },
    { "empty parts", MULTI "--b\r\n--b\r\n\r\n--b\r\n\r\n\r\n--b--",
      "multipart/mixed{45,6,0}[26](text/plain{0,0,0}[] text/plain{2,0,0}[] text/plain{2,0,0}[])" },
    { "part's header cut by a boundary", MULTI "--b\r\nA: b\r\n--b--\r\n",
      "multipart/mixed{45,3,0}[18](text/plain{4,0,0}[])" },
    { "unclosed", MULTI "--b\r\n\r\nx\r\n", "multipart/mixed{45,3,0}[10](text/plain{2,1,0}[x\r\n])" },
    { "no boundary line", MULTI "x\r\ny\r\n", "text/plain{45,2,0}[x\r\ny\r\n]" },
    { "closed at once", MULTI "--b--\r\nx\r\n", "text/plain{45,2,0}[--b--\r\nx\r\n]" },
    { "no boundary parameter", "Content-Type: multipart/mixed\r\n\r\n--\r\n\r\nx",
      "text/plain{33,2,0}[--\r\n\r\nx]" },
    { "empty boundary parameter", "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\nx",
      "text/plain{46,2,0}[--\r\n\r\nx]" },
    { "blanks behind the boundary", MULTI "--b \t \r\n\r\nx\r\n--b-- \r\n",
      "multipart/mixed{45,4,0}[21](text/plain{2,0,0}[x])" },
    { "something else behind the boundary",
      MULTI "--b\r\n\r\n--bx\r\n--b-\r\n--b --\r\n --b\r\n--b--x\r\n--b--",
      "multipart/mixed{45,7,0}[46](text/plain{2,4,0}[--bx\r\n--b-\r\n--b --\r\n --b\r\n--b--x])" },
    { "boundary in the epilogue", MULTI "--b\r\n\r\nx\r\n--b--\r\n--b\r\n\r\ny\r\n--b--\r\n",
      "multipart/mixed{45,8,0}[34](text/plain{2,0,0}[x])" },
    { "nested", MULTI "--b\r\n" INNER "--i\r\n\r\nx\r\n--i--\r\n\r\n--b\r\n\r\ny\r\n--b--\r\n",
      "multipart/mixed{45,12,0}[86](multipart/mixed{45,4,0}[17](text/plain{2,0,0}[x]) text/plain{2,0,0}[y])" },
    { "inner unclosed", MULTI "--b\r\n" INNER "--i\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--\r\n",
      "multipart/mixed{45,10,0}[77](multipart/mixed{45,2,0}[8](text/plain{2,0,0}[x]) text/plain{2,0,0}[y])" },
    { "inner boundary extends the outer",
      MULTI "--b\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\n\r\nx\r\n--b1--\r\n--b--\r\n",
      "multipart/mixed{45,8,0}[77](multipart/mixed{46,3,0}[17](text/plain{2,0,0}[x]))" },
    { "inner boundary looks like the outer's end",
      MULTI
      "--b\r\nContent-Type: multipart/mixed; boundary=b--\r\n\r\n--b--\r\n\r\nx\r\n--b----\r\n--b--\r\n",
      "multipart/mixed{45,8,0}[80](multipart/mixed{47,3,0}[19](text/plain{2,0,0}[x]))" },
    { "inner has the outer's boundary", MULTI "--b\r\n" MULTI "--b\r\n\r\nx\r\n--b--\r\n",
      "multipart/mixed{45,7,0}[67](multipart/mixed{45,4,0}[17](text/plain{2,0,0}[x]))" },
    { "message", RFC822 "A: b\r\n\r\nx\r\n", "message/rfc822{32,3,0}[11](text/plain{8,1,0}[x\r\n])" },
    { "empty message", RFC822, "message/rfc822{32,0,0}[0](text/plain{0,0,0}[])" },
    { "message in a part", MULTI "--b\r\n" RFC822 "A: b\r\n\r\nx\r\n--b--\r\n",
      "multipart/mixed{45,7,0}[55](message/rfc822{32,2,0}[9](text/plain{8,0,0}[x]))" },
    { "message's header cut by a boundary", MULTI "--b\r\n" RFC822 "A: b\r\n--b--\r\n",
      "multipart/mixed{45,5,0}[50](message/rfc822{32,0,0}[4](text/plain{4,0,0}[]))" },
    { "message cut before its header", MULTI "--b\r\n" RFC822 "--b--\r\n",
      "multipart/mixed{45,4,0}[44](message/rfc822{32,0,0}[0](text/plain{0,0,0}[]))" },
    { "message type cut by a boundary", MULTI "--b\r\nContent-Type: message/rfc822\r\n--b--\r\n",
      "multipart/mixed{45,3,0}[42](message/rfc822{28,0,0}[0](text/plain{0,0,0}[]))" },
    { "digest (RFC 2046 5.1.5)",
      DIGEST "--b\r\n\r\nA: b\r\n\r\nx\r\n--b\r\nContent-Type: text/plain\r\n\r\ny\r\n--b--\r\n",
      "multipart/digest{46,10,0}[61](message/rfc822{2,2,0}[9](text/plain{8,0,0}[x]) text/plain{28,0,0}[y])" },
    { "digest's message without a header", DIGEST "--b\r\n--b--\r\n",
      "multipart/digest{46,2,0}[12](message/rfc822{0,0,0}[0](text/plain{0,0,0}[]))" },
    { "digest's message with an empty header", "Content-Type: multipart/digest; boundary=b\n\n--b\n\n\n--b",
      "multipart/digest{44,3,3}[9](message/rfc822{1,1,1}[1](text/plain{1,0,0}[]) message/rfc822{0,0,0}[0](text/plain{0,0,0}[]))" },
    { "message/rfc822 in a message", RFC822 RFC822 "A: b\r\n\r\nx",
      "message/rfc822{32,4,0}[41](message/rfc822{32,2,0}[9](text/plain{8,0,0}[x]))" },
    { "other message types", "Content-Type: message/delivery-status\r\n\r\nA: b\r\n\r\n",
      "message/delivery-status{41,2,0}[A: b\r\n\r\n]" },
    { "long boundary line", MULTI "--b\r\n\r\n--bbbbbbbbbbbbbbb\r\n--b--\r\n",
      "multipart/mixed{45,4,0}[33](text/plain{2,0,0}[--bbbbbbbbbbbbbbb])" },
    { "boundary with specials",
      "Content-Type: multipart/mixed; boundary=\"=_a\\b c\"\n\n--=_ab c\n\nx\n--=_ab c--",
      "multipart/mixed{51,3,3}[22](text/plain{1,0,0}[x])" },
    { "bare boundary with specials",
      "Content-Type: multipart/mixed; boundary==_a:b\n\n--=_a:b\n\nx\n--=_a:b--",
      "multipart/mixed{47,3,3}[20](text/plain{1,0,0}[x])" },
};

static void structures(void)
{
    struct bytes out;
    bytes_init(&out, 65536);
    for (size_t i = 0; i < sizeof structure_rows / sizeof structure_rows[0]; i++) {
        struct mime_part *root = mime_parse(span_of(structure_rows[i].input));
        bytes_clear(&out);
        show(root, &out);
        ok(strcmp(bytes_str(&out), structure_rows[i].expected) == 0, "%s", structure_rows[i].name);
        if (strcmp(bytes_str(&out), structure_rows[i].expected) != 0)
            printf("# got      %s\n# expected %s\n", bytes_str(&out), structure_rows[i].expected);
        mime_free(root);
    }
    bytes_free(&out);
}

static void parameters(void)
{
    static const struct {
        const char *name, *value, *expected;
    } rows[] = {
        { "two", "text/plain; charset=us-ascii; format=flowed", "charset=us-ascii,format=flowed," },
        { "RFC 2045 5.1", "text/plain; charset=us-ascii (Plain text)", "charset=us-ascii," },
        { "RFC 2045 5.1 quoted", "text/plain; charset=\"us-ascii\"", "charset=us-ascii," },
        { "RFC 2231 3",
          "message/external-body; access-type=URL;\r\n URL*0=\"ftp://\";\r\n URL*1=\"cs.utk.edu\"",
          "access-type=URL,URL*0=ftp://,URL*1=cs.utk.edu," },
        { "blanks everywhere", "a/b ; c = d ; e = \"f\" ", "c=d,e=f," },
        { "comments everywhere", "a/b (;x=y) ;(z) c (z)= (z) d (z); e=(z)\"f\"(z)", "c=d,e=f," },
        { "semicolon in quotes", "a/b; c=\"d;e=f\"; g=h", "c=d;e=f,g=h," },
        { "quoted pairs", "a/b; c=\"d\\\"e\\\\f\"", "c=d\"e\\f," },
        { "unquoted blanks", "a/b; name=my long  name.pdf ; c=d", "name=my long name.pdf,c=d," },
        { "unquoted parentheses", "a/b; name=report(1).pdf (a comment)", "name=report(1).pdf," },
        { "empty ones", "a/b;; ;c=d;;", "c=d," },
        { "no value", "a/b; c; d=e", "d=e," },
        { "empty value", "a/b; c=; d=\"\"", "c=,d=," },
        { "no name", "a/b; =c; d=e", "d=e," },
        { "8-bit name", "a/b; c\xff=d; e=f", "e=f," },
        { "unclosed quote", "a/b; c=\"d; e=f", "c=d; e=f," },
        { "unclosed comment", "a/b; c=d (; e=f", "c=d," },
        { "behind a quoted value", "a/b; c=\"d\" e=f; g=h", "c=d,g=h," },
        { "quote before the first", "\"a;b\"; c=d", "c=d," },
        { "none", "a/b", "" },
        { "nothing", "", "" },
    };
    struct bytes out, name, value;
    bytes_init(&out, 65536);
    bytes_init(&name, 100);
    bytes_init(&value, 100);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct span rest = span_of(rows[i].value);
        bytes_clear(&out);
        while (mime_parameter_next(&rest, &name, &value))
            bytes_printf(&out, "%s=%s,", bytes_str(&name), bytes_str(&value));
        ok(strcmp(bytes_str(&out), rows[i].expected) == 0, "parameters, %s: %s", rows[i].name,
           bytes_str(&out));
    }
    ok(mime_parameter(SPAN("a/b; c=d; CHARSET=x; charset=y"), "charset", &value) &&
           strcmp(bytes_str(&value), "x") == 0,
       "a parameter by name");
    ok(!mime_parameter(SPAN("a/b; c=d"), "charset", &value) && value.len == 0, "no parameter of that name");
    bytes_free(&out);
    bytes_free(&name);
    bytes_free(&value);
}

static size_t depth_of(const struct mime_part *part)
{
    size_t deepest = 0;
    for (const struct mime_part *child = part->child; child; child = child->next) {
        size_t depth = depth_of(child);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

static size_t count_of(const struct mime_part *part)
{
    size_t count = 0;
    for (; part; part = part->next)
        count += 1 + count_of(part->child);
    return count;
}

static void hostile(void)
{
    struct bytes text;
    bytes_init(&text, 16 << 20);
    for (int i = 0; i < 1000; i++)
        bytes_printf(&text, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
    struct mime_part *root = mime_parse(span_bytes(&text));
    ok(root && depth_of(root) == MIME_DEPTH + 1, "multiparts 1,000 deep end at depth %zu", depth_of(root));
    mime_free(root);

    bytes_clear(&text);
    for (int i = 0; i < 1000; i++)
        bytes_add_str(&text, RFC822);
    root = mime_parse(span_bytes(&text));
    ok(root && depth_of(root) == MIME_DEPTH + 1, "messages 1,000 deep end at depth %zu", depth_of(root));
    mime_free(root);

    bytes_clear(&text);
    bytes_add_str(&text, MULTI);
    for (int i = 0; i < 100000; i++)
        bytes_add_str(&text, "--b\r\n\r\nx\r\n");
    bytes_add_str(&text, "--b--\r\nepilogue\r\n");
    root = mime_parse(span_bytes(&text));
    struct mime_part *last = root->child;
    while (last->next)
        last = last->next;
    ok(count_of(root) == MIME_PARTS, "100,000 parts end at %zu", count_of(root));
    ok(last->body.p + last->body.n + 26 - 7 == text.data + text.len,
       "the last has the rest, up to the closing line");
    mime_free(root);

    bytes_clear(&text);
    bytes_add_str(&text, DIGEST);
    for (int i = 0; i < 100000; i++)
        bytes_add_str(&text, "--b\r\n");
    root = mime_parse(span_bytes(&text));
    ok(count_of(root) <= MIME_PARTS, "100,000 empty messages of a digest end at %zu", count_of(root));
    mime_free(root);

    bytes_clear(&text);
    bytes_add_str(&text, "Content-Type: multipart/mixed; boundary=");
    for (int i = 0; i < 1 << 20; i++)
        bytes_add_char(&text, 'b');
    bytes_add_str(&text, "\r\n\r\n--b\r\n\r\nx");
    root = mime_parse(span_bytes(&text));
    ok(!root->child, "a boundary of 1 MiB is none");
    mime_free(root);

    struct span nul = SPAN("Content-Type: text/html\0; x=y\r\nA\0: b\r\n\r\nx\0y\r\n");
    root = mime_parse(nul);
    ok(span_eq_str(root->subtype, "html") && root->body.n == 5, "NULs");
    mime_free(root);
    root = mime_parse((struct span){ NULL, 0 });
    ok(root && root->body.n == 0 && root->body.p, "no bytes at all");
    mime_free(root);
    bytes_free(&text);
}

static void decoding(void)
{
    static const struct { const char *name, *input, *expected; } rows[] = {
        { "base64", "Content-Transfer-Encoding: BASE64\n\nZm9v\nYmFy\n", "foobar" },
        { "quoted-printable", "Content-Transfer-Encoding: Quoted-Printable (x)\n\na=3Db=\nc", "a=bc" },
        { "8bit", "Content-Transfer-Encoding: 8bit\n\na=3D", "a=3D" },
        { "absent", "\na=3D", "a=3D" },
        { "unknown", "Content-Transfer-Encoding: x-uuencode\n\na=3D", "a=3D" },
        { "unreadable", "Content-Transfer-Encoding: \"base64\"\n\na=3D", "a=3D" },
    };
    struct bytes out;
    bytes_init(&out, 65536);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mime_part *root = mime_parse(span_of(rows[i].input));
        bytes_clear(&out);
        ok(mime_decode(root, &out) && strcmp(bytes_str(&out), rows[i].expected) == 0, "decode, %s",
           rows[i].name);
        mime_free(root);
    }
    bytes_free(&out);
}

int main(void)
{
    structures();
    parameters();
    hostile();
    decoding();
    return done_testing();
}
