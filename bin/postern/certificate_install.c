/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern certificate install: takes over what an ACME client has got, for the server's name and those of the
 * setting `certificate`. It is what a client's deploy hook calls, in one word: the hooks of certbot, lego and
 * acme.sh say by their environment which certificate it is. One that is for none of these names is no error
 * then: the client may have others to renew. Without such a hook it looks where clients leave theirs.
 *
 * As root it reads, then becomes the owner of the spool, and writes.
 */
#include "admin.h"
#include "certificate.h"
#include "base/clock.h"
#include "net/sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define DAY 86400

/* What hooks are told: the variables that name certificate and key, or the one that names their folder. */
static const struct hook {
    const char *certificate, *key, *folder;
} hooks[] = {
    { "/fullchain.pem", "/privkey.pem", "RENEWED_LINEAGE" }, /* certbot */
    { "LEGO_CERT_PATH", "LEGO_CERT_KEY_PATH", NULL },
    { "LEGO_HOOK_CERT_PATH", "LEGO_HOOK_CERT_KEY_PATH", NULL }, /* lego 5 */
    { "CERT_FULLCHAIN_PATH", "CERT_KEY_PATH", NULL },           /* acme.sh */
};

/* False: no hook called us. */
static bool from_hook(char certificate[PATH_MAX], char key[PATH_MAX])
{
    for (size_t i = 0; i < sizeof hooks / sizeof hooks[0]; i++) {
        const struct hook *h = &hooks[i];
        const char *folder = h->folder ? getenv(h->folder) : "";
        const char *c = h->folder ? h->certificate : getenv(h->certificate);
        const char *k = h->folder ? h->key : getenv(h->key);
        if (folder && c && k && (h->folder ? folder[0] : c[0] && k[0]) &&
            snprintf(certificate, PATH_MAX, "%s%s", folder, c) < PATH_MAX &&
            snprintf(key, PATH_MAX, "%s%s", folder, k) < PATH_MAX)
            return true;
    }
    return false;
}

int certificate_put(const struct settings *s, const struct certificate_target *t,
                    const struct certificate_pair *p)
{
    struct bytes error;
    unsigned char before[HASH_SIZE];
    int result = EX_OK;
    unsigned days = (unsigned)((p->to - clock_now()) / DAY);
    if (certificate_is_placed(t, p)) {
        printf("%s: %s is installed already, for %u more days\n", t->domain, p->certificate, days);
        return EX_OK;
    }
    bytes_init(&error, 4096);
    bool another =
        certificate_key_digest(t->certificate, before, &error) == ST_OK && !hash_same(before, p->digest);
    bytes_clear(&error);
    if (certificate_place(s, t, p, &error) != ST_OK) {
        result = complain(EX_CANTCREAT, "%s", bytes_str(&error));
    } else {
        printf("%s: installed %s, good for %u days\n", t->domain, p->certificate, days);
        if (!p->trusted)
            printf("%s: nobody that is trusted here vouches for it%s\n", t->domain,
                   p->count == 1 ? "; is it the whole chain (fullchain.pem)?" : "");
        if (another)
            printf(
                "%s: its key is another than before: if TLSA records are published, `postern dns` prints the "
                "new one\n",
                t->domain);
    }
    bytes_free(&error);
    return result;
}

/* --- which for which --- */

struct install {
    struct admin *a;
    const char *folder; /* or NULL */
    struct bytes roots;
    struct certificate_pair *pairs; /* for each target; without a count: none */
    size_t count;
};

/* Does another name have the same files? */
static bool is_repeated(const struct settings *s, size_t i)
{
    struct certificate_target t, other;
    certificate_target(s, i, &t);
    for (size_t j = 0; j < i && certificate_target(s, j, &other); j++)
        if (strcmp(t.certificate, other.certificate) == 0)
            return true;
    return false;
}

static void forget(struct certificate_pair *p)
{
    certificate_pair_free(p);
    certificate_pair_init(p);
}

