/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table `routes` (text/hop.h) and the file `route-secrets`: where mail for a recipient goes that isn't
 * sent to the exchangers of its domain, and with which login.
 *
 *     route-secrets                          one line a host, of routes with the option auth
 *     mail.isp.example  alice  her password
 *     [192.0.2.1]:587   bob    his
 *
 * The host is as in the route, with or without its port; the password is the rest of the line. The file
 * belongs to whom qrun runs as and nobody else may read it, or it isn't used. It isn't compiled, and nothing
 * keeps it in memory: its lines are read when a connection needs one.
 */
#ifndef POSTERN_STORE_ROUTES_H
#define POSTERN_STORE_ROUTES_H

#include "base/settings.h"
#include "text/hop.h"

#define ROUTES_NAME_LIMIT 256     /* bytes of a login name */
#define ROUTES_PASSWORD_LIMIT 512 /* of a password */

struct routes;

/* For look-ups. ST_OK with *r NULL: there is no such table, all mail is direct. ST_TEMP: it can't be read;
 * the log says so. */
enum status routes_open(const struct settings *s, struct routes **r);
void routes_close(struct routes *r); /* NULL is allowed */
/* By the address, its domain, the domains above it with a dot in front, then "*". Without any: h->direct.
 * ST_TEMP: it can't be read. */
enum status routes_find(struct routes *r, const struct address *a, struct hop *h);

struct route_login {
    char name[ROUTES_NAME_LIMIT];
    char password[ROUTES_PASSWORD_LIMIT];
};
/* The login for a hop; to be wiped by the caller. ST_NONE: the file has none for it, or there is no file.
 * ST_TEMP: it can't be used; the reason is in *why. */
enum status routes_login(const struct settings *s, const struct hop *h, struct route_login *login,
                         struct bytes *why);

#endif
