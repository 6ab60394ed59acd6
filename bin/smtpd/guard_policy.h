/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of smtpd's policy share. Each check is a function that is asked at RCPT, when everything
 * else about the recipient is right, and has nothing to say (VERDICT_OK) or refuses:
 *
 *     guard_policy.c     the table of checks, in their order; refused senders, recipients and clients
 *     guard_policy_counts.c    rates, and the greylist
 */
#ifndef POSTERN_SMTPD_POLICY_H
#define POSTERN_SMTPD_POLICY_H

#include "guard_private.h"
#include "store/refused.h"

struct policy {
    struct refused *refused;
    enum status refused_state; /* of opening it; ST_NONE: there is none */
    bool refused_opened;
    bool greylist_passed; /* the source did, on this connection */
};

/* What is refused by which setting, for the log and, with the reply's text, for the client. */
struct finding {
    const char *setting, *why;
    const char *list; /* of several, which; or NULL */
};
/* The reply is "CODE TEXT (setting)"; whatever isn't printable in it becomes '?'. `permanent` 5xx codes are
 * VERDICT_POLICY, others VERDICT_DELAYED. */
enum verdict policy_refuse(struct smtp_guard *g, const struct address *recipient, const struct finding *f,
                           const char *code, const char *text);

/* --- guard_policy_counts.c */
enum verdict policy_greylist(struct smtp_guard *g, const struct address *recipient);
enum verdict policy_rate(struct smtp_guard *g, const struct address *recipient);

#endif
