/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Opening the keys of a domain; see dkim_keyring.h.
 */
#include "trust/dkim_keyring.h"
#include "base/log.h"
#include "store/tables.h"
#include "text/header.h"
#include "trust/dkim.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define TRIES 5 /* to read keys that are just being rotated */

static void log_unusable(const struct settings *s, const char *domain, const struct dkim_key *key,
                         const char *why)
{
    char path[PATH_MAX] = "";
    dkim_key_path(s, domain, key, path, sizeof path);
    log_event(
        LOG_ERR, "dkim-key-unusable", "file", path, "why", why, "do",
        "see that it is a private key in PEM, of RSA or Ed25519, with mode 0600 and the user postern its "
        "owner",
        NULL);
}

/* Its place, or false where there is one of that algorithm. */
static bool place_of(const struct dkim_keyring *k, enum signature_algorithm algorithm, size_t *place)
{
    *place = 0;
    while (*place < k->count && k->keys[*place].key.algorithm < algorithm)
        ++*place;
    return *place == k->count || k->keys[*place].key.algorithm != algorithm;
}

/* ST_TEMP: it may be readable later; ST_NONE: it is gone. */
static enum status add_key(const struct settings *s, struct dkim_keyring *k, const char *domain,
                           const struct dkim_key *key)
{
    struct bytes pem;
    struct signature_key opened;
    size_t place;
    bytes_init(&pem, DKIM_KEY_FILE_LIMIT);
    enum status st = dkim_key_read(s, domain, key, &pem);
    const char *why = st == ST_OK ? "is no private key that can be used" : strerror(errno);
    if (st == ST_OK)
        st = signature_key_load(span_bytes(&pem), &opened);
    bytes_wipe(&pem);
    if (st != ST_OK && st != ST_NONE)
        log_unusable(s, domain, key, why);
    if (st != ST_OK)
        return st == ST_PERM ? ST_OK : st;
    if (!place_of(k, opened.algorithm, &place)) {
        signature_key_free(&opened);
        return ST_OK;
    }
    memmove(&k->keys[place + 1], &k->keys[place], (k->count - place) * sizeof k->keys[0]);
    memcpy(k->keys[place].selector, key->selector, sizeof key->selector);
    k->keys[place].key = opened;
    k->count++;
    return ST_OK;
}

/* ST_NONE: one was renamed meanwhile. */
static enum status add_listed(const struct settings *s, struct dkim_keyring *k, const char *domain,
                              const struct dkim_keys *keys)
{
    enum status st = ST_OK;
    for (size_t i = keys->count; st == ST_OK && i-- > 0 && k->count < DKIM_KEYRING_LIMIT;)
        if (keys->list[i].state == DKIM_KEY_SIGNING)
            st = add_key(s, k, domain, &keys->list[i]);
    return st;
}

enum status dkim_keyring_open(const struct settings *s, const char *domain, struct dkim_keyring *k)
{
    struct dkim_keys keys;
    enum status st = ST_NONE, found = ST_OK;
    k->count = 0;
    for (int tries = 0; st == ST_NONE && found == ST_OK && tries < TRIES; tries++) {
        dkim_keyring_close(k);
        found = dkim_keys_find(s, domain, &keys);
        st = found == ST_OK ? add_listed(s, k, domain, &keys) : found;
    }
    if (found == ST_TEMP)
        log_event(LOG_ERR, "dkim-keys-unreadable", "domain", domain, "why", strerror(errno), NULL);
    if (st != ST_OK)
        dkim_keyring_close(k);
    return st == ST_OK && k->count == 0 ? ST_NONE : st;
}

void dkim_keyring_close(struct dkim_keyring *k)
{
    for (size_t i = 0; i < k->count; i++)
        signature_key_free(&k->keys[i].key);
    k->count = 0;
}

static enum status sign(void *keyring, size_t key, const unsigned char hash[HASH_SIZE],
                        struct bytes *signature)
{
    const struct dkim_keyring *k = keyring;
    return signature_sign(&k->keys[key].key, hash, signature);
}

enum status dkim_keyring_sign(const struct settings *s, const char *domain, struct span message, int64_t now,
                              struct bytes *fields)
{
    struct dkim_keyring k;
    char name[ADDRESS_DOMAIN_LIMIT + 1];
    struct dkim_signing what = { .domain = name, .now = now, .header = DKIM_RELAXED, .body = DKIM_RELAXED };
    struct span header = span_head(message, header_end(message));
    if (!tables_domain(span_of(domain), name))
        return ST_NONE;
    enum status st = dkim_keyring_open(s, name, &k);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < k.count; i++) {
        what.keys[i].selector = k.keys[i].selector;
        what.keys[i].algorithm = k.keys[i].key.algorithm;
    }
    what.count = k.count;
    struct dkim_signer *signer = dkim_sign_start(header, &what);
    if (signer)
        dkim_sign_body(signer, span_from(message, header.n));
    st = signer ? dkim_sign_end(signer, sign, &k, fields) : ST_TEMP;
    dkim_sign_free(signer);
    dkim_keyring_close(&k);
    return st;
}
