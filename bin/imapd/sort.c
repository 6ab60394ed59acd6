/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SORT (RFC 5256, RFC 5957; RETURN by RFC 5267): what each message is compared by is worked out once, from
 * what the index knows of it, and kept in one row of numbers. Texts are in the form that i;unicode-casemap
 * compares (RFC 5255, I18NLEVEL=1), one behind the other in one buffer.
 *
 * That buffer is bounded: texts are cut at CUT bytes, and where there are so many that they are over KEPT
 * together, at half of that, and so on. Then what agrees so far counts as equal.
 */
#include "search.h"

#include "base/sort.h"
#include "text/date.h"
#include "text/header.h"
#include "text/subject.h"
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>

#define CUT 1024         /* bytes of a text that are compared */
#define KEPT (16u << 20) /* bytes of all texts together */
#define RAW_LIMIT 65536  /* bytes of a field that are looked at */

/* What a message is compared by: a number, or where a text lies. */
union sort_value {
    uint64_t number;
    struct {
        uint32_t at, length;
    } text;
};

struct sorting {
    struct imap *i;
    const struct sort_args *args;
    union sort_value *values; /* of each message, args->count in a row */
    struct bytes texts;
    size_t cut;
    struct unicode_folder *casemap;
    struct bytes raw, folded; /* memory to use */
};

static bool is_number(enum sort_by by)
{
    return by == SORT_ARRIVAL || by == SORT_DATE || by == SORT_SIZE;
}

static bool needs_header(enum sort_by by)
{
    return by != SORT_ARRIVAL && by != SORT_SIZE;
}

static uint64_t size_of(struct mailbox *box, size_t index)
{
    struct mailbox_message m = mailbox_message(box, index);
    if (m.wire_size == 0 && mailbox_wire_size(box, index, &m.wire_size) != ST_OK)
        return m.size;
    return m.wire_size;
}

/* Into s->raw. */
static void read_text(struct sorting *s, enum sort_by by, struct span value)
{
    bool reply;
    bytes_clear(&s->raw);
    value = span_head(value, RAW_LIMIT);
    if (by == SORT_SUBJECT)
        subject_base(value, &s->raw, &reply);
    else
        subject_address(value, by == SORT_DISPLAYFROM || by == SORT_DISPLAYTO, &s->raw);
}

/* Cuts all texts so far, of the first n values, at half of what they were cut at. */
static void halve_texts(struct sorting *s, size_t n)
{
    size_t to = 0;
    s->cut /= 2;
    for (size_t i = 0; i < n; i++) {
        if (is_number(s->args->criteria[i % s->args->count].by))
            continue;
        union sort_value *v = &s->values[i];
        size_t length = v->text.length < s->cut ? v->text.length : s->cut;
        memmove(s->texts.data + to, s->texts.data + v->text.at, length);
        v->text.at = (uint32_t)to;
        v->text.length = (uint32_t)length;
        to += length;
    }
    s->texts.len = to;
}

/* The text of the n-th value. */
static union sort_value add_text(struct sorting *s, size_t n, enum sort_by by, struct span value)
{
    read_text(s, by, value);
    bytes_clear(&s->folded);
    unicode_folder_add(s->casemap, span_bytes(&s->raw), &s->folded);
    while (s->texts.len + CUT > KEPT && s->cut > 1)
        halve_texts(s, n);
    struct span text = span_head(span_bytes(&s->folded), s->cut);
    union sort_value v = { .text = { (uint32_t)s->texts.len, (uint32_t)text.n } };
    bytes_add_span(&s->texts, text);
    s->texts.failed |= s->raw.failed || s->folded.failed;
    return v;
}

static int compare_texts(const struct sorting *s, const union sort_value *a, const union sort_value *b)
{
    size_t n = a->text.length < b->text.length ? a->text.length : b->text.length;
    int order = n ? memcmp(s->texts.data + a->text.at, s->texts.data + b->text.at, n) : 0;
    return order ? order : (a->text.length > b->text.length) - (a->text.length < b->text.length);
}

static int compare_rows(const void *context, uint32_t a, uint32_t b)
{
    const struct sorting *s = context;
    size_t count = s->args->count;
    for (size_t k = 0; k < count; k++) {
        const union sort_value *x = &s->values[a * count + k], *y = &s->values[b * count + k];
        int order = is_number(s->args->criteria[k].by) ? (x->number > y->number) - (x->number < y->number)
                                                       : compare_texts(s, x, y);
        if (order)
            return s->args->criteria[k].reverse ? -order : order;
    }
    return 0;
}

/* The first eight bytes of the first text, or the first number, so that they sort as that does. */
static uint64_t first_key(const struct sorting *s, size_t row)
{
    const union sort_value *v = &s->values[row * s->args->count];
    uint64_t key = 0;
    if (is_number(s->args->criteria[0].by)) {
        key = v->number;
    } else {
        for (size_t n = 0; n < 8; n++)
            key = key << 8 | (n < v->text.length ? (unsigned char)s->texts.data[v->text.at + n] : 0);
    }
    return s->args->criteria[0].reverse ? ~key : key;
}

