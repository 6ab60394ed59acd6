/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Renaming a folder with everything below it, or INBOX's messages into a new folder (RFC 3501 6.3.5).
 *
 * Each folder is one rename, under the account's lock. All targets are looked at before the first is renamed,
 * and what was renamed goes back if a later one fails; a crash between two leaves some
 * folders under the old name and some under the new, each of them whole.
 */
#include "base/files.h"
#include "store/folders.h"
#include "store/mailbox_private.h"
#include "store/special_use.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One level of the tree: ".from[.rest]" to ".to[.rest]". */
struct move {
    char from[FOLDER_NAME_LIMIT + 2], to[FOLDER_NAME_LIMIT + 2];
};

static bool is_or_below(struct span name, struct span top)
{
    return name.n >= top.n && span_eq(span_head(name, top.n), top) &&
           (name.n == top.n || name.p[top.n] == '.');
}

static enum status refuse(int why)
{
    errno = why;
    return ST_PERM;
}

static enum status plan_one(struct mail *mail, struct span name, struct span from, struct span to,
                            struct move *m)
{
    struct span rest = span_from(name, from.n);
    char target[2 * FOLDER_NAME_LIMIT + 1];
    snprintf(target, sizeof target, "%.*s%.*s", SPAN_FMT(to), SPAN_FMT(rest));
    if (!folder_path(span_of(target), m->to, sizeof m->to) || !folder_path(name, m->from, sizeof m->from))
        return refuse(EINVAL);
    enum status st = folder_exists(mail, span_of(target));
    return st == ST_OK ? refuse(EEXIST) : st == ST_NONE ? ST_OK : st;
}

static enum status plan(struct mail *mail, struct span from, struct span to, struct move **moves,
                        size_t *count)
{
    struct folder_list list;
    enum status st = folders_list(mail, &list);
    if (st != ST_OK)
        return st;
    *moves = calloc(list.count + 1, sizeof **moves);
    *count = 0;
    if (!*moves)
        st = ST_TEMP;
    for (size_t i = 0; st == ST_OK && i < list.count; i++) {
        struct span name = span_of(list.folders[i].name);
        if (list.folders[i].exists && is_or_below(name, from))
            st = plan_one(mail, name, from, to, &(*moves)[(*count)++]);
    }
    int saved = errno;
    folders_free(&list);
    errno = saved;
    return st == ST_OK && *count == 0 ? ST_NONE : st;
}

static enum status carry_out(int dir, const struct move *moves, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum status st = file_publish(dir, moves[i].from, dir, moves[i].to);
        if (st == ST_OK)
            continue;
        int saved = errno;
        while (i-- > 0)
            file_publish(dir, moves[i].to, dir, moves[i].from);
        errno = saved;
        return st;
    }
    return file_sync_dir(dir, NULL);
}

static enum status rename_tree(struct mail *mail, struct span from, struct span to)
{
    struct move *moves = NULL;
    size_t count;
    enum status st = plan(mail, from, to, &moves, &count);
    if (st == ST_OK)
        st = carry_out(mail_dir(mail), moves, count);
    int saved = errno;
    free(moves);
    errno = saved;
    return st;
}

enum status folder_rename(struct mail *mail, struct span from, struct span to)
{
    if (!folder_name_makeable(to) || (!folder_is_inbox(from) && is_or_below(to, from) && to.n > from.n))
        return refuse(EINVAL);
    if (folder_is_inbox(to))
        return refuse(EEXIST);
    if (folder_is_inbox(from))
        return mailbox_rename_inbox(mail, to);
    if (!folder_name_valid(from))
        return ST_NONE;
    if (folder_exists(mail, from) == ST_OK && folder_exists(mail, to) == ST_OK)
        return refuse(EEXIST);
    enum status st = folder_uses_settle(mail, from, to);
    int lock = st == ST_OK ? mail_lock(mail) : -1;
    if (lock < 0)
        return st == ST_OK ? ST_TEMP : st;
    st = rename_tree(mail, from, to);
    file_close(lock);
    return st;
}
