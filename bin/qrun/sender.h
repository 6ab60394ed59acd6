/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The process that speaks SMTP to one host: several messages over one connection.
 */
#ifndef POSTERN_QRUN_SENDER_H
#define POSTERN_QRUN_SENDER_H

#include "base/settings.h"

#include <stdbool.h>

struct sender_start {
    const struct settings *settings;
    int socket;
    const char *host; /* for SNI */
    bool no_tls;      /* it was tried, and broke */
};

/* In SANDBOX_SESSION; returns when the connection is over. */
void sender_run(int channel, const struct sender_start *start);

#endif
