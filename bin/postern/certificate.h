/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What `postern` has to know of a certificate in a file, and of its key.
 */
#ifndef POSTERN_CERTIFICATE_H
#define POSTERN_CERTIFICATE_H

#include "base/bytes.h"
#include "base/status.h"
#include "net/hash.h"
#include "net/tls.h"

#define CERTIFICATE_FILE_LIMIT ((size_t)1 << 20)

struct certificate_info {
    int64_t from, to;             /* valid, in seconds since 1970 */
    unsigned count;               /* certificates of the chain */
    bool has_name;                /* the first has the name that was asked for */
    bool self_signed;             /* the first is signed by itself */
    unsigned char key[HASH_SIZE]; /* SHA-256 of its SubjectPublicKeyInfo */
    struct bytes der;             /* the chain, one behind the other */
    struct span chain[TLS_CHAIN_LIMIT];
};
/* Reads a chain in PEM. With anything but ST_OK *error has a line for a person; ST_PERM: it is none. Freed
 * with certificate_free() in either case. */
enum status certificate_read(const char *file, const char *name, struct certificate_info *info,
                             struct bytes *error);
void certificate_free(struct certificate_info *info);
/* The digest alone: what a TLSA record 3 1 1 has. */
enum status certificate_key_digest(const char *file, unsigned char digest[HASH_SIZE], struct bytes *error);
/* The same of a private key in PEM. ST_PERM: it is none. */
enum status certificate_private_digest(const char *file, unsigned char digest[HASH_SIZE],
                                       struct bytes *error);

#endif
