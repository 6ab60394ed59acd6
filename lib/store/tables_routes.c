/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Compiling `routes`: who -> where, in the one form that text/hop.h gives it. Of two lines about the same
 * the first counts.
 */
#include "store/tables_private.h"
#include "text/hop.h"

static enum status put_line(struct compile *c, unsigned number, struct span line)
{
    struct bytes who, value;
    struct hop h;
    bytes_init(&who, ADDRESS_LIMIT);
    bytes_init(&value, HOP_TEXT_LIMIT);
    const char *why = hop_line(line, &who, &h);
    if (!why)
        hop_write(&h, &value);
    if (!why && value.failed)
        why = "is too long";
    enum status st =
        why ? compile_wrong(c, number, line, why) : compile_put(c, span_bytes(&who), span_bytes(&value));
    bytes_free(&who);
    bytes_free(&value);
    return st;
}

enum status compile_routes(struct compile *c)
{
    struct span rest = c->text, line;
    enum status st = ST_OK;
    for (unsigned number = 0; st == ST_OK && compile_next(&rest, &number, &line);)
        st = put_line(c, number, line);
    return st;
}
