/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Targets on their way into a queue file: their addresses, and beside them what travels along: what their
 * RCPT asked for, which program of an alias is meant, and that the sender didn't name the address himself.
 */
#ifndef POSTERN_STORE_RECIPIENTS_H
#define POSTERN_STORE_RECIPIENTS_H

#include "store/directory.h"
#include "store/queue.h"

struct recipients {
    struct address *list;
    struct rcpt_options **options; /* by recipient; NULL: none */
    size_t count, room;
    bool failed; /* memory ran out: sticky */
};

void recipients_add(struct recipients *r, const struct settings *s, const struct target *t);
/* Fills in an envelope's recipients, which stay owned here. False: memory ran out, or there are none; errno
 * says ENOMEM. */
bool recipients_put(const struct recipients *r, struct queue_envelope *e);
void recipients_free(struct recipients *r);

#endif
