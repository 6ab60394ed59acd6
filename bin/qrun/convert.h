/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * 8-bit mail for a server that doesn't offer 8BITMIME (RFC 6152 3): converted on its way out, or refused.
 */
#ifndef POSTERN_QRUN_CONVERT_H
#define POSTERN_QRUN_CONVERT_H

#include "transaction.h"

/* Before MAIL: sets t->converts where the message must be converted, and t->wire_size to what it will be
 * then. False: it can't be; every recipient has its mark and reply. */
bool convert_prepare(const struct smtp *s, struct transaction *t);
/* Passes the converted message on in pieces. False: `put` failed, or it couldn't be read. */
bool convert_send(const struct transaction *t, bool (*put)(void *to, struct span piece), void *to);

#endif
