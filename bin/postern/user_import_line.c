/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A line of a passwd-file for `postern user import`: whom it makes, with which line in secrets, and what of
 * it is refused or can't be honoured. Passwords in plain text are hashed here, before any lock is taken.
 */
#include "user_import.h"
#include "base/clock.h"
#include "store/passwd_file.h"
#include "store/password.h"
#include "store/scram_verifier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define USERS_STEP 256
#define LINE_ROOM 32768 /* than the file's line has */

/* Whose line it is. NULL, or why it can't be one. */
static const char *find_account(struct user_import *u, struct span name, struct address *account)
{
    struct domain_entry e;
    bool there;
    if (!tables_address(name, span_bytes(&u->domain), account))
        return "is no address, nor the name of a user";
    for (size_t i = 0; i < u->count; i++)
        if (strcmp(u->users[i].account.text, account->text) == 0)
            return "is there twice; the first line counts";
    if (edit_domain(u->a, address_domain(account), &there, &e) != EX_OK || !there)
        return "is of no domain of this server; `postern domain add` makes it one";
    return e.kind == DOMAIN_OURS
               ? NULL
               : "is of a domain that is only another name, or relayed: no mail comes to accounts there";
}

static const char *check_extra(struct user_import *u, unsigned number, struct span extra, struct quota *quota)
{
    static char why[160];
    struct span word, name;
    while (secrets_next(&extra, &word)) {
        const char *wrong = secrets_wrong(word);
        if (wrong)
            return wrong;
        enum passwd_extra what = passwd_extra_read(word, &name, quota);
        if (what == PASSWD_KEPT)
            import_note(u, number, "%.*s: is kept in secrets, and does nothing here",
                        SPAN_FMT(span_head(name, 60)));
        if (what == PASSWD_REFUSED) {
            snprintf(why, sizeof why, "has %.*s, which can't be honoured", SPAN_FMT(span_head(name, 60)));
            return why;
        }
    }
    return NULL;
}

static const char *check_password(struct user_import *u, unsigned number, const struct passwd_entry *e)
{
    static char why[160];
    struct span stored = span_bytes(&e->stored), hash, scheme = password_scheme(stored, &hash);
    switch (password_grade(stored)) {
    case PASSWORD_UNUSABLE:
        snprintf(why, sizeof why,
                 "has a password in the scheme %.*s, which can't be checked here, or isn't of it",
                 SPAN_FMT(span_head(scheme, 40)));
        return why;
    case PASSWORD_WEAK:
        import_note(u, number, "the password is in a scheme that is guessed fast where it is stolen: %.*s",
                    SPAN_FMT(span_head(scheme, 40)));
        break;
    case PASSWORD_PLAIN:
        import_note(u, number, "the password stood there as it is; hashes of it are kept");
        break;
    case PASSWORD_GOOD:
        break;
    }
    return NULL;
}

static void note_fields(struct user_import *u, unsigned number, const struct passwd_entry *e)
{
    if (e->uid.n || e->gid.n)
        import_note(u, number,
                    "uid and gid: are kept in secrets, and do nothing here: all mail is the server's user's");
    if (e->home.n)
        import_note(u, number,
                    "home: is kept in secrets, and does nothing here; `postern import` brings the mail");
    if (e->gecos.n || e->shell.n)
        import_note(u, number, "gecos and shell: are kept in secrets, and do nothing here");
    if (e->locked)
        import_note(u, number, "the password is locked: the account is disabled");
    if (e->expires >= 0 && e->expires <= clock_now())
        import_note(u, number, "it has expired: the account is disabled");
    else if (e->expires >= 0)
        import_note(u, number, "it would expire; here it won't");
}

