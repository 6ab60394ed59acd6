/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern user add|remove|passwd. What stands in secrets is user_secret.c's.
 *
 * Adding makes the Maildir first, then the secret, then the account: killed anywhere between, the
 * same command can be given again. The hash is made before the lock is taken, as it takes a while.
 */
#include "store/folders.h"
#include "store/last_login.h"
#include "user.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* Mail doesn't come to accounts elsewhere: in another name of a domain it is for those in that domain, and in
 * one that is relayed for another server's. */
static int must_be_ours(struct admin *a, const struct address *account)
{
    struct domain_entry e;
    bool there;
    int result = edit_domain(a, address_domain(account), &there, &e);
    if (result == EX_OK && !there)
        return complain(EX_NOHOST,
                        "%s: the domain isn't one of this server's; `postern domain add` makes it one",
                        account->text);
    if (result == EX_OK && e.kind == DOMAIN_ALIAS)
        return complain(EX_DATAERR, "%s: the domain is another name of %s; an account there has its mail too",
                        account->text, e.target);
    if (result == EX_OK && e.kind != DOMAIN_OURS)
        return complain(EX_DATAERR,
                        "%s: mail for this domain is relayed to another server, which has its accounts",
                        account->text);
    return result;
}

static int must_be_new(struct admin *a, const struct address *account)
{
    bool there;
    int result = must_be_ours(a, account);
    if (result == EX_OK)
        result = user_is_there(a, account, &there);
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

int user_make_maildir(struct admin *a, const struct address *account)
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
    result = secret_read(a, &account, &secret);
    if (result == EX_OK)
        result = edit_lock(a);
    if (result == EX_OK) {
        result = must_be_new(a, &account);
        if (result == EX_OK)
            result = user_make_maildir(a, &account);
        if (result == EX_OK)
            result = secret_set(a, &account, &secret);
        if (result == EX_OK)
            result = add_account(a, account.text);
        edit_unlock(a);
        if (result == EX_OK)
            alias_warn_account(a, &account);
    }
    secret_forget(&secret);
    return result;
}

int user_passwd(struct admin *a, int argc, char **argv)
{
    struct address account;
    struct secret secret;
    (void)argc;
    int result = user_find(a, argv[0], &account);
    if (result != EX_OK)
        return result;
    result = secret_read(a, &account, &secret);
    if (result == EX_OK)
        result = edit_lock(a);
    if (result == EX_OK) {
        result = secret_set(a, &account, &secret);
        edit_unlock(a);
    }
    secret_forget(&secret);
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
    last_login_forget(&a->s, &account);
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
