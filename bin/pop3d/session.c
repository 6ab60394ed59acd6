/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * POP3 before login, RFC 1939's AUTHORIZATION state: CAPA, STLS, UTF8, USER and PASS, AUTH PLAIN, QUIT.
 *
 * Runs in the session's sandbox. It decides nothing: the guard checks passwords, and after three wrong ones
 * it is gone, so the fourth ends the connection whatever this code does. After a login the mailbox process
 * says its +OK. Limits: POP3_LINE_LIMIT a command, SASL_LINE_LIMIT a response to AUTH's challenge, at RATE
 * bytes a second.
 */
#include "pop3.h"
#include "base/clock.h"
#include "net/guard.h"
#include "store/login.h"
#include "text/base64.h"

#include <string.h>

#define SASL_LINE_LIMIT 4096 /* base64 of a PLAIN response: two names and a password */
#define RATE 20              /* bytes a second that a client must send a line with, after 30 s */

struct session {
    struct pop3 pop3;
    struct serving *serving;
    char name[LOGIN_NAME_LIMIT + 1]; /* of USER */
    bool utf8;
    bool logged_in;
};

static bool under_tls(const struct session *s)
{
    return conn_layer(s->pop3.conn) != NULL;
}

static bool offers_stls(const struct session *s)
{
    return s->serving->tls && !under_tls(s);
}

static bool may_login(const struct session *s)
{
    return pop3_may_login(s->serving->settings, under_tls(s));
}

static void refuse_plaintext(struct session *s)
{
    pop3_err(&s->pop3, offers_stls(s) ? "passwords are taken only under TLS: STLS first"
                                      : "passwords are taken only under TLS, which is not available now");
}

/* --- logging in */

/* What both ways to log in come to. */
static void log_in(struct session *s, struct span name, struct span password)
{
    struct pop3 *p = &s->pop3;
    p->state = POP3_START;
    switch (handover_login(s->serving, name, password, s->utf8 ? SPAN(POP3_CONTEXT_UTF8) : SPAN(""))) {
    case ST_OK:
        s->logged_in = p->over = true;
        break;
    case ST_PERM:
        pop3_err(p, "[AUTH] wrong name or password");
        break;
    case ST_TEMP:
        pop3_err(p, "[SYS/TEMP] logging in is not possible now");
        p->over = conn_is_gone(p->conn);
        break;
    case ST_NONE:
        pop3_err(p, "[AUTH] too many wrong passwords, closing");
        p->over = true;
        break;
    }
}

static void do_user(void *self, struct span argument)
{
    struct session *s = self;
    if (!may_login(s)) {
        refuse_plaintext(s);
    } else if (argument.n == 0 || !span_copy(argument, s->name, sizeof s->name)) {
        pop3_wrong(&s->pop3, "USER needs a name");
    } else {
        s->pop3.state = POP3_NAMED;
        pop3_ok(&s->pop3, "and the password?");
    }
}

static void do_pass(void *self, struct span argument)
{
    struct session *s = self;
    if (!may_login(s))
        refuse_plaintext(s);
    else if (s->pop3.state != POP3_NAMED)
        pop3_wrong(&s->pop3, "USER comes before PASS");
    else if (argument.n == 0)
        pop3_wrong(&s->pop3, "PASS needs a password");
    else
        log_in(s, span_of(s->name), argument);
}

/* Decodes a SASL PLAIN response (RFC 4616) and logs in. */
static void auth_plain(struct session *s, struct span text)
{
    struct bytes message;
    struct span name, password;
    bytes_init(&message, SASL_LINE_LIMIT);
    if (!base64_decode(text, &message))
        pop3_wrong(&s->pop3, "this is not base64");
    else if (!login_split_plain(span_bytes(&message), &name, &password))
        pop3_wrong(&s->pop3, "[AUTH] this is no PLAIN response (RFC 4616)");
    else
        log_in(s, name, password);
    bytes_wipe(&message);
}

