/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Encoded words (the table of RFC 2047 8), charsets, and comparing by Unicode's rules.
 */
#include "tap.h"

#include "text/unicode.h"
#include "text/unicode_search.h"
#include "text/utf8.h"
#include "text/words.h"

#include <stdlib.h>
#include <string.h>

#define FFFD "\xef\xbf\xbd"

static const struct { const char *name, *value, *expected;
} word_rows[] = {
    { "RFC 2047 8, 1", "(=?ISO-8859-1?Q?a?=)", "(a)" },
    { "RFC 2047 8, 2", "(=?ISO-8859-1?Q?a?= b)", "(a b)" },
    { "RFC 2047 8, 3", "(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)" },
    { "RFC 2047 8, 4", "(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)" },
    { "RFC 2047 8, 5", "(=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=)", "(ab)" },
    { "RFC 2047 8, 6", "(=?ISO-8859-1?Q?a_b?=)", "(a b)" },
    { "RFC 2047 8, 7", "(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)" },
    { "RFC 2047 8, subject",
      "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
      "If you can read this you understand the example." },
    { "RFC 2047 8, name", "=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?= <keld@dkuug.dk>",
      "Keld J\xc3\xb8rn Simonsen <keld@dkuug.dk>" },
    { "RFC 2231 5, language", "=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore" },
    { "character cut in two, Q", "=?utf-8?Q?=C3?= =?utf-8?q?=BC?=", "\xc3\xbc" },
    { "character cut in two, B and Q", "=?utf-8?B?ww==?= =?UTF-8?q?=BC?=", "\xc3\xbc" },
    { "encoded underscore", "=?utf-8?Q?a=5Fb_c?=", "a_b c" },
    { "broken escape", "=?utf-8?Q?a=G1=?=", "a=G1=" },
    { "windows-1251", "=?windows-1251?Q?=CF=F0=E8?=", "\xd0\x9f\xd1\x80\xd0\xb8" },
    { "KOI8-R", "=?koi8-r?B?8NLJ?=", "\xd0\x9f\xd1\x80\xd0\xb8" },
    { "broken UTF-8", "=?utf-8?Q?a=FFb?=", "a" FFFD "b" },
    { "unknown charset", "=?x-none?Q?a=FFb?=", "a" FFFD "b" },
    { "within a word", "x=?utf-8?Q?a?=y", "xay" },
    { "blank in the text", "=?utf-8?Q?a b?=", "=?utf-8?Q?a b?=" },
    { "no such encoding", "=?utf-8?X?a?=", "=?utf-8?X?a?=" },
    { "no charset", "=??Q?a?=", "=??Q?a?=" },
    { "unclosed", "=?utf-8?Q?a", "=?utf-8?Q?a" },
    { "cut", "=?utf-8?Q", "=?utf-8?Q" },
    { "empty text", "a =?utf-8?Q?\?= b", "a  b" },
    { "a false start before", "=?=?utf-8?Q?a?=", "=?a" },
    { "folded", " a\r\n b\r\n", "a b" },
    { "raw UTF-8", "\xc3\xbc", "\xc3\xbc" },
    { "raw 8-bit", "a\xfcz", "a" FFFD "z" },
    { "empty", "", "" },
};

static void words(void)
{
    struct bytes out;
    bytes_init(&out, 65536);
    for (size_t i = 0; i < sizeof word_rows / sizeof word_rows[0]; i++) {
        bytes_clear(&out);
        words_decode(span_of(word_rows[i].value), &out);
        ok(strcmp(bytes_str(&out), word_rows[i].expected) == 0, "%s: %s", word_rows[i].name, bytes_str(&out));
    }
    bytes_free(&out);
    bytes_init(&out, 3);
    ok(!words_decode(SPAN("=?utf-8?Q?abcd?="), &out), "over the limit");
    bytes_free(&out);

    size_t n = 1 << 20;
    char *big = malloc(n);
    bytes_init(&out, 8 << 20);
    static const char *const fillers[] = { "=?", "=?a?Q?", "=?a?Q?=", "=?a?Q?\?= ", "=?a?Q?b?=", "=", " " };
    for (size_t i = 0; i < sizeof fillers / sizeof fillers[0]; i++) {
        for (size_t at = 0; at < n; at++)
            big[at] = fillers[i][at % strlen(fillers[i])];
        bytes_clear(&out);
        ok(words_decode((struct span){ big, n }, &out), "1 MiB of \"%s\"", fillers[i]);
    }
    bytes_free(&out);
    free(big);
}

