/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * smtpd's session: reads commands, finds their row in the table below, and answers (RFC 5321).
 *
 * A command's row says in which states it may come, and which reply is given when it comes at the wrong time.
 * Limits: a command line 2048 bytes, a line of AUTH 12288 (RFC 4954 4), WRONG_LIMIT wrong commands. Silence
 * and slowness are bounded by net/connection.c.
 */
#include "session.h"
#include "extensions.h"
#include "session_dns.h"
#include "session_milter.h"
#include "net/command.h"
#include "store/sasl.h"

#include <string.h>

#define COMMAND_LIMIT 2048
#define AUTH_LINE_LIMIT 12288
#define WRONG_LIMIT 20

/* EXTENSION: it is one's, and taken where that is advertised. */
enum { NO_ARGUMENT = 1, LONG_LINE = 2, ONLY_SMTP = 4, ONLY_LMTP = 8, EXTENSION = 16 };

/* --- replies */

void reply(struct session *s, const char *line)
{
    conn_write_str(s->conn, line);
    conn_write_str(s->conn, "\r\n");
}

void reply_wrong(struct session *s, const char *line)
{
    reply(s, line);
    if (++s->wrong >= WRONG_LIMIT)
        reply_last(s, "421 4.7.0 Too many wrong commands");
}

void reply_last(struct session *s, const char *line)
{
    reply(s, line);
    s->ended = true;
}

/* To a line that can't be read. If it was a BDAT, or may have been one where they come, its chunk is next,
 * and no command. */
static void reply_unread(struct session *s, const char *line)
{
    if (s->bdat || s->state & (AT_RCPT | AT_BODY))
        reply_last(s, line);
    else
        reply_wrong(s, line);
}

bool line_is_good(struct session *s, enum conn_result result)
{
    switch (result) {
    case CONN_OK:
        return true;
    case CONN_TOO_LONG:
        reply_unread(s, "500 5.5.6 Line too long");
        break;
    case CONN_BARE:
        reply_unread(s, "500 5.5.2 CR or LF outside CRLF");
        break;
    case CONN_NUL:
        reply_unread(s, "500 5.5.2 NUL in the line");
        break;
    case CONN_TIMEOUT:
        reply_last(s, "421 4.4.2 Nothing heard for too long");
        break;
    case CONN_GONE:
        s->ended = true;
        break;
    }
    return false;
}

/* --- the guard */

enum verdict ask(struct session *s)
{
    uint64_t verdict;
    if (!channel_call(s->serving->channel, s->message) || !message_get_u64(s->message, &verdict)) {
        reply_last(s, "421 4.3.0 Internal error, try again later");
        return VERDICT_OVER;
    }
    return (enum verdict)verdict;
}

const char *trouble_line(enum verdict v)
{
    return v == VERDICT_DISK_FULL ? "452 4.3.1 The disk is full, try again later"
           : v == VERDICT_FULL    ? "552 5.2.2 The mailbox is full"
                                  : "451 4.3.0 Internal error, try again later";
}

void reply_trouble(struct session *s, enum verdict v)
{
    if (v == VERDICT_TABLES)
        reply_last(s, "421 4.3.0 Our tables can't be read now, try again later");
    else if (v == VERDICT_SPENT)
        reply_last(s, "421 4.7.0 Too many names for one connection, please connect again");
    else if (v == VERDICT_OVER && !s->ended)
        reply_last(s, "421 4.7.0 Too many refusals");
    else if (v != VERDICT_OVER)
        reply(s, trouble_line(v));
}

void reply_message(struct session *s, const char *line)
{
    for (size_t i = 0; i < (s->lmtp ? s->transaction.accepted : 1); i++)
        reply(s, line);
}

void reply_message_trouble(struct session *s, enum verdict v)
{
    if (s->lmtp && v != VERDICT_OVER)
        reply_message(s, trouble_line(v));
    else
        reply_trouble(s, v);
}

