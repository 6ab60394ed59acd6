/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Private keys of domains in files; see dkim_keys.h. A domain or selector never makes a path before it was
 * seen to be one: no '/', no empty label.
 */
#include "store/dkim_keys.h"
#include "base/files.h"
#include "text/domains.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".pem"
#define FILE_NAME_LIMIT (DKIM_SELECTOR_LIMIT + sizeof ".waiting" SUFFIX)
#define DOMAINS_LIMIT 10000 /* folders that are listed */

static const char *const words[DKIM_KEY_STATES] = {
    [DKIM_KEY_WAITING] = "waiting",
    [DKIM_KEY_SIGNING] = "signing",
    [DKIM_KEY_RETIRED] = "retired",
};
static const char *const suffixes[DKIM_KEY_STATES] = {
    [DKIM_KEY_WAITING] = ".waiting" SUFFIX,
    [DKIM_KEY_RETIRED] = ".retired" SUFFIX,
    [DKIM_KEY_SIGNING] = SUFFIX, /* the others end so too */
};

const char *dkim_key_state_word(enum dkim_key_state state)
{
    return words[state];
}

bool dkim_selector_valid(struct span selector)
{
    struct span label;
    if (selector.n == 0 || selector.n > DKIM_SELECTOR_LIMIT || selector.p[selector.n - 1] == '.')
        return false;
    while (span_cut(&selector, '.', &label)) {
        if (label.n == 0)
            return false;
        for (size_t i = 0; i < label.n; i++) {
            char c = label.p[i];
            if (!(c >= 'a' && c <= 'z') && !ascii_digit(c) && c != '_' && (c != '-' || i == 0))
                return false;
        }
    }
    return true;
}

/* --- paths */

static bool domain_is_safe(const char *domain)
{
    char same[ADDRESS_DOMAIN_LIMIT + 1];
    return domain_name(span_of(domain), same) && strcmp(same, domain) == 0 && !strchr(domain, '/');
}

static void file_name(const struct dkim_key *key, char name[FILE_NAME_LIMIT])
{
    snprintf(name, FILE_NAME_LIMIT, "%s%s", key->selector, suffixes[key->state]);
}

/* The domain's folder, or that of all where domain is NULL. */
static bool folder_path(const struct settings *s, const char *domain, char *path, size_t size)
{
    if (domain && !domain_is_safe(domain)) {
        errno = EINVAL;
        return false;
    }
    int n = snprintf(path, size, "%s/" DKIM_KEYS_FOLDER "%s%s", s->directory, domain ? "/" : "",
                     domain ? domain : "");
    if (n < 0 || (size_t)n >= size)
        errno = ENAMETOOLONG;
    return n >= 0 && (size_t)n < size;
}

bool dkim_key_path(const struct settings *s, const char *domain, const struct dkim_key *key, char *path,
                   size_t size)
{
    char folder[PATH_MAX], name[FILE_NAME_LIMIT];
    file_name(key, name);
    if (!folder_path(s, domain, folder, sizeof folder))
        return false;
    int n = snprintf(path, size, "%s/%s", folder, name);
    return n >= 0 && (size_t)n < size;
}

/* A descriptor of the folder; -1 with errno. */
static int open_folder(const struct settings *s, const char *domain)
{
    char path[PATH_MAX];
    return folder_path(s, domain, path, sizeof path)
               ? open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
               : -1;
}

/* --- what there is */

static bool read_name(const char *name, struct dkim_key *key)
{
    static const enum dkim_key_state order[] = { DKIM_KEY_WAITING, DKIM_KEY_RETIRED, DKIM_KEY_SIGNING };
    struct span all = span_of(name);
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        size_t n = strlen(suffixes[order[i]]);
        if (all.n <= n || strcmp(name + all.n - n, suffixes[order[i]]) != 0)
            continue;
        key->state = order[i];
        struct span selector = span_head(all, all.n - n);
        return dkim_selector_valid(selector) && span_copy(selector, key->selector, sizeof key->selector);
    }
    return false;
}

static int compare_keys(const void *a, const void *b)
{
    const struct dkim_key *x = a, *y = b;
    return x->made != y->made ? (x->made < y->made ? -1 : 1) : strcmp(x->selector, y->selector);
}

/* Into the list; where it is full, in the place of its oldest. */
static void keep(struct dkim_keys *keys, const struct dkim_key *key)
{
    size_t at = keys->count;
    if (keys->count < DKIM_KEYS_LIMIT) {
        keys->count++;
    } else {
        at = 0;
        for (size_t i = 1; i < keys->count; i++)
            if (compare_keys(&keys->list[i], &keys->list[at]) < 0)
                at = i;
        if (compare_keys(key, &keys->list[at]) < 0)
            return;
    }
    keys->list[at] = *key;
}

/* The folder's descriptor in a form that can be listed; NULL with errno. It is closed by closedir(). */
static DIR *list_folder(int fd)
{
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d)
        file_close(fd);
    return d;
}

