/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Compiling `refused`; see store/refused.h for its lines and keys. Of two entries that mean the same the
 * first counts.
 */
#include "store/tables_private.h"
#include "store/refused.h"

/* The prefix lengths that there are, the longest first. */
static enum status put_prefixes(struct compile *c, const bool *has)
{
    struct bytes list;
    enum status st = ST_OK;
    bytes_init(&list, 1024);
    for (unsigned i = 129; i-- > 0;)
        if (has[i])
            bytes_printf(&list, "%s%u", list.len ? " " : "", i);
    if (list.len)
        st = compile_put(c, SPAN(REFUSED_PREFIXES), span_bytes(&list));
    bytes_free(&list);
    return st;
}

enum status compile_refused(struct compile *c)
{
    struct span rest = c->text, line;
    enum status st = ST_OK;
    bool has[129] = { false };
    for (unsigned number = 0; st == ST_OK && compile_next(&rest, &number, &line);) {
        struct refused_entry e;
        const char *why = refused_read(line, &e);
        if (why)
            st = compile_wrong(c, number, line, why);
        else
            st = compile_put(c, span_bytes(&e.key), e.text);
        if (!why && e.is_client)
            has[e.prefix] = true;
        refused_entry_free(&e);
    }
    return st == ST_OK ? put_prefixes(c, has) : st;
}
