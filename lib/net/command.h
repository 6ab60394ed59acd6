/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of a protocol's commands: name, states in which it is allowed, flags,
 * function. The last row has a NULL name and is the unknown command.
 */
#ifndef POSTERN_NET_COMMAND_H
#define POSTERN_NET_COMMAND_H

#include "base/bytes.h"

struct command {
    const char *name; /* in capitals */
    unsigned states;  /* bits, the protocol's own */
    unsigned flags;   /* the protocol's own */
    void (*run)(void *session, struct span argument);
};

/* The row for the first word of `line` (ended by SP or the end), without regard to case; *argument is what
 * follows the SP, untrimmed (p NULL when no SP was there). Never NULL. */
const struct command *command_find(const struct command *table, struct span line, struct span *argument);

#endif
