/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Master users, who log in as any account; see login.h. Dovecot's form of it: `account*master` and the
 * master's password, or PLAIN's authorization identity.
 *
 * An account is never taken for a master user: a name that is an account's own, with a '*' in it, is that
 * account. A name whose end isn't a master's costs what any unknown one does, and failures count for what
 * stands behind the '*', whether there is such a master or not. A master enters a disabled account too: its
 * mail may have to be moved. Where he may come from, his own entry says.
 */
#include "base/log.h"
#include "store/login_private.h"
#include "store/password.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define SEPARATOR '*'

/* ST_NONE: there are no master users. */
static enum status open_masters(const struct settings *s, struct table **t)
{
    char path[PATH_MAX];
    struct stat info;
    *t = NULL;
    if (!tables_path(s, TABLE_MASTERS, true, path, sizeof path))
        return ST_TEMP;
    if (stat(path, &info) != 0)
        return errno == ENOENT ? ST_NONE : ST_TEMP;
    return tables_open(s, TABLE_MASTERS, t);
}

/* As login_find(), of a master user. ST_NONE: there is none of that name; the key is made all the same. */
static enum status find_master(const struct settings *s, struct span name, struct login_found *found)
{
    struct table *t;
    char key[TABLE_MASTER_LIMIT + 1];
    found->account = (struct address){ .local_length = 0 };
    bytes_init(&found->key, LOGIN_NAME_LIMIT + 1);
    bytes_init(&found->secret, SECRETS_VALUE_LIMIT);
    bytes_init(&found->mix, 0);
    bytes_add_char(&found->key, SEPARATOR);
    for (size_t i = 0; i < name.n; i++)
        bytes_add_char(&found->key, ascii_lower(name.p[i]));
    enum status st = open_masters(s, &t);
    if (st == ST_OK)
        st = tables_master(name, key) ? table_get(t, span_of(key), &found->secret) : ST_NONE;
    table_close(t);
    return st;
}

/* Is it another spelling of the same account? What can't be looked up is another, and login_check_master()
 * then says why not. */
static bool is_same(const struct login *l, struct span as, const struct address *account)
{
    struct login_found found;
    login_find(l->settings, as, false, &found);
    bool same = account->text[0] && strcmp(found.account.text, account->text) == 0;
    login_found_free(&found);
    return same;
}

bool login_is_master(const struct login *l, const struct login_found *found, enum status looked,
                     struct span name, struct span *as, struct span *master)
{
    if (as->n) {
        *master = name;
        return !is_same(l, *as, &found->account);
    }
    size_t at = name.n;
    while (at > 0 && name.p[at - 1] != SEPARATOR)
        at--;
    if (at <= 1 || looked == ST_OK || found->account.text[0])
        return false;
    *as = span_head(name, at - 1);
    *master = span_from(name, at);
    return true;
}

/* The account that a master, whose password was right, wants to be. */
static enum status become(struct login *l, struct span as, struct span master)
{
    struct login_found found;
    enum status st = login_find(l->settings, as, false, &found);
    bool there = found.account.text[0] && tables_master(master, l->master);
    if (there)
        l->account = found.account;
    else if (st != ST_TEMP)
        log_event(LOG_NOTICE, "login-no-account", "user", bytes_str(&found.key), "peer",
                  l->peer ? l->peer->text : NULL, "why", "a master user asked for it", NULL);
    login_found_free(&found);
    errno = ENOENT;
    return st == ST_TEMP ? ST_TEMP : there ? ST_OK : ST_PERM;
}

static enum status try_password(struct login *l, const struct login_found *found, struct span as,
                                struct span master, struct span password)
{
    struct span secret = span_bytes(&found->secret);
    enum status st = secret.n ? login_try(l, secret, password) : password_check_nobody(master, password);
    errno = EPERM;
    if (st == ST_OK)
        st = login_admit(l, bytes_str(&found->key), secret);
    return st == ST_OK ? become(l, as, master) : st;
}

enum status login_check_master(struct login *l, struct span as, struct span master, struct span password)
{
    struct login_found found;
    enum status st = find_master(l->settings, master, &found);
    struct span key = span_bytes(&found.key);
    st = st == ST_TEMP ? ST_TEMP : login_limits_ask(l, key);
    int why = EUSERS;
    if (st == ST_OK) {
        st = try_password(l, &found, as, master, password);
        why = errno;
        if (st == ST_PERM && why == EPERM)
            l->failures = login_limits_failed(l, key);
        if (st == ST_OK)
            login_limits_passed(l, key);
    }
    login_found_free(&found);
    errno = why;
    return st;
}
