/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Making and using SCRAM-SHA-256 verifiers; see scram_verifier.h.
 *
 * A verifier lies beside the same password's yescrypt hash, so guessing it from stolen tables shouldn't cost
 * less time. Where crypt(3)'s yescrypt with its default cost took 18 ms, 100,000 iterations of PBKDF2 in
 * GnuTLS 3.7 took 11 ms with the processor's SHA instructions and 38 ms without: 160,000 or 47,000 are as
 * dear. But Cyrus SASL's clients (mbsync, KMail) refuse more than 65,536, so SCRAM_ITERATIONS is that.
 * (Special hardware is held up by yescrypt's memory and not by PBKDF2, whatever the number.) The client pays
 * for them, at each login; for a server a proof is three HMACs.
 */
#include "store/scram_verifier.h"
#include "base/clock.h"
#include "net/hash.h"
#include "text/saslprep.h"

#include <string.h>

_Static_assert(SCRAM_KEY == HASH_SIZE, "the keys of SCRAM-SHA-256 are SHA-256's");

#define PASSWORD_LIMIT 4096 /* bytes, prepared */

static struct span key_span(const unsigned char key[SCRAM_KEY])
{
    return (struct span){ (const char *)key, SCRAM_KEY };
}

static struct span salt_span(const struct scram_verifier *v)
{
    return (struct span){ (const char *)v->salt, v->salt_length };
}

/* RFC 5802 3: SaltedPassword is PBKDF2's; the keys are made from it. */
static bool make(struct span password, struct span salt, unsigned iterations, struct scram_verifier *v)
{
    unsigned char salted[SCRAM_KEY], client_key[SCRAM_KEY];
    if (salt.n == 0 || salt.n > SCRAM_SALT_LIMIT)
        return false;
    *v = (struct scram_verifier){ .iterations = iterations, .salt_length = salt.n };
    memcpy(v->salt, salt.p, salt.n);
    bool ok = hash_pbkdf2_sha256(password, salt, iterations, salted) &&
              hash_hmac_sha256(key_span(salted), SPAN("Client Key"), client_key) &&
              hash_sha256(key_span(client_key), v->stored_key) &&
              hash_hmac_sha256(key_span(salted), SPAN("Server Key"), v->server_key);
    explicit_bzero(salted, sizeof salted);
    explicit_bzero(client_key, sizeof client_key);
    return ok;
}

bool scram_verifier_make(struct span password, struct span salt, unsigned iterations,
                         struct scram_verifier *v)
{
    struct bytes prepared;
    bytes_init(&prepared, PASSWORD_LIMIT);
    bool ok = make(saslprep(password, &prepared) ? span_bytes(&prepared) : password, salt, iterations, v);
    bytes_wipe(&prepared);
    return ok;
}

enum status scram_verifier_hash(struct span password, const struct scram_verifier *like, struct bytes *out)
{
    unsigned char salt[SCRAM_SALT];
    struct scram_verifier v;
    random_bytes(salt, sizeof salt);
    bool ok =
        scram_verifier_make(password, like ? salt_span(like) : (struct span){ (char *)salt, sizeof salt },
                            like ? like->iterations : SCRAM_ITERATIONS, &v) &&
        bytes_add_str(out, "{" SCRAM_SCHEME "}") && scram_write_verifier(&v, out);
    explicit_bzero(&v, sizeof v);
    return ok ? ST_OK : ST_TEMP;
}

static enum status check(const struct scram_verifier *v, struct span password)
{
    struct scram_verifier made;
    if (!make(password, salt_span(v), v->iterations, &made))
        return ST_TEMP;
    bool same = hash_same(made.stored_key, v->stored_key);
    explicit_bzero(&made, sizeof made);
    return same ? ST_OK : ST_PERM;
}

enum status scram_verifier_check(const struct scram_verifier *v, struct span password)
{
    struct bytes prepared;
    bytes_init(&prepared, PASSWORD_LIMIT);
    enum status st = ST_PERM;
    if (saslprep(password, &prepared) && !span_eq(span_bytes(&prepared), password))
        st = check(v, span_bytes(&prepared));
    if (st == ST_PERM)
        st = check(v, password);
    bytes_wipe(&prepared);
    return st;
}

/* ClientKey = ClientProof XOR HMAC(StoredKey, AuthMessage); StoredKey = H(ClientKey). */
bool scram_verifier_proves(const struct scram_verifier *v, struct span messages,
                           const unsigned char proof[SCRAM_KEY])
{
    unsigned char key[SCRAM_KEY], hashed[SCRAM_KEY];
    if (!hash_hmac_sha256(key_span(v->stored_key), messages, key))
        return false;
    for (size_t i = 0; i < sizeof key; i++)
        key[i] ^= proof[i];
    bool right = hash_sha256(key_span(key), hashed) && hash_same(hashed, v->stored_key);
    explicit_bzero(key, sizeof key);
    return right;
}

bool scram_verifier_sign(const struct scram_verifier *v, struct span messages,
                         unsigned char signature[SCRAM_KEY])
{
    return hash_hmac_sha256(key_span(v->server_key), messages, signature);
}
