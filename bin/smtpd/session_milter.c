/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What filters hear of a connection and its envelopes, one after the other, while none refuses; see
 * session_milter.h. What comes of their answers is in session_milter_answer.c.
 */
#include "session_milter.h"

#include <stdio.h>
#include <stdlib.h>

/* --- all of them */

/* Each that listens gets its macros and `packet`, which is a whole one. */
static enum milter_outcome tell(struct milters *all, char command, struct span packet)
{
    enum milter_outcome outcome = MILTER_GO_ON;
    for (size_t i = 0; i < all->count && outcome == MILTER_GO_ON && !all->dropped; i++) {
        struct milter *m = &all->list[i];
        if (milter_is_missed(m))
            outcome = milter_without(all, m);
        if (!milter_listens(m, command))
            continue;
        milter_put_macros(all, m, command);
        bytes_add_span(&m->out, packet);
        m->in_message = m->in_message || command == MILTER_MAIL;
        outcome = milter_ask(all, m, command);
    }
    return outcome;
}

/* One with arguments: the first of them, and what stands behind it, word by word. */
static bool put_words(struct bytes *packet, char command, struct span first, struct span rest)
{
    struct milter_packet p;
    struct span word;
    bytes_init(packet, 2 * CONN_BUFFER);
    milter_begin(&p, packet, command);
    milter_put(&p, first);
    while (span_cut(&rest, ' ', &word))
        if (word.n)
            milter_put(&p, word);
    return milter_finish(&p);
}

static enum milter_outcome tell_words(struct milters *all, char command, struct span first, struct span rest)
{
    struct bytes packet;
    bool made = put_words(&packet, command, first, rest);
    enum milter_outcome outcome =
        made ? tell(all, command, span_bytes(&packet)) : milter_refuse(all, trouble_line(VERDICT_FAILED));
    bytes_free(&packet);
    return outcome;
}

void milter_client_name(const struct milters *all, struct bytes *out)
{
    const struct peer *peer = &all->session->serving->peer;
    if (all->name[0])
        bytes_add_str(out, all->name);
    else if (peer->local)
        bytes_add_str(out, "localhost");
    else if (peer->known)
        bytes_printf(out, "[%s]", peer->text);
    else
        bytes_add_str(out, "unknown");
}

static enum milter_outcome tell_connection(struct milters *all)
{
    const struct peer *peer = &all->session->serving->peer;
    struct bytes name, packet;
    bytes_init(&name, 512);
    bytes_init(&packet, 1024);
    milter_client_name(all, &name);
    char family = peer->local ? '4' : !peer->known ? 'U' : IN6_IS_ADDR_V4MAPPED(&peer->address) ? '4' : '6';
    milter_put_connect(&packet, span_bytes(&name), family, peer->port,
                       peer->local ? SPAN("127.0.0.1") : span_of(peer->text));
    enum milter_outcome outcome = tell(all, MILTER_CONNECT, span_bytes(&packet));
    bytes_free(&name);
    bytes_free(&packet);
    return outcome;
}

/* Connects to those that aren't tried yet, and tells them who the client is. */
static enum milter_outcome begin_connection(struct milters *all)
{
    enum milter_outcome outcome = MILTER_GO_ON;
    for (size_t i = 0; i < all->count && outcome == MILTER_GO_ON; i++)
        if (!milter_open(all, &all->list[i]))
            outcome = milter_without(all, &all->list[i]);
    if (outcome == MILTER_GO_ON && !all->told_connection) {
        all->told_connection = true;
        outcome = tell_connection(all);
    }
    if (outcome == MILTER_GO_ON && !all->told_helo) {
        all->told_helo = true;
        outcome = tell_words(all, MILTER_HELO, span_of(all->session->helo), (struct span){ NULL, 0 });
    }
    return outcome;
}

/* --- the session's events */

static bool begin(struct session *s)
{
    const struct settings *set = s->serving->settings;
    struct milters *all = s->milters ? s->milters : calloc(1, sizeof *all);
    if (!all || s->milters)
        return all != NULL;
    *all = (struct milters){ .session = s };
    all->submission = serving_flag(s->serving, 's') || serving_flag(s->serving, 'u');
    for (size_t i = 0; i < set->milter_count; i++)
        if (set->milters[i].uses & (all->submission ? MILTER_FOR_SUBMISSION : MILTER_FOR_IN))
            all->list[all->count++] = (struct milter){ .setting = &set->milters[i], .place = i, .fd = -1 };
    bytes_init(&all->reply, MILTER_REPLY_LIMIT + MILTER_ANSWER_LIMIT);
    bytes_init(&all->refused, MILTER_REPLY_LIMIT + MILTER_ANSWER_LIMIT);
    s->milters = all;
    return true;
}

/* The client's reply, if a filter refuses. */
static bool passed(struct milters *all, enum milter_outcome outcome)
{
    if (outcome != MILTER_REFUSED)
        return true;
    if (milter_ends_connection(all))
        reply_last(all->session, bytes_str(&all->reply));
    else
        reply(all->session, bytes_str(&all->reply));
    return false;
}

