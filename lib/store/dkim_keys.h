/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The private keys with which mail is signed (RFC 6376), in files beside the settings, each in the state that
 * its name tells:
 *
 *     dkim/DOMAIN/SELECTOR.waiting.pem   made, and to be published in DNS before it signs
 *     dkim/DOMAIN/SELECTOR.pem           signs; of several with one algorithm the newest does
 *     dkim/DOMAIN/SELECTOR.retired.pem   signs no more: what it signed is still on its way, so its record
 *                                        stays in DNS for a while
 *
 * DOMAIN has A-labels and is in lower case. A key of another program's is one of these once it has such a
 * name. All belong to who runs the server, 0600 in folders of 0700: a key that others can read isn't used. A
 * key changes state by a rename, so that at no moment a domain that signs has none that does.
 *
 * Only guards open private keys, and qrun and `postern`; with which of them a sender's mail may be signed is
 * the guard's to decide (bin/smtpd/guard_sign.c).
 */
#ifndef POSTERN_STORE_DKIM_KEYS_H
#define POSTERN_STORE_DKIM_KEYS_H

#include "base/settings.h"
#include "base/status.h"

#define DKIM_KEYS_FOLDER "dkim"
#define DKIM_KEYS_LIMIT 32     /* of a domain; those that were made before these aren't seen */
#define DKIM_SELECTOR_LIMIT 63 /* bytes */
#define DKIM_KEY_FILE_LIMIT 16384

enum dkim_key_state { DKIM_KEY_WAITING, DKIM_KEY_SIGNING, DKIM_KEY_RETIRED, DKIM_KEY_STATES };
/* "waiting" and so on. */
const char *dkim_key_state_word(enum dkim_key_state state);

struct dkim_key {
    char selector[DKIM_SELECTOR_LIMIT + 1];
    enum dkim_key_state state;
    int64_t made; /* of the file: when it was written last, in nanoseconds since 1970 */
};
struct dkim_keys {
    size_t count;
    struct dkim_key list[DKIM_KEYS_LIMIT]; /* the oldest first */
};

/* A selector: labels of letters, digits, '-' and '_' with dots between, in lower case. */
bool dkim_selector_valid(struct span selector);

/* The keys of a domain. ST_NONE: it has none; ST_TEMP: can't tell, with errno. */
enum status dkim_keys_find(const struct settings *s, const char *domain, struct dkim_keys *keys);
/* All domains that have a folder of keys, in their order, a line each. ST_TEMP: can't tell, with errno. */
enum status dkim_keys_domains(const struct settings *s, struct bytes *domains);
/* The path of a key's file. False: too long. */
bool dkim_key_path(const struct settings *s, const char *domain, const struct dkim_key *key, char *path,
                   size_t size);

/* Appends the private key in PEM, which the caller wipes. ST_PERM: its file isn't ours, or others can read
 * it, or it is no file of a key's size; ST_NONE, ST_TEMP with errno. */
enum status dkim_key_read(const struct settings *s, const char *domain, const struct dkim_key *key,
                          struct bytes *pem);

/* --- for one process at a time: `postern` holds its lock. On disk when they return ST_OK; else with errno
 * --- */
/* ST_PERM with errno EEXIST: the selector has a key already. */
enum status dkim_key_write(const struct settings *s, const char *domain, const struct dkim_key *key,
                           struct span pem);
enum status dkim_key_change(const struct settings *s, const char *domain, struct dkim_key *key,
                            enum dkim_key_state state);
/* And the domain's folder with the last of its keys. */
enum status dkim_key_remove(const struct settings *s, const char *domain, const struct dkim_key *key);

#endif
