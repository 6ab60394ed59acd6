/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * POP3 before login, RFC 1939's AUTHORIZATION state: CAPA, STLS, UTF8, USER and PASS, AUTH, QUIT.
 *
 * Runs in the session's sandbox. It decides nothing: the guard checks passwords, and after three wrong ones
 * it is gone, so the fourth ends the connection whatever this code does. After a login the mailbox process
 * says its +OK. Limits: POP3_LINE_LIMIT a command, at RATE bytes a second; store/sasl.c has
 * those of AUTH's responses.
 */
#include "pop3.h"
#include "base/clock.h"
#include "net/guard.h"
#include "store/sasl.h"

#include <string.h>

#define RATE 20 /* bytes a second that a client must send a line with, after 30 s */

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

static bool takes_passwords(const struct session *s)
{
    return sasl_takes_passwords(s->serving->settings, under_tls(s));
}

static void refuse_plaintext(struct session *s)
{
    pop3_err(&s->pop3, offers_stls(s) ? "passwords are taken only under TLS: STLS first"
                                      : "passwords are taken only under TLS, which is not available now");
}

/* --- logging in */

/* What a login came to. */
static void answer_login(struct session *s, enum sasl_result result)
{
    static const struct {
        const char *text;
        bool wrong, over; /* the command counts as wrong; it is the last */
    } replies[SASL_RESULTS] = {
        [SASL_WRONG] = { "[AUTH] wrong name or password", false, false },
        [SASL_DISABLED] = { "[AUTH] this account is disabled, ask whoever runs the server", false, false },
        [SASL_NO_ACCOUNT] = { "[AUTH] there is no such account", false, false },
        [SASL_TEMP] = { "[SYS/TEMP] logging in is not possible now", false, false },
        [SASL_OVER] = { "[AUTH] too many wrong passwords, closing", false, true },
        [SASL_LIMITED] = { "[SYS/TEMP] too many failed logins, try again later (login-failures)", false,
                           true },
        [SASL_UNKNOWN] = { "this mechanism is not offered: CAPA tells which are", true, false },
        [SASL_CANCELLED] = { "AUTH was cancelled", false, false },
        [SASL_NOT_BASE64] = { "this is not base64", true, false },
        [SASL_TOO_LONG] = { "the response is too long", true, false },
        [SASL_BAD_LINE] = { "this is not base64", true, false },
        [SASL_MALFORMED] = { "[AUTH] this is no response of this mechanism", true, false },
        [SASL_BINDING] = { "[AUTH] no such channel binding here", true, false },
        [SASL_DOWNGRADE] = { "[AUTH] SCRAM-SHA-256-PLUS is offered here", true, false },
    };
    struct pop3 *p = &s->pop3;
    p->state = POP3_START;
    s->logged_in = result == SASL_DONE;
    p->over = result == SASL_DONE || result == SASL_GONE || replies[result].over || conn_is_gone(p->conn);
    if (result == SASL_PLAINTEXT)
        refuse_plaintext(s);
    else if (replies[result].wrong)
        pop3_wrong(p, replies[result].text);
    else if (replies[result].text)
        pop3_err(p, "%s", replies[result].text);
}

static struct sasl sasl_of(const struct session *s)
{
    return (struct sasl){ s->serving, "+ ", s->utf8 ? SPAN(POP3_CONTEXT_UTF8) : SPAN(""), handover_login,
                          false };
}

static void do_user(void *self, struct span argument)
{
    struct session *s = self;
    if (!takes_passwords(s)) {
        refuse_plaintext(s);
    } else if (argument.n == 0 || !span_copy(argument, s->name, sizeof s->name)) {
        pop3_wrong(&s->pop3, "USER needs a name");
    } else {
        s->pop3.state = POP3_NAMED;
        pop3_ok(&s->pop3, "and the password?");
    }
}

static void do_password(struct session *s, struct span password)
{
    struct sasl sasl = sasl_of(s);
    answer_login(s, sasl_password(&sasl, span_of(s->name), password));
}

static void do_pass(void *self, struct span argument)
{
    struct session *s = self;
    if (!takes_passwords(s))
        refuse_plaintext(s);
    else if (s->pop3.state != POP3_NAMED)
        pop3_wrong(&s->pop3, "USER comes before PASS");
    else if (argument.n == 0)
        pop3_wrong(&s->pop3, "PASS needs a password");
    else
        do_password(s, argument);
}

static void do_auth(void *self, struct span argument)
{
    struct session *s = self;
    struct span mechanism, initial = argument;
    if (argument.n == 0)
        return pop3_wrong(&s->pop3, "AUTH needs a mechanism");
    span_cut(&initial, ' ', &mechanism);
    struct sasl sasl = sasl_of(s);
    answer_login(s, sasl_authenticate(&sasl, mechanism, initial));
}

/* --- the rest */

static void do_capa(void *self, struct span argument)
{
    struct session *s = self;
    (void)argument;
    pop3_capabilities(&s->pop3, s->serving->settings, under_tls(s), offers_stls(s));
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
