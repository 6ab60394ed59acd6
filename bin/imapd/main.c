/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * imapd: IMAP4rev1 (RFC 3501) on one connection.
 */
#include "imapd.h"

#include "net/serve.h"
#include "store/limits.h"

static const struct service imapd = {
    .name = "imapd",
    .usage = "usage: imapd [-tv] [-c FILE]\n"
             "Serves IMAP on the connection or listening socket it is started with.\n"
             "  -c FILE  settings (default " SETTINGS_DEFAULT_FILE ")\n"
             "  -t       TLS from the first byte\n"
             "  -v       log the dialogue, secrets masked\n",
    .flags = "",
    .unavailable = "* BYE [UNAVAILABLE] The server's settings are broken; its log says where\r\n",
    .busy = "* BYE [UNAVAILABLE] Too many connections",
    .session = imap_session,
    .guard = handover_guard,
    .await = handover_await,
    .guard_paths = handover_guard_paths,
    .admit = limits_admit,
    .limited = limits_concern,
    .mailbox = imap_mailbox,
    .learns = true,
};

int main(int argc, char **argv)
{
    return serve(argc, argv, &imapd);
}
