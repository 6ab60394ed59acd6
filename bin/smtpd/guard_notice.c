/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What RCPT asked to be told (RFC 3461): its NOTIFY and ORCPT stay with the targets that the recipient leads
 * to, into the queue, and a sender who wants to know of success hears from here what this server did itself:
 *
 *     delivered   the message is in a mailbox (5.2.2)
 *     expanded    the recipient is an alias of several; what was asked goes along to them, but for SUCCESS,
 *                 which is answered by this (5.2.7.2 and 6.2.7.2)
 *
 * Several recipients may lead to one address, which gets the message once. Then what any of them wants to
 * hear goes along, and one ORCPT (rcpt_options_both()): of a failure the sender hears once, and never not at
 * all. A recipient who wants to hear of success, and under whose ORCPT nobody will tell it, is answered as if
 * he were expanded; in a mailbox here each is told as delivered.
 *
 * A report is a message of its own in the queue, from <>, and never to <>. It is written when the message is
 * safe already: a report that can't be written is logged, and no reason to have the message sent again.
 */
#include "guard_private.h"
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

#define HEADER_LIMIT 65536 /* bytes of the message's header section that a report has */
#define REPORT_LIMIT (16u << 20)

/* A RCPT that said something, or that an alias leads outside. */
struct asked {
    struct address address;
    struct rcpt_options said, onward;
    bool expanded; /* to none or several */
    size_t place;  /* else of its only target */
    bool told;     /* that it was delivered */
    struct asked *next;
};

/* What is asked of targets to which several recipients lead, where it isn't what the first of them said. */
struct merged {
    struct rcpt_options options;
    struct merged *next;
};

static bool leads_outside(const struct targets *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->list[i].forwarded)
            return true;
    return false;
}

static bool same_options(const struct rcpt_options *a, const struct rcpt_options *b)
{
    return a->notify == b->notify && strcmp(a->orcpt, b->orcpt) == 0;
}

/* *all is what is asked of a target of which both are asked; they may be NULL, and *all also. False: no
 * memory. */
static bool merge(struct envelope *e, const struct rcpt_options *have, const struct rcpt_options *more,
                  const struct rcpt_options **all)
{
    struct rcpt_options both;
    rcpt_options_both(have, more, &both);
    *all = have;
    if (have ? same_options(&both, have) : !both.notify && !both.orcpt[0])
        return true;
    struct merged *m = e->merged;
    while (m && !same_options(&both, &m->options))
        m = m->next;
    if (!m && (m = malloc(sizeof *m))) {
        *m = (struct merged){ .options = both, .next = e->merged };
        e->merged = m;
    }
    *all = m ? &m->options : NULL;
    return m != NULL;
}

/* What is asked of each of *found by now. False: no memory. */
static bool merge_all(struct envelope *e, const struct rcpt_options *onward, bool said, struct targets *found,
                      const size_t *places)
{
    for (size_t i = 0; i < found->count; i++) {
        struct target *t = &found->list[i];
        const struct rcpt_options *own = said || t->forwarded ? onward : NULL;
        t->options = own;
        if (places[i] < e->targets.count && !merge(e, e->targets.list[places[i]].options, own, &t->options))
            return false;
    }
    return true;
}

/* Will anything else be said of those that are there already? */
static bool changes_any(const struct targets *t, const struct targets *found, const size_t *places)
{
    for (size_t i = 0; i < found->count; i++) {
        const struct target *was = places[i] < t->count ? &t->list[places[i]] : NULL, *is = &found->list[i];
        if (was && (was->options != is->options || (was->forwarded && !is->forwarded)))
            return true;
    }
    return false;
}

/* Who is told that mail couldn't go where an alias leads has to hear of the address that he knows: that is
 * kept as ORCPT also where he didn't say one (RFC 3461 5.2.1 (e)). */
