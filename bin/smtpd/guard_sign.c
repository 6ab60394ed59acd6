/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Signatures for the session: the private keys of domains (store/dkim_keys.h) are in this process only,
 * opened when the first message asks for them. The session makes the hashes, as it alone reads messages; what
 * it may have signed is bounded here, so that one that was taken over gets no more than its client could send
 * anyway:
 *
 *     SIGN_SENDER  a hash, by a domain of which this transaction's sender may write: of the addresses in MAIL
 * and AUTHOR that were found to be the login's, or a local user's; any, for root, the spool's owner, and
 * `networks` SIGN_SEAL    what is hashed for an ARC seal or message signature, by the domain of a recipient
 * of this transaction whose mail an alias sends on to others: for anybody's message. As it is no DKIM
 * signature by its last field, no stranger gets one.
 *
 * and so many of a message. By LMTP there is none: such mail was somebody else's to sign.
 */
#include "guard_private.h"
#include "base/log.h"
#include "store/dkim_keys.h"
#include "net/signature.h"
#include "store/tables.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALGORITHMS 2
#define TRIES 5 /* to read keys that are just being rotated */

struct signer {
    char domain[ADDRESS_DOMAIN_LIMIT + 1]; /* whose keys these are; "": none yet */
    size_t count;
    struct {
        char selector[DKIM_SELECTOR_LIMIT + 1];
        struct signature_key key;
    } keys[ALGORITHMS];
};

/* --- for which domains */

void sign_domains_add(struct sign_domains *d, struct span domain)
{
    char name[ADDRESS_DOMAIN_LIMIT + 1];
    if (d->count < SIGN_DOMAINS && tables_domain(domain, name) && !sign_domains_have(d, name))
        memcpy(d->names[d->count++], name, sizeof name);
}

bool sign_domains_have(const struct sign_domains *d, const char *domain)
{
    for (unsigned i = 0; i < d->count; i++)
        if (strcmp(d->names[i], domain) == 0)
            return true;
    return false;
}

static bool may_sign(const struct smtp_guard *g, const char *domain)
{
    unsigned uid = g->serving->peer.uid;
    if (!guard_may_relay(g))
        return false;
    if (guard_by_user(g) ? uid == 0 || uid == geteuid() : !g->login.done)
        return true;
    return sign_domains_have(&g->envelope.writes, domain);
}

static bool may_seal(const struct smtp_guard *g, const char *domain)
{
    return !guard_is_lmtp(g) && sign_domains_have(&g->envelope.forwards, domain);
}

/* --- keys */

static void forget_keys(struct signer *s)
{
    for (size_t i = 0; i < s->count; i++)
        signature_key_free(&s->keys[i].key);
    s->count = 0;
    s->domain[0] = '\0';
}

void guard_sign_end(struct smtp_guard *g)
{
    if (g->signer)
        forget_keys(g->signer);
    free(g->signer);
    g->signer = NULL;
}

static void log_unusable(const struct smtp_guard *g, const char *domain, const struct dkim_key *key,
                         const char *why)
{
    char path[PATH_MAX] = "";
    dkim_key_path(g->settings, domain, key, path, sizeof path);
    log_event(LOG_ERR, "dkim-key-unusable", "file", path, "why", why, "do",
              "see that it is a private key in PEM, of RSA or Ed25519, with mode 0600 and the user postern "
              "its owner",
              NULL);
}

static bool has_algorithm(const struct signer *s, enum signature_algorithm algorithm)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->keys[i].key.algorithm == algorithm)
            return true;
    return false;
}

/* Adds a key, where there is none of its algorithm. ST_TEMP: it may be readable later; ST_NONE: it is gone.
 * What isn't a key that could be used is logged, and passed over: mail goes without its signature. */
static enum status open_key(const struct smtp_guard *g, struct signer *s, const char *domain,
                            const struct dkim_key *key)
{
    struct bytes pem;
    struct signature_key *to = &s->keys[s->count].key;
    bytes_init(&pem, DKIM_KEY_FILE_LIMIT);
    enum status st = dkim_key_read(g->settings, domain, key, &pem);
    const char *why = st == ST_OK ? "is no private key that can be used" : strerror(errno);
    if (st == ST_OK)
        st = signature_key_load(span_bytes(&pem), to);
    bytes_wipe(&pem);
    if (st == ST_OK && has_algorithm(s, to->algorithm)) {
        signature_key_free(to);
    } else if (st == ST_OK) {
        memcpy(s->keys[s->count].selector, key->selector, sizeof key->selector);
        s->count++;
    } else if (st != ST_NONE) {
        log_unusable(g, domain, key, why);
    }
    return st == ST_PERM ? ST_OK : st;
}

/* ST_NONE: one was renamed meanwhile. */
static enum status open_listed(const struct smtp_guard *g, struct signer *s, const char *domain,
                               const struct dkim_keys *keys)
{
    enum status st = ST_OK;
    for (size_t i = keys->count; st == ST_OK && i-- > 0 && s->count < ALGORITHMS;)
        if (keys->list[i].state == DKIM_KEY_SIGNING)
            st = open_key(g, s, domain, &keys->list[i]);
    return st;
}

/* The newest key that signs of each algorithm. ST_NONE: there is none; ST_TEMP: can't tell now. */
static enum status open_keys(struct smtp_guard *g, const char *domain)
{
    struct dkim_keys keys;
    if (!g->signer && !(g->signer = calloc(1, sizeof *g->signer)))
        return ST_TEMP;
    if (strcmp(g->signer->domain, domain) == 0)
        return ST_OK;
    enum status st = ST_NONE, found = ST_OK;
    for (int tries = 0; st == ST_NONE && found == ST_OK && tries < TRIES; tries++) {
        forget_keys(g->signer);
        found = dkim_keys_find(g->settings, domain, &keys);
        st = found == ST_OK ? open_listed(g, g->signer, domain, &keys) : found;
    }
    if (found == ST_TEMP)
        log_event(LOG_ERR, "dkim-keys-unreadable", "domain", domain, "why", strerror(errno), NULL);
    if (st == ST_OK && g->signer->count)
        strcpy(g->signer->domain, domain);
    else
        forget_keys(g->signer);
    return st == ST_OK && !g->signer->domain[0] ? ST_NONE : st;
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

/* RSA first, which everybody knows: it is on top in the message. */
static void put_keys(struct message *m, const struct signer *s, size_t count)
{
    for (uint64_t algorithm = 0; algorithm < ALGORITHMS; algorithm++)
        for (size_t i = 0; i < count; i++)
            if (s->keys[i].key.algorithm == algorithm) {
                message_put_str(m, s->keys[i].selector);
                message_put_u64(m, algorithm);
            }
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
    size_t count = st == ST_OK ? g->signer->count : 0;
    message_put_str(m, count ? g->signer->domain : "");
    message_put_u64(m, leaves(&g->envelope));
    message_put_u64(m, count);
    put_keys(m, g->signer, count);
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

static const struct signature_key *find_key(const struct signer *s, struct span selector)
{
    for (size_t i = 0; i < s->count; i++)
        if (span_eq_str(selector, s->keys[i].selector))
            return &s->keys[i].key;
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
    const struct signature_key *key = st == ST_OK ? find_key(g->signer, selector) : NULL;
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