/* Without the path that stands first in it. */
static struct span behind_path(struct span argument)
{
    struct address path;
    argument = span_from(argument, span_find(argument, ':') + 1);
    return address_path(&argument, &path) == ADDRESS_OK ? argument : (struct span){ NULL, 0 };
}

static void bracket(const struct address *a, char path[ADDRESS_LIMIT + 8])
{
    snprintf(path, ADDRESS_LIMIT + 8, "<%s>", a->text);
}

bool milters_mail(struct session *s, const struct address *sender, struct span argument)
{
    char path[ADDRESS_LIMIT + 8];
    struct milters *all = begin(s) ? s->milters : NULL;
    if (!all || !message_get_str(s->message, all->id, sizeof all->id) ||
        !message_get_str(s->message, all->name, sizeof all->name) ||
        !message_get_str(s->message, all->login, sizeof all->login)) {
        reply(s, "451 4.3.0 Internal error, try again later");
        return false;
    }
    all->sender = *sender;
    bracket(sender, path);
    enum milter_outcome outcome =
        all->refused.len ? milter_refuse(all, bytes_str(&all->refused)) : begin_connection(all);
    if (outcome == MILTER_GO_ON)
        outcome = tell_words(all, MILTER_MAIL, span_of(path), behind_path(argument));
    return passed(all, outcome);
}

bool milters_rcpt(struct session *s, const struct address *recipient, struct span argument)
{
    char path[ADDRESS_LIMIT + 8];
    struct milters *all = s->milters;
    if (!all)
        return true;
    all->recipient = *recipient;
    all->recipient_reply = NULL;
    bracket(recipient, path);
    return passed(all, tell_words(all, MILTER_RCPT, span_of(path), behind_path(argument)));
}

/* To those that listen and have asked for `steps`; what they answer changes nothing. */
static void tell_only(struct milters *all, char command, uint32_t steps, struct span packet)
{
    char code;
    struct span data;
    for (size_t i = 0; i < all->count && !all->dropped; i++) {
        struct milter *m = &all->list[i];
        if (!milter_listens(m, command) || (m->options.steps & steps) != steps)
            continue;
        milter_put_macros(all, m, command);
        bytes_add_span(&m->out, packet);
        if (milter_answers(&m->options, command))
            milter_hear(all, m, &code, &data);
    }
}

void milters_rcpt_refused(struct session *s, const struct address *recipient, struct span argument,
                          const char *reply)
{
    char path[ADDRESS_LIMIT + 8];
    struct bytes packet;
    struct milters *all = s->milters;
    if (!all)
        return;
    struct address before = all->recipient;
    all->recipient = *recipient;
    all->recipient_reply = reply;
    bracket(recipient, path);
    if (put_words(&packet, MILTER_RCPT, span_of(path), behind_path(argument)))
        tell_only(all, MILTER_RCPT, MILTER_STEP_REJECTED_RCPT, span_bytes(&packet));
    all->recipient = before;
    all->recipient_reply = NULL; /* the caller's, and soon gone */
    bytes_free(&packet);
}

void milters_unknown(struct session *s, struct span line)
{
    struct bytes packet;
    struct milters *all = s->milters;
    if (!all || !all->told_helo)
        return;
    bytes_init(&packet, CONN_BUFFER);
    if (milter_put_strings(&packet, MILTER_UNKNOWN, &line, 1))
        tell_only(all, MILTER_UNKNOWN, 0, span_bytes(&packet));
    bytes_free(&packet);
}

void milters_data(struct incoming *in)
{
    struct bytes packet;
    struct milters *all = in->session->milters;
    if (!all || incoming_is_lost(in) || in->session->ended)
        return;
    bytes_init(&packet, 16);
    if (milter_put_command(&packet, MILTER_DATA) &&
        tell(all, MILTER_DATA, span_bytes(&packet)) == MILTER_REFUSED) {
        in->refusal = bytes_str(&all->reply);
        in->by_filter = true;
    }
    bytes_free(&packet);
}

const char *milters_id(const struct session *s)
{
    return s->milters ? s->milters->id : "";
}

void milters_forget(struct session *s)
{
    struct milters *all = s->milters;
    for (size_t i = 0; all && i < all->count; i++) {
        struct milter *m = &all->list[i];
        if (m->state == MILTER_OPEN && m->in_message && milter_put_command(&m->out, MILTER_ABORT)) {
            milter_give_time(all, m, 1);
            milter_flush(all, m);
        }
        m->in_message = m->accepted = false;
    }
    if (all) {
        all->dropped = all->junk = false;
        all->recipient = (struct address){ .text = "" };
        all->id[0] = '\0';
    }
}

void milters_greeted(struct session *s)
{
    if (s->milters)
        s->milters->told_helo = false;
}

void milters_end(struct session *s)
{
    struct milters *all = s->milters;
    milters_forget(s);
    for (size_t i = 0; all && i < all->count; i++) {
        struct milter *m = &all->list[i];
        if (m->state == MILTER_OPEN && milter_put_command(&m->out, MILTER_QUIT)) {
            milter_give_time(all, m, 1);
            milter_flush(all, m);
        }
        milter_close(m);
    }
    if (all) {
        bytes_free(&all->reply);
        bytes_free(&all->refused);
    }
    free(all);
    s->milters = NULL;
}
