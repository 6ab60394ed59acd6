/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whether a certificate and a key can be the server's: what would make it useless, or worse, is refused here
 * and not noticed by others. A certificate that leads to none of the roots is taken: it may be that of a CA
 * of one's own.
 */
#include "certificate.h"
#include "base/clock.h"
#include "base/files.h"
#include "net/tls_verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSTEM_ROOTS "/etc/ssl/certs/ca-certificates.crt"
#define ROOTS_LIMIT ((size_t)4 << 20)

bool certificate_target(const struct settings *s, size_t i, struct certificate_target *t)
{
    if (i > s->certificate_count)
        return false;
    const struct named_certificate *c = i ? &s->certificates[i - 1] : NULL;
    t->domain = c ? c->domain : s->hostname;
    bool wild = t->domain[0] == '*';
    snprintf(t->name, sizeof t->name, "%s%s", wild ? "any" : "", wild ? t->domain + 1 : t->domain);
    t->certificate = c ? c->certificate : s->tls_certificate;
    t->key = c ? c->key : s->tls_key;
    return true;
}

bool certificate_roots(const struct settings *s, struct bytes *roots, const char **file)
{
    *file = s->ca_file && s->ca_file[0] ? s->ca_file : SYSTEM_ROOTS;
    bytes_init(roots, ROOTS_LIMIT);
    return file_read(AT_FDCWD, *file, roots) == ST_OK;
}

void certificate_pair_init(struct certificate_pair *p)
{
    *p = (struct certificate_pair){ 0 };
    bytes_init(&p->chain, CERTIFICATE_FILE_LIMIT);
    bytes_init(&p->secret, CERTIFICATE_FILE_LIMIT);
}

void certificate_pair_free(struct certificate_pair *p)
{
    bytes_free(&p->chain);
    bytes_wipe(&p->secret);
}

bool certificate_slurp(const char *file, struct bytes *to)
{
    struct stat info;
    ssize_t n = -1;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return false;
    if (fstat(fd, &info) == 0) {
        errno = S_ISREG(info.st_mode) ? EFBIG : EINVAL;
        if (S_ISREG(info.st_mode) && (uintmax_t)info.st_size <= to->limit &&
            bytes_reserve(to, (size_t)info.st_size + 1))
            n = read(fd, to->data, (size_t)info.st_size);
    }
    file_close(fd);
    to->len = n > 0 ? (size_t)n : 0;
    if (to->data)
        to->data[to->len] = '\0';
    return n >= 0;
}

static const char *trouble(const struct certificate_info *info)
{
    int64_t now = clock_now();
    if (now > info->to)
        return "has expired";
    if (now < info->from)
        return "isn't valid yet; is the clock right?";
    if (info->count > TLS_OWN_CHAIN_LIMIT)
        return "holds more certificates than the server sends";
    if (!info->in_order)
        return "isn't a chain: its second certificate didn't sign the first";
    return NULL;
}

enum status certificate_check(struct certificate_pair *p, const char *name, struct span roots,
                              struct bytes *error)
{
    struct certificate_info info;
    enum status st = certificate_parse(span_bytes(&p->chain), p->certificate, name, &info, error);
    const char *why = st == ST_OK ? trouble(&info) : NULL;
    if (st == ST_OK && !info.has_name) {
        bytes_printf(error, "%s: isn't for %s", p->certificate, name);
        st = ST_NONE;
    } else if (why) {
        bytes_printf(error, "%s: %s", p->certificate, why);
        st = ST_PERM;
    }
    p->to = info.to;
    p->count = info.count;
    memcpy(p->digest, info.key, HASH_SIZE);
    p->trusted =
        st == ST_OK && roots.n && tls_verify_roots(info.chain, info.count, roots, name) == TLS_VERIFIED;
    certificate_free(&info);
    return st;
}

enum status certificate_check_key(const struct certificate_pair *p, struct bytes *error)
{
    unsigned char digest[HASH_SIZE];
    enum status st = certificate_private_parse(span_bytes(&p->secret), p->key, digest, error);
    if (st == ST_OK && !hash_same(digest, p->digest)) {
        bytes_printf(error, "%s: isn't the key of %s", p->key, p->certificate);
        st = ST_PERM;
    }
    return st;
}

enum status certificate_pair_read(struct certificate_pair *p, const char *certificate, const char *key,
                                  struct bytes *error)
{
    const char *files[] = { certificate, key };
    struct bytes *to[] = { &p->chain, &p->secret };
    snprintf(p->certificate, sizeof p->certificate, "%s", certificate);
    snprintf(p->key, sizeof p->key, "%s", key);
    for (size_t i = 0; i < 2; i++)
        if (!certificate_slurp(files[i], to[i])) {
            bytes_printf(error, "%s: %s", files[i], strerror(errno));
            return errno == ENOENT ? ST_NONE : ST_TEMP;
        }
    return ST_OK;
}

bool certificate_is_poor(const struct certificate_target *t)
{
    struct certificate_pair p;
    struct certificate_info info = { 0 };
    struct bytes error;
    bytes_init(&error, 4096);
    certificate_pair_init(&p);
    bool good = certificate_pair_read(&p, t->certificate, t->key, &error) == ST_OK &&
                certificate_check(&p, t->name, SPAN(""), &error) == ST_OK &&
                certificate_check_key(&p, &error) == ST_OK &&
                certificate_parse(span_bytes(&p.chain), t->certificate, t->name, &info, &error) == ST_OK &&
                !info.self_signed;
    certificate_free(&info);
    certificate_pair_free(&p);
    bytes_free(&error);
    return !good;
}