static void charsets(void)
{
    static const struct { const char *charset, *text, *expected; } rows[] = {
        { "UTF-8", "\xe2\x82\xac", "\xe2\x82\xac" },
        { "US-ASCII", "a\xff", "a" FFFD },
        { "ISO-8859-1", "\xfc", "\xc3\xbc" },
        { "iso-8859-1", "\x80", "\xe2\x82\xac" },
        { "ISO-8859-2", "\xb1", "\xc4\x85" },
        { "ISO-8859-15", "\xa4", "\xe2\x82\xac" },
        { "windows-1250", "\x9c", "\xc5\x9b" },
        { "windows-1251", "\xff", "\xd1\x8f" },
        { "windows-1252", "\x93\x81", "\xe2\x80\x9c" FFFD },
        { "KOI8-R", "\xc1", "\xd0\xb0" },
        { "x-unknown", "a\xfc", "a" FFFD },
        { "", "a\xfc", "a" FFFD },
    };
    struct bytes out;
    bytes_init(&out, 1000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bytes_clear(&out);
        ok(charset_to_utf8(span_of(rows[i].charset), span_of(rows[i].text), &out) &&
               strcmp(bytes_str(&out), rows[i].expected) == 0,
           "charset \"%s\": %s", rows[i].charset, bytes_str(&out));
    }
    ok(charset_known(SPAN("utf-8")) && charset_known(SPAN("Koi8-R")) && !charset_known(SPAN("utf-7")) &&
           !charset_known(SPAN("")), "known charsets");
    bytes_free(&out);
}

static const struct { const char *name, *value, *expected;
} parameter_rows[] = {
    { "RFC 2231 4", "application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
      "\nThis is ***fun***" },
    { "RFC 2231 3", "message/external-body; access-type=URL; URL*0=\"ftp://\"; URL*1=\"cs.utk.edu/pub\"",
      "\nftp://cs.utk.edu/pub" },
    { "RFC 2231 4.1",
      "application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20; "
      "title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"",
      "\nThis is even more ***fun*** isn't it!" },
    { "a charset", "attachment; filename*=ISO-8859-1''na%EFve.txt; size=1", "\nna\xc3\xafve.txt" },
    { "a character cut in two", "attachment; filename*0*=UTF-8''%C3; filename*1*=%BC", "\n\xc3\xbc" },
    { "two", "attachment; a*=utf-8''x; b*=utf-8''y", "\nx\ny" },
    { "no charset", "attachment; filename*=%C3%BC", "\n\xc3\xbc" },
    { "broken escape", "attachment; filename*=''a%G1%", "\na%G1%" },
    { "unknown charset", "attachment; filename*=x-none''%FF", "\n" FFFD },
    { "none of these", "attachment; filename=x", "" },
    { "a star elsewhere", "attachment; filename=\"*\"", "" },
};

static void parameters(void)
{
    struct bytes out;
    bytes_init(&out, 1000);
    for (size_t i = 0; i < sizeof parameter_rows / sizeof parameter_rows[0]; i++) {
        bytes_clear(&out);
        words_decode_parameters(span_of(parameter_rows[i].value), &out);
        ok(strcmp(bytes_str(&out), parameter_rows[i].expected) == 0, "parameters, %s: %s",
           parameter_rows[i].name, bytes_str(&out));
    }
    bytes_free(&out);
}

/* Is it found however the haystack is cut in two, and a byte at a time? And rules_out() never lies. */
static bool found_in_pieces(struct span haystack, struct span needle, bool expected)
{
    struct unicode_needle n;
    struct unicode_search *search = unicode_search_new();
    bool right = search && unicode_needle_init(&n, needle);
    for (size_t cut = 0; right && cut <= haystack.n; cut++) {
        unicode_search_begin(search, &n);
        unicode_search_add(search, span_head(haystack, cut));
        unicode_search_add(search, span_from(haystack, cut));
        right = unicode_search_end(search) == expected;
    }
    unicode_search_begin(search, &n);
    for (size_t at = 0; at < haystack.n; at++)
        unicode_search_add(search, span_head(span_from(haystack, at), 1));
    right = right && unicode_search_end(search) == expected && !unicode_search_failed(search) &&
            !(expected && unicode_rules_out(&n, haystack));
    unicode_needle_free(&n);
    unicode_search_free(search);
    return right;
}

