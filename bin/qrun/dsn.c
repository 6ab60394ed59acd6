/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DSN parameters; see dsn.h. They are passed on as they came (RFC 3461 5.2.1), but for the form of an
 * international ORCPT where the transaction isn't SMTPUTF8 (RFC 6533 3).
 */
#include "dsn.h"

#include "text/xtext.h"

#include <string.h>

#define FIELDS 32 /* bytes around the fields of a recipient, at most */

size_t dsn_recipient_size(const struct queue_recipient *r)
{
    return FIELDS + strlen(r->address.text) + (r->options ? strlen(r->options->orcpt) : 0);
}

void dsn_put_recipient(struct message *m, const struct queue_recipient *r)
{
    message_put_str(m, r->address.text);
    message_put_u64(m, r->options ? r->options->notify : 0);
    message_put_str(m, r->options ? r->options->orcpt : "");
}

void dsn_get_recipient(struct message *m, struct transaction *t, size_t i)
{
    uint64_t notify = 0;
    message_get_str(m, t->recipients[i].address, sizeof t->recipients[i].address);
    message_get_u64(m, &notify);
    message_get_str(m, t->recipients[i].orcpt, sizeof t->recipients[i].orcpt);
    t->recipients[i].notify = (unsigned)(notify & NOTIFY_BITS);
}

void dsn_put_mail(struct message *m, const struct mail_options *o)
{
    message_put_u64(m, o->ret);
    message_put_str(m, o->envid);
}

void dsn_get_mail(struct message *m, struct transaction *t)
{
    uint64_t ret = RET_UNSAID;
    message_get_u64(m, &ret);
    message_get_str(m, t->envid, sizeof t->envid);
    t->ret = ret == RET_FULL ? RET_FULL : ret == RET_HDRS ? RET_HDRS : RET_UNSAID;
}

void dsn_mail(const struct smtp *s, const struct transaction *t, struct bytes *out)
{
    if (!s->ehlo.dsn)
        return;
    if (t->ret != RET_UNSAID)
        bytes_printf(out, " RET=%s", t->ret == RET_FULL ? "FULL" : "HDRS");
    if (t->envid[0])
        bytes_printf(out, " ENVID=%s", t->envid);
}

void dsn_rcpt(const struct smtp *s, const struct transaction *t, size_t i, struct bytes *out)
{
    unsigned notify = t->recipients[i].notify;
    struct span said = span_of(t->recipients[i].orcpt);
    struct bytes orcpt;
    if (!s->ehlo.dsn)
        return;
    if (notify) {
        bytes_add_str(out, " NOTIFY=");
        notify_write(notify, out);
    }
    bytes_init(&orcpt, 8 * ENVELOPE_ORCPT_LIMIT);
    if (said.n && orcpt_write(said, t->says_utf8, &orcpt) && orcpt.len <= ENVELOPE_ORCPT_LIMIT)
        bytes_printf(out, " ORCPT=%s", bytes_str(&orcpt));
    bytes_free(&orcpt);
}

void dsn_mark_relayed(const struct smtp *s, struct transaction *t)
{
    for (size_t i = 0; i < t->count && !s->ehlo.dsn; i++)
        if (t->recipients[i].mark == QUEUE_DONE && t->recipients[i].notify & NOTIFY_SUCCESS)
            t->recipients[i].mark = s->lmtp ? QUEUE_DELIVERED : QUEUE_RELAYED;
}
