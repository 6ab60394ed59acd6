/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Events for the journal; see log_journal.h. The protocol is that of sd_journal_send(3), which would take
 * libsystemd for two system calls; here no value has a line's end, so that the binary form of a field isn't
 * needed.
 *
 * The socket is opened before any sandbox, and inherited by the processes of a connection. The journal finds
 * out which unit a datagram came from by the sender's process ID, when it reads it, so the sender mustn't be
 * gone by then: of short connections, every tenth event had no unit, and every third of a warm unit's. So a
 * connection's first process waits at its end, when nobody waits for it any more.
 */
#include "base/log_journal.h"
#include "base/clock.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define VALUE_LIMIT 1024
#define DATAGRAM_LIMIT 65536
#define SETTLE_MS 100
#define LOOK_MS 2

static const struct {
    const char *name, *field;
} fields_of[] = {
    { "event", "EVENT" },
    { "session", "SESSION" },
    { "id", "QUEUE_ID" },
    { "message-id", "MESSAGE_ID" },
    { "user", "USER" },
    { "login", "USER" },
    { "account", "USER" },
    { "password", "PASSWORD_NAME" },
    { "master", "MASTER" },
    { "peer", "PEER" },
    { "from", "FROM" },
    { "to", "TO" },
    { "setting", "SETTING" },
    { "spf", "SPF" },
    { "dkim", "DKIM" },
    { "dmarc", "DMARC" },
    { "arc", "ARC" },
};

/* What became of a message, a login or a connection, as an event or the outcome of `checked` says it. */
static const struct {
    const char *name, *value, *verdict;
} verdicts[] = {
    { "event", "accepted", "accepted" },
    { "event", "marked", "marked" },
    { "event", "refused", "refused" },
    { "event", "too-many-connections", "refused" },
    { "event", "login", "accepted" },
    { "event", "login-failed", "refused" },
    { "event", "login-refused", "refused" },
    { "event", "login-disabled", "refused" },
    { "event", "login-no-account", "refused" },
    { "event", "delivered", "delivered" },
    { "event", "deferred", "deferred" },
    { "event", "failed", "failed" },
    { "event", "expired", "failed" },
    { "event", "undeliverable", "failed" },
    { "event", "learned", "delivered" },
    { "event", "learning-deferred", "deferred" },
    { "event", "learning-given-up", "failed" },
    { "outcome", "accept", "accepted" },
    { "outcome", "junk", "junk" },
    { "outcome", "refuse", "refused" },
    { "outcome", "defer", "deferred" },
};

bool journal_is(const struct stat *out)
{
    char text[64];
    const char *stream = getenv("JOURNAL_STREAM");
    snprintf(text, sizeof text, "%llu:%llu", (unsigned long long)out->st_dev,
             (unsigned long long)out->st_ino);
    return stream && strcmp(stream, text) == 0;
}

int journal_open(void)
{
    static const struct sockaddr_un journal = { .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET };
    int saved = errno, fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&journal, sizeof journal) != 0) {
        close(fd);
        fd = -1;
    }
    errno = saved;
    return fd;
}

static void add_field(struct bytes *fields, const char *field, struct span value)
{
    bytes_printf(fields, "POSTERN_%s=", field);
    value = span_head(value, VALUE_LIMIT);
    for (size_t i = 0; i < value.n; i++)
        bytes_add_char(fields, (unsigned char)value.p[i] < ' ' || value.p[i] == 0x7f ? '?' : value.p[i]);
    bytes_add_char(fields, '\n');
}

void journal_add(struct bytes *fields, const char *name, struct span value)
{
    for (size_t i = 0; i < sizeof fields_of / sizeof fields_of[0]; i++)
        if (strcmp(name, fields_of[i].name) == 0)
            add_field(fields, fields_of[i].field, value);
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++)
        if (strcmp(name, verdicts[i].name) == 0 && span_eq_str(value, verdicts[i].value))
            add_field(fields, "VERDICT", span_of(verdicts[i].verdict));
}

bool journal_send(int fd, int level, const char *program, struct span line, struct span fields)
{
    struct bytes datagram;
    bytes_init(&datagram, DATAGRAM_LIMIT);
    bytes_printf(&datagram, "PRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=%s\nMESSAGE=", level,
                 LOG_MAIL >> 3, program);
    bytes_add_span(&datagram, line);
    bytes_add_char(&datagram, '\n');
    bytes_add_span(&datagram, fields);
    bool sent = false;
    while (!datagram.failed && !sent) {
        sent = send(fd, datagram.data, datagram.len, MSG_NOSIGNAL) == (ssize_t)datagram.len;
        if (!sent && errno != EINTR)
            break;
    }
    bytes_free(&datagram);
    return sent;
}

void journal_settle(int fd, bool recent)
{
    int waiting;
    int64_t until = clock_ms() + SETTLE_MS;
    while (ioctl(fd, SIOCOUTQ, &waiting) == 0 && waiting > 0 && clock_ms() < until) {
        recent = true;
        poll(NULL, 0, 1);
    }
    if (recent)
        poll(NULL, 0, LOOK_MS);
}