/* One pair for all the targets whose name it has. */
static int take_pair(struct install *n, const char *certificate, const char *key, bool hook)
{
    struct certificate_target t;
    struct bytes error;
    int result = EX_OK;
    size_t fits = 0;
    bytes_init(&error, 8192);
    for (size_t i = 0; result == EX_OK && certificate_target(&n->a->s, i, &t); i++) {
        struct certificate_pair *p = &n->pairs[i];
        bytes_clear(&error);
        enum status st = certificate_pair_read(p, certificate, key, &error);
        if (st == ST_OK)
            st = certificate_check(p, t.name, span_bytes(&n->roots), &error);
        else if (st == ST_NONE)
            st = ST_PERM;
        if (st == ST_OK)
            st = certificate_check_key(p, &error);
        if (st == ST_OK)
            fits++;
        else
            forget(p);
        if (st == ST_PERM || st == ST_TEMP)
            result = complain(EX_DATAERR, "%s", bytes_str(&error));
    }
    if (result == EX_OK && !fits && hook)
        printf("%s: is for none of this server's names, so it is left alone\n", certificate);
    else if (result == EX_OK && !fits)
        result = complain(EX_DATAERR, "%s: is for none of this server's names (%s%s)", certificate,
                          n->a->s.hostname, n->count > 1 ? ", and those of the setting certificate" : "");
    bytes_free(&error);
    return result;
}

static int find_pairs(struct install *n)
{
    struct certificate_target t;
    struct bytes why;
    size_t found = 0;
    bytes_init(&why, 65536);
    for (size_t i = 0; certificate_target(&n->a->s, i, &t); i++)
        found += certificate_find(t.name, n->folder, span_bytes(&n->roots), &n->pairs[i], &why) == ST_OK;
    struct span rest = span_bytes(&why), line;
    for (bool more = !found && why.len; more; more = rest.n > 0) {
        span_cut(&rest, '\n', &line);
        complain(EX_OK, "%.*s", (int)line.n, line.p);
    }
    bytes_free(&why);
    if (found)
        return EX_OK;
    return complain(EX_NOINPUT, "no certificate for %s %s%s", n->a->s.hostname,
                    n->folder ? "in " : "where ACME clients leave them",
                    n->folder  ? n->folder
                    : getuid() ? "; root can look there"
                               : "");
}

static int find(struct install *n, int argc, char **argv)
{
    char certificate[PATH_MAX], key[PATH_MAX];
    struct stat info;
    if (argc == 2)
        return take_pair(n, argv[0], argv[1], false);
    if (argc == 1 && (stat(argv[0], &info) != 0 || !S_ISDIR(info.st_mode)))
        return complain(EX_USAGE, "%s: is no folder; of a certificate its key is wanted too", argv[0]);
    n->folder = argc ? argv[0] : NULL;
    if (argc == 0 && from_hook(certificate, key))
        return take_pair(n, certificate, key, true);
    return find_pairs(n);
}

static int put_all(struct install *n)
{
    struct certificate_target t;
    struct bytes error;
    bytes_init(&error, 4096);
    int result = sandbox_drop_root(n->a->s.spool, &error) == ST_OK
                     ? EX_OK
                     : complain(EX_NOPERM, "%s", bytes_str(&error));
    umask(022); /* all that is secret gets its mode by name */
    for (size_t i = 0; result == EX_OK && certificate_target(&n->a->s, i, &t); i++)
        if (n->pairs[i].count && !is_repeated(&n->a->s, i))
            result = certificate_put(&n->a->s, &t, &n->pairs[i]);
    bytes_free(&error);
    return result;
}

int certificate_install(struct admin *a, int argc, char **argv)
{
    const char *file;
    struct install n = { .a = a, .count = a->s.certificate_count + 1 };
    n.pairs = calloc(n.count, sizeof *n.pairs);
    if (!n.pairs)
        return complain(EX_OSERR, "out of memory");
    for (size_t i = 0; i < n.count; i++)
        certificate_pair_init(&n.pairs[i]);
    certificate_roots(&a->s, &n.roots, &file);
    int result = find(&n, argc, argv);
    if (result == EX_OK)
        result = put_all(&n);
    for (size_t i = 0; i < n.count; i++)
        certificate_pair_free(&n.pairs[i]);
    free(n.pairs);
    bytes_free(&n.roots);
    return result;
}
