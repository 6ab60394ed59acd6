/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The process that speaks SMTP to one host: several messages over one connection.
 */
#ifndef POSTERN_QRUN_SENDER_H
#define POSTERN_QRUN_SENDER_H

#include "security.h"

#include "base/settings.h"
#include "text/hop.h"

struct sender_start {
    const struct settings *settings;
    int socket;
    const struct hop *hop;
    const struct security *security;
    struct span roots; /* of certificates, PEM */
    bool no_tls;       /* it was tried, and broke: for NEED_NOTHING and NEED_TESTING */
    bool others;       /* there are hosts behind this one: its own troubles needn't be waited for */
};

/* In SANDBOX_SESSION; returns when the connection is over. */
void sender_run(int channel, const struct sender_start *start);

#endif
