/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SASL (RFC 4422) for imapd's AUTHENTICATE and the AUTH of the others: PLAIN (RFC 4616), SCRAM-SHA-256 (RFC
 * 5802, 7677) and SCRAM-SHA-256-PLUS with the channel bindings tls-exporter (RFC 9266) and
 * tls-server-end-point (RFC 5929); for smtpd LOGIN too, which no RFC describes and some programs speak alone.
 *
 *     session                                     guard
 *     sasl_authenticate() reads what the client   a row for each SASL_ verb in its table; they call
 *     says, one base64 a line, and asks           sasl_guard_..., which ask store/login.h
 *
 * What is offered: PLAIN where a password may come; with the setting `scram`, SCRAM-SHA-256 everywhere, as no
 * password crosses the wire (Dovecot does so too), and -PLUS under TLS. A client that could bind and says
 * that it saw no -PLUS offered (GS2 flag 'y') where it was is refused: somebody in between took it out of the
 * list.
 */
#ifndef POSTERN_STORE_SASL_H
#define POSTERN_STORE_SASL_H

#include "net/guard.h"
#include "net/serve.h"
#include "store/login.h"

/* --- session */

enum sasl_result {
    SASL_DONE,       /* logged in, as far as the guard is concerned */
    SASL_WRONG,      /* wrong name, password or proof */
    SASL_DISABLED,   /* they are right, and the account is disabled */
    SASL_NO_ACCOUNT, /* a master user's are right, and the account isn't there */
    SASL_TEMP,       /* could not be checked */
    SASL_OVER,       /* too many were wrong: the guard is gone */
    SASL_LIMITED,    /* too many have failed, by `login-failures`: to be the last on this connection */
    SASL_UNKNOWN,    /* no such mechanism here and now */
    SASL_PLAINTEXT,  /* a password must not come without TLS; nothing was read */
    SASL_CANCELLED,  /* by the client */
    SASL_NOT_BASE64, /* a response isn't */
    SASL_TOO_LONG,   /* a response is */
    SASL_BAD_LINE,   /* a response holds what no line may */
    SASL_MALFORMED,  /* a response isn't the mechanism's, or names somebody else to log in as */
    SASL_BINDING,    /* a channel binding that this mechanism or connection has not */
    SASL_DOWNGRADE,  /* the client believes that -PLUS isn't offered */
    SASL_GONE,       /* the client is, or was silent for too long */
    SASL_RESULTS,
};

struct sasl {
    struct serving *serving;
    const char *prompt;  /* what stands in front of a challenge: "+ ", "334 " */
    struct span context; /* given along to the guard: for handover.h what the mailbox process gets, else "" */
    /* Asks the guard about a password; `as` as in login_check(). SASL_OVER: it is gone. */
    enum sasl_result (*password)(const struct sasl *s, struct span as, struct span name,
                                 struct span password);
    bool login; /* the mechanism LOGIN is there too */
};

/* May a password come as things are: under TLS, or with plaintext-login? */
bool sasl_takes_passwords(const struct settings *s, bool tls);
/* Writes `before` and a mechanism's name for each that is offered so, with `login` LOGIN too. */
void sasl_write_mechanisms(struct conn *to, const struct settings *s, bool tls, bool login,
                           const char *before);
/* Is any? */
bool sasl_offered(const struct settings *s, bool tls);
/* What a guard's answer (login_says()) comes to; SASL_OVER for what is none. */
enum sasl_result sasl_judged(uint64_t says);
/* A name and a password that came by a command of their own. */
enum sasl_result sasl_password(const struct sasl *s, struct span name, struct span password);
/* Does it all, up to the answer. `initial` is the initial response as it stood in the command (RFC 4959; "="
 * is an empty one), p NULL where there was none. The client's lines are hidden from -v from here on. */
enum sasl_result sasl_authenticate(const struct sasl *s, struct span mechanism, struct span initial);

/* --- guard */

enum { SASL_FIRST = GUARD_OWN + 32, SASL_FINAL, SASL_ENTER };

/* Rows of the guard's table for these verbs call these functions, which log what succeeds and what fails; the
 * ENTER row asks sasl_guard_enter() and then answers for itself: a u64 status and an empty field. */
enum guard_next sasl_guard_first(struct guard *g, struct login *l, const struct serving *s,
                                 struct message *m);
enum guard_next sasl_guard_final(struct guard *g, struct login *l, struct message *m);
/* Reads the request; the context is a copy within `context`. False: untimely or malformed. */
bool sasl_guard_enter(struct guard *g, struct login *l, struct message *m, struct bytes *context);

/* Does TLS run on the connection, as the guard knows it? */
bool sasl_guard_tls(const struct guard *g);
/* The line in the log for one that logged in, and for one that didn't, with the names as they were given. */
void sasl_guard_done(const struct guard *g, const struct login *l, const char *mechanism);
void sasl_guard_failed(const struct guard *g, struct span as, struct span user, const char *mechanism);

#endif
