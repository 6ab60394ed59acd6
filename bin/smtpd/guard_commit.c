/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The commit point of a message that comes in:
 *
 *     1. prepare   a file in tmp/ of each local Maildir, and one queue file for all others, written out
 *     2. publish   each gets its name: the queue first, as only it can take what fails later
 *     3. finish    those files, where they aren't yet, and the directories are fsynced; only then 250
 *     4. end       what no client waits for: the wake-up of the queue, quotas, closing, the line in the log
 *
 * A Maildir that its owner made unusable is reached through the queue, so that it is nobody else's trouble;
 * one that is over its quota as well, and there the queue runner bounces it, unless it is the only one: then
 * 552. What else fails in 1 undoes everything: 452 or 451, and nothing is left. The same goes for the first
 * name in 2. Once one name stands, the answer is 250: who can't be served then gets the message through the
 * queue. Should that fail too (a disk that breaks at this moment), the answer is 451, and the sender's next
 * try may bring some recipients a second copy: a message may be doubled, never lost.
 *
 * A message that is to be released later (RFC 4865) goes to the queue for everybody.
 *
 * Reports of success that were asked for are queued before the answer: they are mail, and so as safe as that
 * says the message is.
 */
#include "guard_private.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/idna.h"
#include "store/junk.h"
#include "store/maildir.h"
#include "store/recipients.h"
#include "text/trace.h"
#include "text/xtext.h"
#include "trust/auth_results_checks.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRACE_LIMIT (4096 + SMTPD_FIELDS_LIMIT)
#define MARKS_FIELD "X-Postern-Marked" /* what a setting of policy said mark to */

struct delivery {
    struct maildir_delivery maildir;
    const struct target *target;
    bool failed; /* goes to the queue */
};

struct commit {
    const struct smtp_guard *g;
    const struct settings *settings;
    const char *id;
    struct bytes trace_local; /* Return-Path, Received, what the session adds; without the first its end */
    size_t return_path;       /* bytes of Return-Path in it */
    struct delivery *deliveries;
    size_t delivery_count;
    bool *aside; /* by target: its Maildir can't be used or is full; it gets the message through the queue */
    bool full;   /* the only target is over its quota */
    size_t published; /* names that stand, the queue's included */
    struct queue_new queue;
    bool queued;
    bool finished; /* 3 is behind it, well or not: 4 has something to do */
    enum verdict verdict;
    uint64_t size; /* of the message, as it came */
};

static enum verdict verdict_of_errno(int err)
{
    return err == ENOSPC || err == EDQUOT ? VERDICT_DISK_FULL : VERDICT_FAILED;
}

/* Who is named in Received: the only recipient, if ASCII can name it. One that can't would make the field,
 * and so the message, need SMTPUTF8 on its way to an address for which it is forwarded. */
static const struct address *traced_recipient(const struct envelope *e, struct address *room)
{
    *room = e->recipient;
    return e->recipients == 1 && idna_address(room) && address_is_ascii(room) ? room : NULL;
}

/* A field of its own: the session, which writes the other results, doesn't know of it. */
static bool write_iprev(const struct smtp_guard *g, struct bytes *out)
{
    struct auth_results w;
    enum trust_result result;
    const char *name;
    if (!policy_iprev(g, &result, &name))
        return true;
    auth_results_start(&w, out, g->settings->hostname, 0);
    auth_results_iprev(&w, result, g->serving->peer.text, name);
    return auth_results_end(&w);
}

