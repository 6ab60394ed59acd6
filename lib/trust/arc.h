/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ARC, the Authenticated Received Chain (RFC 8617): what those through whose hands a message went say of it,
 * each in a set of three fields that he sealed. Verifying the chain of a message, adding a set to it, and
 * asking whether one whom we trust saw the message pass DMARC.
 *
 * As with DKIM (trust/dkim.h) the header section is given at the start and may then go, and the body comes in
 * pieces; it is the DKIM verifier that hashes it for both, once.
 *
 *   - A chain passes when every set is there, every seal verifies, and the newest message signature does.
 * Older ones may fail: they only tell since when the message is as it is (`oldest_pass`).
 *   - All failures are permanent (5.2.1), also of DNS. Who rather waits for DNS looks at `temporary`.
 *   - A failed chain counts as none (5.2). A seal onto it says cv=fail and covers its own set only (5.1.2);
 * onto one that says so already nothing more is put (5.1).
 */
#ifndef POSTERN_TRUST_ARC_H
#define POSTERN_TRUST_ARC_H

#include "trust/dkim.h"

struct dmarc_author; /* trust/dmarc.h */

#define ARC_INSTANCES 50 /* 4.2.1 */
#define ARC_WHY_LIMIT 160

struct arc_result {
    enum trust_result result; /* TRUST_NONE, TRUST_PASS or TRUST_FAIL */
    unsigned newest;          /* the highest instance that was found; 0: none */
    unsigned oldest_pass; /* header.oldest-pass: the oldest message signature that verifies; 0: all do. With
                             TRUST_PASS only */
    bool ended;           /* the newest seal says cv=fail */
    bool temporary;       /* it fails for want of an answer from DNS */
    char
        domain[DNS_NAME_LIMIT]; /* of the newest seal (d=), in lower case, A-labels; "" if it can't be read */
    char selector[DNS_NAME_LIMIT]; /* its s= */
    char why[ARC_WHY_LIMIT];       /* for people: why it failed; "" */
};

struct arc_verifier;

/* Of a header section. `body` will be given the body, and is told what has to be hashed. `now` in seconds
 * since 1970. NULL without memory. */
struct arc_verifier *arc_verify_start(struct span header, int64_t now, struct dkim_verifier *body);
/* How many questions for keys arc_verify_end() may ask; the first `room` of them. */
size_t arc_verify_queries(const struct arc_verifier *v, struct dns_query *queries, size_t room);
/* All of the body was given to `body`, which hasn't been freed. Once only. */
void arc_verify_end(struct arc_verifier *v, const struct dkim_verifier *body,
                    const struct trust_lookup *lookup, struct arc_result *result);
void arc_verify_free(struct arc_verifier *v); /* NULL is fine */

/* --- A trusted sealer's word (RFC 8617 7.2.1; RFC 9989 5.4: local policy) */

struct arc_witness {
    unsigned instance;           /* whose results they are; 0: nobody's whom we trust */
    char domain[DNS_NAME_LIMIT]; /* its sealer */
    const char *method;          /* by what it passed there: "dmarc", or what is aligned: "dkim", "spf" */
};
/* Where the chain passed: does a sealer who is named in `trusted` (domains, blanks between them) say that the
 * message, as he got it, passed DMARC for `author`; or that an SPF or DKIM passed, which is aligned by the
 * policy that is published now? From the newest set back, as long as the sealers are trusted: he who got it
 * from a trusted one, through a chain that passed, may have seen it changed. After arc_verify_end(). */
bool arc_trusted(const struct arc_verifier *v, const struct arc_result *result, const char *trusted,
                 const struct dmarc_author *author, const struct trust_lookup *lookup,
                 struct arc_witness *witness);

/* Says the newest seal that it is by one of them? Only a good chain proves it. */
bool arc_is_trusted(const struct arc_result *result, const char *trusted);

/* --- Sealing (5.1) */

/* The instance that a set added now has; 0: none is to be added, as the chain is ended, or full. */
unsigned arc_next_instance(const struct arc_result *chain);

struct arc_sealing {
    struct span header; /* as the message goes out, before the set is put on its head */
    struct span body;
    const struct arc_result *chain; /* as it came in: says cv= */
    struct span results; /* the ARC-Authentication-Results field of that instance, with its line end (see
                            auth_results_start()) */
    const char *domain, *selector; /* A-labels */
    enum signature_algorithm algorithm;
    int64_t now;
};
/* `data` is what is hashed, with SHA-256, for a signature that it appends: fields in relaxed form, of which
 * the last is the one that gets the signature, without its line end. So whoever has the key can see what he
 * signs. */
typedef enum status (*arc_sign)(void *arg, struct span data, struct bytes *signature);
/* Appends the three fields, for the head of the message, with CRLF. `sign` is asked twice. ST_PERM: there is
 * no From field, or arc_next_instance() is 0; else what `sign` answered; then nothing is appended. */
enum status arc_seal(const struct arc_sealing *s, arc_sign sign, void *arg, struct bytes *out);

#endif
