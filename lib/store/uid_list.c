/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lists of UIDs; see uid_list.h. Formats read:
 *
 *     dovecot-uidlist     3 V1275660208 N25022 G3085f01b7f11     UIDVALIDITY, next UID
 *                         25006 :1276528487.M3P9.host,S=13       UID, fields, ':', a name without flags
 *     courierimapuiddb    1 1275660208 25022                     and the oldest version of Dovecot's
 *                         25006 1276528487.M3P9.host
 *
 * A line that can't be read is passed over; a list whose first line can't be read is none.
 */
#include "store/uid_list.h"
#include "store/filename.h"

#include <stdlib.h>

static int compare_bases(const void *a, const void *b)
{
    const struct uid_list_item *x = a, *y = b;
    return span_compare(x->base, y->base);
}

static uint32_t number(struct span text, char prefix)
{
    uint64_t value;
    if (prefix && (text.n == 0 || text.p[0] != prefix))
        return 0;
    return span_u64(span_from(text, prefix != 0), UINT32_MAX, &value) ? (uint32_t)value : 0;
}

static bool read_header(struct span line, struct uid_list *l)
{
    struct span word;
    if (!span_cut(&line, ' ', &word))
        return false;
    bool newer = span_eq_str(word, "3");
    if (!newer && !span_eq_str(word, "1"))
        return false;
    for (int i = 0; span_cut(&line, ' ', &word); i++) {
        if (newer ? word.n && word.p[0] == 'V' : i == 0)
            l->validity = number(word, newer ? 'V' : 0);
        else if (newer ? word.n && word.p[0] == 'N' : i == 1)
            l->next = number(word, newer ? 'N' : 0);
    }
    return l->validity && l->next;
}

static void read_entry(struct span line, bool newer, struct uid_list *l)
{
    struct span uid, name = line;
    struct filename f;
    if (!span_cut(&name, ' ', &uid))
        return;
    if (newer) {
        size_t at = name.n && name.p[0] == ':' ? 0 : SIZE_MAX;
        for (size_t i = 0; i + 1 < name.n && at == SIZE_MAX; i++)
            if (name.p[i] == ' ' && name.p[i + 1] == ':')
                at = i + 1;
        if (at == SIZE_MAX)
            return;
        name = span_from(name, at + 1);
    }
    filename_parse(name, &f);
    uint32_t n = number(uid, 0);
    if (n && n < l->next && f.base.n)
        l->items[l->count++] = (struct uid_list_item){ f.base, n };
}

enum status uid_list_read(struct span text, struct uid_list *l)
{
    struct span line;
    size_t lines = 0;
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    bool newer = span_starts(text, "3 ");
    if (!span_cut(&text, '\n', &line) || !read_header(line, l))
        return ST_NONE;
    l->items = calloc(lines + 1, sizeof *l->items);
    if (!l->items)
        return ST_TEMP;
    while (text.n && span_cut(&text, '\n', &line))
        read_entry(line, newer, l);
    qsort(l->items, l->count, sizeof *l->items, compare_bases);
    return ST_OK;
}

uint32_t uid_list_find(const struct uid_list *l, struct span base)
{
    struct uid_list_item key = { .base = base };
    const struct uid_list_item *found =
        l->count ? bsearch(&key, l->items, l->count, sizeof *l->items, compare_bases) : NULL;
    return found ? found->uid : 0;
}

void uid_list_free(struct uid_list *l)
{
    free(l->items);
    *l = (struct uid_list){ 0 };
}
