/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `:include:/path` of aliases(5): a file of addresses, read when mail comes, so that a change counts at once
 * and its keeper needs no right to the tables. Only below the settings' folder and the setting
 * `alias-directories`, without following links, regular files only, INCLUDE_LIMIT bytes.
 *
 * A file that can't be read defers the mail: the list is there, and its readers aren't known. What the file
 * says is written by its keeper, so no error shows it: it may be any file.
 */
#include "store/directory_private.h"
#include "base/files.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define INCLUDE_LIMIT ((size_t)1 << 20)

/* What stands behind `folder` and a slash; nothing where the path isn't below. */
static struct span below(struct span path, struct span folder)
{
    while (folder.n && folder.p[folder.n - 1] == '/')
        folder.n--;
    if (folder.n == 0 || path.n <= folder.n + 1 || memcmp(path.p, folder.p, folder.n) != 0 ||
        path.p[folder.n] != '/')
        return SPAN("");
    return span_from(path, folder.n + 1);
}

static bool climbs(struct span path)
{
    struct span part;
    while (span_cut(&path, '/', &part))
        if (span_eq_str(part, ".."))
            return true;
    return false;
}

/* The folder that the path is in, as a string, and the rest of the path. */
static bool find_folder(const struct settings *s, struct span path, char folder[PATH_MAX], struct span *rest)
{
    if (climbs(path))
        return false;
    struct span words = span_of(s->alias_directories), word = span_of(s->directory);
    do {
        word = span_trim(word);
        *rest = below(path, word);
        if (word.n && word.p[0] == '/' && rest->n)
            return span_copy(word, folder, PATH_MAX);
    } while (span_cut(&words, ' ', &word));
    return false;
}

size_t directory_folders(const struct settings *s, const char **folders, size_t room)
{
    struct span words = span_of(s->alias_directories), word;
    size_t n = 0;
    while (n < room && span_cut(&words, ' ', &word))
        if (word.n && word.p[0] == '/' && (folders[n] = span_dup(word)) != NULL)
            n++;
    return n;
}

bool directory_may_include(const struct settings *s, struct span path)
{
    char folder[PATH_MAX];
    struct span rest;
    return find_folder(s, path, folder, &rest);
}

enum status directory_include(struct directory *d, struct span path, struct bytes *text)
{
    char folder[PATH_MAX], name[PATH_MAX];
    struct span rest;
    enum status st = ST_TEMP;
    bytes_init(text, INCLUDE_LIMIT);
    errno = EACCES;
    if (find_folder(d->settings, path, folder, &rest) && span_copy(rest, name, sizeof name)) {
        int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        st = dir < 0 ? ST_TEMP : file_read_beneath(dir, name, text);
        file_close(dir);
    }
    if (st == ST_OK)
        return ST_OK;
    char *shown = span_dup(path);
    log_event(LOG_ERR, "include-unusable", "file", shown, "why",
              st == ST_PERM ? "no regular file, or larger than 1 MiB" : strerror(errno), NULL);
    free(shown);
    errno = ENOLINK;
    return ST_TEMP;
}
