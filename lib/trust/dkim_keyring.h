/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The keys with which a domain signs now (store/dkim_keys.h), opened: of each algorithm the newest. For
 * processes that may hold private keys: smtpd's guard, and qrun for its reports.
 */
#ifndef POSTERN_TRUST_DKIM_KEYRING_H
#define POSTERN_TRUST_DKIM_KEYRING_H

#include "net/signature.h"
#include "store/dkim_keys.h"

#define DKIM_KEYRING_LIMIT 2 /* algorithms that there are */

struct dkim_keyring {
    size_t count;
    struct {
        char selector[DKIM_SELECTOR_LIMIT + 1];
        struct signature_key key;
    } keys[DKIM_KEYRING_LIMIT]; /* RSA first, which everybody knows: it is on top in a message */
};

/* ST_OK: there is a key at least; closed with dkim_keyring_close(). ST_NONE: the domain has none that signs.
 * ST_TEMP: can't tell now; logged. A key that can't be used (no private key, or others may read its file) is
 * logged too, and left out. A key that is rotated meanwhile is looked for again. */
enum status dkim_keyring_open(const struct settings *s, const char *domain, struct dkim_keyring *k);
void dkim_keyring_close(struct dkim_keyring *k);

/* Signs a message of ours in memory, whose From is in that domain (in any spelling), relaxed, with each of
 * the domain's keys: *fields gets what is to be put before it. ST_NONE: the domain has no keys. */
enum status dkim_keyring_sign(const struct settings *s, const char *domain, struct span message, int64_t now,
                              struct bytes *fields);

#endif
