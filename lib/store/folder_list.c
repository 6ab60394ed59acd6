/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The list of an account's folders: the directories ".NAME" of the Maildir that have a `cur`, the parents
 * they imply, and the subscribed names. Everything is gathered unsorted, then sorted
 * and merged once.
 */
#include "base/files.h"
#include "store/folders.h"
#include "store/subscriptions.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SUBSCRIPTIONS_LIMIT ((size_t)4 << 20)
#define NAMES_LIMIT (4 * FOLDERS_LIMIT) /* with parents and subscriptions, before merging */

static int compare(const void *a, const void *b)
{
    const struct folder *x = a, *y = b;
    bool x_inbox = strcmp(x->name, "INBOX") == 0, y_inbox = strcmp(y->name, "INBOX") == 0;
    if (x_inbox || y_inbox)
        return y_inbox - x_inbox;
    return strcmp(x->name, y->name);
}

static enum status add(struct folder_list *list, struct folder f, struct span name)
{
    if (list->count >= NAMES_LIMIT)
        return ST_OK;
    if (list->count % 64 == 0) {
        struct folder *more = realloc(list->folders, (list->count + 64) * sizeof *more);
        if (!more)
            return ST_TEMP;
        list->folders = more;
    }
    f.name = span_dup(name);
    if (!f.name)
        return ST_TEMP;
    list->folders[list->count++] = f;
    return ST_OK;
}

/* A name, and every parent it has. */
static enum status add_with_parents(struct folder_list *list, struct folder f, struct span name)
{
    enum status st = add(list, f, name);
    for (size_t i = name.n; st == ST_OK && i-- > 0;)
        if (name.p[i] == '.')
            st = add(list, (struct folder){ .has_children = f.exists }, span_head(name, i));
    return st;
}

static bool is_folder(int dir, const struct dirent *e)
{
    struct span name = span_of(e->d_name + 1);
    char cur[300];
    struct stat st;
    if (e->d_name[0] != '.' || (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN))
        return false;
    if (!folder_name_valid(name) || folder_is_inbox(name))
        return false;
    /* Its first level would be INBOX a second time. */
    if (span_istarts(name, "INBOX.") && !span_starts(name, "INBOX."))
        return false;
    if (e->d_type == DT_UNKNOWN &&
        (fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode)))
        return false;
    snprintf(cur, sizeof cur, "%s/cur", e->d_name);
    return fstatat(dir, cur, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static enum status add_directories(struct mail *mail, struct folder_list *list)
{
    int fd = file_open_beneath(mail_dir(mail), ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (!entries) {
        file_close(fd);
        return ST_TEMP;
    }
    enum status st = ST_OK;
    struct dirent *e;
    for (size_t found = 0; st == ST_OK && found < FOLDERS_LIMIT && (e = readdir(entries));) {
        if (!is_folder(dirfd(entries), e))
            continue;
        st = add_with_parents(list, (struct folder){ .exists = true }, span_of(e->d_name + 1));
        found++;
    }
    closedir(entries);
    return st;
}

static enum status add_subscriptions(struct mail *mail, struct folder_list *list)
{
    struct bytes names;
    bytes_init(&names, SUBSCRIPTIONS_LIMIT);
    enum status st = subscriptions_read(mail, &names);
    struct span rest = span_bytes(&names), name;
    while (st == ST_OK && rest.n && span_cut(&rest, '\n', &name)) {
        struct folder f = { .subscribed = true };
        if (folder_is_inbox(name))
            st = add(list, f, SPAN("INBOX"));
        else if (folder_name_valid(name))
            st = add_with_parents(list, f, name);
    }
    bytes_free(&names);
    return st;
}

static void merge(struct folder_list *list)
{
    size_t kept = 0;
    qsort(list->folders, list->count, sizeof *list->folders, compare);
    for (size_t i = 0; i < list->count; i++) {
        struct folder *f = &list->folders[i], *last = &list->folders[kept ? kept - 1 : 0];
        if (kept && strcmp(last->name, f->name) == 0) {
            last->exists |= f->exists;
            last->has_children |= f->has_children;
            last->subscribed |= f->subscribed;
            free(f->name);
        } else {
            list->folders[kept++] = *f;
        }
    }
    list->count = kept;
}

enum status folders_list(struct mail *mail, struct folder_list *list)
{
    *list = (struct folder_list){ 0 };
    enum status st = add(list, (struct folder){ .exists = true }, SPAN("INBOX"));
    if (st == ST_OK)
        st = add_directories(mail, list);
    if (st == ST_OK)
        st = add_subscriptions(mail, list);
    if (st != ST_OK) {
        folders_free(list);
        return st;
    }
    merge(list);
    return ST_OK;
}

void folders_free(struct folder_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->folders[i].name);
    free(list->folders);
    *list = (struct folder_list){ 0 };
}
