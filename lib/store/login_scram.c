/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SCRAM-SHA-256 in the guard; see login.h.
 *
 * Of the client's messages nothing is taken apart here: they are bytes to hash around a nonce that this
 * process made, and what client-final must begin with (channel binding and nonce) is written down before it
 * comes and compared as a whole. So a session that was taken over can't log in without a proof for this very
 * exchange, nor say for a client that it had bound itself to the right channel. It learns salt and
 * iterations, as any stranger may, and a verifier never.
 *
 * An account has a verifier for each of its passwords, all with one salt; a proof is right if it fits one of
 * them.
 *
 * Who has no account or no verifier gets an invented one (store/scram_fake.h), which is made for all, and no
 * proof is right for it.
 */
#include "base/clock.h"
#include "base/files.h"
#include "store/login_private.h"
#include "store/scram_fake.h"
#include "store/scram_verifier.h"
#include "store/secrets.h"
#include "text/base64.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONCE_SIZE 18 /* random bytes of ours; 24 letters */
#define MESSAGES_LIMIT (4 * SCRAM_MESSAGE_LIMIT)

struct scram_exchange {
    bool known;  /* the verifiers are an account's */
    bool proven; /* the proof was right */
    bool plus;
    char name[LOGIN_NAME_LIMIT + 1];
    struct bytes key; /* the name as failures are counted */
    struct address account;
    struct bytes secret; /* its entry */
    struct secrets_verifier verifiers[SECRETS_APPS + 1];
    size_t count;          /* of them; what the client is told of them is the same for all */
    size_t which;          /* once proven: the one that the proof fits */
    struct bytes messages; /* client-first-bare,server-first */
    struct bytes expected; /* the beginning of client-final */
};

void login_forget(struct login *l)
{
    if (!l->scram)
        return;
    bytes_free(&l->scram->key);
    bytes_wipe(&l->scram->secret);
    bytes_free(&l->scram->messages);
    bytes_free(&l->scram->expected);
    explicit_bzero(l->scram, sizeof *l->scram);
    free(l->scram);
    l->scram = NULL;
}

const char *login_scram_name(const struct login *l)
{
    return l->scram ? l->scram->name : "";
}

const char *login_scram_mechanism(const struct login *l)
{
    return !l->scram ? "" : l->scram->plus ? SCRAM_SCHEME "-PLUS" : SCRAM_SCHEME;
}

/* Whose verifiers they are, or an invented one. */
static enum status find_verifiers(const struct settings *s, struct span name, struct scram_exchange *x)
{
    struct login_found found;
    struct scram_verifier fake;
    enum status st = login_find(s, name, true, &found);
    bytes_add_span(&x->key, span_bytes(&found.key));
    enum status faked = scram_fake(s, span_bytes(&found.key), span_bytes(&found.mix), &fake);
    if (st == ST_OK) {
        x->count = secrets_value_verifiers(span_bytes(&found.secret), x->verifiers);
        bytes_add_span(&x->secret, span_bytes(&found.secret));
        x->account = found.account;
    }
    x->known = x->count > 0;
    if (!x->known) {
        x->verifiers[0].v = fake;
        x->count = 1;
    }
    explicit_bzero(&fake, sizeof fake);
    login_found_free(&found);
    return faked == ST_OK && (st == ST_OK || st == ST_NONE) && !x->secret.failed ? ST_OK : ST_TEMP;
}

/* The client's nonce with ours behind it. */
static bool make_nonce(struct span client, struct bytes *nonce)
{
    unsigned char ours[NONCE_SIZE];
    random_bytes(ours, sizeof ours);
    bytes_add_span(nonce, client);
    return base64_encode((struct span){ (const char *)ours, sizeof ours }, nonce);
}

static bool write_messages(struct scram_exchange *x, const struct scram_request *r,
                           struct bytes *server_first)
{
    struct bytes nonce;
    bytes_init(&nonce, SCRAM_NONCE_LIMIT + 2 * NONCE_SIZE);
    bool ok = make_nonce(r->nonce, &nonce) &&
              scram_write_first(span_bytes(&nonce), &x->verifiers[0].v, server_first) &&
              scram_write_expected(r->gs2, r->binding_data, span_bytes(&nonce), &x->expected);
    bytes_add_span(&x->messages, r->bare);
    bytes_add_char(&x->messages, ',');
    ok = bytes_add_span(&x->messages, span_bytes(server_first)) && ok;
    bytes_free(&nonce);
    return ok;
}

