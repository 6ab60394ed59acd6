/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The items of FETCH (RFC 3501 6.4.5 and `fetch` in 9, RFC 9051, RFC 3516, RFC 8970, RFC 8514, RFC 8474),
 * macros included, into one flat array.
 */
#include "parse.h"

#include <string.h>

static bool fetch_add(struct parser *p, struct fetch *f, struct fetch_item item)
{
    if (f->count == FETCH_ITEMS)
        return parse_fail(p, "Too many FETCH items");
    f->items[f->count++] = item;
    return true;
}

static bool parse_header_names(struct parser *p, struct fetch *f, struct fetch_item *item)
{
    if (!parse_space(p) || !parse_char(p, '('))
        return parse_fail(p, "List of header names expected");
    item->first_name = f->name_count;
    do {
        if (f->name_count == FETCH_NAMES)
            return parse_fail(p, "Too many header names");
        struct span *name = &f->names[f->name_count];
        if (!parse_astring(p, name))
            return false;
        if (name->n == 0 || memchr(name->p, '\r', name->n) || memchr(name->p, '\n', name->n))
            return parse_fail(p, "Bad header name");
        f->name_count++;
    } while (parse_char(p, ' '));
    item->name_count = f->name_count - item->first_name;
    return parse_char(p, ')') || parse_fail(p, "List of header names without end");
}

static bool parse_section_word(struct parser *p, struct fetch *f, struct fetch_item *item)
{
    struct span word;
    if (!parse_atom(p, &word))
        return parse_fail(p, "Bad section");
    if (span_ieq_str(word, "HEADER"))
        item->what = SECTION_HEADER;
    else if (span_ieq_str(word, "TEXT"))
        item->what = SECTION_TEXT;
    else if (span_ieq_str(word, "MIME") && item->part_count > 0)
        item->what = SECTION_MIME;
    else if (span_ieq_str(word, "HEADER.FIELDS"))
        item->what = SECTION_FIELDS;
    else if (span_ieq_str(word, "HEADER.FIELDS.NOT"))
        item->what = SECTION_FIELDS_NOT;
    else
        return parse_fail(p, "Unknown section");
    if (item->what == SECTION_FIELDS || item->what == SECTION_FIELDS_NOT)
        return parse_header_names(p, f, item);
    return true;
}

/* Behind `[`: part numbers, up to `]` or a word. */
static bool parse_part_numbers(struct parser *p, struct fetch_item *item)
{
    item->what = SECTION_ALL;
    while (ascii_digit(parse_peek(p))) {
        uint32_t n;
        if (!parse_number(p, &n) || n == 0 || item->part_count == FETCH_PARTS)
            return parse_fail(p, "Bad part number");
        item->parts[item->part_count++] = n;
        if (!parse_char(p, '.'))
            break;
        if (parse_peek(p) == ']')
            return parse_fail(p, "Bad section");
    }
    return true;
}

static bool parse_section(struct parser *p, struct fetch *f, struct fetch_item *item)
{
    if (!parse_part_numbers(p, item))
        return false;
    if (parse_peek(p) != ']') {
        bool after_number = item->part_count > 0 && p->in.p[p->at - 1] != '.';
        if (after_number || !parse_section_word(p, f, item))
            return parse_fail(p, "Bad section");
    }
    return parse_char(p, ']') || parse_fail(p, "Section without end");
}

static bool parse_partial(struct parser *p, struct fetch_item *item)
{
    if (!parse_char(p, '<'))
        return true;
    item->partial = true;
    if (!parse_number64(p, &item->offset) || !parse_char(p, '.') || !parse_number64(p, &item->length) ||
        item->length == 0 || !parse_char(p, '>'))
        return parse_fail(p, "Bad partial range");
    return true;
}

struct fetch_word {
    const char *name;
    struct fetch_item item;
};

