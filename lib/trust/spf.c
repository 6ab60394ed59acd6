/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * check_host() (RFC 7208 4): finds a domain's record, checks it whole, then evaluates its terms from left to
 * right.
 *
 * "include" puts a level on a stack, "redirect" replaces the record of its level; both count as terms that
 * ask DNS, so neither goes on for ever. An error on any level is the result of the check; "none" of an
 * included or redirected domain is a permerror (5.2, 6.1). The explanation (6.2) is that of the lowest
 * level's record, asked for when the result stands; what is wrong with it changes no result.
 */
#include "trust/spf_private.h"
#include "net/idna.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char version[] = "v=spf1";

void spf_why(struct spf_state *s, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(s->verdict->why, sizeof s->verdict->why, format, ap);
    va_end(ap);
    for (char *p = s->verdict->why; *p; p++)
        if (*p < ' ' || *p >= 0x7f)
            *p = '?';
}

static enum trust_result is_wrong(struct spf_state *s, struct span term, const char *domain)
{
    term = span_head(term, 80);
    spf_why(s, "\"%.*s\" in the record of %s is no SPF", SPAN_FMT(term), domain);
    return TRUST_PERMERROR;
}

/* Does "v=spf1" stand there, alone or before a space (4.5)? *terms is what follows. */
static bool is_record(struct span text, struct span *terms)
{
    *terms = span_from(text, sizeof version - 1);
    return span_istarts(text, version) && (!terms->n || terms->p[0] == ' ');
}

/* Takes the one SPF record of the answer into level->record. TRUST_PASS: it is there. */
static enum trust_result select_record(struct spf_state *s, struct spf_level *level)
{
    size_t found = 0;
    struct span terms;
    bytes_free(&level->record);
    for (size_t i = 0; i < s->answer.count; i++) {
        struct bytes text;
        bytes_init(&text, DNS_ANSWER_LIMIT);
        if (!dns_text(&s->answer.records[i], &text)) {
            bytes_free(&text);
            spf_why(s, "what DNS answers for %s can't be read", level->domain);
            return TRUST_TEMPERROR;
        }
        if (is_record(span_bytes(&text), &terms) && found++ == 0)
            level->record = text;
        else
            bytes_free(&text);
    }
    if (found == 1) {
        is_record(span_bytes(&level->record), &level->rest);
        return TRUST_PASS;
    }
    if (found)
        spf_why(s, "%s has several SPF records", level->domain);
    else
        spf_why(s, "%s has no SPF record", level->domain);
    return found ? TRUST_PERMERROR : TRUST_NONE;
}

/* Goes over the whole record before any of it counts (4.6). TRUST_PASS: there is no error in it. */
static enum trust_result check_record(struct spf_state *s, struct spf_level *level)
{
    struct span rest = level->rest;
    struct spf_term term;
    enum status st;
    level->redirect = level->exp = (struct span){ NULL, 0 };
    level->foreseen = false;
    while ((st = spf_term_next(&rest, &term)) == ST_OK) {
        struct span *once = term.kind == SPF_REDIRECT ? &level->redirect : &level->exp;
        if (term.kind != SPF_REDIRECT && term.kind != SPF_EXP)
            continue;
        if (once->p)
            return is_wrong(s, term.text, level->domain);
        *once = term.domain;
    }
    return st == ST_NONE ? TRUST_PASS : is_wrong(s, term.text, level->domain);
}

/* Fetches and checks the record of level->domain. TRUST_PASS: it is there and sound. */
static enum trust_result load(struct spf_state *s, struct spf_level *level)
{
    enum trust_result result = TRUST_NONE;
    if (!spf_is_name(level->domain) || !strchr(level->domain, '.')) {
        spf_why(s, "no domain that could have an SPF record");
        return TRUST_NONE;
    }
    enum status st = trust_ask(s->lookup, level->domain, DNS_TXT, &s->answer);
    if (st == ST_OK) {
        result = select_record(s, level);
    } else if (st == ST_TEMP) {
        spf_why(s, "DNS doesn't answer for %s", level->domain);
        result = TRUST_TEMPERROR;
    } else {
        spf_why(s, "%s has no SPF record", level->domain);
    }
    dns_answer_free(&s->answer);
    return result == TRUST_PASS ? check_record(s, level) : result;
}

