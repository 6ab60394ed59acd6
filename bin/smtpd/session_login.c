/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * STARTTLS (RFC 3207) and AUTH PLAIN and LOGIN (RFC 4954, 4616).
 *
 * What came in plaintext behind STARTTLS was put there by somebody in between, or by a client that doesn't
 * wait: the connection ends. Passwords are wiped where they were copied.
 */
#include "session.h"
#include "store/login.h"
#include "text/base64.h"

#include <string.h>

#define RESPONSE_LIMIT 12288 /* a line of base64 (RFC 4954 4) */
#define DECODED_LIMIT (2 * LOGIN_NAME_LIMIT + LOGIN_PASSWORD_LIMIT + 2)

/* --- STARTTLS */

void run_starttls(void *session, struct span argument)
{
    struct session *s = session;
    (void)argument;
    if (s->tls) {
        reply_wrong(s, "503 5.5.1 TLS is on already");
    } else if (!s->serving->tls) {
        reply(s, "454 4.7.0 TLS is not available now");
    } else if (s->login || s->state & (AT_MAIL | AT_RCPT)) {
        reply_wrong(s, "503 5.5.1 Too late for STARTTLS");
    } else if (conn_pending(s->conn).n) {
        reply_last(s, "554 5.7.0 Plaintext behind STARTTLS");
    } else {
        reply(s, "220 2.0.0 Go ahead");
        conn_flush(s->conn);
        s->tls = tls_accept(s->conn, s->serving->tls, guard_sign, &s->serving->channel);
        s->ended = !s->tls;
        s->state = AT_START;
        s->extended = false;
        s->helo[0] = '\0';
    }
}

/* --- AUTH */

static void check(struct session *s, struct span name, struct span password)
{
    if (!name.n || name.n > LOGIN_NAME_LIMIT || password.n > LOGIN_PASSWORD_LIMIT) {
        reply_wrong(s, "535 5.7.8 Wrong name or password");
        return;
    }
    message_start(s->message, VERB_LOGIN);
    message_put(s->message, name);
    message_put(s->message, password);
    size_t used = s->message->len;
    enum verdict v = ask(s);
    explicit_bzero(s->message->data, used);
    switch (v) {
    case VERDICT_OK:
        s->login = true;
        reply(s, "235 2.7.0 Logged in");
        break;
    case VERDICT_REFUSED:
        reply(s, "535 5.7.8 Wrong name or password");
        break;
    case VERDICT_OVER:
        if (!s->ended)
            reply_last(s, "421 4.7.0 Too many wrong passwords");
        break;
    default:
        reply(s, "454 4.7.0 Passwords can't be checked now, try again later");
    }
}

/* One response of the client, decoded; `initial` in place of reading it where p isn't NULL. False, and
 * answered, if there is none. */
static bool get_response(struct session *s, const char *challenge, struct span initial, struct bytes *decoded)
{
    struct span line = initial;
    if (!line.p) {
        reply(s, challenge);
        conn_mask(s->conn, true);
        enum conn_result result = conn_line(s->conn, RESPONSE_LIMIT, &line);
        conn_mask(s->conn, false);
        if (!line_is_good(s, result))
            return false;
        if (span_eq_str(line, "*")) {
            reply_wrong(s, "501 5.7.0 Authentication cancelled");
            return false;
        }
    } else if (span_eq_str(line, "=")) { /* an empty initial response */
        line.n = 0;
    }
    if (base64_decode(line, decoded))
        return true;
    reply_wrong(s, decoded->failed ? "500 5.5.6 Authentication exchange line too long"
                                   : "501 5.5.2 This is no base64");
    return false;
}

static void auth_plain(struct session *s, struct span initial)
{
    struct bytes message;
    struct span name, password;
    bytes_init(&message, DECODED_LIMIT);
    if (get_response(s, "334 ", initial, &message)) {
        if (login_split_plain(span_bytes(&message), &name, &password))
            check(s, name, password);
        else
            reply_wrong(s, "535 5.7.8 No PLAIN message with a name and a password");
    }
    bytes_wipe(&message);
}

/* Its challenges are "Username:" and "Password:". */
static void auth_login(struct session *s, struct span initial)
{
    struct bytes name, password;
    bytes_init(&name, DECODED_LIMIT);
    bytes_init(&password, DECODED_LIMIT);
    if (get_response(s, "334 VXNlcm5hbWU6", initial, &name) &&
        get_response(s, "334 UGFzc3dvcmQ6", (struct span){ NULL, 0 }, &password))
        check(s, span_bytes(&name), span_bytes(&password));
    bytes_wipe(&name);
    bytes_wipe(&password);
}

void run_auth(void *session, struct span argument)
{
    struct session *s = session;
    struct span mechanism, initial = argument.n ? span_trim(argument) : (struct span){ NULL, 0 };
    if (!s->submission)
        reply_wrong(s, "502 5.5.1 No AUTH here; use the submission ports");
    else if (!login_allowed(s))
        reply_wrong(s, "538 5.7.11 Encryption required: STARTTLS first");
    else if (s->state == AT_START)
        reply_wrong(s, "503 5.5.1 EHLO first");
    else if (s->login || s->state != AT_IDLE)
        reply_wrong(s,
                    s->login ? "503 5.5.1 Logged in already" : "503 5.5.1 Not while a message is being sent");
    else if (!span_cut(&initial, ' ', &mechanism))
        reply_wrong(s, "501 5.5.4 Syntax: AUTH mechanism");
    else if (span_ieq_str(mechanism, "PLAIN"))
        auth_plain(s, initial);
    else if (span_ieq_str(mechanism, "LOGIN"))
        auth_login(s, initial);
    else
        reply_wrong(s, "504 5.5.4 Unknown mechanism");
}
