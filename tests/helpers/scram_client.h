/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SCRAM-SHA-256 as its client computes it (RFC 5802 3), for tests that play one, honest or not.
 */
#ifndef POSTERN_TESTS_SCRAM_CLIENT_H
#define POSTERN_TESTS_SCRAM_CLIENT_H

#include "net/hash.h"
#include "text/base64.h"
#include "text/scram.h"

#include <stdlib.h>
#include <string.h>

/* The value of an attribute of a message; empty if it has none. */
static struct span scram_attribute(struct span message, char letter)
{
    struct span part;
    while (span_cut(&message, ',', &part))
        if (part.n > 2 && part.p[0] == letter && part.p[1] == '=')
            return span_from(part, 2);
    return SPAN("");
}

/* Makes the proof that a client with this password makes: for the bare first message, what the server
 * answered, and the last one without its proof. */
static bool scram_client_prove(struct span password, struct span bare, struct span server_first,
                               struct span without_proof, unsigned char proof[SCRAM_KEY])
{
    unsigned char salted[SCRAM_KEY], key[SCRAM_KEY], stored[SCRAM_KEY], mark[SCRAM_KEY];
    struct bytes salt, messages;
    uint64_t iterations = 0;
    bytes_init(&salt, SCRAM_SALT_LIMIT);
    bytes_init(&messages, 65536);
    bytes_printf(&messages, "%.*s,%.*s,%.*s", SPAN_FMT(bare), SPAN_FMT(server_first),
                 SPAN_FMT(without_proof));
    bool ok = span_u64(scram_attribute(server_first, 'i'), SCRAM_ITERATIONS_MOST, &iterations) &&
              base64_decode(scram_attribute(server_first, 's'), &salt) &&
              hash_pbkdf2_sha256(password, span_bytes(&salt), (unsigned)iterations, salted) &&
              hash_hmac_sha256((struct span){ (char *)salted, SCRAM_KEY }, SPAN("Client Key"), key) &&
              hash_sha256((struct span){ (char *)key, SCRAM_KEY }, stored) &&
              hash_hmac_sha256((struct span){ (char *)stored, SCRAM_KEY }, span_bytes(&messages), mark);
    for (size_t i = 0; i < SCRAM_KEY; i++)
        proof[i] = key[i] ^ mark[i];
    bytes_free(&salt);
    bytes_free(&messages);
    return ok;
}

#endif
