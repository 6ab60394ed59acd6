/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern doctor: what our domains promise that a web server has, MTA-STS (RFC 8461) and the settings of mail
 * programs (autoconfig). Nothing of Postern serves these, but another web server may: what is published is
 * fetched as others do. A policy that is enforced and doesn't name this host, or a certificate that it can't
 * be verified by, keeps their mail away.
 */
#include "doctor.h"
#include "base/files.h"
#include "certificate.h"
#include "net/https.h"
#include "net/tls_verify.h"
#include "text/mta_sts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WELL_KNOWN "/.well-known/mta-sts.txt"
#define AUTOCONFIG "/mail/config-v1.1.xml"
#define AUTOCONFIG_LIMIT ((size_t)1 << 20)
#define FETCH_MS 20000
#define TODO                                                                                                 \
    "serve the policy, or remove the record _mta-sts and, before, have a policy with `mode: none` for a "    \
    "while"

/* https://HOST/PATH. False with *why. */
static bool fetch(struct doctor *d, const char *host, const char *path, enum https_type type,
                  struct span roots, struct bytes *text, struct bytes *why)
{
    struct dns_answer answer;
    int fd = -1;
    enum status st = dns_ask(&d->resolver, host, DNS_A, &answer);
    if (st == ST_NONE) {
        dns_answer_free(&answer);
        st = dns_ask(&d->resolver, host, DNS_AAAA, &answer);
    }
    if (st != ST_OK)
        bytes_printf(why, "%s has no address%s", host, st == ST_TEMP ? " now" : "");
    else if ((fd = doctor_connect(&answer.records[0].address, d->a->s.https_port)) < 0)
        bytes_printf(why, "%s can't be reached: %s", host, strerror(errno));
    dns_answer_free(&answer);
    bool got = fd >= 0 && https_get(fd, host, path, type, roots, FETCH_MS, text, why) == HTTPS_OK;
    file_close(fd);
    return got;
}

/* Is our certificate one that the policy's readers take? */
static bool certificate_holds(struct doctor *d, struct span roots)
{
    struct certificate_info info;
    struct bytes error;
    bytes_init(&error, 4096);
    bool good = certificate_read(d->a->s.tls_certificate, d->a->s.hostname, &info, &error) == ST_OK &&
                tls_verify_roots(info.chain, info.count, roots, d->a->s.hostname) == TLS_VERIFIED;
    certificate_free(&info);
    bytes_free(&error);
    return good;
}

static void check_policy(struct doctor *d, const char *domain, struct span roots)
{
    struct bytes text, why;
    struct sts_policy policy;
    char host[DNS_NAME_LIMIT];
    bytes_init(&text, STS_TEXT_LIMIT);
    bytes_init(&why, 4096);
    if (snprintf(host, sizeof host, "mta-sts.%s", domain) >= (int)sizeof host) {
        /* no name that DNS could have */
    } else if (!fetch(d, host, WELL_KNOWN, HTTPS_TEXT_PLAIN, roots, &text, &why)) {
        doctor_found(d, TODO, "%s announces a policy that others can't read: %s", domain, bytes_str(&why));
    } else if (sts_policy_read(span_bytes(&text), &policy) != ST_OK) {
        doctor_found(d, TODO, "what %s serves is no policy of MTA-STS", host);
    } else if (policy.mode != STS_MODE_NONE) {
        enum severity severity = policy.mode == STS_MODE_ENFORCE ? SEVERITY_ERROR : d->severity;
        if (!sts_policy_covers(&policy, d->a->s.hostname))
            doctor_found_as(d, severity,
                            "add `mx:` with the host name to it, and change the id of the record",
                            "the policy that %s serves doesn't name %s", host, d->a->s.hostname);
        if (!certificate_holds(d, roots))
            doctor_found_as(d, severity, "get a certificate that others trust, for the host name",
                            "the policy that %s serves asks for a certificate that can be verified, and this "
                            "host has none",
                            host);
    }
    bytes_free(&why);
    bytes_free(&text);
}

void doctor_sts(struct doctor *d)
{
    struct bytes text, roots;
    const char *file;
    size_t count;
    bool can = certificate_roots(&d->a->s, &roots, &file) && d->asks; /* else certificate-chain complains */
    bytes_init(&text, 4096);
    for (size_t i = 0; can && i < d->domain_count; i++) {
        const struct domain_entry *e = &d->domains[i];
        bytes_clear(&text);
        if ((e->kind == DOMAIN_OURS || e->kind == DOMAIN_ALIAS) &&
            doctor_text(d, "_mta-sts", e->name, "v=STSv1", &text, &count) && count)
            check_policy(d, e->name, span_bytes(&roots));
    }
    bytes_free(&text);
    bytes_free(&roots);
}

/* --- autoconfig */

/* Does the name exist at all, as an alias at least? */
static bool is_published(struct doctor *d, const char *host)
{
    static const enum dns_type types[] = { DNS_A, DNS_AAAA };
    bool yes = false;
    for (size_t i = 0; i < 2 && !yes; i++) {
        struct dns_answer answer;
        enum status st = dns_ask(&d->resolver, host, types[i], &answer);
        yes =
            st == ST_OK || (st == ST_NONE && answer.canonical[0] && strcasecmp(answer.canonical, host) != 0);
        dns_answer_free(&answer);
    }
    return yes;
}

static void check_autoconfig(struct doctor *d, const char *domain, struct span roots)
{
    static const char todo[] = "serve it there, with the host name and the ports, or remove that record";
    struct bytes text, why;
    char host[DNS_NAME_LIMIT];
    if (snprintf(host, sizeof host, "autoconfig.%s", domain) >= (int)sizeof host || !is_published(d, host))
        return;
    bytes_init(&text, AUTOCONFIG_LIMIT);
    bytes_init(&why, 4096);
    if (!fetch(d, host, AUTOCONFIG, HTTPS_ANY_TYPE, roots, &text, &why))
        doctor_found(d, todo, "%s is published, and mail programs that ask there get no settings: %s", host,
                     bytes_str(&why));
    else if (!text.len || !strcasestr(bytes_str(&text), d->a->s.hostname))
        doctor_found(d, todo,
                     "the settings that https://%s" AUTOCONFIG " has for mail programs don't name %s", host,
                     d->a->s.hostname);
    bytes_free(&why);
    bytes_free(&text);
}

void doctor_autoconfig(struct doctor *d)
{
    struct bytes roots;
    const char *file;
    bool can = certificate_roots(&d->a->s, &roots, &file) && d->asks;
    for (size_t i = 0; can && i < d->domain_count; i++)
        if (d->domains[i].kind == DOMAIN_OURS || d->domains[i].kind == DOMAIN_ALIAS)
            check_autoconfig(d, d->domains[i].name, span_bytes(&roots));
    bytes_free(&roots);
}
