/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Finding a command's row; see command.h.
 */
#include "net/command.h"

const struct command *command_find(const struct command *table, struct span line, struct span *argument)
{
    size_t end = span_find(line, ' ');
    struct span name = span_head(line, end);
    *argument = end < line.n ? span_from(line, end + 1) : (struct span){ NULL, 0 };
    while (table->name && !span_ieq_str(name, table->name))
        table++;
    return table;
}
