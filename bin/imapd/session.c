/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * IMAP before login (RFC 3501 6.1 and 6.2), in the sandboxed session: it may read and write the client's
 * socket and ask the guard, nothing else.
 *
 * Passwords come only under TLS unless `plaintext-login yes`. What a client sent in plain behind STARTTLS
 * would be read as if it had come under TLS: it ends the connection. A successful login isn't answered here:
 * the mailbox process does that (commands.c), with the tag handed over as context.
 */
#include "imapd.h"

#include "base/log.h"
#include "capabilities.h"
#include "net/guard.h"
#include "net/tls.h"
#include "store/login.h"
#include "text/base64.h"

#include <string.h>

#define SESSION_LITERALS 4096 /* bytes of literals in a command: a name and a password */
#define SESSION_AWAY 65536    /* of a refused LITERAL+ that are read and thrown away */
#define SASL_LIMIT 4096       /* bytes of a decoded SASL response */
#define LOGIN_RATE 20         /* bytes a second that a command must come at */

struct session {
    struct serving *serving;
    struct conn *conn;
    struct reader reader;
    struct bytes text;
    char tag[TAG_LIMIT + 1];
    unsigned bad;
    bool over;
};

static bool secure(const struct session *s)
{
    return s->serving->implicit_tls || conn_layer(s->conn) != NULL;
}

static bool may_log_in(const struct session *s)
{
    return secure(s) || s->serving->settings->plaintext_login;
}

static void answer(struct session *s, const char *text)
{
    conn_printf(s->conn, "%s %s\r\n", s->tag, text);
}

static void bad(struct session *s, const char *text)
{
    conn_printf(s->conn, "%s BAD %s\r\n", s->tag[0] ? s->tag : "*", text);
    if (++s->bad >= BAD_LIMIT) {
        conn_write_str(s->conn, "* BYE Too many wrong commands\r\n");
        s->over = true;
    }
}

static void write_capabilities(struct session *s)
{
    unsigned state = CAPABLE_BEFORE | (may_log_in(s) ? CAPABLE_PASSWORDS : CAPABLE_REFUSING) |
                     (secure(s)         ? CAPABLE_TLS
                      : s->serving->tls ? CAPABLE_STARTTLS
                                        : 0);
    struct bytes line;
    bytes_init(&line, CAPABILITIES_LIMIT);
    capabilities_write(state, s->serving->settings->message_size, &line);
    conn_write_span(s->conn, span_bytes(&line));
    bytes_free(&line);
}

/* An argument where none belongs. */
static bool no_argument(struct session *s, struct span argument)
{
    if (argument.p)
        bad(s, "Too many arguments");
    return argument.p == NULL;
}

static void session_capability(void *session, struct span argument)
{
    struct session *s = session;
    if (!no_argument(s, argument))
        return;
    conn_write_str(s->conn, "* ");
    write_capabilities(s);
    conn_write_str(s->conn, "\r\n");
    answer(s, "OK Done");
}

static void session_noop(void *session, struct span argument)
{
    if (no_argument(session, argument))
        answer(session, "OK Done");
}

static void session_logout(void *session, struct span argument)
{
    struct session *s = session;
    if (!no_argument(s, argument))
        return;
    conn_write_str(s->conn, "* BYE Good bye\r\n");
    answer(s, "OK Done");
    s->over = true;
}

static void session_id(void *session, struct span argument)
{
    struct session *s = session;
    struct parser p;
    parser_init(&p, argument, &s->text);
    if (!parse_id(&p))
        return bad(s, p.error);
    conn_write_str(s->conn, "* ID (\"name\" \"Postern\")\r\n");
    answer(s, "OK Done");
}

static void session_starttls(void *session, struct span argument)
{
    struct session *s = session;
    if (!no_argument(s, argument))
        return;
    if (secure(s))
        return bad(s, "TLS is on already");
    if (!s->serving->tls)
        return bad(s, "No TLS here");
    if (conn_pending(s->conn).n > 0) {
        bad(s, "Nothing may follow STARTTLS before TLS is on");
        conn_write_str(s->conn, "* BYE Commands were sent in plain behind STARTTLS\r\n");
        s->over = true;
        return;
    }
    answer(s, "OK Begin TLS now");
    s->over = !conn_flush(s->conn) || !tls_accept(s->conn, s->serving->tls, guard_sign, &s->serving->channel);
    s->bad = 0;
}

