/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lies about SCRAM for lying-pop3.c: steps left out, repeated, in another order, with another's proof, and
 * channel bindings that may not be. Some begin with what is true, as a session may well hear a right proof
 * from its client before somebody takes it over.
 */
#ifndef POSTERN_TESTS_LYING_SCRAM_H
#define POSTERN_TESTS_LYING_SCRAM_H

#include "lying.h"
#include "scram_client.h"
#include "store/sasl.h"

#define ALICE "n=alice@example.test,r=abc"

static char heard[4096]; /* the text of the last answer */
static char said[4096];  /* client-final without its proof */
static unsigned char proof[SCRAM_KEY];

/* As ask(), keeping the answer's text. */
static void ask_text(struct serving *s)
{
    struct span text;
    ask(s);
    if (!message_get(&packet, &text) || !span_copy(text, heard, sizeof heard))
        heard[0] = '\0';
}

static void put_first(bool plus, const char *gs2, const char *bare, const char *name, const char *nonce,
                      const char *data)
{
    message_start(&packet, SASL_FIRST);
    message_put_u64(&packet, plus);
    message_put_str(&packet, gs2);
    message_put_str(&packet, bare);
    message_put_str(&packet, name);
    message_put_str(&packet, nonce);
    message_put_str(&packet, data);
}

static void first_of(struct serving *s, const char *name)
{
    put_first(false, "n,,", ALICE, name, "abc", "");
    ask_text(s);
}

/* The proof of one who has the password, for what was heard. */
static void make_final(const char *password)
{
    struct bytes b;
    bytes_init(&b, sizeof said);
    scram_write_expected(SPAN("n,,"), SPAN(""), scram_attribute(span_of(heard), 'r'), &b);
    span_copy(span_bytes(&b), said, sizeof said);
    if (!scram_client_prove(span_of(password), SPAN(ALICE), span_of(heard), span_of(said), proof))
        memset(proof, 0, sizeof proof);
    bytes_free(&b);
}

static void send_final(struct serving *s, size_t proof_size)
{
    message_start(&packet, SASL_FINAL);
    message_put_str(&packet, said);
    message_put(&packet, (struct span){ (char *)proof, proof_size });
    ask_text(s);
}

static void prove(struct serving *s, const char *password)
{
    make_final(password);
    send_final(s, sizeof proof);
}

static void enter(struct serving *s)
{
    message_start(&packet, SASL_ENTER);
    message_put_str(&packet, "");
    ask(s);
}

static void lie_scram_right(struct serving *s)
{
    first_of(s, "alice@example.test");
    prove(s, "alice-secret");
    enter(s);
}

static void lie_scram_enter(struct serving *s)
{
    enter(s);
}

static void lie_scram_no_proof(struct serving *s)
{
    first_of(s, "alice@example.test");
    enter(s);
}

static void lie_scram_no_first(struct serving *s)
{
    prove(s, "alice-secret");
}

static void lie_scram_wrong(struct serving *s)
{
    first_of(s, "alice@example.test");
    prove(s, "bob-secret");
    enter(s);
}

static void lie_scram_second_proof(struct serving *s)
{
    first_of(s, "alice@example.test");
    make_final("alice-secret");
    proof[7] ^= 1;
    send_final(s, sizeof proof);
    proof[7] ^= 1;
    send_final(s, sizeof proof);
}

/* A proof that was right in its exchange, with its own nonce and with the new one. */
static void lie_scram_replay(struct serving *s)
{
    unsigned char old[SCRAM_KEY];
    first_of(s, "alice@example.test");
    prove(s, "alice-secret");
    memcpy(old, proof, sizeof old);
    first_of(s, "alice@example.test");
    send_final(s, sizeof proof);
    first_of(s, "alice@example.test");
    make_final("?");
    memcpy(proof, old, sizeof old);
    send_final(s, sizeof proof);
    enter(s);
}

/* Bob's name behind Alice's proof. */
static void lie_scram_other_name(struct serving *s)
{
    first_of(s, "alice@example.test");
    prove(s, "alice-secret");
    first_of(s, "bob@example.test");
    enter(s);
}

static void lie_scram_swapped(struct serving *s)
{
    first_of(s, "bob@example.test");
    prove(s, "alice-secret");
    enter(s);
}

static void lie_scram_login_between(struct serving *s)
{
    first_of(s, "alice@example.test");
    prove(s, "alice-secret");
    put_login("bob@example.test", "wrong");
    ask(s);
    enter(s);
}

static void lie_scram_twice(struct serving *s)
{
    lie_scram_right(s);
    first_of(s, "bob@example.test");
}

