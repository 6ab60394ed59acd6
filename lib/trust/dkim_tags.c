/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tag lists and the values in them (RFC 6376 3.2); see dkim_private.h.
 */
#include "net/idna.h"
#include "text/base64.h"
#include "text/lexical.h"
#include "trust/dkim_private.h"

static bool is_name(struct span name)
{
    if (name.n == 0 || !ascii_alpha(name.p[0]))
        return false;
    for (size_t i = 1; i < name.n; i++)
        if (!ascii_alpha(name.p[i]) && !ascii_digit(name.p[i]) && name.p[i] != '_')
            return false;
    return true;
}

static bool is_value(struct span value)
{
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if ((c < 0x21 && !lexical_blank((char)c)) || c == 0x7f)
            return false;
    }
    return true;
}

static bool add_tag(struct span text, struct dkim_tags *tags)
{
    struct span name;
    if (span_find(text, '=') == text.n || tags->count == DKIM_TAGS)
        return false;
    span_cut(&text, '=', &name);
    name = span_trim(name);
    for (size_t i = 0; i < tags->count; i++)
        if (span_eq(tags->tags[i].name, name))
            return false;
    tags->tags[tags->count++] = (struct dkim_tag){ name, span_trim(text), text };
    return is_name(name) && is_value(text);
}

bool dkim_tags_read(struct span text, struct dkim_tags *tags)
{
    tags->count = 0;
    while (text.n) {
        struct span tag = span_head(text, span_find(text, ';'));
        text = span_from(text, tag.n + 1);
        if (tags->count && text.n == 0 && span_trim(tag).n == 0)
            break; /* blanks behind the last semicolon */
        if (!add_tag(tag, tags))
            return false;
    }
    return tags->count > 0;
}

const struct dkim_tag *dkim_tag(const struct dkim_tags *tags, const char *name)
{
    for (size_t i = 0; i < tags->count; i++)
        if (span_eq_str(tags->tags[i].name, name))
            return &tags->tags[i];
    return NULL;
}

bool dkim_base64(struct span value, char *to, size_t room, size_t *n)
{
    uint32_t bits = 0;
    size_t letters = 0, padding = 0;
    *n = 0;
    for (size_t i = 0; i < value.n; i++) {
        unsigned letter = base64_value(value.p[i]);
        if (lexical_blank(value.p[i]))
            continue;
        padding += value.p[i] == '=';
        if (letter > 63 ? value.p[i] != '=' : padding > 0)
            return false;
        bits = bits << 6 | (letter & 63);
        if (++letters % 4)
            continue;
        for (int shift = 16; shift >= 0; shift -= 8) {
            if (*n < room)
                to[*n] = (char)(bits >> shift & 0xff);
            ++*n;
        }
    }
    if (letters == 0 || letters % 4 || padding > 2)
        return false;
    *n -= padding;
    return *n <= room;
}

bool dkim_domain(struct span value, char to[DNS_NAME_LIMIT])
{
    size_t label = 0;
    to[0] = '\0';
    if (value.n == 0 || value.n >= DNS_NAME_LIMIT || !idna_to_ascii(value, to))
        return false;
    for (const char *p = to; *p; p++) {
        if (*p == '.' ? label == 0 : !ascii_alpha(*p) && !ascii_digit(*p) && *p != '-' && *p != '_')
            return to[0] = '\0', false;
        label = *p == '.' ? 0 : label + 1;
        if (label > 63)
            return to[0] = '\0', false;
    }
    if (label == 0)
        to[0] = '\0';
    return label > 0;
}

bool dkim_list_next(struct span *rest, struct span *word)
{
    if (!span_cut(rest, ':', word))
        return false;
    *word = span_trim(*word);
    return true;
}

bool dkim_list_has(struct span list, const char *word)
{
    struct span one;
    while (dkim_list_next(&list, &one))
        if (span_ieq_str(one, word))
            return true;
    return false;
}

bool dkim_within(const char *name, const char *domain)
{
    size_t n = strlen(name), d = strlen(domain);
    return n >= d && strcmp(name + n - d, domain) == 0 && (n == d || name[n - d - 1] == '.');
}
