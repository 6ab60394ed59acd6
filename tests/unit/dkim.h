/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the DKIM tests share: a DNS of rows, and verifying a message that is given whole or in small pieces.
 */
#ifndef POSTERN_TESTS_UNIT_DKIM_H
#define POSTERN_TESTS_UNIT_DKIM_H

#include "text/header.h"
#include "trust/dkim.h"

#include <stdlib.h>

struct zone_row {
    const char *name;
    const char *text;   /* of a TXT record, cut into strings of 255 bytes; NULL: ST_TEMP */
    const char *second; /* of another record there; NULL: none */
};

struct zone {
    const struct zone_row *rows;
    size_t count;
    unsigned asked;
};

static inline void zone_add_text(struct dns_answer *answer, const char *text, size_t *ends)
{
    struct span rest = span_of(text);
    do {
        struct span string = span_head(rest, 255);
        bytes_add_char(&answer->raw, (char)(unsigned char)string.n);
        bytes_add_span(&answer->raw, string);
        rest = span_from(rest, string.n);
    } while (rest.n);
    ends[answer->count++] = answer->raw.len;
}

static inline enum status zone_ask(void *arg, const char *name, enum dns_type type, struct dns_answer *answer)
{
    struct zone *zone = arg;
    size_t ends[2], from = 0;
    zone->asked++;
    bytes_init(&answer->raw, DNS_ANSWER_LIMIT);
    for (size_t i = 0; i < zone->count; i++) {
        const struct zone_row *row = &zone->rows[i];
        if (type != DNS_TXT || strcmp(name, row->name) != 0)
            continue;
        if (!row->text)
            return ST_TEMP;
        zone_add_text(answer, row->text, ends);
        if (row->second)
            zone_add_text(answer, row->second, ends);
        for (size_t k = 0; k < answer->count; from = ends[k++]) {
            answer->records[k].type = DNS_TXT;
            answer->records[k].data = (struct span){ answer->raw.data + from, ends[k] - from };
        }
        return ST_OK;
    }
    return ST_NONE;
}

/* The results of a message, its body in pieces of that many bytes. */
static inline size_t verify_in_pieces(struct zone *zone, struct span message, int64_t now, size_t piece,
                                      struct dkim_result results[DKIM_SIGNATURES])
{
    const struct trust_lookup lookup = { zone, zone_ask, NULL };
    size_t head = header_end(message);
    struct dkim_verifier *v = dkim_verify_start(span_head(message, head), now);
    for (struct span body = span_from(message, head); body.n; body = span_from(body, piece))
        dkim_verify_body(v, span_head(body, piece));
    size_t count = dkim_verify_end(v, &lookup, results);
    dkim_verify_free(v);
    return count;
}

#endif
