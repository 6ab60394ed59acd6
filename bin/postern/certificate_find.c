/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Finds certificates where ACME clients leave them. Neither the names of folders and files nor the clients'
 * own records count (certbot gives a second certificate for a name the folder NAME-0001, lego writes
 * NAME.crt, others fullchain.cer), but what is in them: every PEM file is read that holds a certificate for
 * the name, and the key is the file that fits it, first among those beside it.
 *
 * Some of these folders belong to the client's own user: files are opened as such a one might have planted
 * them, are bounded in size and number, and folders are not entered by links.
 */
#include "certificate.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILES_LIMIT 4000
#define DEPTH_LIMIT 4
#define PEM_LIMIT ((size_t)64 << 10)

/* Below / or, with a ~, the home of who asks: root's, where clients are run by hand. */
static const char *const folders[] = {
    "/etc/letsencrypt/live",
    "/etc/lego/certificates",
    "/var/lib/lego/certificates",
    "~/.lego/certificates",
    "~/.acme.sh",
    "/etc/acme.sh",
    "/var/lib/dehydrated/certs",
    "/etc/dehydrated/certs",
    "/var/lib/caddy/.local/share/caddy/certificates",
    "/etc/ssl/uacme",
    "/var/lib/acme/live",
};

struct search {
    const char *name;
    struct span roots;
    char **files;
    size_t count, room;
    struct certificate_pair *best; /* none while its count is 0 */
    struct bytes *why;
};

static bool remember(struct search *f, const char *path)
{
    if (f->count == f->room) {
        size_t room = f->room ? 2 * f->room : 64;
        char **more = realloc(f->files, room * sizeof *more);
        if (!more)
            return false;
        f->files = more;
        f->room = room;
    }
    f->files[f->count] = strdup(path);
    return f->files[f->count++] != NULL;
}

/* The files in a folder and those below it. */
static void list(struct search *f, const char *folder, unsigned depth)
{
    char path[PATH_MAX];
    struct stat info;
    struct dirent *e;
    DIR *d = opendir(folder);
    while (d && f->count < FILES_LIMIT && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name) >= PATH_MAX || lstat(path, &info) != 0)
            continue;
        if (S_ISDIR(info.st_mode) && depth < DEPTH_LIMIT)
            list(f, path, depth + 1);
        else if (!S_ISDIR(info.st_mode) && !remember(f, path))
            break;
    }
    if (d)
        closedir(d);
}

/* Has the file such a block of PEM? Then it is in *text. */
static bool holds(const char *file, const char *what, struct bytes *text)
{
    bytes_clear(text);
    return certificate_slurp(file, text) && text->len && strstr(bytes_str(text), what);
}

static bool beside(const char *a, const char *b)
{
    size_t n = (size_t)(strrchr(a, '/') - a);
    return strncmp(a, b, n + 1) == 0 && !strchr(b + n + 1, '/');
}

/* The key of p, among the files that lie beside it or among all others. */
static bool find_key(const struct search *f, struct certificate_pair *p, bool near)
{
    struct bytes error;
    bool found = false;
    bytes_init(&error, 4096);
    bytes_init(&p->secret, PEM_LIMIT);
    for (size_t i = 0; i < f->count && !found; i++) {
        if (beside(p->certificate, f->files[i]) != near ||
            !holds(f->files[i], "PRIVATE KEY-----", &p->secret))
            continue;
        snprintf(p->key, sizeof p->key, "%s", f->files[i]);
        bytes_clear(&error);
        found = certificate_check_key(p, &error) == ST_OK;
        if (!found)
            explicit_bzero(p->secret.data, p->secret.len);
    }
    if (!found)
        bytes_wipe(&p->secret);
    bytes_free(&error);
    return found;
}

static bool is_link(const char *file)
{
    struct stat info;
    return lstat(file, &info) == 0 && S_ISLNK(info.st_mode);
}

/* Of equals the link, in whatever order they are found: certbot's live/ names what lies in archive/. */
static bool is_better(const struct certificate_pair *a, const struct certificate_pair *b)
{
    if (a->trusted != b->trusted || b->count == 0)
        return b->count == 0 || a->trusted;
    if (a->to != b->to || a->count != b->count)
        return a->to != b->to ? a->to > b->to : a->count > b->count;
    return is_link(a->certificate) && !is_link(b->certificate);
}

static void note(struct search *f, const char *text)
{
    bytes_printf(f->why, "%s%s", f->why->len ? "\n" : "", text);
}

static void consider(struct search *f, const char *file)
{
    struct certificate_pair p;
    struct bytes error;
    bytes_init(&error, 4096);
    certificate_pair_init(&p);
    snprintf(p.certificate, sizeof p.certificate, "%s", file);
    enum status st = holds(file, "-----BEGIN CERTIFICATE-----", &p.chain)
                         ? certificate_check(&p, f->name, f->roots, &error)
                         : ST_NONE;
    if (st == ST_PERM && p.count)
        note(f, bytes_str(&error));
    else if (st == ST_OK && is_better(&p, f->best)) {
        if (find_key(f, &p, true) || find_key(f, &p, false)) {
            certificate_pair_free(f->best);
            *f->best = p;
            certificate_pair_init(&p);
        } else {
            bytes_printf(&error, "%s: no key that fits it lies there", file);
            note(f, bytes_str(&error));
        }
    }
    certificate_pair_free(&p);
    bytes_free(&error);
}

static void search(struct search *f, const char *folder)
{
    char path[PATH_MAX];
    const char *home = getenv("HOME");
    bool in_home = folder[0] == '~';
    if ((in_home && (!home || home[0] != '/')) ||
        snprintf(path, sizeof path, "%s%s", in_home ? home : "", folder + in_home) >= PATH_MAX)
        return;
    list(f, path, 1);
    for (size_t i = 0; i < f->count; i++)
        consider(f, f->files[i]);
    for (size_t i = 0; i < f->count; i++)
        free(f->files[i]);
    f->count = 0;
}

enum status certificate_find(const char *name, const char *folder, struct span roots,
                             struct certificate_pair *p, struct bytes *why)
{
    struct search f = { .name = name, .roots = roots, .best = p, .why = why };
    if (folder)
        search(&f, folder);
    else
        for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
            search(&f, folders[i]);
    free(f.files);
    return p->count ? ST_OK : ST_NONE;
}
