/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * MAIL, RCPT, DATA and the message; see transaction.h.
 *
 * With PIPELINING (RFC 2920) MAIL, all RCPT and DATA leave together and their replies are read in order.
 * Recipients that were refused keep their own reply; those that were accepted share the one to DATA or to its
 * end. Those beyond what the server takes at a time have another transaction at once. Where the connection
 * breaks after the final dot we can't know what the server did: the message waits and is sent again (RFC 5321
 * 4.5.3.2.6 and 6.1: better twice than never).
 */
#include "transaction.h"
#include "convert.h"
#include "dsn.h"
#include "international.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PIECE 32768
#define PARAMETERS_LIMIT 700
#define LEAST_RATE 1024 /* bytes a second that a server must take */
#define RATE_GRACE_MS 600000

static void mark_all(struct transaction *t, const struct reply *r, char mark)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->recipients[i].mark)
            continue;
        t->recipients[i].mark = mark;
        t->recipients[i].reply = *r;
    }
}

static char mark_of(unsigned code)
{
    return code / 100 == 2 ? QUEUE_DONE : code / 100 == 5 ? QUEUE_FAILED : QUEUE_TODO;
}

void transaction_refuse(struct transaction *t, const char *text, char mark)
{
    struct reply r = { 0 };
    r.length = (size_t)snprintf(r.text, sizeof r.text, "%s", text);
    mark_all(t, &r, mark);
}

static void send_mail(struct smtp *s, const struct transaction *t)
{
    char size[32] = "";
    struct bytes dsn;
    bytes_init(&dsn, PARAMETERS_LIMIT);
    dsn_mail(s, t, &dsn);
    if (s->ehlo.size)
        snprintf(size, sizeof size, " SIZE=%llu", (unsigned long long)t->wire_size);
    smtp_command(s, "MAIL FROM:<%s>%s%s%s%s%s", t->sender, size,
                 s->ehlo.eight_bit && t->eight_bit ? " BODY=8BITMIME" : "", t->says_utf8 ? " SMTPUTF8" : "",
                 s->ehlo.require_tls && t->require_tls ? " REQUIRETLS" : "", bytes_str(&dsn));
    bytes_free(&dsn);
}

static bool read_mail(struct smtp *s, struct transaction *t)
{
    if (!smtp_reply(s, SMTP_COMMAND_MS, false))
        return false;
    if (smtp_class(s) == 2)
        return true;
    t->mail_deferred = smtp_class(s) == 4;
    mark_all(t, &s->reply, mark_of(s->reply.code));
    return false;
}

/* Has the server enough recipients? That is 452, and 552 of some (RFC 5321 4.5.3.1.10), and no word of
 * another reason, as 5.2.2 for a mailbox that is full. It can't be so before it has taken any. */
static bool is_too_many(const struct reply *r, bool taken)
{
    char status[12];
    reply_status(r->text, r->code, status);
    return taken && (r->code == 452 || r->code == 552) && (!status[0] || strcmp(status + 1, ".5.3") == 0);
}

static bool read_recipient(struct smtp *s, struct transaction *t, size_t i, bool taken)
{
    if (t->recipients[i].skipped)
        return false;
    if (!smtp_reply(s, SMTP_COMMAND_MS, false))
        return false;
    t->recipients[i].accepted = smtp_class(s) == 2;
    if (!t->recipients[i].accepted && !t->recipients[i].mark) {
        t->recipients[i].beyond = is_too_many(&s->reply, taken);
        t->recipients[i].mark = t->recipients[i].beyond ? QUEUE_TODO : mark_of(s->reply.code);
        t->recipients[i].reply = s->reply;
    }
    return t->recipients[i].accepted;
}

static void send_recipient(struct smtp *s, const struct transaction *t, size_t i)
{
    struct bytes dsn;
    if (t->recipients[i].skipped)
        return;
    bytes_init(&dsn, PARAMETERS_LIMIT);
    dsn_rcpt(s, t, i, &dsn);
    smtp_command(s, "RCPT TO:<%s>%s", t->recipients[i].address, bytes_str(&dsn));
    bytes_free(&dsn);
}

