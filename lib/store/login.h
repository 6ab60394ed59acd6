/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Password checks, in the guard: three a connection, a bounded number at a time on
 * this machine, and for unknown users the same work and the same delay as for known ones.
 */
#ifndef POSTERN_STORE_LOGIN_H
#define POSTERN_STORE_LOGIN_H

#include "base/settings.h"
#include "text/address.h"

#define LOGIN_TRIES 3
#define LOGIN_NAME_LIMIT 320
#define LOGIN_PASSWORD_LIMIT 1024

struct login {
    const struct settings *settings;
    unsigned tries; /* used so far */
    bool done;
    struct address account; /* once done: canonical */
};

void login_init(struct login *l, const struct settings *s);
/* ST_OK: logged in. ST_PERM: wrong name or password (also after LOGIN_TRIES, without looking: errno EACCES;
 * the guard ends the connection then). ST_TEMP: could not look. Sleeps after a failure; the delay grows. */
enum status login_check(struct login *l, struct span name, struct span password);

/* Splits a SASL PLAIN message (RFC 4616): authorization identity, name, password. False if malformed, or if
 * authzid is there and isn't name. */
bool login_split_plain(struct span message, struct span *name, struct span *password);

#endif
