/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is known of who sent a stranger's message, while it comes in and until it is handed over. incoming.h
 * has what is done when; here is what others that look at the message may want to know: filters, and ARC.
 */
#ifndef POSTERN_SMTPD_SESSION_TRUST_H
#define POSTERN_SMTPD_SESSION_TRUST_H

#include "incoming.h"
#include "trust/arc.h"
#include "trust/dkim.h"
#include "trust/dmarc.h"
#include "trust/spf.h"

struct trust {
    struct trust_lookup lookup;
    struct spf_verdict spf;
    bool spf_known;
    struct dmarc_author author;
    bool from_list;             /* it says that it came by a mailing list */
    struct dkim_verifier *dkim; /* NULL before the header section is there */
    struct dkim_result signatures[DKIM_SIGNATURES];
    size_t signature_count;
    struct arc_verifier *arc; /* NULL as dkim */
    struct arc_result chain;
    struct arc_witness witness; /* who is trusted, and saw a message pass that fails here */
    struct dmarc_verdict dmarc; /* of zeros where the setting dmarc is off */
    struct dmarc_decision decision;
};

/* Appends the Authentication-Results field; with an instance above 0 as ARC-Authentication-Results. After
 * trust_finish(). False if *out is over its limit. */
bool trust_results(const struct incoming *in, unsigned instance, struct bytes *out);

#endif
