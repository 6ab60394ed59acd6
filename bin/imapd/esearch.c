/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Answers to SEARCH and SORT: `* SEARCH 2 5 (MODSEQ 917)`, or where RETURN was given, or IMAP4rev2 enabled,
 * `* ESEARCH (TAG "a") UID COUNT 2 ALL 2,5 MODSEQ 917` (RFC 4731, RFC 5267 for SORT, RFC 7162 3.1.5), and `$`
 * (RFC 5182).
 *
 * What is found may be more than memory should hold as text, so it leaves in pieces.
 */
#include "search.h"

#include "capabilities.h"

#define PIECE 65536 /* bytes of an answer that are gathered */

struct answer {
    struct imap *i;
    const size_t *found;
    size_t count;
};

static uint32_t number_of(const struct answer *a, size_t n)
{
    return a->i->uid ? mailbox_uid(a->i->box, a->found[n]) : (uint32_t)a->found[n] + 1;
}

static void write_enough(struct imap *i)
{
    if (i->line.len > PIECE)
        write_line(i);
}

/* As a set in the order found: `4:7,2`. */
static void add_set(const struct answer *a)
{
    struct bytes *b = &a->i->line;
    for (size_t n = 0; n < a->count;) {
        uint32_t first = number_of(a, n), last = first;
        if (n > 0)
            bytes_add_char(b, ',');
        for (n++; n < a->count && number_of(a, n) == last + 1; n++)
            last++;
        add_number(b, first);
        if (last > first) {
            bytes_add_char(b, ':');
            add_number(b, last);
        }
        write_enough(a->i);
    }
}

static uint64_t modseq_of(const struct answer *a, size_t n)
{
    return mailbox_message(a->i->box, a->found[n]).modseq;
}

/* The highest mod-sequence of the messages that are told of (RFC 4731 3.2). */
static uint64_t highest_modseq(const struct answer *a, unsigned returns)
{
    uint64_t highest = 0;
    if (returns & (RETURN_ALL | RETURN_COUNT)) {
        for (size_t n = 0; n < a->count; n++)
            highest = modseq_of(a, n) > highest ? modseq_of(a, n) : highest;
        return highest;
    }
    if (returns & RETURN_MIN)
        highest = modseq_of(a, 0);
    if ((returns & RETURN_MAX) && modseq_of(a, a->count - 1) > highest)
        highest = modseq_of(a, a->count - 1);
    return highest;
}

static void add_named(struct bytes *b, const char *name, uint64_t value)
{
    bytes_add_char(b, ' ');
    bytes_add_str(b, name);
    bytes_add_char(b, ' ');
    add_number(b, value);
}

static void write_plain(const struct answer *a, const char *command, bool modseq)
{
    struct bytes *b = &a->i->line;
    bytes_add_str(b, "* ");
    bytes_add_str(b, command);
    for (size_t n = 0; n < a->count; n++) {
        bytes_add_char(b, ' ');
        add_number(b, number_of(a, n));
        write_enough(a->i);
    }
    if (modseq && a->count > 0) {
        add_named(b, "(MODSEQ", highest_modseq(a, RETURN_ALL));
        bytes_add_char(b, ')');
    }
    bytes_add_str(b, "\r\n");
    write_line(a->i);
}

static void write_extended(const struct answer *a, unsigned returns, bool modseq)
{
    struct bytes *b = &a->i->line;
    bytes_printf(b, "* ESEARCH (TAG \"%s\")%s", a->i->tag, a->i->uid ? " UID" : "");
    if (a->count > 0 && (returns & RETURN_MIN))
        add_named(b, "MIN", number_of(a, 0));
    if (a->count > 0 && (returns & RETURN_MAX))
        add_named(b, "MAX", number_of(a, a->count - 1));
    if (returns & RETURN_COUNT)
        add_named(b, "COUNT", a->count);
    if (a->count > 0 && (returns & RETURN_ALL)) {
        bytes_add_str(b, " ALL ");
        add_set(a);
    }
    if (a->count > 0 && modseq)
        add_named(b, "MODSEQ", highest_modseq(a, returns));
    bytes_add_str(b, "\r\n");
    write_line(a->i);
}

/* With MIN or MAX and neither ALL nor COUNT, only those are saved (RFC 5182 2.4). */
static bool save(const struct answer *a, unsigned returns, const size_t *ascending)
{
    size_t ends[2], count = 0;
    if (!(returns & (RETURN_MIN | RETURN_MAX)) || (returns & (RETURN_ALL | RETURN_COUNT)) || a->count == 0)
        return saved_keep(a->i, ascending, a->count);
    size_t first = a->found[0], last = a->found[a->count - 1];
    if (returns & RETURN_MIN)
        ends[count++] = first;
    if ((returns & RETURN_MAX) && (count == 0 || last != first))
        ends[count++] = last;
    if (count == 2 && last < first) {
        ends[0] = last;
        ends[1] = first;
    }
    return saved_keep(a->i, ends, count);
}

bool search_answer(struct imap *i, const struct search *search, const char *command, const size_t *found,
                   const size_t *ascending, size_t count)
{
    struct answer a = { i, found, count };
    unsigned returns = search->returns, asked = returns & ~(unsigned)(RETURN_GIVEN | RETURN_SAVE);
    bool rev2 = (i->enabled & ENABLED_REV2) && span_eq_str(SPAN("SEARCH"), command);
    if ((returns & RETURN_SAVE) && !save(&a, returns, ascending)) {
        reply(i, "NO [UNAVAILABLE] Out of memory");
        return false;
    }
    if (!(returns & RETURN_GIVEN) && !rev2)
        write_plain(&a, command, search->modseq);
    else if (asked || !(returns & RETURN_SAVE)) /* SAVE alone is answered by nothing */
        write_extended(&a, asked ? asked : RETURN_ALL, search->modseq);
    return true;
}
