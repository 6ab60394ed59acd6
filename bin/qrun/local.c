/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Delivery to our own users, for bounces and for what was queued before a domain became ours: all prepared,
 * then all published (the commit discipline of "one message in").
 */
#include "qrun.h"

#include "store/maildir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRACE_LIMIT 512

struct delivery {
    struct maildir_delivery *boxes;
    size_t prepared;
    struct queue_new queued;
    bool has_queued;
};

static enum status fail(enum status st, struct bytes *why, const char *text)
{
    bytes_clear(why);
    bytes_printf(why, "%s%s%s", text, st == ST_TEMP && errno ? ": " : "",
                 st == ST_TEMP && errno ? strerror(errno) : "");
    return st;
}

enum status local_is(struct qrun *q, const struct address *a)
{
    struct span domain = address_domain(a);
    return domain.n == 0 ? ST_OK : directory_domain(q->directory, domain);
}

static enum status prepare_box(struct qrun *q, const struct address *account, const struct content *c,
                               struct maildir_delivery *d)
{
    struct bytes path;
    bytes_init(&path, 4096);
    enum status st = ST_TEMP;
    if (settings_maildir(q->settings, address_local(account), address_domain(account), &path))
        st = maildir_prepare(bytes_str(&path), NULL, q->settings->hostname, c, d);
    bytes_free(&path);
    return st == ST_OK ? ST_OK : ST_TEMP;
}

static enum status prepare_queued(struct qrun *q, const struct targets *t, const char *sender,
                                  struct span message, bool eight_bit, const char *id, struct delivery *d)
{
    struct address *outside = calloc(t->count, sizeof *outside);
    size_t count = 0;
    for (size_t i = 0; outside && i < t->count; i++)
        if (!t->list[i].local)
            outside[count++] = t->list[i].address;
    struct queue_envelope e = {
        .sender = sender, .recipients = outside, .recipient_count = count, .eight_bit = eight_bit
    };
    struct content c = { .memory = message, .fd = -1, .size = message.n };
    enum status st = !outside     ? ST_TEMP
                     : count == 0 ? ST_OK
                                  : queue_prepare(q->settings->spool, id, &e, &c, &d->queued);
    d->has_queued = st == ST_OK && count;
    free(outside);
    return st == ST_PERM && errno == EEXIST ? ST_OK : st; /* it was queued before a crash */
}

static enum status prepare(struct qrun *q, const struct targets *t, const char *sender, struct span message,
                           bool eight_bit, const char *id, struct delivery *d)
{
    char trace[TRACE_LIMIT];
    int n = snprintf(trace, sizeof trace, "Return-Path: <%s>\r\n", sender);
    struct content c = { .trace = { trace, (size_t)n }, .memory = message, .fd = -1, .size = message.n };
    d->boxes = calloc(t->count, sizeof *d->boxes);
    if (!d->boxes)
        return ST_TEMP;
    for (size_t i = 0; i < t->count; i++) {
        if (!t->list[i].local)
            continue;
        if (prepare_box(q, &t->list[i].address, &c, &d->boxes[d->prepared]) != ST_OK)
            return ST_TEMP;
        d->prepared++;
    }
    return prepare_queued(q, t, sender, message, eight_bit, id, d);
}

/* What fails after the first one appeared repeats all of it: rather twice than never. */
static enum status publish(struct qrun *q, struct delivery *d)
{
    bool good = true;
    for (size_t i = 0; i < d->prepared; i++) {
        bool published = maildir_publish(&d->boxes[i]) == ST_OK;
        if (!published)
            maildir_abort(&d->boxes[i]);
        good = published && maildir_finish(&d->boxes[i]) == ST_OK && good;
    }
    if (d->has_queued) {
        char id[QUEUE_ID_LIMIT];
        snprintf(id, sizeof id, "%s", d->queued.id);
        bool published = queue_publish(&d->queued) == ST_OK;
        if (!published)
            queue_abort(&d->queued);
        good = published && queue_finish(&d->queued) == ST_OK && good;
        if (published)
            line_add(&q->forced, id, true);
    }
    return good ? ST_OK : ST_TEMP;
}

static void abandon(struct delivery *d)
{
    int saved = errno;
    for (size_t i = 0; i < d->prepared; i++)
        maildir_abort(&d->boxes[i]);
    if (d->has_queued)
        queue_abort(&d->queued);
    errno = saved;
}

enum status local_deliver(struct qrun *q, const struct address *to, const char *sender, struct span message,
                          bool eight_bit, const char *id, struct bytes *why)
{
    struct targets targets = { 0 };
    struct delivery d = { 0 };
    errno = 0;
    enum status st = directory_expand(q->directory, to, &targets);
    if (st == ST_NONE)
        st = fail(ST_PERM, why, "5.1.1 No such user here");
    else if (st == ST_PERM)
        st = fail(ST_PERM, why,
                  errno == ELOOP || errno == E2BIG
                      ? "5.4.6 The aliases of this address make a loop or too many addresses"
                      : "5.1.2 The address isn't ours");
    else if (st != ST_OK)
        st = fail(ST_TEMP, why, "4.3.0 The tables can't be read");
    else if (prepare(q, &targets, sender, message, eight_bit, id, &d) != ST_OK) {
        abandon(&d);
        st = fail(ST_TEMP, why, "4.3.0 The message can't be stored");
    } else if (publish(q, &d) != ST_OK)
        st = fail(ST_TEMP, why, "4.3.0 The message can't be stored");
    free(d.boxes);
    targets_free(&targets);
    return st;
}