static bool write_trace(struct commit *k, struct span tls)
{
    const struct smtp_guard *g = k->g;
    const struct peer *peer = &g->serving->peer;
    struct address recipient;
    const struct trace t = {
        .helo = span_of(g->envelope.helo),
        .address = peer->known ? peer->text : NULL,
        .reverse = policy_reverse_name(g),
        .by_user = guard_by_user(g),
        .uid = peer->uid,
        .hostname = k->settings->hostname,
        .extended = g->envelope.extended,
        .lmtp = guard_is_lmtp(g),
        .utf8 = g->envelope.options.smtputf8,
        .tls = g->key.given != 0,
        .login = g->login.done,
        .tls_description = tls,
        .id = k->id,
        .session = log_session_id(),
        .recipient = traced_recipient(&g->envelope, &recipient),
        .time = clock_now(),
    };
    bytes_init(&k->trace_local, TRACE_LIMIT);
    trace_return_path(&g->envelope.sender, &k->trace_local);
    k->return_path = k->trace_local.len;
    bool good = trace_received(&t, &k->trace_local);
    if (policy_marks(g)[0])
        good = bytes_printf(&k->trace_local, MARKS_FIELD ": %s\r\n", policy_marks(g));
    good = bytes_add_span(&k->trace_local, g->envelope.added) && good;
    return write_iprev(g, &k->trace_local) && good;
}

/* --- prepare */

/* What the sender called the recipient (RFC 8098 2.3). */
static void write_original_recipient(const struct commit *k, const struct rcpt_options *o,
                                     struct bytes *trace)
{
    struct bytes shown;
    bytes_init(&shown, 2 * ENVELOPE_ORCPT_LIMIT);
    if (o && o->orcpt[0] && orcpt_show(span_of(o->orcpt), k->g->envelope.options.smtputf8, &shown))
        bytes_printf(trace, "Original-Recipient: %s\r\n", bytes_str(&shown));
    bytes_free(&shown);
}

/* Between Return-Path and Received: for which of the account's addresses it came. */
static bool write_delivered_to(const struct commit *k, const struct delivery *d, struct bytes *trace)
{
    struct span all = span_bytes(&k->trace_local);
    bytes_add_span(trace, span_head(all, k->return_path));
    trace_delivered_to(&d->target->address, k->settings->recipient_delimiter[0], d->target->detail, trace);
    write_original_recipient(k, d->target->options, trace);
    return bytes_add_span(trace, span_from(all, k->return_path));
}

/* The folder for junk, where it is some; else, or where there can't be one, INBOX. */
static const char *choose_folder(const struct commit *k, const struct delivery *d, const char *maildir,
                                 char room[FOLDER_NAME_LIMIT + 1])
{
    if (!k->g->envelope.options.junk)
        return NULL;
    if (junk_folder(maildir, k->settings->hostname, room) == ST_OK)
        return room;
    log_event(LOG_WARNING, "no-junk-folder", "id", k->id, "to", d->target->address.text, "why",
              strerror(errno), NULL);
    return NULL;
}

static enum status prepare_local(const struct commit *k, struct delivery *d, struct content c)
{
    struct bytes path, trace;
    char room[FOLDER_NAME_LIMIT + 1];
    bytes_init(&path, PATH_MAX);
    bytes_init(&trace, 2 * TRACE_LIMIT);
    enum status st = ST_TEMP;
    errno = ENOMEM;
    bool written = write_delivered_to(k, d, &trace);
    c.trace = span_bytes(&trace);
    if (written && settings_maildir(k->settings, address_local(&d->target->address),
                                    address_domain(&d->target->address), &path))
        st = maildir_prepare(bytes_str(&path), choose_folder(k, d, bytes_str(&path), room),
                             k->settings->hostname, &c, &d->maildir);
    if (st == ST_OK && k->delivery_count >= MAILDIR_FILES_OPEN &&
        (st = maildir_sync_file(&d->maildir)) != ST_OK)
        maildir_abort(&d->maildir);
    int why = errno;
    if (st != ST_OK)
        log_event(LOG_ERR, "not-delivered", "id", k->id, "to", d->target->address.text, "maildir",
                  bytes_str(&path), "why", strerror(why), NULL);
    bytes_free(&trace);
    bytes_free(&path);
    errno = why;
    return st;
}

