/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pipe: what its files know of one another.
 *
 *     main.c         one request: who asks, for which program, and the answer
 *     environment.c  what the command is told beside the message
 *     run.c          the command's life: its input, its output, its end
 */
#ifndef POSTERN_PIPE_PIPE_H
#define POSTERN_PIPE_PIPE_H

#include "base/settings.h"
#include "base/status.h"
#include "store/queue.h"

#define PIPE_OUTPUT_LIMIT 400 /* bytes of what a command prints that are told */

struct request {
    char program[ENVELOPE_PROGRAM_LIMIT];
    bool learns; /* it is one that learns: the recipient is the account, the message as it is stored */
    char id[QUEUE_ID_LIMIT];
    char sender[ADDRESS_LIMIT + 4];
    struct address recipient;                /* the alias, with the detail that it was written with */
    char original[ENVELOPE_ORCPT_LIMIT + 1]; /* ORCPT's value, or "" */
    int fd;                                  /* of the queue's file */
    uint64_t content, size;                  /* where in it the message is */
};

/* The strings of an environment, ended by NULL; NULL: no memory. Freed with the process. */
char **environment_make(const struct settings *s, const struct request *r);

/* Runs a command of the aliases with the message as its input. ST_OK, ST_TEMP, ST_PERM; then `why` has an
 * enhanced status code and a line. */
enum status run_command(const struct settings *s, const struct request *r, const char *command,
                        struct bytes *why);

#endif
