/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Finding the fields that h= names (RFC 6376 5.4.2), each time the last one that wasn't taken yet; see
 * dkim_private.h. A header of a mebibyte may have a hundred thousand fields and h= as many names: sorted
 * once, each costs a search among the names.
 */
#include "base/sort.h"
#include "trust/dkim_private.h"

#include <stdlib.h>

struct dkim_place {
    uint32_t at, length, name; /* of the field in the header, and of its name */
    uint32_t group;            /* how many have this name; in the first of them only, as is the next */
    uint32_t taken;
    const char *header;
};

static struct span name_of(const struct dkim_place *p)
{
    return (struct span){ p->header + p->at, p->name };
}

static int compare_names(struct span a, struct span b)
{
    for (size_t i = 0; i < a.n && i < b.n; i++) {
        unsigned char x = (unsigned char)ascii_lower(a.p[i]), y = (unsigned char)ascii_lower(b.p[i]);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return (a.n > b.n) - (a.n < b.n);
}

/* The first eight bytes as a number of the same order. */
static uint64_t key_of(struct span name)
{
    uint64_t key = 0;
    for (size_t i = 0; i < 8; i++)
        key = key << 8 | (i < name.n ? (unsigned char)ascii_lower(name.p[i]) : 0);
    return key;
}

static int by_name(const void *context, uint32_t a, uint32_t b)
{
    const struct dkim_place *places = context;
    int order = compare_names(name_of(&places[a]), name_of(&places[b]));
    return order ? order : (a > b) - (a < b);
}

static bool sort_places(struct dkim_fields *f)
{
    struct sort_item *items = malloc(f->count * sizeof *items);
    struct dkim_place *sorted = malloc(f->count * sizeof *sorted);
    bool good = items && sorted;
    for (size_t i = 0; good && i < f->count; i++)
        items[i] = (struct sort_item){ key_of(name_of(&f->places[i])), (uint32_t)i };
    good = good && sort_items(items, f->count, by_name, f->places);
    for (size_t i = 0; good && i < f->count; i++)
        sorted[i] = f->places[items[i].item];
    free(items);
    free(good ? f->places : sorted);
    if (good)
        f->places = sorted;
    return good;
}

static void count_groups(struct dkim_fields *f)
{
    for (size_t first = 0, i = 0; i < f->count; i++) {
        if (compare_names(name_of(&f->places[i]), name_of(&f->places[first])) != 0)
            first = i;
        f->places[first].group++;
    }
}

static bool add_place(struct dkim_fields *f, size_t *room, struct dkim_place place)
{
    if (f->count == *room) {
        *room = *room ? *room * 2 : 32;
        struct dkim_place *more = realloc(f->places, *room * sizeof *more);
        if (!more)
            return false;
        f->places = more;
    }
    f->places[f->count++] = place;
    return true;
}

bool dkim_fields_init(struct dkim_fields *f, struct span header)
{
    struct header_field field;
    struct span rest = header;
    size_t room = 0;
    *f = (struct dkim_fields){ .count = 0 };
    if (header.n >= UINT32_MAX)
        return false;
    while (header_next(&rest, &field)) {
        struct dkim_place place = { .at = (uint32_t)(field.whole.p - header.p),
                                    .length = (uint32_t)field.whole.n,
                                    .name = (uint32_t)field.name.n,
                                    .header = header.p };
        if (!add_place(f, &room, place))
            return dkim_fields_free(f), false;
    }
    if (f->count && !sort_places(f))
        return dkim_fields_free(f), false;
    count_groups(f);
    return true;
}

bool dkim_fields_take(struct dkim_fields *f, struct span name, struct header_field *field)
{
    size_t low = 0, high = f->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_names(name_of(&f->places[middle]), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == f->count)
        return false;
    struct dkim_place *first = f->places + low;
    if (compare_names(name_of(first), name) != 0 || first->taken == first->group)
        return false;
    const struct dkim_place *place = first + (first->group - ++first->taken);
    struct span rest = { place->header + place->at, place->length };
    return header_next(&rest, field);
}

void dkim_fields_again(struct dkim_fields *f)
{
    for (size_t i = 0; i < f->count; i++)
        f->places[i].taken = 0;
}

void dkim_fields_free(struct dkim_fields *f)
{
    free(f->places);
    *f = (struct dkim_fields){ .count = 0 };
}
