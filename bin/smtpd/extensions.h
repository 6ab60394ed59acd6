/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What EHLO lists: each extension with its RFC, when it holds, and the dialogue that shows it.
 */
#ifndef POSTERN_SMTPD_EXTENSIONS_H
#define POSTERN_SMTPD_EXTENSIONS_H

#include "session.h"

/* The lines of the reply to EHLO behind the first one. */
void extensions_write(struct session *s);
/* Is the one of that name listed now? */
bool extensions_hold(const struct session *s, const char *name);
/* The parameters of MAIL and RCPT that may be said now: OFFER_* bits of text/smtp_path.h. */
unsigned extensions_offered(const struct session *s);

#endif
