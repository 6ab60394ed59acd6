/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Asks a resolver: over UDP, each try with a new ID and a new source port from a connected socket, so
 * that an answer from elsewhere never reaches us; over TCP when the answer was cut. What comes in
 * and isn't an answer to our question is thrown away and the wait goes on. The resolver does the recursion.
 */
#include "net/dns_private.h"
#include "base/clock.h"
#include "base/files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define DNS_PORT 53
#define DNS_TRIES 3
#define DNS_WAIT_MS 5000 /* one try */
#define HEADER_FLAGS 2   /* where the flags stand in an answer */
#define TRUNCATED 0x02
#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLV_CONF_LIMIT 65536

/* --- which resolver */

static bool parse_ip(struct span text, struct sockaddr_in6 *to)
{
    char copy[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
    struct in_addr v4;
    if (!span_copy(text, copy, sizeof copy))
        return false;
    to->sin6_family = AF_INET6;
    if (inet_pton(AF_INET, copy, &v4) == 1) {
        to->sin6_addr = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
        memcpy(to->sin6_addr.s6_addr + 12, &v4, sizeof v4);
        return true;
    }
    char *zone = strchr(copy, '%');
    if (zone) {
        *zone++ = '\0';
        to->sin6_scope_id = if_nametoindex(zone);
    }
    return inet_pton(AF_INET6, copy, &to->sin6_addr) == 1;
}

/* ADDRESS, ADDRESS:PORT with IPv4, [ADDRESS]:PORT with IPv6. */
static bool parse_server(struct span text, struct sockaddr_in6 *to)
{
    uint64_t port = DNS_PORT;
    *to = (struct sockaddr_in6){ 0 };
    size_t colon = span_find(text, ':');
    if (text.n && text.p[0] == '[') {
        size_t end = span_find(text, ']');
        struct span behind = span_from(text, end + 1);
        if (end == text.n ||
            (behind.n && (behind.p[0] != ':' || !span_u64(span_from(behind, 1), 65535, &port))))
            return false;
        text = span_head(span_from(text, 1), end - 1);
    } else if (colon < text.n && span_find(span_from(text, colon + 1), ':') == text.n - colon - 1) {
        if (!span_u64(span_from(text, colon + 1), 65535, &port))
            return false;
        text = span_head(text, colon);
    }
    to->sin6_port = htons((uint16_t)port);
    return port != 0 && parse_ip(text, to);
}

static enum status read_resolv_conf(struct dns_resolver *r, struct bytes *error)
{
    struct bytes text;
    struct span rest, line;
    bytes_init(&text, RESOLV_CONF_LIMIT);
    enum status st = file_read(AT_FDCWD, RESOLV_CONF, &text);
    if (st == ST_TEMP) {
        bytes_printf(error, "%s: %s", RESOLV_CONF, strerror(errno));
        bytes_free(&text);
        return ST_TEMP;
    }
    rest = span_bytes(&text);
    while (span_cut(&rest, '\n', &line)) {
        line = span_trim(line);
        if (!span_starts(line, "nameserver ") && !span_starts(line, "nameserver\t"))
            continue;
        struct span word = span_trim(span_from(line, 11));
        struct sockaddr_in6 *to = &r->servers[r->count];
        *to = (struct sockaddr_in6){ .sin6_port = htons(DNS_PORT) };
        if (parse_ip(word, to) && ++r->count == sizeof r->servers / sizeof r->servers[0])
            break;
    }
    bytes_free(&text);
    if (r->count == 0 && parse_server(SPAN("127.0.0.1"), &r->servers[0])) /* as resolv.conf(5) has it */
        r->count = 1;
    return ST_OK;
}

enum status dns_resolver_init(struct dns_resolver *r, const char *setting, struct bytes *error)
{
    *r = (struct dns_resolver){ 0 };
    if (!setting || !setting[0])
        return read_resolv_conf(r, error);
    if (!parse_server(span_of(setting), &r->servers[0])) {
        bytes_printf(error, "resolver: must be ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT, not %s", setting);
        return ST_PERM;
    }
    r->count = 1;
    return ST_OK;
}

/* --- asking */

int dns_open_socket(const struct sockaddr_in6 *server, int type)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } to = { .v6 = *server };
    socklen_t length = sizeof to.v6;
    if (IN6_IS_ADDR_V4MAPPED(&server->sin6_addr)) {
        to.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = server->sin6_port };
        memcpy(&to.v4.sin_addr, server->sin6_addr.s6_addr + 12, 4);
        length = sizeof to.v4;
    }
    int fd = socket(to.any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, &to.any, length) != 0 && errno != EINPROGRESS) {
        file_close(fd);
        return -1;
    }
    return fd;
}

static bool wait_for(int fd, short events, int64_t until)
{
    struct pollfd p = { .fd = fd, .events = events };
    for (;;) {
        int64_t left = until - clock_ms();
        int n = poll(&p, 1, left > 0 ? (int)left : 0);
        if (n > 0)
            return true;
        if (n == 0 || errno != EINTR)
            return false;
    }
}

