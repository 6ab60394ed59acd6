/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What imapd can do, as one table: name, standard, when it is said, and the dialogue that shows it.
 */
#ifndef POSTERN_IMAPD_CAPABILITIES_H
#define POSTERN_IMAPD_CAPABILITIES_H

#include "base/bytes.h"

#define CAPABILITIES_LIMIT 2048 /* bytes of the whole answer */

/* How a connection stands: the first two are its state, one of them; the others are what holds in it. */
enum {
    CAPABLE_BEFORE = 1,    /* login is still to come */
    CAPABLE_AFTER = 2,     /* a user has logged in */
    CAPABLE_STARTTLS = 4,  /* there is a certificate, and no TLS yet */
    CAPABLE_PASSWORDS = 8, /* passwords may be sent */
    CAPABLE_REFUSING = 16, /* they may not, before TLS */
    CAPABLE_TLS = 32,      /* encrypted */
    CAPABLE_COMPRESS = 64, /* not compressed yet */
    CAPABLE_SCRAM = 128,   /* the setting `scram` */
};

/* Extensions that a client has to ask for (RFC 5161), as bits of struct imap's `enabled`. */
enum {
    ENABLED_REV2 = 1,      /* IMAP4rev2 (RFC 9051) */
    ENABLED_UTF8 = 2,      /* UTF8=ACCEPT (RFC 6855) */
    ENABLED_CONDSTORE = 4, /* RFC 7162; also by a command that implies it */
    ENABLED_QRESYNC = 8,   /* the same; implies CONDSTORE */
};

/* Appends "CAPABILITY IMAP4rev1 ..." as it is in `state` (bits CAPABLE_*), APPENDLIMIT with that number (RFC
 * 7889). */
void capabilities_write(unsigned state, uint64_t append_limit, struct bytes *out);
/* The ENABLED_* bits of a capability's name in ENABLE; 0 where it isn't one to enable. */
unsigned capability_enables(struct span name);
/* The n-th name that ENABLE knows, and its own bit (for ENABLED's answer); NULL past the last. */
const char *capability_enabled_name(size_t n, unsigned *bit);

#endif
