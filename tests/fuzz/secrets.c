/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Entries of `secrets`: a line of a passwd-file, what the table keeps of it, and the line changed. What is
 * read of a value lies within it, the verifiers have one form, and a field that was set is there once and can
 * be taken away.
 */
#include "fuzz.h"

#include "store/secrets.h"

static void check_value(struct span value)
{
    static struct secrets_verifier list[SECRETS_APPS + 1];
    struct span rest = secrets_value_extra(value);
    struct secrets_app app;
    struct peer nowhere = { .known = false };
    while (secrets_app_next(&rest, &app))
        HOLDS(fuzz_within(app.name, value) && fuzz_within(app.hash, value) && secrets_app_name(app.name));
    size_t count = secrets_value_verifiers(value, list);
    HOLDS(count <= SECRETS_APPS + 1);
    for (size_t i = 1; i < count; i++)
        HOLDS(list[i].app[0] && list[i].v.iterations == list[0].v.iterations &&
              list[i].v.salt_length == list[0].v.salt_length);
    secrets_value_admits(value, &nowhere);
    secrets_value_admits(value, NULL);
}

static size_t count_word(struct span line, const char *wanted)
{
    struct span field[SECRETS_FIELDS], word;
    size_t count = 0;
    secrets_fields(line, field);
    while (secrets_next(&field[SECRETS_FIELDS - 1], &word))
        count += span_eq_str(word, wanted);
    return count;
}

static void check_change(struct span line)
{
    struct bytes with, without;
    bytes_init(&with, FUZZ_OUT_LIMIT);
    bytes_init(&without, FUZZ_OUT_LIMIT);
    HOLDS(secrets_change(line, SECRETS_NOLOGIN, SPAN(SECRETS_NOLOGIN), &with));
    HOLDS(count_word(span_bytes(&with), SECRETS_NOLOGIN) == 1);
    HOLDS(secrets_change(span_bytes(&with), SECRETS_NOLOGIN, SPAN(""), &without));
    HOLDS(count_word(span_bytes(&without), SECRETS_NOLOGIN) == 0);
    bytes_free(&with);
    bytes_free(&without);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span line = fuzz_span(data, size), field[SECRETS_FIELDS];
    struct bytes value;
    check_value(line);
    if (span_find(line, '\n') < line.n || span_find(line, '\0') < line.n) /* no line has them */
        return 0;
    bytes_init(&value, FUZZ_OUT_LIMIT);
    secrets_fields(line, field);
    if (!secrets_value(field[1], field[SECRETS_FIELDS - 1], &value))
        check_value(span_bytes(&value));
    check_change(line);
    bytes_free(&value);
    return 0;
}