static void lie_scram_guesses(struct serving *s)
{
    for (int i = 0; i < 4; i++)
        first_of(s, "alice@example.test");
}

/* What it learns: of her, of somebody unknown, and from a wrong proof. */
static void lie_scram_learn(struct serving *s)
{
    first_of(s, "alice@example.test");
    conn_printf(s->conn, "<%s>\r\n", heard);
    first_of(s, "nobody@example.test");
    conn_printf(s->conn, "<%s>\r\n", heard);
    prove(s, "alice-secret");
    conn_printf(s->conn, "<%s>\r\n", heard);
}

/* --- malformed, and bindings that may not be without TLS or in this form */

static void lie_scram_plus_plain(struct serving *s)
{
    put_first(true, "p=tls-exporter,,", ALICE, "alice", "abc", "0123456789abcdef0123456789abcdef");
    ask(s);
}

static void lie_scram_end_point_plain(struct serving *s)
{
    put_first(true, "p=tls-server-end-point,,", ALICE, "alice", "abc", "");
    ask(s);
}

static void lie_scram_bound_without_plus(struct serving *s)
{
    put_first(false, "p=tls-exporter,,", ALICE, "alice", "abc", "0123456789abcdef0123456789abcdef");
    ask(s);
}

static void lie_scram_unbound_plus(struct serving *s)
{
    put_first(true, "n,,", ALICE, "alice", "abc", "");
    ask(s);
}

static void lie_scram_unique(struct serving *s)
{
    put_first(true, "p=tls-unique,,", ALICE, "alice", "abc", "0123456789ab");
    ask(s);
}

static void lie_scram_data(struct serving *s)
{
    put_first(false, "n,,", ALICE, "alice", "abc", "data");
    ask(s);
}

static void lie_scram_no_header(struct serving *s)
{
    put_first(false, "", ALICE, "alice", "abc", "");
    ask(s);
}

static void lie_scram_field_too_many(struct serving *s)
{
    put_first(false, "n,,", ALICE, "alice", "abc", "");
    message_put_str(&packet, "");
    ask(s);
}

static void lie_scram_long(struct serving *s)
{
    static char text[SCRAM_MESSAGE_LIMIT + 2];
    memset(text, 'a', sizeof text - 1);
    put_first(false, "n,,", text, "alice", "abc", "");
    ask(s);
}

static void lie_scram_long_nonce(struct serving *s)
{
    static char text[SCRAM_NONCE_LIMIT + 2];
    memset(text, 'a', sizeof text - 1);
    put_first(false, "n,,", ALICE, "alice", text, "");
    ask(s);
}

static void lie_scram_short_proof(struct serving *s)
{
    first_of(s, "alice@example.test");
    make_final("alice-secret");
    send_final(s, sizeof proof - 1);
}

static void lie_scram_long_context(struct serving *s)
{
    char context[HANDOVER_CONTEXT + 2];
    memset(context, 'x', sizeof context - 1);
    context[sizeof context - 1] = '\0';
    first_of(s, "alice@example.test");
    prove(s, "alice-secret");
    message_start(&packet, SASL_ENTER);
    message_put_str(&packet, context);
    ask(s);
}

#define SCRAM_LIES                                                                                           \
    { "scram-right", lie_scram_right }, { "scram-enter", lie_scram_enter },                                  \
        { "scram-no-proof", lie_scram_no_proof }, { "scram-no-first", lie_scram_no_first },                  \
        { "scram-wrong", lie_scram_wrong }, { "scram-second-proof", lie_scram_second_proof },                \
        { "scram-replay", lie_scram_replay }, { "scram-other-name", lie_scram_other_name },                  \
        { "scram-swapped", lie_scram_swapped }, { "scram-login-between", lie_scram_login_between },          \
        { "scram-twice", lie_scram_twice }, { "scram-guesses", lie_scram_guesses },                          \
        { "scram-learn", lie_scram_learn }, { "scram-plus-plain", lie_scram_plus_plain },                    \
        { "scram-end-point-plain", lie_scram_end_point_plain },                                              \
        { "scram-bound-without-plus", lie_scram_bound_without_plus },                                        \
        { "scram-unbound-plus", lie_scram_unbound_plus }, { "scram-unique", lie_scram_unique },              \
        { "scram-data", lie_scram_data }, { "scram-no-header", lie_scram_no_header },                        \
        { "scram-field-too-many", lie_scram_field_too_many }, { "scram-long", lie_scram_long },              \
        { "scram-long-nonce", lie_scram_long_nonce }, { "scram-short-proof", lie_scram_short_proof },        \
    {                                                                                                        \
        "scram-long-context", lie_scram_long_context                                                         \
    }

#endif
