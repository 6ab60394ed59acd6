/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files that make threads share; nobody else includes this.
 *
 *     thread.c        nodes, and the links between them
 *     thread_order.c  subjects, order, and writing
 */
#ifndef POSTERN_TEXT_THREAD_PRIVATE_H
#define POSTERN_TEXT_THREAD_PRIVATE_H

#include "base/siphash.h"
#include "base/sort.h"
#include "text/thread.h"

#define NONE UINT32_MAX

struct node {
    struct siphash id, subject;
    int64_t date; /* a dummy's is that of its first child */
    uint32_t parent;
    uint32_t child, next; /* while links are made, `next` leads to the root of the nodes linked so far */
    uint32_t number;      /* 0: a dummy */
    bool reply, has_references, has_subject, top; /* top: without a parent, and to be written */
};

/* A place in a table: a node, and enough of its hash that nodes of others needn't be looked at. */
struct place {
    uint32_t node, tag;
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
    struct place *table; /* of nodes by id, then by subject; open addressing */
    size_t table_size;
    struct sort_item *order;
    uint32_t cursor; /* of writing: the node that comes next */
    bool failed;
};

/* The node that has this hash as its id, or as its subject; NONE if none has. */
uint32_t thread_find(struct threads *t, struct siphash hash, bool subjects);
/* Puts the node there, in place of another that has it. */
void thread_put(struct threads *t, struct siphash hash, bool subjects, uint32_t node);
/* An empty table for that many. False without memory. */
bool thread_table(struct threads *t, size_t count);
uint32_t thread_node(struct threads *t); /* a new one; NONE without memory */
/* (1) to (3) of RFC 5256: all links, without dummies that nobody sees. */
void thread_link(struct threads *t);
/* (3), and what merging by subjects leaves to do: dummies stay only at the top, with two children or more. */
void thread_prune(struct threads *t);

#endif
