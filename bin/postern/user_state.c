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

static void show_secret(struct admin *a, const struct address *account, struct span line)
{
    struct span field[SECRETS_FIELDS], extra, word, hash, verifier;
    bool disabled = false;
    secrets_fields(line, field);
    for (extra = field[SECRETS_FIELDS - 1]; secrets_next(&extra, &word);)
        disabled |= span_eq_str(word, SECRETS_NOLOGIN) || span_starts(word, SECRETS_NOLOGIN "=");
    printf("logins %s\n", disabled ? "disabled" : "enabled");
    for (extra = field[SECRETS_FIELDS - 1]; secrets_next(&extra, &word);)
        if (span_starts(word, "allow_nets=")) {
            printf("networks ");
            say_word(span_from(word, strlen("allow_nets=")));
            printf("\n");
        }
    printf("password ");
    say_word(password_scheme(field[1], &hash));
    printf(" %s\n", grade_word(field[1]));
    printf("scram %s\n",
           secrets_verifier(field[1], field[SECRETS_FIELDS - 1], &verifier) && verifier.n ? "yes" : "no");
    user_list_apps(a, account, field[SECRETS_FIELDS - 1], "app ");
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
