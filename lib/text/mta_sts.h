/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * MTA-STS (RFC 8461): the TXT record that says a domain has a policy, the policy's text, and which hosts it
 * covers. Pure.
 *
 * Strict: a record or policy with anything that the grammar doesn't know is no policy at all, and what was
 * cached before stays in force. Lenient in one thing: empty lines, which real policies have.
 */
#ifndef POSTERN_TEXT_MTA_STS_H
#define POSTERN_TEXT_MTA_STS_H

#include "base/bytes.h"
#include "base/status.h"

#define STS_ID_LIMIT 33       /* with its NUL (RFC 8461 3.1) */
#define STS_TEXT_LIMIT 65536  /* of a policy (3.3) */
#define STS_PATTERNS 64       /* mx lines of a policy; with more it is no policy */
#define STS_PATTERN_LIMIT 256 /* with its NUL */
#define STS_MAX_AGE 31557600  /* seconds (3.2) */

enum sts_mode { STS_MODE_NONE, STS_MODE_TESTING, STS_MODE_ENFORCE };

struct sts_policy {
    enum sts_mode mode;
    uint64_t max_age; /* seconds, STS_MAX_AGE at most */
    size_t count;
    char mx[STS_PATTERNS][STS_PATTERN_LIMIT]; /* lower case, without a final dot; "*." in front of some */
};

/* The TXT record at _mta-sts.DOMAIN, its strings joined (3.1). ST_OK: one, with its id. ST_NONE: a record of
 * something else. ST_PERM: it begins like one, and is none. */
enum status sts_record_read(struct span text, char id[STS_ID_LIMIT]);

/* A policy's text (3.2). ST_PERM: it is no policy. */
enum status sts_policy_read(struct span text, struct sts_policy *policy);

/* The policy as a text with nothing that isn't needed, which sts_policy_read() reads. */
bool sts_policy_print(const struct sts_policy *policy, struct bytes *out);

/* Is this mail exchanger one that the policy names (4.1)? A wildcard stands for exactly one label. */
bool sts_policy_covers(const struct sts_policy *policy, const char *host);

#endif
