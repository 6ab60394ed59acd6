/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a check of who sent a message comes to, in the words of Authentication-Results (RFC 8601 2.7).
 */
#ifndef POSTERN_TRUST_RESULT_H
#define POSTERN_TRUST_RESULT_H

enum trust_result {
    TRUST_NONE, /* there was nothing to check */
    TRUST_NEUTRAL,
    TRUST_PASS,
    TRUST_FAIL,
    TRUST_SOFTFAIL,  /* SPF */
    TRUST_POLICY,    /* DKIM: it would pass, and isn't taken by our rules */
    TRUST_TEMPERROR, /* DNS can't tell now */
    TRUST_PERMERROR, /* what is published, or stands in the message, can't be understood */
};

/* "none", "neutral", "pass" ... */
const char *trust_result_name(enum trust_result result);

#endif