enum status login_scram_first(struct login *l, const struct scram_request *r, struct bytes *server_first)
{
    int64_t since = clock_ms();
    if (!login_begin(l))
        return ST_PERM;
    struct scram_exchange *x = calloc(1, sizeof *x);
    enum status st = ST_TEMP;
    if (x) {
        l->scram = x;
        x->plus = r->plus;
        bytes_init(&x->key, ADDRESS_LIMIT + LOGIN_NAME_LIMIT);
        bytes_init(&x->messages, MESSAGES_LIMIT);
        bytes_init(&x->expected, MESSAGES_LIMIT);
        snprintf(x->name, sizeof x->name, "%.*s", SPAN_FMT(span_head(r->name, LOGIN_NAME_LIMIT)));
        bytes_init(&x->secret, SECRETS_VALUE_LIMIT);
        st = find_verifiers(l->settings, r->name, x);
        if (st == ST_OK && !write_messages(x, r, server_first))
            st = ST_TEMP;
    }
    if (st != ST_OK) {
        login_forget(l);
        login_delay(l, since);
    }
    return st;
}

/* The channel binding and the nonce, and maybe extensions behind them. */
static bool is_for_this(const struct scram_exchange *x, struct span without_proof)
{
    struct span expected = span_bytes(&x->expected);
    return span_eq(span_head(without_proof, expected.n), expected) &&
           (without_proof.n == expected.n || without_proof.p[expected.n] == ',');
}

/* Finds the verifier that the proof fits. */
static bool proves(struct scram_exchange *x, struct span messages, const unsigned char *proof)
{
    for (size_t i = 0; i < x->count; i++)
        if (scram_verifier_proves(&x->verifiers[i].v, messages, proof)) {
            x->which = i;
            return true;
        }
    return false;
}

static enum status prove(const struct login *l, struct span without_proof, const unsigned char *proof,
                         struct bytes *server_final)
{
    unsigned char signature[SCRAM_KEY];
    struct scram_exchange *x = l->scram;
    bytes_add_char(&x->messages, ',');
    if (!bytes_add_span(&x->messages, without_proof))
        return ST_TEMP;
    bool right = proves(x, span_bytes(&x->messages), proof);
    if (!scram_verifier_sign(&x->verifiers[x->which].v, span_bytes(&x->messages), signature))
        return ST_TEMP;
    errno = EPERM;
    if (!right || !x->known)
        return ST_PERM;
    enum status st = login_admit(l, x->account.text, span_bytes(&x->secret));
    if (st != ST_OK)
        return st;
    return scram_write_final(signature, server_final) ? ST_OK : ST_TEMP;
}

/* With a slot held. */
static enum status judge(struct login *l, struct span without_proof, const unsigned char *proof,
                         struct bytes *server_final)
{
    struct scram_exchange *x = l->scram;
    struct span key = span_bytes(&x->key);
    enum status st = login_limits_ask(l, key);
    errno = st == ST_PERM ? EUSERS : EAGAIN;
    if (st != ST_OK)
        return st;
    if (!is_for_this(x, without_proof)) {
        errno = EBADMSG;
        return ST_PERM;
    }
    st = prove(l, without_proof, proof, server_final);
    int why = errno;
    if (st == ST_PERM && why == EPERM)
        l->failures = login_limits_failed(l, key);
    if (st == ST_OK)
        login_limits_passed(l, key);
    errno = why;
    return st;
}

enum status login_scram_final(struct login *l, struct span without_proof,
                              const unsigned char proof[SCRAM_KEY], struct bytes *server_final)
{
    struct scram_exchange *x = l->scram;
    if (!x || x->proven) {
        errno = EPROTO;
        return ST_PERM;
    }
    int slot = login_take_slot(l->settings);
    int64_t since = clock_ms();
    enum status st = ST_TEMP;
    errno = EAGAIN;
    if (slot >= 0)
        st = judge(l, without_proof, proof, server_final);
    int why = errno;
    file_close(slot);
    x->proven = st == ST_OK;
    if (st != ST_OK) { /* one proof an exchange */
        login_forget(l);
        login_delay(l, since);
    }
    errno = why;
    return st;
}

bool login_scram_enter(struct login *l)
{
    if (!l->scram || !l->scram->proven)
        return false;
    l->account = l->scram->account;
    memcpy(l->password, l->scram->verifiers[l->scram->which].app, sizeof l->password);
    l->done = true;
    login_record(l);
    login_forget(l);
    return true;
}