static enum status prepare_locals(struct commit *k, const struct content *c)
{
    const struct targets *t = &k->g->envelope.targets;
    k->deliveries = calloc(t->count + 1, sizeof *k->deliveries);
    k->aside = calloc(t->count + 1, sizeof *k->aside);
    if (!k->deliveries || !k->aside)
        return ST_TEMP;
    bool held = k->g->envelope.options.release > clock_now();
    size_t own = t->count - k->g->envelope.copied;
    for (size_t i = 0; i < t->count; i++) {
        struct delivery *d = &k->deliveries[k->delivery_count];
        k->aside[i] = held;
        if (!t->list[i].local || held)
            continue;
        d->target = &t->list[i];
        bool only = own == 1 && i < own;
        bool full = !guard_has_room(k->g, &d->target->address, c->size);
        if (full && only) {
            k->full = true;
            return ST_PERM;
        }
        if (full)
            k->aside[i] = true;
        else if (prepare_local(k, d, *c) == ST_OK)
            k->delivery_count++;
        else if (!only && maildir_is_owners_fault(errno))
            k->aside[i] = true;
        else
            return ST_TEMP;
    }
    return ST_OK;
}

static enum status prepare_queue(const struct commit *k, const char *id, const struct recipients *recipients,
                                 struct content c, struct queue_new *q)
{
    struct queue_envelope e = {
        .sender = k->g->envelope.sender.text,
        .eight_bit = k->g->envelope.eight_bit,
        .options = k->g->envelope.options,
    };
    c.trace = span_from(span_bytes(&k->trace_local), k->return_path);
    enum status st =
        recipients_put(recipients, &e) ? queue_prepare(k->settings->spool, id, &e, &c, q) : ST_TEMP;
    int why = errno;
    if (st != ST_OK)
        log_event(LOG_ERR, "not-queued", "id", k->id, "why", strerror(why), NULL);
    errno = why;
    return st;
}

static enum status prepare_outside(struct commit *k, const struct content *c)
{
    const struct targets *t = &k->g->envelope.targets;
    struct recipients outside = { .count = 0 };
    if (t->count == k->delivery_count)
        return ST_OK;
    for (size_t i = 0; i < t->count; i++)
        if (!t->list[i].local || k->aside[i])
            recipients_add(&outside, k->settings, &t->list[i]);
    enum status st = prepare_queue(k, k->id, &outside, *c, &k->queue);
    int why = errno;
    k->queued = st == ST_OK;
    recipients_free(&outside);
    errno = why;
    return st;
}

static enum status prepare(struct commit *k, const struct content *c)
{
    if (prepare_locals(k, c) != ST_OK)
        return ST_TEMP;
    return prepare_outside(k, c);
}

static void undo(struct commit *k)
{
    int why = errno;
    for (size_t i = 0; i < k->delivery_count; i++)
        maildir_abort(&k->deliveries[i].maildir);
    if (k->queued)
        queue_abort(&k->queue);
    errno = why;
}

/* --- publish and finish */

/* False, with everything undone, if not even the first name could be given. */
static bool publish(struct commit *k)
{
    if (k->queued) {
        if (queue_publish(&k->queue) != ST_OK) {
            undo(k);
            return false;
        }
        k->published++;
    }
    for (size_t i = 0; i < k->delivery_count; i++) {
        struct delivery *d = &k->deliveries[i];
        d->failed = maildir_publish(&d->maildir) != ST_OK;
        if (!d->failed) {
            k->published++;
        } else if (k->published == 0) {
            undo(k);
            return false;
        } else {
            int why = errno;
            maildir_abort(&d->maildir);
            log_event(LOG_ERR, "not-delivered", "id", k->id, "to", d->target->address.text, "why",
                      strerror(why), NULL);
        }
    }
    return true;
}

/* How many deliveries are to go through the queue. */
static size_t finish(struct commit *k)
{
    size_t failed = 0;
    for (size_t i = 0; i < k->delivery_count; i++) {
        struct delivery *d = &k->deliveries[i];
        if (!d->failed && maildir_sync(&d->maildir) != ST_OK) {
            d->failed = true;
            log_event(LOG_ERR, "not-synced", "id", k->id, "to", d->target->address.text, "why",
                      strerror(errno), NULL);
        }
        failed += d->failed;
    }
    return failed;
}

