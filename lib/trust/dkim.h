/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DKIM (RFC 6376, 8301, 8463, 8616): verifying the signatures of a message, and signing one. The header
 * section is given at the start, the body in pieces of any size as it comes; nothing of either is kept or
 * read again.
 *
 * What our rules take and don't take, where the standards leave it to the receiver:
 *   - The first DKIM_SIGNATURES signatures of a message are looked at. Each takes one question to DNS, and
 *     time that grows with the header only; whatever is signed how, the body is hashed twice at most.
 *   - A signature whose l= leaves a part of the body out is TRUST_POLICY: what follows might be anybody's,
 *     and whoever reads "pass" takes it for the whole message. One whose l= is the whole body passes.
 *   - rsa-sha1 and RSA keys under 1,024 bits (RFC 8301 3), keys of more than SIGNATURE_RSA_MOST bits, a
 *     signature behind its x= or made in the future are TRUST_POLICY.
 *   - What can't be read is TRUST_NEUTRAL (RFC 8601 2.7.1); what is there and contradicts itself or the
 *     standard, and a key that isn't published, was revoked or can't be used, is TRUST_PERMERROR.
 *   - Line ends are CRLF; an LF alone is taken for one, as mail in Maildir has them.
 */
#ifndef POSTERN_TRUST_DKIM_H
#define POSTERN_TRUST_DKIM_H

#include "net/signature.h"
#include "text/address.h"
#include "trust/lookup.h"
#include "trust/result.h"

#define DKIM_SIGNATURES 8
#define DKIM_ALGORITHM_LIMIT 24
#define DKIM_WHY_LIMIT 96
#define DKIM_HEAD_LIMIT 25

/* Of one signature, in the order of the header, so the newest first. Strings hold printable ASCII or
 * UTF-8. */
struct dkim_result {
    enum trust_result result;
    char domain[DNS_NAME_LIMIT];   /* d=, in lower case, A-labels (RFC 8616); "" if it can't be read */
    char selector[DNS_NAME_LIMIT]; /* s=, the same */
    char identity[ADDRESS_LIMIT + 4]; /* i=, decoded, its domain in that form; "@" and d= without it */
    char algorithm[DKIM_ALGORITHM_LIMIT]; /* a=, as it stands */
    char hash_head[DKIM_HEAD_LIMIT]; /* of b= without blanks: eight characters, or as many as tell it from the
                                        others' (RFC 6008) */
    char why[DKIM_WHY_LIMIT];        /* for people: why it didn't pass, or a remark; "" */
    unsigned bits;                   /* of the key, where it was read; else 0 */
    bool testing;                    /* t=y: not to be treated otherwise than no signature (RFC 6376 3.6.1) */
};

struct dkim_verifier;

/* Of a header section, with or without the empty line at its end. `now` in seconds since 1970. NULL without
 * memory. Reads each signature and hashes what it covers of the header, which may then go. */
struct dkim_verifier *dkim_verify_start(struct span header, int64_t now);
/* The questions for the keys, `room` at most, for trust_expect(): those that dkim_verify_end() will ask. How
 * many. */
size_t dkim_verify_queries(const struct dkim_verifier *v, struct dns_query *queries, size_t room);
void dkim_verify_body(struct dkim_verifier *v, struct span piece);
/* Asks for the keys, and says what each signature came to. How many results there are: 0 is TRUST_NONE. Once
 * only. */
size_t dkim_verify_end(struct dkim_verifier *v, const struct trust_lookup *lookup,
                       struct dkim_result results[DKIM_SIGNATURES]);
void dkim_verify_free(struct dkim_verifier *v); /* NULL is fine */

enum dkim_canonical { DKIM_SIMPLE, DKIM_RELAXED };

#define DKIM_KEYS 8 /* that one message is signed with */

struct dkim_signing {
    const char *domain; /* d=, A-labels */
    struct {
        const char *selector;
        enum signature_algorithm algorithm;
    } keys[DKIM_KEYS];
    size_t count;
    int64_t now;                      /* t= */
    int64_t lifetime;                 /* seconds until x=; 0: no x= */
    enum dkim_canonical header, body; /* relaxed for both is what survives most */
};

struct dkim_signer;

/* Of a header section; the strings of `what` are copied. NULL without memory, where there is no From field
 * (RFC 6376 5.4: it must be signed), or for more than DKIM_KEYS keys. */
struct dkim_signer *dkim_sign_start(struct span header, const struct dkim_signing *what);
void dkim_sign_body(struct dkim_signer *s, struct span piece);
/* The body is at its end: for each key `sign` gets its place in `keys` and the hash, and appends the
 * signature (as signature_sign() does); the DKIM-Signature fields, with CRLF line ends, are appended to
 * `out`, for the head of the message. Nothing is appended unless it is ST_OK; what `sign` answered else. Once
 * only. */
enum status dkim_sign_end(struct dkim_signer *s,
                          enum status (*sign)(void *arg, size_t key, const unsigned char hash[HASH_SIZE],
                                              struct bytes *signature),
                          void *arg, struct bytes *out);
void dkim_sign_free(struct dkim_signer *s); /* NULL is fine */

/* The text of a TXT record for a public key (RFC 6376 3.6.1, 8463 4) as signature_public() gives it. */
bool dkim_record(enum signature_algorithm algorithm, struct span public_key, struct bytes *out);

#endif
