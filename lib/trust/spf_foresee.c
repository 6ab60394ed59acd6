/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which questions an SPF record is going to lead to, so that a resolver can ask them at once instead of one
 * after the other. It changes no result and counts against no limit.
 *
 * Looked ahead is from the first term that asks DNS to the first that matches without it. Left out is what
 * can't be told without asking (%{p}), what may name the sender (macros), and "exists", whose question is
 * often a count that somebody keeps of what really was asked.
 */
#include "trust/spf_private.h"

struct foreseen {
    size_t count, room;
    struct dns_query queries[SPF_TERMS];
};

static void add(struct foreseen *f, const char *name, enum dns_type type)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->queries[i].type == type && strcmp(f->queries[i].name, name) == 0)
            return;
    if (f->count == f->room)
        return;
    memcpy(f->queries[f->count].name, name, DNS_NAME_LIMIT);
    f->queries[f->count++].type = type;
}

/* A record's question for the name of a domain-spec without macros. */
static void add_domain(struct spf_state *s, const struct spf_level *level, struct span domain_spec,
                       enum dns_type type, struct foreseen *f)
{
    char name[DNS_NAME_LIMIT];
    if (span_find(domain_spec, '%') == domain_spec.n &&
        spf_target_name(s, level, domain_spec, name) == SPF_TARGET_NAME)
        add(f, name, type);
}

static void add_term(struct spf_state *s, const struct spf_level *level, const struct spf_term *term,
                     struct foreseen *f)
{
    char name[DNS_NAME_LIMIT];
    switch (term->kind) {
    case SPF_INCLUDE:
        add_domain(s, level, term->domain, DNS_TXT, f);
        break;
    case SPF_A:
        add_domain(s, level, term->domain, spf_address_type(s), f);
        break;
    case SPF_MX:
        add_domain(s, level, term->domain, DNS_MX, f);
        break;
    case SPF_PTR:
        spf_reverse_name(s, name);
        add(f, name, DNS_PTR);
        break;
    default:
        break;
    }
}

static bool matches_at_once(struct spf_state *s, const struct spf_level *level, const struct spf_term *term)
{
    return (term->kind == SPF_ALL || term->kind == SPF_IP4 || term->kind == SPF_IP6) &&
           spf_match(s, level, term) == SPF_YES;
}

void spf_foresee(struct spf_state *s, struct spf_level *level, const struct spf_term *first)
{
    struct foreseen f = { .room = SPF_TERMS - (s->terms < SPF_TERMS ? s->terms : SPF_TERMS) };
    struct span rest = level->rest;
    struct spf_term term = *first;
    bool ended = false;
    if (level->foreseen)
        return;
    level->foreseen = true;
    while (!ended && !matches_at_once(s, level, &term)) {
        add_term(s, level, &term, &f);
        ended = spf_term_next(&rest, &term) != ST_OK;
    }
    if (ended && level->redirect.p)
        add_domain(s, level, level->redirect, DNS_TXT, &f);
    if (f.count > 1)
        trust_expect(s->lookup, f.queries, f.count);
}
