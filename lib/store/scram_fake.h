/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The verifiers of those who have none: what SCRAM's server-first tells of an unknown user has to look as if
 * it were one's, and be the same whenever it is asked for (RFC 5802 9).
 */
#ifndef POSTERN_STORE_SCRAM_FAKE_H
#define POSTERN_STORE_SCRAM_FAKE_H

#include "base/settings.h"
#include "base/status.h"
#include "text/scram.h"

/* An invented verifier of `name` (canonical): salt and keys come from the name and a secret key, iterations
 * and length of the salt are drawn, by the same means, from those that the table's verifiers have (`mix`, see
 * store/secrets.h; empty: as we make them). ST_TEMP, logged: the key can't be had. */
enum status scram_fake(const struct settings *s, struct span name, struct span mix, struct scram_verifier *v);

#endif