bool guard_notice_keep(struct envelope *e, const struct address *a, const struct rcpt_options *o,
                       struct targets *found, const size_t *places, bool *changes)
{
    bool said = o->notify || o->orcpt[0], keeps = said || leads_outside(found);
    struct asked *asked = keeps ? calloc(1, sizeof *asked) : NULL;
    if (asked) {
        *asked = (struct asked){ .address = *a, .said = *o, .onward = *o, .next = e->asked };
        asked->expanded = found->count != 1;
        asked->place = places[0];
        if (asked->expanded || !address_same(&found->list[0].address, a))
            rcpt_options_behind_alias(o, span_of(a->text), asked->expanded, &asked->onward);
    }
    if ((keeps && !asked) || !merge_all(e, asked ? &asked->onward : NULL, said, found, places)) {
        free(asked);
        return false;
    }
    if (asked)
        e->asked = asked;
    *changes = changes_any(&e->targets, found, places);
    return true;
}

bool guard_notice_join(struct envelope *e, struct target *t, const struct rcpt_options *later)
{
    struct rcpt_options but_success = later ? *later : (struct rcpt_options){ .notify = 0 };
    rcpt_options_but_success(&but_success);
    return merge(e, t->options, &but_success, &t->options);
}

void guard_notice_forget(struct envelope *e)
{
    while (e->asked) {
        struct asked *next = e->asked->next;
        free(e->asked);
        e->asked = next;
    }
    while (e->merged) {
        struct merged *next = e->merged->next;
        free(e->merged);
        e->merged = next;
    }
}

/* --- the report */

struct notice {
    const struct smtp_guard *g;
    struct report report;
    struct report_recipient *list; /* `room` of them */
};

static bool notice_begin(struct notice *n, const struct smtp_guard *g, const char *id,
                         enum report_action action, size_t room)
{
    *n = (struct notice){ .g = g, .list = calloc(room + 1, sizeof *n->list) };
    n->report = (struct report){ .action = action,
                                 .random = random_u64(),
                                 .envid = g->envelope.options.envid,
                                 .hostname = g->settings->hostname,
                                 .id = id,
                                 .to = g->envelope.sender.text,
                                 .utf8 = g->envelope.options.smtputf8,
                                 .queued = clock_now(),
                                 .now = clock_now(),
                                 .recipients = n->list };
    return n->list != NULL;
}

static void notice_add(struct notice *n, const struct address *a, const struct rcpt_options *o,
                       const char *words)
{
    n->list[n->report.count++] =
        (struct report_recipient){ .address = a->text, .options = o, .reply = words };
}

/* The header section of the message, which is in `room` or where it was. */
static struct span read_header(const struct content *c, struct bytes *room)
{
    struct span text = span_head(c->memory, HEADER_LIMIT);
    if (c->fd >= 0 && bytes_reserve(room, HEADER_LIMIT)) {
        ssize_t n = pread(c->fd, room->data, HEADER_LIMIT, 0);
        text = (struct span){ room->data, n > 0 ? (size_t)n : 0 };
    }
    return span_head(text, header_end(text));
}

static enum status queue_report(const struct smtp_guard *g, const char *id, struct span text, bool eight_bit)
{
    struct queue_new q;
    const struct mail_options *o = &g->envelope.options;
    bool international = o->smtputf8 && (eight_bit || !address_is_ascii(&g->envelope.sender));
    const struct queue_envelope e = { .sender = "",
                                      .recipients = &g->envelope.sender,
                                      .recipient_count = 1,
                                      .eight_bit = eight_bit,
                                      .options = { .smtputf8 = international,
                                                   .require_tls = o->require_tls } };
    struct bytes fields;
    bytes_init(&fields, SMTPD_FIELDS_LIMIT);
    if (dkim_keyring_sign(g->settings, g->settings->hostname, text, clock_now(), &fields) != ST_OK)
        bytes_clear(&fields); /* it has no keys, or there is trouble: it leaves as it is */
    const struct content c = { .trace = span_bytes(&fields), .memory = text, .fd = -1, .size = text.n };
    enum status st = queue_prepare(g->settings->spool, id, &e, &c, &q);
    bytes_free(&fields);
    return st == ST_OK ? queue_commit(&q, g->settings->spool) : st;
}

