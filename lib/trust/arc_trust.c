/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What trusted sealers say of a message that we see failing; see arc.h.
 *
 * Who is trusted is trusted to have checked as we do. His word is taken for what he checked and for nothing
 * else: the domain that passed there must be the one that readers see in From now.
 */
#include "trust/arc_private.h"
#include "trust/auth_results.h"
#include "trust/dmarc.h"

#include <stdlib.h>

#define KEPT 16 /* DKIM results of one field that are looked at */

/* What one field says that may count. */
struct statements {
    struct auth_result result; /* the one being read */
    bool dmarc;                /* dmarc=pass, for the author */
    char mail_from[DNS_NAME_LIMIT];
    char signers[KEPT][DNS_NAME_LIMIT];
    struct dmarc_identity dkim[KEPT];
    size_t count;
};

static bool is_trusted(const char *domain, const char *trusted)
{
    struct span rest = span_of(trusted), word;
    char name[DNS_NAME_LIMIT];
    while (domain[0] && span_cut(&rest, ' ', &word))
        if (dkim_domain(word, name) && strcmp(name, domain) == 0)
            return true;
    return false;
}

/* The domain of an address, or what is one already. */
static bool domain_of(const char *value, char to[DNS_NAME_LIMIT])
{
    const char *at = value ? strrchr(value, '@') : NULL;
    to[0] = '\0';
    return value && dkim_domain(span_of(at ? at + 1 : value), to);
}

static void keep_dmarc(struct statements *s, const struct dmarc_author *author)
{
    char from[DNS_NAME_LIMIT];
    if (domain_of(auth_result_property(&s->result, "header", "from"), from) && author->count == 1 &&
        strcmp(from, author->domains[0]) == 0)
        s->dmarc = true;
}

static void keep_dkim(struct statements *s)
{
    const char *signer = auth_result_property(&s->result, "header", "d");
    if (!signer)
        signer = auth_result_property(&s->result, "header", "i");
    if (s->count == KEPT || !domain_of(signer, s->signers[s->count]))
        return;
    s->dkim[s->count] = (struct dmarc_identity){ TRUST_PASS, s->signers[s->count] };
    s->count++;
}

static void keep_spf(struct statements *s)
{
    const char *sender = auth_result_property(&s->result, "smtp", "mailfrom");
    if (!sender)
        sender = auth_result_property(&s->result, "smtp", "mfrom");
    if (!s->mail_from[0])
        domain_of(sender, s->mail_from);
}

static void read_statements(struct span value, const struct dmarc_author *author, struct statements *s)
{
    struct auth_results_reader reader;
    char server[AUTH_RESULTS_VALUE_LIMIT + 1];
    unsigned version, instance;
    if (!auth_results_open(value, server, sizeof server, &version, &instance, &reader))
        return;
    while (auth_results_next(&reader, &s->result)) {
        if (strcmp(s->result.result, "pass") != 0)
            continue;
        if (strcmp(s->result.method, "dmarc") == 0)
            keep_dmarc(s, author);
        else if (strcmp(s->result.method, "dkim") == 0)
            keep_dkim(s);
        else if (strcmp(s->result.method, "spf") == 0)
            keep_spf(s);
    }
}

/* By what did it pass there? NULL: it didn't. */
static const char *passed_by(const struct statements *s, const struct dmarc_author *author,
                             const struct trust_lookup *lookup)
{
    const struct dmarc_query query = {
        .author = author,
        .spf = { s->mail_from[0] ? TRUST_PASS : TRUST_NONE, s->mail_from },
        .dkim = s->dkim,
        .dkim_count = s->count,
    };
    struct dmarc_verdict verdict;
    if (s->dmarc)
        return "dmarc";
    if (!s->count && !s->mail_from[0])
        return NULL;
    dmarc_check(lookup, &query, &verdict);
    return verdict.result != TRUST_PASS ? NULL : verdict.dkim_aligned ? "dkim" : "spf";
}

bool arc_is_trusted(const struct arc_result *result, const char *trusted)
{
    return is_trusted(result->domain, trusted);
}

bool arc_trusted(const struct arc_verifier *v, const struct arc_result *result, const char *trusted,
                 const struct dmarc_author *author, const struct trust_lookup *lookup,
                 struct arc_witness *witness)
{
    *witness = (struct arc_witness){ .instance = 0 };
    struct statements *s =
        result->result == TRUST_PASS && !author->suspect && author->count ? malloc(sizeof *s) : NULL;
    for (unsigned i = v->newest; s && i > 0 && !witness->method; i--) {
        const struct arc_verified *set = &v->sets[i - 1];
        if (!is_trusted(set->seal.result.domain, trusted))
            break;
        memset(s, 0, sizeof *s);
        read_statements((struct span){ v->results.data + set->results_at, set->results_length }, author, s);
        witness->method = passed_by(s, author, lookup);
        witness->instance = i;
        memcpy(witness->domain, set->seal.result.domain, sizeof witness->domain);
    }
    free(s);
    if (!witness->method)
        *witness = (struct arc_witness){ .instance = 0 };
    return witness->method;
}
