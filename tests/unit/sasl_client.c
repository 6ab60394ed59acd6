/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SASL as a client: the choice of a mechanism, what each says, and SCRAM against the server's half that the
 * login has: servers that know the password, that don't, and that say what none may.
 */
#include "tap.h"

#include "net/sasl_client.h"
#include "store/scram_verifier.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    unsigned offered;
    bool may_show;
    const char *mechanism; /* NULL: none */
} choices[] = {
    { SASL_OFFERS_PLAIN | SASL_OFFERS_LOGIN | SASL_OFFERS_SCRAM, true, "SCRAM-SHA-256" },
    { SASL_OFFERS_PLAIN | SASL_OFFERS_LOGIN, true, "PLAIN" },
    { SASL_OFFERS_LOGIN, true, "LOGIN" },
    { SASL_OFFERS_PLAIN | SASL_OFFERS_SCRAM, false, "SCRAM-SHA-256" },
    { SASL_OFFERS_PLAIN | SASL_OFFERS_LOGIN, false, NULL },
    { 0, true, NULL },
};

static void each_choice(void)
{
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        struct sasl_client *c =
            sasl_client_new(choices[i].offered, choices[i].may_show, SPAN("n"), SPAN("p"));
        const char *got = c ? sasl_client_mechanism(c) : "none";
        ok(strcmp(got, choices[i].mechanism ? choices[i].mechanism : "none") == 0, "of %u%s: %s",
           choices[i].offered, choices[i].may_show ? "" : ", without showing it", got);
        sasl_client_free(c);
    }
}

static void plain_and_login(void)
{
    struct bytes out;
    bytes_init(&out, 1000);
    struct sasl_client *c = sasl_client_new(SASL_OFFERS_PLAIN, true, SPAN("user"), SPAN("pass word"));
    ok(sasl_client_first(c, &out) && out.len == 15 && memcmp(out.data, "\0user\0pass word", 15) == 0,
       "PLAIN");
    ok(sasl_client_done(c) && sasl_client_answer(c, SPAN(""), &out) == ST_PERM, "is said once");
    sasl_client_free(c);
    bytes_clear(&out);
    c = sasl_client_new(SASL_OFFERS_LOGIN, true, SPAN("user"), SPAN("pass"));
    ok(!sasl_client_first(c, &out) && !sasl_client_done(c), "LOGIN lets the server begin");
    ok(sasl_client_answer(c, SPAN("Anything:"), &out) == ST_OK && strcmp(bytes_str(&out), "user") == 0,
       "then the name");
    bytes_clear(&out);
    ok(sasl_client_answer(c, SPAN(""), &out) == ST_OK && strcmp(bytes_str(&out), "pass") == 0,
       "then the password");
    ok(sasl_client_done(c) && sasl_client_answer(c, SPAN(""), &out) == ST_PERM, "and nothing more");
    sasl_client_free(c);
    bytes_free(&out);
}

/* A server's half of an exchange with a client that has logged in as `name` with `password`; the server's
 * verifier is of `known`. */
static void exchange(const char *name, const char *password, const char *known, bool fits)
{
    struct bytes first, nonce, server, last, all, final, nothing;
    struct scram_verifier v;
    struct scram_first f;
    struct scram_final g;
    unsigned char signature[SCRAM_KEY];
    struct bytes *every[] = { &first, &nonce, &server, &last, &all, &final, &nothing };
    for (size_t i = 0; i < sizeof every / sizeof every[0]; i++)
        bytes_init(every[i], 10000);
    struct sasl_client *c = sasl_client_new(SASL_OFFERS_SCRAM, false, span_of(name), span_of(password));
    if (!scram_verifier_make(span_of(known), SPAN("salt of sixteen."), 4096, &v) || !c ||
        !sasl_client_first(c, &first))
        abort();
    bool read = scram_read_first(span_bytes(&first), &f);
    struct bytes plain;
    bytes_init(&plain, 1000);
    ok(read && f.flag == 'n' && f.nonce.n >= 18 && scram_name(f.name, &plain) &&
           strcmp(bytes_str(&plain), name) == 0,
       "%s is said", name);
    bytes_free(&plain);
    bytes_printf(&nonce, "%.*sserver", SPAN_FMT(f.nonce));
    scram_write_first(span_bytes(&nonce), &v, &server);
    enum status st = sasl_client_answer(c, span_bytes(&server), &last);
    ok(st == ST_OK && scram_read_final(span_bytes(&last), &g) && span_eq(g.nonce, span_bytes(&nonce)),
       "the proof is well formed");
    bytes_printf(&all, "%.*s,%s,%.*s", SPAN_FMT(f.bare), bytes_str(&server), SPAN_FMT(g.without_proof));
    ok(scram_verifier_proves(&v, span_bytes(&all), g.proof) == fits, "and %s", fits ? "right" : "wrong");
    scram_verifier_sign(&v, span_bytes(&all), signature);
    scram_write_final(signature, &final);
    ok(!sasl_client_done(c), "the server has shown nothing yet");
    st = sasl_client_answer(c, span_bytes(&final), &nothing);
    ok(fits ? st == ST_OK && sasl_client_done(c) && nothing.len == 0 : st == ST_PERM && !sasl_client_done(c),
       "a server that %s the password", fits ? "knows" : "doesn't know");
    sasl_client_free(c);
    for (size_t i = 0; i < sizeof every / sizeof every[0]; i++)
        bytes_free(every[i]);
}

/* What stands for the client's nonce is put in for N. */
static const char *const wrong[] = {
    "",
    "r=N",
    "r=N,s=c2FsdA==,i=4096", /* nothing added to it */
    "r=other,s=c2FsdA==,i=4096",
    "r=Nx,s=c2FsdA==,i=4095",
    "r=Nx,s=c2FsdA==,i=1000001",
    "r=Nx,s=c2FsdA==,i=99999999999999999999",
    "r=Nx,s=c2FsdA==",
    "r=Nx,i=4096,s=c2FsdA==",
    "r=Nx,s=,i=4096",
    "r=Nx,s=!!!!,i=4096",
    "m=must,r=Nx,s=c2FsdA==,i=4096",
    "v=AAAA",
};

static void wrong_servers(void)
{
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct bytes first, said, out;
        struct scram_first f;
        bytes_init(&first, 1000);
        bytes_init(&said, 1000);
        bytes_init(&out, 1000);
        struct sasl_client *c = sasl_client_new(SASL_OFFERS_SCRAM, true, SPAN("n"), SPAN("p"));
        if (!c || !sasl_client_first(c, &first) || !scram_read_first(span_bytes(&first), &f))
            abort();
        for (const char *p = wrong[i]; *p; p++)
            if (*p == 'N')
                bytes_add_span(&said, f.nonce);
            else
                bytes_add_char(&said, *p);
        ok(sasl_client_answer(c, span_bytes(&said), &out) == ST_PERM && out.len == 0 && !sasl_client_done(c),
           "refused: %s", wrong[i]);
        sasl_client_free(c);
        bytes_free(&first);
        bytes_free(&said);
        bytes_free(&out);
    }
}

int main(void)
{
    each_choice();
    plain_and_login();
    exchange("user", "pencil", "pencil", true);
    exchange("a,b=c", "p\xc3\xa4ss", "p\xc3\xa4ss", true);
    exchange("user", "I\xc2\xadX", "IX", true); /* RFC 4013 3 */
    exchange("user", "pencil", "pencils", false);
    wrong_servers();
    return done_testing();
}
