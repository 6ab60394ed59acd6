/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages and header fields in 7 bits.
 */
#include "text/seven_bit.h"
#include "text/utf8.h"
#include "tap.h"

#include <string.h>

static const struct {
    const char *field, *wanted; /* NULL: fault */
    enum seven_bit fault;
} fields[] = {
    { "Subject: Gr\xc3\xbc\xc3\x9f"
      "e\r\n",
      "Subject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n", 0 },
    { "Subject: a Gr\xc3\xbc\xc3\x9f"
      "e b\xc3\xb6 c\r\n",
      "Subject: a =?UTF-8?B?R3LDvMOfZSBiw7Y=?= c\r\n", 0 },
    { "Subject: a\r\n \xc3\xbc\r\n", "Subject: a =?UTF-8?B?w7w=?=\r\n", 0 },
    { "X-Odd:\xfc\r\n", "X-Odd: =?unknown-8bit?Q?=FC?=\r\n", 0 },
    { "From: J\xc3\xb6rg <a@b.test>\r\n", "From: =?UTF-8?B?SsO2cmc=?= <a@b.test>\r\n", 0 },
    { "From: \"J\xc3\xb6rg, \\\"x\\\"\" <a@b.test>\r\n", "From: =?UTF-8?B?SsO2cmcsICJ4Ig==?= <a@b.test>\r\n",
      0 },
    { "To: \"Plain, one\" <p@b.test>, J\xc3\xb6rg M\xc3\xbcller <a@b.test> (gr\xc3\xbc\xc3\x9f)\r\n",
      "To: \"Plain, one\" <p@b.test>, =?UTF-8?B?SsO2cmcgTcO8bGxlcg==?= <a@b.test>\r\n "
      "(=?UTF-8?B?Z3LDvMOf?=)\r\n",
      0 },
    { "Cc: fr\xc3\xbc: a@b.test, c@d.test;\r\n", "Cc: =?UTF-8?B?ZnLDvA==?=: a@b.test, c@d.test;\r\n", 0 },
    { "To: j\xc3\xb6rg@b.test\r\n", NULL, SEVEN_BIT_ADDRESS },
    { "To: \"j\xc3\xb6rg\"@b.test\r\n", NULL, SEVEN_BIT_ADDRESS },
    { "To: X <j\xc3\xb6rg@b.test>\r\n", NULL, SEVEN_BIT_ADDRESS },
    { "Content-Type: text/plain; name=\"\xc3\xa4 b.txt\"; charset=utf-8\r\n",
      "Content-Type: text/plain; name*=utf-8''%C3%A4%20b.txt; charset=utf-8\r\n", 0 },
    { "Content-Disposition: attachment; filename=\xe4.txt\r\n",
      "Content-Disposition: attachment; filename*=unknown-8bit''%E4.txt\r\n", 0 },
    { "Content-Type: multipart/mixed; boundary=\"\xc3\xa4\"\r\n", NULL, SEVEN_BIT_FIELD },
    { "Content-Type: text/pl\xc3\xa4in\r\n", NULL, SEVEN_BIT_FIELD },
    { "Content-Type: text/plain; name*0=\"\xc3\xa4\"; name*1=\"b\"\r\n", NULL, SEVEN_BIT_FIELD },
    { "Received: from x (gr\xc3\xbc\xc3\x9f) by y; Thu, 1 Jan 1970 00:00:00 +0000\r\n",
      "Received: from x (=?UTF-8?B?Z3LDvMOf?=) by y; Thu, 1 Jan 1970 00:00:00\r\n +0000\r\n", 0 },
    { "Message-ID: <\xc3\xa4@x>\r\n", "Downgraded-Message-ID: =?UTF-8?B?PMOkQHg+?=\r\n", 0 },
    { "List-Id: \xc3\xa4 <x.y>\r\n", "Downgraded-List-Id: =?UTF-8?B?w6Q=?= <x.y>\r\n", 0 },
};

