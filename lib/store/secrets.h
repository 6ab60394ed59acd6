/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An entry of `secrets`: the line of a passwd-file, and what the table keeps of it.
 *
 *     user@domain:{CRYPT}$y$...:uid:gid:gecos:home:shell:scram={SCRAM-SHA-256}65536,...   the line
 *     {CRYPT}$y$... LF {SCRAM-SHA-256}65536,...                                          the table's value
 *
 * Dovecot's passwd-files are this. Its last field has extra fields, with blanks between them. Dovecot's:
 *
 *     nologin             nobody logs in; the account gets mail
 *     allow_nets=NET,...  logins only from these addresses and networks, and `local` is what has no address
 *
 * Ours:
 *
 *     scram=VERIFIER      the verifier by which the same password is checked in SCRAM exchanges
 *     app=NAME,MADE,{SSHA256}HASH[,VERIFIER]   an app password; any number up to SECRETS_APPS
 *
 * An entry without `scram` whose hash is a verifier itself has that one; any other has none. In the table's
 * value those that aren't `scram` stand as they are, a line each. An app password is drawn by us and has more
 * random bits than anybody tries, so a fast hash is enough. Its verifier has salt and iterations of the
 * account's others: a SCRAM exchange asks for one salt before it can know which of the passwords the client
 * has.
 */
#ifndef POSTERN_STORE_SECRETS_H
#define POSTERN_STORE_SECRETS_H

#include "base/status.h"
#include "net/activation.h"
#include "text/scram.h"

#define SECRETS_FIELDS 8
#define SECRETS_APPS 32     /* app passwords of an account */
#define SECRETS_APP_NAME 32 /* bytes of the name of one */
#define SECRETS_VALUE_LIMIT 16384
#define SECRETS_APP "app=" /* as these extra fields begin */
#define SECRETS_NOLOGIN "nologin"
/* The key of a row that tells how the verifiers in the table look, so that invented ones can look like them:
 * lines of "iterations, bytes of the salt, how many verifiers are so". No address is called so. */
#define SECRETS_MIX "."

/* The fields of a line without its LF, the last of them with all that follows; those that aren't there are
 * empty. */
void secrets_fields(struct span line, struct span field[SECRETS_FIELDS]);
/* The next of the extra fields; false when there is none. Of a table's value too, behind its hash. */
bool secrets_next(struct span *rest, struct span *word);
/* The verifier's text without {SCHEME} in *verifier, empty where the entry has none. False: there is one, and
 * it is no verifier that could be used. */
bool secrets_verifier(struct span hash, struct span extra, struct span *verifier);
/* What an extra field may have wrong, as far as it is known here; NULL: nothing. */
const char *secrets_wrong(struct span word);

/* An app password. Spans point into the text that was read. */
struct secrets_app {
    struct span name;     /* letters, digits, . _ and -, the first no - */
    struct span made;     /* as date_write_internet() has it */
    struct span hash;     /* with {SCHEME} */
    struct span verifier; /* without {SCHEME}; empty: none */
};
/* May it be called so? */
bool secrets_app_name(struct span name);
/* Reads an extra field. False: it is none, or a wrong one. */
bool secrets_app_read(struct span word, struct secrets_app *app);
/* The next good one of the extra fields. */
bool secrets_app_next(struct span *rest, struct secrets_app *app);
bool secrets_app_write(const struct secrets_app *app, struct bytes *out);

/* Appends the entry's line, without a LF: the name, what is given for hash and verifier (both with their
 * {SCHEME}; an empty verifier is none), and what else the old line has, which may be empty. */
bool secrets_line(struct span name, struct span hash, struct span verifier, struct span old,
                  struct bytes *out);
/* Appends the line with its extra fields changed: without the one that is `without` or, where `without` ends
 * in '=' or ',', begins so; and with `with` at the end, where that isn't empty. */
bool secrets_change(struct span line, const char *without, struct span with, struct bytes *out);

/* A table's value. NULL: appended; else what is wrong with the entry. */
const char *secrets_value(struct span hash, struct span extra, struct bytes *out);
struct span secrets_value_hash(struct span value);
/* What of a value secrets_next() and secrets_app_next() read. */
struct span secrets_value_extra(struct span value);
bool secrets_value_disabled(struct span value);
/* May somebody log in from there? `peer` may be NULL: without an address. */
bool secrets_value_admits(struct span value, const struct peer *peer);

/* The verifiers by which a value's passwords are checked: one salt, one number of iterations. */
struct secrets_verifier {
    struct scram_verifier v;
    char app[SECRETS_APP_NAME + 1]; /* the app password's name; "": the account's own password */
};
/* How many; 0: none. One that can't be used is logged. */
size_t secrets_value_verifiers(struct span value, struct secrets_verifier list[SECRETS_APPS + 1]);

#endif