/* Up to the reply to DATA. True: it was 354 and somebody will get the message. */
static bool negotiate_pipelined(struct smtp *s, struct transaction *t)
{
    bool accepted = false;
    send_mail(s, t);
    for (size_t i = 0; i < t->count; i++)
        send_recipient(s, t, i);
    smtp_command(s, "DATA");
    bool mail = read_mail(s, t);
    for (size_t i = 0; i < t->count && !s->gone; i++)
        accepted = read_recipient(s, t, i, accepted) || accepted;
    if (s->gone || !smtp_reply(s, SMTP_DATA_MS, false))
        return false;
    if (smtp_class(s) == 3 && !(mail && accepted)) { /* it wants a message for nobody (RFC 2920 3.1) */
        conn_write_str(s->conn, ".\r\n");
        if (!s->lmtp) /* which has a reply for each of nobody */
            smtp_reply(s, SMTP_END_MS, false);
        return false;
    }
    return mail && accepted;
}

static bool negotiate(struct smtp *s, struct transaction *t)
{
    bool accepted = false;
    send_mail(s, t);
    if (!read_mail(s, t))
        return false;
    for (size_t i = 0; i < t->count && !s->gone; i++) {
        send_recipient(s, t, i);
        accepted = read_recipient(s, t, i, accepted) || accepted;
    }
    if (!accepted || s->gone)
        return false;
    smtp_command(s, "DATA");
    return smtp_reply(s, SMTP_DATA_MS, false);
}

struct wire {
    bool in_line; /* a line has begun */
    bool cr;      /* a CR came, and what is behind it didn't yet */
};

static void end_line(struct smtp *s, struct wire *w)
{
    conn_write_str(s->conn, "\r\n");
    *w = (struct wire){ .in_line = false };
}

/* A NUL, which smtpd lets into no queue, leaves as '?': a server that drops it may find an end of data
 * there. */
static void write_text(struct smtp *s, struct span text)
{
    size_t nul;
    while ((nul = span_find(text, '\0')) < text.n) {
        conn_write(s->conn, text.p, nul);
        conn_write_str(s->conn, "?");
        text = span_from(text, nul + 1);
    }
    conn_write_span(s->conn, text);
}

/* Adds the piece with its dots stuffed. A CR or LF alone becomes a line end: servers differ about these, and
 * what one of them takes for the end of the message the next mustn't read as commands. */
static void write_stuffed(struct smtp *s, struct span piece, struct wire *w)
{
    while (piece.n) {
        if (w->cr) {
            end_line(s, w);
            piece = span_from(piece, piece.p[0] == '\n');
            continue;
        }
        if (!w->in_line && piece.p[0] == '.')
            conn_write_str(s->conn, ".");
        size_t lf = span_find(piece, '\n'), end = span_find(span_head(piece, lf), '\r');
        write_text(s, span_head(piece, end));
        w->in_line = w->in_line || end;
        if (end == piece.n)
            return;
        w->cr = piece.p[end] == '\r';
        if (!w->cr)
            end_line(s, w);
        piece = span_from(piece, end + 1);
    }
}

struct outgoing {
    struct smtp *smtp;
    struct wire wire;
    int64_t until;
};

static bool put_piece(void *to, struct span piece)
{
    struct outgoing *o = to;
    write_stuffed(o->smtp, piece, &o->wire);
    if (!conn_is_gone(o->smtp->conn) && clock_ms() <= o->until)
        return true;
    smtp_lost(o->smtp, "4.4.2 The connection broke while the message was sent");
    return false;
}

static bool send_pieces(const struct transaction *t, struct outgoing *o)
{
    char piece[PIECE];
    uint64_t sent = 0;
    while (sent < t->size) {
        size_t want = t->size - sent < PIECE ? (size_t)(t->size - sent) : PIECE;
        ssize_t n = pread(t->fd, piece, want, t->content + (off_t)sent);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || !put_piece(o, (struct span){ piece, (size_t)n }))
            return false;
        sent += (uint64_t)n;
    }
    return true;
}

/* With its final dot. False: the connection or the file failed; that dot was not sent. */
static bool send_content(struct smtp *s, const struct transaction *t)
{
    int64_t block = s->timeout_ms < SMTP_BLOCK_MS ? s->timeout_ms : SMTP_BLOCK_MS;
    struct outgoing o = { .smtp = s,
                          .until = clock_ms() + RATE_GRACE_MS + (int64_t)(t->wire_size / LEAST_RATE * 1000) };
    conn_deadlines(s->conn, (int)block, 0);
    if (!(t->converts ? convert_send(t, put_piece, &o) : send_pieces(t, &o))) {
        if (!s->gone)
            smtp_lost(s, "4.3.0 The message could not be read from the queue");
        return false;
    }
    conn_write_str(s->conn, o.wire.in_line || o.wire.cr ? "\r\n.\r\n" : ".\r\n");
    return true;
}

