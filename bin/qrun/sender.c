/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The dialogue with one host: greeting, EHLO or HELO, STARTTLS where it is offered, then a transaction for
 * each message that the scheduler hands over; see sender.h, and transaction.c for what happens inside one.
 *
 * TLS is opportunistic (RFC 7435): where it breaks, the scheduler tries the same host again without, on a new
 * connection.
 */
#include "sender.h"
#include "transaction.h"
#include "verbs.h"

#include "base/files.h"
#include "net/channel.h"
#include "net/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TLS_MS 60000
#define TLS_RATE 20 /* bytes a second that a handshake must bring */
#define QUIT_MS 5000

static bool say_hello(struct smtp *s, const char *hostname)
{
    smtp_command(s, "EHLO %s", hostname);
    if (!smtp_reply(s, SMTP_COMMAND_MS, true))
        return false;
    if (smtp_class(s) == 5 && !s->gone) {
        smtp_command(s, "HELO %s", hostname);
        if (!smtp_reply(s, SMTP_COMMAND_MS, false))
            return false;
    }
    return smtp_class(s) == 2 && !s->gone;
}

/* False with *broken set: try again without. */
static bool secure(struct smtp *s, const struct sender_start *start, bool *broken)
{
    smtp_command(s, "STARTTLS");
    if (!smtp_reply(s, SMTP_COMMAND_MS, false)) {
        *broken = true;
        return false;
    }
    if (s->reply.code != 220) {
        *broken = s->gone;
        return !s->gone; /* it changed its mind: go on in plain */
    }
    int64_t wait = s->timeout_ms < TLS_MS ? s->timeout_ms : TLS_MS;
    conn_deadlines(s->conn, (int)wait, TLS_RATE);
    conn_begin(s->conn);
    if (!tls_connect(s->conn, start->host)) {
        smtp_lost(s, "4.7.5 The TLS handshake failed");
        *broken = true;
        return false;
    }
    return say_hello(s, start->settings->hostname);
}

static bool open_dialogue(struct smtp *s, const struct sender_start *start, bool *broken)
{
    *broken = false;
    if (!smtp_reply(s, SMTP_GREETING_MS, false) || smtp_class(s) != 2 || s->gone)
        return false;
    if (!say_hello(s, start->settings->hostname))
        return false;
    return !s->ehlo.starttls || start->no_tls || secure(s, start, broken);
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
    message_get_u64(m, &count);
    t->fd = m->fd;
    t->content = (off_t)content;
    t->eight_bit = bits & MESSAGE_EIGHT_BIT;
    t->utf8 = bits & MESSAGE_UTF8;
    t->count = count <= TRANSACTION_RECIPIENTS ? (size_t)count : 0;
    for (size_t i = 0; i < t->count; i++)
        message_get_str(m, t->recipients[i].address, sizeof t->recipients[i].address);
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

static void send_messages(struct smtp *s, int channel, struct message *m, struct transaction *t)
{
    while (!s->gone && channel_receive(channel, m, -1)) {
        memset(t, 0, sizeof *t);
        bool good = m->verb == VERB_MESSAGE && get_transaction(m, t);
        enum after after = AFTER_GONE;
        if (good)
            after = transaction_run(s, t);
        file_close(m->fd);
        if (!good || !report(channel, m, t, after) || after != AFTER_READY)
            return;
    }
}

void sender_run(int channel, const struct sender_start *start)
{
    struct smtp s = { .conn = conn_new(start->socket, start->socket),
                      .timeout_ms = (int64_t)start->settings->timeout * 1000 };
    struct transaction *t = malloc(sizeof *t);
    struct message *m = malloc(sizeof *m);
    bool broken = false;
    if (s.conn && t && m) {
        bool ready = open_dialogue(&s, start, &broken);
        message_start(m, ready ? VERB_READY : VERB_REFUSED);
        if (ready) {
            message_put_str(m, tls_description(s.conn));
        } else {
            message_put_u64(m, broken ? REFUSED_TLS : REFUSED_HOST);
            put_reply(m, &s.reply);
        }
        if (channel_send(channel, m) && ready)
            send_messages(&s, channel, m, t);
        if (!s.gone) {
            smtp_command(&s, "QUIT");
            smtp_reply(&s, QUIT_MS, false);
        }
    }
    conn_free(s.conn);
    free(t);
    free(m);
}