/* Writes it, if there is anything to tell, and somebody to be told. */
static void notice_send(struct notice *n, const struct content *c)
{
    struct bytes text, header;
    char id[QUEUE_ID_LIMIT];
    bool eight_bit;
    queue_new_id(id);
    n->report.bounce_id = id;
    bytes_init(&text, REPORT_LIMIT);
    bytes_init(&header, HEADER_LIMIT);
    n->report.header = read_header(c, &header);
    errno = ENOMEM;
    if (!report_write(&n->report, &text, &eight_bit) ||
        queue_report(n->g, id, span_bytes(&text), eight_bit) != ST_OK)
        log_event(LOG_ERR, "no-report", "id", n->report.id, "to", n->report.to, "why", strerror(errno), NULL);
    bytes_free(&header);
    bytes_free(&text);
}

static void notice_end(struct notice *n, const struct content *c)
{
    if (n->report.count)
        notice_send(n, c);
    free(n->list);
}

static bool wants_success(const struct rcpt_options *o)
{
    return o->notify & NOTIFY_SUCCESS;
}

/* Its only target; NULL where there are several, or where it isn't this delivery's (LMTP). */
static const struct target *only_target(const struct envelope *e, const struct asked *a)
{
    return !a->expanded && a->place < e->targets.count ? &e->targets.list[a->place] : NULL;
}

static bool is_among(const struct target *t, const struct target *const *targets, size_t count)
{
    for (size_t i = 0; t && i < count; i++)
        if (targets[i] == t)
            return true;
    return false;
}

void guard_notice_delivered(const struct smtp_guard *g, const char *id, const struct target *const *targets,
                            size_t count, const struct content *c)
{
    const struct envelope *e = &g->envelope;
    struct notice n;
    size_t wanted = 0;
    for (struct asked *a = e->asked; a; a = a->next) {
        a->told = wants_success(&a->onward) && is_among(only_target(e, a), targets, count);
        wanted += a->told;
    }
    if (!wanted || address_is_null(&e->sender) || !notice_begin(&n, g, id, REPORT_DELIVERED, wanted))
        return;
    for (const struct asked *a = e->asked; a; a = a->next)
        if (a->told)
            notice_add(&n, &only_target(e, a)->address, &a->onward, "2.1.5 Delivered to the mailbox");
    notice_end(&n, c);
}

/* Does nobody tell this recipient's success but us? Of who has no ORCPT it is told by his own address. */
static bool ends_here(const struct envelope *e, const struct asked *a)
{
    if (a->told || !wants_success(&a->said))
        return false;
    const struct target *t = only_target(e, a);
    return a->expanded || !t ||
           (a->onward.orcpt[0] && (!t->options || strcmp(t->options->orcpt, a->onward.orcpt) != 0));
}

void guard_notice_passed_on(const struct smtp_guard *g, const char *id, const struct content *c)
{
    const struct envelope *e = &g->envelope;
    struct notice n;
    size_t wanted = 0;
    for (const struct asked *a = e->asked; a; a = a->next)
        wanted += ends_here(e, a);
    if (!wanted || address_is_null(&e->sender) || !notice_begin(&n, g, id, REPORT_EXPANDED, wanted))
        return;
    for (const struct asked *a = e->asked; a; a = a->next)
        if (ends_here(e, a))
            notice_add(&n, &a->address, &a->said,
                       a->expanded ? "2.1.5 Passed on to the addresses that it stands for"
                                   : "2.1.5 Passed on, once for all recipients that mean the same address");
    notice_end(&n, c);
}
