/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The milter protocol's packets, byte for byte, what filters answer, good and bad, and a header section that
 * they edit.
 */
#include "tap.h"

#include "text/header_list.h"
#include "text/milter.h"

#define PACKET(literal) SPAN(literal)

static bool is(const struct bytes *b, struct span expected)
{
    return !b->failed && span_eq(span_bytes(b), expected);
}

static void sent(void)
{
    struct bytes out;
    const struct span mail[] = { SPAN("<a@b.test>"), SPAN("SIZE=12") };
    bytes_init(&out, 4096);
    ok(milter_put_negotiate(&out, 0x1ff, 0x1fffff) &&
           is(&out, PACKET("\0\0\0\x0d" "O" "\0\0\0\6" "\0\0\1\xff" "\0\x1f\xff\xff")),
       "negotiation");
    bytes_clear(&out);
    ok(milter_put_connect(&out, SPAN("mx.test"), '4', 258, SPAN("192.0.2.1")) &&
           is(&out, PACKET("\0\0\0\x16" "Cmx.test\0" "4" "\1\2" "192.0.2.1\0")),
       "CONNECT with an address");
    bytes_clear(&out);
    ok(milter_put_connect(&out, SPAN("unknown"), 'U', 7, SPAN("x")) && is(&out, PACKET("\0\0\0\x0a" "Cunknown\0U")),
       "CONNECT without one");
    bytes_clear(&out);
    ok(milter_put_strings(&out, MILTER_MAIL, mail, 2) && is(&out, PACKET("\0\0\0\x14" "M<a@b.test>\0SIZE=12\0")),
       "MAIL with its parameters");
    bytes_clear(&out);
    ok(milter_put_strings(&out, MILTER_HELO, &PACKET("a\0b"), 1) && is(&out, PACKET("\0\0\0\3" "Ha\0")),
       "a NUL ends a string, and nothing comes behind it");
    bytes_clear(&out);
    ok(milter_put_command(&out, MILTER_QUIT) && milter_put_command(&out, MILTER_ABORT) &&
           is(&out, PACKET("\0\0\0\1" "Q" "\0\0\0\1" "A")),
       "two commands one behind the other");
    bytes_free(&out);
    bytes_init(&out, 6);
    ok(!milter_put_strings(&out, MILTER_HELO, mail, 1), "over the limit: it says so");
    bytes_free(&out);
}

static const struct {
    const char *name;
    struct span in;
    enum milter_result expected;
    size_t used;
    char code;
    struct span data;
} packets[] = {
    { "nothing", { "", 0 }, MILTER_INCOMPLETE, 0, 0, { "", 0 } },
    { "a length alone", PACKET("\0\0\0\1"), MILTER_INCOMPLETE, 0, 0, { "", 0 } },
    { "a code", PACKET("\0\0\0\1c"), MILTER_PACKET, 5, 'c', { "", 0 } },
    { "another behind it", PACKET("\0\0\0\1cX"), MILTER_PACKET, 5, 'c', { "", 0 } },
    { "with data", PACKET("\0\0\0\4yabc"), MILTER_PACKET, 8, 'y', { "abc", 3 } },
    { "data still to come", PACKET("\0\0\0\4yab"), MILTER_INCOMPLETE, 0, 0, { "", 0 } },
    { "no code", PACKET("\0\0\0\0"), MILTER_BAD, 0, 0, { "", 0 } },
    { "the longest", PACKET("\0\4\0\0"), MILTER_INCOMPLETE, 0, 0, { "", 0 } },
    { "too long", PACKET("\0\4\0\1"), MILTER_BAD, 0, 0, { "", 0 } },
    { "far too long", PACKET("\xff\xff\xff\xff"), MILTER_BAD, 0, 0, { "", 0 } },
    { "another protocol", PACKET("HTTP/1.1 400 Bad Request"), MILTER_BAD, 0, 0, { "", 0 } },
};

static void taken(void)
{
    for (size_t i = 0; i < sizeof packets / sizeof packets[0]; i++) {
        size_t used = 0;
        char code = 0;
        struct span data = { "", 0 };
        bool good = milter_take(packets[i].in, &used, &code, &data) == packets[i].expected &&
                    used == packets[i].used && code == packets[i].code && span_eq(data, packets[i].data);
        ok(good, "taken: %s", packets[i].name);
    }
}

