/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Threads; see thread.h. A node is a message, or a dummy that stands for one that others refer to. While links are
 * made a node knows its parent only. Children are put into lists at the end, in one pass over all nodes in the order of
 * their dates, so that every list is sorted.
 *
 * RFC 5256 (1) has messages link themselves and those they refer to in one go, and breaks a link that
 * another message's References made when the message itself knows better. Here all messages' own parents are linked
 * first, and then what references say of others: the same links, but where they would form a circle, in
 * which then a message's own word counts for more. So no link is ever broken, and whether one would close a circle is
 * asked of a union-find, in practically no time, not by walking up a thread that may be a million messages deep.
 *
 * Message-IDs and subjects are kept as hashes by a secret key, which take their place in every comparison.
 */
#include "text/thread.h"
#include "base/siphash.h"
#include "base/sort.h"

#include <stdlib.h>
#include <string.h>

#define ID_LIMIT 1000 /* bytes of a Message-ID that are compared: more than fit into a line */
#define NONE UINT32_MAX

struct node {
    struct siphash id, subject;
    int64_t date; /* a dummy's is that of its first child */
    uint32_t parent;
    uint32_t child, next; /* while links are made, `next` leads to the root of the nodes linked so far */
    uint32_t number;      /* 0: a dummy */
    bool reply, has_references, has_subject, top; /* top: without a parent, and to be written */
};

/* The references of a message, as nodes: first is a place in threads.references. */
struct message {
    uint32_t node;
    uint32_t first, count;
};

struct threads {
    uint64_t key[2];
    struct node *nodes;
    size_t count, room, limit; /* limit: dummies are no longer made */
    struct message *messages;
    size_t message_count, message_limit;
    uint32_t *references;
    size_t reference_count, reference_room, reference_limit;
    uint32_t *table; /* of nodes by id, then by subject; open addressing */
    size_t table_size;
    struct sort_item *order;
    uint32_t cursor; /* of writing: the node that comes next */
    bool failed;
};

struct threads *threads_new(size_t count, const uint64_t key[2])
{
    struct threads *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->key[0] = key[0];
    t->key[1] = key[1];
    t->message_limit = count;
    t->limit = 3 * count + 1000;
    t->reference_limit = THREAD_AVERAGE * count + 1000;
    t->cursor = NONE;
    t->messages = malloc((count + 1) * sizeof *t->messages);
    if (count < NONE / 64 && t->messages)
        return t;
    threads_free(t);
    return NULL;
}

void threads_free(struct threads *t)
{
    if (!t)
        return;
    free(t->nodes);
    free(t->messages);
    free(t->references);
    free(t->table);
    free(t->order);
    free(t);
}

static bool same(struct siphash a, struct siphash b)
{
    return a.low == b.low && a.high == b.high;
}

/* --- tables of nodes */

/* The place of a hash: that of the node which has it, or a free one. */
static uint32_t *table_place(struct threads *t, struct siphash hash, bool subjects)
{
    size_t at = hash.low & (t->table_size - 1);
    while (t->table[at] != NONE) {
        const struct node *n = &t->nodes[t->table[at]];
        if (same(subjects ? n->subject : n->id, hash))
            break;
        at = (at + 1) & (t->table_size - 1);
    }
    return &t->table[at];
}

/* An empty table for that many. */
static bool table_new(struct threads *t, size_t count)
{
    size_t size = 1024;
    while (size < 2 * count)
        size *= 2;
    uint32_t *table = malloc(size * sizeof *table);
    t->failed |= !table;
    if (!table)
        return false;
    memset(table, 0xff, size * sizeof *table);
    free(t->table);
    t->table = table;
    t->table_size = size;
    return true;
}

static uint32_t node_new(struct threads *t)
{
    if (t->count == t->room) {
        size_t room = t->room ? t->room + t->room / 2 : 1024;
        struct node *more = realloc(t->nodes, room * sizeof *more);
        t->failed |= !more;
        if (!more)
            return NONE;
        t->nodes = more;
        t->room = room;
    }
    uint32_t at = (uint32_t)t->count++;
    t->nodes[at] = (struct node){ .parent = NONE, .child = NONE, .next = at };
    return at;
}

