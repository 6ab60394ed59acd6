/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A report on its way (RFC 3464, RFC 5321 6.1): to the message's sender, from <>. A sender of ours gets it
 * into the Maildir at once, anybody else through the queue; under an ID, or a name, made from the message's,
 * so that one that a crash repeated is seen. In a Maildir it is looked for only where an earlier run may have
 * made it (new/ and cur/ of INBOX: a reader who has moved or removed it within that minute gets another).
 *
 * A message from <> never bounces: it is logged, and postmaster gets the report if that is somebody here; a
 * report to postmaster never travels, so no bounce of a bounce can ever begin to circle. Nor does a report
 * ask for reports: it has no NOTIFY, and so only its failure is told, to postmaster.
 */
#include "qrun.h"

#include "base/clock.h"
#include "base/log.h"
#include "text/header.h"
#include "text/report.h"
#include "text/utf8.h"
#include "trust/dkim_keyring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOUNCE_LIMIT (64u << 20)
#define QUEUE_ATTEMPTS 2 /* to bring one into the queue, where the disk says that it may not be there */
#define SIGNATURES_LIMIT 16384
#define HEADER_LIMIT 65536           /* bytes of the original's headers that go along */
#define BOUNCE_SIZE_MOST (32u << 20) /* of a message that goes along in whole, whatever the setting says */

/* What is written, and for whom. */
struct bounce {
    const struct job *job;
    enum report_action action;
    const size_t *indexes;
    size_t count;
    const struct address *to;
    bool for_postmaster;
    char id[QUEUE_ID_LIMIT];
    struct bytes text;
    bool eight_bit;
};

static struct span read_message(const struct job *j, size_t most, struct bytes *to)
{
    size_t want = j->m.size < most ? (size_t)j->m.size : most;
    bytes_init(to, most);
    if (!bytes_reserve(to, want))
        return SPAN("");
    ssize_t n = pread(j->m.fd, to->data, want, j->m.content);
    to->len = n > 0 ? (size_t)n : 0;
    return span_bytes(to);
}

/* RET is about failures; of what is late or has arrived the sender has the text (RFC 3461 4.3). A bounce says
 * to postmaster only in whole what it was about. What needs TLS doesn't go along (RFC 8689 5). */
static bool brings_message(const struct qrun *q, const struct bounce *b)
{
    const struct queue_message *m = &b->job->m;
    bool wanted = m->options.ret == RET_FULL || (b->for_postmaster && !m->sender[0]);
    return b->action == REPORT_FAILED && wanted && !m->options.require_tls && m->size &&
           m->size <= q->settings->bounce_size && m->size <= BOUNCE_SIZE_MOST;
}

static enum report_action action_of_mark(char mark)
{
    return mark == QUEUE_RELAYED     ? REPORT_RELAYED
           : mark == QUEUE_EXPANDED  ? REPORT_EXPANDED
           : mark == QUEUE_DELIVERED ? REPORT_DELIVERED
                                     : REPORT_UNSAID;
}

static struct report_recipient *list_recipients(const struct bounce *b)
{
    const struct job *j = b->job;
    struct report_recipient *list = calloc(b->count, sizeof *list);
    for (size_t i = 0; list && i < b->count; i++) {
        const struct queue_recipient *r = &j->m.recipients[b->indexes[i]];
        list[i] = (struct report_recipient){ .address = r->address.text,
                                             .reply = j->m.replies[b->indexes[i]],
                                             .host = j->hosts[b->indexes[i]],
                                             .expired = j->expired[b->indexes[i]],
                                             .options = r->options,
                                             .action = action_of_mark(r->mark) };
    }
    return list;
}

static bool write_bounce(struct qrun *q, struct bounce *b)
{
    const struct job *j = b->job;
    struct bytes message;
    struct report_recipient *list = list_recipients(b);
    bool whole = brings_message(q, b);
    struct span text = read_message(j, whole ? (size_t)j->m.size : HEADER_LIMIT, &message);
    struct report r = { .action = b->action,
                        .random = random_u64(),
                        .envid = j->m.options.envid,
                        .hostname = q->settings->hostname,
                        .id = j->m.id,
                        .bounce_id = b->id,
                        .to = b->to->text,
                        .for_postmaster = b->for_postmaster,
                        .utf8 = j->m.options.smtputf8,
                        .queued = j->m.queued,
                        .now = clock_now(),
                        .until = lifetime_ends(q, j),
                        .recipients = list,
                        .count = b->count,
                        .header = span_head(text, header_end(text)),
                        .message = whole ? text : SPAN("") };
    bytes_init(&b->text, BOUNCE_LIMIT);
    bool good = list && report_write(&r, &b->text, &b->eight_bit);
    free(list);
    bytes_free(&message);
    return good;
}

/* By our own name, if that has keys (postern dkim): a report that can't be signed now leaves as it is. */
static void sign_bounce(struct qrun *q, const struct bounce *b, struct bytes *fields)
{
    struct span text = span_bytes(&b->text);
    bytes_init(fields, SIGNATURES_LIMIT);
    if (dkim_keyring_sign(q->settings, q->settings->hostname, text, clock_now(), fields) != ST_OK)
        bytes_clear(fields);
}