static const struct {
    const char *name;
    struct span data;
    bool good;
} options[] = {
    { "version 6, all", PACKET("\0\0\0\6\0\0\1\xff\0\x1f\xff\xff"), true },
    { "version 2", PACKET("\0\0\0\2\0\0\0\x3f\0\0\0\x7f"), true },
    { "version 1", PACKET("\0\0\0\1\0\0\0\x0f\0\0\0\x7f"), false },
    { "version 7", PACKET("\0\0\0\7\0\0\0\x0f\0\0\0\x7f"), false },
    { "an action that isn't offered", PACKET("\0\0\0\6\0\0\2\0\0\0\0\0"), false },
    { "a step that isn't offered", PACKET("\0\0\0\6\0\0\0\0\x10\0\0\0"), false },
    { "too short", PACKET("\0\0\0\6\0\0\0\0\0\0\0"), false },
    { "with macros", PACKET("\0\0\0\6\0\0\1\xff\0\0\0\0" "\0\0\0\2" "i {auth_type}\0" "\0\0\0\5" "i\0"), true },
    { "macros of no stage", PACKET("\0\0\0\6\0\0\1\xff\0\0\0\0" "\0\0\0\7" "i\0"), false },
    { "macros without an end", PACKET("\0\0\0\6\0\0\1\xff\0\0\0\0" "\0\0\0\2" "i"), false },
    { "half a stage", PACKET("\0\0\0\6\0\0\1\xff\0\0\0\0" "\0\0"), false },
};

static void negotiated(void)
{
    struct milter_options o;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        ok(milter_read_options(options[i].data, &o) == options[i].good, "negotiation: %s", options[i].name);
    milter_read_options(options[7].data, &o);
    ok(span_eq_str(o.macros[MILTER_AT_MAIL], "i {auth_type}") && span_eq_str(o.macros[MILTER_AT_END], "i") &&
           !o.macros[MILTER_AT_RCPT].p,
       "the macros of each stage");
    milter_read_options(PACKET("\0\0\0\6\0\0\0\0\0\x08\x03\x90"), &o);
    ok(!milter_wants(&o, MILTER_BODY) && !milter_wants(&o, MILTER_DATA) && milter_wants(&o, MILTER_HEADER) &&
           !milter_wants(&o, MILTER_UNKNOWN) && milter_wants(&o, MILTER_END),
       "which commands it wants");
    ok(!milter_answers(&o, MILTER_HEADER) && !milter_answers(&o, MILTER_BODY) && milter_answers(&o, MILTER_MAIL) &&
           milter_answers(&o, MILTER_END) && !milter_answers(&o, MILTER_ABORT) && !milter_answers(&o, MILTER_QUIT),
       "which it answers");
    milter_read_options(options[1].data, &o);
    o.steps = 0;
    ok(!milter_wants(&o, MILTER_DATA) && !milter_wants(&o, MILTER_UNKNOWN) && milter_wants(&o, MILTER_BODY),
       "a filter of version 2 knows neither DATA nor UNKNOWN");
}

static const struct {
    const char *name;
    struct span data;
    const char *reply; /* NULL: it is bad */
} replies[] = {
    { "one line", PACKET("550 5.7.1 no spam\0"), "550 5.7.1 no spam" },
    { "two lines", PACKET("450-4.7.1 come\r\n450 4.7.1 back\0"), "450-4.7.1 come\r\n450 4.7.1 back" },
    { "LF, and no mark for more", PACKET("450 come\n450 back\0"), "450-come\r\n450 back" },
    { "a line end at the end", PACKET("550 no\r\n\0"), "550 no" },
    { "a code alone", PACKET("554\0"), "554 " },
    { "percent signs", PACKET("550 100%% of 50% %\0"), "550 100% of 50% %" },
    { "control and 8-bit bytes", PACKET("550 a\x01\xc3\xa4\rb\tc\0"), "550 a????b?c" },
    { "a code that accepts", PACKET("250 fine\0"), NULL },
    { "354", PACKET("354 go on\0"), NULL },
    { "no code", PACKET("no\0"), NULL },
    { "four digits", PACKET("5500 no\0"), NULL },
    { "codes that differ", PACKET("550-a\r\n551 b\0"), NULL },
    { "a second line without code", PACKET("550-a\r\nb\0"), NULL },
    { "no NUL", PACKET("550 no"), NULL },
    { "nothing", PACKET("\0"), NULL },
};

