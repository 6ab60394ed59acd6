/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a session tells its guard of a message for aggregate reports (RFC 9990): its part of a line of
 * store/dmarc_results.h.
 */
#ifndef POSTERN_TRUST_DMARC_REPORT_H
#define POSTERN_TRUST_DMARC_REPORT_H

#include "store/dmarc_results.h"
#include "trust/arc.h"
#include "trust/dkim.h"
#include "trust/dmarc.h"
#include "trust/spf.h"

struct dmarc_report {
    const struct dmarc_verdict *verdict;
    struct dmarc_decision decision;    /* what became of it */
    const struct arc_result *chain;    /* or NULL */
    const struct arc_witness *witness; /* or NULL: why it is taken for a trusted forwarder's */
    const struct spf_verdict *spf;
    struct span mail_from; /* domain of MAIL FROM; empty for <> */
    const struct dkim_result *signatures;
    size_t count;
};

/* Appends it to `line`, which has the limit DMARC_RESULTS_TEXT. False, and nothing is appended: nobody wants
 * to know. That is where there is no policy, its domain doesn't ask for reports, or DNS didn't tell. */
bool dmarc_report_line(const struct dmarc_report *report, struct bytes *line);

#endif
