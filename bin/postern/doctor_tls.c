/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern doctor: the certificates of the settings, tls-certificate and those for other names. Each check
 * looks at all of them; what can't be read is told by the first of these checks only.
 */
#include "doctor.h"
#include "base/clock.h"
#include "base/files.h"
#include "certificate.h"
#include "net/tls_verify.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY 86400
#define DAYS_LEFT 14

/* Valid for longer than the one in use? True too where that is poor. */
static bool is_better(const struct certificate_target *t, const struct certificate_pair *p)
{
    struct certificate_info info = { 0 };
    struct bytes error;
    bytes_init(&error, 4096);
    bool better = certificate_is_poor(t) ||
                  (p->trusted && certificate_read(t->certificate, t->name, &info, &error) == ST_OK &&
                   p->to > info.to);
    certificate_free(&info);
    bytes_free(&error);
    return better;
}

void doctor_certificate_found(struct doctor *d)
{
    struct certificate_target t;
    struct certificate_pair p;
    struct bytes roots, why;
    const char *file;
    bytes_init(&why, 65536);
    certificate_roots(&d->a->s, &roots, &file);
    for (size_t i = 0; certificate_target(&d->a->s, i, &t); i++) {
        certificate_pair_init(&p);
        if (certificate_find(t.name, NULL, span_bytes(&roots), &p, &why) == ST_OK && is_better(&t, &p) &&
            !certificate_is_placed(&t, &p))
            doctor_found(d,
                         "run postern certificate install, and have the ACME client's deploy hook call it "
                         "from now on",
                         "%s: is better than %s, which is in use", p.certificate, t.certificate);
        certificate_pair_free(&p);
    }
    bytes_free(&roots);
    bytes_free(&why);
}

void doctor_certificate(struct doctor *d)
{
    struct certificate_target p;
    struct certificate_info info;
    unsigned char key[HASH_SIZE];
    struct bytes error;
    bytes_init(&error, 4096);
    for (size_t i = 0; certificate_target(&d->a->s, i, &p); i++) {
        bytes_clear(&error);
        bool ok = certificate_read(p.certificate, p.name, &info, &error) == ST_OK &&
                  certificate_private_digest(p.key, key, &error) == ST_OK;
        if (!ok)
            doctor_found(d, "without it there is no TLS; put it there, or name another in the settings", "%s",
                         bytes_str(&error));
        else if (!hash_same(key, info.key))
            doctor_found(d, "put both there at once: postern certificate install", "%s isn't the key of %s",
                         p.key, p.certificate);
        certificate_free(&info);
    }
    bytes_free(&error);
}

void doctor_certificate_key(struct doctor *d)
{
    struct certificate_target p;
    struct stat info;
    for (size_t i = 0; certificate_target(&d->a->s, i, &p); i++) {
        if (stat(p.key, &info) != 0)
            continue;
        if (info.st_mode & 077)
            doctor_found(d, "chmod 600", "%s: others than its owner may read it (%o)", p.key,
                         info.st_mode & 0777);
        if (info.st_uid != geteuid() && info.st_uid != 0)
            doctor_found(d, "give it to the owner of the spool (chown)", "%s: belongs to user %u", p.key,
                         (unsigned)info.st_uid);
    }
}

void doctor_certificate_name(struct doctor *d)
{
    struct certificate_target p;
    struct certificate_info info;
    struct bytes error;
    bytes_init(&error, 4096);
    for (size_t i = 0; certificate_target(&d->a->s, i, &p); i++) {
        if (certificate_read(p.certificate, p.name, &info, &error) == ST_OK && !info.has_name)
            doctor_found(d, "get one for that name, or change `hostname` in the settings", "%s: isn't for %s",
                         p.certificate, p.name);
        certificate_free(&info);
    }
    bytes_free(&error);
}

void doctor_certificate_chain(struct doctor *d)
{
    struct certificate_target p;
    struct certificate_info info;
    struct bytes error, roots;
    const char *file;
    bytes_init(&error, 4096);
    if (!certificate_roots(&d->a->s, &roots, &file))
        doctor_found(d, "install ca-certificates, or set `ca-file`", "%s: %s", file, strerror(errno));
    for (size_t i = 0; roots.len && certificate_target(&d->a->s, i, &p); i++) {
        if (certificate_read(p.certificate, p.name, &info, &error) == ST_OK) {
            if (info.self_signed)
                doctor_found(d,
                             "any ACME client gets you one that they take; README shows how it comes here",
                             "%s: signed itself, so mail programs warn", p.certificate);
            else if (tls_verify_roots(info.chain, info.count, span_bytes(&roots), p.name) == TLS_UNTRUSTED)
                doctor_found(d, "install the full chain (fullchain.pem): postern certificate install",
                             "%s: leads to nobody who is trusted", p.certificate);
        }
        certificate_free(&info);
    }
    bytes_free(&roots);
    bytes_free(&error);
}

/* Less than a fortnight, or than a quarter of its life: some live for six days. */
static bool runs_out(const struct certificate_info *info, int64_t now)
{
    int64_t least = (info->to - info->from) / 4;
    return info->to - now < (least < DAYS_LEFT * DAY ? least : DAYS_LEFT * DAY);
}

void doctor_certificate_days(struct doctor *d)
{
    static const char todo[] =
        "see why the ACME client doesn't renew it, and whether its hook calls `postern certificate install`";
    struct certificate_target p;
    struct certificate_info info;
    struct bytes error;
    int64_t now = clock_now();
    bytes_init(&error, 4096);
    for (size_t i = 0; certificate_target(&d->a->s, i, &p); i++) {
        if (certificate_read(p.certificate, p.name, &info, &error) == ST_OK) {
            if (now > info.to)
                doctor_found_as(d, SEVERITY_ERROR, todo, "%s: has expired", p.certificate);
            else if (now < info.from)
                doctor_found_as(d, SEVERITY_ERROR, "see whether the clock is right", "%s: isn't valid yet",
                                p.certificate);
            else if (runs_out(&info, now))
                doctor_found(d, todo, "%s: expires in %u days", p.certificate,
                             (unsigned)((info.to - now) / DAY));
        }
        certificate_free(&info);
    }
    bytes_free(&error);
}
