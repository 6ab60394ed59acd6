/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The records that a session shows; see view.h.
 */
#include "store/view.h"

#include <stdlib.h>
#include <string.h>

void view_free(struct view *v)
{
    free(v->list);
    free(v->ghosts);
    *v = (struct view){ 0 };
}

static bool has_bit(const unsigned char *bits, size_t n)
{
    return bits[n / 8] >> n % 8 & 1;
}

/* Room for `count` items in the list, which is made from the identity where there is none. */
static bool make_list(struct view *v, size_t count)
{
    if (v->list && count <= v->room)
        return true;
    size_t room = count + count / 8 + 64;
    uint32_t *list = realloc(v->list, room * sizeof *list);
    if (!list)
        return false;
    for (size_t i = 0; !v->list && i < v->count; i++)
        list[i] = (uint32_t)i;
    v->list = list;
    v->room = room;
    return true;
}

bool view_start(struct view *v, size_t records, const unsigned char *hidden)
{
    view_free(v);
    v->count = records;
    if (!hidden)
        return true;
    if (!make_list(v, records))
        return false;
    return view_remove(v, hidden);
}

bool view_add(struct view *v, uint32_t record)
{
    if (!v->list && record == v->count) {
        v->count++;
        return true;
    }
    if (!make_list(v, v->count + 1))
        return false;
    v->list[v->count++] = record;
    return true;
}

void view_cut(struct view *v, size_t count)
{
    v->count = count;
}

bool view_add_ghost(struct view *v, struct ghost ghost)
{
    struct ghost *ghosts = realloc(v->ghosts, (v->ghost_count + 1) * sizeof *ghosts);
    if (!ghosts)
        return false;
    v->ghosts = ghosts;
    if (!make_list(v, v->count + 1))
        return false;
    ghosts[v->ghost_count] = ghost;
    v->list[v->count++] = VIEW_GHOST | (uint32_t)v->ghost_count++;
    return true;
}

bool view_record(const struct view *v, size_t index, uint32_t *record)
{
    *record = v->list ? v->list[index] : (uint32_t)index;
    return !(*record & VIEW_GHOST);
}

struct ghost view_ghost(const struct view *v, size_t index)
{
    return v->ghosts[v->list[index] & ~VIEW_GHOST];
}

bool view_remove(struct view *v, const unsigned char *gone)
{
    size_t kept = 0;
    if (!make_list(v, v->count))
        return false;
    for (size_t i = 0; i < v->count; i++)
        if (!has_bit(gone, i))
            v->list[kept++] = v->list[i];
    v->count = kept;
    return true;
}
