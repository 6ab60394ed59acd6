/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Walks through a destination's hosts and their addresses; see connector.h. What it walks through is found
 * when it is first asked. It has sockets and nothing else: no file, no message.
 */
#include "connector.h"
#include "policy.h"
#include "route.h"
#include "verbs.h"

#include "base/files.h"
#include "net/channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SMTP_PORT 25
#define CONNECT_MS 30000 /* one attempt */
#define ATTEMPTS 12      /* from the first host on, before the scheduler has to begin again */

struct walk {
    const struct connector_start *start;
    struct route route;
    bool routed;
    struct dns_resolver resolver; /* the settings' own, or one that verifies */
    size_t answers;               /* which of its servers answered last: a dead one is waited for once */
    struct policy policy;
    struct security security;         /* what the current host must have */
    size_t host;                      /* whose addresses these are */
    struct route_addresses addresses; /* its count is 0 while there are none */
    size_t address;                   /* the current one */
    unsigned attempts;
    bool unresolved;  /* a host's addresses could not be looked up */
    bool reached;     /* there was an address at least */
    bool refused;     /* a connection didn't come about */
    struct bytes why; /* the last thing that went wrong */
};

static void address_text(const struct in6_addr *a, char text[INET6_ADDRSTRLEN])
{
    if (IN6_IS_ADDR_V4MAPPED(a))
        inet_ntop(AF_INET, a->s6_addr + 12, text, INET6_ADDRSTRLEN);
    else
        inet_ntop(AF_INET6, a, text, INET6_ADDRSTRLEN);
}

static int start_connect(const struct in6_addr *address, uint64_t port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } to = { .v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = *address } };
    socklen_t length = sizeof to.v6;
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        to.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
        memcpy(&to.v4.sin_addr, address->s6_addr + 12, 4);
        length = sizeof to.v4;
    }
    int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
                   sizeof on); /* else a pipelined group may wait for an ACK */
    if (fd >= 0 && connect(fd, &to.any, length) != 0 && errno != EINPROGRESS) {
        file_close(fd);
        return -1;
    }
    return fd;
}