static const struct {
    const char *name, *message, *wanted; /* wanted NULL: fault */
    enum seven_bit fault;
} messages[] = {
    { "7-bit: as it is", "Subject: x\r\n\r\nbody  \r\n=\r\n", "Subject: x\r\n\r\nbody  \r\n=\r\n", 0 },
    { "labelled 8bit without need", "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\nbody\r\n",
      "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 7bit\r\n\r\nbody\r\n", 0 },
    { "no MIME", "Subject: x\r\n\r\nna\xc3\xafve text, much of it ASCII = x \r\nend\r\n",
      "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "Content-Transfer-Encoding: quoted-printable\r\n\r\nna=C3=AFve text, much of it ASCII =3D "
      "x=20\r\nend\r\n",
      0 },
    { "no MIME, and not UTF-8", "\r\nna\xefve and more\r\n",
      "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
      "Content-Transfer-Encoding: quoted-printable\r\n\r\nna=EFve and more\r\n",
      0 },
    { "mostly 8-bit: base64",
      "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "content-transfer-encoding: 8BIT\r\nX: y\r\n\r\n\xc3\xa4\xc3\xb6\xc3\xbc\r\n",
      "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "Content-Transfer-Encoding: base64\r\nX: y\r\n\r\nw6TDtsO8DQo=",
      0 },
    { "quoted-printable with raw bytes",
      "Content-Transfer-Encoding: quoted-printable\r\n\r\na=C3=A4 \xc3\xa4 =\r\nb\r\n",
      "Content-Transfer-Encoding: quoted-printable\r\n\r\na=C3=A4 =C3=A4 =\r\nb\r\n", 0 },
    { "base64 with raw bytes", "Content-Transfer-Encoding: base64\r\n\r\nYWJj\xc3\r\n",
      "Content-Transfer-Encoding: base64\r\n\r\nYWJj\r\n", 0 },
    { "an unknown encoding", "Content-Transfer-Encoding: x-uuencode\r\n\r\n\xc3\xa4\r\n", NULL,
      SEVEN_BIT_ENCODING },
    { "a multipart, its label, one part of two, what nobody reads",
      "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: "
      "8bit\r\n\r\n"
      "pre\xc3\r\n--b\r\n\r\nplain\r\n--b\r\nContent-Type: text/html; "
      "charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
      "<p>\xc3\xa4 and much more of that</p>\r\n--b--\r\nepi\xc3\r\n",
      "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: "
      "7bit\r\n\r\n"
      "pre?\r\n--b\r\n\r\nplain\r\n--b\r\nContent-Type: text/html; "
      "charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
      "<p>=C3=A4 and much more of that</p>\r\n--b--\r\nepi?\r\n",
      0 },
    { "a message in a message",
      "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\nMIME-Version: 1.0\r\n\r\n"
      "Subject: \xc3\xa4\r\n\r\ninner \xc3\xa4 and more of it\r\n",
      "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\nMIME-Version: 1.0\r\n\r\n"
      "Subject: =?UTF-8?B?w6Q=?=\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "Content-Transfer-Encoding: quoted-printable\r\n\r\ninner =C3=A4 and more of it\r\n",
      0 },
    { "an international message in a message is encoded whole",
      "Content-Type: message/global\r\nMIME-Version: 1.0\r\n\r\nSubject: \xc3\xa4\r\n\r\nbody of it, long "
      "enough\r\n",
      "Content-Type: message/global\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: "
      "quoted-printable\r\n\r\n"
      "Subject: =C3=A4\r\n\r\nbody of it, long enough\r\n",
      0 },
    { "signed", "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xc3\xa4\r\n--b--\r\n", NULL,
      SEVEN_BIT_SIGNED },
    { "signed, 7-bit, in a message whose header isn't",
      "Subject: \xc3\xa4\r\nContent-Type: multipart/signed; "
      "boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: 8bit\r\n\r\nx\r\n--b--\r\n",
      "Subject: =?UTF-8?B?w6Q=?=\r\nContent-Type: multipart/signed; "
      "boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: 8bit\r\n\r\nx\r\n--b--\r\n",
      0 },
    { "a fragment", "Content-Type: message/partial; id=x; number=1\r\n\r\n\xc3\xa4\r\n", NULL,
      SEVEN_BIT_FRAGMENT },
    { "an address", "To: \xc3\xa4@x.test\r\n\r\nx\r\n", NULL, SEVEN_BIT_ADDRESS },
    { "a report brings back what else would stand in the way",
      "Content-Type: multipart/report; boundary=r\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: "
      "8bit\r\n\r\n--r\r\n\r\nwords\r\n"
      "--r\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nTo: "
      "\xc3\xa4@x.test\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n"
      "--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\nna\xc3\xafve and some "
      "more\r\n--b--\r\n--r--\r\n",
      "Content-Type: multipart/report; boundary=r\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: "
      "7bit\r\n\r\n--r\r\n\r\nwords\r\n"
      "--r\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nTo: "
      "??@x.test\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n"
      "--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nna=C3=AFve and "
      "some more\r\n--b--\r\n--r--\r\n",
      0 },
    { "a report with an encoding that isn't known",
      "Content-Type: multipart/report; boundary=r\r\nMIME-Version: "
      "1.0\r\n\r\n--r\r\nContent-Transfer-Encoding: x-odd\r\n\r\n\xc3\xa4\r\n--r--\r\n",
      "Content-Type: multipart/report; boundary=r\r\nMIME-Version: "
      "1.0\r\n\r\n--r\r\nContent-Transfer-Encoding: x-odd\r\n\r\n??\r\n--r--\r\n",
      0 },
    { "nothing", "", "", 0 },
    { "only a header", "Subject: \xc3\xa4", "Subject: =?UTF-8?B?w6Q=?=\r\n", 0 },
};

