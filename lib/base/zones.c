/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading lists of zones; see zones.h.
 */
#include "base/zones.h"

#include <stdlib.h>
#include <string.h>

static bool is_zone_name(struct span name)
{
    size_t label = 0;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (c == '.' ? label == 0 : !(ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_'))
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > 63)
            return false;
    }
    return name.n && label && name.n <= ZONE_NAME_LIMIT;
}

/* N, or N and M with `between` them. */
static bool read_range(struct span text, const char *between, unsigned char bits[32])
{
    uint64_t first, last;
    size_t at = span_find(text, between[0]);
    if (!span_u64(span_head(text, at), 255, &first))
        return false;
    last = first;
    if (at < text.n && (!span_starts(span_from(text, at), between) ||
                        !span_u64(span_from(text, at + strlen(between)), 255, &last) || last < first))
        return false;
    for (uint64_t i = first; i <= last; i++)
        bits[i / 8] = (unsigned char)(bits[i / 8] | 1u << i % 8);
    return true;
}

static bool read_octet(struct span text, unsigned char bits[32])
{
    struct span part;
    if (text.n < 2 || text.p[0] != '[')
        return read_range(text, "-", bits);
    if (text.p[text.n - 1] != ']')
        return false;
    text = span_head(span_from(text, 1), text.n - 2);
    bool good = text.n > 0;
    while (good && span_cut(&text, ';', &part))
        good = read_range(part, "..", bits);
    return good;
}

/* The next octet of a filter: to a dot outside brackets. */
static struct span cut_octet(struct span *rest)
{
    size_t n = rest->n && rest->p[0] == '[' ? span_find(*rest, ']') + 1 : span_find(*rest, '.');
    struct span octet = span_head(*rest, n);
    *rest = span_from(*rest, octet.n);
    return octet;
}

static bool read_filter(struct span text, struct zone *z)
{
    z->filtered = true;
    for (int i = 0; i < 4; i++) {
        if (i && !(text.n && text.p[0] == '.'))
            return false;
        text = span_from(text, i ? 1 : 0);
        if (!read_octet(cut_octet(&text), z->octets[i]))
            return false;
    }
    return text.n == 0;
}

static bool read_zone(struct span word, struct zone *z)
{
    struct span name = span_head(word, span_find(word, '='));
    *z = (struct zone){ .filtered = false };
    if (!is_zone_name(name))
        return false;
    for (size_t i = 0; i < name.n; i++)
        z->name[i] = ascii_lower(name.p[i]);
    return name.n == word.n || read_filter(span_from(word, name.n + 1), z);
}

bool zones_parse(const char *text, struct zones *z)
{
    struct zones new = { .text = strdup(text), .list = calloc(ZONES_LIMIT, sizeof *new.list) };
    struct span rest = span_of(text), word;
    bool good = new.text &&new.list;
    while (good && span_cut(&rest, ' ', &word)) {
        word = span_trim(word);
        if (word.n)
            good = new.count < ZONES_LIMIT &&read_zone(word, &new.list[new.count++]);
    }
    if (good) {
        zones_free(z);
        *z = new;
    } else {
        zones_free(&new);
    }
    return good;
}

void zones_free(struct zones *z)
{
    free(z->text);
    free(z->list);
    *z = (struct zones){ .count = 0 };
}

bool zone_is_error(const struct in6_addr *answer)
{
    static const unsigned char prefix[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 255, 255 };
    return memcmp(answer, prefix, sizeof prefix) == 0;
}

bool zone_counts(const struct zone *z, const struct in6_addr *answer)
{
    const unsigned char *octets = answer->s6_addr + 12;
    if (!IN6_IS_ADDR_V4MAPPED(answer))
        return false;
    if (!z->filtered)
        return octets[0] == 127 && !zone_is_error(answer);
    for (int i = 0; i < 4; i++)
        if (!(z->octets[i][octets[i] / 8] & 1u << octets[i] % 8))
            return false;
    return true;
}
