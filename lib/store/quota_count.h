/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Counting what a Maildir holds, for quota.c.
 */
#ifndef POSTERN_STORE_QUOTA_COUNT_H
#define POSTERN_STORE_QUOTA_COUNT_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct quota_count {
    uint64_t bytes, messages; /* of all folders, new/ and cur/ */
    uint64_t directories;     /* a digest of which they are, and of their times, before they were read */
};

/* `until` is a time of clock_ms(); ST_TEMP with errno ETIME when it has come. What the Maildir's owner put in
 * the way counts nothing. */
enum status quota_count(int maildir, int64_t until, struct quota_count *c);
/* Did mail come or go since? */
bool quota_count_moved(int maildir, int64_t until, const struct quota_count *c);

#endif
