/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Password checks, in the guard: three a connection, a bounded number at a time on
 * this machine, and for unknown users the same work and the same delay as for known ones.
 *
 * A password comes as it is (login_check), or its knowledge is proved by SCRAM-SHA-256 (RFC 5802) in three
 * steps: first, final, enter. Both count as a check, and any beginning of one forgets an unfinished exchange.
 *
 * Who is right may still not come in: a disabled account (`nologin` in secrets), or one that logs in from
 * some networks only. That is found out after the password, never before.
 *
 * A master user (the table `masters`) logs in as any account, by his own password: as `account*master`, or
 * with the account as authorization identity (RFC 4616). Whether somebody is one, only this side says. By
 * passwords alone: in SCRAM's messages it is the session that reads names, and it could put another account's
 * in their place.
 *
 * Failures are counted over connections too, by source and by account (`login-failures`, see login_limits.c).
 */
#ifndef POSTERN_STORE_LOGIN_H
#define POSTERN_STORE_LOGIN_H

#include "base/settings.h"
#include "net/activation.h"
#include "store/secrets.h"
#include "store/tables.h"
#include "text/address.h"
#include "text/scram.h"

#define LOGIN_TRIES 3
#define LOGIN_NAME_LIMIT 320
#define LOGIN_PASSWORD_LIMIT 1024

struct login {
    const struct settings *settings;
    const struct peer *peer; /* whose failures are counted; NULL: nobody's in particular */
    const char *service;     /* for the record of last logins; NULL: none is kept */
    unsigned tries;          /* used so far */
    unsigned failures;       /* of this source of late, over connections */
    bool done;
    struct address account;       /* once done: canonical */
    char password[SECRETS_APP_NAME + 1]; /* once done: the app password's name, "" for the account's own */
    char master[TABLE_MASTER_LIMIT + 1]; /* once done: the master user who logged in as the account, or "" */
    struct scram_exchange *scram; /* one that has begun, or NULL */
};

void login_init(struct login *l, const struct settings *s, const struct peer *peer);
/* Forgets an unfinished exchange, and frees it. */
void login_forget(struct login *l);
/* Checks a name and a password that came with it; `as` is whom to be then, empty where that wasn't said.
 * ST_OK: logged in. ST_PERM: wrong name or password, or not from here (errno EPERM); a right password of an
 * account that is disabled (errno EKEYREVOKED); a master user's, and no such account (errno ENOENT); or
 * without looking, over the limit of failures (errno EUSERS) or after LOGIN_TRIES (errno EACCES: the guard
 * ends the connection then). ST_TEMP: could not look. Sleeps after a failure; the delay grows. */
enum status login_check(struct login *l, struct span as, struct span name, struct span password);

/* What a client said first. */
struct scram_request {
    bool plus;                /* the mechanism is -PLUS; for the log */
    struct span gs2;          /* the GS2 header, which the caller has judged */
    struct span bare;         /* the bare message */
    struct span name, nonce;  /* of it; the name without escapes */
    struct span binding_data; /* what the client has to bind to: of the kind that gs2 names, or empty */
};
/* Appends server-first: our nonce behind the client's, and the account's salt and iterations, or invented
 * ones. ST_PERM (errno EACCES): no try is left, or logged in. ST_TEMP: could not look. */
enum status login_scram_first(struct login *l, const struct scram_request *r, struct bytes *server_first);
/* Judges client-final: channel binding, nonce and proof. ST_OK: all is right; appends server-final. ST_PERM:
 * not (errno EPROTO: no exchange had begun; EBADMSG: another channel or nonce; EPERM: the name or the proof
 * is wrong, or it may not be from here; EKEYREVOKED: it is right, and the account disabled; EUSERS: over the
 * limit of failures). Sleeps after a failure, as login_check. */
enum status login_scram_final(struct login *l, struct span without_proof,
                              const unsigned char proof[SCRAM_KEY], struct bytes *server_final);
/* After a right one, and when the client has seen server-final: now it is logged in. False: there was
 * none. */
bool login_scram_enter(struct login *l);
/* Of the exchange that has begun, for the log: the name as the client gave it, and the mechanism's; ""
 * without one. */
const char *login_scram_name(const struct login *l);
const char *login_scram_mechanism(const struct login *l);

/* What a guard answers to its session in place of a status: the status, or where a login can say more than
 * that, one of these. `why` is errno after the call that gave the status. */
enum { LOGIN_SAYS_DISABLED = 16, LOGIN_SAYS_NO_ACCOUNT, LOGIN_SAYS_LIMITED };
unsigned login_says(enum status st, int why);

/* Splits a SASL PLAIN message (RFC 4616): authorization identity (empty where it is the name), name,
 * password. False if malformed. */
bool login_split_plain(struct span message, struct span *as, struct span *name, struct span *password);

#endif
