/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From login to mailbox, for imapd and pop3d.
 *
 *     before login    session ──channel──> guard ──control──> mailbox process, which knows nothing yet
 *     after, plain    mailbox owns the client's socket; session and guard have ended
 *     after, TLS      client <─TLS─> session <─relay─> mailbox; the guard has ended
 *
 * The mailbox process learns from the guard who logged in, and confines itself to that user's Maildir before
 * it reads a byte of the client. It says the OK of the login itself, so that what only it can find (POP3's
 * lock) is still part of that answer.
 */
#ifndef POSTERN_STORE_HANDOVER_H
#define POSTERN_STORE_HANDOVER_H

#include "net/serve.h"
#include "store/quota.h"
#include "store/sasl.h"
#include "text/address.h"

#include <limits.h>

#define HANDOVER_CONTEXT 512

/* What the mailbox process starts with. */
struct mailbox_start {
    struct serving *serving; /* settings, peer, flags; its conn is not used */
    struct conn *conn; /* the client: plain, or behind the relay. Input that the session had read already is
                          in front */
    struct address account; /* who logged in */
    char maildir[PATH_MAX];
    struct quota quota;                 /* what the account may hold */
    int wake; /* the queue's FIFO, for queue_wake_learn(); -1: nothing is learned, or nobody listens */
    bool tls;                           /* the client's side is encrypted */
    char context[HANDOVER_CONTEXT + 1]; /* what the session gave along: the tag of IMAP's login command, "" */
    size_t context_length;
};

/* --- session */
/* `password` of struct sasl: asks the guard. SASL_DONE: logged in: call handover_session() next and then
 * return. After LOGIN_TRIES failures the guard is gone and this is SASL_OVER: say goodbye and return. */
enum sasl_result handover_login(const struct sasl *s, struct span as, struct span name, struct span password);
/* Relays (TLS) or gives the socket and what was read away (plain). Returns when the session has nothing left
 * to do. */
void handover_session(struct serving *s);

/* --- guard: `guard` of struct service for imapd and pop3d: signatures, log, login. */
int handover_guard(struct serving *s);
/* `guard_paths` of both: the tables beside postern.conf, and the spool for the login limits. */
size_t handover_guard_paths(const struct settings *s, struct sandbox_path *paths, size_t room);

/* --- mailbox process: `await` of struct service. False: nobody logged in. True: the mailbox's session is
 * over. */
bool handover_await(struct serving *s);

#endif
