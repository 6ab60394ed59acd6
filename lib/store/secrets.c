/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading and writing entries of `secrets`; see secrets.h.
 */
#include "store/secrets.h"
#include "base/log.h"
#include "base/settings.h"
#include "store/password.h"
#include "store/scram_verifier.h"
#include "text/date.h"

#include <string.h>

#define SCHEME "{" SCRAM_SCHEME "}"
#define EXTRA "scram="
#define NETS "allow_nets="

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

bool secrets_next(struct span *rest, struct span *word)
{
    *rest = span_trim(*rest);
    size_t n = 0;
    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t' && rest->p[n] != '\n')
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
    while (secrets_next(&extra, &word))
        if (span_starts(word, EXTRA)) {
            there = true;
            good = behind_scheme(span_from(word, sizeof EXTRA - 1), verifier);
        }
    good = good && (!there || scram_read_verifier(*verifier, &v));
    explicit_bzero(&v, sizeof v);
    return good;
}

/* --- app passwords */

bool secrets_app_name(struct span name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!ascii_alpha(c) && !ascii_digit(c) && c != '.' && c != '_' && (c != '-' || i == 0))
            return false;
    }
    return name.n && name.n <= SECRETS_APP_NAME;
}

bool secrets_app_read(struct span word, struct secrets_app *app)
{
    struct scram_verifier v;
    int64_t made;
    if (!span_starts(word, SECRETS_APP))
        return false;
    word = span_from(word, sizeof SECRETS_APP - 1);
    *app = (struct secrets_app){ .verifier = SPAN("") };
    if (!span_cut(&word, ',', &app->name) || !span_cut(&word, ',', &app->made) ||
        !span_cut(&word, ',', &app->hash) || !secrets_app_name(app->name) ||
        !date_read_internet(app->made, &made) || password_grade(app->hash) == PASSWORD_UNUSABLE)
        return false;
    bool good =
        word.n == 0 || (behind_scheme(word, &app->verifier) && scram_read_verifier(app->verifier, &v));
    explicit_bzero(&v, sizeof v);
    return good;
}

bool secrets_app_next(struct span *rest, struct secrets_app *app)
{
    struct span word;
    while (secrets_next(rest, &word))
        if (secrets_app_read(word, app))
            return true;
    return false;
}

bool secrets_app_write(const struct secrets_app *app, struct bytes *out)
{
    bytes_printf(out, SECRETS_APP "%.*s,%.*s,%.*s", SPAN_FMT(app->name), SPAN_FMT(app->made),
                 SPAN_FMT(app->hash));
    if (app->verifier.n)
        bytes_printf(out, "," SCHEME "%.*s", SPAN_FMT(app->verifier));
    return !out->failed;
}

/* --- who may come from where */

static bool is_disabled(struct span word)
{
    return span_eq_str(word, SECRETS_NOLOGIN) || span_starts(word, SECRETS_NOLOGIN "=");
}

/* NULL is asked for nothing but whether they can be read. */
static bool nets_admit(struct span nets, const struct peer *peer, bool *good)
{
    struct span one;
    struct network net;
    bool admits = false;
    *good = nets.n > 0;
    while (span_cut(&nets, ',', &one)) {
        if (span_eq_str(one, "local"))
            admits |= !peer || !peer->known;
        else if (settings_parse_network(one, &net))
            admits |= peer && peer->known && network_has(&net, &peer->address);
        else
            *good = false;
    }
    return admits && *good;
}

/* --- lines */

const char *secrets_wrong(struct span word)
{
    struct secrets_app app;
    bool good = true;
    if (span_starts(word, NETS))
        nets_admit(span_from(word, sizeof NETS - 1), NULL, &good);
    if (!good)
        return "has an allow_nets that isn't addresses and networks with commas between them";
    if (span_starts(word, SECRETS_APP) && !secrets_app_read(word, &app))
        return "has an app password that isn't app=NAME,DATE,{SCHEME}hash; `postern user apppass` makes them";
    return NULL;
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
    bytes_add_char(out, ':');
    if (verifier.n)
        bytes_printf(out, EXTRA "%.*s", SPAN_FMT(verifier));
    bool first = !verifier.n;
    while (secrets_next(&field[SECRETS_FIELDS - 1], &word))
        if (!span_starts(word, EXTRA)) {
            bytes_printf(out, "%s%.*s", first ? "" : " ", SPAN_FMT(word));
            first = false;
        }
    return !out->failed;
}

static bool is_the_one(struct span word, const char *which)
{
    size_t n = strlen(which);
    bool beginning = n && (which[n - 1] == '=' || which[n - 1] == ',');
    return beginning ? span_starts(word, which) : span_eq_str(word, which);
}

