/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pop3d: POP3 for one connection (RFC 1939, 2449, 2595, 3206, 5034, 6856). Before login the sandboxed session
 * and its guard, after it the mailbox process; see lib/net/serve.h and lib/store/handover.h.
 */
#include "pop3.h"
#include "store/limits.h"

static const struct service service = {
    .name = "pop3d",
    .usage = "usage: pop3d [-c FILE] [-t] [-v]\n"
             "Serves one POP3 connection on standard input, or those of the socket it was started with.\n"
             "  -c FILE  settings (/etc/postern/postern.conf)\n"
             "  -t       TLS from the first byte\n"
             "  -v       log the dialogue, secrets masked\n",
    .flags = "",
    .unavailable = "-ERR [SYS/TEMP] the server is not available now\r\n",
    .busy = "-ERR [SYS/TEMP] too many connections, try again later",
    .session = session_run,
    .guard = handover_guard,
    .guard_paths = handover_guard_paths,
    .await = handover_await,
    .admit = limits_admit,
    .limited = limits_concern,
    .mailbox = maildrop_run,
};

int main(int argc, char **argv)
{
    return serve(argc, argv, &service);
}
