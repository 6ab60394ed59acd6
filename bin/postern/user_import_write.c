/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Accounts and secrets with all that `postern user import` has read: each table is gone through once and
 * written once. In the order of `postern user add`: Maildirs, secrets, accounts; killed in between, the same
 * command can be given again.
 */
#include "user_import.h"
#include "store/password.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define MORE_ROOM 65536

struct merge {
    struct user_import *u;
    struct import_user **sorted;
    struct bytes accounts, secrets; /* the new texts */
    struct bytes first_domain;
};

static int compare(const void *a, const void *b)
{
    const struct import_user *const *one = a, *const *two = b;
    return strcmp((*one)->account.text, (*two)->account.text);
}

/* The one that a table's line is of; NULL: none. */
static struct import_user *user_of(struct merge *m, struct span name)
{
    struct address a;
    struct import_user key, *wanted = &key, **found;
    if (!tables_address(name, span_bytes(&m->first_domain), &a))
        return NULL;
    key.account = a;
    found = bsearch(&wanted, m->sorted, m->u->count, sizeof *m->sorted, compare);
    return found ? *found : NULL;
}

/* Calls `line` for each line, with its LF, and whom it is of; it appends what is to stand there. */
static int each_line(struct merge *m, enum table_name name, struct bytes *new, char end,
                     void (*take)(struct merge *m, struct import_user *user, struct span line))
{
    struct bytes text;
    int result = edit_read(m->u->a, name, &text);
    struct span rest = span_bytes(&text);
    bytes_init(new, TABLE_TEXT_LIMIT);
    while (result == EX_OK && rest.n) {
        struct span whole = span_head(rest, span_find(rest, '\n') + 1), line = span_trim(whole);
        rest = span_from(rest, whole.n);
        struct span first = end ? span_head(line, span_find(line, end)) : tables_first_word(line);
        struct import_user *user = line.n && line.p[0] != '#' ? user_of(m, first) : NULL;
        if (user)
            take(m, user, line);
        else
            bytes_add_span(new, span_head(whole, span_find(whole, '\n')));
        bytes_add_char(new, '\n');
    }
    bytes_wipe(&text);
    return result;
}

static void add_account(struct bytes *text, const struct import_user *user)
{
    bytes_add_str(text, user->account.text);
    if (user->quota.bytes != QUOTA_UNSET || user->quota.messages != QUOTA_UNSET) {
        bytes_add_char(text, ' ');
        quota_print(&user->quota, text);
    }
}

static void take_account(struct merge *m, struct import_user *user, struct span line)
{
    bool limits = user->quota.bytes != QUOTA_UNSET || user->quota.messages != QUOTA_UNSET;
    user->there = true;
    if (m->u->replace && limits)
        add_account(&m->accounts, user);
    else
        bytes_add_span(&m->accounts, line);
}

/* `entry` with what was set here since an earlier import: disabled, app passwords. */
static void keep_ours(struct bytes *entry, struct span old_extra)
{
    struct span word;
    struct secrets_app app;
    while (secrets_next(&old_extra, &word)) {
        char which[SECRETS_APP_NAME + 8] = SECRETS_NOLOGIN;
        struct bytes with;
        bool is_app = secrets_app_read(word, &app);
        if (!is_app && !span_eq_str(word, SECRETS_NOLOGIN))
            continue;
        if (is_app)
            snprintf(which, sizeof which, SECRETS_APP "%.*s,", SPAN_FMT(app.name));
        bytes_init(&with, entry->limit);
        secrets_change(span_bytes(entry), which, word, &with);
        bytes_wipe(entry);
        *entry = with;
    }
}

