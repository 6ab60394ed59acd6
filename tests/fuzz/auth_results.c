/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Authentication-Results: the value of one field, and values that are written and read again.
 */
#include "fuzz.h"

#include "trust/auth_results.h"

#define OURS "mx.example.org"
#define FIELD "Authentication-Results:"

static bool is_keyword(const char *s)
{
    for (const char *p = s; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || ascii_digit(*p) || *p == '-' || *p == '_'))
            return false;
    return s[0] && strlen(s) < AUTH_RESULTS_WORD_LIMIT;
}

static void read_value(struct span value, bool with_instance)
{
    struct auth_results_reader reader;
    struct auth_result r;
    char id[128];
    unsigned version, instance = 0;
    if (!auth_results_open(value, id, sizeof id, &version, with_instance ? &instance : NULL, &reader)) {
        HOLDS(with_instance || auth_results_claims(value, OURS) || strlen(id) < sizeof id);
        return;
    }
    HOLDS(id[0]);
    while (auth_results_next(&reader, &r)) {
        HOLDS(!reader.bad && is_keyword(r.method) && is_keyword(r.result) &&
              r.count <= AUTH_RESULTS_PROPERTIES);
        for (size_t i = 0; i < r.count; i++)
            HOLDS(is_keyword(r.properties[i].type) && is_keyword(r.properties[i].name) &&
                  auth_result_property(&r, r.properties[i].type, r.properties[i].name));
    }
    HOLDS(reader.bad || reader.rest.n == 0);
}

/* One line of the input each. */
static const char *next_text(struct span *rest, char *to, size_t room)
{
    struct span line = { "", 0 };
    span_cut(rest, '\n', &line);
    if (!span_copy(span_head(line, room - 1), to, room))
        to[0] = '\0';
    return to;
}

static void there_and_back(struct span input)
{
    char text[3][AUTH_RESULTS_VALUE_LIMIT + 50];
    struct bytes out;
    struct auth_results w;
    struct auth_results_reader reader;
    struct auth_result r;
    char id[AUTH_RESULTS_VALUE_LIMIT + 1];
    unsigned version;
    bytes_init(&out, FUZZ_OUT_LIMIT);
    for (size_t i = 0; i < 3; i++)
        next_text(&input, text[i], sizeof text[i]);
    auth_results_start(&w, &out, text[0][0] ? text[0] : OURS, 0);
    auth_results_method(&w, "spf", "pass");
    auth_results_comment(&w, text[0]);
    auth_results_reason(&w, text[1]);
    auth_results_property(&w, "smtp", "mailfrom", text[2]);
    auth_results_method(&w, "dmarc", "fail");
    HOLDS(auth_results_end(&w));
    struct span value = span_from(span_bytes(&out), sizeof FIELD - 1), line;
    for (struct span rest = span_bytes(&out); span_cut(&rest, '\n', &line) && line.n;)
        HOLDS(line.n <= 999 && line.p[line.n - 1] == '\r' && !memchr(line.p, '\r', line.n - 1) &&
              span_trim(line).n);
    bool blank = span_trim(span_head(span_of(text[0]), AUTH_RESULTS_VALUE_LIMIT)).n == 0;
    if (!blank || !text[0][0]) {
        HOLDS(auth_results_open(value, id, sizeof id, &version, NULL, &reader));
        HOLDS(auth_results_next(&reader, &r) && strcmp(r.method, "spf") == 0 &&
              strcmp(r.result, "pass") == 0);
        HOLDS(strlen(r.reason) == strnlen(text[1], AUTH_RESULTS_VALUE_LIMIT));
        HOLDS(r.count == (text[2][0] != '\0'));
        HOLDS(auth_results_next(&reader, &r) && strcmp(r.method, "dmarc") == 0 && r.count == 0);
        HOLDS(!auth_results_next(&reader, &r) && !reader.bad);
    }
    bytes_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_span(data, size);
    read_value(input, false);
    read_value(input, true);
    there_and_back(input);
    return 0;
}
