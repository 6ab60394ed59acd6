/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Programs that aliases name (`list: |/path/program arguments`). A message for one travels with the program's
 * name, "INDEX:KEY": which of the programs of the alias with this key, counted from 0. The command itself is
 * only ever looked up in the compiled aliases, by who runs it: no text that came in a message or from another
 * process is run, and a command that was mended counts for mail that waits.
 */
#ifndef POSTERN_STORE_PROGRAMS_H
#define POSTERN_STORE_PROGRAMS_H

#include "base/settings.h"
#include "base/status.h"
#include "text/address.h"
#include "text/envelope.h"

#define PROGRAM_NAME_LIMIT ENVELOPE_PROGRAM_LIMIT

/* How the queue runner asks for it to be run, on a SOCK_SEQPACKET socket (net/channel.h), and what comes
 * back.
 *
 *     RUN    the program's name, ID, sender, recipient, original recipient (may be ""), where in the file the
 * message begins, and its size; with a descriptor of the file ENDED  'D', 'T' or 'F' (enum queue_mark), an
 * enhanced status code and a text of one line
 */
enum { PROGRAM_RUN = 1, PROGRAM_ENDED = 2 };

/* The names of the commands in the settings `learn-spam` and `learn-ham`: no alias' name has no colon. */
#define PROGRAM_LEARN_SPAM "learn-spam"
#define PROGRAM_LEARN_HAM "learn-ham"
bool programs_learns(struct span name);

/* The name of a key's program. False: there are too many. */
bool programs_name(char to[PROGRAM_NAME_LIMIT], const char *key, unsigned index);
/* The command, without '|', as compiled or as set. ST_NONE: the alias names no such program (any more), or
 * none is set. ST_TEMP: can't tell, and logged. */
enum status programs_command(const struct settings *s, struct span name, struct bytes *command);

#endif
