/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Header fields in place; see header.h. A field begins with a name of printable
 * ASCII and a colon (blanks before the colon are RFC 5322's obsolete form); every other line belongs
 * to the field before it, or is passed over where there is none.
 */
#include "text/header.h"
#include "text/lexical.h"

/* Bytes of the first line, with its line end. */
static size_t line_length(struct span s)
{
    size_t at = span_find(s, '\n');
    return at < s.n ? at + 1 : s.n;
}

static bool is_empty_line(struct span s)
{
    return s.n && (s.p[0] == '\n' || (s.n > 1 && s.p[0] == '\r' && s.p[1] == '\n'));
}

size_t header_end(struct span message)
{
    struct span rest = message;
    while (rest.n && !is_empty_line(rest))
        rest = span_from(rest, line_length(rest));
    return message.n - rest.n + (rest.n ? line_length(rest) : 0);
}

/* Where the colon of a field stands, or 0 if the line at s begins none. */
static size_t field_colon(struct span s, size_t *name_length)
{
    size_t i = 0;
    while (i < s.n && lexical_name_char(s.p[i]))
        i++;
    *name_length = i;
    while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
        i++;
    return *name_length && i < s.n && s.p[i] == ':' ? i : 0;
}

static bool is_fold(char c)
{
    return c == ' ' || c == '\t';
}

static struct span without_line_end(struct span s)
{
    if (s.n && s.p[s.n - 1] == '\n')
        s.n--;
    if (s.n && s.p[s.n - 1] == '\r')
        s.n--;
    return s;
}

/* The field that *rest begins with; *rest moves behind it. */
static void take_field(struct span *rest, size_t name, size_t colon, struct header_field *field)
{
    struct span after = *rest;
    size_t ignored;
    do {
        after = span_from(after, line_length(after));
    } while (after.n &&
             (is_fold(after.p[0]) || (!is_empty_line(after) && field_colon(after, &ignored) == 0)));
    field->whole = span_head(*rest, rest->n - after.n);
    field->name = span_head(*rest, name);
    field->value = without_line_end(span_from(field->whole, colon + 1));
    *rest = after;
}

bool header_next(struct span *rest, struct header_field *field)
{
    size_t name = 0, colon = 0;
    while (rest->n && !is_empty_line(*rest) && (colon = field_colon(*rest, &name)) == 0)
        *rest = span_from(*rest, line_length(*rest));
    if (rest->n == 0 || is_empty_line(*rest))
        return false;
    take_field(rest, name, colon, field);
    return true;
}

/* Where the colon stands if s begins a field of that name, else 0. */
static size_t named_colon(struct span s, struct span name)
{
    if (name.n == 0 || s.n <= name.n || ((s.p[0] ^ name.p[0]) & ~0x20) ||
        !span_ieq(span_head(s, name.n), name))
        return 0;
    size_t ignored, colon = field_colon(s, &ignored);
    return colon && ignored == name.n ? colon : 0;
}

bool header_named(struct span *rest, struct span name, struct header_field *field)
{
    size_t colon = 0;
    while (rest->n && !is_empty_line(*rest) && (colon = named_colon(*rest, name)) == 0)
        *rest = span_from(*rest, line_length(*rest));
    if (colon == 0)
        return false;
    take_field(rest, name.n, colon, field);
    return true;
}

void header_pick(struct span header, const struct span *names, size_t count, struct span *values)
{
    struct header_field field;
    for (size_t i = 0; i < count; i++)
        values[i] = (struct span){ NULL, 0 };
    while (header.n && !is_empty_line(header)) {
        size_t colon = 0, i = 0;
        for (; i < count && colon == 0; i++)
            if (!values[i].p)
                colon = named_colon(header, names[i]);
        if (colon) {
            take_field(&header, names[i - 1].n, colon, &field);
            values[i - 1] = field.value;
        } else {
            header = span_from(header, line_length(header));
        }
    }
}

bool header_find(struct span header, const char *name, struct header_field *field)
{
    return header_named(&header, span_of(name), field);
}

size_t header_count(struct span header, const char *name)
{
    struct header_field field;
    size_t count = 0;
    while (header_named(&header, span_of(name), &field))
        count++;
    return count;
}

bool header_unfold(struct span value, struct bytes *out)
{
    value = span_trim(value);
    while (value.n) {
        size_t line = 0;
        while (line < value.n && value.p[line] != '\r' && value.p[line] != '\n')
            line++;
        bytes_add_span(out, span_head(value, line));
        value = span_from(value, line);
        size_t ends = 0;
        while (ends < value.n && (value.p[ends] == '\r' || value.p[ends] == '\n'))
            ends++;
        value = span_from(value, ends);
        /* A line that was no continuation, or a bare CR: the words beside it stay apart. */
        if (ends && value.n && value.p[0] != ' ' && value.p[0] != '\t')
            bytes_add_char(out, ' ');
    }
    return !out->failed;
}
