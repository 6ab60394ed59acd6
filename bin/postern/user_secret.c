/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Accounts' lines in secrets, for the commands that change them; see user.h and store/secrets.h.
 *
 * A new password keeps the salt of the old one while there are app passwords: their verifiers share it.
 * Everybody may see it anyway, by beginning a SCRAM exchange.
 */
#include "user.h"
#include "store/password.h"
#include "store/scram_verifier.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define MORE_ROOM 32768 /* than the old line has */

int user_is_there(struct admin *a, const struct address *account, bool *there)
{
    struct bytes text;
    struct span line;
    int result = edit_read(a, TABLE_ACCOUNTS, &text);
    *there = result == EX_OK && edit_find(a, TABLE_ACCOUNTS, &text, account->text, &line);
    bytes_free(&text);
    return result;
}

int user_find(struct admin *a, const char *text, struct address *account)
{
    bool there = false;
    int result = edit_address(a, text, account);
    if (result == EX_OK)
        result = user_is_there(a, account, &there);
    if (result == EX_OK && !there)
        return complain(EX_NOUSER, "%s: is no account here; `postern user list` shows them", account->text);
    return result;
}

/* --- what is kept of a password */

/* The verifier that other passwords of the account share the salt of: those that stay. */
static bool kept_form(struct admin *a, const struct address *account, struct scram_verifier *v)
{
    struct bytes text;
    struct span line, field[SECRETS_FIELDS];
    struct secrets_app app;
    bool kept = edit_read(a, TABLE_SECRETS, &text) == EX_OK &&
                edit_find(a, TABLE_SECRETS, &text, account->text, &line);
    if (kept) {
        secrets_fields(span_trim(line), field);
        kept = secrets_app_next(&field[SECRETS_FIELDS - 1], &app) && secret_form(span_trim(line), v);
    }
    bytes_wipe(&text);
    return kept;
}

int secret_make(struct admin *a, const struct address *account, struct span password, struct secret *secret)
{
    struct scram_verifier like;
    bytes_init(&secret->hash, 4096);
    bytes_init(&secret->verifier, 4096);
    enum status st = password_hash(password, &secret->hash);
    if (st == ST_OK)
        st = scram_verifier_hash(password, kept_form(a, account, &like) ? &like : NULL, &secret->verifier);
    return st == ST_OK ? EX_OK : complain(EX_OSERR, "the password can't be hashed: %s", strerror(errno));
}

int secret_read(struct admin *a, const struct address *account, struct secret *secret)
{
    struct bytes password;
    *secret = (struct secret){ .hash = { .data = NULL } };
    if (!read_password(account->text, &password))
        return EX_DATAERR;
    int result = secret_make(a, account, span_bytes(&password), secret);
    bytes_wipe(&password);
    return result;
}

void secret_forget(struct secret *secret)
{
    bytes_wipe(&secret->hash);
    bytes_wipe(&secret->verifier);
}

/* --- lines */

/* Puts a line in the place of the one that is there, or else at the end, and writes the table. Lock held. */
static int put_line(struct admin *a, struct bytes *text, const struct span *old, struct bytes *entry)
{
    if (entry->failed)
        return complain(EX_OSERR, "secrets: out of memory, or a line is too long");
    if (!old)
        edit_append(text, bytes_str(entry));
    else if (bytes_add_char(entry, '\n'))
        edit_replace(text, *old, span_bytes(entry));
    return edit_write(a, TABLE_SECRETS, text);
}

int secret_set(struct admin *a, const struct address *account, const struct secret *secret)
{
    struct bytes text, entry;
    struct span line;
    int result = edit_read(a, TABLE_SECRETS, &text);
    if (result != EX_OK)
        return result;
    bool there = edit_find(a, TABLE_SECRETS, &text, account->text, &line);
    struct span old = there ? span_head(line, span_find(line, '\n')) : SPAN("");
    bytes_init(&entry, old.n + MORE_ROOM);
    secrets_line(span_of(account->text), span_bytes(&secret->hash), span_bytes(&secret->verifier), old,
                 &entry);
    result = put_line(a, &text, there ? &line : NULL, &entry);
    bytes_wipe(&entry);
    bytes_wipe(&text);
    return result;
}

int secret_find(struct admin *a, const struct address *account, struct bytes *text, struct span *line)
{
    int result = edit_read(a, TABLE_SECRETS, text);
    if (result == EX_OK && !edit_find(a, TABLE_SECRETS, text, account->text, line))
        result = complain(EX_NOUSER, "%s: has no password; `postern user passwd` sets one", account->text);
    if (result == EX_OK)
        *line = span_trim(*line);
    return result;
}

bool secret_form(struct span line, struct scram_verifier *v)
{
    struct secrets_verifier list[SECRETS_APPS + 1];
    struct span field[SECRETS_FIELDS];
    struct bytes value;
    bytes_init(&value, line.n + SECRETS_VALUE_LIMIT);
    secrets_fields(line, field);
    bool there = !secrets_value(field[1], field[SECRETS_FIELDS - 1], &value) &&
                 secrets_value_verifiers(span_bytes(&value), list) > 0;
    if (there)
        *v = list[0].v;
    bytes_wipe(&value);
    return there;
}

int secret_change(struct admin *a, const struct address *account, const char *without, struct span with)
{
    struct bytes text, entry;
    struct span line, trimmed;
    int result = edit_lock(a);
    if (result != EX_OK)
        return result;
    result = secret_find(a, account, &text, &trimmed);
    if (result == EX_OK && edit_find(a, TABLE_SECRETS, &text, account->text, &line)) {
        bytes_init(&entry, trimmed.n + MORE_ROOM);
        secrets_change(trimmed, without, with, &entry);
        result = put_line(a, &text, &line, &entry);
        bytes_wipe(&entry);
    }
    bytes_wipe(&text);
    edit_unlock(a);
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