/* The file's entry in place of the old one. Of a password that is the same the hashes stay. */
static void replace_secret(struct merge *m, struct import_user *user, const struct span *old, bool same)
{
    struct bytes entry, scram;
    struct span verifier;
    bytes_init(&entry, MORE_ROOM);
    bytes_init(&scram, MORE_ROOM);
    if (same && user->plain.len) {
        bool own = secrets_verifier(old[1], SPAN(""), &verifier) && verifier.n;
        if (!own && secrets_verifier(old[1], old[SECRETS_FIELDS - 1], &verifier) && verifier.n)
            bytes_printf(&scram, "{SCRAM-SHA-256}%.*s", SPAN_FMT(verifier));
        secrets_line(span_of(user->account.text), old[1], span_bytes(&scram), span_bytes(&user->secret),
                     &entry);
    } else {
        bytes_add_span(&entry, span_bytes(&user->secret));
    }
    keep_ours(&entry, old[SECRETS_FIELDS - 1]);
    bytes_add_span(&m->secrets, span_bytes(&entry));
    m->secrets.failed |= entry.failed;
    bytes_wipe(&scram);
    bytes_wipe(&entry);
}

static bool is_same(const struct import_user *user, struct span old_hash, struct span new_hash)
{
    if (user->plain.len)
        return password_grade(old_hash) != PASSWORD_UNUSABLE &&
               password_check(old_hash, span_bytes(&user->plain)) == ST_OK;
    return span_eq(old_hash, new_hash);
}

static void take_secret(struct merge *m, struct import_user *user, struct span line)
{
    struct span old[SECRETS_FIELDS], new[SECRETS_FIELDS];
    size_t before = m->secrets.len;
    secrets_fields(line, old);
    secrets_fields(span_bytes(&user->secret), new);
    user->has_secret = true;
    if (!user->there) { /* what an account left that was removed halfway */
        user->state = IMPORT_NEW;
        bytes_add_span(&m->secrets, span_bytes(&user->secret));
        return;
    }
    bool same = is_same(user, old[1], new[1]);
    if (m->u->replace) {
        replace_secret(m, user, old, same);
        user->state =
            span_eq(span_from(span_bytes(&m->secrets), before), line) ? IMPORT_SAME : IMPORT_REPLACED;
    } else {
        user->state = same ? IMPORT_SAME : IMPORT_LEFT;
        bytes_add_span(&m->secrets, line);
    }
}

/* Those who had no line. */
static void add_the_others(struct merge *m)
{
    for (size_t i = 0; i < m->u->count; i++) {
        struct import_user *user = &m->u->users[i];
        if (!user->has_secret) {
            user->state = user->there ? IMPORT_REPLACED : IMPORT_NEW;
            bytes_add_span(&m->secrets, span_bytes(&user->secret));
            bytes_add_char(&m->secrets, '\n');
        }
        if (!user->there) {
            add_account(&m->accounts, user);
            bytes_add_char(&m->accounts, '\n');
        }
    }
}

static int merge(struct merge *m)
{
    int result = edit_first_domain(m->u->a, &m->first_domain);
    if (result == EX_OK)
        result = each_line(m, TABLE_ACCOUNTS, &m->accounts, '\0', take_account);
    if (result == EX_OK)
        result = each_line(m, TABLE_SECRETS, &m->secrets, ':', take_secret);
    if (result == EX_OK)
        add_the_others(m);
    return result;
}

static int make_maildirs(struct user_import *u)
{
    int result = EX_OK;
    for (size_t i = 0; result == EX_OK && i < u->count; i++)
        if (u->users[i].state == IMPORT_NEW)
            result = user_make_maildir(u->a, &u->users[i].account);
    return result;
}

int import_write(struct user_import *u)
{
    struct merge m = { .u = u, .sorted = calloc(u->count + 1, sizeof *m.sorted) };
    int result = m.sorted ? edit_lock(u->a) : complain(EX_OSERR, "out of memory");
    if (result != EX_OK)
        return result;
    for (size_t i = 0; i < u->count; i++)
        m.sorted[i] = &u->users[i];
    qsort(m.sorted, u->count, sizeof *m.sorted, compare);
    result = merge(&m);
    if (result == EX_OK && !u->dry_run)
        result = make_maildirs(u);
    if (result == EX_OK && !u->dry_run)
        result = edit_write(u->a, TABLE_SECRETS, &m.secrets);
    if (result == EX_OK && !u->dry_run)
        result = edit_write(u->a, TABLE_ACCOUNTS, &m.accounts);
    edit_unlock(u->a);
    bytes_free(&m.first_domain);
    bytes_free(&m.accounts);
    bytes_wipe(&m.secrets);
    free(m.sorted);
    return result;
}
