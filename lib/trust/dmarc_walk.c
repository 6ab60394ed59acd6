/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Policy records up the tree; see dmarc_walk.h.
 */
#include "trust/dmarc_walk.h"

#include <stdio.h>
#include <stdlib.h>

#define RECORD_LIMIT 16384 /* bytes of one record */

static const char *parent_of(const char *domain)
{
    const char *dot = strchr(domain, '.');
    return dot ? dot + 1 : NULL;
}

static size_t label_count(const char *domain)
{
    size_t n = 1;
    for (; *domain; domain++)
        n += *domain == '.';
    return n;
}

bool dmarc_within(const char *domain, const char *parent)
{
    size_t n = strlen(domain), m = strlen(parent);
    return n >= m && strcmp(domain + n - m, parent) == 0 && (n == m || domain[n - m - 1] == '.');
}

bool dmarc_record_name(const char *domain, char name[DNS_NAME_LIMIT])
{
    return snprintf(name, DNS_NAME_LIMIT, "_dmarc.%s", domain) < DNS_NAME_LIMIT - 2;
}

struct dmarc_walk *dmarc_walk_new(const struct trust_lookup *lookup)
{
    struct dmarc_walk *w = calloc(1, sizeof *w);
    if (w) {
        w->lookup = lookup;
        w->room = DMARC_QUESTIONS;
    }
    return w;
}

/* The names at which a walk from `domain` looks (4.10), itself first; within `domain`. How many. */
static size_t names_of(const char *domain, const char *names[DMARC_WALK])
{
    size_t n = 0;
    names[n++] = domain;
    const char *next = parent_of(domain);
    for (size_t labels = label_count(domain) - 1; next && labels >= DMARC_WALK; labels--)
        next = parent_of(next);
    for (; next && n < DMARC_WALK; next = parent_of(next))
        names[n++] = next;
    return n;
}

/* Takes the one record there is among the answers, if it is the only one of DMARC. */
static void take_records(const struct dns_answer *answer, struct dmarc_seen *seen)
{
    struct bytes text;
    struct dmarc_record record;
    size_t records = 0;
    seen->status = ST_NONE;
    bytes_init(&text, RECORD_LIMIT);
    for (size_t i = 0; i < answer->count; i++) {
        bytes_clear(&text);
        enum status st =
            dns_text(&answer->records[i], &text) ? dmarc_record_parse(span_bytes(&text), &record) : ST_NONE;
        if (st == ST_NONE)
            continue;
        records++;
        seen->status = st;
        seen->record = record;
    }
    bytes_free(&text);
    seen->several = records > 1;
    if (seen->several)
        seen->status = ST_NONE;
}

const struct dmarc_seen *dmarc_walk_known(const struct dmarc_walk *w, const char *domain)
{
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->seen[i].name, domain) == 0)
            return &w->seen[i];
    return NULL;
}

const struct dmarc_seen *dmarc_walk_at(struct dmarc_walk *w, const char *domain)
{
    char name[DNS_NAME_LIMIT];
    struct dns_answer answer;
    const struct dmarc_seen *known = dmarc_walk_known(w, domain);
    if (known || w->count >= w->room)
        return known;
    struct dmarc_seen *seen = &w->seen[w->count++];
    seen->status = ST_NONE;
    if (!span_copy(span_of(domain), seen->name, sizeof seen->name) || !dmarc_record_name(domain, name))
        return seen;
    enum status st = trust_ask(w->lookup, name, DNS_TXT, &answer);
    if (st == ST_OK)
        take_records(&answer, seen);
    else if (st == ST_TEMP)
        seen->status = ST_TEMP;
    dns_answer_free(&answer);
    return seen;
}

/* Tells the resolver that these will be asked about, but for those that were. */
static void expect(const struct dmarc_walk *w, const char *const *names, size_t count)
{
    struct dns_query queries[DMARC_WALK];
    size_t n = 0;
    for (size_t i = 0; i < count && n < DMARC_WALK; i++) {
        queries[n].type = DNS_TXT;
        if (!dmarc_walk_known(w, names[i]) && dmarc_record_name(names[i], queries[n].name))
            n++;
    }
    trust_expect(w->lookup, queries, n);
}

/* The domain of which `domain` is a part, with one label more than `above`, which stands at its end. */
static const char *below(const char *domain, const char *above)
{
    const char *p = above - 1; /* the dot */
    while (p > domain && p[-1] != '.')
        p--;
    return p;
}

enum status dmarc_walk_organization(struct dmarc_walk *w, const char *domain, const char **organization)
{
    const char *names[DMARC_WALK];
    size_t count = names_of(domain, names);
    *organization = domain;
    expect(w, names, count);
    for (size_t i = 0; i < count; i++) {
        const struct dmarc_seen *seen = dmarc_walk_at(w, names[i]);
        if (!seen || seen->status == ST_TEMP)
            return seen ? ST_TEMP : ST_PERM;
        if (seen->status == ST_NONE)
            continue;
        bool suffix = seen->record.psd == 'y' && i > 0;
        *organization = suffix ? below(domain, names[i]) : names[i];
        if (seen->record.psd != 'u')
            return ST_OK;
    }
    return ST_OK;
}