/* Both hashes, or what the file has. */
static int make_secret(struct user_import *u, const struct passwd_entry *e, struct span line,
                       struct import_user *user)
{
    struct secret made = { .hash = { .data = NULL } };
    struct span hash, verifier = SPAN(""), stored = span_bytes(&e->stored);
    struct bytes before, own;
    bool plain = password_grade(stored) == PASSWORD_PLAIN;
    int result = EX_OK;
    bytes_init(&before, LINE_ROOM);
    bytes_init(&own, LINE_ROOM);
    password_scheme(stored, &hash);
    if (plain) {
        bytes_add_span(&user->plain, hash);
        result = secret_make(u->a, &user->account, hash, &made);
    } else if (secrets_verifier(stored, e->extra, &verifier) && verifier.n &&
               !span_istarts(stored, "{" SCRAM_SCHEME "}")) {
        bytes_printf(&before, "{" SCRAM_SCHEME "}%.*s", SPAN_FMT(verifier));
    }
    bool disabled = e->locked || (e->expires >= 0 && e->expires <= clock_now());
    secrets_line(span_of(user->account.text), plain ? span_bytes(&made.hash) : stored,
                 plain ? span_bytes(&made.verifier) : span_bytes(&before), e->shadow ? SPAN("") : line, &own);
    if (result == EX_OK &&
        !(disabled ? secrets_change(span_bytes(&own), SECRETS_NOLOGIN, SPAN(SECRETS_NOLOGIN), &user->secret)
                   : bytes_add_span(&user->secret, span_bytes(&own))))
        result = complain(EX_OSERR, "%s:%u: out of memory, or the line is too long", u->file, user->number);
    bytes_wipe(&before);
    bytes_wipe(&own);
    secret_forget(&made);
    return result;
}

static struct import_user *new_user(struct user_import *u, unsigned number)
{
    if (u->count == u->room) {
        struct import_user *more = realloc(u->users, (u->room + USERS_STEP) * sizeof *more);
        if (!more)
            return NULL;
        u->users = more;
        u->room += USERS_STEP;
    }
    struct import_user *user = &u->users[u->count];
    *user = (struct import_user){ .number = number, .quota = { QUOTA_UNSET, QUOTA_UNSET } };
    bytes_init(&user->secret, 2 * LINE_ROOM);
    bytes_init(&user->plain, PASSWD_STORED_LIMIT);
    return user;
}

/* Is what came out an entry that the table takes? */
static const char *check_entry(struct span entry)
{
    struct span field[SECRETS_FIELDS];
    struct bytes value;
    bytes_init(&value, entry.n + SECRETS_VALUE_LIMIT);
    secrets_fields(entry, field);
    const char *wrong = secrets_value(field[1], field[SECRETS_FIELDS - 1], &value);
    bytes_wipe(&value);
    return wrong;
}

static const char *read_user(struct user_import *u, const struct passwd_entry *e, struct span line,
                             struct import_user *user)
{
    const char *why = find_account(u, e->name, &user->account);
    if (!why)
        why = check_extra(u, user->number, e->extra, &user->quota);
    if (!why)
        why = check_password(u, user->number, e);
    if (!why && make_secret(u, e, line, user) != EX_OK)
        why = "can't be hashed";
    if (!why)
        why = check_entry(span_bytes(&user->secret));
    if (!why)
        note_fields(u, user->number, e);
    return why;
}

bool import_line(struct user_import *u, unsigned number, struct span line)
{
    struct passwd_entry e;
    struct import_user *user = new_user(u, number);
    bool kept = false;
    if (!user)
        return false;
    const char *why = passwd_entry_read(line, u->scheme, &e);
    if (!why && e.stored.len == 0) {
        import_note(u, number, "there is no password: no account is made");
        u->passed++;
    } else if (why || (why = read_user(u, &e, line, user))) {
        import_refuse(u, number, e.name, why);
    } else {
        u->count++;
        kept = true;
    }
    if (!kept) {
        bytes_wipe(&user->secret);
        bytes_wipe(&user->plain);
    }
    passwd_entry_free(&e);
    return true;
}
