/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a filter answers, and what comes of it; see session_milter.h.
 *
 *     answer       to CONNECT and HELO           to MAIL, DATA and the message    to RCPT
 *     CONTINUE     the next filter               the next filter                  the next filter
 *     ACCEPT       it isn't asked any more in    it isn't asked any more about    as for MAIL
 *                  this connection               this message
 *     REJECT ...   each MAIL gets this reply     the message has this reply       the recipient has it
 *     DISCARD      is none                       accepted and thrown away         as for MAIL
 *     SHUTDOWN     421, and the connection ends
 */
#include "session_milter.h"
#include "base/log.h"

#include <stdio.h>

static const char rejected[] = "550 5.7.1 Refused by a filter of this server (milter)";
static const char deferred[] = "451 4.7.1 A filter of this server says: try again later (milter)";
static const char shut_down[] = "421 4.7.0 A filter of this server ends this connection (milter)";
static const char down_for_now[] =
    "451 4.3.0 A filter of this server doesn't work now, try again later (milter)";
static const char down_for_good[] = "554 5.3.0 A filter of this server doesn't work (milter)";

enum milter_outcome milter_refuse(struct milters *all, const char *reply)
{
    bytes_clear(&all->reply);
    bytes_add_str(&all->reply, reply);
    return MILTER_REFUSED;
}

enum milter_outcome milter_without(struct milters *all, const struct milter *m)
{
    return m->setting->down == MILTER_DOWN_ACCEPT  ? MILTER_GO_ON
           : m->setting->down == MILTER_DOWN_DEFER ? milter_refuse(all, down_for_now)
                                                   : milter_refuse(all, down_for_good);
}

/* Of which command's answer the log speaks. */
static const char *command_word(char command)
{
    static const struct {
        char command;
        const char *word;
    } words[] = { { MILTER_CONNECT, "the connection" },
                  { MILTER_HELO, "HELO" },
                  { MILTER_MAIL, "MAIL" },
                  { MILTER_RCPT, "RCPT" },
                  { MILTER_DATA, "DATA" },
                  { MILTER_UNKNOWN, "a command" } };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (words[i].command == command)
            return words[i].word;
    return "the message";
}

static void log_answer(const struct milters *all, const struct milter *m, char command, const char *what)
{
    char text[LOG_VALUE_LIMIT];
    snprintf(text, sizeof text, "%s: to %s%s%s: %s", m->setting->address, command_word(command),
             all->id[0] ? " of " : "", all->id, what);
    guard_log(all->session->serving->channel, "milter", span_of(text));
}

static enum milter_outcome answer_wrongly(struct milters *all, struct milter *m)
{
    milter_fail(all, m, "it answers what doesn't belong there");
    return milter_without(all, m);
}

static enum milter_outcome reply_as_it_says(struct milters *all, struct milter *m, struct span data)
{
    bytes_clear(&all->reply);
    return milter_read_reply(data, &all->reply) ? MILTER_REFUSED : answer_wrongly(all, m);
}

static enum milter_outcome let_pass(struct milter *m, char command)
{
    if (command == MILTER_CONNECT || command == MILTER_HELO)
        m->passes = true;
    else
        m->accepted = true;
    return MILTER_GO_ON;
}

static enum milter_outcome drop(struct milters *all, struct milter *m, char command)
{
    if (command == MILTER_CONNECT || command == MILTER_HELO)
        return answer_wrongly(all, m);
    all->dropped = true;
    log_answer(all, m, command, "discarded");
    return MILTER_DROPPED;
}

static enum milter_outcome act(struct milters *all, struct milter *m, char command, char code,
                               struct span data)
{
    switch (code) {
    case MILTER_CONTINUE:
        return MILTER_GO_ON;
    case MILTER_ACCEPT:
        return let_pass(m, command);
    case MILTER_REJECT:
        return milter_refuse(all, rejected);
    case MILTER_TEMPFAIL:
        return milter_refuse(all, deferred);
    case MILTER_REPLY:
        return reply_as_it_says(all, m, data);
    case MILTER_DISCARD:
        return drop(all, m, command);
    case MILTER_SHUTDOWN:
    case MILTER_CONNECTION_FAIL:
        return milter_refuse(all, shut_down);
    default:
        return answer_wrongly(all, m);
    }
}

bool milter_ends_connection(const struct milters *all)
{
    return span_starts(span_bytes(&all->reply), "421");
}

enum milter_outcome milter_decide(struct milters *all, struct milter *m, char command, char code,
                                  struct span data)
{
    enum milter_outcome outcome = act(all, m, command, code, data);
    if (outcome != MILTER_REFUSED || m->state != MILTER_OPEN)
        return outcome;
    log_answer(all, m, command, bytes_str(&all->reply));
    if (milter_ends_connection(all) || command == MILTER_CONNECT || command == MILTER_HELO) {
        bytes_clear(&all->refused);
        bytes_add_span(&all->refused, span_bytes(&all->reply));
    }
    return outcome;
}

bool milter_is_missed(const struct milter *m)
{
    return m->state == MILTER_DOWN && !m->passes;
}

bool milter_listens(const struct milter *m, char command)
{
    return m->state == MILTER_OPEN && !m->passes && !m->accepted && milter_wants(&m->options, command);
}

/* However long it says that it is at work. */
static bool hear(struct milters *all, struct milter *m, char *code, struct span *data)
{
    milter_give_time(all, m, 1);
    if (!milter_flush(all, m))
        return false;
    do {
        if (!milter_receive(all, m, code, data))
            return false;
        milter_give_time(all, m, 1);
    } while (*code == MILTER_PROGRESS);
    return true;
}

bool milter_hear(struct milters *all, struct milter *m, char *code, struct span *data)
{
    int64_t until = all->until;
    milter_give_time(all, m, MILTER_WORK_TIMES);
    all->until = m->until;
    bool heard = hear(all, m, code, data);
    all->until = until;
    return heard;
}

enum milter_outcome milter_ask(struct milters *all, struct milter *m, char command)
{
    char code;
    struct span data;
    if (!milter_answers(&m->options, command))
        return MILTER_GO_ON;
    return milter_hear(all, m, &code, &data) ? milter_decide(all, m, command, code, data)
                                             : milter_without(all, m);
}
