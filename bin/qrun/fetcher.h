/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The process that asks one web server for an MTA-STS policy, on a socket that the connector has connected.
 */
#ifndef POSTERN_QRUN_FETCHER_H
#define POSTERN_QRUN_FETCHER_H

#include "base/bytes.h"

struct fetcher_start {
    int socket;
    const char *host;  /* "mta-sts.example.org" */
    struct span roots; /* PEM */
    uint64_t timeout;  /* the setting, in seconds; for all of it, and no longer than FETCH_MS */
};

#define FETCH_MS 60000 /* RFC 8461 3.3 */

/* In SANDBOX_SESSION: one VERB_FETCHED, and it returns. */
void fetcher_run(int channel, const struct fetcher_start *start);

#endif
