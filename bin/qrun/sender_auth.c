/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * AUTH; see sender_auth.h. The login came for this connection alone: other senders never have it in their
 * memory.
 */
#include "sender_auth.h"

#include "base/log.h"
#include "net/sasl_client.h"
#include "text/base64.h"

#include <stdio.h>
#include <string.h>

#define LINE_LIMIT 12288 /* RFC 4954 4 */
#define MORE 334
#define DONE 235

bool sender_login_receive(int channel, struct message *m, struct route_login *login)
{
    bool good = channel_receive(channel, m, -1) && m->verb == VERB_LOGIN && m->fd < 0 &&
                message_get_str(m, login->name, sizeof login->name) &&
                message_get_str(m, login->password, sizeof login->password) && message_end(m);
    explicit_bzero(m->data, sizeof m->data);
    return good;
}

/* What went wrong is ours or the server's settings: mail waits until somebody has seen to it. */
static bool refuse(struct smtp *s, const char *text)
{
    bool gone = s->gone;
    smtp_lost(s, text);
    s->gone = gone;
    return false;
}

/* One line, which the log shows without what is in it. */
static void say(struct smtp *s, const char *command, struct span message, bool empty_as_equals)
{
    struct bytes line;
    bytes_init(&line, LINE_LIMIT);
    bytes_add_str(&line, command);
    if (log_is_verbose()) {
        bytes_add_str(&line, "(secret)");
        log_trace('C', span_bytes(&line));
        bytes_clear(&line);
        bytes_add_str(&line, command);
    }
    if (message.n == 0 && empty_as_equals)
        bytes_add_char(&line, '=');
    base64_encode(message, &line);
    bytes_add_str(&line, "\r\n");
    if (line.failed)
        smtp_lost(s, "4.7.0 A login grew too long");
    else
        conn_write(s->conn, line.data, line.len);
    bytes_wipe(&line);
}

static void start(struct smtp *s, struct sasl_client *c)
{
    char command[64];
    struct bytes first;
    bytes_init(&first, SASL_CLIENT_MESSAGE);
    if (sasl_client_first(c, &first)) {
        snprintf(command, sizeof command, "AUTH %s ", sasl_client_mechanism(c));
        say(s, command, span_bytes(&first), true);
    } else {
        smtp_command(s, "AUTH %s", sasl_client_mechanism(c));
    }
    bytes_wipe(&first);
}

/* Answers a 334. */
static bool respond(struct smtp *s, struct sasl_client *c)
{
    struct bytes challenge, answer;
    bytes_init(&challenge, SASL_CLIENT_MESSAGE);
    bytes_init(&answer, SASL_CLIENT_MESSAGE);
    bool good = s->reply.length < REPLY_TEXT_LIMIT && base64_decode(span_of(s->reply.text), &challenge) &&
                sasl_client_answer(c, span_bytes(&challenge), &answer) == ST_OK;
    if (good)
        say(s, "", span_bytes(&answer), false);
    bytes_free(&challenge);
    bytes_wipe(&answer);
    return good;
}

static bool converse(struct smtp *s, struct sasl_client *c)
{
    char text[REPLY_TEXT_LIMIT + 32];
    start(s, c);
    while (smtp_reply(s, SMTP_COMMAND_MS, false) && s->reply.code == MORE)
        if (!respond(s, c)) {
            smtp_command(s, "*");
            smtp_reply(s, SMTP_COMMAND_MS, false);
            return refuse(s, "4.7.8 AUTH: the server's challenge can't be answered, or it doesn't know the "
                             "password itself");
        }
    if (s->reply.code == DONE && !s->gone)
        return sasl_client_done(c) ||
               refuse(s, "4.7.8 AUTH: the server didn't show that it knows the password");
    if (s->reply.code) {
        snprintf(text, sizeof text, "4.7.8 AUTH was refused: %u %s", s->reply.code, s->reply.text);
        refuse(s, text);
    }
    return false;
}

bool sender_login(struct smtp *s, const struct sender_start *start, const struct secured *secured,
                  struct route_login *login)
{
    bool may_show = secured->protection != NO_TLS || start->hop->tls == HOP_TLS_NONE;
    struct sasl_client *c =
        sasl_client_new(s->ehlo.auth, may_show, span_of(login->name), span_of(login->password));
    explicit_bzero(login, sizeof *login);
    if (!c)
        return refuse(s, s->ehlo.auth && !may_show
                             ? "4.7.11 AUTH: no TLS, and the password may not be shown without"
                             : "4.7.4 AUTH: the server offers none that we know");
    bool good = converse(s, c);
    sasl_client_free(c);
    return good;
}
