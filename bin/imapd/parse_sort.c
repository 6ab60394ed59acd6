/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Arguments of SORT and THREAD (RFC 5256 5, RFC 5957, RFC 5267 for RETURN): what is their own stands in front
 * of a charset, which both must have, and of SEARCH's keys.
 */
#include "parse.h"

static bool parse_criterion(struct parser *p, struct sort_args *sort)
{
    static const char *const names[SORT_KINDS] = {
        [SORT_ARRIVAL] = "ARRIVAL",
        [SORT_CC] = "CC",
        [SORT_DATE] = "DATE",
        [SORT_FROM] = "FROM",
        [SORT_SIZE] = "SIZE",
        [SORT_SUBJECT] = "SUBJECT",
        [SORT_TO] = "TO",
        [SORT_DISPLAYFROM] = "DISPLAYFROM",
        [SORT_DISPLAYTO] = "DISPLAYTO",
    };
    struct span name;
    if (!parse_atom(p, &name))
        return false;
    bool reverse = span_ieq_str(name, "REVERSE");
    if (reverse && !(parse_space(p) && parse_atom(p, &name)))
        return false;
    size_t by = 0;
    while (by < SORT_KINDS && !span_ieq_str(name, names[by]))
        by++;
    if (by == SORT_KINDS)
        return parse_fail(p, "Unknown sort criterion");
    for (size_t n = 0; n < sort->count; n++)
        if (sort->criteria[n].by == by)
            return true;
    sort->criteria[sort->count++] = (struct sort_criterion){ (enum sort_by)by, reverse };
    return true;
}

/* `charset keys` */
static bool parse_rest(struct parser *p, struct search *search)
{
    return parse_space(p) && parse_astring(p, &search->charset) && parse_space(p) && parse_keys(p, search);
}

bool parse_sort(struct parser *p, struct sort_args *sort, struct search *search)
{
    *search = (struct search){ 0 };
    sort->count = 0;
    if (!parse_returns(p, search))
        return false;
    if (!parse_char(p, '('))
        return parse_fail(p, "List of sort criteria expected");
    do {
        if (!parse_criterion(p, sort))
            return false;
    } while (parse_char(p, ' '));
    return (parse_char(p, ')') || parse_fail(p, "List without end")) && parse_rest(p, search);
}

bool parse_thread(struct parser *p, enum thread_by *by, struct search *search)
{
    struct span name;
    *search = (struct search){ 0 };
    if (!parse_atom(p, &name))
        return false;
    *by = span_ieq_str(name, "REFERENCES") ? THREAD_REFERENCES : THREAD_ORDEREDSUBJECT;
    if (*by == THREAD_ORDEREDSUBJECT && !span_ieq_str(name, "ORDEREDSUBJECT"))
        return parse_fail(p, "Unknown threading algorithm");
    return parse_rest(p, search);
}
