/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A message's beginning as one line; see preview.h.
 *
 * The work is bounded: of a part, no more than HTML_LIMIT bytes are decoded, and no more than TRIES parts are
 * looked into. HTML isn't parsed: tags, comments, and what style, script and the like enclose are passed
 * over, and the usual character references are put in. Characters that nobody sees are dropped, as
 * newsletters fill their first lines with them.
 */
#include "text/preview.h"
#include "text/base64.h"
#include "text/utf8.h"
#include "text/words.h"

#define PLAIN_LIMIT 8192 /* bytes of a part that are decoded: */
#define HTML_LIMIT 65536 /* its beginning is often style sheets */
#define TAG_LIMIT 1024   /* bytes in which a tag's end is looked for with regard to quotes */
#define TRIES 4          /* parts without any text that are passed over */
#define NAME_LIMIT 32    /* of a charset, a tag, a character reference */

/* The line in the making. */
struct line {
    struct bytes *out;
    size_t characters;
    bool gap; /* a space belongs before the next character */
};

static bool is_full(const struct line *l)
{
    return l->characters >= PREVIEW_CHARACTERS || l->out->failed;
}

static bool is_blank(uint32_t c)
{
    return c <= 0x20 || c == 0x7f || (c >= 0x80 && c <= 0xa0) || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
           c == 0x3000;
}

/* Soft hyphens, joiners, marks of direction, fillers. */
static bool is_invisible(uint32_t c)
{
    return c == 0xad || c == 0x34f || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2060 && c <= 0x2069) || c == 0xfeff || c == 0xfffc;
}

static void put(struct line *l, uint32_t c)
{
    if (is_full(l) || is_invisible(c))
        return;
    if (is_blank(c)) {
        l->gap = l->characters > 0;
        return;
    }
    if (l->gap && l->characters + 2 > PREVIEW_CHARACTERS) {
        l->characters = PREVIEW_CHARACTERS;
        return;
    }
    if (l->gap) {
        bytes_add_char(l->out, ' ');
        l->characters++;
    }
    l->gap = false;
    utf8_write(c, l->out);
    l->characters++;
}

static void put_text(struct line *l, struct span text)
{
    while (text.n && !is_full(l)) {
        uint32_t c = UTF8_REPLACEMENT;
        size_t n = utf8_read(text, &c);
        put(l, c);
        text = span_from(text, n ? n : 1);
    }
}

/* Lines up to a signature, those that quote another message only where `quoted`. */
static void put_plain(struct line *l, struct span text, bool quoted)
{
    struct span one;
    while (!is_full(l) && span_cut(&text, '\n', &one)) {
        struct span line = span_trim(one);
        if (span_eq_str(line, "--") && l->characters > 0)
            break;
        if (span_starts(line, ">") && !quoted)
            continue;
        put_text(l, line);
        put(l, ' ');
    }
}

static const struct {
    const char *name;
    uint32_t character;
} references[] = {
    { "amp", '&' },      { "lt", '<' },       { "gt", '>' },       { "quot", '"' },     { "apos", '\'' },
    { "nbsp", 0xa0 },    { "shy", 0xad },     { "zwnj", 0x200c },  { "zwj", 0x200d },   { "copy", 0xa9 },
    { "reg", 0xae },     { "trade", 0x2122 }, { "euro", 0x20ac },  { "pound", 0xa3 },   { "hellip", 0x2026 },
    { "ndash", 0x2013 }, { "mdash", 0x2014 }, { "lsquo", 0x2018 }, { "rsquo", 0x2019 }, { "sbquo", 0x201a },
    { "ldquo", 0x201c }, { "rdquo", 0x201d }, { "bdquo", 0x201e }, { "laquo", 0xab },   { "raquo", 0xbb },
    { "bull", 0x2022 },  { "middot", 0xb7 },  { "deg", 0xb0 },     { "sect", 0xa7 },    { "times", 0xd7 },
    { "Auml", 0xc4 },    { "Ouml", 0xd6 },    { "Uuml", 0xdc },    { "auml", 0xe4 },    { "ouml", 0xf6 },
    { "uuml", 0xfc },    { "szlig", 0xdf },   { "agrave", 0xe0 },  { "aacute", 0xe1 },  { "acirc", 0xe2 },
    { "aring", 0xe5 },   { "aelig", 0xe6 },   { "ccedil", 0xe7 },  { "egrave", 0xe8 },  { "eacute", 0xe9 },
    { "ecirc", 0xea },   { "iacute", 0xed },  { "ntilde", 0xf1 },  { "oacute", 0xf3 },  { "oslash", 0xf8 },
    { "uacute", 0xfa },  { "Eacute", 0xc9 },
};

/* `#228` or `#xe4`: 0 if it is none. */
static uint32_t numeric_reference(struct span name)
{
    uint32_t value = 0;
    bool hex = name.n > 1 && ascii_lower(name.p[1]) == 'x';
    struct span digits = span_from(name, hex ? 2 : 1);
    for (size_t i = 0; i < digits.n; i++) {
        int digit = hex_value(digits.p[i]);
        if (digit < 0 || (!hex && digit > 9) || value > 0x10ffff)
            return 0;
        value = value * (hex ? 16 : 10) + (uint32_t)digit;
    }
    return value;
}

/* The '&' that *text begins with, and what belongs to it. */
static void take_reference(struct line *l, struct span *text)
{
    struct span name = span_head(span_from(*text, 1), NAME_LIMIT);
    size_t end = span_find(name, ';');
    uint32_t c = 0;
    if (end < name.n && end > 1) {
        name = span_head(name, end);
        if (name.p[0] == '#')
            c = numeric_reference(name);
        for (size_t i = 0; c == 0 && i < sizeof references / sizeof references[0]; i++)
            if (span_eq_str(name, references[i].name))
                c = references[i].character;
    }
    put(l, c ? c : '&');
    *text = span_from(*text, c ? end + 2 : 1);
}

