/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The names of aliases' programs, and the commands behind them; see programs.h. The key is xtext in a name,
 * so that this is one word whatever the alias is called.
 */
#include "store/programs.h"
#include "store/learn.h"
#include "store/tables.h"
#include "text/xtext.h"

#define INDEX_MOST 9999
#define KEY_LIMIT (ADDRESS_LIMIT + 8)
#define VALUE_LIMIT ((size_t)16 << 20) /* bytes of one alias' targets */

bool programs_name(char to[PROGRAM_NAME_LIMIT], const char *key, unsigned index)
{
    struct bytes name;
    bytes_init(&name, PROGRAM_NAME_LIMIT - 1);
    bytes_printf(&name, "%u:", index);
    bool good = index <= INDEX_MOST && xtext_encode(span_of(key), &name) &&
                span_copy(span_bytes(&name), to, PROGRAM_NAME_LIMIT);
    bytes_free(&name);
    return good;
}

static enum status pick(struct span value, uint64_t index, struct bytes *command)
{
    struct span line;
    while (span_cut(&value, '\n', &line))
        if (line.n > 1 && line.p[0] == '|' && index-- == 0)
            return bytes_add_span(command, span_from(line, 1)) ? ST_OK : ST_TEMP;
    return ST_NONE;
}

static enum status look_up(const struct settings *s, struct span key, uint64_t index, struct bytes *command)
{
    struct table *aliases;
    struct bytes value;
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

static enum learn_kind learns(struct span name)
{
    return span_eq_str(name, PROGRAM_LEARN_SPAM)  ? LEARN_SPAM
           : span_eq_str(name, PROGRAM_LEARN_HAM) ? LEARN_HAM
                                                  : LEARN_NOTHING;
}

bool programs_learns(struct span name)
{
    return learns(name) != LEARN_NOTHING;
}

static enum status of_settings(struct span text, struct bytes *command)
{
    return text.n == 0 ? ST_NONE : bytes_add_span(command, text) ? ST_OK : ST_TEMP;
}

enum status programs_command(const struct settings *s, struct span name, struct bytes *command)
{
    struct bytes key;
    struct span number;
    uint64_t index;
    enum status st = ST_NONE;
    if (programs_learns(name))
        return of_settings(span_of(learn_command(s, learns(name))), command);
    bytes_init(&key, KEY_LIMIT);
    if (span_cut(&name, ':', &number) && span_u64(number, INDEX_MOST, &index) && name.n &&
        xtext_decode(name, &key))
        st = look_up(s, span_bytes(&key), index, command);
    bytes_free(&key);
    return st;
}
