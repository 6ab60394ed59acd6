/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Signing a message before it is handed over; see session_sign.c. The keys are the guard's, and their use is
 * for what seals a message too.
 */
#ifndef POSTERN_SMTPD_SESSION_SIGN_H
#define POSTERN_SMTPD_SESSION_SIGN_H

#include "incoming.h"
#include "net/dns.h"
#include "net/signature.h"

#define SIGN_KEYS 2 /* one of each algorithm */

/* What may be signed with, for the transaction that it was asked in. */
struct sign_keys {
    struct session *session;
    unsigned use; /* SIGN_SENDER or SIGN_SEAL */
    char domain[DNS_NAME_LIMIT];
    bool leaves;  /* the message goes to another host */
    size_t count; /* 0: there are no keys that may be used */
    char selectors[SIGN_KEYS][DNS_NAME_LIMIT];
    enum signature_algorithm algorithms[SIGN_KEYS];
};

/* Asks the guard for them. SIGN_SEAL: the guard chooses the domain, and that is empty. */
enum verdict sign_find_keys(struct session *s, unsigned use, struct span domain, struct sign_keys *k);
/* Appends the signature that key makes: of the hash for SIGN_SENDER; for SIGN_SEAL of what is hashed, see
 * verbs.h. */
enum status sign_with(const struct sign_keys *k, size_t key, struct span data, struct bytes *signature);

/* Signs a message that begins its way here and is complete: its header was judged, and nothing is wrong with
 * it. The fields go to in->added; what can't be done is in->trouble. */
void session_sign(struct incoming *in);

#endif
