/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading and writing entries of `secrets`; see secrets.h.
 */
#include "store/secrets.h"
#include "base/log.h"
#include "store/scram_verifier.h"

#include <string.h>

#define SCHEME "{" SCRAM_SCHEME "}"
#define EXTRA "scram="

void secrets_fields(struct span line, struct span field[SECRETS_FIELDS])
{
    for (size_t i = 0; i < SECRETS_FIELDS; i++) {
        field[i] = SPAN("");
        if (i + 1 < SECRETS_FIELDS)
            span_cut(&line, ':', &field[i]);
        else if (line.p)
            field[i] = line;
    }
}

/* The next of the words between blanks; false when there is none. */
static bool next_word(struct span *rest, struct span *word)
{
    *rest = span_trim(*rest);
    size_t n = 0;
    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
        n++;
    *word = span_head(*rest, n);
    *rest = span_from(*rest, n);
    return n > 0;
}

/* What is behind {SCRAM-SHA-256}; false if that isn't in front. */
static bool behind_scheme(struct span text, struct span *verifier)
{
    if (!span_istarts(text, SCHEME))
        return false;
    *verifier = span_from(text, sizeof SCHEME - 1);
    return true;
}

bool secrets_verifier(struct span hash, struct span extra, struct span *verifier)
{
    struct scram_verifier v;
    struct span word;
    *verifier = SPAN("");
    bool good = true, there = behind_scheme(hash, verifier);
    while (next_word(&extra, &word))
        if (span_starts(word, EXTRA)) {
            there = true;
            good = behind_scheme(span_from(word, sizeof EXTRA - 1), verifier);
        }
    good = good && (!there || scram_read_verifier(*verifier, &v));
    explicit_bzero(&v, sizeof v);
    return good;
}

bool secrets_line(struct span name, struct span hash, struct span verifier, struct span old,
                  struct bytes *out)
{
    struct span field[SECRETS_FIELDS], word;
    secrets_fields(old, field);
    bytes_add_span(out, name);
    bytes_add_char(out, ':');
    bytes_add_span(out, hash);
    for (size_t i = 2; i + 1 < SECRETS_FIELDS; i++) {
        bytes_add_char(out, ':');
        bytes_add_span(out, field[i]);
    }
    bytes_add_str(out, ":" EXTRA);
    bytes_add_span(out, verifier);
    while (next_word(&field[SECRETS_FIELDS - 1], &word))
        if (!span_starts(word, EXTRA)) {
            bytes_add_char(out, ' ');
            bytes_add_span(out, word);
        }
    return !out->failed;
}

bool secrets_value(struct span hash, struct span extra, struct bytes *out)
{
    struct span verifier;
    if (!secrets_verifier(hash, extra, &verifier))
        return false;
    bytes_add_span(out, hash);
    if (verifier.n && !(verifier.p >= hash.p && verifier.p < hash.p + hash.n)) {
        bytes_add_str(out, "\n" SCHEME);
        bytes_add_span(out, verifier);
    }
    return !out->failed;
}

struct span secrets_value_hash(struct span value)
{
    return span_head(value, span_find(value, '\n'));
}

enum status secrets_value_verifier(struct span value, struct scram_verifier *v)
{
    struct span hash, text = SPAN("");
    span_cut(&value, '\n', &hash);
    if (!behind_scheme(value.n ? value : hash, &text))
        return ST_NONE;
    if (scram_read_verifier(text, v))
        return ST_OK;
    log_event(LOG_ERR, "password-hash-unusable", "reason", "it is no SCRAM verifier", NULL);
    return ST_TEMP;
}