void forget_transaction(struct session *s)
{
    bdat_forget(s);
    milters_forget(s);
    s->transaction = (struct transaction){ .origin = 0 };
    if (s->state != AT_START)
        s->state = AT_IDLE;
}

/* --- commands */

bool login_offered(const struct session *s)
{
    return s->submission && !s->serving->peer.local && sasl_offered(s->serving->settings, s->tls);
}

/* One word without control characters; what is odd in it is replaced in Received. */
static bool read_helo(struct session *s, struct span name)
{
    name = span_trim(name);
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] <= ' ' || name.p[i] == 127)
            return false;
    return name.n && span_copy(name, s->helo, sizeof s->helo);
}

static bool greet(struct session *s, struct span argument, bool extended)
{
    char helo[sizeof s->helo];
    memcpy(helo, s->helo, sizeof helo);
    if (!read_helo(s, argument)) {
        memcpy(s->helo, helo, sizeof helo);
        reply_wrong(s, s->lmtp    ? "501 5.5.4 Syntax: LHLO hostname"
                       : extended ? "501 5.5.4 Syntax: EHLO hostname"
                                  : "501 5.5.4 Syntax: HELO hostname");
        return false;
    }
    s->extended = extended;
    s->state = AT_IDLE;
    milters_greeted(s);
    forget_transaction(s);
    return true;
}

static void run_helo(void *session, struct span argument)
{
    struct session *s = session;
    if (!greet(s, argument, false))
        return;
    conn_write_str(s->conn, "250 ");
    reply(s, s->serving->settings->hostname);
}

/* And LHLO. */
static void run_ehlo(void *session, struct span argument)
{
    struct session *s = session;
    if (!greet(s, argument, true))
        return;
    conn_write_str(s->conn, "250-");
    reply(s, s->serving->settings->hostname);
    extensions_write(s);
}

static void run_rset(void *session, struct span argument)
{
    struct session *s = session;
    (void)argument;
    forget_transaction(s);
    reply(s, "250 2.0.0 Forgotten");
}

static void run_noop(void *session, struct span argument)
{
    (void)argument;
    reply(session, "250 2.0.0 OK");
}

/* With SMTPUTF8 behind the address (RFC 6531 3.7.4.2) it is told no more. */
static void run_vrfy(void *session, struct span argument)
{
    struct span address = span_trim(argument), word = span_from(address, address.n < 9 ? 0 : address.n - 9);
    if (span_ieq_str(word, " SMTPUTF8"))
        address = span_trim(span_head(address, address.n - word.n));
    if (!address.n)
        reply_wrong(session, "501 5.5.4 Syntax: VRFY address [SMTPUTF8]");
    else
        reply(session, "252 2.5.0 Not told; send it and see");
}

static void run_quit(void *session, struct span argument)
{
    (void)argument;
    reply_last(session, "221 2.0.0 Goodbye");
}

static void run_unknown(void *session, struct span argument)
{
    (void)argument;
    reply_wrong(session, "500 5.5.1 Unknown command");
}

static void run_not_here(void *session, struct span argument)
{
    (void)argument;
    reply_wrong(session, "502 5.5.1 Not implemented");
}

static void run_help(void *session, struct span argument);

static const struct command commands[] = {
    { "EHLO", AT_ANY, ONLY_SMTP, run_ehlo },
    { "HELO", AT_ANY, ONLY_SMTP, run_helo },
    { "LHLO", AT_ANY, ONLY_LMTP, run_ehlo },
    { "MAIL", AT_IDLE, 0, run_mail },
    { "RCPT", AT_MAIL | AT_RCPT, 0, run_rcpt },
    { "DATA", AT_ANY, NO_ARGUMENT, run_data },
    { "BDAT", AT_ANY, 0, run_bdat },
    { "RSET", AT_ANY, NO_ARGUMENT, run_rset },
    { "NOOP", AT_ANY, 0, run_noop },
    { "QUIT", AT_ANY, NO_ARGUMENT, run_quit },
    { "STARTTLS", AT_ANY, NO_ARGUMENT | EXTENSION, run_starttls },
    { "AUTH", AT_ANY, LONG_LINE | EXTENSION, run_auth },
    { "VRFY", AT_ANY, 0, run_vrfy },
    { "HELP", AT_ANY, 0, run_help },
    { "EXPN", AT_ANY, 0, run_not_here },
    { "ETRN", AT_ANY, 0, run_not_here },
    { "TURN", AT_ANY, 0, run_not_here },
    { NULL, AT_ANY, 0, run_unknown },
};