static bool send_all(int fd, struct span data, int64_t until)
{
    while (data.n) {
        if (!wait_for(fd, POLLOUT, until))
            return false;
        ssize_t n = send(fd, data.p, data.n, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        data = span_from(data, n > 0 ? (size_t)n : 0);
    }
    return true;
}

static bool receive_exactly(int fd, void *to, size_t n, int64_t until)
{
    char *at = to;
    while (n) {
        if (!wait_for(fd, POLLIN, until))
            return false;
        ssize_t got = recv(fd, at, n, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        at += got > 0 ? got : 0;
        n -= got > 0 ? (size_t)got : 0;
    }
    return true;
}

bool dns_ask_tcp(const struct sockaddr_in6 *server, struct span question, int64_t until, struct bytes *raw)
{
    unsigned char size[2] = { (unsigned char)(question.n >> 8), (unsigned char)question.n };
    int fd = dns_open_socket(server, SOCK_STREAM);
    bool good = fd >= 0 && send_all(fd, (struct span){ (char *)size, 2 }, until) &&
                send_all(fd, question, until) && receive_exactly(fd, size, 2, until);
    size_t length = good ? (size_t)size[0] << 8 | size[1] : 0;
    bytes_clear(raw);
    good = good && bytes_reserve(raw, length) && receive_exactly(fd, raw->data, length, until);
    if (good) {
        raw->len = length;
        raw->data[length] = '\0';
    }
    file_close(fd);
    return good;
}

bool dns_is_for(struct span raw, uint16_t id)
{
    return raw.n > HEADER_FLAGS && (unsigned char)raw.p[0] == id >> 8 &&
           (unsigned char)raw.p[1] == (id & 0xff);
}

bool dns_is_truncated(struct span raw)
{
    return raw.n > HEADER_FLAGS && raw.p[HEADER_FLAGS] & TRUNCATED;
}

/* Takes datagrams until one answers (its status), or time is up (ST_TEMP, *heard false). */
static enum status listen_udp(int fd, const struct sockaddr_in6 *server, struct span question,
                              const char *name, enum dns_type type, uint16_t id, struct dns_answer *answer,
                              bool *heard)
{
    int64_t until = clock_ms() + DNS_WAIT_MS;
    while (wait_for(fd, POLLIN, until)) {
        bytes_clear(&answer->raw);
        if (!bytes_reserve(&answer->raw, DNS_ANSWER_LIMIT))
            return ST_TEMP;
        ssize_t n = recv(fd, answer->raw.data, DNS_ANSWER_LIMIT, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0)
            return ST_TEMP; /* refused: nobody listens there */
        answer->raw.len = (size_t)n;
        answer->raw.data[n] = '\0';
        if (!dns_is_for(span_bytes(&answer->raw), id))
            continue;
        *heard = true;
        if (dns_is_truncated(span_bytes(&answer->raw)) && !dns_ask_tcp(server, question, until, &answer->raw))
            return ST_TEMP;
        return dns_read(answer, name, type, id);
    }
    return ST_TEMP;
}

static enum status ask_server(const struct sockaddr_in6 *server, const char *name, enum dns_type type,
                              struct dns_answer *answer, bool *heard)
{
    struct bytes question;
    uint16_t id = (uint16_t)random_u64();
    bytes_init(&question, QUESTION_LIMIT);
    enum status st = dns_question(name, type, id, &question);
    if (st == ST_OK) {
        int fd = dns_open_socket(server, SOCK_DGRAM);
        st = ST_TEMP;
        if (fd >= 0 && send(fd, question.data, question.len, MSG_NOSIGNAL) == (ssize_t)question.len)
            st = listen_udp(fd, server, span_bytes(&question), name, type, id, answer, heard);
        file_close(fd);
    }
    bytes_free(&question);
    return st;
}

enum status dns_ask(const struct dns_resolver *r, const char *name, enum dns_type type,
                    struct dns_answer *answer)
{
    bool heard[sizeof r->servers / sizeof r->servers[0]] = { false };
    size_t first = r->answers && *r->answers < r->count ? *r->answers : 0;
    *answer = (struct dns_answer){ 0 };
    bytes_init(&answer->raw, DNS_ANSWER_LIMIT);
    if (r->ask)
        return r->ask(r->arg, name, type, answer);
    for (int i = 0; i < DNS_TRIES; i++)
        for (size_t n = 0; n < r->count; n++) {
            size_t k = (first + n) % r->count;
            if (heard[k]) /* it answered, and its answer was that it can't */
                continue;
            enum status st = ask_server(&r->servers[k], name, type, answer, &heard[k]);
            if (st != ST_TEMP && r->answers)
                *r->answers = k;
            if (st != ST_TEMP)
                return st;
        }
    return ST_TEMP;
}

void dns_answer_free(struct dns_answer *answer)
{
    bytes_free(&answer->raw);
    answer->count = 0;
}
