/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Expiry; see expire.h. A folder is first opened as EXAMINE does, which takes no message's \Recent away, and
 * only where something is to go as SELECT does. The folder's lock is held for a batch of messages, not for
 * all, and left alone for a moment then: clients wait a tenth of a second at most, and what a crash leaves is
 * done by the next run.
 *
 * Names that begin with no time, or with one before there were Maildirs, say nothing of when a message came:
 * it stays. Its file's time would be the one at which it was written, perhaps years ago.
 */
#include "store/expire.h"
#include "store/filename.h"
#include "store/special_use.h"
#include "text/unicode.h"
#include "text/utf7.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 1000
#define PAUSE_NS 30000000 /* between batches: who waits for the lock asks for it every few milliseconds */
#define FIRST_MAILDIR 788918400 /* 1995 */
#define BELOW ".*"

/* --- which folders */

static bool read_folder(struct span text, struct expire_rule *r)
{
    struct bytes nfc, name;
    bytes_init(&nfc, 4 * FOLDER_NAME_LIMIT);
    bytes_init(&name, FOLDER_NAME_LIMIT);
    bool good = unicode_nfc(text, &nfc) && utf7_from_utf8(span_bytes(&nfc), &name) &&
                span_copy(span_bytes(&name), r->folder, sizeof r->folder) &&
                folder_name_valid(span_bytes(&name));
    bytes_free(&name);
    bytes_free(&nfc);
    return good;
}

static bool read_rule(const struct expiry_setting *setting, struct expire_rule *r)
{
    struct span text = span_of(setting->folder);
    *r = (struct expire_rule){ .seconds = setting->seconds };
    r->below = text.n > 2 && span_eq_str(span_from(text, text.n - 2), BELOW);
    if (r->below)
        text = span_head(text, text.n - 2);
    r->use = use_of_attribute(text);
    if (r->use)
        return true;
    r->use = use_of_name(text);
    return read_folder(text, r);
}

enum status expire_rules_read(const struct settings *s, struct expire_rules *rules, const char **wrong)
{
    *rules = (struct expire_rules){ .list = calloc(s->expiry_count + 1, sizeof *rules->list) };
    if (!rules->list)
        return ST_TEMP;
    for (; rules->count < s->expiry_count; rules->count++)
        if (!read_rule(&s->expiries[rules->count], &rules->list[rules->count])) {
            *wrong = s->expiries[rules->count].folder;
            expire_rules_free(rules);
            return ST_PERM;
        }
    return ST_OK;
}

void expire_rules_free(struct expire_rules *rules)
{
    free(rules->list);
    *rules = (struct expire_rules){ .count = 0 };
}

static bool same_name(struct span a, const char *b)
{
    return span_eq_str(a, b) || (folder_is_inbox(a) && folder_is_inbox(span_of(b)));
}

/* Does the rule name this folder, which exists? INBOX is nobody's trash, whatever a file in it says. */
static enum status names(struct mail *mail, const struct expire_rule *r, struct span folder, bool *yes)
{
    unsigned uses = 0;
    enum status st = r->use && !folder_is_inbox(folder) ? folder_uses(mail, folder, &uses) : ST_OK;
    *yes = uses & r->use || (r->folder[0] && same_name(folder, r->folder) && !uses);
    return st;
}

/* The same for the folders above it. */
static enum status names_parent(struct mail *mail, const struct expire_rule *r, struct span folder, bool *yes)
{
    enum status st = ST_OK;
    *yes = false;
    for (size_t n = folder.n; n-- > 0 && st == ST_OK && !*yes;)
        if (folder.p[n] == '.')
            st = names(mail, r, span_head(folder, n), yes);
    return st;
}

enum status expire_time(struct mail *mail, const struct expire_rules *rules, struct span folder,
                        uint64_t *seconds)
{
    enum status st = ST_OK;
    *seconds = 0;
    for (size_t i = 0; i < rules->count && st == ST_OK; i++) {
        const struct expire_rule *r = &rules->list[i];
        bool yes;
        st = (r->below ? names_parent : names)(mail, r, folder, &yes);
        if (st == ST_OK && yes && r->seconds > *seconds)
            *seconds = r->seconds;
    }
    return st;
}

/* --- which messages */

static int64_t saved(const struct mailbox *box, size_t index)
{
    char name[FILENAME_LIMIT + 1];
    struct filename f;
    mailbox_name(box, index, name);
    filename_parse(span_of(name), &f);
    uint64_t seconds = filename_time(&f);
    return seconds < FIRST_MAILDIR || seconds > INT64_MAX ? INT64_MAX : (int64_t)seconds;
}

/* Their indexes, or NULL without memory. */
static size_t *find_old(const struct mailbox *box, int64_t before, size_t *count)
{
    size_t *found = calloc(box->count + 1, sizeof *found);
    *count = 0;
    for (size_t i = 0; found && i < box->count; i++)
        if (saved(box, i) < before)
            found[(*count)++] = i;
    return found;
}

static void count_them(struct mailbox *box, const size_t *found, size_t count, struct expired *e)
{
    e->messages += count;
    for (size_t i = 0; i < count; i++)
        e->bytes += mailbox_file_size(box, found[i]);
}

/* Expunged ones leave the mailbox, and those behind them move up: from the last batch to the first the
 * indexes stay right. */
static enum status remove_them(struct mailbox *box, const size_t *found, size_t count, struct expired *e)
{
    enum status st = ST_OK;
    while (count && st == ST_OK) {
        struct mailbox_changes gone;
        struct expired batch = { 0, 0 };
        size_t n = count < BATCH ? count : BATCH;
        count -= n;
        count_them(box, found + count, n, &batch);
        st = mailbox_expunge(box, found + count, n, &gone);
        int why = errno;
        e->messages += gone.expunged_count;
        e->bytes += gone.expunged_count == n ? batch.bytes : 0;
        mailbox_changes_free(&gone);
        if (count)
            nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
        errno = why;
    }
    return st;
}

static enum status expire_in(struct mail *mail, struct span folder, int64_t before, bool look, size_t *count,
                             struct expired *e)
{
    struct mailbox *box;
    enum status st = look ? mailbox_look(mail, folder, &box) : mailbox_open(mail, folder, false, &box);
    if (st != ST_OK)
        return st;
    size_t *found = find_old(box, before, count);
    errno = ENOMEM;
    st = !found ? ST_TEMP : look ? ST_OK : remove_them(box, found, *count, e);
    if (found && look)
        count_them(box, found, *count, e);
    int why = errno;
    free(found);
    mailbox_close(box);
    errno = why;
    return st;
}

enum status expire_folder(struct mail *mail, struct span folder, int64_t before, bool only_count,
                          struct expired *e)
{
    struct expired looked = { 0, 0 };
    size_t count;
    *e = looked;
    enum status st = expire_in(mail, folder, before, true, &count, only_count ? e : &looked);
    return st == ST_OK && count && !only_count ? expire_in(mail, folder, before, false, &count, e) : st;
}
