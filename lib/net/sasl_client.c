/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The client's side of three mechanisms; see sasl_client.h. Names and passwords are prepared by SASLprep
 * where they can be, else taken as they are: the server then sees whether it knows them. No channel is bound
 * ("n,,"): what TLS protects is verified by its certificate.
 */
#include "net/sasl_client.h"
#include "base/clock.h"
#include "net/hash.h"
#include "text/base64.h"
#include "text/saslprep.h"
#include "text/scram.h"

#include <stdlib.h>
#include <string.h>

#define NONCE_BYTES 18
#define ITERATIONS_MOST 1000000 /* a second of work or so: more is meant to keep us busy */
#define GS2 "n,,"
#define OVER 10

enum mechanism { PLAIN, LOGIN, SCRAM };

struct sasl_client {
    enum mechanism mechanism;
    unsigned step; /* challenges answered */
    bool done;
    struct bytes name, password;
    struct bytes bare, nonce;           /* SCRAM: client-first-message-bare */
    unsigned char signature[SCRAM_KEY]; /* that the server must show */
};

static void prepare(struct span text, struct bytes *out)
{
    bytes_init(out, SASL_CLIENT_MESSAGE);
    if (!saslprep(text, out))
        bytes_add_span(out, text);
}

struct sasl_client *sasl_client_new(unsigned offered, bool may_show, struct span name, struct span password)
{
    if (!may_show)
        offered &= SASL_OFFERS_SCRAM;
    struct sasl_client *c = offered ? calloc(1, sizeof *c) : NULL;
    if (!c)
        return NULL;
    c->mechanism = offered & SASL_OFFERS_SCRAM ? SCRAM : offered & SASL_OFFERS_PLAIN ? PLAIN : LOGIN;
    prepare(name, &c->name);
    prepare(password, &c->password);
    bytes_init(&c->bare, SASL_CLIENT_MESSAGE);
    bytes_init(&c->nonce, SCRAM_NONCE_LIMIT);
    if (!c->name.failed && !c->password.failed)
        return c;
    sasl_client_free(c);
    return NULL;
}

void sasl_client_free(struct sasl_client *c)
{
    if (!c)
        return;
    bytes_wipe(&c->name);
    bytes_wipe(&c->password);
    bytes_free(&c->bare);
    bytes_free(&c->nonce);
    free(c);
}

const char *sasl_client_mechanism(const struct sasl_client *c)
{
    static const char *const names[] = { "PLAIN", "LOGIN", "SCRAM-SHA-256" };
    return names[c->mechanism];
}

static void add_escaped(struct span name, struct bytes *out)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] == ',' || name.p[i] == '=')
            bytes_add_str(out, name.p[i] == ',' ? "=2C" : "=3D");
        else
            bytes_add_char(out, name.p[i]);
}

static void scram_first(struct sasl_client *c, struct bytes *out)
{
    unsigned char random[NONCE_BYTES];
    random_bytes(random, sizeof random);
    base64_encode((struct span){ (char *)random, sizeof random }, &c->nonce);
    bytes_add_str(&c->bare, "n=");
    add_escaped(span_bytes(&c->name), &c->bare);
    bytes_printf(&c->bare, ",r=%s", bytes_str(&c->nonce));
    bytes_printf(out, GS2 "%s", bytes_str(&c->bare));
}

bool sasl_client_first(struct sasl_client *c, struct bytes *out)
{
    if (c->mechanism == LOGIN)
        return false;
    if (c->mechanism == SCRAM) {
        scram_first(c, out);
        return true;
    }
    bytes_add_char(out, '\0');
    bytes_add_span(out, span_bytes(&c->name));
    bytes_add_char(out, '\0');
    bytes_add_span(out, span_bytes(&c->password));
    c->done = true;
    return true;
}

/* --- SCRAM */

static struct span hash_span(const unsigned char hash[HASH_SIZE])
{
    return (struct span){ (const char *)hash, HASH_SIZE };
}

/* The value of the next attribute, which must be this one. */
static bool next_value(struct span *rest, char letter, struct span *value)
{
    struct span part;
    if (!span_cut(rest, ',', &part) || part.n < 3 || part.p[0] != letter || part.p[1] != '=')
        return false;
    *value = span_from(part, 2);
    return true;
}

