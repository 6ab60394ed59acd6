/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What may follow SELECT's, FETCH's and STORE's arguments in parentheses (RFC 4466 2.1, 2.4 and 2.5), with
 * the modifiers of CONDSTORE and QRESYNC (RFC 7162 7).
 *
 * A modifier that isn't known is an error, and so is one given twice: a client that relies on either would be
 * told something else than it thinks. Mod-sequences have 63 bits. The grammar has no 0 in CHANGEDSINCE, but
 * it can only mean "all", and others take it; QRESYNC's numbers come from a server and are never 0.
 */
#include "parse.h"

static bool twice(struct parser *p, bool *seen)
{
    if (*seen)
        return !parse_fail(p, "A modifier given twice");
    *seen = true;
    return false;
}

/* A set without '*' or '$' (RFC 7162 7, known-uids and its kin). */
static bool parse_known_set(struct parser *p, struct set *set)
{
    if (!parse_set(p, set))
        return false;
    bool known = !set->saved;
    for (size_t n = 0; n < set->count; n++)
        known = known && set->ranges[n].first && set->ranges[n].last;
    return known || parse_fail(p, "No * or $ in a set of what is known");
}

/* `(1:10 7:16)`: message numbers and the UIDs that belong to them. */
static bool parse_match_data(struct parser *p, struct qresync *q)
{
    return parse_known_set(p, &q->match_numbers) && parse_space(p) && parse_known_set(p, &q->match_uids) &&
           (parse_char(p, ')') || parse_fail(p, "Known sequence numbers and UIDs without end"));
}

/* ` (uidvalidity modseq [known-uids] [(numbers uids)])` */
static bool parse_qresync(struct parser *p, struct qresync *q)
{
    if (!parse_space(p) || !parse_char(p, '('))
        return parse_fail(p, "QRESYNC's arguments expected");
    if (!parse_number(p, &q->uid_validity) || !parse_space(p) || !parse_number64(p, &q->modseq))
        return false;
    if (q->uid_validity == 0 || q->modseq == 0)
        return parse_fail(p, "UIDVALIDITY and mod-sequence expected");
    bool more = parse_char(p, ' ');
    if (more && parse_peek(p) != '(') {
        if (!parse_known_set(p, &q->known))
            return false;
        more = parse_char(p, ' ');
    }
    if (more && !(parse_char(p, '(') && parse_match_data(p, q)))
        return parse_fail(p, "Known sequence numbers and UIDs expected");
    return parse_char(p, ')') || parse_fail(p, "QRESYNC's arguments without end");
}

static bool parse_select_modifier(struct parser *p, void *modifiers)
{
    struct select_modifiers *m = modifiers;
    struct span name;
    if (!parse_atom(p, &name))
        return false;
    if (span_ieq_str(name, "CONDSTORE"))
        return !twice(p, &m->condstore);
    if (span_ieq_str(name, "QRESYNC"))
        return !twice(p, &m->qresync) && parse_qresync(p, &m->resync);
    return parse_fail(p, "Unknown parameter of SELECT");
}

static bool parse_fetch_modifier(struct parser *p, void *modifiers)
{
    struct fetch_modifiers *m = modifiers;
    struct span name;
    if (!parse_atom(p, &name))
        return false;
    if (span_ieq_str(name, "CHANGEDSINCE"))
        return !twice(p, &m->changed) && parse_space(p) && parse_number64(p, &m->changed_since);
    if (span_ieq_str(name, "VANISHED"))
        return !twice(p, &m->vanished);
    return parse_fail(p, "Unknown modifier of FETCH");
}

static bool parse_store_modifier(struct parser *p, void *modifiers)
{
    struct store_modifiers *m = modifiers;
    struct span name;
    if (!parse_atom(p, &name))
        return false;
    if (span_ieq_str(name, "UNCHANGEDSINCE"))
        return !twice(p, &m->unchanged) && parse_space(p) && parse_number64(p, &m->unchanged_since);
    return parse_fail(p, "Unknown modifier of STORE");
}

/* `(...)`, of which `one` reads each. */
static bool parse_modifiers(struct parser *p, bool (*one)(struct parser *p, void *modifiers), void *modifiers)
{
    if (!parse_char(p, '('))
        return parse_fail(p, "Too many arguments");
    do {
        if (!one(p, modifiers))
            return false;
    } while (parse_char(p, ' '));
    return parse_char(p, ')') || parse_fail(p, "Modifiers without end");
}

/* The same behind all arguments, where it may be missing. */
static bool parse_last(struct parser *p, bool (*one)(struct parser *p, void *modifiers), void *modifiers)
{
    bool nothing = p->at == p->in.n;
    return (nothing || (parse_space(p) && parse_modifiers(p, one, modifiers))) && parse_end(p);
}

bool parse_select_modifiers(struct parser *p, struct select_modifiers *m)
{
    *m = (struct select_modifiers){ 0 };
    return parse_last(p, parse_select_modifier, m);
}

void select_modifiers_free(struct select_modifiers *m)
{
    set_free(&m->resync.known);
    set_free(&m->resync.match_numbers);
    set_free(&m->resync.match_uids);
}

bool parse_fetch_modifiers(struct parser *p, struct fetch_modifiers *m)
{
    *m = (struct fetch_modifiers){ 0 };
    return parse_last(p, parse_fetch_modifier, m) &&
           (m->changed || !m->vanished || parse_fail(p, "VANISHED needs CHANGEDSINCE"));
}

bool parse_store_modifiers(struct parser *p, struct store_modifiers *m)
{
    *m = (struct store_modifiers){ .unchanged_since = UINT64_MAX };
    return parse_peek(p) != '(' || (parse_modifiers(p, parse_store_modifier, m) && parse_space(p));
}