enum status dkim_keys_find(const struct settings *s, const char *domain, struct dkim_keys *keys)
{
    struct dkim_key key;
    struct stat info;
    keys->count = 0;
    DIR *d = list_folder(open_folder(s, domain));
    if (!d)
        return errno == ENOENT || errno == EINVAL ? ST_NONE : ST_TEMP;
    errno = 0;
    for (const struct dirent *e; (e = readdir(d)); errno = 0)
        if (read_name(e->d_name, &key) && fstatat(dirfd(d), e->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
            key.made = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
            keep(keys, &key);
        }
    int why = errno;
    closedir(d);
    errno = why;
    if (why)
        return ST_TEMP;
    qsort(keys->list, keys->count, sizeof keys->list[0], compare_keys);
    return keys->count ? ST_OK : ST_NONE;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

enum status dkim_keys_domains(const struct settings *s, struct bytes *domains)
{
    char **names = NULL;
    size_t count = 0;
    DIR *d = list_folder(open_folder(s, NULL));
    if (!d)
        return errno == ENOENT ? ST_OK : ST_TEMP;
    names = calloc(DOMAINS_LIMIT, sizeof *names);
    for (const struct dirent *e; names && count < DOMAINS_LIMIT && (e = readdir(d));)
        if (domain_is_safe(e->d_name) && (names[count] = span_dup(span_of(e->d_name))))
            count++;
    closedir(d);
    if (count)
        qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 0; i < count; i++) {
        bytes_printf(domains, "%s\n", names[i]);
        free(names[i]);
    }
    bool good = names && !domains->failed;
    free(names);
    errno = good ? 0 : ENOMEM;
    return good ? ST_OK : ST_TEMP;
}

/* --- reading one */

enum status dkim_key_read(const struct settings *s, const char *domain, const struct dkim_key *key,
                          struct bytes *pem)
{
    char name[FILE_NAME_LIMIT];
    struct stat info;
    file_name(key, name);
    int folder = open_folder(s, domain);
    if (folder < 0)
        return errno == ENOENT ? ST_NONE : ST_TEMP;
    enum status st = ST_OK;
    if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        st = status_of_errno(errno);
    } else if (!S_ISREG(info.st_mode) || info.st_mode & 077) {
        errno = EACCES;
        st = ST_PERM;
    } else {
        st = file_read(folder, name, pem);
        if (st == ST_TEMP && errno == EACCES)
            st = ST_PERM;
    }
    file_close(folder);
    return st;
}

/* --- changing */

/* The folder of the domain's keys, made where it is missing. */
static int make_folder(const struct settings *s, const char *domain)
{
    char path[PATH_MAX];
    if (!folder_path(s, NULL, path, sizeof path) || (mkdir(path, 0700) != 0 && errno != EEXIST))
        return -1;
    if (!folder_path(s, domain, path, sizeof path) || (mkdir(path, 0700) != 0 && errno != EEXIST))
        return -1;
    if (file_sync_dir(AT_FDCWD, path) != ST_OK)
        return -1;
    return open_folder(s, domain);
}

/* What a killed process left. */
static void sweep(int folder)
{
    DIR *d = list_folder(fcntl(folder, F_DUPFD_CLOEXEC, 0));
    for (const struct dirent *e; d && (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        if (n > 4 && strcmp(e->d_name + n - 4, ".tmp") == 0)
            unlinkat(folder, e->d_name, 0);
    }
    if (d)
        closedir(d);
}

enum status dkim_key_write(const struct settings *s, const char *domain, const struct dkim_key *key,
                           struct span pem)
{
    char name[FILE_NAME_LIMIT];
    struct dkim_keys keys;
    if (dkim_keys_find(s, domain, &keys) == ST_TEMP)
        return ST_TEMP;
    for (size_t i = 0; i < keys.count; i++)
        if (strcmp(keys.list[i].selector, key->selector) == 0) {
            errno = EEXIST;
            return ST_PERM;
        }
    int folder = make_folder(s, domain);
    if (folder < 0)
        return ST_TEMP;
    sweep(folder);
    file_name(key, name);
    enum status st = file_replace(folder, name, pem, 0600);
    file_close(folder);
    return st;
}

enum status dkim_key_change(const struct settings *s, const char *domain, struct dkim_key *key,
                            enum dkim_key_state state)
{
    char old[FILE_NAME_LIMIT], new[FILE_NAME_LIMIT];
    struct dkim_key changed = *key;
    changed.state = state;
    file_name(key, old);
    file_name(&changed, new);
    int folder = open_folder(s, domain);
    if (folder < 0)
        return ST_TEMP;
    enum status st = file_publish(folder, old, folder, new);
    if (st == ST_OK)
        st = file_sync_dir(folder, NULL);
    file_close(folder);
    if (st == ST_OK)
        *key = changed;
    return st;
}

enum status dkim_key_remove(const struct settings *s, const char *domain, const struct dkim_key *key)
{
    char name[FILE_NAME_LIMIT], path[PATH_MAX];
    file_name(key, name);
    int folder = open_folder(s, domain);
    if (folder < 0)
        return ST_TEMP;
    enum status st = unlinkat(folder, name, 0) == 0 ? file_sync_dir(folder, NULL) : ST_TEMP;
    file_close(folder);
    if (st == ST_OK && folder_path(s, domain, path, sizeof path))
        rmdir(path); /* only when it is empty */
    return st;
}
