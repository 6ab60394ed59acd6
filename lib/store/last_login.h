/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * When an account, and each of its app passwords, was last used: spool/last-login/ADDRESS, one line each.
 *
 *     2026-11-26T18:40:05Z phone imapd 192.0.2.7
 *     2026-11-26T18:41:17Z - smtpd 2001:db8::1           the account's own password
 *     2026-11-26T18:42:00Z *admin imapd 192.0.2.9        a master user
 *
 * Lines have one length, filled up with blanks, and are written over in place, under a lock, in one call
 * within a sector: a crash leaves the old one or the new. A line is written again after LAST_LOGIN_AGAIN
 * seconds only, so that most logins just read. Nothing is forced to disk: a power cut may lose the last of
 * them, and never a login. What isn't such a line is nobody's.
 */
#ifndef POSTERN_STORE_LAST_LOGIN_H
#define POSTERN_STORE_LAST_LOGIN_H

#include "base/settings.h"
#include "base/status.h"
#include "text/address.h"

#include <netinet/in.h>

#define LAST_LOGIN_AGAIN 3600
#define LAST_LOGIN_NAME 64  /* bytes of what was logged in with */
#define LAST_LOGIN_LINES 64 /* of an account; then the oldest makes way */

struct last_login {
    char time[24]; /* as date_write_internet() has it, so that they can be compared */
    char name[LAST_LOGIN_NAME + 1];
    char service[16];
    char peer[INET6_ADDRSTRLEN];
};

/* Records a login. False with errno: it can't be; that needn't stop anybody. */
bool last_login_note(const struct settings *s, const struct address *account, const char *name,
                     const char *service, const char *peer);
/* Calls `each` for every line, until it says false. ST_NONE: the account has none. ST_TEMP: can't look. */
enum status last_login_each(const struct settings *s, const struct address *account,
                            bool (*each)(const struct last_login *line, void *data), void *data);
/* Of one name, or (NULL) the newest of all. ST_NONE: none. */
enum status last_login_find(const struct settings *s, const struct address *account, const char *name,
                            struct last_login *found);
/* For an account that goes. */
void last_login_forget(const struct settings *s, const struct address *account);

#endif
