/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern user disable|enable|show.
 *
 * A disabled account has Dovecot's `nologin` in secrets. Its mail is delivered as ever. Who is logged in
 * stays so until the connection ends: no handler looks at secrets again.
 */
#include "user.h"
#include "store/last_login.h"
#include "store/password.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static int set_nologin(struct admin *a, const char *whose, struct span with)
{
    struct address account;
    int result = user_find(a, whose, &account);
    if (result == EX_OK && !with.n)
        result = secret_change(a, &account, SECRETS_NOLOGIN "=", SPAN(""));
    return result == EX_OK ? secret_change(a, &account, SECRETS_NOLOGIN, with) : result;
}

int user_disable(struct admin *a, int argc, char **argv)
{
    (void)argc;
    return set_nologin(a, argv[0], SPAN(SECRETS_NOLOGIN));
}

int user_enable(struct admin *a, int argc, char **argv)
{
    (void)argc;
    return set_nologin(a, argv[0], SPAN(""));
}

static const char *grade_word(struct span hash)
{
    static const char *const words[] = { [PASSWORD_UNUSABLE] = "can't be checked here",
                                         [PASSWORD_PLAIN] = "stands there in plain text",
                                         [PASSWORD_WEAK] = "weak if stolen",
                                         [PASSWORD_GOOD] = "good" };
    return words[password_grade(hash)];
}

/* How an account logs in, by its line in secrets. */
struct login {
    bool disabled, scram;
    struct span networks; /* "": any */
    struct span scheme, hash, extra;
};

static void read_login(struct span line, struct login *l)
{
    struct span field[SECRETS_FIELDS], word, without, verifier;
    secrets_fields(line, field);
    *l = (struct login){ .networks = SPAN(""), .hash = field[1], .extra = field[SECRETS_FIELDS - 1] };
    for (struct span rest = l->extra; secrets_next(&rest, &word);) {
        l->disabled |= span_eq_str(word, SECRETS_NOLOGIN) || span_starts(word, SECRETS_NOLOGIN "=");
        if (span_starts(word, "allow_nets="))
            l->networks = span_from(word, strlen("allow_nets="));
    }
    l->scheme = password_scheme(l->hash, &without);
    l->scram = secrets_verifier(l->hash, l->extra, &verifier) && verifier.n;
}

static void json_secret(struct span line)
{
    struct login l;
    read_login(line, &l);
    printf(",\"disabled\":%s", l.disabled ? "true" : "false");
    json_words(",", "networks", l.networks);
    json_pair(",", "scheme", l.scheme);
    json_pair(",", "grade", span_of(grade_word(l.hash)));
    printf(",\"scram\":%s", l.scram ? "true" : "false");
}

/* Its app passwords are in `user apppass list --json`. */
static int show_json(struct admin *a, const struct address *account)
{
    struct bytes text;
    struct span line;
    struct last_login last;
    int result = edit_read(a, TABLE_SECRETS, &text);
    if (result == EX_OK) {
        json_pair("{", "account", span_of(account->text));
        if (edit_find(a, TABLE_SECRETS, &text, account->text, &line))
            json_secret(span_trim(line));
        bool any = last_login_find(&a->s, account, NULL, &last) == ST_OK;
        json_pair(",", "last-login", any ? span_of(last.time) : (struct span){ NULL, 0 });
        puts("}");
    }
    bytes_wipe(&text);
    return result;
}

static void show_secret(struct admin *a, const struct address *account, struct span line)
{
    struct login l;
    read_login(line, &l);
    printf("logins %s\n", l.disabled ? "disabled" : "enabled");
    if (l.networks.n) {
        printf("networks ");
        say_word(l.networks);
        printf("\n");
    }
    printf("password ");
    say_word(l.scheme);
    printf(" %s\n", grade_word(l.hash));
    printf("scram %s\n", l.scram ? "yes" : "no");
    user_list_apps(a, account, l.extra, "app ");
}

int user_show(struct admin *a, int argc, char **argv)
{
    struct address account;
    struct bytes text;
    struct span line;
    struct last_login last;
    (void)argc;
    int result = user_find(a, argv[0], &account);
    if (result != EX_OK)
        return result;
    if (a->json)
        return show_json(a, &account);
    printf("address %s\n", account.text);
    result = edit_read(a, TABLE_SECRETS, &text);
    if (result == EX_OK && edit_find(a, TABLE_SECRETS, &text, account.text, &line))
        show_secret(a, &account, span_trim(line));
    else if (result == EX_OK)
        puts("password none");
    bytes_wipe(&text);
    if (last_login_find(&a->s, &account, NULL, &last) == ST_OK)
        printf("last-login %s %s %s %s\n", last.time, last.name, last.service, last.peer);
    return result;
}