static const struct fetch_word words[] = {
    { "UID", { .kind = FETCH_UID } },
    { "FLAGS", { .kind = FETCH_FLAGS } },
    { "INTERNALDATE", { .kind = FETCH_INTERNALDATE } },
    { "RFC822.SIZE", { .kind = FETCH_SIZE } },
    { "ENVELOPE", { .kind = FETCH_ENVELOPE } },
    { "BODY", { .kind = FETCH_BODY } },
    { "BODYSTRUCTURE", { .kind = FETCH_BODYSTRUCTURE } },
    { "MODSEQ", { .kind = FETCH_MODSEQ } },
    { "RFC822", { .kind = FETCH_SECTION, .label = "RFC822", .what = SECTION_ALL } },
    { "RFC822.HEADER",
      { .kind = FETCH_SECTION, .label = "RFC822.HEADER", .what = SECTION_HEADER, .peek = true } },
    { "RFC822.TEXT", { .kind = FETCH_SECTION, .label = "RFC822.TEXT", .what = SECTION_TEXT } },
    { "PREVIEW", { .kind = FETCH_PREVIEW } },
    { "SAVEDATE", { .kind = FETCH_SAVEDATE } },
    { "EMAILID", { .kind = FETCH_EMAILID } },
    { "THREADID", { .kind = FETCH_THREADID } },
};

/* Those that a section follows. */
static const struct fetch_word section_words[] = {
    { "BODY", { .kind = FETCH_SECTION } },
    { "BODY.PEEK", { .kind = FETCH_SECTION, .peek = true } },
    { "BINARY", { .kind = FETCH_BINARY } },
    { "BINARY.PEEK", { .kind = FETCH_BINARY, .peek = true } },
    { "BINARY.SIZE", { .kind = FETCH_BINARY_SIZE, .peek = true } },
};

static bool find_word(const struct fetch_word *list, size_t count, struct span name, struct fetch_item *item)
{
    for (size_t i = 0; i < count; i++)
        if (span_ieq_str(name, list[i].name)) {
            *item = list[i].item;
            return true;
        }
    return false;
}

/* Behind `[`: of BINARY, part numbers only (RFC 3516 7). */
static bool parse_any_section(struct parser *p, struct fetch *f, struct fetch_item *item)
{
    if (item->kind == FETCH_SECTION)
        return parse_section(p, f, item) && parse_partial(p, item);
    if (!parse_part_numbers(p, item) || !parse_char(p, ']'))
        return parse_fail(p, "Bad section");
    return item->kind == FETCH_BINARY_SIZE || parse_partial(p, item);
}

/* ` (LAZY)` behind PREVIEW, its only modifier (RFC 8970 3.1). */
static void parse_lazy(struct parser *p, struct fetch_item *item)
{
    item->lazy = item->kind == FETCH_PREVIEW && span_istarts(span_from(p->in, p->at), " (LAZY)");
    if (item->lazy)
        p->at += sizeof " (LAZY)" - 1;
}

static bool parse_fetch_item(struct parser *p, struct fetch *f)
{
    size_t start = p->at;
    while (ascii_alpha(parse_peek(p)) || ascii_digit(parse_peek(p)) || parse_peek(p) == '.')
        p->at++;
    struct span name = { p->in.p + start, p->at - start };
    struct fetch_item item;
    if (parse_char(p, '[')) {
        if (!find_word(section_words, sizeof section_words / sizeof section_words[0], name, &item))
            return parse_fail(p, "Unknown FETCH item");
        return parse_any_section(p, f, &item) && fetch_add(p, f, item);
    }
    if (!find_word(words, sizeof words / sizeof words[0], name, &item))
        return parse_fail(p, "Unknown FETCH item");
    parse_lazy(p, &item);
    return fetch_add(p, f, item);
}

/* ALL, FAST and FULL are each more than the one before (RFC 3501 6.4.5). */
static bool parse_macro(struct parser *p, struct fetch *f)
{
    static const enum fetch_kind kinds[] = { FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_SIZE, FETCH_ENVELOPE,
                                             FETCH_BODY };
    struct span rest = span_from(p->in, p->at), word = span_head(rest, span_find(rest, ' '));
    size_t count = span_ieq_str(word, "FAST")   ? 3
                   : span_ieq_str(word, "ALL")  ? 4
                   : span_ieq_str(word, "FULL") ? 5
                                                : 0;
    for (size_t i = 0; i < count; i++)
        fetch_add(p, f, (struct fetch_item){ .kind = kinds[i] });
    if (count > 0)
        p->at += word.n;
    return count > 0;
}

bool parse_fetch(struct parser *p, struct fetch *fetch)
{
    fetch->count = fetch->name_count = 0;
    if (parse_macro(p, fetch))
        return true;
    if (!parse_char(p, '('))
        return parse_fetch_item(p, fetch);
    do {
        if (!parse_fetch_item(p, fetch))
            return false;
    } while (parse_char(p, ' '));
    return parse_char(p, ')') || parse_fail(p, "List of FETCH items without end");
}