/* The fields that the criteria are about. */
enum field { FIELD_DATE, FIELD_SUBJECT, FIELD_FROM, FIELD_TO, FIELD_CC, FIELDS };

static enum field field_of(enum sort_by by)
{
    static const enum field fields[SORT_KINDS] = {
        [SORT_DATE] = FIELD_DATE,    [SORT_SUBJECT] = FIELD_SUBJECT, [SORT_FROM] = FIELD_FROM,
        [SORT_CC] = FIELD_CC,        [SORT_TO] = FIELD_TO,           [SORT_DISPLAYFROM] = FIELD_FROM,
        [SORT_DISPLAYTO] = FIELD_TO,
    };
    return fields[by];
}

/* The numbers of a row. `sent`: NULL where the Date: field can't be read. */
static void read_numbers(struct sorting *s, size_t index, union sort_value *row, const int64_t *sent)
{
    struct mailbox *box = s->i->box;
    for (size_t k = 0; k < s->args->count; k++) {
        enum sort_by by = s->args->criteria[k].by;
        if (by == SORT_SIZE)
            row[k].number = size_of(box, index);
        else if (by == SORT_DATE && sent)
            row[k].number = sort_key_of(*sent);
        else if (is_number(by)) /* RFC 5256 2.2 */
            row[k].number = sort_key_of(mailbox_date(box, index));
    }
}

static enum status read_row(struct sorting *s, size_t index, size_t row, bool headers)
{
    static const struct span names[FIELDS] = {
        { "Date", 4 }, { "Subject", 7 }, { "From", 4 }, { "To", 2 }, { "Cc", 2 },
    };
    struct summary summary = { .header_size = 0 };
    struct span values[FIELDS] = { { NULL, 0 } };
    size_t first = row * s->args->count;
    int64_t sent;
    int zone;
    if (headers && mailbox_summary(s->i->box, index, &summary) == ST_TEMP)
        return ST_TEMP;
    if (headers)
        header_pick(summary.header, names, FIELDS, values);
    bool dated = date_read(values[FIELD_DATE], &sent, &zone);
    for (size_t k = 0; k < s->args->count; k++) {
        enum sort_by by = s->args->criteria[k].by;
        if (!is_number(by))
            s->values[first + k] = add_text(s, first + k, by, values[field_of(by)]);
    }
    read_numbers(s, index, s->values + first,
                 dated ? &sent : NULL); /* after this the fields may have moved */
    return s->texts.failed ? ST_TEMP : ST_OK;
}

/* The order of these messages, as indexes; malloc'd, NULL if something couldn't be read. */
static size_t *sort_rows(struct sorting *s, const size_t *found, size_t count)
{
    size_t *order = malloc((count + 1) * sizeof *order);
    struct sort_item *items = malloc((count + 1) * sizeof *items);
    bool headers = false, good = order && items;
    for (size_t k = 0; k < s->args->count; k++)
        headers |= needs_header(s->args->criteria[k].by);
    if (headers)
        mailbox_expect(s->i->box, found, count);
    for (size_t n = 0; good && n < count && !conn_is_gone(s->i->conn); n++)
        good = read_row(s, found[n], n, headers) == ST_OK;
    for (size_t n = 0; good && n < count; n++)
        items[n] = (struct sort_item){ first_key(s, n), (uint32_t)n };
    good = good && sort_items(items, count, compare_rows, s);
    for (size_t n = 0; good && n < count; n++)
        order[n] = found[items[n].item];
    free(items);
    if (good)
        return order;
    free(order);
    return NULL;
}

static size_t *sort_messages(struct imap *i, const struct sort_args *args, const size_t *found, size_t count)
{
    struct sorting s = { .i = i, .args = args, .cut = CUT };
    bytes_init(&s.texts, KEPT);
    bytes_init(&s.raw, 4 * (size_t)RAW_LIMIT);
    bytes_init(&s.folded, 64 * (size_t)RAW_LIMIT);
    s.casemap = unicode_folder_new(UNICODE_CASEMAP);
    s.values = malloc((count * args->count + 1) * sizeof *s.values);
    size_t *order = s.casemap && s.values ? sort_rows(&s, found, count) : NULL;
    if (!order)
        reply(i, "NO [UNAVAILABLE] Not all messages could be read");
    unicode_folder_free(s.casemap);
    free(s.values);
    bytes_free(&s.texts);
    bytes_free(&s.raw);
    bytes_free(&s.folded);
    return order;
}

static bool answer_sort(struct imap *i, const struct search *search, const size_t *found, size_t count,
                        const void *context)
{
    size_t *order = sort_messages(i, context, found, count);
    bool good = order && search_answer(i, search, "SORT", order, found, count);
    free(order);
    return good;
}

void command_sort(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct parser p;
    struct search s;
    struct sort_args args;
    parser_init(&p, argument, &i->text);
    parse_sort(&p, &args, &s);
    search_run(i, &p, &s, answer_sort, &args);
}