/* The client's line after an empty challenge (RFC 5034 4). */
static void auth_challenge(struct session *s)
{
    struct pop3 *p = &s->pop3;
    struct span line;
    conn_write_str(p->conn, "+ \r\n");
    conn_mask(p->conn, true);
    enum conn_result got = conn_line(p->conn, SASL_LINE_LIMIT, &line);
    conn_mask(p->conn, false);
    if (got == CONN_GONE || got == CONN_TIMEOUT)
        p->over = true;
    else if (got != CONN_OK)
        pop3_wrong(p, got == CONN_TOO_LONG ? "the response is too long" : "this is not base64");
    else if (span_eq_str(line, "*"))
        pop3_err(p, "AUTH was cancelled");
    else
        auth_plain(s, line);
}

static void do_auth(void *self, struct span argument)
{
    struct session *s = self;
    struct pop3 *p = &s->pop3;
    struct span mechanism, rest = argument;
    bool initial = span_find(argument, ' ') < argument.n;
    span_cut(&rest, ' ', &mechanism);
    if (argument.n == 0)
        pop3_wrong(p, "AUTH needs a mechanism");
    else if (!span_ieq_str(mechanism, "PLAIN"))
        pop3_wrong(p, "this mechanism is not offered: PLAIN is");
    else if (!may_login(s))
        refuse_plaintext(s);
    else if (!initial)
        auth_challenge(s);
    else if (span_eq_str(rest, "=")) /* an empty response */
        auth_plain(s, SPAN(""));
    else
        auth_plain(s, rest);
}

/* --- the rest */

static void do_capa(void *self, struct span argument)
{
    struct session *s = self;
    (void)argument;
    pop3_capabilities(&s->pop3, may_login(s), offers_stls(s));
}

/* What the server was told in plain is forgotten (RFC 2595 4). Commands that came in plain behind STLS could
 * be somebody else's: the connection ends. */
static void do_stls(void *self, struct span argument)
{
    struct session *s = self;
    struct pop3 *p = &s->pop3;
    (void)argument;
    if (under_tls(s)) {
        pop3_wrong(p, "TLS is on already");
    } else if (!s->serving->tls) {
        pop3_err(p, "TLS is not available now");
    } else if (conn_pending(p->conn).n) {
        pop3_err(p, "there was plaintext behind STLS, closing");
        p->over = true;
    } else {
        pop3_ok(p, "begin TLS now");
        p->over =
            !conn_flush(p->conn) || !tls_accept(p->conn, s->serving->tls, guard_sign, &s->serving->channel);
        p->state = POP3_START;
        s->utf8 = false;
    }
}

static void do_utf8(void *self, struct span argument)
{
    struct session *s = self;
    (void)argument;
    s->utf8 = true;
    pop3_ok(&s->pop3, "UTF-8 it is");
}

static void do_quit(void *self, struct span argument)
{
    struct session *s = self;
    (void)argument;
    pop3_ok(&s->pop3, "goodbye");
    s->pop3.over = true;
}

#define ANY (POP3_START | POP3_NAMED)

static const struct command session_commands[] = {
    { "CAPA", ANY, POP3_NO_ARGUMENT, do_capa },
    { "USER", ANY, 0, do_user },
    { "PASS", ANY, 0, do_pass },
    { "AUTH", ANY, 0, do_auth },
    { "STLS", ANY, POP3_NO_ARGUMENT, do_stls },
    { "UTF8", ANY, POP3_NO_ARGUMENT, do_utf8 },
    { "QUIT", ANY, POP3_NO_ARGUMENT, do_quit },
    { "STAT", 0, 0, NULL },
    { "LIST", 0, 0, NULL },
    { "RETR", 0, 0, NULL },
    { "DELE", 0, 0, NULL },
    { "NOOP", 0, 0, NULL },
    { "RSET", 0, 0, NULL },
    { "TOP", 0, 0, NULL },
    { "UIDL", 0, 0, NULL },
    { NULL, 0, 0, NULL },
};

void session_run(struct serving *serving)
{
    struct session s = {
        .pop3 = { .conn = serving->conn,
                  .table = session_commands,
                  .untimely = "log in first",
                  .state = POP3_START,
                  .until = clock_ms() + (int64_t)serving->settings->timeout * 1000,
                  .rate = RATE },
        .serving = serving,
    };
    pop3_ok(&s.pop3, "%s Postern POP3 is ready", serving->settings->hostname);
    pop3_serve(&s.pop3, &s);
    if (s.logged_in)
        handover_session(serving);
}