static bool put(void *to, struct span piece)
{
    return bytes_add_span(to, piece);
}

static void check(const char *name, enum seven_bit fault, enum seven_bit wanted_fault, struct bytes *out,
                  const char *wanted)
{
    bool good = wanted ? fault == SEVEN_BIT_OK && !out->failed && strcmp(bytes_str(out), wanted) == 0
                       : fault == wanted_fault;
    if (!ok(good, "%s", name))
        printf("# fault %d, got: %s\n", fault, bytes_str(out));
}

static void lines_and_size(void)
{
    struct bytes in, out;
    bytes_init(&in, 1 << 24);
    bytes_init(&out, 1 << 24);
    bytes_add_str(&in, "Subject: ");
    for (int i = 0; i < 300; i++)
        bytes_add_str(&in, "\xc3\xa4\xe2\x82\xac ");
    bytes_add_str(&in, "\r\n\r\n");
    for (int i = 0; i < 40000; i++)
        bytes_printf(&in, "%d na\xc3\xafve%s", i, i % 50 == 49 ? " \r\n" : " ");
    ok(seven_bit_write(span_bytes(&in), put, &out) == SEVEN_BIT_OK, "a large one");
    size_t longest = 0;
    struct span rest = span_bytes(&out), line;
    while (span_cut(&rest, '\n', &line))
        longest = line.n > longest ? line.n : longest;
    ok(longest <= 77, "no line over 76 columns: %zu with its CR", longest);
    ok(utf8_ascii_run(span_bytes(&out)) == out.len, "all ASCII");
    bytes_free(&out);
    bytes_init(&out, 1000);
    ok(seven_bit_write(span_bytes(&in), put, &out) == SEVEN_BIT_FAILED, "what can't be put is said");
    bytes_clear(&in);
    bytes_add_str(&in, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    for (int i = 0; i < 1100; i++)
        bytes_add_str(&in, "--b\r\n\r\n\xc3\xa4\r\n");
    bytes_clear(&out);
    ok(seven_bit_write(span_bytes(&in), put, &out) == SEVEN_BIT_DEEP, "too many parts");
    bytes_clear(&in);
    for (int i = 0; i < 60; i++)
        bytes_add_str(&in, "Content-Type: message/rfc822\r\n\r\n");
    bytes_add_str(&in, "\r\n\xc3\xa4\r\n");
    bytes_clear(&out);
    ok(seven_bit_write(span_bytes(&in), put, &out) == SEVEN_BIT_DEEP, "too deep");
    bytes_free(&in);
    bytes_free(&out);
}

/* Long lines, which are only looked at where that is asked for. `%s` in `message` is such a line. */
static void long_lines(void)
{
    static const struct {
        const char *name, *message, *wanted; /* wanted NULL: as it is */
    } rows[] = {
        { "in a message without MIME", "Subject: x\r\n\r\n%s\r\nend = x\r\n",
          "Subject: x\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nx" },
        { "in a part",
          "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nshort=\r\n--b\r\n"
          "Content-Type: text/html\r\n\r\n%s\r\n--b--\r\n",
          "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nshort=\r\n--b\r\n"
          "Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nx" },
        { "in an attached message", "Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\n%s\r\n", NULL },
        { "in a signed part",
          "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n%s\r\n--b\r\n\r\nx\r\n--b--\r\n",
          NULL },
        { "in a fragment", "Content-Type: message/partial; id=1; number=1\r\n\r\n%s\r\n", NULL },
        { "in an encoding that nobody knows", "Content-Transfer-Encoding: x-uu\r\n\r\n%s\r\n", NULL },
        { "in base64", "Content-Transfer-Encoding: base64\r\n\r\n%s\r\n", NULL },
    };
    char line[SEVEN_BIT_LINE + 2];
    struct bytes in, out;
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    bytes_init(&in, 1 << 16);
    bytes_init(&out, 1 << 16);
    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
        const char *format = rows[i / 2].message, *at = strstr(format, "%s");
        const char *long_line = line + i % 2; /* every other one is as long as a line may be */
        bytes_clear(&in);
        bytes_clear(&out);
        bytes_add(&in, format, (size_t)(at - format));
        bytes_add_str(&in, long_line);
        bytes_add_str(&in, at + 2);
        bool written = seven_bit_write_lines(span_bytes(&in), put, &out) == SEVEN_BIT_OK;
        bool same = span_eq(span_bytes(&in), span_bytes(&out));
        if (i % 2 || !rows[i / 2].wanted)
            ok(written && same, "%s line %s: as it is", i % 2 ? "a" : "a long", rows[i / 2].name);
        else
            ok(written && span_starts(span_bytes(&out), rows[i / 2].wanted) &&
                   !strstr(bytes_str(&out), line + 900),
               "a long line %s", rows[i / 2].name);
        bytes_clear(&out);
        ok(seven_bit_write(span_bytes(&in), put, &out) == SEVEN_BIT_OK && strstr(bytes_str(&out), long_line),
           "where nobody asks it stays");
    }
    bytes_free(&in);
    bytes_free(&out);
}

int main(void)
{
    struct bytes out;
    bytes_init(&out, 1 << 16);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        struct span header = span_of(fields[i].field);
        struct header_field field = { .name = SPAN("") };
        header_next(&header, &field);
        bytes_clear(&out);
        enum seven_bit fault = seven_bit_field(&field, &out);
        check(fields[i].field, fault, fields[i].fault, &out, fields[i].wanted);
    }
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        bytes_clear(&out);
        enum seven_bit fault = seven_bit_write(span_of(messages[i].message), put, &out);
        check(messages[i].name, fault, messages[i].fault, &out, messages[i].wanted);
    }
    bytes_free(&out);
    lines_and_size();
    long_lines();
    return done_testing();
}
