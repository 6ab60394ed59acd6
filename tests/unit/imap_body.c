/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ENVELOPE and BODYSTRUCTURE: the examples of RFC 3501 7.4.2 and 8, and messages that
 * try to break out of the grammar.
 */
#include "tap.h"

#include "text/header.h"
#include "text/imap_body.h"

#include <string.h>

static void report(const char *what, const char *name, const char *expected, const struct bytes *out)
{
    if (!ok(strcmp(bytes_str(out), expected) == 0, "%s, %s", what, name))
        printf("# got      %s\n# expected %s\n", bytes_str(out), expected);
}

#define FROM_ALONE(f) "(NIL NIL " f " " f " " f " NIL NIL NIL NIL NIL)"

static void envelopes(void)
{
    static const struct {
        const char *name, *header, *expected;
    } rows[] = {
        { "RFC 3501 8",
          "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nFrom: Terry Gray <gray@cac.washington.edu>\r\n"
          "Subject: IMAP4rev1 WG mtg summary and minutes\r\nTo: imap@cac.washington.edu\r\n"
          "cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
          "Message-Id: <B27397-0100000@cac.washington.edu>\r\nMIME-Version: 1.0\r\n\r\n",
          "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev1 WG mtg summary and minutes\" "
          "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
          "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((NIL NIL \"imap\" \"cac.washington.edu\")) "
          "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL "
          "\"<B27397-0100000@cac.washington.edu>\")" },
        { "nothing", "", FROM_ALONE("NIL") },
        { "empty fields", "Date:\r\nSubject: \r\nFrom:\r\nTo: ,\r\nIn-Reply-To:\r\nMessage-ID:\r\n\r\n",
          "(\"\" \"\" NIL NIL NIL NIL NIL NIL \"\" \"\")" },
        { "sender and reply-to of their own",
          "From: a@b\nSender: c@d\nReply-To: e@f\nBcc: g@h\nIn-Reply-To: <i@j>\n",
          "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"c\" \"d\")) ((NIL NIL \"e\" \"f\")) NIL NIL "
          "((NIL NIL \"g\" \"h\")) \"<i@j>\" NIL)" },
        { "empty reply-to", "From: a@b\nReply-To: \n", FROM_ALONE("((NIL NIL \"a\" \"b\"))") },
        { "group", "To: A Group: Ed <c@a.test>, joe@b.test;, x@y\n",
          "(NIL NIL NIL NIL NIL ((NIL NIL \"A Group\" NIL)(\"Ed\" NIL \"c\" \"a.test\")(NIL NIL \"joe\" \"b.test\")"
          "(NIL NIL NIL NIL)(NIL NIL \"x\" \"y\")) NIL NIL NIL NIL)" },
        { "unclosed group", "To: Friends: a@b\n",
          "(NIL NIL NIL NIL NIL ((NIL NIL \"Friends\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)) NIL NIL NIL NIL)" },
        { "group in a group", "To: A:B:a@b;;\n",
          "(NIL NIL NIL NIL NIL ((NIL NIL \"A\" NIL)(NIL NIL NIL NIL)(NIL NIL \"B\" NIL)(NIL NIL \"a\" \"b\")"
          "(NIL NIL NIL NIL)) NIL NIL NIL NIL)" },
        { "semicolon without a group", "From: a@b;\n", FROM_ALONE("((NIL NIL \"a\" \"b\"))") },
        { "no domain", "From: root\n", FROM_ALONE("((NIL NIL \"root\" \"\"))") },
        { "two To fields", "To: a@b\nTo: c@d\n",
          "(NIL NIL NIL NIL NIL ((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")) NIL NIL NIL NIL)" },
        { "two subjects", "Subject: a\nSubject: b\n", "(NIL \"a\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
        { "folded", "Subject: a\r\n b\r\n\tc\r\n", "(NIL \"a b\tc\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
        { "quotes", "Subject: \"a\\b\"\n", "(NIL \"\\\"a\\\\b\\\"\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
        { "8-bit", "Subject: \xc3\xb6\xff\n", "(NIL {3}\r\n\xc3\xb6\xff NIL NIL NIL NIL NIL NIL NIL NIL)" },
        { "bare CR", "Subject: a\rb\n", "(NIL \"a b\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
        { "encoded words stay", "Subject: =?utf-8?Q?a?=\n",
          "(NIL \"=?utf-8?Q?a?=\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
        { "8-bit name", "From: J\xc3\xb6 <j@x>\n", FROM_ALONE("(({3}\r\nJ\xc3\xb6 NIL \"j\" \"x\"))") },
        { "body isn't looked at", "Subject: a\n\nFrom: b@c\n",
          "(NIL \"a\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
    };
    struct bytes out;
    bytes_init(&out, 1 << 20);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bytes_clear(&out);
        imap_envelope(span_of(rows[i].header), &out);
        report("envelope", rows[i].name, rows[i].expected, &out);
    }
    bytes_free(&out);
}

#define TEXT(octets, lines) \
    "(\"text\" \"plain\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" " octets " " lines " NIL NIL NIL NIL)"
#define TEXT_BODY(octets, lines)                                                                             \
    "(\"text\" \"plain\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" " octets " " lines ")"

static const struct { const char *name, *message, *structure, *body;
} body_rows[] = {
    { "RFC 3501 7.4.2, text", "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\na\r\nb\r\n",
      "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 6 2 NIL NIL NIL NIL)",
      "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 6 2)" },
    { "RFC 3501 7.4.2, two parts",
      "Content-Type: MULTIPART/MIXED; BOUNDARY=x\n\n--x\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII\n\nab\n\n"
      "--x\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII; NAME=cc.diff\n"
      "Content-ID: <960723163407.20117h@cac.washington.edu>\nContent-Description: Compiler diff\n"
      "Content-Transfer-Encoding: BASE64\n\nYWI=\n--x--\n",
      "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 4 1 NIL NIL NIL NIL)"
      "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\" \"NAME\" \"cc.diff\") "
      "\"<960723163407.20117h@cac.washington.edu>\" \"Compiler diff\" \"BASE64\" 4 0 NIL NIL NIL NIL) "
      "\"MIXED\" (\"BOUNDARY\" \"x\") NIL NIL NIL)",
      "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 4 1)"
      "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\" \"NAME\" \"cc.diff\") "
      "\"<960723163407.20117h@cac.washington.edu>\" \"Compiler diff\" \"BASE64\" 4 0) \"MIXED\")" },
    { "RFC 2049 A",
      "MIME-Version: 1.0\nFrom: Nathaniel Borenstein <nsb@nsb.fv.com>\n"
      "To: Ned Freed <ned@innosoft.com>\nDate: Fri, 07 Oct 1994 16:15:05 -0700 (PDT)\n"
      "Subject: A multipart example\nContent-Type: multipart/mixed;\n"
      "              boundary=unique-boundary-1\n\nPreamble.\n\n--unique-boundary-1\n\n"
      "  ... Some text appears here ...\n--unique-boundary-1\n"
      "Content-type: text/plain; charset=US-ASCII\n\nExplicit.\n\n--unique-boundary-1\n"
      "Content-Type: multipart/parallel; boundary=unique-boundary-2\n\n--unique-boundary-2\n"
      "Content-Type: audio/basic\nContent-Transfer-Encoding: base64\n\nAAAA\n\n"
      "--unique-boundary-2\nContent-Type: image/jpeg\nContent-Transfer-Encoding: base64\n\nBBBB\n\n"
      "--unique-boundary-2--\n\n--unique-boundary-1\nContent-type: text/enriched\n\nEnriched.\n\n"
      "--unique-boundary-1\nContent-Type: message/rfc822\n\nFrom: (mailbox in US-ASCII)\n"
      "To: (address in US-ASCII)\nSubject: (subject in US-ASCII)\n"
      "Content-Type: Text/plain; charset=ISO-8859-1\nContent-Transfer-Encoding: Quoted-printable\n"
      "\n  ... Additional text in ISO-8859-1 goes here ...\n\n--unique-boundary-1--\n",
      "((\"text\" \"plain\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 32 0 NIL NIL NIL NIL)"
      "(\"text\" \"plain\" (\"charset\" \"US-ASCII\") NIL NIL \"7BIT\" 11 1 NIL NIL NIL NIL)"
      "((\"audio\" \"basic\" NIL NIL NIL \"base64\" 6 NIL NIL NIL NIL)"
      "(\"image\" \"jpeg\" NIL NIL NIL \"base64\" 6 NIL NIL NIL NIL) "
      "\"parallel\" (\"boundary\" \"unique-boundary-2\") NIL NIL NIL)"
      "(\"text\" \"enriched\" NIL NIL NIL \"7BIT\" 11 1 NIL NIL NIL NIL)"
      "(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 232 "
      "(NIL \"(subject in US-ASCII)\" NIL NIL NIL NIL NIL NIL NIL NIL) "
      "(\"Text\" \"plain\" (\"charset\" \"ISO-8859-1\") NIL NIL \"Quoted-printable\" 51 1 NIL NIL NIL NIL) "
      "7 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"unique-boundary-1\") NIL NIL NIL)",
      "((\"text\" \"plain\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 32 0)"
      "(\"text\" \"plain\" (\"charset\" \"US-ASCII\") NIL NIL \"7BIT\" 11 1)"
      "((\"audio\" \"basic\" NIL NIL NIL \"base64\" 6)(\"image\" \"jpeg\" NIL NIL NIL \"base64\" 6) "
      "\"parallel\")(\"text\" \"enriched\" NIL NIL NIL \"7BIT\" 11 1)"
      "(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 232 "
      "(NIL \"(subject in US-ASCII)\" NIL NIL NIL NIL NIL NIL NIL NIL) "
      "(\"Text\" \"plain\" (\"charset\" \"ISO-8859-1\") NIL NIL \"Quoted-printable\" 51 1) 7) \"mixed\")" },
    { "no MIME", "a: b\n\nx\ny\n", TEXT("6", "2"), TEXT_BODY("6", "2") },
    { "nothing", "", TEXT("0", "0"), TEXT_BODY("0", "0") },
    { "attachment",
      "Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=\"a b.pdf\"; size=3\r\n"
      "Content-MD5: abc==\r\nContent-Language: en, (x) de\r\nContent-Location: http://a/b\r\n"
      "Content-Transfer-Encoding: base64 (x)\r\n\r\nYWI=",
      "(\"application\" \"pdf\" NIL NIL NIL \"base64\" 4 \"abc==\" "
      "(\"attachment\" (\"filename\" \"a b.pdf\" \"size\" \"3\")) (\"en\" \"de\") \"http://a/b\")",
      "(\"application\" \"pdf\" NIL NIL NIL \"base64\" 4)" },
    { "one language, bare disposition", "Content-Disposition: inline\nContent-Language: en\n\n",
      "(\"text\" \"plain\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 0 0 NIL (\"inline\" NIL) \"en\" NIL)",
      TEXT_BODY("0", "0") },
    { "empty fields",
      "Content-Disposition:\nContent-Language: ,\nContent-ID:\nContent-Transfer-Encoding: \n\n",
      "(\"text\" \"plain\" (\"CHARSET\" \"US-ASCII\") \"\" NIL \"7BIT\" 0 0 NIL NIL NIL NIL)",
      "(\"text\" \"plain\" (\"CHARSET\" \"US-ASCII\") \"\" NIL \"7BIT\" 0 0)" },
    { "message", "Content-Type: message/rfc822\n\nSubject: s\n\nx\n",
      "(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 17 (NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL) " TEXT(
          "3", "1") " 3 NIL NIL NIL NIL)",
      "(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 17 (NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL) " TEXT_BODY(
          "3", "1") " 3)" },
    { "empty message", "Content-Type: message/rfc822\n\n",
      "(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 0 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) " TEXT(
          "0", "0") " 0 NIL NIL NIL NIL)",
      "(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 0 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) " TEXT_BODY(
          "0", "0") " 0)" },
    { "multipart without parts", "Content-Type: multipart/mixed; boundary=b\n\nx\n",
      "(\"text\" \"plain\" (\"boundary\" \"b\") NIL NIL \"7BIT\" 3 1 NIL NIL NIL NIL)",
      "(\"text\" \"plain\" (\"boundary\" \"b\") NIL NIL \"7BIT\" 3 1)" },
    { "8-bit parameter", "Content-Type: text/plain; name=\"\xff\"\n\n",
      "(\"text\" \"plain\" (\"name\" {1}\r\n\xff) NIL NIL \"7BIT\" 0 0 NIL NIL NIL NIL)",
      "(\"text\" \"plain\" (\"name\" {1}\r\n\xff) NIL NIL \"7BIT\" 0 0)" },
};

static void bodies(void)
{
    struct bytes out;
    bytes_init(&out, 1 << 20);
    for (size_t i = 0; i < sizeof body_rows / sizeof body_rows[0]; i++) {
        struct mime_part *root = mime_parse(span_of(body_rows[i].message));
        bytes_clear(&out);
        imap_body_structure(root, true, &out);
        report("BODYSTRUCTURE", body_rows[i].name, body_rows[i].structure, &out);
        bytes_clear(&out);
        imap_body_structure(root, false, &out);
        report("BODY", body_rows[i].name, body_rows[i].body, &out);
        mime_free(root);
    }
    bytes_free(&out);
}

static void strings(void)
{
    static char thousand[1001];
    memset(thousand, 'x', 1001);
    struct bytes out;
    bytes_init(&out, 1 << 20);
    imap_string((struct span){ NULL, 0 }, &out);
    report("string", "NIL", "NIL", &out);
    bytes_clear(&out);
    imap_string(SPAN("a\0b\0"), &out);
    report("string", "NULs are dropped", "\"ab\"", &out);
    bytes_clear(&out);
    imap_string(SPAN("\0\r\n\0x"), &out);
    report("string", "NULs are dropped from a literal", "{3}\r\n\r\nx", &out);
    bytes_clear(&out);
    imap_string((struct span){ thousand, 1000 }, &out);
    ok(out.len == 1002 && out.data[0] == '"', "1,000 bytes are quoted");
    bytes_clear(&out);
    imap_string((struct span){ thousand, 1001 }, &out);
    ok(out.len == 1001 + 8 && span_starts(span_bytes(&out), "{1001}\r\nx"), "1,001 bytes are a literal");
    bytes_free(&out);
    bytes_init(&out, 3);
    ok(!imap_string(SPAN("ab"), &out), "over the limit");
    bytes_free(&out);
}

static void large(void)
{
    struct bytes text, out;
    bytes_init(&text, 8 << 20);
    bytes_init(&out, 64 << 20);
    bytes_add_str(&text, "To: ");
    for (int i = 0; i < 100000; i++)
        bytes_add_str(&text, "a@b,\r\n ");
    ok(imap_envelope(span_bytes(&text), &out) && out.len < 250000, "100,000 recipients are cut: %zu bytes",
       out.len);
    bytes_clear(&text);
    bytes_clear(&out);
    bytes_add_str(&text, "Content-Type: text/plain");
    for (int i = 0; i < 100000; i++)
        bytes_add_str(&text, ";a=b");
    bytes_add_str(&text, "; c=");
    for (int i = 0; i < 1 << 20; i++)
        bytes_add_char(&text, 'x');
    bytes_add_str(&text, "\n\n");
    struct mime_part *root = mime_parse(span_bytes(&text));
    ok(imap_body_structure(root, true, &out) && out.len < 2500, "100,000 parameters are cut: %zu bytes",
       out.len);
    mime_free(root);
    bytes_clear(&text);
    bytes_clear(&out);
    bytes_add_str(&text, "Subject: ");
    for (int i = 0; i < 1 << 20; i++)
        bytes_add_char(&text, '"');
    ok(imap_envelope(span_bytes(&text), &out) && out.len < 70000, "a subject of 1 MiB is cut: %zu bytes",
       out.len);
    bytes_free(&text);
    bytes_free(&out);
}

static void downgrades(void)
{
    static const struct {
        const char *name, *envelope, *expected;
    } rows[] = {
        { "nothing to change", "(NIL \"a {b}\" NIL NIL NIL NIL NIL NIL NIL NIL)",
          "(NIL \"a {b}\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
        { "subject", "(NIL {2}\r\n\xc3\xa4 NIL NIL NIL NIL NIL NIL NIL NIL)",
          "(NIL \"=?UTF-8?B?w6Q=?=\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
        { "date stays", "({2}\r\n\xc3\xa4 NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
          "({2}\r\n\xc3\xa4 NIL NIL NIL NIL NIL NIL NIL NIL NIL)" },
        { "name, group, address",
          "(NIL NIL (({2}\r\n\xc3\xa4 NIL {2}\r\n\xc3\xa4 {2}\r\n\xc3\xa4)(NIL NIL {2}\r\n\xc3\xa4 NIL)) NIL)",
          "(NIL NIL ((\"=?UTF-8?B?w6Q=?=\" NIL {2}\r\n\xc3\xa4 {2}\r\n\xc3\xa4)(NIL NIL \"=?UTF-8?B?w6Q=?=\" NIL)) NIL)" },
        { "a literal of ASCII", "(NIL {2}\r\nab NIL)", "(NIL {2}\r\nab NIL)" },
        { "no UTF-8", "(NIL {2}\r\n\xc3\xc3 NIL)", "(NIL {2}\r\n\xc3\xc3 NIL)" },
        { "encoded words beside it", "(NIL {21}\r\n\xc3\xa4 =?utf-8?Q?=C3=A4?= NIL)",
          "(NIL \"=?UTF-8?B?w6Qgw6Q=?=\" NIL)" },
        { "literals that are none", "(NIL {99}\r\nx {x} {9", "(NIL {99}\r\nx {x} {9" },
        { "parentheses", ")(((((", ")(((((" },
        { "quotes", "(NIL \"\\\"{2}\" {2}\r\n\xc3\xa4", "(NIL \"\\\"{2}\" {2}\r\n\xc3\xa4" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes out;
        bytes_init(&out, 10000);
        imap_envelope_downgrade(span_of(rows[i].envelope), &out);
        report("for who knows no UTF-8", rows[i].name, rows[i].expected, &out);
        bytes_free(&out);
    }
}

int main(void)
{
    downgrades();
    envelopes();
    bodies();
    strings();
    large();
    return done_testing();
}
