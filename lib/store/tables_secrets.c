/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Compiling `secrets` and `masters`, passwd-files; see store/secrets.h for their entries. Beside them secrets
 * gets a count of how the verifiers look, from which those that names without one are given are made.
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

/* What an entry is looked up by; NULL where its name is none. */
static const char *secret_key(struct compile *c, struct span name, struct address *to)
{
    return tables_address(name, span_bytes(&c->first_domain), to) ? to->text : NULL;
}

static const char *master_key(struct compile *c, struct span name, struct address *to)
{
    (void)c;
    _Static_assert(sizeof to->text > TABLE_MASTER_LIMIT, "a master's name has room");
    return tables_master(name, to->text) ? to->text : NULL;
}

static const struct kind {
    const char *(*key)(struct compile *c, struct span name, struct address *to);
    const char *no_key, *no_hash;
} secrets = { secret_key, "is no address; a line is user@domain:{SCHEME}hash",
              "has no {SCHEME}hash behind a ':'; `postern user passwd` sets one" },
  masters = { master_key, "can't be a master user's name; a line is name:{SCHEME}hash",
              "has no {SCHEME}hash behind a ':'; `postern master passwd` sets one" };

static enum status compile_secret(struct compile *c, const struct kind *kind, unsigned number,
                                  struct span line, struct mix *mix)
{
    struct span field[SECRETS_FIELDS];
    struct bytes value;
    struct address a;
    secrets_fields(line, field);
    const char *key = kind->key(c, field[0], &a);
    if (!key || field[1].n == 0)
        return compile_wrong(c, number, field[0], key ? kind->no_hash : kind->no_key);
    bytes_init(&value, line.n + SCRAM_VERIFIER_TEXT);
    const char *wrong = secrets_value(field[1], field[SECRETS_FIELDS - 1], &value);
    enum status st = ST_PERM;
    if (wrong) {
        compile_wrong(c, number, field[0], wrong);
    } else {
        mix_count(mix, span_bytes(&value));
        st = compile_put(c, span_of(key), span_bytes(&value));
    }
    bytes_wipe(&value);
    return st;
}

static enum status compile_kind(struct compile *c, const struct kind *kind, struct mix *mix)
{
    struct span rest = c->text, line;
    enum status st = ST_OK;
    for (unsigned number = 0; st == ST_OK && compile_next(&rest, &number, &line);)
        st = compile_secret(c, kind, number, line, mix);
    return st;
}

enum status compile_secrets(struct compile *c)
{
    struct mix mix = { .count = 0 };
    enum status st = compile_kind(c, &secrets, &mix);
    return st == ST_OK ? put_mix(c, &mix) : st;
}

enum status compile_masters(struct compile *c)
{
    struct mix unused = { .count = 0 };
    return compile_kind(c, &masters, &unused);
}
