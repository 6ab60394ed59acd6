/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern queue: which messages a command means, and what its parts share.
 *
 * A command's arguments are IDs, or `all`, or filters that have all to be met; --recipient and --domain
 * choose among the recipients that still wait too, so that `hold --domain far.test` leaves the message's
 * other recipients alone.
 */
#ifndef POSTERN_QUEUE_H
#define POSTERN_QUEUE_H

#include "admin.h"
#include "store/queue.h"

struct selection {
    struct admin *a;
    int dir;    /* of the queue */
    char **ids; /* the arguments' */
    size_t id_count;
    bool all, json;
    size_t width;                            /* of the terminal; 0: it is none */
    const char *sender, *recipient, *domain; /* NULL: whatever it is */
    size_t seen;                             /* messages that were meant */
    void *arg;                               /* the one's who acts */
    struct queue_changes later;              /* what `act` has changed, brought to disk when all are done */
};

/* What is done with a message: EX_OK or another exit status, after complaining. */
typedef int selection_act(struct selection *s, struct queue_message *m);

/* --- queue_select.c */
/* The arguments behind the command's words. EX_OK, or EX_USAGE after complaining. */
int selection_read(struct selection *s, struct admin *a, int argc, char **argv);
/* Opens the queue and calls `act` for each message that is meant, oldest first, or in the order of the IDs;
 * with `lock` holding its lock: what is being sent just now is left alone, and said so. The worst (the last)
 * status that isn't EX_OK. */
int selection_each(struct selection *s, bool lock, selection_act *act);
/* Does it mean this recipient, which still waits (is to be tried, held, or its sender is owed a report)? */
bool selection_has(const struct selection *s, const struct queue_recipient *r);
/* Were there filters? */
bool selection_filters(const struct selection *s);

/* --- queue.c */
/* When it is tried next: seconds since 1970, 0 for at once. Not before it is to be released (RFC 4865), which
 * qrun, who puts it under its due time, may not have seen yet. */
int64_t queue_next(const struct queue_message *m);
/* "waiting", "sent", "failed", "bounced", "held" */
const char *queue_mark_word(char mark);

/* --- queue_json.c */
/* One line: the message as a JSON object; with `header`, the text of its header too. */
int queue_json(const struct queue_message *m, bool header);

#endif
