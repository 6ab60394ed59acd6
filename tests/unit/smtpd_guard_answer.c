/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * When smtpd's guard answers: as soon as the message is on disk, before it writes the line in the log and
 * whatever else the session needn't wait for. That is done all the same when the session doesn't wait for the
 * answer, and before its next request. The log is a pipe that is full: the guard gets no further than there.
 */
#include "smtpd_guard.h"

#include <fcntl.h>
#include <poll.h>

#define PATIENCE_MS 60000
#define MOMENT_MS 50

/* A log that takes nothing more. */
static int fill_log(struct play *p)
{
    char filler[4096];
    char path[PATH_MAX];
    p->log = "pipe";
    snprintf(path, sizeof path, "%s/pipe", folder);
    unlink(path);
    int fd = mkfifo(path, 0600) == 0 ? open(path, O_RDWR | O_NONBLOCK) : -1;
    if (fd < 0)
        exit(1);
    memset(filler, '\n', sizeof filler);
    while (write(fd, filler, sizeof filler) > 0)
        ;
    return fd;
}

/* Reads the log until that has come. */
static bool says(int log, const char *what)
{
    static char text[1 << 20];
    size_t n = 0;
    struct pollfd in = { .fd = log, .events = POLLIN };
    while (n < sizeof text - 1 && poll(&in, 1, PATIENCE_MS) > 0) {
        ssize_t got = read(log, text + n, sizeof text - 1 - n);
        n += got > 0 ? (size_t)got : 0;
        text[n] = '\0';
        if (strstr(text, what))
            return true;
    }
    printf("# %s\n", text);
    return false;
}

static void send_commit(struct play *p)
{
    mail(p, "<x@far.test>");
    one(p, VERB_RCPT, "<alice@here.test>");
    start_commit(p, 0, SPAN(""), SPAN("Subject: x\r\n\r\nx\r\n"));
    channel_send(p->channel, p->m);
}

static bool answered(struct play *p, int ms)
{
    uint64_t verdict;
    return channel_receive(p->channel, p->m, ms) && message_get_u64(p->m, &verdict) && verdict == VERDICT_OK;
}

/* By SMTP (""), or LMTP ("l"). */
static void answer_first(struct play *p, const char *flags, const char *name)
{
    char id[QUEUE_ID_LIMIT], line[QUEUE_ID_LIMIT + 32];
    int before = count("mail/here.test/alice/new");
    int log = fill_log(p);
    start(p, flags, flags[0] ? NULL : "192.0.2.1");
    send_commit(p);
    ok(answered(p, PATIENCE_MS) && message_get_str(p->m, id, sizeof id) && message_end(p->m),
       "%s: answered, though nothing can be logged", name);
    ok(count("mail/here.test/alice/new") == (before < 0 ? 1 : before + 1), "%s: the message is there", name);
    start_mail(p, "<y@far.test>", 0);
    message_put_u64(p->m, 0);
    channel_send(p->channel, p->m);
    ok(!answered(p, MOMENT_MS), "%s: the next request waits", name);
    snprintf(line, sizeof line, "event=accepted id=%s ", id);
    ok(says(log, line), "%s: the line in the log", name);
    ok(answered(p, PATIENCE_MS), "%s: then the next request is answered", name);
    stop(p);
    close(log);
}

/* The session ends, before or behind the answer. */
static void unheard(struct play *p, bool hears)
{
    int log = fill_log(p);
    start(p, "", "192.0.2.1");
    send_commit(p);
    if (hears)
        ok(answered(p, PATIENCE_MS), "a session hears the answer and ends at once");
    close(p->channel);
    p->channel = -1;
    ok(says(log, "event=accepted id="), "the line is in the log if it ends %s the answer",
       hears ? "behind" : "before");
    stop(p);
    close(log);
}

int main(void)
{
    struct play p = { .m = malloc(sizeof *p.m), .uid = getuid() };
    make_server(&p);
    answer_first(&p, "", "SMTP");
    answer_first(&p, "l", "LMTP");
    unheard(&p, true);
    unheard(&p, false);
    clear_away(&p);
    return done_testing();
}
