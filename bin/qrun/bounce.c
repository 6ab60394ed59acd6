/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who is told that a message failed (RFC 3464, RFC 5321 6.1): its sender, from <>. A sender of ours gets the
 * bounce into the Maildir at once, anybody else through the queue under an ID made from the message's, so
 * that a bounce that a crash repeated is seen. A message from <> never bounces: it is logged, and postmaster
 * gets the report if that is somebody here; a report to postmaster never travels, so no bounce of a bounce
 * can ever begin to circle.
 */
#include "qrun.h"

#include "base/clock.h"
#include "base/log.h"
#include "text/header.h"
#include "text/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOUNCE_LIMIT (64u << 20)
#define HEADER_LIMIT 65536 /* bytes of the original's headers that go along */

static struct span read_header(const struct job *j, struct bytes *to)
{
    size_t want = j->m.size < HEADER_LIMIT ? (size_t)j->m.size : HEADER_LIMIT;
    if (!bytes_reserve(to, want))
        return SPAN("");
    ssize_t n = pread(j->m.fd, to->data, want, j->m.content);
    to->len = n > 0 ? (size_t)n : 0;
    struct span text = span_bytes(to);
    return span_head(text, header_end(text));
}

static bool write_bounce(struct qrun *q, const struct job *j, const size_t *indexes, size_t count,
                         const char *to, bool for_postmaster, const char *bounce_id, struct bytes *out,
                         bool *eight_bit)
{
    struct bytes header;
    struct report_recipient *list = calloc(count, sizeof *list);
    bytes_init(&header, HEADER_LIMIT);
    bool good = false;
    if (list) {
        for (size_t i = 0; i < count; i++)
            list[i] =
                (struct report_recipient){ j->m.recipients[indexes[i]].address.text, j->m.replies[indexes[i]],
                                           j->hosts[indexes[i]], j->expired[indexes[i]],
                                           j->m.recipients[indexes[i]].options };
        struct report r = { .action = REPORT_FAILED,
                            .random = random_u64(),
                            .envid = j->m.options.envid,
                            .utf8 = j->m.options.smtputf8,
                            .hostname = q->settings->hostname,
                            .id = j->m.id,
                            .bounce_id = bounce_id,
                            .to = to,
                            .for_postmaster = for_postmaster,
                            .queued = j->m.queued,
                            .now = clock_now(),
                            .recipients = list,
                            .count = count,
                            .header = read_header(j, &header) };
        good = report_write(&r, out, eight_bit);
    }
    free(list);
    bytes_free(&header);
    return good;
}

static enum status queue_bounce(struct qrun *q, const struct address *to, const char *bounce_id,
                                struct span text, bool eight_bit)
{
    struct queue_new new;
    struct queue_envelope e = {
        .sender = "", .recipients = to, .recipient_count = 1, .eight_bit = eight_bit
    };
    struct content c = { .memory = text, .fd = -1, .size = text.n };
    enum status st = queue_prepare(q->settings->spool, bounce_id, &e, &c, &new);
    if (st == ST_PERM && errno == EEXIST) /* from before a crash */
        return ST_OK;
    if (st != ST_OK)
        return ST_TEMP;
    if (queue_publish(&new) != ST_OK) {
        queue_abort(&new);
        return ST_TEMP;
    }
    st = queue_finish(&new);
    line_add(&q->forced, bounce_id, true);
    return st;
}

/* To those whom postmaster means here; nobody is no error. */
static enum status tell_postmaster(struct qrun *q, const struct job *j, const size_t *indexes, size_t count,
                                   const char *bounce_id)
{
    struct address postmaster = { .text = "postmaster", .local_length = 10 };
    struct targets targets = { 0 };
    struct bytes text, why;
    bool eight_bit;
    enum status st = directory_expand(q->directory, &postmaster, &targets);
    if (st == ST_TEMP)
        return ST_TEMP;
    bytes_init(&text, BOUNCE_LIMIT);
    bytes_init(&why, 1024);
    st = write_bounce(q, j, indexes, count, "postmaster", true, bounce_id, &text, &eight_bit) ? ST_OK
                                                                                              : ST_TEMP;
    for (size_t i = 0; i < targets.count && st == ST_OK; i++)
        if (targets.list[i].local && local_deliver(q, &targets.list[i].address, "", span_bytes(&text),
                                                   eight_bit, NULL, &why) == ST_TEMP)
            st = ST_TEMP;
    bytes_free(&text);
    bytes_free(&why);
    targets_free(&targets);
    return st;
}

static enum status tell_sender(struct qrun *q, const struct job *j, const size_t *indexes, size_t count,
                               const struct address *to, const char *bounce_id)
{
    struct bytes text, why;
    bool eight_bit;
    bytes_init(&text, BOUNCE_LIMIT);
    bytes_init(&why, 1024);
    enum status here = local_is(q, to), st = ST_TEMP;
    if (here != ST_TEMP && write_bounce(q, j, indexes, count, to->text, false, bounce_id, &text, &eight_bit))
        st = here == ST_OK ? local_deliver(q, to, "", span_bytes(&text), eight_bit, bounce_id, &why)
                           : queue_bounce(q, to, bounce_id, span_bytes(&text), eight_bit);
    if (st == ST_TEMP)
        log_event(LOG_ERR, "bounce-deferred", "id", j->m.id, "to", to->text, "text",
                  why.len ? bytes_str(&why) : strerror(errno), NULL);
    bytes_free(&text);
    bytes_free(&why);
    return st;
}

enum status bounce_send(struct qrun *q, const struct job *j, const size_t *indexes, size_t count)
{
    struct address to;
    char bounce_id[QUEUE_ID_LIMIT];
    queue_bounce_id(j->m.id, indexes[0], bounce_id);
    bool has_sender = j->m.sender[0] && address_parse(span_of(j->m.sender), &to) == ADDRESS_OK;
    if (has_sender) {
        enum status st = tell_sender(q, j, indexes, count, &to, bounce_id);
        if (st != ST_PERM) {
            if (st == ST_OK)
                log_event(LOG_NOTICE, "bounced", "id", j->m.id, "bounce", bounce_id, "to", to.text, NULL);
            return st;
        }
    }
    log_event(LOG_WARNING, "undeliverable", "id", j->m.id, "from", j->m.sender[0] ? j->m.sender : "<>",
              "text", "nobody can be told but postmaster", NULL);
    return tell_postmaster(q, j, indexes, count, bounce_id);
}
