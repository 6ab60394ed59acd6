/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How a child process of a connection is made and sandboxed, and how its death is logged; see connection.h.
 */
#include "net/connection_private.h"
#include "base/files.h"
#include "base/log.h"
#include "net/channel.h"
#include "net/resolver.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

void connection_close(int in, int out)
{
    close(in);
    if (out != in)
        close(out);
}

bool connection_enter(struct handler *h, struct sandbox *box)
{
    struct sandbox *all[] = { h->session_box, h->guard_box, h->mailbox_box, h->waiting_box, h->resolver_box };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i] != box)
            sandbox_leave(all[i]);
    return sandbox_enter(box);
}

pid_t connection_fork(void)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(EX_OK);
    }
    return pid;
}

static _Noreturn void run_resolver(struct handler *h, int channel)
{
    file_close(h->serving.place);
    file_close(h->serving.disk_notices);
    struct dns_resolver r;
    struct bytes error;
    bytes_init(&error, 1024);
    bool good = dns_resolver_init(&r, h->settings.resolver, &error) == ST_OK; /* it may read a file */
    if (!good)
        log_event(LOG_ERR, "no-resolver", "why", bytes_str(&error), NULL);
    if (!log_is_verbose())
        log_leave();
    if (good && connection_enter(h, h->resolver_box))
        resolver_run(channel, &r);
    _exit(EX_OK);
}

void connection_start_resolver(struct handler *h)
{
    int pair[2];
    struct serving *s = &h->serving;
    if (channel_pair(pair) != ST_OK)
        return;
    pid_t pid = connection_fork();
    if (pid == 0) {
        close(pair[0]);
        close(s->channel);
        run_resolver(h, pair[1]);
    }
    close(pair[1]);
    if (pid > 0)
        s->resolver = pair[0];
    else
        close(pair[0]);
}

void connection_log_death(const char *what, int how)
{
    char number[16] = { (char)('0' + WTERMSIG(how) / 10 % 10), (char)('0' + WTERMSIG(how) % 10) };
    log_event(LOG_ERR, "process-died", "process", what, "signal", number, NULL);
}
