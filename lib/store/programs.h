/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Programs that aliases name (`list: |/path/program arguments`). A message for one travels with the program's
 * name, "INDEX KEY": which of the programs of the alias with this key, counted from 0. The command itself is
 * only ever looked up in the compiled aliases, by who runs it: no text that came in a message or from another
 * process is run, and a command that was mended counts for mail that waits.
 */
#ifndef POSTERN_STORE_PROGRAMS_H
#define POSTERN_STORE_PROGRAMS_H

#include "base/settings.h"
#include "base/status.h"
#include "text/address.h"

#define PROGRAM_NAME_LIMIT (ADDRESS_LIMIT + 20)

/* The name of a key's program. */
void programs_name(char to[PROGRAM_NAME_LIMIT], const char *key, unsigned index);
/* Is it the form of a name? For names from files. */
bool programs_name_valid(struct span name);
/* The command, without '|', as compiled. ST_NONE: the alias names no such program (any more). ST_TEMP: can't
 * tell, and logged. */
enum status programs_command(const struct settings *s, struct span name, struct bytes *command);

#endif
