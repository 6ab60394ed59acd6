/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * smtpd: SMTP in. Started for one connection or as a warm listener (see net/serve.h).
 */
#include "guard.h"
#include "session.h"
#include "store/limits.h"

static const struct service smtpd = {
    .name = "smtpd",
    .usage = "usage: smtpd [-c FILE] [-l | -s] [-t] [-u] [-v]\n"
             "  -c FILE  settings\n"
             "  -l       LMTP: mail from a server that took it, for mailboxes here\n"
             "  -s       submission: mail of users who log in\n"
             "  -t       TLS from the first byte\n"
             "  -u       on a socket pair: its other end is a user of this machine (for sendmail)\n"
             "  -v       log the dialogue, secrets masked\n",
    .flags = "lsu",
    .unavailable = "421 4.3.0 The server is not available now, try again later\r\n",
    .busy = "421 4.7.0 Too many connections, try again later",
    .session = session_run,
    .guard = guard_run,
    .guard_paths = guard_paths,
    .admit = limits_admit,
    .limited = limits_concern,
    .stands = guard_stands,
    .asks_dns = policy_asks_dns,
    .milter_uses = guard_milter_uses,
};

int main(int argc, char **argv)
{
    return serve(argc, argv, &smtpd);
}
