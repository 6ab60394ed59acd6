/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The names of aliases' programs, and the commands behind them; see programs.h.
 */
#include "store/programs.h"
#include "store/tables.h"

#include <stdio.h>

#define INDEX_MOST 9999
#define VALUE_LIMIT ((size_t)16 << 20) /* bytes of one alias' targets */

void programs_name(char to[PROGRAM_NAME_LIMIT], const char *key, unsigned index)
{
    snprintf(to, PROGRAM_NAME_LIMIT, "%u %s", index, key);
}

/* False if it is no name. */
static bool split(struct span name, uint64_t *index, struct span *key)
{
    struct span number;
    *key = name;
    if (name.n >= PROGRAM_NAME_LIMIT || !span_cut(key, ' ', &number) || key->n == 0)
        return false;
    for (size_t i = 0; i < key->n; i++)
        if ((unsigned char)key->p[i] < ' ' || key->p[i] == 0x7f)
            return false;
    return span_u64(number, INDEX_MOST, index);
}

bool programs_name_valid(struct span name)
{
    uint64_t index;
    struct span key;
    return split(name, &index, &key);
}

static enum status pick(struct span value, uint64_t index, struct bytes *command)
{
    struct span line;
    while (span_cut(&value, '\n', &line))
        if (line.n > 1 && line.p[0] == '|' && index-- == 0)
            return bytes_add_span(command, span_from(line, 1)) ? ST_OK : ST_TEMP;
    return ST_NONE;
}

enum status programs_command(const struct settings *s, struct span name, struct bytes *command)
{
    struct table *aliases;
    struct bytes value;
    struct span key;
    uint64_t index;
    if (!split(name, &index, &key))
        return ST_NONE;
    if (tables_open(s, TABLE_ALIASES, &aliases) != ST_OK)
        return ST_TEMP;
    bytes_init(&value, VALUE_LIMIT);
    enum status st = table_get(aliases, key, &value);
    if (st == ST_OK)
        st = pick(span_bytes(&value), index, command);
    bytes_free(&value);
    table_close(aliases);
    return st;
}