static void replied(void)
{
    struct bytes reply;
    bytes_init(&reply, MILTER_ANSWER_LIMIT);
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        bytes_clear(&reply);
        bool good = milter_read_reply(replies[i].data, &reply);
        ok(replies[i].reply ? good && is(&reply, span_of(replies[i].reply)) : !good, "reply: %s", replies[i].name);
    }
    bytes_clear(&reply);
    char long_one[5000] = "550 ";
    memset(long_one + 4, 'x', sizeof long_one - 5);
    ok(!milter_read_reply((struct span){ long_one, sizeof long_one }, &reply), "reply: too long");
    bytes_free(&reply);
}

static void modified(void)
{
    uint32_t index = 9;
    struct span name, value;
    ok(milter_read_header(PACKET("X-Spam\0Yes\0"), false, &index, &name, &value) && index == 0 &&
           span_eq_str(name, "X-Spam") && span_eq_str(value, "Yes"),
       "a field to add");
    ok(milter_read_header(PACKET("\0\0\1\2X-Spam\0\0"), true, &index, &name, &value) && index == 258 && !value.n,
       "a field to delete");
    ok(!milter_read_header(PACKET("X Spam\0Yes\0"), false, &index, &name, &value) &&
           !milter_read_header(PACKET("X:\0Yes\0"), false, &index, &name, &value) &&
           !milter_read_header(PACKET("\0Yes\0"), false, &index, &name, &value) &&
           !milter_read_header(PACKET("X\r\nTo\0Yes\0"), false, &index, &name, &value),
       "names that are none");
    ok(!milter_read_header(PACKET("X-Spam\0Yes"), false, &index, &name, &value) &&
           !milter_read_header(PACKET("X-Spam\0Yes\0more"), false, &index, &name, &value) &&
           !milter_read_header(PACKET("\0\0\1"), true, &index, &name, &value),
       "fields that aren't whole, or more than whole");
    ok(milter_read_string(PACKET("<a@b.test>\0NOTIFY=NEVER\0"), &name) && span_eq_str(name, "<a@b.test>") &&
           !milter_read_string(PACKET("<a@b.test>"), &name),
       "an address");
}

static const struct {
    const char *name;
    const char *value;
    bool leading_space;
    const char *sent;  /* as filters get it */
    const char *field; /* as it is written when a filter says what was sent */
} values[] = {
    { "plain", " text", false, "text", "X: text\r\n" },
    { "with its space", " text", true, " text", "X: text\r\n" },
    { "without any", "text", true, "text", "X:text\r\n" },
    { "two spaces", "  text", false, " text", "X:  text\r\n" },
    { "folded", " a\r\n\tb", false, "a\n\tb", "X: a\r\n\tb\r\n" },
    { "folded before the first word", "\r\n b", false, "\n b", "X: \r\n b\r\n" },
    { "empty", "", false, "", "X: \r\n" },
};

static const struct {
    const char *name, *value, *field;
} fields[] = {
    { "a line that isn't folded", "a\nBcc: b", "X: a\r\n\tBcc: b\r\n" },
    { "an empty line", "a\n\nbody", "X: a\r\n\tbody\r\n" },
    { "a line of blanks", "a\n \t\n b", "X: a\r\n b\r\n" },
    { "CRLF", "a\r\n b\r\n", "X: a\r\n b\r\n" },
    { "a bare CR", "a\rb", "X: a b\r\n" },
    { "line ends alone", "\n\n\n", "X: \r\n" },
};

