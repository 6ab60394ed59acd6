/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Threads; see thread.h. A node is a message, or a dummy that stands for one that others refer to. While
 * links are made a node knows its parent only. Children are put into lists at the end (thread_order.c).
 *
 * RFC 5256 (1) has messages link themselves and those they refer to in one go, and breaks a link that
 * another message's References made when the message itself knows better. Here all messages' own parents are
 * linked first, and then what references say of others: the same links, but where they would form a circle,
 * in which then a message's own word counts for more. So no link is ever broken, and whether one would close
 * a circle is asked of a union-find, in practically no time, not by walking up a thread that may be a million
 * messages deep.
 *
 * Message-IDs and subjects are kept as hashes by a secret key, which take their place in every comparison.
 */
#include "text/thread_private.h"

#include <stdlib.h>
#include <string.h>

#define ID_LIMIT 1000 /* bytes of a Message-ID that are compared: more than fit into a line */

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
static struct place *find_place(struct threads *t, struct siphash hash, bool subjects)
{
    size_t at = hash.low & (t->table_size - 1);
    for (; t->table[at].node != NONE; at = (at + 1) & (t->table_size - 1)) {
        if (t->table[at].tag != (uint32_t)hash.high)
            continue;
        const struct node *n = &t->nodes[t->table[at].node];
        if (same(subjects ? n->subject : n->id, hash))
            break;
    }
    return &t->table[at];
}

uint32_t thread_find(struct threads *t, struct siphash hash, bool subjects)
{
    return t->table ? find_place(t, hash, subjects)->node : NONE;
}

void thread_put(struct threads *t, struct siphash hash, bool subjects, uint32_t node)
{
    *find_place(t, hash, subjects) = (struct place){ node, (uint32_t)hash.high };
}

bool thread_table(struct threads *t, size_t count)
{
    size_t size = 1024;
    while (size < 2 * count)
        size *= 2;
    struct place *table = malloc(size * sizeof *table);
    t->failed |= !table;
    if (!table)
        return false;
    memset(table, 0xff, size * sizeof *table);
    free(t->table);
    t->table = table;
    t->table_size = size;
    return true;
}

uint32_t thread_node(struct threads *t)
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
        if (!thread_table(t, 2 * (t->count + 1)))
            return NONE;
        for (size_t n = 0; n < t->count; n++)
            if (t->nodes[n].id.low | t->nodes[n].id.high)
                thread_put(t, t->nodes[n].id, false, (uint32_t)n);
    }
    uint32_t at = thread_node(t);
    if (at != NONE) {
        t->nodes[at].id = id;
        thread_put(t, id, false, at);
    }
    return at;
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
        uint32_t node = thread_find(t, id, false);
        if (node == NONE && t->count < t->limit)
            node = node_of_id(t, id);
        if (node != NONE && node != m->node) /* no message is its own parent */
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
        at = thread_find(t, id, false);
        if (at == NONE)
            at = node_of_id(t, id);
        else if (t->nodes[at].number)
            at = NONE; /* a second message of that id is one without */
    }
    if (at == NONE && !t->failed)
        at = thread_node(t);
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

void thread_link(struct threads *t)
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
    free(t->references);
    t->references = NULL;
    thread_prune(t);
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

void thread_prune(struct threads *t)
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
