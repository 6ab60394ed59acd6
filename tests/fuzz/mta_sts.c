/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * MTA-STS records and policies, and the HTTP responses that bring policies.
 */
#include "fuzz.h"

#include "text/http.h"
#include "text/mta_sts.h"

static void read_policy(struct span input)
{
    static struct sts_policy p;
    char id[STS_ID_LIMIT];
    if (sts_record_read(input, id) == ST_OK)
        HOLDS(strlen(id) > 0 && strlen(id) < STS_ID_LIMIT);
    if (sts_policy_read(input, &p) != ST_OK)
        return;
    HOLDS(p.max_age <= STS_MAX_AGE && p.count <= STS_PATTERNS && (p.count || p.mode == STS_MODE_NONE));
    for (size_t i = 0; i < p.count; i++) {
        HOLDS(strlen(p.mx[i]) > 0 && strlen(p.mx[i]) < STS_PATTERN_LIMIT);
        if (p.mx[i][0] != '*')
            HOLDS(sts_policy_covers(&p, p.mx[i]));
    }
    static struct sts_policy again;
    struct bytes text;
    bytes_init(&text, FUZZ_OUT_LIMIT);
    HOLDS(sts_policy_print(&p, &text) && sts_policy_read(span_bytes(&text), &again) == ST_OK);
    HOLDS(again.mode == p.mode && again.max_age == p.max_age && again.count == p.count);
    bytes_free(&text);
}

/* What a whole response says must not depend on how much came at a time: less of it is never something
 * else. */
static void read_response(struct span input)
{
    struct http_head head, early;
    size_t used, used_early;
    struct bytes body;
    bytes_init(&body, 65536);
    if (http_head_read(input, &head, &used) == ST_OK) {
        HOLDS(used <= input.n && used <= HTTP_HEAD_LIMIT && head.status >= 200 && head.status <= 599);
        HOLDS(http_head_read(span_head(input, used - 1), &early, &used_early) == ST_NONE);
        enum status st = http_chunks_read(span_from(input, used), &body);
        HOLDS(st == ST_OK || st == ST_NONE || st == ST_PERM);
        HOLDS(body.len <= input.n);
    }
    bytes_free(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_policy(fuzz_span(data, size));
    read_response(fuzz_span(data, size));
    return 0;
}
