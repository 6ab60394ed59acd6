/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The cache of a folder's messages: what clients ask of many messages at once, made ready for the wire.
 *
 *     postern-cache:  "postern-cache 1\n", 8 bytes of its ID │ records
 *     a record:       UID, lengths of its parts, checksum │ ENVELOPE │ BODYSTRUCTURE │ BODY │ header fields
 *
 * Only appended to, under the folder's lock; a message's record in the index says where. The file is replaced
 * when much of it belongs to nobody any more. Read through a window that follows whoever reads on, so that a
 * folder of any size takes no more memory than that. Nothing in it is believed without its checksum.
 */
#ifndef POSTERN_STORE_CACHE_H
#define POSTERN_STORE_CACHE_H

#include "base/bytes.h"
#include "base/status.h"
#include "store/mailbox.h"

#define CACHE_FILE "postern-cache"
#define CACHE_WAITING ((size_t)4 << 20) /* bytes of records that are written together */
#define CACHE_RECORD_LIMIT ((size_t)256 * 1024) /* a message with more isn't kept */

struct cache {
    int fd; /* -1: none */
    uint64_t id;
    char *window;
    size_t room, length;
    uint64_t at; /* what of the file the window has */
    uint64_t next; /* where the last record that was read ended */
};

/* Opens the folder's cache if it has that ID. Without it nothing is found in it. */
void cache_open(int dir, uint64_t id, struct cache *c);
void cache_close(struct cache *c);
/* Gives the window back: the reading is over. */
void cache_shrink(struct cache *c);
/* The record at `at`, of `length` bytes, if it is that message's and undamaged. The spans are valid until the
 * next call. */
bool cache_get(struct cache *c, uint64_t at, uint32_t length, uint32_t uid, struct summary *s);
/* Appends a record to *out; false if it is too large or memory runs out, then nothing was added. */
bool cache_add(struct bytes *out, uint32_t uid, const struct summary *s);
/* Appends records to the file, which is made where `*used` is 0: *id and *used are the index's. *at is where
 * they begin. With the folder's lock held. ST_TEMP with errno. */
enum status cache_append(int dir, struct span records, uint64_t *id, uint64_t *used, uint64_t *at);

#endif
