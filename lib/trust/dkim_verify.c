/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Verifying a message's DKIM signatures; see dkim.h. What a signature covers of the header is hashed at the
 * start; the body is hashed once for each canonicalization that a signature still needs.
 */
#include "trust/dkim_private.h"

#include <stdlib.h>

#define HEAD_LEAST 8 /* RFC 6008 4 */

struct dkim_verifier {
    struct dkim_body bodies[2];
    bool used[2];
    unsigned char hashes[2][HASH_SIZE]; /* once the body has ended, where `good` */
    bool good[2];
    size_t count;
    struct dkim_signature signatures[DKIM_SIGNATURES];
};

static void read_signatures(struct dkim_verifier *v, struct span header, int64_t now,
                            struct dkim_fields *fields, struct dkim_tags *tags)
{
    struct header_field field;
    while (v->count < DKIM_SIGNATURES && header_named(&header, SPAN("DKIM-Signature"), &field)) {
        struct dkim_signature *s = &v->signatures[v->count++];
        dkim_signature_read(DKIM_SIGNATURE, &field, now, tags, s);
        dkim_signature_hash(s, &field, tags, fields, NULL);
        if (s->result.result == TRUST_NONE)
            v->used[s->body] = true;
    }
}

/* As short as may be, but that they differ. */
static void shorten_heads(struct dkim_verifier *v)
{
    for (size_t i = 0; i < v->count; i++) {
        size_t length = HEAD_LEAST;
        for (size_t j = 0; j < v->count; j++)
            if (i != j && strncmp(v->signatures[i].result.hash_head, v->signatures[j].result.hash_head,
                                  HEAD_LEAST) == 0)
                length = DKIM_HEAD_LIMIT - 1;
        v->signatures[i].result.hash_head[length] = '\0';
    }
}

struct dkim_verifier *dkim_verify_start(struct span header, int64_t now)
{
    struct header_field first;
    struct dkim_fields fields = { .count = 0 };
    struct dkim_verifier *v = calloc(1, sizeof *v);
    struct dkim_tags *tags = malloc(sizeof *tags);
    bool some = header_find(header, "DKIM-Signature", &first);
    bool good = v && tags && (!some || dkim_fields_init(&fields, header));
    if (good && some) {
        read_signatures(v, header, now, &fields, tags);
        shorten_heads(v);
    }
    for (int i = 0; good && i < 2; i++)
        if (v->used[i])
            good = dkim_body_start(&v->bodies[i], (enum dkim_canonical)i, NULL);
    dkim_fields_free(&fields);
    free(tags);
    if (!good) {
        dkim_verify_free(v);
        return NULL;
    }
    return v;
}

size_t dkim_verify_queries(const struct dkim_verifier *v, struct dns_query *queries, size_t room)
{
    size_t count = 0;
    for (size_t i = 0; i < v->count && count < room; i++) {
        if (v->signatures[i].result.result != TRUST_NONE ||
            !dkim_key_name(&v->signatures[i], queries[count].name))
            continue;
        queries[count].type = DNS_TXT;
        size_t same = 0;
        while (strcmp(queries[same].name, queries[count].name) != 0)
            same++;
        count += same == count;
    }
    return count;
}

bool dkim_verify_also(struct dkim_verifier *v, enum dkim_canonical canonical)
{
    if (!v->used[canonical])
        v->used[canonical] = dkim_body_start(&v->bodies[canonical], canonical, NULL);
    return v->used[canonical];
}

bool dkim_verify_hash(const struct dkim_verifier *v, enum dkim_canonical canonical,
                      unsigned char hash[HASH_SIZE], uint64_t *length)
{
    if (!v->good[canonical])
        return false;
    memcpy(hash, v->hashes[canonical], HASH_SIZE);
    *length = v->bodies[canonical].hash.total;
    return true;
}

void dkim_verify_body(struct dkim_verifier *v, struct span piece)
{
    for (int i = 0; i < 2; i++)
        if (v->used[i])
            dkim_body_add(&v->bodies[i], piece);
}

/* Whether bh= is that of the body. */
static void compare_bodies(struct dkim_verifier *v)
{
    for (int i = 0; i < 2; i++)
        if (v->used[i])
            v->good[i] = dkim_body_end(&v->bodies[i], v->hashes[i]);
    for (size_t i = 0; i < v->count; i++) {
        struct dkim_signature *s = &v->signatures[i];
        if (s->result.result == TRUST_NONE && v->good[s->body])
            dkim_signature_body(s, v->hashes[s->body], v->bodies[s->body].hash.total);
        else
            dkim_signature_is(s, TRUST_TEMPERROR, "no memory");
    }
}

size_t dkim_verify_end(struct dkim_verifier *v, const struct trust_lookup *lookup,
                       struct dkim_result results[DKIM_SIGNATURES])
{
    compare_bodies(v);
    for (size_t i = 0; i < v->count; i++) {
        dkim_signature_verify(&v->signatures[i], lookup);
        results[i] = v->signatures[i].result;
    }
    return v->count;
}

void dkim_verify_free(struct dkim_verifier *v)
{
    if (!v)
        return;
    for (int i = 0; i < 2; i++)
        dkim_body_drop(&v->bodies[i]);
    free(v);
}