/* Those whose delivery failed when others' had begun. */
static enum status queue_failed(struct commit *k, const struct content *c)
{
    struct queue_new q;
    char id[QUEUE_ID_LIMIT];
    struct recipients failed = { .count = 0 };
    for (size_t i = 0; i < k->delivery_count; i++)
        if (k->deliveries[i].failed)
            recipients_add(&failed, k->settings, k->deliveries[i].target);
    queue_new_id(id);
    enum status st = prepare_queue(k, id, &failed, *c, &q);
    recipients_free(&failed);
    return st == ST_OK ? queue_commit(&q, k->settings->spool) : st;
}

static enum verdict finish_all(struct commit *k, const struct content *c)
{
    serving_waits(k->g->serving);
    bool bad = k->queued && queue_finish(&k->queue) != ST_OK;
    size_t failed = finish(k);
    k->finished = true;
    if (failed && queue_failed(k, c) != ST_OK)
        bad = true;
    return bad ? VERDICT_FAILED : VERDICT_OK;
}

/* Reports of success, for the mailboxes that have the message. */
static void report_delivered(const struct commit *k, const struct content *c)
{
    size_t count = 0;
    const struct target **done = k->delivery_count ? calloc(k->delivery_count, sizeof *done) : NULL;
    for (size_t i = 0; done && i < k->delivery_count; i++)
        if (!k->deliveries[i].failed)
            done[count++] = k->deliveries[i].target;
    guard_notice_delivered(k->g, k->id, done, count, c);
    free(done);
}

/* --- all of it */

static void log_accepted(const struct commit *k)
{
    const struct envelope *e = &k->g->envelope;
    struct bytes to;
    char size[24];
    guard_show_targets(e, &to);
    snprintf(size, sizeof size, "%llu", (unsigned long long)k->size);
    log_event(LOG_INFO, "accepted", "id", k->id, "peer", k->g->serving->peer.text, "login",
              k->g->login.done ? k->g->login.account.text : NULL, "from", e->sender.text, "size", size, "to",
              bytes_str(&to), "folder", e->options.junk ? "junk" : NULL, "message-id",
              e->message_id[0] ? e->message_id : NULL, NULL);
    bytes_free(&to);
}

static enum verdict commit(struct commit *k, const struct content *c)
{
    errno = 0;
    if (prepare(k, c) != ST_OK) {
        enum verdict v = k->full ? VERDICT_FULL : verdict_of_errno(errno);
        undo(k);
        return v;
    }
    if (!publish(k))
        return verdict_of_errno(errno);
    return finish_all(k, c);
}

enum verdict guard_commit(const struct smtp_guard *g, struct span tls, struct content *content,
                          char id[QUEUE_ID_LIMIT], struct commit **left)
{
    struct commit *k = *left = calloc(1, sizeof *k);
    if (!k)
        return VERDICT_FAILED;
    *k = (struct commit){ .g = g, .settings = g->settings, .id = id, .size = content->size };
    if (!span_copy(span_of(g->envelope.id), id, QUEUE_ID_LIMIT) || !id[0])
        queue_new_id(id);
    k->verdict = write_trace(k, tls) ? commit(k, content) : VERDICT_FAILED;
    if (k->verdict == VERDICT_OK && g->envelope.asked)
        report_delivered(k, content);
    return k->verdict;
}

/* Once 3 is behind it. */
static void settle(struct commit *k)
{
    if (k->queued) {
        queue_abort(&k->queue); /* closes what is open */
        queue_wake(k->settings->spool, k->id);
    }
    for (size_t i = 0; i < k->delivery_count; i++) {
        struct delivery *d = &k->deliveries[i];
        if (!d->failed)
            guard_count(k->g, &d->target->address, d->maildir.size);
        maildir_close(&d->maildir);
    }
    if (k->verdict == VERDICT_OK)
        log_accepted(k); /* the last: who finds it finds all of this done */
}

void guard_commit_end(struct commit *k)
{
    if (!k)
        return;
    if (k->finished)
        settle(k);
    free(k->deliveries);
    free(k->aside);
    bytes_free(&k->trace_local);
    free(k);
}