struct server_first {
    struct span nonce, salt;
    uint64_t iterations;
};

static bool read_server_first(const struct sasl_client *c, struct span message, struct server_first *f)
{
    struct span rest = message, iterations;
    return next_value(&rest, 'r', &f->nonce) && next_value(&rest, 's', &f->salt) &&
           next_value(&rest, 'i', &iterations) && span_u64(iterations, ITERATIONS_MOST, &f->iterations) &&
           f->iterations >= SCRAM_ITERATIONS_LEAST && f->nonce.n > c->nonce.len &&
           span_eq(span_head(f->nonce, c->nonce.len), span_bytes(&c->nonce));
}

/* RFC 5802 3; all is over ours and theirs, and the last message without its proof. */
static bool compute(struct sasl_client *c, const struct server_first *f, struct span signed_text,
                    unsigned char proof[HASH_SIZE])
{
    unsigned char salted[HASH_SIZE], key[HASH_SIZE], stored[HASH_SIZE], mark[HASH_SIZE];
    struct bytes salt;
    bytes_init(&salt, SCRAM_SALT_LIMIT);
    bool good =
        base64_decode(f->salt, &salt) && salt.len &&
        hash_pbkdf2_sha256(span_bytes(&c->password), span_bytes(&salt), (unsigned)f->iterations, salted) &&
        hash_hmac_sha256(hash_span(salted), SPAN("Client Key"), key) && hash_sha256(hash_span(key), stored) &&
        hash_hmac_sha256(hash_span(stored), signed_text, mark);
    for (size_t i = 0; good && i < HASH_SIZE; i++)
        proof[i] = key[i] ^ mark[i];
    good = good && hash_hmac_sha256(hash_span(salted), SPAN("Server Key"), key) &&
           hash_hmac_sha256(hash_span(key), signed_text, c->signature);
    explicit_bzero(salted, sizeof salted);
    explicit_bzero(key, sizeof key);
    bytes_free(&salt);
    return good;
}

static enum status scram_prove(struct sasl_client *c, struct span message, struct bytes *out)
{
    struct server_first f;
    struct bytes last, all;
    unsigned char proof[HASH_SIZE];
    if (!read_server_first(c, message, &f))
        return ST_PERM;
    bytes_init(&last, SASL_CLIENT_MESSAGE);
    bytes_init(&all, 4 * SASL_CLIENT_MESSAGE);
    bytes_printf(&last, "c=biws,r=%.*s", SPAN_FMT(f.nonce)); /* "n,," */
    bytes_printf(&all, "%s,%.*s,%s", bytes_str(&c->bare), SPAN_FMT(message), bytes_str(&last));
    bool good = !last.failed && !all.failed && compute(c, &f, span_bytes(&all), proof);
    if (good) {
        bytes_printf(out, "%s,p=", bytes_str(&last));
        base64_encode(hash_span(proof), out);
    }
    bytes_free(&last);
    bytes_free(&all);
    return good && !out->failed ? ST_OK : ST_PERM;
}

/* Only who knows the password, or its verifier, can say this. */
static enum status scram_check(struct sasl_client *c, struct span message)
{
    struct span rest = message, value;
    struct bytes signature;
    bytes_init(&signature, HASH_SIZE + 2);
    c->done = next_value(&rest, 'v', &value) && base64_decode(value, &signature) &&
              signature.len == HASH_SIZE && hash_same((const unsigned char *)signature.data, c->signature);
    bytes_free(&signature);
    return c->done ? ST_OK : ST_PERM;
}

/* --- what the server says */

enum status sasl_client_answer(struct sasl_client *c, struct span challenge, struct bytes *out)
{
    unsigned step = c->step++;
    if (c->mechanism == SCRAM) {
        enum status st = step == 0   ? scram_prove(c, challenge, out)
                         : step == 1 ? scram_check(c, challenge)
                                     : ST_PERM;
        if (st != ST_OK) /* without a signature of ours nothing may be compared with it */
            c->step = OVER;
        return st;
    }
    if (c->mechanism == PLAIN || step > 1)
        return ST_PERM;
    bytes_add_span(out, span_bytes(step == 0 ? &c->name : &c->password));
    c->done = step == 1;
    return ST_OK;
}

bool sasl_client_done(const struct sasl_client *c)
{
    return c->done;
}
