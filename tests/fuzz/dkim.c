/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DKIM-Signature fields: whatever a message has, what is said of it is text that a report can have, the same
 * for a body in pieces as for one in whole, and nothing passes that wasn't signed. The first byte is the size
 * of the pieces.
 */
#include "fuzz.h"

#include "text/header.h"
#include "trust/dkim.h"

static enum status ask(void *arg, const char *name, enum dns_type type, struct dns_answer *answer)
{
    static const char record[] = "\x43v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    (void)arg;
    HOLDS(name[0] && strlen(name) < DNS_NAME_LIMIT && type == DNS_TXT);
    bytes_init(&answer->raw, DNS_ANSWER_LIMIT);
    bytes_add(&answer->raw, record, sizeof record - 1);
    answer->count = 1;
    answer->records[0].type = DNS_TXT;
    answer->records[0].data = span_bytes(&answer->raw);
    return ST_OK;
}

static bool clean(const char *text, size_t room)
{
    size_t n = strnlen(text, room);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return false;
    return n < room;
}

static size_t verify(struct span message, size_t piece, struct dkim_result *results)
{
    const struct trust_lookup lookup = { NULL, ask, NULL };
    size_t head = header_end(message);
    struct dkim_verifier *v = dkim_verify_start(span_head(message, head), 1700000000);
    HOLDS(v);
    for (struct span body = span_from(message, head); body.n; body = span_from(body, piece))
        dkim_verify_body(v, span_head(body, piece));
    size_t count = dkim_verify_end(v, &lookup, results);
    dkim_verify_free(v);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dkim_result whole[DKIM_SIGNATURES], parts[DKIM_SIGNATURES];
    if (size == 0)
        return 0;
    struct span message = fuzz_span(data + 1, size - 1);
    size_t n = verify(message, 1u << 20, whole);
    HOLDS(n <= DKIM_SIGNATURES && verify(message, data[0] + 1u, parts) == n);
    for (size_t i = 0; i < n; i++) {
        const struct dkim_result *r = &whole[i];
        HOLDS(memcmp(r, &parts[i], sizeof *r) == 0);
        HOLDS(r->result != TRUST_NONE && r->result != TRUST_TEMPERROR);
        HOLDS((r->result == TRUST_PASS) == (r->why[0] == '\0'));
        HOLDS(clean(r->domain, sizeof r->domain) && clean(r->selector, sizeof r->selector));
        HOLDS(clean(r->identity, sizeof r->identity) && clean(r->algorithm, sizeof r->algorithm));
        HOLDS(clean(r->hash_head, sizeof r->hash_head) && clean(r->why, sizeof r->why));
        /* The one message in the corpus that was signed with that key; and what is left of it in relaxed
         * form. */
        HOLDS(r->result != TRUST_PASS || strcmp(r->domain, "football.example.com") == 0);
    }
    return 0;
}
