/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sender under which mail leaves. Where an alias, or a copy, leads it to another server, that is a
 * rewritten one (store/srs.h) in our first domain, unless the sender's domain is ours anyway, the message is
 * a bounce, or the setting `srs` says no. It is made when the message goes out, so that its day counts from
 * then; the queue keeps the sender himself, to whom our own reports go.
 *
 * What can't be rewritten goes as it is, and is logged: rather refused over there than not sent.
 */
#include "qrun.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/srs.h"

static enum status rewrite(struct qrun *q, const struct address *sender, struct address *out)
{
    struct bytes key, domain;
    bytes_init(&domain, ADDRESS_DOMAIN_LIMIT);
    enum status st = srs_key(q->settings, &key);
    if (st == ST_OK)
        st = directory_first_domain(q->directory, &domain);
    if (st == ST_OK)
        st = srs_forward(span_bytes(&key), sender, span_bytes(&domain), clock_now(), out);
    bytes_wipe(&key);
    bytes_free(&domain);
    return st;
}

const char *forward_sender(struct qrun *q, const struct part *p, struct address *rewritten)
{
    const struct queue_message *m = &p->job->m;
    struct address sender;
    if (!p->forwarded || !q->settings->srs || address_parse(span_of(m->sender), &sender) != ADDRESS_OK ||
        local_is(q, &sender) != ST_NONE)
        return m->sender;
    enum status st = rewrite(q, &sender, rewritten);
    if (st == ST_OK)
        return rewritten->text;
    log_event(LOG_WARNING, "sender-not-rewritten", "id", m->id, "from", m->sender, "why",
              st == ST_NONE   ? "there is no srs.key; `postern setup` makes it"
              : st == ST_PERM ? "its local part can't be"
                              : "the key or the tables can't be read",
              NULL);
    return m->sender;
}
