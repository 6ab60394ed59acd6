/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern user add|remove|passwd|list.
 *
 * Adding makes the Maildir first, then the secret, then the account: killed anywhere between, the
 * same command can be given again. The hash is made before the lock is taken, as it takes a while.
 */
#include "admin.h"
#include "store/folders.h"
#include "store/password.h"
#include "store/scram_verifier.h"
#include "store/secrets.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* What a password is known by. */
struct secret {
    struct bytes hash, verifier;
};

static void forget_secret(struct secret *secret)
{
    bytes_wipe(&secret->hash);
    bytes_wipe(&secret->verifier);
}

static int hash_password(const char *whose, struct secret *secret)
{
    struct bytes password;
    bytes_init(&secret->hash, 4096);
    bytes_init(&secret->verifier, 4096);
    if (!read_password(whose, &password))
        return EX_DATAERR;
    enum status st = password_hash(span_bytes(&password), &secret->hash);
    if (st == ST_OK)
        st = scram_verifier_hash(span_bytes(&password), &secret->verifier);
    bytes_wipe(&password);
    return st == ST_OK ? EX_OK : complain(EX_OSERR, "the password can't be hashed: %s", strerror(errno));
}

/* Sets the account's line in secrets, keeping what else a passwd-file has there. Lock held. */
static int set_secret(struct admin *a, const char *account, const struct secret *secret)
{
    struct bytes text, entry;
    struct span line, old = SPAN("");
    int result = edit_read(a, TABLE_SECRETS, &text);
    if (result != EX_OK)
        return result;
    bool there = edit_find(a, TABLE_SECRETS, &text, account, &line);
    if (there)
        old = span_head(line, span_find(line, '\n'));
    bytes_init(&entry, old.n + 16384);
    secrets_line(span_of(account), span_bytes(&secret->hash), span_bytes(&secret->verifier), old, &entry);
    if (!there)
        edit_append(&text, bytes_str(&entry));
    else if (bytes_add_char(&entry, '\n'))
        edit_replace(&text, line, span_bytes(&entry));
    result = edit_write(a, TABLE_SECRETS, &text);
    bytes_wipe(&entry);
    bytes_wipe(&text);
    return result;
}

void user_warn_scram(struct admin *a)
{
    struct bytes text;
    struct span rest, line, field[SECRETS_FIELDS], verifier;
    unsigned all = 0, without = 0;
    if (!a->s.scram || edit_read(a, TABLE_SECRETS, &text) != EX_OK)
        return;
    for (rest = span_bytes(&text); edit_next(&rest, &line); all++) {
        secrets_fields(line, field);
        without += secrets_verifier(field[1], field[SECRETS_FIELDS - 1], &verifier) && verifier.n == 0;
    }
    bytes_wipe(&text);
    if (without)
        printf(
            "%u of %u secrets have no SCRAM verifier. Clients that prefer SCRAM can't log in to these "
            "accounts\n"
            "until `postern user passwd` sets their passwords anew, or `scram no` stands in postern.conf.\n",
            without, all);
}

/* Is it in accounts? EX_OK: *there says so. */
static int find_account(struct admin *a, const char *account, bool *there)
{
    struct bytes text;
    struct span line;
    int result = edit_read(a, TABLE_ACCOUNTS, &text);
    *there = result == EX_OK && edit_find(a, TABLE_ACCOUNTS, &text, account, &line);
    bytes_free(&text);
    return result;
}

static int must_be_new(struct admin *a, const struct address *account)
{
    struct bytes domains;
    struct span line;
    bool there, ours;
    char domain[ADDRESS_LIMIT];
    int result = edit_read(a, TABLE_DOMAINS, &domains);
    ours = result == EX_OK && span_copy(address_domain(account), domain, sizeof domain) &&
           edit_find(a, TABLE_DOMAINS, &domains, domain, &line);
    bytes_free(&domains);
    if (result == EX_OK && !ours)
        return complain(EX_NOHOST,
                        "%s: the domain isn't one of this server's; `postern domain add` makes it one",
                        account->text);
    if (result == EX_OK)
        result = find_account(a, account->text, &there);
    if (result == EX_OK && there)
        return complain(EX_DATAERR, "%s: is an account already; `postern user passwd` changes its password",
                        account->text);
    return result;
}

static bool maildir_of(struct admin *a, const struct address *account, struct bytes *path)
{
    bytes_init(path, 4096);
    return settings_maildir(&a->s, address_local(account), address_domain(account), path);
}