/* Counts a term that asks DNS. False: it is one too many. */
static bool count_term(struct spf_state *s)
{
    if (++s->terms <= SPF_TERMS)
        return true;
    spf_why(s, "more than %d terms of %s ask DNS", SPF_TERMS, s->levels[0].domain);
    return false;
}

/* Loads the record that include or redirect leads to. "none" becomes a permerror; `why` has said what is
 * missing. */
static enum trust_result follow(struct spf_state *s, struct spf_level *level, const char *name)
{
    memcpy(level->domain, name, DNS_NAME_LIMIT);
    enum trust_result result = load(s, level);
    return result == TRUST_NONE ? TRUST_PERMERROR : result;
}

/* At the end of a record: TRUST_PASS if another has taken its place, else what the level comes to. */
static enum trust_result end_of_record(struct spf_state *s, struct spf_level *level)
{
    char name[DNS_NAME_LIMIT];
    enum spf_target target = SPF_TARGET_NEVER;
    if (level->redirect.p) {
        if (!count_term(s))
            return TRUST_PERMERROR;
        target = spf_target_name(s, level, level->redirect, name);
    }
    if (target == SPF_TARGET_NEVER) {
        spf_why(s, "nothing in the record of %s matches", level->domain);
        return TRUST_NEUTRAL;
    }
    return follow(s, level, name);
}

/* Puts the included record on the stack. TRUST_PASS: it is there. TRUST_FAIL: it can't match. */
static enum trust_result include(struct spf_state *s, struct spf_level *level, const struct spf_term *term)
{
    char name[DNS_NAME_LIMIT];
    enum spf_target target = spf_target_name(s, level, term->domain, name);
    if (target == SPF_TARGET_NEVER)
        return TRUST_FAIL;
    level->include = *term;
    return follow(s, &s->levels[s->depth++], name);
}

static enum trust_result matched(struct spf_state *s, const struct spf_level *level,
                                 const struct spf_term *term)
{
    struct span text = span_head(term->text, 120);
    spf_why(s, "%.*s in the record of %s", SPAN_FMT(text), level->domain);
    return term->qualifier;
}

enum step { GO_ON, LEVEL_ENDS, CHECK_ENDS };

/* One term of the level on top; *result with the other two. */
static enum step step(struct spf_state *s, enum trust_result *result)
{
    struct spf_level *level = &s->levels[s->depth - 1];
    struct spf_term term;
    if (spf_term_next(&level->rest, &term) != ST_OK) {
        *result = end_of_record(s, level);
        return *result == TRUST_PASS ? GO_ON : *result == TRUST_NEUTRAL ? LEVEL_ENDS : CHECK_ENDS;
    }
    if (term.kind >= SPF_REDIRECT)
        return GO_ON;
    if (term.kind != SPF_ALL && term.kind != SPF_IP4 && term.kind != SPF_IP6) {
        spf_foresee(s, level, &term);
        *result = TRUST_PERMERROR;
        if (!count_term(s))
            return CHECK_ENDS;
    }
    if (term.kind == SPF_INCLUDE) {
        *result = include(s, level, &term);
        return *result == TRUST_PASS || *result == TRUST_FAIL ? GO_ON : CHECK_ENDS;
    }
    switch (spf_match(s, level, &term)) {
    case SPF_NO:
        return GO_ON;
    case SPF_YES:
        *result = matched(s, level, &term);
        return LEVEL_ENDS;
    case SPF_TEMPERROR:
        *result = TRUST_TEMPERROR;
        return CHECK_ENDS;
    default:
        *result = TRUST_PERMERROR;
        return CHECK_ENDS;
    }
}

/* What the stack of records comes to. */
static enum trust_result evaluate(struct spf_state *s)
{
    for (;;) {
        enum trust_result result;
        enum step what = step(s, &result);
        while (what == LEVEL_ENDS && s->depth > 1) {
            struct spf_level *below = &s->levels[--s->depth - 1];
            what = GO_ON;
            if (result == TRUST_PASS) {
                result = matched(s, below, &below->include);
                what = LEVEL_ENDS;
            }
        }
        if (what != GO_ON)
            return result;
    }
}