/* A new node of that id, in the table. */
static uint32_t node_of_id(struct threads *t, struct siphash id)
{
    if (2 * (t->count + 1) > t->table_size) {
        if (!table_new(t, 2 * (t->count + 1)))
            return NONE;
        for (size_t n = 0; n < t->count; n++)
            if (t->nodes[n].id.low | t->nodes[n].id.high)
                *table_place(t, t->nodes[n].id, false) = (uint32_t)n;
    }
    uint32_t at = node_new(t);
    if (at != NONE) {
        t->nodes[at].id = id;
        *table_place(t, id, false) = at;
    }
    return at;
}

static uint32_t node_find(struct threads *t, struct siphash id)
{
    return t->table ? *table_place(t, id, false) : NONE;
}

/* --- reading Message-IDs */

/* The next `<...>` of a field, without blanks and quoting (RFC 5256 3: quoted or not makes no difference). */
static bool next_id(struct threads *t, struct span *rest, struct siphash *id)
{
    char text[ID_LIMIT];
    for (;;) {
        size_t n = 0, at = span_find(*rest, '<') + 1;
        if (at > rest->n)
            return false;
        *rest = span_from(*rest, at);
        for (at = 0; at < rest->n && rest->p[at] != '>' && rest->p[at] != '<'; at++) {
            char c = rest->p[at];
            bool dropped = c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '"' || c == '\\';
            if (!dropped && n < sizeof text)
                text[n++] = c;
        }
        bool ended = at < rest->n && rest->p[at] == '>';
        *rest = span_from(*rest, ended ? at + 1 : at);
        if (ended && n > 0) {
            *id = siphash(t->key, (struct span){ text, n });
            id->low |= !(id->low | id->high); /* all zeros mean "none" */
            return true;
        }
    }
}

/* Keeps a reference of the message that was added last. */
static void add_reference(struct threads *t, struct message *m, uint32_t node)
{
    if (t->reference_count == t->reference_room) {
        size_t room = t->reference_room ? t->reference_room * 2 : 1024;
        uint32_t *more = realloc(t->references, room * sizeof *more);
        t->failed |= !more;
        if (!more)
            return;
        t->references = more;
        t->reference_room = room;
    }
    if (m->count > 0 && t->reference_count >= t->reference_limit) { /* only the last is kept */
        t->references[t->reference_count - 1] = node;
        return;
    }
    t->references[t->reference_count++] = node;
    m->count++;
}

static void take_references(struct threads *t, struct message *m, struct span value, bool only_first)
{
    struct siphash id;
    while (!t->failed && next_id(t, &value, &id)) {
        uint32_t node = node_find(t, id);
        if (node == NONE && t->count < t->limit)
            node = node_of_id(t, id);
        if (node != NONE)
            add_reference(t, m, node);
        if (only_first)
            break;
    }
}

bool threads_add(struct threads *t, const struct thread_message *added)
{
    struct siphash id;
    struct span value = added->message_id;
    uint32_t at = NONE;
    if (t->message_count == t->message_limit)
        return false;
    if (next_id(t, &value, &id)) {
        at = node_find(t, id);
        if (at == NONE)
            at = node_of_id(t, id);
        else if (t->nodes[at].number)
            at = NONE; /* a second message of that id is one without */
    }
    if (at == NONE && !t->failed)
        at = node_new(t);
    if (t->failed)
        return false;
    struct node *n = &t->nodes[at];
    n->number = added->number;
    n->date = added->date;
    n->reply = added->reply;
    n->has_subject = added->subject.n > 0;
    n->subject = siphash(t->key, added->subject);
    struct message *m = &t->messages[t->message_count++];
    *m = (struct message){ .node = at, .first = (uint32_t)t->reference_count };
    take_references(t, m, added->references, false);
    if (m->count == 0)
        take_references(t, m, added->in_reply_to, true);
    t->nodes[at].has_references = m->count > 0;
    return !t->failed;
}

/* --- linking */

static uint32_t find_root(struct threads *t, uint32_t n)
{
    while (t->nodes[n].next != n) {
        uint32_t up = t->nodes[n].next;
        t->nodes[n].next = t->nodes[up].next;
        n = up;
    }
    return n;
}

/* Links unless `child` has a parent, or is itself above `parent`. */
static void link_nodes(struct threads *t, uint32_t parent, uint32_t child)
{
    if (t->nodes[child].parent != NONE)
        return;
    uint32_t root = find_root(t, parent);
    if (root == child)
        return;
    t->nodes[child].parent = parent;
    t->nodes[child].next = root;
}