/* ST_NONE: it is in the queue from before a crash. */
static enum status prepare_bounce(struct qrun *q, const struct bounce *b, struct queue_new *new)
{
    struct bytes fields;
    struct span text = span_bytes(&b->text);
    struct queue_envelope e = {
        .sender = "", .recipients = b->to, .recipient_count = 1, .eight_bit = b->eight_bit
    };
    e.options.require_tls = b->job->m.options.require_tls;
    e.options.smtputf8 = utf8_ascii_run(span_of(b->to->text)) < strlen(b->to->text);
    sign_bounce(q, b, &fields);
    struct content c = { .trace = span_bytes(&fields), .memory = text, .fd = -1, .size = text.n };
    enum status st = enqueue_prepare(q, b->id, &e, &c, new);
    bytes_free(&fields);
    return st;
}

static enum status queue_bounce(struct qrun *q, const struct bounce *b)
{
    struct queue_new new;
    for (int attempt = 0; attempt < QUEUE_ATTEMPTS; attempt++) {
        enum status st = prepare_bounce(q, b, &new);
        if (st == ST_NONE || (st == ST_OK && enqueue_commit(q, &new)))
            return ST_OK;
        if (st != ST_OK)
            return ST_TEMP;
    }
    return ST_TEMP;
}

static enum status deliver_bounce(struct qrun *q, const struct address *to, const struct bounce *b,
                                  const char *id, struct bytes *why)
{
    char mark;
    struct local_mail m = { .sender = "",
                            .message = span_bytes(&b->text),
                            .eight_bit = b->eight_bit,
                            .id = id,
                            .look = b->job->recovered || b->action == REPORT_DELAYED };
    return local_deliver(q, to, &m, &mark, why);
}

/* To those whom postmaster means here, each under an ID of its own; nobody is no error. */
static enum status tell_postmaster(struct qrun *q, struct bounce *b)
{
    struct address postmaster = { .text = "postmaster", .local_length = 10 };
    struct targets targets = { 0 };
    struct bytes why;
    enum status st = directory_expand(q->directory, &postmaster, &targets);
    if (st == ST_TEMP)
        return ST_TEMP;
    bytes_init(&why, 1024);
    b->to = &postmaster;
    b->for_postmaster = true;
    st = write_bounce(q, b) ? ST_OK : ST_TEMP;
    for (size_t i = 0; i < targets.count && st == ST_OK; i++) {
        char id[QUEUE_ID_LIMIT];
        queue_report_id(b->id, "postmaster", i, id);
        if (targets.list[i].local && deliver_bounce(q, &targets.list[i].address, b, id, &why) == ST_TEMP)
            st = ST_TEMP;
    }
    bytes_free(&b->text);
    bytes_free(&why);
    targets_free(&targets);
    return st;
}

static enum status tell_sender(struct qrun *q, struct bounce *b)
{
    struct bytes why;
    bytes_init(&why, 1024);
    enum status here = local_is(q, b->to), st = ST_TEMP;
    if (here != ST_TEMP && write_bounce(q, b))
        st = here == ST_OK ? deliver_bounce(q, b->to, b, b->id, &why) : queue_bounce(q, b);
    if (st == ST_TEMP)
        log_event(LOG_ERR, "bounce-deferred", "id", b->job->m.id, "to", b->to->text, "text",
                  why.len ? bytes_str(&why) : strerror(errno), NULL);
    bytes_free(&b->text);
    bytes_free(&why);
    return st;
}

/* By enum report_action: the event in the log, and what parts the IDs of its reports from a bounce's. */
static const struct {
    const char *event, *kind;
} reports[] = {
    [REPORT_UNSAID] = { "", "" },
    [REPORT_FAILED] = { "bounced", "" },
    [REPORT_DELAYED] = { "told-delay", "delay" },
    [REPORT_DELIVERED] = { "told-success", "success" },
    [REPORT_RELAYED] = { "told-success", "success" },
    [REPORT_EXPANDED] = { "told-success", "success" },
};

enum status bounce_send(struct qrun *q, const struct job *j, enum report_action action, const size_t *indexes,
                        size_t count)
{
    struct address to;
    struct bounce b = { .job = j, .action = action, .indexes = indexes, .count = count, .to = &to };
    queue_report_id(j->m.id, reports[action].kind, indexes[0], b.id);
    bool has_sender = j->m.sender[0] && address_parse(span_of(j->m.sender), &to) == ADDRESS_OK;
    if (has_sender) {
        enum status st = tell_sender(q, &b);
        if (st == ST_OK)
            log_event(LOG_NOTICE, reports[action].event, "id", j->m.id, "bounce", b.id, "to", to.text, NULL);
        if (st != ST_PERM)
            return st;
    }
    if (action != REPORT_FAILED)
        return ST_OK;
    log_event(LOG_WARNING, "undeliverable", "id", j->m.id, "from", j->m.sender[0] ? j->m.sender : "<>",
              "text", "nobody can be told but postmaster", NULL);
    return tell_postmaster(q, &b);
}