bool secrets_change(struct span line, const char *without, struct span with, struct bytes *out)
{
    struct span field[SECRETS_FIELDS], word;
    const char *between = "";
    secrets_fields(line, field);
    for (size_t i = 0; i + 1 < SECRETS_FIELDS; i++) {
        bytes_add_span(out, field[i]);
        bytes_add_char(out, ':');
    }
    while (secrets_next(&field[SECRETS_FIELDS - 1], &word))
        if (!is_the_one(word, without)) {
            bytes_printf(out, "%s%.*s", between, SPAN_FMT(word));
            between = " ";
        }
    if (with.n)
        bytes_printf(out, "%s%.*s", between, SPAN_FMT(with));
    return !out->failed;
}

/* --- the table's value */

/* How many have this name. */
static size_t count_apps(struct span extra, struct span name)
{
    struct secrets_app app;
    size_t count = 0;
    while (secrets_app_next(&extra, &app))
        count += !name.p || span_eq(app.name, name);
    return count;
}

static const char *check_extra(struct span extra)
{
    struct secrets_app app;
    struct span rest = extra, word;
    while (secrets_next(&rest, &word)) {
        const char *wrong = secrets_wrong(word);
        if (wrong)
            return wrong;
        if (secrets_app_read(word, &app) && count_apps(extra, app.name) > 1)
            return "has two app passwords of one name";
    }
    return count_apps(extra, (struct span){ NULL, 0 }) > SECRETS_APPS ? "has more than 32 app passwords"
                                                                      : NULL;
}

const char *secrets_value(struct span hash, struct span extra, struct bytes *out)
{
    struct span verifier, word;
    if (!secrets_verifier(hash, extra, &verifier))
        return "has no good {SCRAM-SHA-256} verifier, which is iterations,salt,StoredKey,ServerKey; `postern "
               "user "
               "passwd` sets one";
    const char *wrong = check_extra(extra);
    if (wrong)
        return wrong;
    bytes_add_span(out, hash);
    if (verifier.n && !(verifier.p >= hash.p && verifier.p < hash.p + hash.n)) {
        bytes_add_str(out, "\n" SCHEME);
        bytes_add_span(out, verifier);
    }
    while (secrets_next(&extra, &word))
        if (is_disabled(word) || span_starts(word, NETS) || span_starts(word, SECRETS_APP)) {
            bytes_add_char(out, '\n');
            bytes_add_span(out, word);
        }
    return out->failed || out->len > SECRETS_VALUE_LIMIT ? "is too long" : NULL;
}

struct span secrets_value_hash(struct span value)
{
    return span_head(value, span_find(value, '\n'));
}

struct span secrets_value_extra(struct span value)
{
    return span_from(value, span_find(value, '\n'));
}

bool secrets_value_disabled(struct span value)
{
    struct span rest = secrets_value_extra(value), word;
    while (secrets_next(&rest, &word))
        if (is_disabled(word))
            return true;
    return false;
}

bool secrets_value_admits(struct span value, const struct peer *peer)
{
    struct span rest = secrets_value_extra(value), word;
    bool admits = true, good;
    while (secrets_next(&rest, &word))
        if (span_starts(word, NETS))
            admits = nets_admit(span_from(word, sizeof NETS - 1), peer, &good);
    return admits;
}

/* The account's own. */
static bool read_own(struct span value, struct scram_verifier *v)
{
    struct span hash = secrets_value_hash(value), rest = secrets_value_extra(value), word, text = SPAN("");
    if (!behind_scheme(secrets_next(&rest, &word) ? word : hash, &text) && !behind_scheme(hash, &text))
        return false;
    if (scram_read_verifier(text, v))
        return true;
    log_event(LOG_ERR, "password-hash-unusable", "reason", "it is no SCRAM verifier", NULL);
    return false;
}

static bool same_form(const struct scram_verifier *a, const struct scram_verifier *b)
{
    return a->iterations == b->iterations && a->salt_length == b->salt_length &&
           memcmp(a->salt, b->salt, a->salt_length) == 0;
}

size_t secrets_value_verifiers(struct span value, struct secrets_verifier list[SECRETS_APPS + 1])
{
    struct span rest = secrets_value_extra(value);
    struct secrets_app app;
    size_t count = read_own(value, &list[0].v);
    list[0].app[0] = '\0';
    while (count <= SECRETS_APPS && secrets_app_next(&rest, &app)) {
        struct secrets_verifier *next = &list[count];
        if (app.verifier.n && scram_read_verifier(app.verifier, &next->v) &&
            span_copy(app.name, next->app, sizeof next->app) && same_form(&next->v, &list[0].v))
            count++;
    }
    return count;
}
