/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Children: forked, stripped of every descriptor that isn't theirs (those of locked messages above all: a
 * lock lives as long as any copy of its descriptor), sandboxed, and killed by the kernel when the scheduler
 * dies.
 */
#include "connector.h"
#include "fetcher.h"
#include "qrun.h"
#include "sender.h"

#include "base/files.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

/* Opened before the sandbox, which has no sockets of the kind that libunbound makes itself and never uses. */
static struct dnssec *open_dnssec(struct qrun *q)
{
    struct dnssec *d = NULL;
    if (!qrun_has_dnssec(q))
        return NULL;
    enum status st = dnssec_open(&q->resolver, span_bytes(&q->anchors), q->settings->dnssec_exempt, &d);
    if (st != ST_OK) { /* without it policies would be left out: better no mail for now */
        log_event(LOG_ERR, "no-dnssec", "text",
                  st == ST_PERM ? "trust-anchor or dnssec-exempt can't be used" : "out of memory", NULL);
        _exit(EX_CONFIG);
    }
    return d;
}

static void connect_there(struct qrun *q, const struct child_start *start, int channel, struct dnssec *dnssec)
{
    struct connector_start s = { .settings = q->settings,
                                 .resolver = &q->resolver,
                                 .domain = start->domain,
                                 .hop = start->hop,
                                 .lane = start->lane,
                                 .dnssec = dnssec,
                                 .dnssec_required = q->settings->trust_anchor[0] != '\0',
                                 .cached = start->cached };
    connector_run(channel, &s);
}

static void run(struct qrun *q, const struct child_start *start, int channel, pid_t parent)
{
    struct dnssec *dnssec = NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EX_OK);
    if (start->kind == CHILD_CONNECTOR)
        dnssec = open_dnssec(q);
    if (!sandbox_enter(start->kind == CHILD_CONNECTOR ? q->connector_box : q->sender_box))
        _exit(EX_OSERR);
    files_close_but((int[]){ channel, start->socket }, 2); /* only now: entering takes the sandbox's own */
    if (start->kind == CHILD_SENDER) {
        struct sender_start s = { .settings = q->settings,
                                  .socket = start->socket,
                                  .hop = start->hop,
                                  .security = start->security,
                                  .roots = span_bytes(&q->roots),
                                  .no_tls = start->no_tls,
                                  .others = start->others };
        sender_run(channel, &s);
    } else if (start->kind == CHILD_FETCHER) {
        struct fetcher_start s = { start->socket, start->domain, span_bytes(&q->roots),
                                   q->settings->timeout };
        fetcher_run(channel, &s);
    } else {
        connect_there(q, start, channel, dnssec);
    }
    _exit(EX_OK);
}

int child_start(struct qrun *q, const struct child_start *start)
{
    int pair[2];
    pid_t parent = getpid();
    if (channel_pair(pair) != ST_OK)
        return -1;
    fcntl(pair[0], F_SETFL, O_NONBLOCK); /* a child that doesn't read must not stop the scheduler */
    pid_t pid = fork();
    if (pid == 0)
        run(q, start, pair[1], parent);
    file_close(pair[1]);
    if (pid > 0)
        return pair[0];
    log_event(LOG_ERR, "cannot-fork", "text", strerror(errno), NULL);
    file_close(pair[0]);
    return -1;
}
