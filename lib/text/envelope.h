/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What an SMTP envelope says beside its addresses: the parameters of MAIL and RCPT that travel with a
 * message, through the queue and on to the next server.
 */
#ifndef POSTERN_TEXT_ENVELOPE_H
#define POSTERN_TEXT_ENVELOPE_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENVELOPE_ENVID_LIMIT 100 /* RFC 3461 4.4 */
#define ENVELOPE_ORCPT_LIMIT 500 /* RFC 3461 4.2 */
#define ENVELOPE_PROGRAM_LIMIT 512

/* RET (RFC 3461 4.3): how much of the message a report of its failure brings back. */
enum mail_ret { RET_UNSAID, RET_FULL, RET_HDRS };

struct mail_options {
    bool smtputf8;    /* RFC 6531 3.4 */
    bool require_tls; /* RFC 8689 */
    enum mail_ret ret;
    char envid[ENVELOPE_ENVID_LIMIT + 1]; /* as it came, in xtext; "": not said */
    int64_t release; /* seconds since 1970: not before this time (RFC 4865 HOLDUNTIL, HOLDFOR); 0: at once */
    bool junk;       /* not from MAIL: mailboxes here file it as junk */
};

/* NOTIFY (RFC 3461 4.1); no bit: not said, which means failure and perhaps delay. */
enum { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8, NOTIFY_BITS = 15 };

struct rcpt_options {
    unsigned notify;
    char orcpt[ENVELOPE_ORCPT_LIMIT + 1]; /* "rfc822;..." as it came, in xtext; "": not said */
    bool account;   /* not from RCPT: the account of this name is meant; aliases have been followed */
    bool forwarded; /* not from RCPT: an alias leads there, or a copy goes there; the sender didn't name it */
    char program[ENVELOPE_PROGRAM_LIMIT]; /* not from RCPT: the program of an alias that is meant
                                             (store/programs.h) */
};

/* Is the sender to be told of this (one of NOTIFY_*)? `o` may be NULL. */
bool rcpt_wants(const struct rcpt_options *o, unsigned what);
/* Takes SUCCESS out of what is asked; where nothing else was, it is NEVER then. */
void rcpt_options_but_success(struct rcpt_options *o);
/* What goes along to an address that an alias leads to (RFC 3461 5.2.7.2 and 5.2.7.3): its ORCPT is the alias
 * if none was said, and where it leads to several nobody reports success, as that was done when it was
 * expanded. `said` may be NULL. */
void rcpt_options_behind_alias(const struct rcpt_options *said, struct span alias, bool several,
                               struct rcpt_options *to);
/* What is asked of an address to which two recipients of a message lead, and which gets it once: what either
 * of them wants told; who says NEVER counts only where both do. One ORCPT can go along: the first's, unless
 * it has none, or wants to hear of no failure and the other does. Either may be NULL. */
void rcpt_options_both(const struct rcpt_options *first, const struct rcpt_options *second,
                       struct rcpt_options *to);
/* Appends the value of NOTIFY= as RCPT has it. */
void notify_write(unsigned notify, struct bytes *out);

#endif
