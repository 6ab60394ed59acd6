/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Puts a certificate and its key where the settings have them, both at once. Two files can't be replaced in
 * one step, so both names are links through one that can:
 *
 *     cert.pem  ->  certificates/DOMAIN/now/cert.pem
 *     key.pem   ->  certificates/DOMAIN/now/key.pem      now -> 1764181000000000, a folder with one pair
 *
 * A handler notes the file that the key's link leads to, reads the certificate, and does both again if the
 * link leads elsewhere by then (lib/net/serve.c), so it never has one of each. A pair that another took the
 * place of stays for an hour, for connections that began with it and come to STARTTLS later, and is removed
 * when the next is placed.
 *
 * Files that somebody put there himself become such a pair first, under new names (hard links, so that who
 * has them open may go on), which then stand in for them: at no moment is there no pair, or one that doesn't
 * fit, and a crash leaves the old or the new. All is done as the owner of the settings' folder.
 */
#include "certificate.h"
#include "base/clock.h"
#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE "certificates"
#define NOW "now"
#define CERTIFICATE "cert.pem"
#define KEY "key.pem"
#define PAIR_NAME_LIMIT 32
#define KEEP_SECONDS 3600

struct store {
    const struct settings *s;
    const struct certificate_target *t;
    char path[PATH_MAX];        /* certificates/DOMAIN */
    char pair[PAIR_NAME_LIMIT]; /* the folder in it that is being made */
};

static bool join(char to[PATH_MAX], const char *a, const char *b, const char *c)
{
    int n = snprintf(to, PATH_MAX, "%s/%s%s%s", a, b, c ? "/" : "", c ? c : "");
    bool fits = n >= 0 && n < PATH_MAX;
    if (!fits)
        errno = ENAMETOOLONG;
    return fits;
}

/* What `path` should be a link to: relative where it lies in the settings' folder, so that this can be
 * moved. */
static bool link_text(const struct store *o, const char *path, const char *name, char to[PATH_MAX])
{
    size_t n = strlen(o->s->directory);
    bool here = strncmp(path, o->s->directory, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
    return join(to, here ? o->path + n + 1 : o->path, NOW, name);
}

static bool is_linked(const struct store *o, const char *path, const char *name)
{
    char wanted[PATH_MAX], is[PATH_MAX];
    ssize_t n = readlink(path, is, sizeof is);
    return link_text(o, path, name, wanted) && n == (ssize_t)strlen(wanted) &&
           memcmp(is, wanted, (size_t)n) == 0;
}

/* The name at `path` becomes a link, or another one. */
static bool put_link(const char *target, const char *path)
{
    char temporary[PATH_MAX];
    if (snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)getpid()) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    unlink(temporary);
    if (symlink(target, temporary) == 0 && rename(temporary, path) == 0)
        return file_sync_dir(AT_FDCWD, path) == ST_OK;
    int saved = errno;
    unlink(temporary);
    errno = saved;
    return false;
}

static bool put_links(const struct store *o)
{
    const char *paths[] = { o->t->key, o->t->certificate }, *names[] = { KEY, CERTIFICATE };
    char target[PATH_MAX];
    for (size_t i = 0; i < 2; i++)
        if (!is_linked(o, paths[i], names[i]) &&
            !(link_text(o, paths[i], names[i], target) && put_link(target, paths[i])))
            return false;
    return true;
}

/* A folder for a pair, with a name that none had. */
static bool make_pair(struct store *o)
{
    char path[PATH_MAX];
    int64_t number = clock_now_us();
    for (int tries = 0; tries < 100; tries++) {
        snprintf(o->pair, sizeof o->pair, "%" PRId64, number + tries);
        if (!join(path, o->path, o->pair, NULL))
            return false;
        if (mkdir(path, 0755) == 0)
            return true;
        if (errno != EEXIST)
            return false;
    }
    return false;
}

static bool turn_to_pair(struct store *o)
{
    char path[PATH_MAX];
    return join(path, o->path, o->pair, CERTIFICATE) && file_sync_dir(AT_FDCWD, path) == ST_OK &&
           join(path, o->path, NOW, NULL) && put_link(o->pair, path);
}

