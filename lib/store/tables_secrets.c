/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Compiling `secrets`, a passwd-file; see store/secrets.h for its entries. Beside them the table gets a count
 * of how the verifiers look, from which those that names without one are given are made.
 */
#include "store/tables_private.h"
#include "store/scram_verifier.h"
#include "store/secrets.h"

#include <string.h>

/* How the verifiers look; more kinds than these aren't told of. */
struct mix {
    struct {
        unsigned iterations;
        size_t salt_length;
        unsigned count;
    } kinds[16];
    size_t count;
};

static void mix_count(struct mix *mix, struct span value)
{
    struct secrets_verifier list[SECRETS_APPS + 1];
    const struct scram_verifier *v = &list[0].v;
    size_t i = 0;
    if (secrets_value_verifiers(value, list) == 0)
        return;
    while (i < mix->count &&
           (mix->kinds[i].iterations != v->iterations || mix->kinds[i].salt_length != v->salt_length))
        i++;
    if (i < sizeof mix->kinds / sizeof mix->kinds[0]) {
        mix->kinds[i].iterations = v->iterations;
        mix->kinds[i].salt_length = v->salt_length;
        mix->kinds[i].count++;
        mix->count += i == mix->count;
    }
    explicit_bzero(list, sizeof list);
}

static enum status put_mix(struct compile *c, const struct mix *mix)
{
    struct bytes text;
    bytes_init(&text, 1024);
    for (size_t i = 0; i < mix->count; i++)
        bytes_printf(&text, "%u %zu %u\n", mix->kinds[i].iterations, mix->kinds[i].salt_length,
                     mix->kinds[i].count);
    enum status st = compile_put(c, SPAN(SECRETS_MIX), span_bytes(&text));
    bytes_free(&text);
    return st;
}

static enum status compile_secret(struct compile *c, unsigned number, struct span line, struct mix *mix)
{
    struct span field[SECRETS_FIELDS];
    struct bytes value;
    struct address a;
    secrets_fields(line, field);
    if (!tables_address(field[0], span_bytes(&c->first_domain), &a))
        return compile_wrong(c, number, field[0], "is no address; a line is user@domain:{SCHEME}hash");
    if (field[1].n == 0)
        return compile_wrong(c, number, field[0],
                             "has no {SCHEME}hash behind a ':'; `postern user passwd` sets one");
    bytes_init(&value, line.n + SCRAM_VERIFIER_TEXT);
    const char *wrong = secrets_value(field[1], field[SECRETS_FIELDS - 1], &value);
    enum status st = ST_PERM;
    if (wrong) {
        compile_wrong(c, number, field[0], wrong);
    } else {
        mix_count(mix, span_bytes(&value));
        st = compile_put(c, span_of(a.text), span_bytes(&value));
    }
    bytes_wipe(&value);
    return st;
}

enum status compile_secrets(struct compile *c)
{
    struct span rest = c->text, line;
    struct mix mix = { .count = 0 };
    enum status st = ST_OK;
    for (unsigned number = 0; st == ST_OK && compile_next(&rest, &number, &line);)
        st = compile_secret(c, number, line, &mix);
    return st == ST_OK ? put_mix(c, &mix) : st;
}
