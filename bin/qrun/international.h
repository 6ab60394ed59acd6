/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Internationalised mail on its way out (RFC 6531 3.2): does a message need SMTPUTF8, and what becomes of it
 * where the server doesn't offer that.
 */
#ifndef POSTERN_QRUN_INTERNATIONAL_H
#define POSTERN_QRUN_INTERNATIONAL_H

#include "transaction.h"

/* Looks at addresses and header section, before MAIL, and sets t->says_utf8. Where the server doesn't offer
 * it, domains become A-labels, and recipients that can't be reached without it are failed with 5.6.7 and
 * skipped: all of them, where it is the sender or the header section that needs it. False: nobody is left. */
bool international_prepare(const struct smtp *s, struct transaction *t);

#endif
