/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Editing a list of header fields; see header_list.h.
 */
#include "text/header_list.h"
#include "text/header.h"
#include "text/milter.h"

#include <stdlib.h>

#define FIELD_LIMIT (MILTER_ANSWER_LIMIT * 4) /* what a value of an answer can become, folded */

/* Makes room for one more at `at`. NULL: no memory. */
static struct header_item *open_place(struct header_list *l, size_t at)
{
    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 64;
        struct header_item *items = l->failed ? NULL : realloc(l->items, room * sizeof *items);
        if (!items) {
            l->failed = true;
            return NULL;
        }
        l->items = items;
        l->room = room;
    }
    memmove(&l->items[at + 1], &l->items[at], (l->count - at) * sizeof *l->items);
    l->items[at] = (struct header_item){ .own = NULL };
    l->count++;
    return &l->items[at];
}

bool header_list_read(struct span header, struct header_list *l)
{
    struct header_field field;
    *l = (struct header_list){ .count = 0 };
    while (!l->failed && header_next(&header, &field)) {
        struct header_item *item = open_place(l, l->count);
        if (item)
            *item = (struct header_item){ .whole = field.whole, .name = field.name };
    }
    return !l->failed;
}

void header_list_free(struct header_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->items[i].own);
    free(l->items);
    *l = (struct header_list){ .count = 0 };
}

/* Puts the field there, in place of what `item` was. */
static bool write_item(struct header_list *l, struct header_item *item, struct span name, struct span value,
                       bool leading_space)
{
    struct bytes text;
    bytes_init(&text, FIELD_LIMIT);
    char *own = milter_field(name, value, leading_space, &text) ? text.data : NULL;
    if (!own) {
        bytes_free(&text);
        l->failed = true;
        item->deleted = true;
        return false;
    }
    free(item->own);
    *item = (struct header_item){ .whole = span_bytes(&text), .name = { own, name.n }, .own = own };
    return true;
}

bool header_list_insert(struct header_list *l, size_t index, struct span name, struct span value,
                        bool leading_space)
{
    size_t at = index ? index - 1 : 0;
    struct header_item *item = open_place(l, at < l->count ? at : l->count);
    return item && write_item(l, item, name, value, leading_space);
}

bool header_list_add(struct header_list *l, struct span name, struct span value, bool leading_space)
{
    return header_list_insert(l, l->count + 1, name, value, leading_space);
}

bool header_list_change(struct header_list *l, size_t index, struct span name, struct span value,
                        bool leading_space)
{
    struct header_item *found = NULL;
    size_t left = index ? index : 1;
    for (size_t i = 0; i < l->count && !found; i++)
        if (span_ieq(l->items[i].name, name) && --left == 0)
            found = &l->items[i];
    if (found && !value.n)
        found->deleted = true;
    else if (found)
        return write_item(l, found, name, value, leading_space);
    else if (value.n)
        return header_list_add(l, name, value, leading_space);
    return !l->failed;
}

bool header_list_write(const struct header_list *l, struct bytes *out)
{
    for (size_t i = 0; i < l->count; i++)
        if (!l->items[i].deleted)
            bytes_add_span(out, l->items[i].whole);
    return !out->failed && !l->failed;
}
