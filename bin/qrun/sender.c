/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The dialogue with one host: greeting, EHLO or HELO, STARTTLS where it is offered, then a transaction for
 * each message that the scheduler hands over; see sender.h, and transaction.c for what happens inside one.
 *
 * TLS is opportunistic (RFC 7435) where no policy applies: where it breaks, the scheduler tries the same host
 * again without, on a new connection. Where one does, a host whose TLS isn't what it must be is refused
 * before any address was said.
 */
#include "sender.h"
#include "dsn.h"
#include "sender_auth.h"
#include "sender_tls.h"
#include "transaction.h"
#include "verbs.h"

#include "base/files.h"
#include "net/channel.h"
#include "net/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUIT_MS 5000
#define HANGUP_MS 1000 /* after the reply to QUIT */
#define TAKES_NO_MAIL 521

bool say_hello(struct smtp *s, const char *hostname)
{
    smtp_command(s, "%s %s", s->lmtp ? "LHLO" : "EHLO", hostname);
    if (!smtp_reply(s, SMTP_COMMAND_MS, true))
        return false;
    if (smtp_class(s) == 5 && !s->gone && !s->lmtp) {
        smtp_command(s, "HELO %s", hostname);
        if (!smtp_reply(s, SMTP_COMMAND_MS, false))
            return false;
    }
    return smtp_class(s) == 2 && !s->gone;
}

/* A mail exchanger that calls itself as we do: this server, by an address that isn't this machine's own, as
 * behind NAT. Where a route names the host, who wrote it knows better. */
static bool is_ourselves(struct smtp *s, const struct sender_start *start, struct secured *to)
{
    struct span text = span_of(s->reply.text), name = span_head(text, span_find(text, ' '));
    if (start->hop->exact || !span_ieq(name, span_of(start->settings->hostname)))
        return false;
    to->refusal = REFUSED_OURSELVES;
    smtp_lost(s, "4.4.6 The mail exchanger has this server's own name, and no better one can be reached");
    return true;
}

/* A host that never takes mail (RFC 7504). With a status of policy, 5.7.z, it means us: that is what block
 * lists of the day make Postfix's postscreen say before it hangs up. */
static bool takes_no_mail(const struct reply *greeting)
{
    char status[12];
    reply_status(greeting->text, greeting->code, status);
    return greeting->code == TAKES_NO_MAIL && !span_starts(span_of(status), "5.7.");
}

static bool open_dialogue(struct smtp *s, const struct sender_start *start, struct secured *to)
{
    bool at_once = start->hop->protocol == HOP_SMTPS;
    *to = (struct secured){ .refusal = REFUSED_HOST };
    if (at_once && !sender_secure_first(s, start, to))
        return false;
    if (!smtp_reply(s, SMTP_GREETING_MS, false) || smtp_class(s) != 2 || s->gone) {
        if (takes_no_mail(&s->reply))
            to->refusal = REFUSED_NO_MAIL;
        return false;
    }
    return say_hello(s, start->settings->hostname) && !is_ourselves(s, start, to) &&
           (at_once || sender_secure(s, start, to));
}

static void put_reply(struct message *m, const struct reply *r)
{
    char text[QUEUE_REPLY_LIMIT];
    if (r->code)
        snprintf(text, sizeof text, "%u %s", r->code, r->text);
    else
        snprintf(text, sizeof text, "%s", r->text);
    message_put_str(m, text);
}

static bool get_transaction(struct message *m, struct transaction *t)
{
    uint64_t content, bits, count;
    message_get_str(m, t->sender, sizeof t->sender);
    message_get_u64(m, &content);
    message_get_u64(m, &t->size);
    message_get_u64(m, &bits);
    dsn_get_mail(m, t);
    message_get_u64(m, &count);
    t->fd = m->fd;
    t->content = (off_t)content;
    t->eight_bit = bits & MESSAGE_EIGHT_BIT;
    t->utf8 = bits & MESSAGE_UTF8;
    t->count = count <= TRANSACTION_RECIPIENTS ? (size_t)count : 0;
    for (size_t i = 0; i < t->count; i++)
        dsn_get_recipient(m, t, i);
    return message_end(m) && t->count && t->fd >= 0;
}

static bool report(int channel, struct message *m, const struct transaction *t, enum after after)
{
    message_start(m, VERB_RESULT);
    message_put_u64(m, after);
    message_put_u64(m, t->count);
    for (size_t i = 0; i < t->count; i++) {
        message_put_u64(m, (unsigned char)t->recipients[i].mark);
        put_reply(m, &t->recipients[i].reply);
    }
    return channel_send(channel, m);
}

/* True: the connection is to end because another one follows. */
static bool send_messages(struct smtp *s, int channel, struct message *m, struct transaction *t,
                          const struct sender_start *start)
{
    while (!s->gone && channel_receive(channel, m, -1)) {
        if (m->verb == VERB_QUIT)
            return true;
        memset(t, 0, sizeof *t);
        bool good = m->verb == VERB_MESSAGE && get_transaction(m, t);
        t->require_tls = start->security->require_tls;
        t->others = start->others;
        enum after after = AFTER_GONE;
        if (good)
            after = transaction_run(s, t);
        file_close(m->fd);
        if (!good || !report(channel, m, t, after) || after != AFTER_READY)
            return false;
    }
    return false;
}

/* Where another connection follows, it does so once the server has hung up, and so counts this one no
 * more. */
static void quit(struct smtp *s, bool another)
{
    struct span have;
    smtp_command(s, "QUIT");
    if (!smtp_reply(s, QUIT_MS, false) || !another)
        return;
    conn_take(s->conn, conn_pending(s->conn).n);
    conn_deadlines(s->conn, HANGUP_MS, 0);
    conn_peek(s->conn, &have);
}

void sender_run(int channel, const struct sender_start *start)
{
    struct smtp s = { .conn = conn_new(start->socket, start->socket),
                      .timeout_ms = (int64_t)start->settings->timeout * 1000,
                      .lmtp = start->hop->protocol == HOP_LMTP };
    struct route_login login;
    struct transaction *t = malloc(sizeof *t);
    struct message *m = malloc(sizeof *m);
    struct secured secured;
    bool another = false,
         begun = s.conn && t && m && (!start->hop->auth || sender_login_receive(channel, m, &login));
    if (begun) {
        bool ready = open_dialogue(&s, start, &secured);
        if (ready && start->hop->auth)
            ready = sender_login(&s, start, &secured, &login);
        message_start(m, ready ? VERB_READY : VERB_REFUSED);
        if (ready) {
            message_put_str(m, tls_description(s.conn));
            message_put_u64(m, secured.protection);
            message_put_u64(m, secured.result);
            message_put_str(m, secured.result ? secured.text : "");
            message_put_u64(m, s.ehlo.limits.mails);
            message_put_u64(m, s.ehlo.limits.recipients);
            message_put_u64(m, s.ehlo.limits.domains);
        } else {
            message_put_u64(m, secured.refusal);
            message_put_u64(m, secured.result);
            put_reply(m, &s.reply);
        }
        if (channel_send(channel, m) && ready)
            another = send_messages(&s, channel, m, t, start);
        if (!s.gone)
            quit(&s, another);
    }
    conn_free(s.conn);
    free(t);
    free(m);
}
