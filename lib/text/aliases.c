/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading aliases(5); see aliases.h.
 *
 * An entry goes on over lines that begin with a blank; comments and empty lines between them
 * belong to nothing. A quote protects ':', ',' and '#'; a backslash within quotes protects the next byte.
 */
#include "text/aliases.h"

#include <string.h>

#define NAME_LIMIT 320

void alias_reader_init(struct alias_reader *r, struct span text)
{
    *r = (struct alias_reader){ .text = text, .line = 0 };
}

void alias_entry_init(struct alias_entry *e)
{
    *e = (struct alias_entry){ 0 };
    bytes_init(&e->name, NAME_LIMIT);
    bytes_init(&e->value, ALIASES_VALUE_LIMIT);
}

void alias_entry_free(struct alias_entry *e)
{
    bytes_free(&e->name);
    bytes_free(&e->value);
}

/* The line at r->at without its LF; moves behind it. */
static bool next_line(struct alias_reader *r, struct span *line)
{
    struct span rest = span_from(r->text, r->at);
    if (rest.n == 0)
        return false;
    *line = span_head(rest, span_find(rest, '\n'));
    r->at += line->n + (line->n < rest.n);
    r->line++;
    return true;
}

static bool is_comment(struct span line)
{
    line = span_trim(line);
    return line.n == 0 || line.p[0] == '#';
}

static bool is_continued(struct span line)
{
    return line.n && (line.p[0] == ' ' || line.p[0] == '\t');
}

/* Takes one possibly quoted word up to an unquoted `stop`; *used is how much of s it was, without the stop. A
 * quote anywhere begins a quoted stretch, whose quotes are taken off. */
static const char *word(struct span s, char stop, struct bytes *to, size_t *used)
{
    bool quoted = false;
    size_t keep = 0; /* trailing blanks within quotes stay */
    size_t i = 0;
    for (; i < s.n && (quoted || s.p[i] != stop); i++) {
        if (s.p[i] == '"') {
            quoted = !quoted;
            keep = to->len;
        } else if (quoted && s.p[i] == '\\' && i + 1 < s.n) {
            bytes_add_char(to, s.p[++i]);
        } else if (quoted || to->len || (s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '\r')) {
            bytes_add_char(to, s.p[i]);
        }
    }
    *used = i;
    while (to->len > keep && span_trim((struct span){ to->data + to->len - 1, 1 }).n == 0)
        to->data[--to->len] = '\0';
    return quoted ? "a quote isn't closed" : to->failed ? "is too long" : NULL;
}

/* Behind a '#' that stands behind a blank, or first, outside of quotes, nothing counts. */
struct span aliases_uncomment(struct span line)
{
    bool quoted = false;
    size_t n = 0;
    for (; n < line.n; n++) {
        if (line.p[n] == '"')
            quoted = !quoted;
        else if (quoted && line.p[n] == '\\')
            n++;
        else if (!quoted && line.p[n] == '#' && (n == 0 || line.p[n - 1] == ' ' || line.p[n - 1] == '\t'))
            break;
    }
    return span_trim(span_head(line, n));
}

/* Adds a line's targets to the value. */
static void add_value(struct alias_reader *r, struct alias_entry *e, struct span line)
{
    struct span value = aliases_uncomment(line);
    if (value.n == 0)
        return;
    if (e->value.len)
        bytes_add_char(&e->value, ' ');
    bytes_add_span(&e->value, value);
    e->value_end = (size_t)(value.p + value.n - r->text.p);
}

bool alias_next(struct alias_reader *r, struct alias_entry *e, const char **wrong)
{
    struct span line;
    size_t used;
    *wrong = NULL;
    bytes_clear(&e->name);
    bytes_clear(&e->value);
    do {
        e->begin = r->at;
        if (!next_line(r, &line))
            return false;
    } while (is_comment(line));
    e->line = r->line;
    if (is_continued(line)) {
        *wrong = "begins with a blank, as if it continued a line, but there is none before it";
        return false;
    }
    *wrong = word(line, ':', &e->name, &used);
    if (!*wrong && used == line.n)
        *wrong = "needs a ':' between the name and its targets";
    if (!*wrong && e->name.len == 0)
        *wrong = "has no name before the ':'";
    if (*wrong)
        return false;
    e->value_end = e->begin + used + 1;
    add_value(r, e, span_from(line, used + 1));
    e->end = r->at;
    for (struct alias_reader ahead = *r; next_line(&ahead, &line);) {
        if (is_comment(line))
            continue;
        if (!is_continued(line))
            break;
        add_value(r, e, line);
        *r = ahead;
        e->end = r->at;
    }
    if (e->value.failed)
        *wrong = "has too many targets";
    return !*wrong;
}

bool alias_target_next(struct span *value, struct bytes *target, const char **wrong)
{
    *wrong = NULL;
    while (value->n) {
        size_t used;
        bytes_clear(target);
        *wrong = word(*value, ',', target, &used);
        *value = span_from(*value, used + 1);
        if (*wrong)
            return false;
        if (target->len)
            return true;
    }
    return false;
}

bool aliases_address(struct span target, struct address *a)
{
    struct bytes text;
    if (target.n && target.p[0] == '\\')
        target = span_from(target, 1);
    bool bare = span_find(target, '@') == target.n;
    if (target.n && strchr("|/:", target.p[0])) /* a program, file or :include: */
        return false;
    bytes_init(&text, ADDRESS_LIMIT);
    bytes_add_span(&text, target);
    if (bare)
        bytes_add_str(&text, "@bare.invalid");
    bool good = !text.failed && address_parse(span_bytes(&text), a) == ADDRESS_OK && !address_is_null(a) &&
                address_domain(a).n;
    if (good && bare)
        a->text[a->local_length] = '\0';
    bytes_free(&text);
    return good;
}

void aliases_quote(struct span target, struct bytes *to)
{
    bool plain = target.n > 0;
    for (size_t i = 0; i < target.n; i++)
        plain = plain && !strchr(" \t\",#\\|", target.p[i]);
    if (plain) {
        bytes_add_span(to, target);
        return;
    }
    bytes_add_char(to, '"');
    for (size_t i = 0; i < target.n; i++) {
        if (target.p[i] == '"' || target.p[i] == '\\')
            bytes_add_char(to, '\\');
        bytes_add_char(to, target.p[i]);
    }
    bytes_add_char(to, '"');
}
