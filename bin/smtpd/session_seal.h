/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sealing what is sent on; see session_seal.c.
 */
#ifndef POSTERN_SMTPD_SESSION_SEAL_H
#define POSTERN_SMTPD_SESSION_SEAL_H

#include "incoming.h"

/* Puts an ARC set among in->added where an alias sends a stranger's message on to others, and the domain of
 * the address for which it came has keys. All of it is there, was checked, and won't be changed any more. */
void session_seal(struct incoming *in);

#endif
