/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * STARTTLS (RFC 3207) and AUTH (RFC 4954), whose mechanisms are those of store/sasl.h, and LOGIN.
 *
 * What came in plaintext behind STARTTLS was put there by somebody in between, or by a client that doesn't
 * wait: the connection ends.
 */
#include "session_milter.h"
#include "store/sasl.h"

#include <stdlib.h>
#include <string.h>

/* --- STARTTLS */

void run_starttls(void *session, struct span argument)
{
    struct session *s = session;
    (void)argument;
    if (s->tls) {
        reply_wrong(s, "503 5.5.1 TLS is on already");
    } else if (!s->serving->tls) {
        reply(s, "454 4.7.0 TLS is not available now");
    } else if (s->login || s->state & (AT_MAIL | AT_RCPT | AT_BODY)) {
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
        milters_greeted(s);
    }
}

/* --- AUTH */

/* What a login came to (RFC 4954 4, 6; the code of a disabled account is of RFC 5248). */
static void answer_login(struct session *s, enum sasl_result result)
{
    static const struct {
        const char *text;
        bool wrong, last; /* the command counts as wrong; the connection ends */
    } replies[SASL_RESULTS] = {
        [SASL_DONE] = { "235 2.7.0 Logged in", false, false },
        [SASL_WRONG] = { "535 5.7.8 Wrong name or password", false, false },
        [SASL_DISABLED] = { "525 5.7.13 This account is disabled", false, false },
        [SASL_NO_ACCOUNT] = { "535 5.7.8 There is no such account", false, false },
        [SASL_TEMP] = { "454 4.7.0 Passwords can't be checked now, try again later", false, false },
        [SASL_OVER] = { "421 4.7.0 Too many wrong passwords", false, true },
        [SASL_LIMITED] = { "421 4.7.0 Too many failed logins, try again later (login-failures)", false,
                           true },
        [SASL_UNKNOWN] = { "504 5.5.4 No such mechanism; EHLO tells which are", true, false },
        [SASL_PLAINTEXT] = { "538 5.7.11 Encryption required: STARTTLS first", true, false },
        [SASL_CANCELLED] = { "501 5.7.0 Authentication cancelled", true, false },
        [SASL_NOT_BASE64] = { "501 5.5.2 This is no base64", true, false },
        [SASL_TOO_LONG] = { "500 5.5.6 Authentication exchange line too long", true, false },
        [SASL_BAD_LINE] = { "501 5.5.2 This is no base64", true, false },
        [SASL_MALFORMED] = { "535 5.7.8 No response of this mechanism, or not as oneself", true, false },
        [SASL_BINDING] = { "535 5.7.8 No such channel binding here", true, false },
        [SASL_DOWNGRADE] = { "535 5.7.8 SCRAM-SHA-256-PLUS is offered here", true, false },
        [SASL_GONE] = { "421 4.4.2 Nothing heard for too long", false, true },
    };
    s->login = result == SASL_DONE;
    if (replies[result].last)
        reply_last(s, replies[result].text);
    else if (replies[result].wrong)
        reply_wrong(s, replies[result].text);
    else
        reply(s, replies[result].text);
}

static enum sasl_result ask_password(const struct sasl *sasl, struct span as, struct span name,
                                     struct span password)
{
    uint64_t v = VERDICT_OVER;
    struct message *m = malloc(sizeof *m);
    if (!m)
        return SASL_TEMP;
    message_start(m, VERB_LOGIN);
    message_put(m, as);
    message_put(m, name);
    message_put(m, password);
    size_t used = m->len;
    if (!channel_call(sasl->serving->channel, m) || !message_get_u64(m, &v))
        v = VERDICT_OVER;
    explicit_bzero(m->data, used);
    free(m);
    static const enum sasl_result results[] = {
        [VERDICT_OK] = SASL_DONE,           [VERDICT_REFUSED] = SASL_WRONG,
        [VERDICT_OVER] = SASL_OVER,         [VERDICT_NO_USER] = SASL_NO_ACCOUNT,
        [VERDICT_DISABLED] = SASL_DISABLED, [VERDICT_LIMITED] = SASL_LIMITED,
    };
    return v < sizeof results / sizeof results[0] && (results[v] || v == VERDICT_OK) ? results[v] : SASL_TEMP;
}

void run_auth(void *session, struct span argument)
{
    struct session *s = session;
    struct span mechanism, initial = argument.n ? span_trim(argument) : (struct span){ NULL, 0 };
    if (!s->submission) {
        reply_wrong(s, "502 5.5.1 No AUTH here; use the submission ports");
    } else if (s->state == AT_START) {
        reply_wrong(s, "503 5.5.1 EHLO first");
    } else if (s->login || s->state != AT_IDLE) {
        reply_wrong(s,
                    s->login ? "503 5.5.1 Logged in already" : "503 5.5.1 Not while a message is being sent");
    } else if (!span_cut(&initial, ' ', &mechanism)) {
        reply_wrong(s, "501 5.5.4 Syntax: AUTH mechanism");
    } else {
        const struct sasl sasl = { s->serving, "334 ", SPAN(""), ask_password, true };
        enum sasl_result result = sasl_authenticate(&sasl, mechanism, initial);
        conn_mask(s->conn, false);
        span_copy(mechanism, s->mechanism, sizeof s->mechanism);
        answer_login(s, result);
    }
}
