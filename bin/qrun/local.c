/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Delivery to our own users, for bounces and for what was queued before a domain became ours: all prepared,
 * then all published (the commit discipline of "one message in").
 *
 * A mailbox that can't be used holds up nobody else: of an alias' several, and of a report, it gets the
 * message through the queue, for itself alone.
 *
 * Of an alias' mailboxes one that is over its quota is left out, and its address told as a failure behind the
 * delivery to the others. The address of a mailbox that is full fails before anything is delivered: smtpd may
 * have queued it when its copies had been sent. A bounce is taken all the same, as its reader would else
 * never know.
 */
#include "qrun.h"

#include "store/junk.h"
#include "store/maildir.h"
#include "store/recipients.h"
#include "text/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRACE_LIMIT 1024
#define FULL_LIMIT 600 /* bytes of the addresses whose mailboxes are full */

struct box {
    struct maildir_delivery maildir;
    const struct target *target;
    bool failed; /* it couldn't be published, or isn't safe: goes to the queue */
};

struct delivery {
    struct box *boxes;
    size_t prepared;
    bool *aside;       /* by target: its mailbox can't be used, it gets the message through the queue */
    struct bytes full; /* addresses whose mailboxes are */
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

/* The folder for junk, where it is some; else, or where there can't be one, INBOX. */
static const char *choose_folder(struct qrun *q, const struct local_mail *m, const char *maildir,
                                 char room[FOLDER_NAME_LIMIT + 1])
{
    bool junk = m->options && m->options->junk;
    return junk && junk_folder(maildir, q->settings->hostname, room) == ST_OK ? room : NULL;
}

/* ST_PERM: over its quota; ST_NONE: it is there from before a crash. */
static enum status prepare_box(struct qrun *q, const struct target *t, struct content c,
                               const struct local_mail *m, struct maildir_delivery *d)
{
    const struct address *account = &t->address;
    struct bytes path, trace;
    struct quota quota;
    char room[FOLDER_NAME_LIMIT + 1];
    const char *folder = NULL;
    bytes_init(&path, 4096);
    bytes_init(&trace, TRACE_LIMIT);
    bytes_add_span(&trace, c.trace);
    trace_delivered_to(account, q->settings->recipient_delimiter[0], t->detail, &trace);
    c.trace = span_bytes(&trace);
    enum status st = directory_quota(q->directory, q->settings, account, &quota), fits = ST_OK;
    if (st == ST_OK && !settings_maildir(q->settings, address_local(account), address_domain(account), &path))
        st = ST_TEMP;
    if (st == ST_OK && m->sender[0])
        fits = quota_room_at(bytes_str(&path), &quota, c.size);
    if (st == ST_OK && fits == ST_OK)
        folder = choose_folder(q, m, bytes_str(&path), room);
    if (st == ST_OK && m->id && m->look) {
        fits = maildir_holds(bytes_str(&path), folder, m->id, q->settings->hostname);
        st = fits == ST_TEMP ? ST_TEMP : ST_OK;
        fits = fits == ST_OK ? ST_NONE : ST_OK;
    }
    if (st == ST_OK && fits == ST_OK)
        st = maildir_prepare(bytes_str(&path), folder, q->settings->hostname, &c, d);
    if (st == ST_OK && fits == ST_OK && m->id)
        maildir_name_after(d, m->id, q->settings->hostname);
    bytes_free(&trace);
    bytes_free(&path);
    return st == ST_OK ? fits : ST_TEMP;
}

/* Adds it to what the account holds. */
static void count_delivery(struct qrun *q, const struct box *box)
{
    struct bytes path;
    const struct address *account = &box->target->address;
    bytes_init(&path, 4096);
    if (settings_maildir(q->settings, address_local(account), address_domain(account), &path))
        quota_add_at(bytes_str(&path), (int64_t)box->maildir.size, 1);
    bytes_free(&path);
}

static void add_queued(struct qrun *q, struct recipients *to, const struct target *t,
                       const struct rcpt_options *options)
{
    struct target one = *t;
    one.options = options;
    recipients_add(to, q->settings, &one);
}

/* A queue file for these. What was said of the alias goes along to those it leads to, but for a release time,
 * which has passed. ST_NONE: it is there from before a crash. */
static enum status prepare_queue(struct qrun *q, const struct recipients *to, const struct local_mail *m,
                                 const char *id, struct queue_new *new)
{
    struct queue_envelope e = { .sender = m->sender, .eight_bit = m->eight_bit };
    struct content c = { .memory = m->message, .fd = -1, .size = m->message.n };
    if (m->options)
        e.options = *m->options;
    e.options.release = 0;
    return recipients_put(to, &e) ? enqueue_prepare(q, id, &e, &c, new) : ST_TEMP;
}

/* Those outside, and mailboxes that are set aside. */
static enum status prepare_queued(struct qrun *q, const struct address *to, const struct targets *t,
                                  const struct local_mail *m, struct delivery *d)
{
    struct recipients outside = { .count = 0 };
    struct rcpt_options each;
    enum status st = ST_OK;
    rcpt_options_behind_alias(m->recipient, span_of(to->text), t->count > 1, &each);
    for (size_t i = 0; i < t->count; i++)
        if (!t->list[i].local || d->aside[i])
            add_queued(q, &outside, &t->list[i], m->sender[0] ? &each : NULL);
    if (outside.count || outside.failed)
        st = prepare_queue(q, &outside, m, m->id, &d->queued);
    d->has_queued = st == ST_OK && outside.count;
    recipients_free(&outside);
    return st == ST_NONE ? ST_OK : st;
}

/* May a mailbox that can't be used be left to the queue, where it holds up nobody else? Not if the message
 * lies there for it alone. */
static bool may_wait(const struct targets *t, const struct local_mail *m, int why)
{
    return m->id || (t->count > 1 && maildir_is_owners_fault(why));
}

/* ST_PERM: the mailbox of the address itself is full. */
static enum status prepare(struct qrun *q, const struct address *to, const struct targets *t,
                           const struct local_mail *m, struct delivery *d)
{
    char trace[TRACE_LIMIT];
    struct address own;
    bool has_own = directory_account(q->directory, to, &own) == ST_OK;
    int n = snprintf(trace, sizeof trace, "Return-Path: <%s>\r\n", m->sender);
    struct content c = {
        .trace = { trace, (size_t)n }, .memory = m->message, .fd = -1, .size = m->message.n
    };
    d->boxes = calloc(t->count + 1, sizeof *d->boxes);
    d->aside = calloc(t->count + 1, sizeof *d->aside);
    if (!d->boxes || !d->aside)
        return ST_TEMP;
    for (size_t i = 0; i < t->count; i++) {
        struct box *box = &d->boxes[d->prepared];
        if (!t->list[i].local)
            continue;
        box->target = &t->list[i];
        enum status st = prepare_box(q, &t->list[i], c, m, &box->maildir);
        d->aside[i] = st == ST_TEMP && may_wait(t, m, errno);
        if (st == ST_TEMP && !d->aside[i])
            return ST_TEMP;
        if (st == ST_NONE || d->aside[i])
            continue;
        if (st == ST_OK && d->prepared++ >= MAILDIR_FILES_OPEN && maildir_sync_file(&box->maildir) != ST_OK)
            return ST_TEMP;
        if (st == ST_OK)
            continue;
        if (has_own && address_same(&box->target->address, &own))
            return ST_PERM;
        bytes_printf(&d->full, " <%s>", box->target->address.text);
    }
    return prepare_queued(q, to, t, m, d);
}

/* All get their names before the first is fsynced: its commit has them all. What isn't safe goes: the next
 * attempt would find it, and take it for what an earlier run left. How many failed. */
static size_t fill_boxes(struct qrun *q, struct delivery *d)
{
    size_t failed = 0;
    for (size_t i = 0; i < d->prepared; i++) {
        struct box *box = &d->boxes[i];
        box->failed = maildir_publish(&box->maildir) != ST_OK;
        if (box->failed)
            maildir_abort(&box->maildir);
        failed += box->failed;
    }
    for (size_t i = 0; i < d->prepared; i++) {
        struct box *box = &d->boxes[i];
        if (box->failed)
            continue;
        box->failed = maildir_sync(&box->maildir) != ST_OK;
        failed += box->failed;
        if (box->failed) {
            maildir_withdraw(&box->maildir);
        } else {
            maildir_close(&box->maildir);
            count_delivery(q, box);
        }
    }
    return failed;
}

/* Mailboxes that failed when others had the message already. */
static bool queue_failed(struct qrun *q, const struct address *to, const struct targets *t,
                         const struct local_mail *m, const struct delivery *d)
{
    struct recipients failed = { .count = 0 };
    struct rcpt_options each;
    struct queue_new new;
    char id[QUEUE_ID_LIMIT];
    rcpt_options_behind_alias(m->recipient, span_of(to->text), t->count > 1, &each);
    for (size_t i = 0; i < d->prepared; i++)
        if (d->boxes[i].failed)
            add_queued(q, &failed, d->boxes[i].target, m->sender[0] ? &each : NULL);
    if (m->id)
        queue_report_id(m->id, "failed", 0, id);
    enum status st = prepare_queue(q, &failed, m, m->id ? id : NULL, &new);
    recipients_free(&failed);
    return st == ST_NONE || (st == ST_OK && enqueue_commit(q, &new));
}

static void abandon(struct delivery *d)
{
    int saved = errno;
    for (size_t i = 0; i < d->prepared; i++)
        maildir_abort(&d->boxes[i].maildir);
    if (d->has_queued)
        queue_abort(&d->queued);
    errno = saved;
}

/* The queue first: where it fails nothing has appeared. What fails after the first one appeared, and can't be
 * queued either, repeats all of it: rather twice than never. */
static enum status publish(struct qrun *q, const struct address *to, const struct targets *t,
                           const struct local_mail *m, struct delivery *d)
{
    if (d->has_queued && !enqueue_commit(q, &d->queued)) {
        abandon(d);
        return ST_TEMP;
    }
    size_t failed = fill_boxes(q, d);
    bool waits = failed && (m->id || t->count > 1) && queue_failed(q, to, t, m, d);
    return !failed || waits ? ST_OK : ST_TEMP;
}

enum status local_deliver(struct qrun *q, const struct address *to, const struct local_mail *m, char *mark,
                          struct bytes *why)
{
    struct targets targets = { 0 };
    struct delivery d = { 0 };
    bytes_init(&d.full, FULL_LIMIT);
    errno = 0;
    enum status st =
        m->recipient && m->recipient->account ? directory_mailbox(q->directory, to, &targets) : ST_NONE;
    if (st == ST_NONE)
        st = directory_expand(q->directory, to, &targets);
    if (st == ST_NONE)
        st = fail(ST_PERM, why, "5.1.1 No such user here");
    else if (st == ST_PERM)
        st = fail(ST_PERM, why,
                  errno == ELOOP || errno == E2BIG
                      ? "5.4.6 The aliases of this address make a loop or too many addresses"
                      : "5.1.2 The address isn't ours");
    else if (st != ST_OK)
        st = fail(ST_TEMP, why, "4.3.0 The tables can't be read");
    else if ((st = prepare(q, to, &targets, m, &d)) != ST_OK) {
        abandon(&d);
        st = st == ST_PERM ? fail(ST_PERM, why, "5.2.2 The mailbox is full")
                           : fail(ST_TEMP, why, "4.3.0 The message can't be stored");
    } else if (publish(q, to, &targets, m, &d) != ST_OK)
        st = fail(ST_TEMP, why, "4.3.0 The message can't be stored");
    else if (d.full.len || d.full.failed) {
        st = fail(ST_PERM, why, "5.2.2 The mailbox is full:");
        bytes_add_span(why, span_bytes(&d.full));
    }
    *mark = targets.count > 1                             ? QUEUE_EXPANDED
            : targets.count == 1 && targets.list[0].local ? QUEUE_DELIVERED
                                                          : QUEUE_DONE;
    bytes_free(&d.full);
    free(d.boxes);
    free(d.aside);
    targets_free(&targets);
    return st;
}