/* Asks the guard, which keeps count of the tries, and says so if it fails. */
static void log_in(struct session *s, struct span name, struct span password)
{
    if (name.n > LOGIN_NAME_LIMIT || password.n > LOGIN_PASSWORD_LIMIT || name.n == 0)
        return answer(s, "NO [AUTHENTICATIONFAILED] Wrong name or password");
    switch (handover_login(s->serving, name, password, span_of(s->tag))) {
    case ST_OK:
        bytes_wipe(&s->reader.text);
        bytes_wipe(&s->text);
        handover_session(s->serving);
        s->over = true;
        return;
    case ST_PERM:
        return answer(s, "NO [AUTHENTICATIONFAILED] Wrong name or password");
    case ST_TEMP:
        return answer(s, "NO [UNAVAILABLE] Logging in isn't possible now; try again later");
    case ST_NONE:
        break;
    }
    answer(s, "NO [AUTHENTICATIONFAILED] Wrong name or password");
    conn_write_str(s->conn, "* BYE Too many failed logins\r\n");
    s->over = true;
}

static void session_login(void *session, struct span argument)
{
    struct session *s = session;
    struct parser p;
    struct span name, password;
    parser_init(&p, argument, &s->text);
    if (!parse_astring(&p, &name) || !parse_space(&p) || !parse_astring(&p, &password) || !parse_end(&p))
        return bad(s, p.error);
    if (!may_log_in(s))
        return answer(s, "NO [PRIVACYREQUIRED] Passwords are taken under TLS only");
    log_in(s, name, password);
}

/* The client's response: with the command (RFC 4959), or on a line of its own. False if none comes. */
static bool sasl_response(struct session *s, struct parser *p, struct span *response)
{
    if (parse_char(p, ' ')) {
        *response = span_from(p->in, p->at);
        if (span_eq_str(*response, "="))
            *response = SPAN("");
        return true;
    }
    if (!parse_end(p)) {
        bad(s, p->error);
        return false;
    }
    conn_write_str(s->conn, "+ \r\n");
    enum conn_result got = conn_line(s->conn, READER_LINE, response);
    if (got == CONN_OK && !span_eq_str(*response, "*"))
        return true;
    s->over = got == CONN_GONE || got == CONN_TIMEOUT;
    if (!s->over)
        bad(s, got == CONN_OK ? "Cancelled" : "Bad response");
    return false;
}

static void session_authenticate(void *session, struct span argument)
{
    struct session *s = session;
    struct parser p;
    struct span mechanism, response, name, password;
    struct bytes plain;
    parser_init(&p, argument, &s->text);
    if (!parse_atom(&p, &mechanism))
        return bad(s, p.error);
    if (!span_ieq_str(mechanism, "PLAIN"))
        return answer(s, "NO [CANNOT] No such mechanism");
    if (!may_log_in(s))
        return answer(s, "NO [PRIVACYREQUIRED] Passwords are taken under TLS only");
    if (!sasl_response(s, &p, &response))
        return;
    bytes_init(&plain, SASL_LIMIT);
    if (!base64_decode(response, &plain))
        bad(s, "Bad base64");
    else if (!login_split_plain(span_bytes(&plain), &name, &password))
        answer(s, "NO [AUTHENTICATIONFAILED] Malformed credentials");
    else
        log_in(s, name, password);
    bytes_wipe(&plain);
}

static void session_login_first(void *session, struct span argument)
{
    (void)argument;
    bad(session, "Log in first");
}

static void session_unknown(void *session, struct span argument)
{
    (void)argument;
    bad(session, "Unknown command");
}