static bool in_list(struct span name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (span_ieq_str(name, list[i]))
            return true;
    return false;
}

/* Behind the `</name` that closes what isn't shown; everything, if it is missing. */
static struct span behind_element(struct span text, struct span name)
{
    for (;;) {
        text = span_from(text, span_find(text, '<'));
        if (text.n == 0)
            return text;
        struct span inside = span_from(text, 2);
        if (span_starts(text, "</") && span_ieq(span_head(inside, name.n), name))
            return span_from(text, span_find(text, '>') + 1);
        text = span_from(text, 1);
    }
}

static struct span behind_comment(struct span text)
{
    text = span_from(text, 4);
    while (text.n && !span_starts(text, "-->")) {
        text = span_from(text, 1);
        text = span_from(text, span_find(text, '-'));
    }
    return span_from(text, 3);
}

/* Behind a tag's '>', which may stand in quotes before. */
static struct span behind_tag(struct span text)
{
    char quote = 0;
    for (size_t i = 0; i < text.n && i < TAG_LIMIT; i++) {
        char c = text.p[i];
        if (quote ? c == quote : c == '"' || c == '\'')
            quote = quote ? 0 : c;
        else if (c == '>' && !quote)
            return span_from(text, i + 1);
    }
    return span_from(text, span_find(text, '>') + 1); /* a quote that isn't closed, or a long tag */
}

/* The '<' that *text begins with. */
static void take_tag(struct line *l, struct span *text)
{
    static const char *const hidden[] = { "head", "style", "script", "title", "template" };
    static const char *const within_words[] = { "a",      "abbr", "b",    "big", "code",  "em",
                                                "font",   "i",    "mark", "s",   "small", "span",
                                                "strong", "sub",  "sup",  "u",   "wbr" };
    struct span name = span_from(*text, 1);
    bool closing = span_starts(name, "/");
    name = span_from(name, closing);
    size_t n = 0;
    while (n < name.n && n < NAME_LIMIT && (ascii_alpha(name.p[n]) || ascii_digit(name.p[n])))
        n++;
    name = span_head(name, n && ascii_alpha(name.p[0]) ? n : 0);
    if (span_starts(*text, "<!--")) {
        *text = behind_comment(*text);
    } else if (name.n == 0 && !span_starts(*text, "<!") && !span_starts(*text, "<?") && !closing) {
        put(l, '<');
        *text = span_from(*text, 1);
    } else {
        bool hides = !closing && in_list(name, hidden, sizeof hidden / sizeof hidden[0]);
        if (!in_list(name, within_words, sizeof within_words / sizeof within_words[0]))
            put(l, ' ');
        *text = behind_tag(*text);
        if (hides)
            *text = behind_element(*text, name);
    }
}

static void put_html(struct line *l, struct span text)
{
    while (text.n && !is_full(l)) {
        size_t plain = 0;
        while (plain < text.n && text.p[plain] != '<' && text.p[plain] != '&')
            plain++;
        put_text(l, span_head(text, plain));
        text = span_from(text, plain);
        if (text.n && text.p[0] == '<')
            take_tag(l, &text);
        else if (text.n)
            take_reference(l, &text);
    }
}

/* The part's text in UTF-8, as far as it is looked at. */
static void decode(const struct mime_part *part, size_t limit, struct bytes *text)
{
    struct bytes raw, charset;
    struct mime_part head = *part;
    head.body = span_head(part->body, limit);
    bytes_init(&raw, limit);
    bytes_init(&charset, NAME_LIMIT);
    mime_decode(&head, &raw);
    mime_parameter(part->type_value, "charset", &charset);
    charset_to_utf8(charset.len ? span_bytes(&charset) : SPAN("utf-8"), span_bytes(&raw), text);
    text->failed = text->failed || raw.failed || charset.failed;
    bytes_free(&raw);
    bytes_free(&charset);
}

/* Writes the part's beginning; false if it has nothing to show. */
static bool write_part(const struct mime_part *part, bool html, struct bytes *out)
{
    struct line l = { .out = out };
    struct bytes text;
    bytes_init(&text, 4 * HTML_LIMIT);
    decode(part, html ? HTML_LIMIT : PLAIN_LIMIT, &text);
    if (html) {
        put_html(&l, span_bytes(&text));
    } else {
        put_plain(&l, span_bytes(&text), false);
        if (l.characters == 0)
            put_plain(&l, span_bytes(&text), true);
    }
    out->failed = out->failed || text.failed;
    bytes_free(&text);
    return l.characters > 0;
}

/* In order, the parts of the message itself: what a message inside says is its own. */
static bool write_first(const struct mime_part *part, bool html, unsigned *tries, struct bytes *out)
{
    for (; part && *tries > 0; part = part->next) {
        if (part->is_multipart) {
            if (write_first(part->child, html, tries, out))
                return true;
            continue;
        }
        bool attached = span_istarts(span_trim(part->disposition), "attachment");
        if (part->is_message || attached || !span_ieq_str(part->type, "text") ||
            !span_ieq_str(part->subtype, html ? "html" : "plain"))
            continue;
        --*tries;
        if (write_part(part, html, out))
            return true;
    }
    return false;
}

bool preview_write(const struct mime_part *root, struct bytes *out)
{
    unsigned tries = TRIES;
    if (!write_first(root, false, &tries, out)) {
        tries = TRIES;
        write_first(root, true, &tries, out);
    }
    return !out->failed;
}
