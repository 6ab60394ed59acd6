/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a server says it takes (LIMITS, RFC 9422), kept for each connection: how many transactions, how many
 * recipients of one, how many domains of recipients. The limits are those of the last EHLO, and end with the
 * connection: the next one has its own.
 *
 * A server may name limits that are small, so that a message leaves in as many pieces as it has recipients.
 * That costs the mail that goes there, and no other: pieces stand in line behind what is there already, and
 * the destination gives way to those that wait for a slot as one that takes everything would.
 *
 * Of domains LINK_DOMAINS are told apart; a limit above that counts as that. They are compared as they are
 * written: the two spellings of an international one count as two, which keeps to the limit too.
 */
#include "destination.h"

#include "base/siphash.h"

#include <string.h>

void limits_begin(struct link *l, const struct ehlo_limits *limits)
{
    l->limits = *limits;
    l->mails = 0;
    l->domain_count = 0;
}

void limits_write(const struct link *l, struct bytes *out)
{
    const struct {
        const char *name;
        unsigned limit;
    } all[] = { { "MAILMAX", l->limits.mails },
                { "RCPTMAX", l->limits.recipients },
                { "RCPTDOMAINMAX", l->limits.domains } };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].limit)
            bytes_printf(out, "%s%s=%u", out->len ? " " : "", all[i].name, all[i].limit);
}

/* May the server hear of one in this domain, too? Then it counts as one that it has heard of. */
static bool admit_domain(struct qrun *q, struct link *l, const struct address *a)
{
    uint64_t hash = siphash(q->secret, address_domain(a)).low;
    for (size_t i = 0; i < l->domain_count; i++)
        if (l->domains[i] == hash)
            return true;
    if (l->domain_count == l->limits.domains || l->domain_count == LINK_DOMAINS)
        return false;
    l->domains[l->domain_count++] = hash;
    return true;
}

size_t limits_admit(struct qrun *q, struct link *l, struct part *p)
{
    size_t most = l->limits.recipients ? l->limits.recipients : TRANSACTION_RECIPIENTS;
    size_t admitted = 0, others[TRANSACTION_RECIPIENTS], left = 0;
    if (l->limits.mails && l->mails >= l->limits.mails)
        return 0;
    for (size_t i = 0; i < p->count; i++) {
        size_t index = p->indexes[i];
        if (admitted < most &&
            (!l->limits.domains || admit_domain(q, l, &p->job->m.recipients[index].address)))
            p->indexes[admitted++] = index;
        else
            others[left++] = index;
    }
    memcpy(p->indexes + admitted, others, left * sizeof *others);
    l->mails += admitted != 0;
    return admitted;
}
