/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * smtpd's session: what it knows of the connection and of the message that is coming in. It believes all
 * this itself only to give good answers; the guard has its own idea of it and decides.
 *
 *     session.c           the loop, the table of commands, and those that need no state
 *     session_envelope.c  MAIL and RCPT
 *     session_data.c      DATA
 *     session_sign.c      signatures, by way of the guard; session_seal.c: seals
 *     session_bdat.c      BDAT; incoming.h names what the two share
 *     session_dns.c       DNS, by way of the guard
 *     session_milter*.c   filters; see session_milter.h
 *     extensions.c        what EHLO lists
 *     session_login.c     STARTTLS and AUTH
 */
#ifndef POSTERN_SMTPD_SESSION_H
#define POSTERN_SMTPD_SESSION_H

#include "net/serve.h"
#include "text/smtp_path.h"
#include "verbs.h"

/* To MAIL, and to the message. A refusal that ends so is logged with that setting. */
#define BY_MESSAGE_SIZE " (message-size)"
#define TOO_BIG "552 5.3.4 The message is too big" BY_MESSAGE_SIZE

/* Where a connection stands; struct command's `states`. */
enum {
    AT_START = 1, /* before HELO or EHLO */
    AT_IDLE = 2,  /* no transaction */
    AT_MAIL = 4,  /* a sender, no recipient yet */
    AT_RCPT = 8,  /* recipients too */
    AT_BODY = 16, /* a part of the message too, by BDAT */
    AT_ANY = 31,
};

struct transaction {
    size_t accepted;                /* recipients */
    bool refusable;                 /* one of them at least need not take whatever a stranger sends */
    struct smtp_path_mail mail;     /* what MAIL said */
    bool untold;                    /* the guard doesn't know of it yet */
    unsigned origin;                /* ORIGIN_* bits from the guard */
    bool orcpt;                     /* a RCPT said ORCPT */
    struct incoming *incoming;      /* the message, once BDAT began it */
};

struct session {
    struct serving *serving;
    struct conn *conn;
    struct message *message; /* to and from the guard */
    unsigned state;          /* AT_* */
    unsigned wrong;          /* commands that were */
    bool ended;              /* the connection is to be closed */
    bool bdat;               /* the line that is being read begins so */
    bool submission, lmtp;
    bool extended; /* EHLO */
    bool tls, login;
    char helo[SMTPD_HELO_LIMIT + 1];
    struct transaction transaction;
    char mechanism[24];      /* of the login */
    struct milters *milters; /* session_milter.c; NULL: no filters are asked */
    struct session_dns *dns; /* session_dns.c */
    bool dns_spent;          /* no more questions for this connection */
};

/* `session` of smtpd's struct service. */
void session_run(struct serving *serving);

/* A line with its CRLF. */
void reply(struct session *s, const char *line);
/* The same for a command that was wrong: too many of these end the connection. */
void reply_wrong(struct session *s, const char *line);
/* The same, and then the connection ends. */
void reply_last(struct session *s, const char *line);
/* What became of a message: in LMTP once for each recipient that was accepted. */
void reply_message(struct session *s, const char *line);
void reply_message_trouble(struct session *s, enum verdict v);
/* The connection hung up or was silent for too long, or the line couldn't be read: says so. True if it was
 * read. One that may have been a BDAT ends the connection. */
bool line_is_good(struct session *s, enum conn_result result);

/* Asks the guard what s->message holds. The verdict; fields behind it are left to be read. VERDICT_OVER with
 * the connection ended if there is no guard any more. */
enum verdict ask(struct session *s);
/* The replies to verdicts that mean the same everywhere. */
const char *trouble_line(enum verdict v);
void reply_trouble(struct session *s, enum verdict v);

/* Is there a mechanism by which this connection may AUTH, as it stands? A user of this machine need not. */
bool login_offered(const struct session *s);
/* Forgets the message that was coming in. */
void forget_transaction(struct session *s);

void run_mail(void *session, struct span argument);
void run_rcpt(void *session, struct span argument);
void run_data(void *session, struct span argument);
void run_bdat(void *session, struct span argument);
/* Frees what BDAT brought. */
void bdat_forget(struct session *s);
void run_starttls(void *session, struct span argument);
void run_auth(void *session, struct span argument);

#endif