static const struct { const char *name, *haystack, *needle; bool found;
} search_rows[] = {
    { "ASCII", "Hello World", "WORLD", true },
    { "not there", "Hello World", "word", false },
    { "empty needle", "x", "", true },
    { "empty haystack", "", "x", false },
    { "both empty", "", "", true },
    { "longer needle", "ab", "abc", false },
    { "overlap", "aaab", "aab", true },
    { "umlaut",
      "Gr\xc3\xbc\xc3\x9f"
      "e",
      "GR\xc3\x9c\xc3\x9f"
      "E",
      true },
    { "dotless i, as i;unicode-casemap has it", "\xc4\xb1stanbul", "ISTANBUL", true },
    { "title case", "\xc7\x85", "\xc7\x84", true },
    { "marks in another order", "a\xcc\xa7\xcc\x81", "a\xcc\x81\xcc\xa7", true },
    { "a composed character and a mark", "\xc3\xa1\xcc\xa7", "a\xcc\xa7\xcc\x81", true },
    { "Hangul", "\xed\x95\x9c\xea\xb8\x80", "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", true },
    { "eighteen characters of one", "\xef\xb7\xba", "\xd8\xa7\xd9\x84\xd9\x84\xd9\x87", true },
    { "umlaut, then ASCII", "xx m\xc3\xbcller and so on", "M\xc3\x9cLLER AND", true },
    { "ASCII, then umlaut", "it says gr\xc3\xbc\xc3\x9f", "says GR\xc3\x9c\xc3\x9f", true },
    { "the end of a long text", "sixteen bytes and sixteen more, and then what is sought", "SOUGHT", true },
    { "the start of a long text", "sought: sixteen bytes and sixteen more, and then some", "sOUGHT", true },
    { "only nearly", "a text that holds quokk and uokka and qqokka and quokkb", "quokka", false },
    { "letters aren't signs", "[\\]^_{|}~@`", "{", true },
    { "signs aren't letters", "[\\]^_@", "{", false },
    { "sharp s",
      "Stra\xc3\x9f"
      "e",
      "STRASSE", true },
    { "decomposed", "Gru\xcc\x88n", "gr\xc3\xbcn", true },
    { "Greek", "\xce\xa3\xce\x8a\xce\xa3\xce\xa5\xce\xa6\xce\x9f\xce\xa3",
      "\xcf\x83\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x82", true },
    { "bold capital", "\xf0\x9d\x90\x80", "a", true },
    { "Kelvin", "300 \xe2\x84\xaa", "300 k", true },
    { "ASCII needle in other text", "\xd0\x9f\xd1\x80\xd0\xb8 Hello", "hello", true },
    { "umlaut isn't its letter", "u", "\xc3\xbc", false },
    { "broken haystack", "\xff\xfe Hello \xc3", "HELLO", true },
    { "broken haystack, other needle", "\xff J\xc3\x96RG", "j\xc3\xb6rg", true },
    { "Cyrillic", "\xd0\x9f\xd0\xa0\xd0\x98\xd0\x92\xd0\x95\xd0\xa2",
      "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82", true },
};

