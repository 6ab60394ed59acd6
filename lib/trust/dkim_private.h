/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What DKIM and ARC share: tag lists, canonicalization, hashes of header and body, a signature as a field
 * says it, and the key that DNS has for it.
 */
#ifndef POSTERN_TRUST_DKIM_PRIVATE_H
#define POSTERN_TRUST_DKIM_PRIVATE_H

#include "net/hash.h"
#include "text/header.h"
#include "trust/dkim.h"

/* ---- Tag lists (RFC 6376 3.2): dkim_tags.c */

#define DKIM_TAGS 64 /* a list with more can't be read */

struct dkim_tag {
    struct span name;
    struct span value; /* without the blanks around it, still folded */
    struct span raw;   /* all between '=' and ';' */
};
struct dkim_tags {
    size_t count;
    struct dkim_tag tags[DKIM_TAGS];
};

/* The tags point into `text`, a field's raw value or a record's text. False: that is no tag list, or has a
 * name twice (which invalidates all of it), or too many. UTF-8 may stand in values (RFC 8616). */
bool dkim_tags_read(struct span text, struct dkim_tags *tags);
/* NULL if there is none of that name. Names are case sensitive. */
const struct dkim_tag *dkim_tag(const struct dkim_tags *tags, const char *name);
/* Base64 with blanks anywhere (3.2), not empty, into `to`. False for anything else, or for more than there is
 * room for, and then `to` is partly filled. */
bool dkim_base64(struct span value, char *to, size_t room, size_t *n);
/* A domain name, in lower case and A-labels. For selectors too. False for anything else. */
bool dkim_domain(struct span value, char to[DNS_NAME_LIMIT]);
/* The next word of a list with colons, without the blanks around it. False at its end. */
bool dkim_list_next(struct span *rest, struct span *word);
/* Does such a list have the word, in any case? */
bool dkim_list_has(struct span list, const char *word);
/* Is `name` that domain, or one below it? Both as dkim_domain() makes them. */
bool dkim_within(const char *name, const char *domain);

/* ---- Canonicalization (3.4): dkim_canon.c */

/* SHA-256 of what comes in small pieces. For tests, `seen` (may be NULL) gets all that was hashed too. */
struct dkim_hash {
    struct hash hash;
    struct bytes *seen;
    uint64_t total;
    size_t have;
    char piece[4096];
};
bool dkim_hash_start(struct dkim_hash *h, struct bytes *seen);
/* The result; h is then free. False if something failed on the way. */
bool dkim_hash_end(struct dkim_hash *h, unsigned char out[HASH_SIZE]);
void dkim_hash_drop(struct dkim_hash *h); /* instead of dkim_hash_end(); also twice */
/* Both go on from what was added so far; nothing is seen of the copy. False, and *to isn't started, if it
 * can't. */
bool dkim_hash_copy(struct dkim_hash *from, struct dkim_hash *to);

/* One field with the CRLF at its end; `last` without, as the signature's own field is hashed. `cut`, within
 * the field's value, is left out: the raw value of b=; { NULL, 0 } for none. */
void dkim_hash_field(struct dkim_hash *h, enum dkim_canonical canonical, const struct header_field *field,
                     bool last, struct span cut);

/* The hash of a body, given in pieces. */
struct dkim_body {
    enum dkim_canonical canonical;
    struct dkim_hash hash; /* hash.total: the bytes of the canonical body, for l= */
    uint64_t ends;         /* empty lines, not written yet */
    bool line;             /* within a line that has something */
    bool blank;            /* blanks not written yet: relaxed */
    bool cr;               /* a CR not written yet */
};
bool dkim_body_start(struct dkim_body *b, enum dkim_canonical canonical, struct bytes *seen);
void dkim_body_add(struct dkim_body *b, struct span piece);
bool dkim_body_end(struct dkim_body *b, unsigned char out[HASH_SIZE]);
void dkim_body_drop(struct dkim_body *b);

/* ---- The fields that a signature covers (5.4.2): dkim_fields.c */

/* The fields of a header section in the order of their names, so that each can be found in few steps,
 * whatever h= has. Points into the header. */
