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
#include "store/sasl.h"

#include <string.h>

#define SESSION_LITERALS 4096 /* bytes of literals in a command: a name and a password */
#define SESSION_AWAY 65536    /* of a refused LITERAL+ that are read and thrown away */
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

static bool takes_passwords(const struct session *s)
{
    return sasl_takes_passwords(s->serving->settings, secure(s));
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
    unsigned state = CAPABLE_BEFORE | (takes_passwords(s) ? CAPABLE_PASSWORDS : CAPABLE_REFUSING) |
                     (s->serving->settings->scram ? CAPABLE_SCRAM : 0) |
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

/* --- logging in */

static void hand_over(struct session *s)
{
    bytes_wipe(&s->reader.text);
    bytes_wipe(&s->text);
    handover_session(s->serving);
    s->over = true;
}

/* What a login came to. */
static void answer_login(struct session *s, enum sasl_result result)
{
    static const struct {
        const char *text;
        bool bad; /* the command was wrong, and not the credentials */
    } replies[SASL_RESULTS] = {
        [SASL_WRONG] = { "NO [AUTHENTICATIONFAILED] Wrong name or password", false },
        [SASL_DISABLED] = { "NO [CONTACTADMIN] This account is disabled", false },
        [SASL_NO_ACCOUNT] = { "NO [AUTHORIZATIONFAILED] There is no such account", false },
        [SASL_TEMP] = { "NO [UNAVAILABLE] Logging in isn't possible now; try again later", false },
        [SASL_OVER] = { "NO [AUTHENTICATIONFAILED] Wrong name or password", false },
        [SASL_LIMITED] = { "NO [UNAVAILABLE] Too many failed logins, try again later (login-failures)",
                           false },
        [SASL_UNKNOWN] = { "NO [CANNOT] No such mechanism", false },
        [SASL_PLAINTEXT] = { "NO [PRIVACYREQUIRED] Passwords are taken under TLS only", false },
        [SASL_CANCELLED] = { "Cancelled", true },
        [SASL_NOT_BASE64] = { "Bad base64", true },
        [SASL_TOO_LONG] = { "Too long a response", true },
        [SASL_BAD_LINE] = { "Bad response", true },
        [SASL_MALFORMED] = { "NO [AUTHENTICATIONFAILED] Malformed credentials", false },
        [SASL_BINDING] = { "NO [AUTHENTICATIONFAILED] No such channel binding here", false },
        [SASL_DOWNGRADE] = { "NO [AUTHENTICATIONFAILED] SCRAM-SHA-256-PLUS is offered here", false },
    };
    if (result == SASL_DONE)
        return hand_over(s);
    bool last = result == SASL_OVER || result == SASL_LIMITED;
    s->over |= result == SASL_GONE || last;
    if (!replies[result].text)
        return;
    if (replies[result].bad)
        bad(s, replies[result].text);
    else
        answer(s, replies[result].text);
    if (last)
        conn_write_str(s->conn, "* BYE Too many failed logins\r\n");
}

static struct sasl sasl_of(const struct session *s)
{
    return (struct sasl){ s->serving, "+ ", span_of(s->tag), handover_login, false };
}

static void session_login(void *session, struct span argument)
{
    struct session *s = session;
    struct parser p;
    struct span name, password;
    parser_init(&p, argument, &s->text);
    /* Unquoted too, a master user's alice*admin may be written: so Dovecot's users do. */
    if (!parse_list_mailbox(&p, &name) || !parse_space(&p) || !parse_astring(&p, &password) || !parse_end(&p))
        return bad(s, p.error);
    struct sasl sasl = sasl_of(s);
    answer_login(s, takes_passwords(s) ? sasl_password(&sasl, name, password) : SASL_PLAINTEXT);
}

static void session_authenticate(void *session, struct span argument)
{
    struct session *s = session;
    struct parser p;
    struct span mechanism, initial = { NULL, 0 };
    parser_init(&p, argument, &s->text);
    if (!parse_atom(&p, &mechanism))
        return bad(s, p.error);
    if (parse_char(&p, ' '))
        initial = span_from(p.in, p.at);
    else if (!parse_end(&p))
        return bad(s, p.error);
    struct sasl sasl = sasl_of(s);
    answer_login(s, sasl_authenticate(&sasl, mechanism, initial));
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