static const struct command table[] = {
    { "CAPABILITY", 0, 0, session_capability },
    { "NOOP", 0, 0, session_noop },
    { "LOGOUT", 0, 0, session_logout },
    { "ID", 0, 0, session_id },
    { "STARTTLS", 0, 0, session_starttls },
    { "LOGIN", 0, 0, session_login },
    { "AUTHENTICATE", 0, 0, session_authenticate },
    { "LIST", 0, 0, session_login_first },
    { "LSUB", 0, 0, session_login_first },
    { "SELECT", 0, 0, session_login_first },
    { "EXAMINE", 0, 0, session_login_first },
    { "CREATE", 0, 0, session_login_first },
    { "DELETE", 0, 0, session_login_first },
    { "RENAME", 0, 0, session_login_first },
    { "SUBSCRIBE", 0, 0, session_login_first },
    { "UNSUBSCRIBE", 0, 0, session_login_first },
    { "STATUS", 0, 0, session_login_first },
    { "APPEND", 0, 0, session_login_first },
    { "NAMESPACE", 0, 0, session_login_first },
    { "IDLE", 0, 0, session_login_first },
    { "COMPRESS", 0, 0, session_login_first },
    { "CHECK", 0, 0, session_login_first },
    { "CLOSE", 0, 0, session_login_first },
    { "UNSELECT", 0, 0, session_login_first },
    { "EXPUNGE", 0, 0, session_login_first },
    { "SEARCH", 0, 0, session_login_first },
    { "FETCH", 0, 0, session_login_first },
    { "STORE", 0, 0, session_login_first },
    { "COPY", 0, 0, session_login_first },
    { "MOVE", 0, 0, session_login_first },
    { "UID", 0, 0, session_login_first },
    { NULL, 0, 0, session_unknown },
};

/* The dialogue for -v: all of it but what may hold a password. */
static void trace(const struct session *s, const struct command *row)
{
    if (!log_is_verbose())
        return;
    bool secret = row->run == session_login || row->run == session_authenticate || !row->name;
    log_trace('C', secret && row->name ? span_of(row->name)
                   : secret            ? SPAN("(unknown)")
                                       : span_bytes(&s->reader.text));
}

static void run_command(struct session *s)
{
    struct parser p;
    struct span tag, argument;
    s->tag[0] = 0;
    parser_init(&p, span_bytes(&s->reader.text), &s->text);
    if (!parse_tag(&p, &tag) || !parse_space(&p))
        return bad(s, p.error);
    span_copy(tag, s->tag, sizeof s->tag);
    const struct command *row = command_find(table, span_from(p.in, p.at), &argument);
    trace(s, row);
    row->run(s, argument);
}

/* A command that couldn't be read; its tag is used if that much has come. */
static void refuse(struct session *s)
{
    struct parser p;
    struct span tag;
    s->tag[0] = 0;
    parser_init(&p, span_bytes(&s->reader.text), &s->text);
    if (parse_tag(&p, &tag) && parse_space(&p))
        span_copy(tag, s->tag, sizeof s->tag);
    bad(s, s->reader.error);
}

static void step(struct session *s)
{
    switch (reader_command(&s->reader)) {
    case READ_COMMAND:
        return run_command(s);
    case READ_BAD:
        return refuse(s);
    case READ_END:
        conn_printf(s->conn, "* BYE %s\r\n", s->reader.error);
        break;
    case READ_TIMEOUT:
        conn_write_str(s->conn, "* BYE Silent for too long\r\n");
        break;
    case READ_APPEND:
    case READ_GONE:
        break;
    }
    s->over = true;
}

void imap_session(struct serving *serving)
{
    struct session s = { .serving = serving, .conn = serving->conn };
    bytes_init(&s.text, SESSION_LITERALS + 8 * (size_t)CONN_BUFFER);
    if (!reader_init(&s.reader, s.conn, SESSION_LITERALS, SESSION_AWAY, false))
        return;
    uint64_t seconds = serving->settings->timeout;
    conn_deadlines(s.conn, (int)(seconds < 86400 ? seconds : 86400) * 1000, LOGIN_RATE);
    conn_mask(s.conn, true);
    conn_write_str(s.conn, "* OK [");
    write_capabilities(&s);
    conn_printf(s.conn, "] %s IMAP Postern\r\n", serving->settings->hostname);
    while (!s.over && !conn_is_gone(s.conn))
        step(&s);
    conn_flush(s.conn);
    reader_free(&s.reader);
    bytes_wipe(&s.text);
}