/* Of another protocol than this connection's. */
static bool is_foreign(const struct session *s, const struct command *c)
{
    return c->flags & (s->lmtp ? ONLY_SMTP : ONLY_LMTP);
}

static void run_help(void *session, struct span argument)
{
    struct session *s = session;
    (void)argument;
    conn_write_str(s->conn, "214-2.0.0");
    for (const struct command *c = commands; c->name; c++)
        if (!is_foreign(s, c) && c->run != run_not_here &&
            (!(c->flags & EXTENSION) || extensions_hold(s, c->name)))
            conn_printf(s->conn, " %s", c->name);
    conn_write_str(s->conn, "\r\n");
    reply(s, "214 2.0.0 See RFC 5321");
}

static const char *wrong_state(const struct session *s)
{
    switch (s->state) {
    case AT_START:
        return s->lmtp ? "503 5.5.1 LHLO first" : "503 5.5.1 EHLO first";
    case AT_IDLE:
        return "503 5.5.1 MAIL first";
    default:
        return "503 5.5.1 A message is being sent already";
    }
}

static void run_command(struct session *s, struct span line)
{
    struct span argument;
    const struct command *c = command_find(commands, line, &argument);
    if (line.n > COMMAND_LIMIT && s->bdat)
        reply_last(s, "500 5.5.6 Line too long");
    else if (line.n > COMMAND_LIMIT && !(c->flags & LONG_LINE))
        reply_wrong(s, "500 5.5.6 Line too long");
    else if (is_foreign(s, c))
        reply_wrong(s, s->lmtp ? "500 5.5.1 This is LMTP: LHLO" : "500 5.5.1 This is no LMTP");
    else if (c->flags & NO_ARGUMENT && span_trim(argument).n)
        reply_wrong(s, "501 5.5.4 This command takes no argument");
    else if (!(c->states & s->state))
        reply_wrong(s, wrong_state(s));
    else
        c->run(s, argument);
    if (!c->name)
        milters_unknown(s, line);
}

/* Waits until it is clear whether a password comes, so that it stays out of the log, or a BDAT. */
static enum conn_result read_command(struct session *s, struct span *line)
{
    struct span have = conn_pending(s->conn);
    enum conn_result result;
    s->bdat = false;
    conn_begin(s->conn);
    while (have.n < 4 && span_find(have, '\n') == have.n)
        if ((result = conn_peek_more(s->conn, have.n + 1, &have)) != CONN_OK)
            return result;
    s->bdat = span_istarts(have, "BDAT");
    conn_mask(s->conn, span_istarts(have, "AUTH"));
    result = conn_line(s->conn, AUTH_LINE_LIMIT, line);
    conn_mask(s->conn, false);
    return result;
}

void session_run(struct serving *serving)
{
    struct session s = { .serving = serving,
                         .conn = serving->conn,
                         .message = serving->message,
                         .state = AT_START,
                         .tls = serving->implicit_tls };
    struct span line;
    s.lmtp = serving_flag(serving, 'l');
    s.submission = serving_flag(serving, 's') && !s.lmtp;
    conn_write_str(s.conn, "220 ");
    conn_write_str(s.conn, serving->settings->hostname);
    reply(&s, s.lmtp ? " LMTP Postern" : " ESMTP Postern");
    while (!s.ended)
        if (line_is_good(&s, read_command(&s, &line)))
            run_command(&s, line);
    conn_flush(s.conn);
    bdat_forget(&s);
    session_dns_free(&s);
    milters_end(&s);
}
