/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The log's lines, and the fields that the journal gets: what strangers wrote breaks neither. The real
 * journal is in systemd.t.
 */
#include "tap.h"

#include "base/log.h"
#include "base/log_journal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct {
    const char *title;
    const char *event, *name, *value;
    const char *expected; /* the fields */
} rows[] = {
    { "an ID", "accepted", "id", "06612", "EVENT=accepted|VERDICT=accepted|QUEUE_ID=06612|" },
    { "what others know it by", "accepted", "message-id", "a@b.test",
      "EVENT=accepted|VERDICT=accepted|MESSAGE_ID=a@b.test|" },
    { "a peer", "login-failed", "peer", "192.0.2.1", "EVENT=login-failed|VERDICT=refused|PEER=192.0.2.1|" },
    { "who is logged in", "refused", "login", "a@b.test", "EVENT=refused|VERDICT=refused|USER=a@b.test|" },
    { "who logs in", "login", "user", "a@b.test", "EVENT=login|VERDICT=accepted|USER=a@b.test|" },
    { "whose mailbox it is", "session", "account", "a@b.test", "EVENT=session|USER=a@b.test|" },
    { "sender", "deferred", "from", "a@b.test", "EVENT=deferred|VERDICT=deferred|FROM=a@b.test|" },
    { "recipients", "failed", "to", "a@b.test,>c@d.test",
      "EVENT=failed|VERDICT=failed|TO=a@b.test,>c@d.test|" },
    { "a setting", "marked", "setting", "greylist", "EVENT=marked|VERDICT=marked|SETTING=greylist|" },
    { "a verdict of its own", "checked", "outcome", "junk", "EVENT=checked|VERDICT=junk|" },
    { "that of strangers' mail in the same words", "checked", "outcome", "refuse",
      "EVENT=checked|VERDICT=refused|" },
    { "a result", "checked", "dmarc", "fail (p=reject)", "EVENT=checked|DMARC=fail (p=reject)|" },
    { "a name without a field", "removed", "text", "x", "EVENT=removed|" },
    { "nothing", "removed", "to", "", "EVENT=removed|TO=|" },
    { "a value that would be more fields", "x", "user", "a\nPOSTERN_PEER=192.0.2.9\n\x7f=",
      "EVENT=x|USER=a?POSTERN_PEER=192.0.2.9?"
      "?=|" },
    { "UTF-8", "x", "user", "k\xc3\xa4se", "EVENT=x|USER=k\xc3\xa4se|" },
};

static void fields(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes got, want;
        bytes_init(&got, 4096);
        bytes_init(&want, 4096);
        journal_add(&got, "event", span_of(rows[i].event));
        journal_add(&got, rows[i].name, span_of(rows[i].value));
        struct span rest = span_of(rows[i].expected), one;
        while (span_cut(&rest, '|', &one) && one.n)
            bytes_printf(&want, "POSTERN_%.*s\n", SPAN_FMT(one));
        ok(strcmp(bytes_str(&got), bytes_str(&want)) == 0, "field: %s", rows[i].title);
        bytes_free(&got);
        bytes_free(&want);
    }
}

static void datagram(void)
{
    int pair[2];
    char got[4096];
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0)
        abort();
    bool sent =
        journal_send(pair[0], LOG_NOTICE, "smtpd", SPAN("event=x to=\"a b\""), SPAN("POSTERN_EVENT=x\n"));
    ssize_t n = recv(pair[1], got, sizeof got - 1, MSG_DONTWAIT);
    got[n > 0 ? n : 0] = '\0';
    ok(sent &&
           strcmp(got, "PRIORITY=5\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=smtpd\nMESSAGE=event=x to=\"a b\"\n"
                       "POSTERN_EVENT=x\n") == 0,
       "an event is one datagram");
    close(pair[1]);
    ok(!journal_send(pair[0], LOG_NOTICE, "smtpd", SPAN("event=x"), SPAN("")),
       "nobody hears it: that is told");
    close(pair[0]);
}

static void streams(void)
{
    struct stat out;
    char text[64];
    fstat(STDERR_FILENO, &out);
    unsetenv("JOURNAL_STREAM");
    ok(!journal_is(&out), "standard error isn't the journal where nobody says so");
    snprintf(text, sizeof text, "%llu:%llu", (unsigned long long)out.st_dev, (unsigned long long)out.st_ino);
    setenv("JOURNAL_STREAM", text, 1);
    ok(journal_is(&out), "it is where it is named");
    strcat(text, "1");
    setenv("JOURNAL_STREAM", text, 1);
    ok(!journal_is(&out), "and isn't where another was put there since");
}

static const char *line_of(int fd)
{
    static char line[16384];
    ssize_t n = read(fd, line, sizeof line - 1);
    line[n > 0 ? n : 0] = '\0';
    return line;
}

static bool ends(const char *line, const char *with)
{
    size_t n = strlen(line), m = strlen(with);
    return n >= m && strcmp(line + n - m, with) == 0;
}

static void lines(void)
{
    int ends_of[2], before = dup(STDERR_FILENO);
    char id[40], first[LOG_SESSION_LENGTH + 1], *large = malloc(3000);
    if (!large || pipe(ends_of) != 0)
        abort();
    memset(large, 1, 2999);
    large[2999] = '\0';
    dup2(ends_of[1], STDERR_FILENO);
    log_open("test");
    log_event(LOG_INFO, "x", "name", "value", "none", NULL, "more", "a \"b\" \\\n", NULL);
    const char *line = line_of(ends_of[0]);
    bool plain = ends(line, "]: event=x name=value more=\"a \\\"b\\\" \\\\\\x0a\"\n") &&
                 strncmp(line, "test[", 5) == 0;
    log_begin_session();
    memcpy(first, log_session_id(), sizeof first);
    snprintf(id, sizeof id, " session=%s\n", first);
    log_event(LOG_INFO, "x", NULL);
    bool short_one = ends(line_of(ends_of[0]), id);
    log_event(LOG_INFO, "x", "a", large, "b", large, "c", large, NULL);
    bool long_one = ends(line_of(ends_of[0]), id);
    log_begin_session();
    dup2(before, STDERR_FILENO);
    ok(plain, "what strangers wrote is escaped");
    ok(short_one, "a connection's event ends with its ID");
    ok(long_one, "also where it was cut");
    ok(strspn(first, "abcdefghijklmnopqrstuvwxyz234567") == LOG_SESSION_LENGTH &&
           strlen(log_session_id()) == strlen(first) && strcmp(first, log_session_id()) != 0,
       "the next connection has another");
    free(large);
}

int main(void)
{
    fields();
    datagram();
    streams();
    lines();
    return done_testing();
}
