/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A domain's MTA-STS policy, from the cache or from its web server. Part of the connector; for policy.c
 * alone.
 */
#ifndef POSTERN_QRUN_POLICY_FETCH_H
#define POSTERN_QRUN_POLICY_FETCH_H

#include "policy.h"

/* Into p->sts; false: there is none. */
bool policy_sts(struct policy *p);

#endif
