/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Filters that speak the milter protocol (text/milter.h), asked about a connection's messages in the order of
 * the settings. They hear of a connection with its first MAIL, so that nobody's greeting waits for them.
 *
 *     session_milter.c          what they are told of connection and envelope
 *     session_milter_answer.c   one filter's answer, and what comes of it
 *     session_milter_link.c     one filter's connection: packets, deadlines, negotiation
 *     session_milter_macros.c   the macros that go before a command
 *     session_milter_message.c  the message: header, body, what they change in it
 *     session_milter_text.c     a message that is being changed
 *
 * What a filter says is bounded, and believed for its decision only. One that can't be reached, is too slow,
 * hangs up or says what isn't the protocol is down for the rest of the connection, and the setting says what
 * that means for mail. Where no filters are configured s->milters stays NULL and nothing of this runs.
 */
#ifndef POSTERN_SMTPD_SESSION_MILTER_H
#define POSTERN_SMTPD_SESSION_MILTER_H

#include "incoming.h"
#include "text/milter.h"

/* --- for the rest of the session */

/* MAIL and RCPT that the guard has accepted; `argument` is the command's. False: a filter has refused, and
 * the client has its reply. The guard has told of the filters with its verdict on MAIL, which s->message
 * still holds. */
bool milters_mail(struct session *s, const struct address *sender, struct span argument);
bool milters_rcpt(struct session *s, const struct address *recipient, struct span argument);
/* A recipient that was refused, with this reply: some filters count those. */
void milters_rcpt_refused(struct session *s, const struct address *recipient, struct span argument,
                          const char *reply);
/* A command that there isn't. */
void milters_unknown(struct session *s, struct span line);
/* Before the message comes: it may be refused. */
void milters_data(struct incoming *in);
/* The message is there, judged, and `in` may be handed over: it may be refused, dropped, changed. */
void milters_message(struct incoming *in);
/* The ID that filters know it by. */
const char *milters_id(const struct session *s);
/* The transaction is over. */
void milters_forget(struct session *s);
/* EHLO, HELO or STARTTLS. */
void milters_greeted(struct session *s);
/* The connection is over. */
void milters_end(struct session *s);

/* --- between those files */

/* The setting's time, so often, for an answer to the message's end, and for one at which a filter says that
 * it is at work. */
#define MILTER_WORK_TIMES 10

enum milter_state { MILTER_UNTRIED, MILTER_OPEN, MILTER_DOWN };

/* One filter. */
struct milter {
    const struct milter_setting *setting;
    size_t place; /* in the settings */
    enum milter_state state;
    int fd;
    bool passes;     /* it has accepted all of this connection */
    bool accepted;   /* it has accepted this message */
    bool in_message; /* it has heard of a message, and not of its end */
    struct milter_options options;
    struct bytes negotiated; /* options.macros point into it */
    struct bytes in;         /* received, from `taken` on not looked at */
    size_t taken;
    struct bytes out;  /* to be sent */
    int64_t until;     /* for what is being asked now */
    const char *wrong; /* why it is down */
};

/* What an event came to. */
enum milter_outcome {
    MILTER_GO_ON,
    MILTER_REFUSED, /* m->reply has the reply */
    MILTER_DROPPED, /* the message is to be thrown away */
};

struct milters {
    struct session *session;
    size_t count;
    struct milter list[SETTINGS_MILTERS];
    struct bytes reply;   /* lines without the last CRLF */
    struct bytes refused; /* the same, where the connection is */
    bool submission;
    bool told_connection, told_helo;
    bool dropped;   /* this message */
    bool junk;      /* they say so */
    int64_t until;  /* for all of them together, at a message's end */
    char id[64];    /* the message's, or "" */
    char name[256]; /* the client's, as DNS confirms it, or "" */
    char login[ADDRESS_LIMIT + 4];
    struct address sender, recipient;
    const char *recipient_reply; /* NULL: it was accepted */
};

/* --- session_milter_link.c */
/* Connects and negotiates, once. False: it is down. */
bool milter_open(struct milters *all, struct milter *m);
/* It is down, with the reason in the log. */
void milter_fail(struct milters *all, struct milter *m, const char *why);
/* Sends what m->out holds. False: down. */
bool milter_flush(struct milters *all, struct milter *m);
/* The next answer, within m->in until the next call. False: down. */
bool milter_receive(struct milters *all, struct milter *m, char *code, struct span *data);
/* Sets the time for the next answer, `times` what the setting says. */
void milter_give_time(struct milters *all, struct milter *m, unsigned times);
void milter_close(struct milter *m);

/* --- session_milter_macros.c */
/* Appends to m->out what `command` has as macros for this filter. */
void milter_put_macros(const struct milters *all, struct milter *m, char command);

/* --- session_milter_answer.c */
/* A refusal with this reply. */
enum milter_outcome milter_refuse(struct milters *all, const char *reply);
/* Does the reply of the last one end the connection? */
bool milter_ends_connection(const struct milters *all);
/* Is it down, and would be asked if it weren't? What that means for mail holds from then on. */
bool milter_is_missed(const struct milter *m);
/* Does this filter hear of `command`? */
bool milter_listens(const struct milter *m, char command);
/* Sends what m->out holds, and waits for the answer. False: it is down. */
bool milter_hear(struct milters *all, struct milter *m, char *code, struct span *data);
/* The same for what ends with `command`, where that has an answer; what it comes to. */
enum milter_outcome milter_ask(struct milters *all, struct milter *m, char command);
/* What a last answer to `command` comes to. */
enum milter_outcome milter_decide(struct milters *all, struct milter *m, char command, char code,
                                  struct span data);
/* What becomes of mail where this filter is down. */
enum milter_outcome milter_without(struct milters *all, const struct milter *m);

/* --- session_milter.c */
/* The client's name: as DNS confirms it, "localhost", "[192.0.2.1]", "unknown". */
void milter_client_name(const struct milters *all, struct bytes *out);

#endif
