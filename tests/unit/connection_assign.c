/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A client goes to one session: where that has him already, and its guard can't be told, he counts as given;
 * where limits are to be looked at first, he is nobody's until the guard knows.
 */
#include "tap.h"

#include "net/channel.h"
#include "net/connection.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_limited(const struct serving *s, const struct peer *peer)
{
    (void)s;
    return peer->known;
}

static const char *never_asked(struct serving *s)
{
    (void)s;
    abort();
}

static const struct service service = { .name = "test", .admit = never_asked, .limited = is_limited };

static const struct row {
    const char *name;
    bool limited, full, gone;
    bool given, waits; /* for the session */
} rows[] = {
    { "a guard that listens", false, false, false, true, true },
    { "one that doesn't", false, true, false, true, true },
    { "one that is gone", false, false, true, false, false },
    { "limits, and a guard that listens", true, false, false, true, false },
    { "limits, and one that doesn't", true, true, false, false, false },
};

static bool has_something(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, 0) == 1 && p.revents & POLLIN;
}

static void assign(struct handler *h, const struct row *r)
{
    int guard[2], session[2], client[2];
    struct peer peer = { .known = r->limited };
    if (channel_pair(guard) != ST_OK || channel_pair(session) != ST_OK ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, client) != 0)
        abort();
    while (r->full && send(guard[0], "", 1, MSG_DONTWAIT) == 1)
        ;
    channel_patience(guard[0], 10);
    if (r->gone)
        close(guard[1]);
    bool given = connection_assign(h, guard[0], session[0], "test", client[0], &peer);
    ok(given == r->given, "%s: the client is given", r->name);
    ok(has_something(session[1]) == r->waits, "%s: what the session has", r->name);
    close(guard[0]);
    if (!r->gone)
        close(guard[1]);
    for (int i = 0; i < 2; i++) {
        close(session[i]);
        close(client[i]);
    }
}

int main(void)
{
    struct handler h = { .serving = { .service = &service, .message = malloc(sizeof(struct message)) } };
    if (!h.serving.message)
        abort();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assign(&h, &rows[i]);
    free(h.serving.message);
    return done_testing();
}
