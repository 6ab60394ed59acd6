/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Loops in aliases that aren't compiled yet; see alias_draft.h.
 *
 * From each entry its targets are followed, each entry once: targets don't depend on who asks, so a way back
 * to an entry is a loop whoever enters it. The one way back that is none leads straight from an alias to
 * itself where an account of that name exists. Files that are included aren't looked into: they change.
 */
#include "store/alias_draft.h"
#include "store/directory_private.h"
#include "store/tables.h"
#include "text/aliases.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum walk { UNSEEN, WALKING, SEEN };

struct alias_draft_entry {
    unsigned line;
    struct span key, value; /* one allocation, at key.p */
    enum walk walk;
    unsigned height; /* of aliases below it, and itself */
};

bool alias_draft_add(struct alias_draft *draft, unsigned line, struct span key, struct span value)
{
    if (draft->count == draft->room) {
        size_t room = draft->room ? 2 * draft->room : 64;
        struct alias_draft_entry *more = reallocarray(draft->list, room, sizeof *more);
        if (!more)
            return false;
        draft->list = more;
        draft->room = room;
    }
    char *text = malloc(key.n + value.n + 1);
    if (!text)
        return false;
    memcpy(text, key.p, key.n);
    memcpy(text + key.n, value.p, value.n);
    draft->list[draft->count++] = (struct alias_draft_entry){ .line = line,
                                                              .key = { text, key.n },
                                                              .value = { text + key.n, value.n } };
    return true;
}

void alias_draft_free(struct alias_draft *draft)
{
    for (size_t i = 0; i < draft->count; i++)
        free((char *)(uintptr_t)draft->list[i].key.p);
    free(draft->list);
    *draft = (struct alias_draft){ .count = 0 };
}

/* Of equal keys the first in the text counts. */
static int by_key(const void *a, const void *b)
{
    const struct alias_draft_entry *x = a, *y = b;
    int order = span_compare(x->key, y->key);
    return order ? order : x->line < y->line ? -1 : x->line > y->line;
}

static struct alias_draft_entry *find(const struct alias_draft *draft, struct span key)
{
    size_t low = 0, high = draft->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (span_compare(draft->list[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < draft->count && span_eq(draft->list[low].key, key) ? &draft->list[low] : NULL;
}

enum status alias_draft_get(const struct alias_draft *draft, struct span key, struct bytes *value)
{
    const struct alias_draft_entry *e = find(draft, key);
    if (!e)
        return ST_NONE;
    return bytes_add_span(value, e->value) ? ST_OK : ST_TEMP;
}

struct walker {
    struct directory *d;
    const struct alias_draft *draft;
    struct alias_draft_entry *path[DIRECTORY_DEPTH + 2];
    unsigned depth;
    struct alias_draft_entry *culprit;
    struct bytes *why;
};

static void tell(struct walker *w, unsigned from, const char *what, const struct alias_draft_entry *last)
{
    w->culprit = w->path[from];
    bytes_add_str(w->why, what);
    for (unsigned i = from; i < w->depth; i++)
        bytes_printf(w->why, "%.*s > ", SPAN_FMT(w->path[i]->key));
    bytes_printf(w->why, "%.*s", SPAN_FMT(last->key));
}

/* The entry that a target leads to; NULL: an account, an outside address, or unknown. *own: an account has
 * the name too. */
static struct alias_draft_entry *entry_of(struct walker *w, struct span line, bool *own)
{
    struct address target;
    struct domain_entry domain;
    struct found f;
    struct alias_draft_entry *e = NULL;
    if (line.n == 0 || line.p[0] == '|' || span_istarts(line, ALIASES_INCLUDE) ||
        address_parse(line, &target) != ADDRESS_OK ||
        directory_classify(w->d, address_domain(&target), &domain) != ST_OK)
        return NULL;
    if (directory_find(w->d, &target, &domain, &f) == ST_OK && f.kind == FOUND_ALIAS) {
        e = find(w->draft, span_of(f.key));
        *own = directory_look(w->d, TABLE_ACCOUNTS, span_of(f.address.text)) == ST_OK;
    }
    bytes_free(&f.value);
    return e;
}

static bool walk(struct walker *w, struct alias_draft_entry *e);

static bool follow(struct walker *w, struct alias_draft_entry *e, struct span line)
{
    bool own = false;
    struct alias_draft_entry *next = entry_of(w, line, &own);
    if (!next || (next == e && own))
        return true;
    if (next->walk == WALKING) {
        unsigned from = 0;
        while (w->path[from] != next)
            from++;
        tell(w, from,
             next == e ? "leads to itself, and there is no account of that name: "
                       : "leads in a circle; take one step out of it: ",
             next);
        return false;
    }
    if (next->walk == UNSEEN && !walk(w, next))
        return false;
    if (next->height + 1 > e->height)
        e->height = next->height + 1;
    if (e->height <= DIRECTORY_DEPTH)
        return true;
    tell(w, w->depth - 1,
         "is the head of more than ten aliases of aliases; make it lead further down at once: ", next);
    return false;
}

static bool walk(struct walker *w, struct alias_draft_entry *e)
{
    struct span rest = e->value, line;
    bool good = true;
    if (w->depth == sizeof w->path / sizeof w->path[0]) {
        tell(w, 0, "leads through too many aliases: ", e);
        return false;
    }
    w->path[w->depth++] = e;
    e->walk = WALKING;
    e->height = 1;
    while (good && span_cut(&rest, '\n', &line))
        good = follow(w, e, line);
    e->walk = SEEN;
    w->depth--;
    return good;
}

/* While a server is set up they aren't yet. */
static bool has_tables(const struct settings *s)
{
    char path[PATH_MAX];
    return tables_path(s, TABLE_DOMAINS, true, path, sizeof path) && access(path, R_OK) == 0 &&
           tables_path(s, TABLE_ACCOUNTS, true, path, sizeof path) && access(path, R_OK) == 0;
}

unsigned alias_draft_loop(struct alias_draft *draft, const struct settings *s, struct bytes *why)
{
    struct walker w = { .draft = draft, .why = why };
    if (draft->count == 0 || !has_tables(s))
        return 0;
    qsort(draft->list, draft->count, sizeof *draft->list, by_key);
    if (directory_open_draft(s, draft, &w.d) != ST_OK)
        return 0;
    for (size_t i = 0; i < draft->count && !w.culprit; i++)
        if (draft->list[i].walk == UNSEEN && find(draft, draft->list[i].key) == &draft->list[i])
            walk(&w, &draft->list[i]);
    directory_close(w.d);
    return w.culprit ? w.culprit->line : 0;
}
