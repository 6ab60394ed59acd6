/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern user apppass add ADDRESS NAME | remove ADDRESS NAME | list [ADDRESS]
 *
 * An app password is drawn here, 100 random bits as five groups of four letters and digits that can't be
 * taken for each other, and printed once: what is kept is a hash and a verifier. It can be typed on a
 * telephone, and nobody can choose a weak one.
 */
#include "user.h"
#include "base/clock.h"
#include "store/last_login.h"
#include "store/password_digest.h"
#include "store/scram_verifier.h"
#include "text/date.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define GROUPS 5
#define GROUP 4
#define LETTERS "0123456789abcdefghjkmnpqrstvwxyz" /* 32, five bits each; without i, l, o, u */

static void draw(struct bytes *password)
{
    unsigned char random[GROUPS * GROUP];
    _Static_assert(sizeof LETTERS == 32 + 1, "five bits a letter");
    random_bytes(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        if (i && i % GROUP == 0)
            bytes_add_char(password, '-');
        bytes_add_char(password, LETTERS[random[i] % 32]);
    }
    explicit_bzero(random, sizeof random);
}

/* The extra field of an account with this line. */
static bool make_field(struct span line, struct span name, struct span password, struct bytes *field)
{
    struct scram_verifier like;
    struct bytes made, hash, verifier;
    bytes_init(&made, 64);
    bytes_init(&hash, 256);
    bytes_init(&verifier, 512);
    bool good = date_write_internet(clock_now(), &made) && password_digest_make(password, &hash) == ST_OK &&
                scram_verifier_hash(password, secret_form(line, &like) ? &like : NULL, &verifier) == ST_OK;
    struct secrets_app app = { name, span_bytes(&made), span_bytes(&hash),
                               span_from(span_bytes(&verifier), sizeof "{" SCRAM_SCHEME "}" - 1) };
    good = good && secrets_app_write(&app, field);
    bytes_free(&made);
    bytes_wipe(&hash);
    bytes_wipe(&verifier);
    return good;
}

static bool find_app(struct span line, struct span name, size_t *count)
{
    struct span field[SECRETS_FIELDS];
    struct secrets_app app;
    bool found = false;
    *count = 0;
    secrets_fields(line, field);
    for (; secrets_app_next(&field[SECRETS_FIELDS - 1], &app); ++*count)
        found |= span_eq(app.name, name);
    return found;
}

static int must_be_new(const struct address *account, struct span line, const char *name)
{
    size_t count;
    if (find_app(line, span_of(name), &count))
        return complain(EX_DATAERR,
                        "%s: has an app password of that name; choose another, or remove it first",
                        account->text);
    if (count >= SECRETS_APPS)
        return complain(EX_DATAERR, "%s: has %u app passwords, and more aren't possible", account->text,
                        SECRETS_APPS);
    return EX_OK;
}

static int add(struct admin *a, const struct address *account, const char *name)
{
    struct bytes text, password, field;
    struct span line;
    if (!secrets_app_name(span_of(name)))
        return complain(EX_DATAERR, "%s: a name is of letters, digits and . _ -, at most %u of them", name,
                        SECRETS_APP_NAME);
    bytes_init(&password, 64);
    bytes_init(&field, 1024);
    int result = secret_find(a, account, &text, &line);
    if (result == EX_OK)
        result = must_be_new(account, line, name);
    draw(&password);
    if (result == EX_OK && !make_field(line, span_of(name), span_bytes(&password), &field))
        result = complain(EX_OSERR, "the password can't be hashed");
    bytes_wipe(&text);
    if (result == EX_OK)
        result = secret_change(a, account, "", span_bytes(&field)); /* that checks the name again */
    if (result == EX_OK)
        puts(bytes_str(&password));
    bytes_wipe(&password);
    bytes_wipe(&field);
    return result;
}

static int remove_app(struct admin *a, const struct address *account, const char *name)
{
    struct bytes text;
    struct span line;
    size_t count;
    char which[SECRETS_APP_NAME + 8];
    int result = secret_find(a, account, &text, &line);
    if (result == EX_OK && (!secrets_app_name(span_of(name)) || !find_app(line, span_of(name), &count)))
        result = complain(EX_DATAERR, "%s: has no app password %s; `postern user apppass list` shows them",
                          account->text, name);
    bytes_wipe(&text);
    if (result != EX_OK)
        return result;
    snprintf(which, sizeof which, SECRETS_APP "%s,", name);
    return secret_change(a, account, which, SPAN(""));
}

/* --- list */

static void json_app(const struct address *account, const struct secrets_app *app,
                     const struct last_login *last)
{
    const struct span none = { NULL, 0 };
    json_line((struct json_member[]){ { "account", span_of(account->text) },
                                      { "name", app->name },
                                      { "made", app->made },
                                      { "used", last ? span_of(last->time) : none },
                                      { "service", last ? span_of(last->service) : none },
                                      { "peer", last ? span_of(last->peer) : none } },
              6);
}

void user_list_apps(struct admin *a, const struct address *account, struct span extra, const char *before)
{
    struct secrets_app app;
    struct last_login last;
    char name[SECRETS_APP_NAME + 1];
    while (secrets_app_next(&extra, &app)) {
        span_copy(app.name, name, sizeof name);
        bool used = last_login_find(&a->s, account, name, &last) == ST_OK &&
                    span_compare(span_of(last.time), app.made) >= 0; /* else of one of that name before */
        if (a->json) {
            json_app(account, &app, used ? &last : NULL);
            continue;
        }
        printf("%s%s %.*s %s %s %s\n", before, name, SPAN_FMT(app.made), used ? last.time : "-",
               used ? last.service : "-", used ? last.peer : "-");
    }
}

static int list(struct admin *a, const char *whose)
{
    struct address account, wanted;
    struct bytes text, domain;
    struct span rest, line, field[SECRETS_FIELDS];
    char before[ADDRESS_LIMIT + 8];
    int result = whose ? user_find(a, whose, &wanted) : EX_OK;
    if (result != EX_OK || (result = edit_first_domain(a, &domain)) != EX_OK)
        return result;
    result = edit_read(a, TABLE_SECRETS, &text);
    for (rest = span_bytes(&text); result == EX_OK && edit_next(&rest, &line);) {
        secrets_fields(line, field);
        if (!tables_address(field[0], span_bytes(&domain), &account) ||
            (whose && strcmp(account.text, wanted.text) != 0))
            continue;
        snprintf(before, sizeof before, "%s ", account.text);
        user_list_apps(a, &account, field[SECRETS_FIELDS - 1], before);
    }
    bytes_wipe(&text);
    bytes_free(&domain);
    return result;
}

int user_apppass(struct admin *a, int argc, char **argv)
{
    static const struct {
        const char *word;
        int (*run)(struct admin *a, const struct address *account, const char *name);
    } words[] = { { "add", add }, { "remove", remove_app } };
    struct address account;
    if (strcmp(argv[0], "list") == 0 && argc <= 2)
        return list(a, argc == 2 ? argv[1] : NULL);
    for (size_t i = 0; argc == 3 && i < sizeof words / sizeof words[0]; i++)
        if (strcmp(argv[0], words[i].word) == 0) {
            int result = user_find(a, argv[1], &account);
            return result == EX_OK ? words[i].run(a, &account, argv[2]) : result;
        }
    return complain(EX_USAGE,
                    "usage: postern user apppass add ADDRESS NAME | remove ADDRESS NAME | list [ADDRESS]");
}