static bool all_printable(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] >= 0x7f)
            return false;
    return true;
}

/* The text at the target of exp=, expanded; nothing where anything is wrong with it (6.2). */
static void explain(struct spf_state *s)
{
    const struct spf_level *level = &s->levels[0];
    char name[DNS_NAME_LIMIT];
    struct bytes text;
    bool local;
    if (!level->exp.p || spf_target_name(s, level, level->exp, name) != SPF_TARGET_NAME)
        return;
    bytes_init(&text, DNS_ANSWER_LIMIT);
    enum status st = trust_ask(s->lookup, name, DNS_TXT, &s->answer);
    bool good = st == ST_OK && s->answer.count == 1 && dns_text(&s->answer.records[0], &text) &&
                spf_macro_string(span_bytes(&text), true);
    dns_answer_free(&s->answer);
    if (good && spf_expand(s, span_bytes(&text), level->domain, &local) &&
        all_printable(span_bytes(&s->expanded)))
        span_copy(span_head(span_bytes(&s->expanded), SPF_EXPLANATION_LIMIT - 1), s->verdict->explanation,
                  SPF_EXPLANATION_LIMIT);
    bytes_free(&text);
}

/* The domain as DNS has it: A-labels, lower case, no final dot. False: it is none. */
static bool plain_domain(struct span domain, char name[DNS_NAME_LIMIT])
{
    char mapped[ADDRESS_DOMAIN_LIMIT + 1];
    name[0] = '\0';
    if (domain.n && domain.p[domain.n - 1] == '.')
        domain.n--;
    return idna_to_ascii(domain, mapped) && spf_is_name(mapped) &&
           span_copy(span_of(mapped), name, DNS_NAME_LIMIT);
}

/* Whose name is checked: the sender's domain, or HELO's. False: it is no domain name. */
static bool take_identity(struct spf_state *s, const struct spf_query *query)
{
    const struct address *sender = query->sender;
    char helo[DNS_NAME_LIMIT];
    bool helo_is_name = plain_domain(query->helo, helo);
    s->query = query;
    s->v4 = IN6_IS_ADDR_V4MAPPED(&query->address);
    span_copy(helo_is_name ? span_of(helo) : span_head(query->helo, SPF_VALUE - 1), s->helo, sizeof s->helo);
    s->local = SPAN("postmaster");
    s->verdict->by_helo = !sender || !address_domain(sender).n;
    if (s->verdict->by_helo) {
        memcpy(s->verdict->domain, helo, sizeof helo);
        return helo_is_name;
    }
    if (sender->local_length)
        s->local = address_local(sender);
    return plain_domain(address_domain(sender), s->verdict->domain);
}

static void check_identity(struct spf_state *s)
{
    struct spf_level *first = &s->levels[0];
    memcpy(first->domain, s->verdict->domain, DNS_NAME_LIMIT);
    s->depth = 1;
    s->verdict->result = load(s, first);
    if (s->verdict->result == TRUST_PASS)
        s->verdict->result = evaluate(s);
    if (s->verdict->result == TRUST_FAIL)
        explain(s);
}

void spf_check(const struct trust_lookup *lookup, const struct spf_query *query, struct spf_verdict *verdict)
{
    struct spf_state *s = calloc(1, sizeof *s);
    *verdict = (struct spf_verdict){ .result = TRUST_TEMPERROR, .why = "no memory" };
    if (!s)
        return;
    s->lookup = lookup;
    s->verdict = verdict;
    bytes_init(&s->expanded, SPF_EXPANDED);
    if (bytes_reserve(&s->expanded, SPF_EXPANDED)) {
        if (take_identity(s, query)) {
            check_identity(s);
        } else {
            verdict->result = TRUST_NONE;
            spf_why(s, "no domain that could have an SPF record");
        }
    }
    for (size_t i = 0; i < SPF_LEVELS; i++)
        bytes_free(&s->levels[i].record);
    bytes_free(&s->expanded);
    free(s);
}
