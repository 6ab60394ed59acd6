/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Certificates and keys: what `postern` has to know of them, where ACME clients leave them, and how a pair is
 * put where the settings have it. A handler's own way to them is in lib/net.
 */
#ifndef POSTERN_CERTIFICATE_H
#define POSTERN_CERTIFICATE_H

#include "base/bytes.h"
#include "base/settings.h"
#include "base/status.h"
#include "net/dns.h"
#include "net/hash.h"
#include "net/tls.h"

#include <limits.h>

#define CERTIFICATE_FILE_LIMIT ((size_t)1 << 20)

struct certificate_info {
    int64_t from, to;             /* valid, in seconds since 1970 */
    unsigned count;               /* certificates of the chain */
    bool has_name;                /* the first has the name that was asked for */
    bool self_signed;             /* the first is signed by itself */
    bool in_order;                /* the second, if there is one, signed the first */
    unsigned char key[HASH_SIZE]; /* SHA-256 of its SubjectPublicKeyInfo */
    struct bytes der;             /* the chain, one behind the other */
    struct span chain[TLS_CHAIN_LIMIT];
};
/* --- certificate_read.c */
/* Reads a chain in PEM. With anything but ST_OK *error has a line for a person; ST_PERM: it is none. Freed
 * with certificate_free() in either case. */
enum status certificate_read(const char *file, const char *name, struct certificate_info *info,
                             struct bytes *error);
/* The same of what was read already; `file` is for *error. */
enum status certificate_parse(struct span pem, const char *file, const char *name,
                              struct certificate_info *info, struct bytes *error);
void certificate_free(struct certificate_info *info);
/* The digest alone: what a TLSA record 3 1 1 has. */
enum status certificate_key_digest(const char *file, unsigned char digest[HASH_SIZE], struct bytes *error);
/* The same of a private key in PEM. ST_PERM: it is none, or of a kind that the server doesn't sign with. */
enum status certificate_private_digest(const char *file, unsigned char digest[HASH_SIZE],
                                       struct bytes *error);
enum status certificate_private_parse(struct span pem, const char *file, unsigned char digest[HASH_SIZE],
                                      struct bytes *error);

/* --- certificate_check.c */
/* A pair of the settings: 0 is the server's own, from 1 on those for other names. */
struct certificate_target {
    const char *domain;        /* as the settings have it; may begin with "*." */
    char name[DNS_NAME_LIMIT]; /* that the certificate should have */
    const char *certificate, *key;
};
/* False: there are no more. */
bool certificate_target(const struct settings *s, size_t i, struct certificate_target *t);
/* The roots that certificates lead to, by ca-file or the system's. False with errno; *file is which. Free
 * it. */
bool certificate_roots(const struct settings *s, struct bytes *roots, const char **file);

/* A certificate and its key, read from wherever they lie. */
struct certificate_pair {
    char certificate[PATH_MAX], key[PATH_MAX];
    struct bytes chain, secret; /* their PEM */
    int64_t to;                 /* valid until then */
    unsigned count;             /* certificates of the chain */
    bool trusted;               /* leads to one of the roots */
    unsigned char digest[HASH_SIZE];
};
void certificate_pair_init(struct certificate_pair *p);
void certificate_pair_free(struct certificate_pair *p);
/* A regular file, of whatever owner; it never blocks. False with errno. */
bool certificate_slurp(const char *file, struct bytes *to);
/* Is p->chain, from p->certificate, good for `name` now? Fills what it says of it. ST_NONE: it is for other
 * names; ST_PERM: for that one, but no good. In both cases *error says why. */
enum status certificate_check(struct certificate_pair *p, const char *name, struct span roots,
                              struct bytes *error);
/* Does p->secret, from p->key, fit it? ST_PERM with *error. */
enum status certificate_check_key(const struct certificate_pair *p, struct bytes *error);
/* Certificate and key, from files. */
enum status certificate_pair_read(struct certificate_pair *p, const char *certificate, const char *key,
                                  struct bytes *error);
/* Is the pair that the target has now worse than none: missing, not for its name, expired, not fitting, or
 * signed by itself? */
bool certificate_is_poor(const struct certificate_target *t);

/* --- certificate_find.c */
/* The best pair for a name: one that leads to a root before one that doesn't, then the one that is valid for
 * longer. In `folder` and those below it; NULL: where ACME clients leave them, as far as who asks may look.
 * ST_NONE: none is any good; *why then has a line for each that has the name and isn't. */
enum status certificate_find(const char *name, const char *folder, struct span roots,
                             struct certificate_pair *p, struct bytes *why);

/* --- certificate_place.c */
/* Has the target this pair already? */
bool certificate_is_placed(const struct certificate_target *t, const struct certificate_pair *p);
/* Puts the pair where the settings have it, both at once, and keeps the one before for connections that have
 * begun; see the top of that file. ST_TEMP with *error. */
enum status certificate_place(const struct settings *s, const struct certificate_target *t,
                              const struct certificate_pair *p, struct bytes *error);

/* --- certificate_install.c */
/* Places it, where it isn't already, and says so on standard output. EX_OK, or complains. */
int certificate_put(const struct settings *s, const struct certificate_target *t,
                    const struct certificate_pair *p);

#endif
