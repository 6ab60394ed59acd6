/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Programs that aliases name: the message is handed to who runs them, as a user of its own, behind the socket
 * of the setting `pipe-socket` (runner.c). Here is only the waiting: for an answer, or for longer than a
 * program may take and its runner needs to say so.
 *
 * A few run at a time; the others wait their turn, and hold up nothing else. A program whose answer is lost,
 * because one of us was killed, may have done its work, and is run again: rather twice than never.
 */
#include "qrun.h"

#include "base/clock.h"
#include "base/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNNING_LIMIT 10

struct program_run {
    struct program_run *next;
    struct part *part;
    int fd; /* -1: waits for its turn */
    int64_t until;
};

/* Its outcome; takes it out of the list. */
static void finish(struct qrun *q, struct program_run *r, char mark, const char *reply)
{
    struct program_run **at = &q->programs;
    while (*at && *at != r)
        at = &(*at)->next;
    if (*at)
        *at = r->next;
    file_close(r->fd);
    const struct queue_recipient *to = &r->part->job->m.recipients[r->part->indexes[0]];
    if (mark == QUEUE_DONE && rcpt_wants(to->options, NOTIFY_SUCCESS))
        mark = QUEUE_DELIVERED;
    job_outcome(q, r->part->job, r->part->indexes[0], mark, reply, NULL, NULL);
    job_put_marks(q, r->part);
    part_finish(q, r->part);
    free(r);
}

void program_add(struct qrun *q, struct part *p)
{
    struct program_run *r = malloc(sizeof *r), **at = &q->programs;
    if (!r) {
        job_outcome(q, p->job, p->indexes[0], QUEUE_TODO, "4.3.0 Memory is short", NULL, NULL);
        part_finish(q, p);
        return;
    }
    *r = (struct program_run){ .part = p, .fd = -1 };
    while (*at)
        at = &(*at)->next;
    *at = r;
}

static bool ask(struct qrun *q, const struct program_run *r, const struct queue_message *m)
{
    const struct queue_recipient *to = &m->recipients[r->part->indexes[0]];
    struct runner_request request = { .program = to->options->program,
                                      .id = m->id,
                                      .sender = m->sender,
                                      .to = to->address.text,
                                      .original = to->options->orcpt,
                                      .fd = queue_reopen(q->queue_dir, m),
                                      .content = (uint64_t)m->content,
                                      .size = m->size };
    bool sent = request.fd >= 0 && runner_ask(q, r->fd, &request);
    file_close(request.fd);
    return sent;
}

static void begin(struct qrun *q, struct program_run *r)
{
    char why[QUEUE_REPLY_LIMIT];
    r->fd = runner_connect(q);
    r->until = runner_until(q);
    if (r->fd >= 0 && ask(q, r, &r->part->job->m))
        return;
    snprintf(why, sizeof why, "4.3.0 Nobody runs programs at %.200s (%s); enable postern-pipe.socket",
             q->settings->pipe_socket, strerror(errno));
    finish(q, r, QUEUE_TODO, why);
}

void program_look(struct qrun *q)
{
    size_t running = 0;
    int64_t now = clock_ms();
    for (struct program_run *r = q->programs, *next; r; r = next) {
        next = r->next;
        if (r->fd >= 0 && now < r->until) {
            running++;
        } else if (r->fd >= 0) {
            finish(q, r, QUEUE_TODO, "4.4.2 The program took too long, and its runner says nothing");
        } else if (running < RUNNING_LIMIT) {
            running++;
            begin(q, r);
        }
    }
}

size_t program_fds(const struct qrun *q, int *fds, size_t room)
{
    size_t n = 0;
    for (const struct program_run *r = q->programs; r && n < room; r = r->next)
        if (r->fd >= 0)
            fds[n++] = r->fd;
    return n;
}

void program_input(struct qrun *q, int fd)
{
    char reply[QUEUE_REPLY_LIMIT];
    struct program_run *r = q->programs;
    while (r && r->fd != fd)
        r = r->next;
    if (r)
        finish(q, r, runner_answer(q, fd, reply), reply);
}
