/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The mail of all accounts into a backup: of those that there are, and of those that were removed, whose mail
 * stays. The latter are found where mail lies in folders of its own, DOMAIN/USER, as it does unless the
 * setting `mail` says something else; in people's homes nobody looks around.
 */
#include "backup.h"
#include "base/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define NAMES "/%d/%u" /* the end of `mail` */

/* Is that account's mail in the backup already? */
static bool is_done(struct backup *b, const struct address *a)
{
    char path[BACKUP_PATH_LIMIT];
    struct stat info;
    int n = snprintf(path, sizeof path, "mail/%.*s/%.*s", SPAN_FMT(address_domain(a)),
                     SPAN_FMT(address_local(a)));
    return n < 0 || (size_t)n >= sizeof path || fstatat(b->part, path, &info, AT_SYMLINK_NOFOLLOW) == 0;
}

static DIR *open_folder(int dir, const char *name)
{
    int fd = file_open_beneath(dir, name, O_RDONLY | O_DIRECTORY, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        file_close(fd);
    return d;
}

/* Maildirs of a domain's folder that no account has. */
static int removed_users(struct backup *b, int root, const char *domain)
{
    DIR *d = open_folder(root, domain);
    struct dirent *e;
    int result = EX_OK;
    while (d && result == EX_OK && (e = readdir(d))) {
        char text[2 * NAME_MAX + 2], cur[NAME_MAX + 8];
        struct address a;
        struct stat info;
        snprintf(text, sizeof text, "%s@%s", e->d_name, domain);
        snprintf(cur, sizeof cur, "%s/cur", e->d_name);
        if (e->d_name[0] == '.' || !tables_address(span_of(text), SPAN(""), &a) ||
            strcmp(a.text, text) != 0 || is_done(b, &a))
            continue;
        if (fstatat(dirfd(d), cur, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode))
            result = backup_account(b, &a);
    }
    if (d)
        closedir(d);
    return result;
}

static int removed_accounts(struct backup *b)
{
    struct bytes path;
    struct dirent *e;
    int result = EX_OK;
    bytes_init(&path, 4096);
    size_t n = settings_mail_root(&b->a->s, &path) ? path.len : 0;
    bool apart = n && strncmp(b->a->s.mail, path.data, n) == 0 && strcmp(b->a->s.mail + n, NAMES) == 0;
    DIR *d = apart ? opendir(bytes_str(&path)) : NULL;
    while (d && result == EX_OK && (e = readdir(d)))
        if (e->d_name[0] != '.')
            result = removed_users(b, dirfd(d), e->d_name);
    if (d)
        closedir(d);
    bytes_free(&path);
    return result;
}

int backup_mail(struct backup *b)
{
    struct bytes text, domain = { 0 };
    struct address address;
    struct span rest, line;
    int result = edit_read(b->a, TABLE_ACCOUNTS, &text);
    if (result == EX_OK)
        result = edit_first_domain(b->a, &domain);
    if (result == EX_OK)
        result = backup_make_dir(b, "mail");
    for (rest = span_bytes(&text); result == EX_OK && edit_next(&rest, &line);)
        if (tables_address(tables_first_word(line), span_bytes(&domain), &address))
            result = backup_account(b, &address);
    if (result == EX_OK)
        result = removed_accounts(b);
    progress_end(&b->progress);
    bytes_free(&text);
    bytes_free(&domain);
    return result;
}
