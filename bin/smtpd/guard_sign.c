/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Signatures for the session: the private keys of domains (store/dkim_keys.h) are in this process only,
 * opened when the first message asks for them. The session makes the hashes, as it alone reads messages; what
 * it may have signed is bounded here, so that one that was taken over gets no more than its client could send
 * anyway:
 *
 *     SIGN_SENDER  a hash, by a domain of which this transaction's sender may write: of the addresses in
 *                  MAIL and AUTHOR that were found to be the login's, or a local user's; any, for root, the
 *                  spool's owner, and `networks`
 *     SIGN_SEAL    what is hashed for an ARC seal or message signature, by the domain of a recipient of this
 *                  transaction whose mail an alias sends on to others: for anybody's message. As it is no
 *                  DKIM signature by its last field, no stranger gets one.
 *
 * and so many of a message. By LMTP there is none: such mail was somebody else's to sign.
 */
#include "guard_private.h"
#include "store/tables.h"
#include "trust/dkim_keyring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct signer {
    char domain[ADDRESS_DOMAIN_LIMIT + 1]; /* whose keys these are; "": none yet */
    struct dkim_keyring ring;
};

/* --- for which domains */

static bool domains_have(const struct sign_domains *d, const char *domain)
{
    for (unsigned i = 0; i < d->count; i++)
        if (strcmp(d->names[i], domain) == 0)
            return true;
    return false;
}

void sign_domains_add(struct sign_domains *d, struct span domain)
{
    char name[ADDRESS_DOMAIN_LIMIT + 1];
    if (d->count < SIGN_DOMAINS && tables_domain(domain, name) && !domains_have(d, name))
        memcpy(d->names[d->count++], name, sizeof name);
}

static bool may_sign(const struct smtp_guard *g, const char *domain)
{
    unsigned uid = g->serving->peer.uid;
    if (!guard_may_relay(g))
        return false;
    if (guard_by_user(g) ? uid == 0 || uid == geteuid() : !g->login.done)
        return true;
    return domains_have(&g->envelope.writes, domain);
}

static bool may_seal(const struct smtp_guard *g, const char *domain)
{
    return !guard_is_lmtp(g) && domains_have(&g->envelope.forwards, domain);
}

/* --- keys */

void guard_sign_end(struct smtp_guard *g)
{
    if (g->signer)
        dkim_keyring_close(&g->signer->ring);
    free(g->signer);
    g->signer = NULL;
}

/* They stay open, until another domain's are wanted. ST_NONE: there are none; ST_TEMP: can't tell now. */
static enum status open_keys(struct smtp_guard *g, const char *domain)
{
    if (!g->signer && !(g->signer = calloc(1, sizeof *g->signer)))
        return ST_TEMP;
    if (strcmp(g->signer->domain, domain) == 0)
        return ST_OK;
    g->signer->domain[0] = '\0';
    dkim_keyring_close(&g->signer->ring);
    enum status st = dkim_keyring_open(g->settings, domain, &g->signer->ring);
    if (st == ST_OK)
        snprintf(g->signer->domain, sizeof g->signer->domain, "%s", domain);
    return st;
}

bool guard_sign_keyless(struct smtp_guard *g, struct span domain)
{
    char name[ADDRESS_DOMAIN_LIMIT + 1];
    bool others = g->signer && g->signer->domain[0];
    return !others && tables_domain(domain, name) && open_keys(g, name) == ST_NONE;
}

/* --- the verbs */

/* Does any of the message go to another host? */
static bool leaves(const struct envelope *e)
{
    const struct targets *lists[] = { &e->targets, &e->copies };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        for (size_t j = 0; j < lists[i]->count; j++)
            if (!lists[i]->list[j].account && !lists[i]->list[j].program)
                return true;
    return false;
}

/* Who seals: the first that has keys. */
static enum status open_sealer(struct smtp_guard *g)
{
    enum status st = ST_NONE;
    for (unsigned i = 0; st == ST_NONE && i < g->envelope.forwards.count; i++)
        if (may_seal(g, g->envelope.forwards.names[i]))
            st = open_keys(g, g->envelope.forwards.names[i]);
    return st;
}

enum guard_next guard_sign_keys(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    uint64_t use;
    struct span text;
    char domain[ADDRESS_DOMAIN_LIMIT + 1];
    if (!message_get_u64(m, &use) || use > SIGN_SEAL || !message_get(m, &text) || !message_end(m))
        return GUARD_END;
    enum status st = ST_NONE;
    if (use == SIGN_SEAL)
        st = open_sealer(g);
    else if (tables_domain(text, domain) && may_sign(g, domain))
        st = open_keys(g, domain);
    guard_reply(m, st == ST_TEMP ? VERDICT_FAILED : VERDICT_OK);
    if (st == ST_TEMP)
        return GUARD_REPLY;
    const struct dkim_keyring *ring = st == ST_OK ? &g->signer->ring : NULL;
    message_put_str(m, ring ? g->signer->domain : "");
    message_put_u64(m, leaves(&g->envelope));
    message_put_u64(m, ring ? ring->count : 0);
    for (size_t i = 0; ring && i < ring->count; i++) {
        message_put_str(m, ring->keys[i].selector);
        message_put_u64(m, ring->keys[i].key.algorithm);
    }
    return GUARD_REPLY;
}

/* The hash that is to be signed. False: it isn't for this. */
static bool get_hash(uint64_t use, struct span data, unsigned char hash[HASH_SIZE])
{
    if (use == SIGN_SENDER) {
        if (data.n == HASH_SIZE)
            memcpy(hash, data.p, HASH_SIZE);
        return data.n == HASH_SIZE;
    }
    struct span last = data;
    while (last.n && span_find(last, '\n') < last.n)
        last = span_from(last, span_find(last, '\n') + 1);
    return (span_starts(last, "arc-seal:") || span_starts(last, "arc-message-signature:")) &&
           hash_sha256(data, hash);
}

static const struct signature_key *find_key(const struct dkim_keyring *ring, struct span selector)
{
    for (size_t i = 0; i < ring->count; i++)
        if (span_eq_str(selector, ring->keys[i].selector))
            return &ring->keys[i].key;
    return NULL;
}

enum guard_next guard_sign_hash(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    uint64_t use;
    struct span text, selector, data;
    char domain[ADDRESS_DOMAIN_LIMIT + 1];
    unsigned char hash[HASH_SIZE];
    struct bytes signature;
    if (!message_get_u64(m, &use) || use > SIGN_SEAL || !message_get(m, &text) ||
        !span_copy(text, domain, sizeof domain) || !message_get(m, &selector) || !message_get(m, &data) ||
        !message_end(m) || !get_hash(use, data, hash) ||
        !(use == SIGN_SEAL ? may_seal(g, domain) : may_sign(g, domain)) ||
        g->envelope.signatures++ >= SMTPD_SIGNATURES_LIMIT)
        return GUARD_END;
    enum status st = open_keys(g, domain);
    const struct signature_key *key = st == ST_OK ? find_key(&g->signer->ring, selector) : NULL;
    if (st != ST_TEMP && !key)
        return GUARD_END;
    bytes_init(&signature, SIGNATURE_LIMIT);
    if (st == ST_OK)
        st = signature_sign(key, hash, &signature);
    guard_reply(m, st == ST_OK ? VERDICT_OK : VERDICT_FAILED);
    if (st == ST_OK)
        message_put(m, span_bytes(&signature));
    bytes_free(&signature);
    return GUARD_REPLY;
}
