/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The order of threads and within them, merging by subjects, and writing; see thread.h. The numbers are the
 * steps of RFC 5256 3.
 *
 * All nodes are sorted by date once, and put into the lists of their parents from the last to the first, so
 * every list is sorted. Writing walks the tree by its links, without a stack.
 */
#include "text/thread_private.h"

#include <stdlib.h>

/* --- sorting (4) and (6) */

static bool is_earlier(const struct node *a, const struct node *b)
{
    return a->date != b->date ? a->date < b->date : a->number < b->number;
}

static uint32_t number_of(const struct threads *t, uint32_t n)
{
    return t->nodes[n].number || t->nodes[n].child == NONE ? t->nodes[n].number
                                                           : t->nodes[t->nodes[n].child].number;
}

static int by_number(const void *context, uint32_t a, uint32_t b)
{
    uint32_t x = number_of(context, a), y = number_of(context, b);
    return x < y ? -1 : x > y;
}

/* A dummy goes by its first child, which it keeps for its number: by that one's date, and by its subject. */
static void date_dummies(struct threads *t)
{
    for (size_t n = 0; n < t->count; n++)
        t->nodes[n].child = NONE;
    for (size_t n = 0; n < t->count; n++) {
        struct node *node = &t->nodes[n];
        if (!node->number || node->parent == NONE || t->nodes[node->parent].number)
            continue;
        struct node *dummy = &t->nodes[node->parent];
        if (dummy->child == NONE || is_earlier(node, &t->nodes[dummy->child])) {
            dummy->child = (uint32_t)n;
            dummy->date = node->date;
            dummy->subject = node->subject;
            dummy->has_subject = node->has_subject;
        }
    }
}

/* All that is to be written, into t->order; how many in *n. */
static bool sort_nodes(struct threads *t, size_t *n)
{
    *n = 0;
    date_dummies(t);
    free(t->order);
    t->order = malloc((t->count + 1) * sizeof *t->order);
    t->failed |= !t->order;
    for (size_t at = 0; t->order && at < t->count; at++)
        if (t->nodes[at].number || t->nodes[at].top)
            t->order[(*n)++] = (struct sort_item){ sort_key_of(t->nodes[at].date), (uint32_t)at };
    t->failed |= t->order && !sort_items(t->order, *n, by_number, t);
    return !t->failed;
}

/* The lists of children, and of threads at t->cursor, in the order that t->order has. */
static void make_lists(struct threads *t, size_t n)
{
    for (size_t at = 0; at < t->count; at++)
        t->nodes[at].child = NONE;
    t->cursor = NONE;
    while (n-- > 0) {
        uint32_t at = t->order[n].item, parent = t->nodes[at].parent;
        uint32_t *first = parent == NONE ? &t->cursor : &t->nodes[parent].child;
        t->nodes[at].next = *first;
        *first = at;
    }
}

/* --- (5) */

static bool replaces(const struct node *in_table, const struct node *n)
{
    return in_table->number && (!n->number || (in_table->reply && !n->reply));
}

/* Puts a thread below `first`, the one of its subject. */
static void merge_thread(struct threads *t, uint32_t at, uint32_t first)
{
    const struct node *n = &t->nodes[at], *in_table = &t->nodes[first];
    if (!in_table->number || (n->reply && !in_table->reply)) {
        t->nodes[at].parent = first;
        return;
    }
    uint32_t dummy = thread_node(t);
    if (dummy == NONE)
        return;
    t->nodes[dummy].subject = t->nodes[at].subject;
    t->nodes[dummy].has_subject = true;
    t->nodes[at].parent = t->nodes[first].parent = dummy;
    thread_put(t, t->nodes[dummy].subject, true, dummy);
}

static void merge_subjects(struct threads *t, size_t n)
{
    if (!thread_table(t, n))
        return;
    for (size_t i = 0; i < n; i++) {
        uint32_t at = t->order[i].item;
        if (!t->nodes[at].top || !t->nodes[at].has_subject)
            continue;
        uint32_t first = thread_find(t, t->nodes[at].subject, true);
        if (first == NONE || replaces(&t->nodes[first], &t->nodes[at]))
            thread_put(t, t->nodes[at].subject, true, at);
    }
    for (size_t i = 0; i < n && !t->failed; i++) {
        uint32_t at = t->order[i].item;
        if (!t->nodes[at].top || !t->nodes[at].has_subject)
            continue;
        uint32_t first = thread_find(t, t->nodes[at].subject, true);
        if (first != at && t->nodes[at].parent == NONE)
            merge_thread(t, at, first);
    }
}

bool threads_by_references(struct threads *t)
{
    size_t n;
    thread_link(t);
    if (!sort_nodes(t, &n))
        return false;
    merge_subjects(t, n);
    thread_prune(t);
    if (t->failed || !sort_nodes(t, &n))
        return false;
    make_lists(t, n);
    return true;
}

bool threads_by_subject(struct threads *t)
{
    size_t n;
    if (!sort_nodes(t, &n) || !thread_table(t, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        uint32_t at = t->order[i].item, first = thread_find(t, t->nodes[at].subject, true);
        if (first == NONE)
            thread_put(t, t->nodes[at].subject, true, at);
        else
            t->nodes[at].parent = first;
    }
    make_lists(t, n);
    return true;
}

/* --- writing */

static bool has_siblings(const struct threads *t, const struct node *n)
{
    return n->next != NONE || t->nodes[n->parent].child != (uint32_t)(n - t->nodes);
}

/* Is it in parentheses of its own? Only children follow their parent without. */
static bool is_enclosed(const struct threads *t, const struct node *n)
{
    return n->parent == NONE || has_siblings(t, n);
}

static void open_node(const struct threads *t, const struct node *n, struct bytes *out)
{
    bool first = n->parent != NONE && t->nodes[n->parent].child == (uint32_t)(n - t->nodes);
    if (first && t->nodes[n->parent].number)
        bytes_add_char(out, ' ');
    if (is_enclosed(t, n))
        bytes_add_char(out, '(');
    if (n->number)
        bytes_printf(out, "%u", n->number);
}

bool threads_write(struct threads *t, size_t enough, struct bytes *out)
{
    while (t->cursor != NONE && out->len < enough) {
        const struct node *n = &t->nodes[t->cursor];
        open_node(t, n, out);
        if (n->child != NONE) {
            t->cursor = n->child;
            continue;
        }
        /* Up to the next that has a sibling still to be written. */
        for (;; n = &t->nodes[n->parent]) {
            if (is_enclosed(t, n))
                bytes_add_char(out, ')');
            t->cursor = n->next;
            if (n->next != NONE || n->parent == NONE)
                break;
        }
    }
    return t->cursor != NONE;
}