static int make_maildir(struct admin *a, const struct address *account)
{
    struct bytes path;
    struct mail *mail = NULL;
    int result = EX_OK;
    if (!maildir_of(a, account, &path))
        result = complain(EX_DATAERR, "%s: can't be the name of a folder; choose another", account->text);
    else if (mail_open(bytes_str(&path), a->s.hostname, &mail) != ST_OK ||
             folders_make_standard(mail) != ST_OK)
        result = complain(EX_CANTCREAT, "%s: can't make the Maildir: %s", bytes_str(&path), strerror(errno));
    mail_close(mail);
    bytes_free(&path);
    return result;
}

static int add_account(struct admin *a, const char *account)
{
    struct bytes text;
    struct span rest, line;
    int result = edit_read(a, TABLE_ACCOUNTS, &text);
    rest = span_bytes(&text);
    bool first = !edit_next(&rest, &line);
    if (result == EX_OK) {
        edit_append(&text, account);
        result = edit_write(a, TABLE_ACCOUNTS, &text);
    }
    bytes_free(&text);
    if (result == EX_OK && first)
        result = alias_make_standard(a, account);
    return result;
}

int user_add(struct admin *a, int argc, char **argv)
{
    struct address account;
    struct secret secret;
    (void)argc;
    int result = edit_address(a, argv[0], &account);
    if (result == EX_OK)
        result = must_be_new(a, &account);
    if (result != EX_OK)
        return result;
    result = hash_password(account.text, &secret);
    if (result == EX_OK)
        result = edit_lock(a);
    if (result == EX_OK) {
        result = must_be_new(a, &account);
        if (result == EX_OK)
            result = make_maildir(a, &account);
        if (result == EX_OK)
            result = set_secret(a, account.text, &secret);
        if (result == EX_OK)
            result = add_account(a, account.text);
        edit_unlock(a);
        if (result == EX_OK)
            alias_warn_account(a, &account);
    }
    forget_secret(&secret);
    return result;
}

int user_passwd(struct admin *a, int argc, char **argv)
{
    struct address account;
    struct secret secret;
    bool there = false;
    (void)argc;
    int result = edit_address(a, argv[0], &account);
    if (result == EX_OK)
        result = find_account(a, account.text, &there);
    if (result == EX_OK && !there)
        result = complain(EX_NOUSER, "%s: is no account here; `postern user list` shows them", account.text);
    if (result != EX_OK)
        return result;
    result = hash_password(account.text, &secret);
    if (result == EX_OK)
        result = edit_lock(a);
    if (result == EX_OK) {
        result = set_secret(a, account.text, &secret);
        edit_unlock(a);
    }
    forget_secret(&secret);
    return result;
}

/* Removes the account's line from one table. EX_NOUSER if there was none. */
static int remove_line(struct admin *a, enum table_name name, const char *account)
{
    struct bytes text;
    struct span line;
    int result = edit_read(a, name, &text);
    if (result == EX_OK && edit_find(a, name, &text, account, &line)) {
        edit_replace(&text, line, SPAN(""));
        result = edit_write(a, name, &text);
    } else if (result == EX_OK) {
        result = EX_NOUSER;
    }
    bytes_wipe(&text);
    return result;
}

int user_remove(struct admin *a, int argc, char **argv)
{
    struct address account;
    struct bytes path;
    (void)argc;
    int result = edit_address(a, argv[0], &account);
    if (result == EX_OK)
        result = edit_lock(a);
    if (result != EX_OK)
        return result;
    int from_accounts = remove_line(a, TABLE_ACCOUNTS, account.text);
    int from_secrets = from_accounts == EX_OK || from_accounts == EX_NOUSER
                           ? remove_line(a, TABLE_SECRETS, account.text)
                           : from_accounts;
    edit_unlock(a);
    if (from_accounts == EX_NOUSER && from_secrets == EX_NOUSER)
        return complain(EX_NOUSER, "%s: is no account here; `postern user list` shows them", account.text);
    if (from_accounts != EX_OK && from_accounts != EX_NOUSER)
        return from_accounts;
    if (from_secrets != EX_OK && from_secrets != EX_NOUSER)
        return from_secrets;
    if (maildir_of(a, &account, &path)) {
        printf("The account is removed. Its mail is kept in ");
        say_text(span_bytes(&path));
        printf("\n");
    }
    bytes_free(&path);
    return EX_OK;
}

int user_list(struct admin *a, int argc, char **argv)
{
    struct bytes text, domain;
    struct span rest, line;
    struct address account;
    (void)argc, (void)argv;
    int result = edit_read(a, TABLE_ACCOUNTS, &text);
    if (result == EX_OK && (result = edit_first_domain(a, &domain)) == EX_OK) {
        for (rest = span_bytes(&text); edit_next(&rest, &line);) {
            line = tables_first_word(line);
            say_text(tables_address(line, span_bytes(&domain), &account) ? span_of(account.text) : line);
            putchar('\n');
        }
        bytes_free(&domain);
    }
    bytes_free(&text);
    return result;
}
