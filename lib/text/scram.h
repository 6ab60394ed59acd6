/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The messages of SCRAM (RFC 5802 7, RFC 7677) as a server reads and writes them, and the verifier as it is
 * stored: `iterations,salt,StoredKey,ServerKey`, the last three in base64, as Dovecot has it.
 *
 *     C  n,,n=user,r=CLIENT                      client-first: GS2 header, then the bare message
 *     S  r=CLIENTSERVER,s=SALT,i=4096            server-first
 *     C  c=biws,r=CLIENTSERVER,p=PROOF           client-final
 *     S  v=SIGNATURE                             server-final
 *
 * Nothing here hashes or decides: that is store/scram_verifier.h and store/login.h.
 */
#ifndef POSTERN_TEXT_SCRAM_H
#define POSTERN_TEXT_SCRAM_H

#include "base/bytes.h"

#define SCRAM_KEY 32                   /* bytes of a key, a proof and a signature with SHA-256 */
#define SCRAM_MESSAGE_LIMIT 4096       /* bytes of a client's message */
#define SCRAM_NONCE_LIMIT 512          /* of the client's nonce; usual are 18 to 32 */
#define SCRAM_SALT_LIMIT 64            /* bytes of a salt */
#define SCRAM_ITERATIONS_LEAST 4096    /* RFC 7677 4 */
#define SCRAM_ITERATIONS_MOST 10000000 /* what a stored verifier may ask of a client */
#define SCRAM_VERIFIER_TEXT 256        /* its text is shorter */

/* Spans point into the message that was read. */
struct scram_first {
    char flag;       /* 'n': can't bind; 'y': could, but saw no -PLUS offered; 'p': binds by `binding` */
    struct span gs2; /* the GS2 header with both its commas */
    struct span binding;
    struct span authzid; /* escaped; empty where there is none */
    struct span bare;    /* what is hashed: all behind the header */
    struct span name;    /* escaped */
    struct span nonce;   /* the client's */
};

struct scram_final {
    struct span without_proof; /* what is hashed: all before ",p=" */
    struct span binding;       /* base64 of GS2 header and binding data */
    struct span nonce;
    unsigned char proof[SCRAM_KEY];
};

/* Reads client-first. False if it is malformed, or asks for an extension (m=). */
bool scram_read_first(struct span message, struct scram_first *f);
/* Appends a name without its escapes (=2C and =3D). False for any other '=', or over out's limit. */
bool scram_name(struct span escaped, struct bytes *out);
/* Reads client-final. False if it is malformed. */
bool scram_read_final(struct span message, struct scram_final *f);

struct scram_verifier {
    unsigned iterations;
    size_t salt_length;
    unsigned char salt[SCRAM_SALT_LIMIT];
    unsigned char stored_key[SCRAM_KEY], server_key[SCRAM_KEY];
};

/* Reads the text of a verifier, without a {SCHEME}. False if it is none, or is out of the limits above. */
bool scram_read_verifier(struct span text, struct scram_verifier *v);
bool scram_write_verifier(const struct scram_verifier *v, struct bytes *out);

/* Appends server-first. */
bool scram_write_first(struct span nonce, const struct scram_verifier *v, struct bytes *out);
/* Appends what client-final has to begin with: "c=...,r=NONCE", the header and binding data in base64. */
bool scram_write_expected(struct span gs2, struct span binding_data, struct span nonce, struct bytes *out);
/* Appends server-final. */
bool scram_write_final(const unsigned char signature[SCRAM_KEY], struct bytes *out);

#endif