/* (1) */
static void link_all(struct threads *t)
{
    for (size_t i = 0; i < t->message_count; i++) {
        const struct message *m = &t->messages[i];
        if (m->count > 0)
            link_nodes(t, t->references[m->first + m->count - 1], m->node);
    }
    for (size_t i = 0; i < t->message_count; i++) {
        const struct message *m = &t->messages[i];
        for (uint32_t k = 1; k < m->count; k++) {
            uint32_t parent = t->references[m->first + k - 1], child = t->references[m->first + k];
            const struct node *c = &t->nodes[child];
            /* A message without references that is still to come would break such a link again. */
            if (c->has_references || c->number <= t->nodes[m->node].number)
                link_nodes(t, parent, child);
        }
    }
}

/* The nearest message above, or the dummy at the top if there is none; dummies on the way learn it too. */
static uint32_t find_parent(struct threads *t, uint32_t n)
{
    uint32_t found = t->nodes[n].parent;
    if (found == NONE)
        return NONE;
    while (t->nodes[found].number == 0 && t->nodes[found].parent != NONE)
        found = t->nodes[found].parent;
    for (uint32_t at = n, up; (up = t->nodes[at].parent) != found; at = up)
        t->nodes[at].parent = found;
    return found;
}

/* (3) and what the subjects leave to do: dummies stay only at the top, with two children or more. */
static void prune(struct threads *t)
{
    for (size_t n = 0; n < t->count; n++)
        t->nodes[n].child = 0; /* counts, for now */
    for (size_t n = 0; n < t->count; n++)
        if (t->nodes[n].number) {
            uint32_t parent = find_parent(t, (uint32_t)n);
            t->nodes[n].parent = parent;
            if (parent != NONE)
                t->nodes[parent].child++;
        }
    for (size_t n = 0; n < t->count; n++) {
        struct node *node = &t->nodes[n];
        if (node->number && node->parent != NONE && !t->nodes[node->parent].number &&
            t->nodes[node->parent].child == 1)
            node->parent = NONE;
        node->top = node->parent == NONE && (node->number || node->child > 1);
    }
}

/* --- sorting (4) and (6) */

static bool is_earlier(const struct node *a, const struct node *b)
{
    return a->date != b->date ? a->date < b->date : a->number < b->number;
}

static uint32_t number_of(const struct threads *t, uint32_t n)
{
    return t->nodes[n].number || t->nodes[n].child == NONE ? t->nodes[n].number : t->nodes[t->nodes[n].child].number;
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

/* Puts a thread below the one of its subject. */
static void merge_thread(struct threads *t, uint32_t at, uint32_t *place)
{
    const struct node *n = &t->nodes[at], *first = &t->nodes[*place];
    if (!first->number || (n->reply && !first->reply)) {
        t->nodes[at].parent = *place;
    } else {
        uint32_t dummy = node_new(t);
        if (dummy == NONE)
            return;
        t->nodes[dummy].subject = t->nodes[at].subject;
        t->nodes[dummy].has_subject = true;
        t->nodes[at].parent = t->nodes[*place].parent = dummy;
        *place = dummy;
    }
}

static void merge_subjects(struct threads *t, size_t n)
{
    if (!table_new(t, n))
        return;
    for (size_t i = 0; i < n; i++) {
        uint32_t at = t->order[i].item;
        if (!t->nodes[at].top || !t->nodes[at].has_subject)
            continue;
        uint32_t *place = table_place(t, t->nodes[at].subject, true);
        if (*place == NONE || replaces(&t->nodes[*place], &t->nodes[at]))
            *place = at;
    }
    for (size_t i = 0; i < n && !t->failed; i++) {
        uint32_t at = t->order[i].item;
        if (!t->nodes[at].top || !t->nodes[at].has_subject)
            continue;
        uint32_t *place = table_place(t, t->nodes[at].subject, true);
        if (*place != at && t->nodes[at].parent == NONE)
            merge_thread(t, at, place);
    }
}

bool threads_by_references(struct threads *t)
{
    size_t n;
    link_all(t);
    free(t->references);
    t->references = NULL;
    prune(t);
    if (!sort_nodes(t, &n))
        return false;
    merge_subjects(t, n);
    prune(t);
    if (t->failed || !sort_nodes(t, &n))
        return false;
    make_lists(t, n);
    return true;
}

bool threads_by_subject(struct threads *t)
{
    size_t n;
    if (!sort_nodes(t, &n) || !table_new(t, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        uint32_t at = t->order[i].item, *place = table_place(t, t->nodes[at].subject, true);
        if (*place == NONE)
            *place = at;
        else
            t->nodes[at].parent = *place;
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
