/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of ARC share.
 *
 *     arc_chain.c    which sets a header section has, and whether they can be a chain
 *     arc_verify.c   their signatures
 *     arc_seal.c     one more set
 *     arc_trust.c    what trusted sealers say
 */
#ifndef POSTERN_TRUST_ARC_PRIVATE_H
#define POSTERN_TRUST_ARC_PRIVATE_H

#include "trust/arc.h"
#include "trust/dkim_private.h"

/* Bytes of the header that are hashed for message signatures other than the newest, which only tell how old
 * the message is as it stands (5.2, step 5: optional): fifty of them over a header of a mebibyte are dear. */
#define ARC_OLDER_LIMIT ((size_t)4 << 20)

enum arc_part {
    ARC_RESULTS,
    ARC_MESSAGE,
    ARC_SEAL,
    ARC_PARTS
}; /* in the order in which seals cover them (5.1.1) */

struct arc_set {
    struct header_field fields[ARC_PARTS]; /* name.p is NULL where there is none */
};
struct arc_chain {
    unsigned newest;    /* the highest instance of any field; 0: none */
    bool ended;         /* its seal says cv=fail */
    const char *broken; /* why that is no chain (5.2, steps 1 to 3), in static words; NULL: it is one, or
                           there is none */
    struct arc_set sets[ARC_INSTANCES]; /* that of instance 1 first */
};

/* Finds the sets. They point into the header. */
void arc_chain_read(struct span header, struct arc_chain *chain);
/* Of the sets from instance `first` to the newest, which are complete: for each the hash that its seal is a
 * signature of goes to hashes[instance - 1]. Takes time that grows with the sets' size only. False if it
 * failed. */
bool arc_chain_hash(const struct arc_chain *chain, unsigned first, unsigned char (*hashes)[HASH_SIZE]);
/* Appends what is hashed for the newest seal. False: no memory, or over the limit. */
bool arc_chain_data(const struct arc_chain *chain, unsigned first, struct bytes *data);

/* A chain that is being verified. */
struct arc_verified {
    struct dkim_signature message, seal;
    size_t results_at, results_length; /* in `results` below */
};
struct arc_verifier {
    unsigned newest;
    bool ended;
    const char *broken;
    struct arc_verified *sets; /* NULL where it is broken, or there is none */
    struct bytes results;      /* the values of the ARC-Authentication-Results fields */
};

#endif