/* The channel is watched too: a scheduler that is gone needs no connection. */
int connect_to(int channel, const struct in6_addr *address, uint64_t port, const struct settings *s)
{
    int fd = start_connect(address, port), error = 0, n;
    int64_t limit = (int64_t)s->timeout * 1000 < CONNECT_MS ? (int64_t)s->timeout * 1000 : CONNECT_MS;
    struct pollfd p[2] = { { .fd = fd, .events = POLLOUT }, { .fd = channel, .events = POLLIN } };
    socklen_t size = sizeof error;
    if (fd < 0)
        return -1;
    do
        n = poll(p, 2, (int)limit);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        error = ETIMEDOUT;
    else if (n < 0 || !p[0].revents)
        error = EPIPE;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error) {
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

uint64_t connector_port(const struct connector_start *start)
{
    static const uint64_t usual[] = { [HOP_SMTPS] = 465, [HOP_LMTP] = 24 };
    const struct hop *hop = start->hop;
    if (hop->port)
        return hop->port;
    return hop->direct || hop->protocol == HOP_SMTP ? start->settings->smtp_port : usual[hop->protocol];
}

/* What the route asks for, over what policies say. A message with REQUIRETLS isn't given less. */
static void apply_hop(const struct connector_start *start, struct security *s)
{
    const struct hop *hop = start->hop;
    bool weak = s->need == NEED_NOTHING || s->need == NEED_TESTING;
    if (hop->tls == HOP_TLS_VERIFY && (weak || s->need == NEED_TLS))
        s->need = NEED_PKIX;
    else if (hop->tls == HOP_TLS_ENCRYPT && weak)
        s->need = NEED_TLS;
    else if (hop->tls == HOP_TLS_NONE && start->lane != LANE_REQUIRE)
        s->need = NEED_NOTHING;
}

static void begin(struct walk *w)
{
    w->host = 0;
    w->address = w->addresses.count = 0;
    w->attempts = 0;
    w->unresolved = w->reached = w->refused = false;
}

static enum status look_up(struct walk *w)
{
    if (w->route.literal) {
        w->addresses = (struct route_addresses){ .list = { w->route.address }, .count = 1 };
        return ST_OK;
    }
    const char *host = w->route.hosts[w->host];
    enum status st = route_addresses(&w->resolver, host, &w->addresses);
    if (st == ST_OK)
        return ST_OK;
    bytes_clear(&w->why);
    bytes_printf(&w->why, "%s %s has no address%s", st == ST_TEMP ? "4.4.3" : "5.4.4", host,
                 st == ST_TEMP ? " now: DNS didn't answer" : "");
    return st;
}

/* The addresses of the current host, or of the first after it that has any and may be used. */
static bool find_addresses(struct walk *w)
{
    for (; w->host < w->route.count; w->host++) {
        w->address = 0;
        enum status st = look_up(w);
        if (st == ST_OK)
            st = policy_find(&w->policy, &w->route, w->host, &w->addresses, &w->security, &w->why);
        if (st == ST_OK) {
            apply_hop(w->start, &w->security);
            return true;
        }
        w->addresses.count = 0;
        w->unresolved = w->unresolved || st == ST_TEMP;
    }
    return false;
}

/* To the next address; false at the end. */
static bool step(struct walk *w)
{
    if (w->addresses.count && ++w->address < w->addresses.count)
        return true;
    if (w->addresses.count)
        w->host++;
    w->addresses.count = 0;
    return find_addresses(w);
}

static void report_connected(struct walk *w, int fd, struct message *m)
{
    char text[INET6_ADDRSTRLEN];
    address_text(&w->addresses.list[w->address], text);
    message_start(m, VERB_CONNECTED);
    message_put_str(m, w->route.hosts[w->host]);
    message_put_str(m, text);
    message_put_u64(m, w->address + 1 < w->addresses.count || w->host + 1 < w->route.count);
    security_put(m, &w->security);
    m->fd = fd;
}

/* Once an address was there, and refused us, that is never for ever. Where every host could be asked whether
 * it does what the message requires, and couldn't, it is. */
static void report_none(struct walk *w, struct message *m, bool permanent, bool all_asked)
{
    message_start(m, VERB_NO_HOST);
    message_put_u64(m, permanent);
    message_put_u64(m, all_asked);
    message_put_str(m, w->why.len ? bytes_str(&w->why) : "4.4.1 No host could be reached");
}

/* Does the connection lead to this machine's own address? On port 25 that is ourselves, whatever the DNS
 * calls us; loopback addresses are for tests, and for other servers beside us. */
static bool is_ourselves(const struct walk *w, int fd)
{
    struct sockaddr_storage own = { .ss_family = AF_UNSPEC };
    socklen_t size = sizeof own;
    const struct in6_addr *peer = &w->addresses.list[w->address];
    bool v4 = IN6_IS_ADDR_V4MAPPED(peer),
         loopback = v4 ? peer->s6_addr[12] == 127 : IN6_IS_ADDR_LOOPBACK(peer);
    if (connector_port(w->start) != SMTP_PORT || loopback ||
        getsockname(fd, (struct sockaddr *)&own, &size) != 0)
        return false;
    if (v4)
        return own.ss_family == AF_INET &&
               memcmp(&((struct sockaddr_in *)&own)->sin_addr, peer->s6_addr + 12, 4) == 0;
    return own.ss_family == AF_INET6 &&
           memcmp(&((struct sockaddr_in6 *)&own)->sin6_addr, peer, sizeof *peer) == 0;
}

/* Hosts from this one on are no better than we are (RFC 5321 5.1). */
static void stop_here(struct walk *w, const char *address)
{
    w->addresses.count = w->address + 1;
    w->route.count = w->host + 1;
    bytes_clear(&w->why);
    bytes_printf(&w->why, "4.4.6 %s[%s] is this server itself, and no better mail exchanger can be reached",
                 w->route.hosts[w->host], address);
}

/* The scheduler knows which addresses others have found dead. */
static bool may_try(struct walk *w, int channel)
{
    struct message *m = w->policy.packet;
    char text[INET6_ADDRSTRLEN];
    uint64_t left = 0;
    address_text(&w->addresses.list[w->address], text);
    message_start(m, VERB_TRYING);
    message_put_str(m, text);
    if (!channel_call(channel, m) || m->fd >= 0 || m->verb != VERB_TRY || !message_get_u64(m, &left) ||
        !message_end(m))
        return true; /* it will be noticed soon */
    if (left == 0)
        return true;
    w->refused = true;
    bytes_clear(&w->why);
    bytes_printf(&w->why, "4.4.1 %s[%s] couldn't be reached a short while ago; it is tried again in %llu s",
                 w->route.hosts[w->host], text, (unsigned long long)left);
    return false;
}

static int try_current(struct walk *w, int channel)
{
    char text[INET6_ADDRSTRLEN];
    w->reached = true;
    if (!may_try(w, channel))
        return -1;
    w->attempts++;
    int fd =
        connect_to(channel, &w->addresses.list[w->address], connector_port(w->start), w->start->settings);
    int error = errno;
    address_text(&w->addresses.list[w->address], text);
    bool ourselves = fd >= 0 && is_ourselves(w, fd);
    if (fd >= 0 && !ourselves)
        return fd;
    w->refused = true;
    if (ourselves) {
        close(fd);
        stop_here(w, text);
        return -1;
    }
    bytes_clear(&w->why);
    bytes_printf(&w->why, "4.4.1 Can't connect to %s[%s]: %s", w->route.hosts[w->host], text,
                 strerror(error));
    message_start(w->policy.packet, VERB_DEAD_HOST);
    message_put_str(w->policy.packet, text);
    channel_send(channel, w->policy.packet);
    return -1;
}

/* Answers are verified from now on, if the resolver passes signatures on, or must. True: it doesn't. */
static bool begin_dnssec(struct walk *w)
{
    const struct connector_start *s = w->start;
    w->resolver = *s->resolver;
    w->resolver.answers = &w->answers;
    if (!s->dnssec)
        return false;
    if (!s->dnssec_required && !dnssec_works(s->dnssec))
        return true;
    w->resolver.ask = dnssec_ask;
    w->resolver.arg = s->dnssec;
    return false;
}

/* A resolver that doesn't answer at all may pass signatures on another time. */
static enum status find_route(struct walk *w, int channel, struct message *m)
{
    if (w->start->hop->exact) {
        enum status given = route_exact(w->start->domain, &w->route, &w->why);
        if (!w->route.literal)
            begin_dnssec(w);
        return given;
    }
    bool unable = begin_dnssec(w);
    enum status st =
        route_find(&w->resolver, w->start->domain, w->start->settings->hostname, &w->route, &w->why);
    if (unable && st != ST_TEMP) {
        message_start(m, VERB_NO_DNSSEC);
        channel_send(channel, m);
    }
    if (w->route.bogus)
        policy_note(&w->policy, TLS_POLICY_TLSA, TLS_RESULT_DNSSEC_INVALID, "",
                    "the MX records have forged signatures");
    return st;
}

static void answer(struct walk *w, int channel, struct message *m)
{
    unsigned verb = m->verb, attempts = w->attempts;
    int fd = -1;
    if (!w->routed) {
        enum status st = find_route(w, channel, m);
        if (st != ST_OK) {
            report_none(w, m, st == ST_PERM, false);
            bytes_clear(&w->why);
            return;
        }
        w->routed = true;
        verb = VERB_CONNECT_FIRST;
    }
    if (verb == VERB_CONNECT_FIRST)
        begin(w);
    if (verb >= VERB_CONNECT_SAME && w->address < w->addresses.count)
        fd = try_current(w, channel);
    if (verb == VERB_CONNECT_MORE)
        w->attempts = attempts;
    while (fd < 0 && verb != VERB_CONNECT_MORE && w->attempts < ATTEMPTS && step(w))
        fd = try_current(w, channel);
    bool all_asked = !w->unresolved && !w->refused && w->host >= w->route.count;
    if (fd >= 0)
        report_connected(w, fd, m);
    else
        report_none(w, m, w->start->lane == LANE_REQUIRE ? all_asked : !w->unresolved && !w->reached,
                    all_asked);
}

void connector_run(int channel, const struct connector_start *start)
{
    struct walk w = { .start = start };
    struct message m, more;
    w.policy =
        (struct policy){ .start = start, .resolver = &w.resolver, .channel = channel, .packet = &more };
    w.policy.searched = start->hop->exact; /* MTA-STS is a domain's, not a host's */
    bytes_init(&w.why, QUEUE_REPLY_LIMIT - 1);
    while (channel_receive(channel, &m, -1)) {
        if (m.fd >= 0 || !message_end(&m) || m.verb < VERB_CONNECT_FIRST || m.verb > VERB_CONNECT_MORE)
            return;
        answer(&w, channel, &m);
        if (!channel_send(channel, &m))
            return;
        file_close(m.fd);
    }
}