struct dkim_fields {
    struct dkim_place *places;
    size_t count;
};
/* False without memory. Freed with dkim_fields_free(). */
bool dkim_fields_init(struct dkim_fields *f, struct span header);
/* The last field of that name that wasn't taken since dkim_fields_again(). False if there is none (any
 * more). */
bool dkim_fields_take(struct dkim_fields *f, struct span name, struct header_field *field);
void dkim_fields_again(struct dkim_fields *f);
void dkim_fields_free(struct dkim_fields *f);

/* ---- A signature: dkim_signature.c */

/* Which field it stands in; they differ in the tags that they have. */
enum dkim_kind { DKIM_SIGNATURE, DKIM_ARC_MESSAGE, DKIM_ARC_SEAL };

struct dkim_signature {
    struct dkim_result result; /* result.result is TRUST_NONE while nothing speaks against it */
    enum signature_algorithm algorithm;
    enum dkim_canonical header, body;
    bool has_length; /* l= */
    uint64_t length;
    bool own_identity;                    /* the domain of i= is d= itself: what t=s asks for */
    unsigned char body_hash[HASH_SIZE];   /* bh= */
    unsigned char header_hash[HASH_SIZE]; /* what b= is to be a signature of */
    size_t value_length;
    char value[SIGNATURE_LIMIT]; /* b=, decoded */
};

/* Reads a signature's field, whose tags are handed out too. i= is looked at for DKIM_SIGNATURE only;
 * `instance` of ARC's is the caller's. What is wrong is in s->result. */
void dkim_signature_read(enum dkim_kind kind, const struct header_field *field, int64_t now,
                         struct dkim_tags *tags, struct dkim_signature *s);
/* The hash of the fields in h= and of this one, into s->header_hash: for DKIM_SIGNATURE and DKIM_ARC_MESSAGE.
 * `seen` as above. */
void dkim_signature_hash(struct dkim_signature *s, const struct header_field *field,
                         const struct dkim_tags *tags, struct dkim_fields *fields, struct bytes *seen);
/* Compares bh= (and l=) with the body's hash and its length. Not for DKIM_ARC_SEAL. */
void dkim_signature_body(struct dkim_signature *s, const unsigned char hash[HASH_SIZE], uint64_t length);
/* Asks for the key and verifies header_hash with it: the last step, where s->result is then what it came to.
 * Does nothing where result is another than TRUST_NONE already. */
void dkim_signature_verify(struct dkim_signature *s, const struct trust_lookup *lookup);
/* s->result gets the result and the reason, unless it has one. */
void dkim_signature_is(struct dkim_signature *s, enum trust_result result, const char *why);
/* The name under which the key is asked for: selector._domainkey.domain. False if that is none. */
bool dkim_key_name(const struct dkim_signature *s, char to[DNS_NAME_LIMIT]);

/* ---- Verifying for ARC: dkim_verify.c */

/* Before the body is given: it is to be hashed in this way too, whatever the signatures need. False
 * without memory. */
bool dkim_verify_also(struct dkim_verifier *v, enum dkim_canonical canonical);
/* After dkim_verify_end(): that hash, and the bytes of the canonical body. False: it wasn't asked for, or
 * failed. */
bool dkim_verify_hash(const struct dkim_verifier *v, enum dkim_canonical canonical,
                      unsigned char hash[HASH_SIZE], uint64_t *length);

/* ---- Signing for ARC: dkim_sign.c */

/* As dkim_sign_start(), but that it writes ARC-Message-Signature fields of this instance, which cover the
 * DKIM-Signature fields too (RFC 8617 4.1.2). `seen` (may be NULL) gets what is hashed for the first key.
 * Instance 0: DKIM-Signature fields. */
struct dkim_signer *dkim_sign_start_arc(struct span header, const struct dkim_signing *what,
                                        unsigned instance, struct bytes *seen);
/* A signature behind "b=" at the end of a field, folded, and its line end. */
bool dkim_sign_value(struct bytes *text, const struct bytes *signature);

#endif