static bool fits(const struct smtp *s, struct transaction *t)
{
    char text[160];
    if (!s->ehlo.size || !s->ehlo.size_limit || t->wire_size <= s->ehlo.size_limit)
        return true;
    snprintf(text, sizeof text, "5.3.4 The message has %llu bytes, the server takes %llu",
             (unsigned long long)t->wire_size, (unsigned long long)s->ehlo.size_limit);
    transaction_refuse(t, text, QUEUE_FAILED);
    return false;
}

static void reset(struct smtp *s)
{
    if (s->gone)
        return;
    smtp_command(s, "RSET");
    if (smtp_reply(s, SMTP_COMMAND_MS, false) && smtp_class(s) != 2)
        s->gone = true;
}

/* What became of it: one reply, or with LMTP one for each recipient that was accepted, in their order (RFC
 * 2033 4.2). Those whose reply didn't come get the message again. */
static void read_end(struct smtp *s, struct transaction *t)
{
    for (size_t i = 0; s->lmtp && i < t->count && !s->gone; i++) {
        if (t->recipients[i].mark)
            continue;
        bool one = smtp_reply(s, SMTP_END_MS, false);
        t->recipients[i].mark = one ? mark_of(s->reply.code) : QUEUE_TODO;
        t->recipients[i].reply = s->reply;
    }
    bool answered = s->lmtp ? !s->gone : smtp_reply(s, SMTP_END_MS, false);
    mark_all(t, &s->reply, answered ? mark_of(s->reply.code) : QUEUE_TODO);
}

/* Each transaction gets at least one recipient through, so this comes to an end. */
static void mark_again(struct transaction *t)
{
    bool through = false;
    for (size_t i = 0; i < t->count; i++)
        through =
            through || (t->recipients[i].accepted && mark_of(t->recipients[i].reply.code) == QUEUE_DONE);
    for (size_t i = 0; through && i < t->count; i++)
        if (t->recipients[i].beyond)
            t->recipients[i].mark = RESULT_AGAIN;
}

/* Does it wait for nothing but trouble that this host has: what it says to MAIL, or 4.3.z, the state of its
 * system (RFC 3463 3.4)? Then the next one is asked before anybody waits (RFC 5321 5.1). */
static bool is_hosts_trouble(const struct transaction *t)
{
    for (size_t i = 0; i < t->count; i++) {
        char status[12];
        reply_status(t->recipients[i].reply.text, t->recipients[i].reply.code, status);
        bool own =
            t->recipients[i].reply.code / 100 == 4 && (t->mail_deferred || strncmp(status, "4.3.", 4) == 0);
        if (t->recipients[i].mark != QUEUE_TODO || !own)
            return false;
    }
    return t->others;
}

static enum after run(struct smtp *s, struct transaction *t)
{
    if (!international_prepare(s, t) || !convert_prepare(s, t) || !fits(s, t))
        return AFTER_READY;
    bool ready = s->ehlo.pipelining ? negotiate_pipelined(s, t) : negotiate(s, t);
    if (!ready || smtp_class(s) != 3) {
        bool lost = s->gone; /* also by a 421: the message is as it was */
        mark_all(t, &s->reply,
                 s->reply.code ? mark_of(s->reply.code) == QUEUE_DONE ? QUEUE_TODO : mark_of(s->reply.code)
                               : QUEUE_TODO);
        reset(s);
        return lost ? AFTER_LOST : s->gone ? AFTER_GONE : AFTER_READY; /* reset() may have ended it */
    }
    if (!send_content(s, t)) {
        mark_all(t, &s->reply, QUEUE_TODO);
        return AFTER_LOST;
    }
    read_end(s, t);
    mark_again(t);
    dsn_mark_relayed(s, t);
    return s->gone ? AFTER_GONE : AFTER_READY;
}

enum after transaction_run(struct smtp *s, struct transaction *t)
{
    enum after after = run(s, t);
    return after == AFTER_READY && is_hosts_trouble(t) ? AFTER_LOST : after;
}
