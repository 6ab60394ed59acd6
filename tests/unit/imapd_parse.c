/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * imapd's parser: what it takes, what it refuses, and its limits.
 */
#include "tap.h"

#include "../../bin/imapd/parse.c"
#include "../../bin/imapd/parse_fetch.c"
#include "../../bin/imapd/parse_folders.c"
#include "../../bin/imapd/parse_modifiers.c"
#include "../../bin/imapd/parse_search.c"

#include <stdlib.h>

static struct bytes text, out;

static void check(const char *name, bool good, const char *expected)
{
    const char *got = good ? bytes_str(&out) : "BAD";
    ok(strcmp(got, expected) == 0, "%s: %.200s", name, got);
}

static void start(struct parser *p, const char *input)
{
    bytes_clear(&out);
    parser_init(p, span_of(input), &text);
}

static void strings(void)
{
    static const struct { const char *name, *input, *expected; } rows[] = {
        { "atom", "abc", "abc" },
        { "atom with ]", "a]c", "a]c" },
        { "quoted", "\"a b\"", "a b" },
        { "empty quoted", "\"\"", "" },
        { "escapes", "\"a\\\"b\\\\c\"", "a\"b\\c" },
        { "wrong escape", "\"a\\bc\"", "BAD" },
        { "escape at the end", "\"a\\", "BAD" },
        { "quoted without end", "\"abc", "BAD" },
        { "UTF-8 in quotes", "\"\xc3\xa4\"", "\xc3\xa4" },
        { "other 8-bit in quotes", "\"\xe4\"", "BAD" },
        { "half a character in quotes", "\"a\xc3\"", "BAD" },
        { "8-bit in an atom", "\xc3\xa4", "BAD" },
        { "CR in quotes", "\"a\rb\"", "BAD" },
        { "literal", "{3}\r\na\r\n", "a\r\n" },
        { "8-bit literal", "{2}\r\n\xc3\xa4", "\xc3\xa4" },
        { "literal+", "{3+}\r\nabc", "abc" },
        { "empty literal", "{0}\r\n", "" },
        { "short literal", "{4}\r\nabc", "BAD" },
        { "huge literal", "{4294967295}\r\nabc", "BAD" },
        { "overflowing literal", "{4294967296}\r\nabc", "BAD" },
        { "literal without a number", "{}\r\n", "BAD" },
        { "negative literal", "{-1}\r\n", "BAD" },
        { "literal without CRLF", "{3}abc", "BAD" },
        { "wildcards are no astring", "a*", "BAD" },
        { "nothing", "", "BAD" },
        { "two arguments", "a b", "BAD" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct parser p;
        struct span s;
        start(&p, rows[i].input);
        bool good = parse_astring(&p, &s) && parse_end(&p);
        if (good)
            bytes_add_span(&out, s);
        check(rows[i].name, good, rows[i].expected);
    }
}

static void sets(void)
{
    static const struct { const char *name, *input, *expected; } rows[] = {
        { "one", "1", "1:1 " },
        { "list", "1,3:5,*", "1:1 3:5 0:0 " },
        { "backwards", "5:3", "5:3 " },
        { "to the end", "7:*", "7:0 " },
        { "from the end", "*:7", "0:7 " },
        { "largest", "4294967295", "4294967295:4294967295 " },
        { "too large", "4294967296", "BAD" },
        { "zero", "0", "BAD" },
        { "zero at the end", "1:0", "BAD" },
        { "empty element", "1,,2", "BAD" },
        { "comma at the end", "1,", "BAD" },
        { "open range", "1:", "BAD" },
        { "no number", "a", "BAD" },
        { "negative", "-1", "BAD" },
        { "blank inside", "1, 2", "BAD" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct parser p;
        struct set set;
        start(&p, rows[i].input);
        bool good = parse_set(&p, &set) && parse_end(&p);
        for (size_t n = 0; n < set.count; n++)
            bytes_printf(&out, "%u:%u ", set.ranges[n].first, set.ranges[n].last);
        check(rows[i].name, good, rows[i].expected);
        set_free(&set);
    }
}

static void print_items(const struct fetch *f)
{
    for (size_t n = 0; n < f->count; n++) {
        const struct fetch_item *item = &f->items[n];
        bytes_printf(&out, "%d", (int)item->kind);
        if (item->kind == FETCH_SECTION)
            bytes_printf(&out, "/%d", (int)item->what);
        for (size_t k = 0; k < item->part_count; k++)
            bytes_printf(&out, ".%u", item->parts[k]);
        for (size_t k = 0; k < item->name_count; k++)
            bytes_printf(&out, "(%.*s)", SPAN_FMT(f->names[item->first_name + k]));
        if (item->partial)
            bytes_printf(&out, "<%llu.%llu>", (unsigned long long)item->offset,
                         (unsigned long long)item->length);
        bytes_add_str(&out, item->peek ? "p " : " ");
    }
}

static void fetches(void)
{
    static const struct { const char *name, *input, *expected; } rows[] = {
        { "one", "FLAGS", "1 " },
        { "macro ALL", "all", "1 2 3 4 " },
        { "macro FAST", "FAST", "1 2 3 " },
        { "macro FULL", "FULL", "1 2 3 4 5 " },
        { "a macro isn't an item", "(ALL)", "BAD" },
        { "list", "(UID RFC822.SIZE BODYSTRUCTURE)", "0 3 6 " },
        { "empty list", "()", "BAD" },
        { "BODY", "BODY", "5 " },
        { "BODY.PEEK alone", "BODY.PEEK", "BAD" },
        { "whole", "BODY[]", "7/0 " },
        { "peek", "body.peek[]", "7/0p " },
        { "header", "BODY[HEADER]", "7/1 " },
        { "text", "BODY[TEXT]", "7/4 " },
        { "MIME needs a part", "BODY[MIME]", "BAD" },
        { "part", "BODY[1.2.3]", "7/0.1.2.3 " },
        { "part MIME", "BODY[2.MIME]", "7/5.2 " },
        { "part header", "BODY.PEEK[3.HEADER]", "7/1.3p " },
        { "part zero", "BODY[0]", "BAD" },
        { "dot at the end", "BODY[1.]", "BAD" },
        { "no dot", "BODY[1TEXT]", "BAD" },
        { "part too large", "BODY[4294967296]", "BAD" },
        { "fields", "BODY[HEADER.FIELDS (From \"To\")]", "7/2(From)(To) " },
        { "fields not", "BODY.PEEK[1.HEADER.FIELDS.NOT (Received)]<0.100>", "7/3.1(Received)<0.100>p " },
        { "a literal name", "BODY[HEADER.FIELDS ({4}\r\nFrom)]", "7/2(From) " },
        { "no names", "BODY[HEADER.FIELDS ()]", "BAD" },
        { "no list", "BODY[HEADER.FIELDS From]", "BAD" },
        { "partial", "BODY[]<10.20>", "7/0<10.20> " },
        { "partial of nothing", "BODY[]<10.0>", "BAD" },
        { "partial of 63 bits", "BODY[]<9223372036854775807.1>", "7/0<9223372036854775807.1> " },
        { "partial of 64 bits", "BODY[]<9223372036854775808.1>", "BAD" },
        { "BINARY", "(BINARY[1.2]<0.5> BINARY.PEEK[] BINARY.SIZE[3])", "9.1.2<0.5> 9p 10.3p " },
        { "BINARY with a word", "BINARY[TEXT]", "BAD" },
        { "BINARY without a section", "BINARY", "BAD" },
        { "BINARY.SIZE of a piece", "BINARY.SIZE[1]<0.5>", "BAD" },
        { "PREVIEW and the like", "(PREVIEW (LAZY) SAVEDATE EMAILID THREADID PREVIEW)", "11 12 13 14 11 " },
        { "PREVIEW with another modifier", "(PREVIEW (EAGER))", "BAD" },
        { "partial without length", "BODY[]<10>", "BAD" },
        { "RFC822", "(RFC822 RFC822.HEADER RFC822.TEXT)", "7/0 7/1p 7/4 " },
        { "unknown", "BOGUS", "BAD" },
        { "unknown section", "BODY[BOGUS]", "BAD" },
        { "section without end", "BODY[TEXT", "BAD" },
        { "more behind", "FLAGS UID", "BAD" },
        { "list without end", "(FLAGS", "BAD" },
        { "two spaces", "(FLAGS  UID)", "BAD" },
    };
    struct fetch *f = calloc(1, sizeof *f);
    for (size_t i = 0; f && i < sizeof rows / sizeof rows[0]; i++) {
        struct parser p;
        start(&p, rows[i].input);
        bool good = parse_fetch(&p, f) && parse_end(&p);
        print_items(f);
        check(rows[i].name, good, rows[i].expected);
    }
    free(f);
}

static void print_set(const char *name, const struct set *set)
{
    if (set->count)
        bytes_printf(&out, " %s", name);
    for (size_t i = 0; i < set->count; i++)
        bytes_printf(&out, "%c%u:%u", i ? ',' : ' ', set->ranges[i].first, set->ranges[i].last);
}

static void select_modifiers(void)
{
    static const struct { const char *name, *input, *expected; } rows[] = {
        { "no SELECT parameter", "", "" },
        { "CONDSTORE", " (condstore)", "CONDSTORE" },
        { "QRESYNC", " (QRESYNC (7 9))", "QRESYNC 7 9" },
        { "both", " (CONDSTORE QRESYNC (7 9))", "CONDSTORE QRESYNC 7 9" },
        { "known UIDs", " (QRESYNC (7 9 1:5,8))", "QRESYNC 7 9 known 1:5,8:8" },
        { "match data", " (QRESYNC (7 9 (1,3 2,4:5)))", "QRESYNC 7 9 numbers 1:1,3:3 uids 2:2,4:5" },
        { "everything", " (QRESYNC (7 9 1:2 (1 2)) CONDSTORE)",
          "CONDSTORE QRESYNC 7 9 known 1:2 numbers 1:1 uids 2:2" },
        { "63 bits", " (QRESYNC (4294967295 9223372036854775807))",
          "QRESYNC 4294967295 9223372036854775807" },
        { "64 bits", " (QRESYNC (1 9223372036854775808))", "BAD" },
        { "65 bits", " (QRESYNC (1 18446744073709551616))", "BAD" },
        { "mod-sequence 0", " (QRESYNC (1 0))", "BAD" },
        { "UIDVALIDITY 0", " (QRESYNC (0 1))", "BAD" },
        { "UIDVALIDITY of 33 bits", " (QRESYNC (4294967296 1))", "BAD" },
        { "no mod-sequence", " (QRESYNC (1))", "BAD" },
        { "negative mod-sequence", " (QRESYNC (1 -1))", "BAD" },
        { "no arguments", " (QRESYNC)", "BAD" },
        { "bare arguments", " (QRESYNC 1 2)", "BAD" },
        { "* among the known", " (QRESYNC (1 2 1:*))", "BAD" },
        { "$ among the known", " (QRESYNC (1 2 $))", "BAD" },
        { "* in match data", " (QRESYNC (1 2 (1:* 1:2)))", "BAD" },
        { "half of match data", " (QRESYNC (1 2 (1:2)))", "BAD" },
        { "match data twice", " (QRESYNC (1 2 (1 2) (1 2)))", "BAD" },
        { "known behind match data", " (QRESYNC (1 2 (1 2) 3))", "BAD" },
        { "QRESYNC without end", " (QRESYNC (1 2)", "BAD" },
        { "QRESYNC's list without end", " (QRESYNC (1 2 3", "BAD" },
        { "twice", " (CONDSTORE CONDSTORE)", "BAD" },
        { "QRESYNC twice", " (QRESYNC (1 2) QRESYNC (1 2))", "BAD" },
        { "argument to CONDSTORE", " (CONDSTORE (1))", "BAD" },
        { "unknown", " (UNCHANGEDSINCE 5)", "BAD" },
        { "empty list", " ()", "BAD" },
        { "without parentheses", " CONDSTORE", "BAD" },
        { "something behind", " (CONDSTORE) x", "BAD" },
        { "a space behind", " (CONDSTORE) ", "BAD" },
        { "no space before", "(CONDSTORE)", "BAD" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct parser p;
        struct select_modifiers m;
        start(&p, rows[i].input);
        bool good = parse_select_modifiers(&p, &m);
        if (m.condstore)
            bytes_printf(&out, "CONDSTORE%s", m.qresync ? " " : "");
        if (m.qresync)
            bytes_printf(&out, "QRESYNC %u %llu", m.resync.uid_validity,
                         (unsigned long long)m.resync.modseq);
        print_set("known", &m.resync.known);
        print_set("numbers", &m.resync.match_numbers);
        print_set("uids", &m.resync.match_uids);
        check(rows[i].name, good, rows[i].expected);
        select_modifiers_free(&m);
    }
}

static void fetch_modifiers(void)
{
    static const struct { const char *name, *input, *expected; } rows[] = {
        { "no FETCH modifier", "FLAGS", "no" },
        { "CHANGEDSINCE", "FLAGS (CHANGEDSINCE 5)", "since 5" },
        { "behind a list", "(FLAGS UID) (changedsince 5)", "since 5" },
        { "behind a macro", "FAST (CHANGEDSINCE 5)", "since 5" },
        { "behind a section", "BODY[HEADER.FIELDS (To)]<0.5> (CHANGEDSINCE 5)", "since 5" },
        { "VANISHED", "FLAGS (CHANGEDSINCE 5 VANISHED)", "since 5 vanished" },
        { "the other way round", "FLAGS (VANISHED CHANGEDSINCE 5)", "since 5 vanished" },
        { "since 0", "FLAGS (CHANGEDSINCE 0)", "since 0" },
        { "since 63 bits", "FLAGS (CHANGEDSINCE 9223372036854775807)", "since 9223372036854775807" },
        { "since 64 bits", "FLAGS (CHANGEDSINCE 9223372036854775808)", "BAD" },
        { "since nothing", "FLAGS (CHANGEDSINCE)", "BAD" },
        { "since a word", "FLAGS (CHANGEDSINCE x)", "BAD" },
        { "VANISHED alone", "FLAGS (VANISHED)", "BAD" },
        { "CHANGEDSINCE twice", "FLAGS (CHANGEDSINCE 5 CHANGEDSINCE 6)", "BAD" },
        { "VANISHED twice", "FLAGS (CHANGEDSINCE 5 VANISHED VANISHED)", "BAD" },
        { "unknown FETCH modifier", "FLAGS (UNCHANGEDSINCE 5)", "BAD" },
        { "no modifier", "FLAGS ()", "BAD" },
        { "modifier without parentheses", "FLAGS CHANGEDSINCE 5", "BAD" },
        { "modifiers without end", "FLAGS (CHANGEDSINCE 5", "BAD" },
        { "modifiers twice", "FLAGS (CHANGEDSINCE 5) (CHANGEDSINCE 5)", "BAD" },
        { "a space behind FETCH", "FLAGS ", "BAD" },
    };
    struct fetch *f = calloc(1, sizeof *f);
    for (size_t i = 0; f && i < sizeof rows / sizeof rows[0]; i++) {
        struct parser p;
        struct fetch_modifiers m;
        start(&p, rows[i].input);
        bool good = parse_fetch(&p, f) && parse_fetch_modifiers(&p, &m);
        if (good && m.changed)
            bytes_printf(&out, "since %llu%s", (unsigned long long)m.changed_since,
                         m.vanished ? " vanished" : "");
        else
            bytes_add_str(&out, "no");
        check(rows[i].name, good, rows[i].expected);
    }
    free(f);
}

static void store_modifiers(void)
{
    static const struct { const char *name, *input, *expected; } rows[] = {
        { "no STORE modifier", "+FLAGS (\\Seen)", "always" },
        { "UNCHANGEDSINCE", "(UNCHANGEDSINCE 12) FLAGS.SILENT (\\Seen)", "12" },
        { "small letters", "(unchangedsince 0) -FLAGS x", "0" },
        { "unchanged for 63 bits", "(UNCHANGEDSINCE 9223372036854775807) FLAGS ()", "9223372036854775807" },
        { "unchanged for 64 bits", "(UNCHANGEDSINCE 9223372036854775808) FLAGS ()", "BAD" },
        { "UNCHANGEDSINCE twice", "(UNCHANGEDSINCE 1 UNCHANGEDSINCE 1) FLAGS ()", "BAD" },
        { "nothing behind it", "(UNCHANGEDSINCE 1)", "BAD" },
        { "no space behind it", "(UNCHANGEDSINCE 1)FLAGS ()", "BAD" },
        { "unknown STORE modifier", "(CHANGEDSINCE 1) FLAGS ()", "BAD" },
        { "empty", "() FLAGS ()", "BAD" },
        { "behind the flags", "FLAGS () (UNCHANGEDSINCE 1)", "BAD" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct parser p;
        struct store_modifiers m;
        enum store_mode mode;
        bool silent;
        struct flag_list flags;
        start(&p, rows[i].input);
        bool good = parse_store_modifiers(&p, &m) && parse_store(&p, &mode, &silent, &flags);
        if (m.unchanged)
            bytes_printf(&out, "%llu", (unsigned long long)m.unchanged_since);
        else
            bytes_add_str(&out, "always");
        check(rows[i].name, good, rows[i].expected);
    }
}

static void print_key(const struct search *s, size_t at)
{
    static const char *const names[] = {
        [SEARCH_AND] = "and",         [SEARCH_OR] = "or",         [SEARCH_NOT] = "not",
        [SEARCH_ALL] = "all",         [SEARCH_FLAG] = "flag",     [SEARCH_UNFLAG] = "unflag",
        [SEARCH_KEYWORD] = "keyword", [SEARCH_UNKEYWORD] = "unkeyword",
        [SEARCH_SINCE] = "since",     [SEARCH_SENTON] = "senton", [SEARCH_HEADER] = "header",
        [SEARCH_TEXT] = "text",       [SEARCH_LARGER] = "larger", [SEARCH_SMALLER] = "smaller",
        [SEARCH_OLDER] = "older",     [SEARCH_YOUNGER] = "younger", [SEARCH_MODSEQ] = "modseq",
        [SEARCH_SAVEDON] = "savedon", [SEARCH_EMAILID] = "emailid", [SEARCH_THREADID] = "threadid",
        [SEARCH_SEQUENCE] = "set",    [SEARCH_UID] = "uid",
    };
    const struct search_key *key = &s->keys[at];
    bytes_add_str(&out, names[key->kind]);
    if (key->field.n)
        bytes_printf(&out, "[%.*s]", SPAN_FMT(key->field));
    if (key->text.n)
        bytes_printf(&out, "\"%.*s\"", SPAN_FMT(key->text));
    if (key->set.saved)
        bytes_add_char(&out, '$');
    if (key->number && key->kind >= SEARCH_SAVEDBEFORE)
        bytes_printf(&out, "=%lld", (long long)key->number);
    if (!key->child)
        return;
    bytes_add_char(&out, '(');
    for (size_t n = key->child; n; n = s->keys[n].next) {
        if (n != key->child)
            bytes_add_char(&out, ' ');
        print_key(s, n);
    }
    bytes_add_char(&out, ')');
}

static void searches(void)
{
    static const struct { const char *name, *input, *expected; } rows[] = {
        { "all", "ALL", "and(all)" },
        { "two keys", "UNSEEN DELETED", "and(unflag flag)" },
        { "header", "FROM \"x y\"", "and(header[From]\"x y\")" },
        { "HEADER", "HEADER Message-ID <a@b>", "and(header[Message-ID]\"<a@b>\")" },
        { "HEADER with nothing", "HEADER X \"\"", "and(header[X])" },
        { "or", "OR SEEN (ANSWERED TEXT x)", "and(or(flag and(flag text\"x\")))" },
        { "not", "NOT NOT SEEN", "and(not(not(flag)))" },
        { "sizes", "LARGER 10 SMALLER 20", "and(larger=10 smaller=20)" },
        { "set", "1:3,5", "and(set)" },
        { "star", "*", "and(set)" },
        { "uid", "UID 1:*", "and(uid)" },
        { "keyword", "KEYWORD $Work UNKEYWORD x", "and(keyword\"$Work\" unkeyword\"x\")" },
        { "date", "SINCE 1-Jan-2020", "and(since)" },
        { "quoted date", "SENTON \"01-Feb-2021\"", "and(senton=1612137600)" },
        { "bad date", "SINCE 32-Jan-2020", "BAD" },
        { "no date", "ON tomorrow", "BAD" },
        { "charset", "CHARSET UTF-8 SUBJECT {2}\r\n\xc3\xa4", "and(header[Subject]\"\xc3\xa4\")" },
        { "charset alone", "CHARSET UTF-8", "BAD" },
        { "empty", "", "BAD" },
        { "empty parentheses", "()", "BAD" },
        { "or with one", "OR SEEN", "BAD" },
        { "not with none", "NOT", "BAD" },
        { "unknown", "BOGUS", "BAD" },
        { "missing argument", "FROM", "BAD" },
        { "open parenthesis", "(SEEN", "BAD" },
        { "closing parenthesis", "SEEN)", "BAD" },
        { "a size of 63 bits", "LARGER 9223372036854775807", "and(larger=9223372036854775807)" },
        { "size too large", "LARGER 9223372036854775808", "BAD" },
        { "bad set", "1:", "BAD" },
        { "the highest number", "4294967295:1", "and(set)" },
        { "number too large", "4294967296", "BAD" },
        { "number zero", "0", "BAD" },
        { "saved", "$ UID $", "and(set$ uid$)" },
        { "saved in a list", "$,1", "BAD" },
        { "saved in a range", "1:$", "BAD" },
        { "within", "OLDER 1 YOUNGER 4294967295", "and(older=1 younger=4294967295)" },
        { "older than nothing", "OLDER 0", "BAD" },
        { "younger than 136 years", "YOUNGER 4294967296", "BAD" },
        { "modseq", "MODSEQ 917", "and(modseq=917)" },
        { "modseq of an entry", "MODSEQ \"/flags/\\\\Draft\" all 620162338", "and(modseq=620162338)" },
        { "modseq without number", "MODSEQ \"/flags/x\" priv", "BAD" },
        { "modseq of another entry", "MODSEQ \"/comment\" priv 1", "BAD" },
        { "modseq of no entry", "MODSEQ \"/flags/\" priv 1", "BAD" },
        { "modseq of a wrong type", "MODSEQ \"/flags/x\" public 1", "BAD" },
        { "modseq too large", "MODSEQ 9223372036854775808", "BAD" },
        { "saved", "SAVEDON 1-Feb-2021 SAVEDATESUPPORTED", "and(savedon=1612137600 all)" },
        { "saved, no date", "SAVEDON 1", "BAD" },
        { "ids", "EMAILID M-1_x THREADID \"T1\"", "and(emailid\"M-1_x\" threadid\"T1\")" },
        { "no id", "EMAILID a.b", "BAD" },
        { "an empty id", "EMAILID \"\"", "BAD" },
        { "return nothing", "RETURN () ALL", "1:and(all)" },
        { "return all there is", "return (MIN max COUNT ALL SAVE MIN) ALL", "63:and(all)" },
        { "return, then charset", "RETURN (MIN) CHARSET UTF-8 ALL", "3:and(all)" },
        { "charset, then return", "CHARSET UTF-8 RETURN (MIN) ALL", "BAD" },
        { "return without list", "RETURN MIN ALL", "BAD" },
        { "return without keys", "RETURN (MIN)", "BAD" },
        { "return what isn't there", "RETURN (UPDATE) ALL", "BAD" },
        { "return without end", "RETURN (MIN ", "BAD" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct parser p;
        struct search s;
        start(&p, rows[i].input);
        bool good = parse_search(&p, &s);
        if (good && s.returns)
            bytes_printf(&out, "%u:", s.returns);
        if (good)
            print_key(&s, 0);
        check(rows[i].name, good, rows[i].expected);
        search_free(&s);
    }
}

/* Repeats `piece` between `before` and `after` and parses that as a SEARCH. */
static bool search_of(const char *before, const char *piece, size_t times, const char *after)
{
    struct bytes in;
    struct parser p;
    struct search s;
    bytes_init(&in, 100000);
    bytes_add_str(&in, before);
    for (size_t n = 0; n < times; n++)
        bytes_add_str(&in, piece);
    bytes_add_str(&in, after);
    parser_init(&p, span_bytes(&in), &text);
    bool good = parse_search(&p, &s);
    search_free(&s);
    bytes_free(&in);
    return good;
}

static void limits(void)
{
    ok(search_of("", "NOT ", SEARCH_DEPTH - 1, "SEEN"), "a search as deep as may be");
    ok(!search_of("", "NOT ", SEARCH_DEPTH, "SEEN"), "and deeper");
    ok(!search_of("", "(", 90000, "SEEN"), "thousands of parentheses");
    ok(!search_of("", "OR ", 30000, "SEEN"), "thousands of ORs");
    ok(search_of("ALL", " SEEN", SEARCH_KEYS - 2, ""), "as many keys as may be");
    ok(!search_of("ALL", " SEEN", SEARCH_KEYS - 1, ""), "and more");
    ok(search_of("1", ",2:4", 20000, ""), "a long set");
}

static void flags(void)
{
    static const struct { const char *name, *input, *expected; } rows[] = {
        { "set", "FLAGS (\\Seen \\Deleted)", "0 0 24000000" },
        { "add silently", "+FLAGS.SILENT \\Flagged", "1 1 10000000" },
        { "remove", "-flags (Work \\seen)", "2 0 4000000 Work" },
        { "none", "FLAGS ()", "0 0 0" },
        { "bare list", "FLAGS \\Seen \\Draft a b", "0 0 44000000 a b" },
        { "\\Recent can't be stored", "FLAGS (\\Recent)", "BAD" },
        { "unknown system flag", "FLAGS (\\Bogus)", "BAD" },
        { "no flags", "FLAGS", "BAD" },
        { "list without end", "FLAGS (\\Seen", "BAD" },
        { "other item", "ANNOTATION (x)", "BAD" },
        { "more behind", "FLAGS (\\Seen) x", "BAD" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct parser p;
        struct flag_list list;
        enum store_mode mode;
        bool silent;
        start(&p, rows[i].input);
        bool good = parse_store(&p, &mode, &silent, &list);
        if (good)
            bytes_printf(&out, "%d %d %x", (int)mode, silent, list.system);
        for (size_t n = 0; good && n < list.keyword_count; n++)
            bytes_printf(&out, " %.*s", SPAN_FMT(list.keywords[n]));
        check(rows[i].name, good, rows[i].expected);
    }
}

static void appends(void)
{
    static const struct {
        const char *name, *input, *expected;
    } rows[] = {
        { "plain", "INBOX {10}", "INBOX 0 0 10 0" },
        { "flags", "Sent (\\Seen x) {5+}", "Sent 4000000 0 5 1" },
        { "date", "a \"21-Nov-2026 21:38:01 +0000\" {1}", "a 0 1795297081 1 0" },
        { "both", "a (\\Draft) \"01-Jan-1970 01:00:00 +0000\" {1}", "a 40000000 3600 1 0" },
        { "name as literal", "{3}\r\na b {1}", "a b 0 0 1 0" },
        { "the literal may be the name", "{3}", "BAD" },
        { "bad date", "a \"yesterday\" {1}", "BAD" },
        { "no literal", "a \"text\"", "BAD" },
        { "literal of more than 32 bits, to be refused for its size", "a {4294967296}",
          "a 0 0 4294967296 0" },
        { "literal too large", "a {9223372036854775808}", "BAD" },
        { "literal8", "a ~{5}", "a 0 0 5 0 binary" },
        { "literal8 of its own accord", "a ~{5+}", "a 0 0 5 1 binary" },
        { "UTF8", "a utf8 (~{5}", "a 0 0 5 0 utf8" },
        { "UTF8 with a literal", "a UTF8 ({5}", "BAD" },
        { "UTF8 without a parenthesis", "a UTF8 ~{5}", "BAD" },
        { "nothing", "", "BAD" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct parser p;
        struct append_args a;
        start(&p, rows[i].input);
        bool good = parse_append(&p, &a);
        if (good)
            bytes_printf(&out, "%.*s %x %lld %llu %s%s", SPAN_FMT(a.folder), a.message.flags.system,
                         (long long)a.message.date, (unsigned long long)a.message.size,
                         a.message.plus ? "1" : "0",
                         a.message.utf8     ? " utf8"
                         : a.message.binary ? " binary"
                                            : "");
        check(rows[i].name, good, rows[i].expected);
    }
}

static void lists(void)
{
    static const struct { const char *name, *input, *expected; } rows[] = {
        { "basic", "\"\" *", "basic 0 0 0 <> <*>" },
        { "of old clients", "a. %", "basic 0 0 0 <a.> <%>" },
        { "selection options", "(subscribed RECURSIVEMATCH REMOTE) \"\" *", "extended 7 1 0 <> <*>" },
        { "SPECIAL-USE implies its return", "(SPECIAL-USE) \"\" *", "extended 8 8 0 <> <*>" },
        { "no selection options", "() \"\" %", "extended 0 0 0 <> <%>" },
        { "an option twice", "(SUBSCRIBED SUBSCRIBED) \"\" *", "extended 1 1 0 <> <*>" },
        { "return options", "\"\" % RETURN (CHILDREN SUBSCRIBED)", "extended 0 17 0 <> <%>" },
        { "no return options", "\"\" % return ()", "extended 0 0 0 <> <%>" },
        { "status", "\"\" % RETURN (STATUS (MESSAGES UNSEEN) CHILDREN)", "extended 0 48 17 <> <%>" },
        { "patterns", "\"\" (a% \"b c\" {1+}\r\n*)", "extended 0 0 0 <> <a%> <b c> <*>" },
        { "one pattern in a list", "\"\" (\"\")", "extended 0 0 0 <> <>" },
        { "RECURSIVEMATCH alone", "(RECURSIVEMATCH) \"\" *", "BAD" },
        { "RECURSIVEMATCH with REMOTE", "(REMOTE RECURSIVEMATCH) \"\" *", "BAD" },
        { "unknown selection", "(VENDOR) \"\" *", "BAD" },
        { "CHILDREN doesn't select", "(CHILDREN) \"\" *", "BAD" },
        { "unknown return", "\"\" * RETURN (REMOTE)", "BAD" },
        { "no RETURN", "\"\" * (CHILDREN)", "BAD" },
        { "RETURN without a list", "\"\" * RETURN", "BAD" },
        { "STATUS without items", "\"\" * RETURN (STATUS)", "BAD" },
        { "STATUS with none", "\"\" * RETURN (STATUS ())", "BAD" },
        { "no patterns", "\"\" ()", "BAD" },
        { "options without end", "(SUBSCRIBED \"\" *", "BAD" },
        { "two blanks", "(SUBSCRIBED  REMOTE) \"\" *", "BAD" },
        { "too much", "\"\" * RETURN (CHILDREN) x", "BAD" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct parser p;
        struct list_args a;
        start(&p, rows[i].input);
        bool good = parse_list(&p, &a);
        if (good)
            bytes_printf(&out, "%s %u %u %u <%.*s>", a.extended ? "extended" : "basic", a.select, a.give,
                         a.status, SPAN_FMT(a.reference));
        for (size_t n = 0; good && n < a.pattern_count; n++)
            bytes_printf(&out, " <%.*s>", SPAN_FMT(a.patterns[n]));
        check(rows[i].name, good, rows[i].expected);
    }
    struct bytes many;
    struct list_args a;
    bytes_init(&many, 10000);
    for (int extra = 0; extra < 2; extra++) {
        struct parser p;
        bytes_clear(&many);
        bytes_add_str(&many, "\"\" (x");
        for (int n = 1; n < LIST_PATTERNS + extra; n++)
            bytes_add_str(&many, " x");
        bytes_add_str(&many, ")");
        start(&p, bytes_str(&many));
        ok(parse_list(&p, &a) == !extra, "%s patterns", extra ? "one too many" : "as many as may be");
    }
    bytes_free(&many);
}

static void creates(void)
{
    static const struct { const char *name, *input, *expected; } rows[] = {
        { "create", "a.b", "a.b" },
        { "with a use", "a (USE (\\Sent))", "a use \\Sent" },
        { "with two, in any case", "a (use (\\junk \\Trash))", "a use \\junk \\Trash" },
        { "with none", "a (USE ())", "a use" },
        { "one that nobody knows", "a (USE (\\What))", "a use \\What" },
        { "no backslash", "a (USE (Sent))", "BAD" },
        { "no list", "a (USE \\Sent)", "BAD" },
        { "unknown parameter", "a (COLOR (\\Red))", "BAD" },
        { "no parameter", "a ()", "BAD" },
        { "without end", "a (USE (\\Sent)", "BAD" },
        { "too much", "a b", "BAD" },
        { "nothing", "", "BAD" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct parser p;
        struct create_args a;
        start(&p, rows[i].input);
        bool good = parse_create(&p, &a);
        if (good)
            bytes_printf(&out, "%.*s%s", SPAN_FMT(a.folder), a.with_uses ? " use" : "");
        for (size_t n = 0; good && n < a.use_count; n++)
            bytes_printf(&out, " %.*s", SPAN_FMT(a.uses[n]));
        check(rows[i].name, good, rows[i].expected);
    }
}

static void others(void)
{
    static const struct { const char *name, *input, *expected; } rows[] = {
        { "status", "INBOX (MESSAGES unseen)", "INBOX 17" },
        { "an item twice", "INBOX (MESSAGES MESSAGES)", "INBOX 1" },
        { "no items", "INBOX ()", "BAD" },
        { "unknown item", "INBOX (BOGUS)", "BAD" },
        { "no list", "INBOX MESSAGES", "BAD" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct parser p;
        struct status_args a;
        start(&p, rows[i].input);
        bool good = parse_status(&p, &a);
        if (good)
            bytes_printf(&out, "%.*s %u", SPAN_FMT(a.folder), a.items);
        check(rows[i].name, good, rows[i].expected);
    }
    static const struct { const char *input; bool good; } ids[] = {
        { "NIL", true },         { "()", true },        { "(\"name\" \"x\" \"version\" NIL)", true },
        { "(\"name\" \"x\"", false }, { "(name x)", false }, { "", false }, { "\"x\"", false },
    };
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct parser p;
        start(&p, ids[i].input);
        ok(parse_id(&p) == ids[i].good, "ID %s", ids[i].input);
    }
}

int main(void)
{
    bytes_init(&text, 200000);
    bytes_init(&out, 200000);
    strings();
    sets();
    fetches();
    select_modifiers();
    fetch_modifiers();
    store_modifiers();
    searches();
    flags();
    appends();
    lists();
    creates();
    others();
    limits();
    bytes_free(&text);
    bytes_free(&out);
    return done_testing();
}
