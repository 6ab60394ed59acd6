/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SASLprep (RFC 4013): names and passwords in the one form in which both sides hash them.
 */
#ifndef POSTERN_TEXT_SASLPREP_H
#define POSTERN_TEXT_SASLPREP_H

#include "base/bytes.h"

/* Appends the prepared text. False (out is then as it was) if it isn't UTF-8, holds what is prohibited
 * (control and private characters, mixed directions), or nothing is left of it. Characters that Unicode 3.2
 * didn't know are let through, as in RFC 3454's queries: a password may hold new ones. */
bool saslprep(struct span text, struct bytes *out);

#endif
