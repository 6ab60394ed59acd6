/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern status and postern metrics: how the server is, from the log, the spool and /proc, without a daemon
 * that counts. status_count.c counts, and reads nothing; status_read.c reads; status.c, status_json.c and
 * metrics.c print.
 */
#ifndef POSTERN_ADMIN_STATUS_H
#define POSTERN_ADMIN_STATUS_H

#include "admin.h"
#include "store/quota.h"

#define STATUS_REASONS 16 /* for refusals; the last is for all others */
#define STATUS_REASON_LIMIT 64
#define STATUS_PROTOCOLS 7

/* Back from now. */
enum count_window { LAST_HOUR, LAST_DAY, LAST_WEEK, COUNT_WINDOWS };
/* Messages that came in; recipients to whom one was sent on, deferred or given up; recipients and messages
 * that were refused at the door, for good or for now; logins. */
enum count_kind {
    COUNT_RECEIVED,
    COUNT_SENT,
    COUNT_DEFERRED,
    COUNT_FAILED,
    COUNT_REFUSED,
    COUNT_LOGINS,
    COUNT_LOGINS_FAILED,
    COUNT_KINDS
};

struct count_reason {
    char name[STATUS_REASON_LIMIT];
    uint64_t times[COUNT_WINDOWS];
};
struct counts {
    int64_t now;
    uint64_t times[COUNT_KINDS][COUNT_WINDOWS];
    struct count_reason reasons[STATUS_REASONS];
    size_t reason_count;
};
/* An event of the log; "" for fields that it hasn't. */
struct counted {
    int64_t at; /* seconds since 1970; 0: unknown, which counts nowhere */
    const char *event, *outcome, *setting, *why;
};

/* --- status_count.c */
/* What an event counts as, and of refusals why ("" of others). False: nowhere. */
bool count_what(const struct counted *e, enum count_kind *kind, const char **reason);
/* Counts n of them, if they are of the last week. */
void count_add(struct counts *c, enum count_kind kind, const char *reason, int64_t at, uint64_t n);
/* Both for one event. */
void count_event(struct counts *c, const struct counted *e);
/* Refusals by reason, the most frequent of the longest window first, "other" last. */
void count_finish(struct counts *c);
bool count_kind_find(struct span name, enum count_kind *kind);
/* "received", "last hour" and "hour" */
const char *count_kind_name(enum count_kind kind);
const char *count_window_name(enum count_window window);

struct mailbox_size {
    char account[ADDRESS_LIMIT + 1];
    bool known; /* it could be counted */
    struct quota quota;
    struct quota_used used;
};
struct certificate_left {
    const char *file; /* the settings' */
    bool known;
    int64_t to;
};
struct overview {
    struct admin *a;
    const char *proc, *log; /* log NULL: the journal */
    bool json, connections_known, log_known, queue_known, mailboxes_known;
    uint64_t connections[STATUS_PROTOCOLS];
    struct counts counts;
    uint64_t waiting, held; /* messages in the queue with such recipients */
    uint64_t queued;        /* all messages there */
    int64_t oldest;         /* seconds since the oldest came; 0: there is none */
    struct mailbox_size *mailboxes;
    size_t mailbox_count, mailbox_room;
    struct certificate_left *certificates;
    size_t certificate_count;
};
struct status_protocol {
    const char *name;
    unsigned port;
};
extern const struct status_protocol status_protocols[STATUS_PROTOCOLS];

/* --- status_read.c: as root, becomes the owner of the spool in between. EX_OK, or the last thing that went
 * wrong, after complaining: what could be read is there. */
int overview_read(struct overview *o);
void overview_free(struct overview *o);

/* --- status.c: --file FILE, --proc DIR, --json. EX_OK, or EX_USAGE after complaining. */
int overview_arguments(struct overview *o, int argc, char **argv);
/* --- status_json.c */
void overview_json(const struct overview *o);

#endif