static void searching(void)
{
    for (size_t i = 0; i < sizeof search_rows / sizeof search_rows[0]; i++)
        ok(unicode_contains(span_of(search_rows[i].haystack), span_of(search_rows[i].needle)) ==
               search_rows[i].found,
           "search, %s", search_rows[i].name);
    for (size_t i = 0; i < sizeof search_rows / sizeof search_rows[0]; i++)
        ok(found_in_pieces(span_of(search_rows[i].haystack), span_of(search_rows[i].needle),
                           search_rows[i].found),
           "search in pieces, %s", search_rows[i].name);
    ok(unicode_contains(SPAN("a\0\xc3\xbc"), SPAN("\0\xc3\x9c")), "search, NUL");

    struct bytes character, once, twice, mapped;
    struct unicode_folder *casemap = unicode_folder_new(UNICODE_CASEMAP),
                          *fold = unicode_folder_new(UNICODE_SEARCH);
    bytes_init(&mapped, 200);
    bytes_init(&character, 8);
    bytes_init(&once, 200);
    bytes_init(&twice, 200);
    bool settled = true;
    bool superset = true;
    for (uint32_t c = 0; c < 0x110000 && settled && superset; c++) {
        bytes_clear(&character);
        bytes_clear(&once);
        bytes_clear(&twice);
        utf8_write(c, &character);
        unicode_folder_add(fold, span_bytes(&character), &once);
        settled = unicode_folder_add(fold, span_bytes(&once), &twice) &&
                  span_eq(span_bytes(&once), span_bytes(&twice));
        bytes_clear(&mapped);
        bytes_clear(&twice);
        unicode_folder_add(casemap, span_bytes(&character), &mapped);
        superset = unicode_folder_add(fold, span_bytes(&mapped), &twice) &&
                   span_eq(span_bytes(&once), span_bytes(&twice));
        if (!settled || !superset)
            printf("# U+%04X\n", c);
    }
    ok(superset, "what i;unicode-casemap takes for equal is folded alike");
    bytes_clear(&mapped);
    unicode_folder_add(casemap, SPAN("az_\xc7\x84\xc3\x9f"), &mapped);
    ok(strcmp(bytes_str(&mapped), "AZ_Dz\xcc\x8c\xc3\x9f") == 0,
       "i;unicode-casemap, the example of RFC 5051 2: %s", bytes_str(&mapped));
    bytes_free(&mapped);
    unicode_folder_free(casemap);
    unicode_folder_free(fold);
    ok(settled, "what is folded is not changed by folding");
    bytes_free(&character);
    bytes_free(&once);
    bytes_free(&twice);

    struct bytes large;
    bytes_init(&large, 1 << 20);
    bool everywhere = true;
    for (int i = 0; i < 100000; i++)
        bytes_add_str(&large, "\xc3\xbc");
    for (size_t at = 130980; at < 131120 && everywhere; at++) { /* around the edges of windows */
        memcpy(large.data + at, "J\xc3\x96RG", 5);
        everywhere = unicode_contains(span_bytes(&large), SPAN("j\xc3\xb6rg"));
        memcpy(large.data + at, at % 2 ? "\xbc\xc3\xbc\xc3\xbc" : "\xc3\xbc\xc3\xbc\xc3", 5);
    }
    ok(everywhere && !unicode_contains(span_bytes(&large), SPAN("j\xc3\xb6rg")), "search, a large haystack");
    ok(unicode_contains(span_bytes(&large), span_bytes(&large)), "search, a large needle");
    bytes_free(&large);

    struct bytes nearly;
    bytes_init(&large, 4 << 20);
    bytes_init(&nearly, 1 << 20);
    for (int i = 0; i < 4 << 20; i++)
        bytes_add_char(&large, 'a');
    for (int i = 0; i < 60001; i++)
        bytes_add_char(&nearly, i == 30000 ? 'b' : 'a');
    ok(!unicode_contains(span_bytes(&large), span_bytes(&nearly)), "search, what is nearly everywhere");
    memcpy(large.data + (3 << 20), nearly.data, nearly.len);
    ok(unicode_contains(span_bytes(&large), span_bytes(&nearly)), "search, and then is there");
    bytes_free(&large);
    bytes_free(&nearly);

    struct bytes out;
    bytes_init(&out, 100);
    ok(unicode_nfc(SPAN("u\xcc\x88"), &out) && strcmp(bytes_str(&out), "\xc3\xbc") == 0, "NFC");
    bytes_clear(&out);
    ok(unicode_nfc(SPAN("plain"), &out) && unicode_nfc(SPAN(""), &out) &&
           strcmp(bytes_str(&out), "plain") == 0,
       "NFC of ASCII");
    ok(!unicode_nfc(SPAN("u\xcc"), &out), "no NFC of broken UTF-8");
    bytes_free(&out);
    bytes_init(&out, 1);
    ok(!unicode_nfc(SPAN("u\xcc\x88"), &out) && !unicode_fold(SPAN("ab"), &out), "over the limit");
    bytes_free(&out);
}

int main(void)
{
    words();
    parameters();
    charsets();
    searching();
    return done_testing();
}
