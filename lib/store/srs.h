/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The Sender Rewriting Scheme: mail that aliases send on to another server leaves with a sender in a domain
 * of ours, from which a bounce finds its way back, so that the checks of that server (SPF) hold for us and
 * not for whom we can't speak for. The format is that of libsrs2 and postsrsd, whose addresses and secrets
 * these are:
 *
 *     SRS0=HHHH=TT=sender.example=user@ours     user@sender.example sent it
 *     SRS1=HHHH=first.example==HHHH=TT=...@ours first.example rewrote it before us: back there, whoever was
 * between
 *
 * HHHH: the first 24 bits of HMAC-SHA1 in base64 over what follows; TT: the day, in base32 and modulo 1024.
 *
 * The key is srs.key beside the settings, a secret a line: the first is what new addresses get, all are what
 * comes back is checked with.
 */
#ifndef POSTERN_STORE_SRS_H
#define POSTERN_STORE_SRS_H

#include "base/settings.h"
#include "base/status.h"
#include "text/address.h"

#define SRS_KEY_FILE "srs.key"
#define SRS_DAYS 21 /* how long a bounce may take */

/* Reads the key into *key, which the caller wipes in each case. ST_NONE: there is none; ST_TEMP: logged. */
enum status srs_key(const struct settings *s, struct bytes *key);

/* Does its local part have the form? */
bool srs_is(const struct address *a);
/* Pure: the sender under which mail goes on, in the domain `ours`. ST_PERM: it can't be rewritten (its local
 * part is quoted, or gets too long). */
enum status srs_forward(struct span key, const struct address *sender, struct span ours, int64_t now,
                        struct address *out);
/* Pure: where a bounce to such an address goes. ST_PERM: it isn't ours, or too old. */
enum status srs_reverse(struct span key, const struct address *a, int64_t now, struct address *out);

#endif