static void formed(void)
{
    struct bytes out;
    bytes_init(&out, 1000);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        bytes_clear(&out);
        bool good = milter_value(span_of(values[i].value), values[i].leading_space, &out) &&
                    is(&out, span_of(values[i].sent));
        bytes_clear(&out);
        milter_field(SPAN("X"), span_of(values[i].sent), values[i].leading_space, &out);
        ok(good && is(&out, span_of(values[i].field)), "value: %s", values[i].name);
    }
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        bytes_clear(&out);
        milter_field(SPAN("X"), span_of(fields[i].value), false, &out);
        ok(is(&out, span_of(fields[i].field)), "field: %s", fields[i].name);
    }
    bytes_free(&out);
}

static const char section[] = "To: a\r\nX: 1\r\nSubject: s\r\n folded\r\nx: 2\r\n\r\n";

static const struct {
    const char *name;
    const char *edits; /* ' '-parted: +NAME=VALUE, INDEX+NAME=VALUE, INDEX~NAME=VALUE */
    const char *expected;
} edits[] = {
    { "none", "", "To: a\r\nX: 1\r\nSubject: s\r\n folded\r\nx: 2\r\n" },
    { "added", "+Y=3", "To: a\r\nX: 1\r\nSubject: s\r\n folded\r\nx: 2\r\nY: 3\r\n" },
    { "inserted first", "0+Y=3 1+Z=4", "Z: 4\r\nY: 3\r\nTo: a\r\nX: 1\r\nSubject: s\r\n folded\r\nx: 2\r\n" },
    { "inserted third", "3+Y=3", "To: a\r\nX: 1\r\nY: 3\r\nSubject: s\r\n folded\r\nx: 2\r\n" },
    { "inserted far behind", "99+Y=3", "To: a\r\nX: 1\r\nSubject: s\r\n folded\r\nx: 2\r\nY: 3\r\n" },
    { "changed", "2~X=3", "To: a\r\nX: 1\r\nSubject: s\r\n folded\r\nX: 3\r\n" },
    { "changed where there are fewer: added", "3~X=3",
      "To: a\r\nX: 1\r\nSubject: s\r\n folded\r\nx: 2\r\nX: 3\r\n" },
    { "changed at 0: the first", "0~SUBJECT=t", "To: a\r\nX: 1\r\nSUBJECT: t\r\nx: 2\r\n" },
    { "deleted upwards", "1~X= 2~X=", "To: a\r\nSubject: s\r\n folded\r\n" },
    { "deleted downwards", "2~X= 1~X=", "To: a\r\nSubject: s\r\n folded\r\n" },
    { "deleted what isn't there", "3~X= 1~Y=", "To: a\r\nX: 1\r\nSubject: s\r\n folded\r\nx: 2\r\n" },
    { "deleted, then added", "1~X= 2~X= +X=3", "To: a\r\nSubject: s\r\n folded\r\nX: 3\r\n" },
    { "deleted, then written after all", "1~X= 1~X=3", "To: a\r\nX: 3\r\nSubject: s\r\n folded\r\nx: 2\r\n" },
    { "changed twice", "1~To=b 1~To=c", "To: c\r\nX: 1\r\nSubject: s\r\n folded\r\nx: 2\r\n" },
};

static void edit(struct header_list *l, struct span word)
{
    size_t kind = 0;
    uint64_t index = 0;
    struct span name;
    while (kind < word.n && ascii_digit(word.p[kind]))
        kind++;
    span_u64(span_head(word, kind), 1000, &index);
    struct span value = span_from(word, kind + 1);
    span_cut(&value, '=', &name);
    if (word.p[kind] == '~')
        header_list_change(l, index, name, value, false);
    else if (kind)
        header_list_insert(l, index, name, value, false);
    else
        header_list_add(l, name, value, false);
}

static void edited(void)
{
    struct bytes out;
    bytes_init(&out, 1000);
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        struct span rest = span_of(edits[i].edits), word;
        struct header_list l;
        bytes_clear(&out);
        header_list_read(span_of(section), &l);
        while (rest.n && span_cut(&rest, ' ', &word))
            edit(&l, word);
        ok(header_list_write(&l, &out) && is(&out, span_of(edits[i].expected)), "header: %s", edits[i].name);
        header_list_free(&l);
    }
    bytes_free(&out);
}

int main(void)
{
    sent();
    taken();
    negotiated();
    replied();
    modified();
    formed();
    edited();
    return done_testing();
}