/* The file that is there, under a second name; a copy where that can't be. */
static bool keep(const struct store *o, const char *from, const char *name, mode_t mode)
{
    char path[PATH_MAX];
    struct bytes text;
    if (!join(path, o->path, o->pair, name))
        return false;
    if (linkat(AT_FDCWD, from, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
        return true;
    bytes_init(&text, CERTIFICATE_FILE_LIMIT);
    bool ok =
        certificate_slurp(from, &text) && file_replace(AT_FDCWD, path, span_bytes(&text), mode) == ST_OK;
    bytes_wipe(&text);
    return ok;
}

/* What is there without links, if anything, becomes a pair with them. */
static bool adopt(struct store *o)
{
    bool managed = is_linked(o, o->t->key, KEY) && is_linked(o, o->t->certificate, CERTIFICATE);
    if (managed || access(o->t->key, R_OK) != 0 || access(o->t->certificate, R_OK) != 0)
        return true;
    return make_pair(o) && keep(o, o->t->key, KEY, 0600) && keep(o, o->t->certificate, CERTIFICATE, 0644) &&
           turn_to_pair(o) && put_links(o);
}

static void remove_pair(const char *path)
{
    static const char *const names[] = { KEY, CERTIFICATE };
    char file[PATH_MAX];
    for (size_t i = 0; i < 2; i++)
        if (join(file, path, names[i], NULL))
            unlink(file);
    rmdir(path);
}

/* What `now` leads to is used by new connections until this moment: its folder's time says so. */
static void end_before(const struct store *o)
{
    char path[PATH_MAX];
    if (join(path, o->path, NOW, NULL))
        utimensat(AT_FDCWD, path, NULL, 0);
}

/* What stays by a failure goes the next time. */
static void forget_old(const struct store *o)
{
    char path[PATH_MAX];
    struct stat info;
    struct dirent *e;
    DIR *d = opendir(o->path);
    while (d && (e = readdir(d)))
        if (ascii_digit(e->d_name[0]) && strcmp(e->d_name, o->pair) != 0 &&
            join(path, o->path, e->d_name, NULL) && stat(path, &info) == 0 &&
            (int64_t)info.st_mtime < clock_now() - KEEP_SECONDS)
            remove_pair(path);
    if (d)
        closedir(d);
}

static bool write_pair(struct store *o, const struct certificate_pair *p)
{
    char path[PATH_MAX];
    return make_pair(o) && join(path, o->path, o->pair, KEY) &&
           file_replace(AT_FDCWD, path, span_bytes(&p->secret), 0600) == ST_OK &&
           join(path, o->path, o->pair, CERTIFICATE) &&
           file_replace(AT_FDCWD, path, span_bytes(&p->chain), 0644) == ST_OK;
}

bool certificate_is_placed(const struct certificate_target *t, const struct certificate_pair *p)
{
    struct certificate_pair now;
    struct bytes error;
    bytes_init(&error, 4096);
    certificate_pair_init(&now);
    bool same = certificate_pair_read(&now, t->certificate, t->key, &error) == ST_OK &&
                span_eq(span_bytes(&now.chain), span_bytes(&p->chain)) &&
                span_eq(span_bytes(&now.secret), span_bytes(&p->secret));
    certificate_pair_free(&now);
    bytes_free(&error);
    return same;
}

enum status certificate_place(const struct settings *s, const struct certificate_target *t,
                              const struct certificate_pair *p, struct bytes *error)
{
    struct store o = { .s = s, .t = t };
    bool wild = t->domain[0] == '*';
    bool ok = snprintf(o.path, sizeof o.path, "%s/" STORE "/%s%s", s->directory, wild ? "_" : "",
                       t->domain + wild) < PATH_MAX &&
              file_make_dirs(o.path, 0755) == ST_OK && adopt(&o);
    ok = ok && write_pair(&o, p);
    end_before(&o);
    ok = ok && turn_to_pair(&o) && put_links(&o);
    if (ok) {
        forget_old(&o);
        return ST_OK;
    }
    bytes_printf(error, "%s: can't put the certificate there: %s", t->certificate, strerror(errno));
    return ST_TEMP;
}
