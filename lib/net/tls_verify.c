/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Verifies certificates by GnuTLS's X.509; see tls_verify.h. A chain is verified as a path of signatures from
 * its first certificate to one that is trusted; what else stands in it is passed over.
 */
#include "net/tls_verify.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <limits.h>

struct chain {
    gnutls_x509_crt_t certificates[TLS_CHAIN_LIMIT];
    unsigned count;
};

const char *tls_verdict_text(enum tls_verdict verdict)
{
    switch (verdict) {
    case TLS_VERIFIED:
        return "its certificate is right";
    case TLS_EXPIRED:
        return "its certificate has expired, or isn't valid yet";
    case TLS_WRONG_NAME:
        return "its certificate is for another name";
    case TLS_UNTRUSTED:
        return "nobody that is trusted vouches for its certificate";
    case TLS_NO_MATCH:
        return "its certificate fits none of its TLSA records";
    }
    return "its certificate could not be read";
}

static gnutls_x509_crt_t read_certificate(struct span der)
{
    gnutls_x509_crt_t crt;
    gnutls_datum_t data = { (unsigned char *)(uintptr_t)der.p, (unsigned)der.n };
    if (der.n > INT_MAX || gnutls_x509_crt_init(&crt) != 0)
        return NULL;
    if (gnutls_x509_crt_import(crt, &data, GNUTLS_X509_FMT_DER) == 0)
        return crt;
    gnutls_x509_crt_deinit(crt);
    return NULL;
}

static void free_chain(struct chain *c)
{
    for (unsigned i = 0; i < c->count; i++)
        gnutls_x509_crt_deinit(c->certificates[i]);
    c->count = 0;
}

/* Up to the first that can't be read; false if that is the very first. */
static bool read_chain(const struct span *chain, size_t count, struct chain *c)
{
    c->count = 0;
    while (c->count < count && c->count < TLS_CHAIN_LIMIT) {
        c->certificates[c->count] = read_certificate(chain[c->count]);
        if (!c->certificates[c->count])
            break;
        c->count++;
    }
    return c->count > 0;
}

/* With a DNS name in the subjectAltName; GnuTLS would take the common name where there is none. */
static bool has_name(gnutls_x509_crt_t crt, const char *name)
{
    int type = 0;
    bool found = false;
    for (unsigned i = 0; type >= 0 && !found; i++) {
        size_t size = 0;
        type = gnutls_x509_crt_get_subject_alt_name(crt, i, NULL, &size, NULL);
        if (type == GNUTLS_E_SHORT_MEMORY_BUFFER) { /* there is one: of which type it says with room only */
            char text[1024];
            size = sizeof text;
            type = gnutls_x509_crt_get_subject_alt_name(crt, i, text, &size, NULL);
            if (type == GNUTLS_E_SHORT_MEMORY_BUFFER)
                type = GNUTLS_SAN_OTHERNAME;
        }
        found = type == GNUTLS_SAN_DNSNAME;
    }
    return found && gnutls_x509_crt_check_hostname2(crt, name, 0);
}

static enum tls_verdict verdict_of(unsigned status)
{
    const unsigned dates = GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED;
    if (status == 0)
        return TLS_VERIFIED;
    return (status & ~(dates | GNUTLS_CERT_INVALID)) == 0 ? TLS_EXPIRED : TLS_UNTRUSTED;
}

/* The path and its dates, and that it is for a server. */
static enum tls_verdict verify_path(gnutls_x509_trust_list_t list, struct chain *c)
{
    unsigned status = 0;
    gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
                                      .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_SERVER };
    int err =
        gnutls_x509_trust_list_verify_crt2(list, c->certificates, c->count, &purpose, 1, 0, &status, NULL);
    return err ? TLS_UNTRUSTED : verdict_of(status);
}

enum tls_verdict tls_verify_roots(const struct span *chain, size_t count, struct span roots, const char *name)
{
    struct chain c;
    gnutls_x509_trust_list_t list = NULL;
    gnutls_datum_t pem = { (unsigned char *)(uintptr_t)roots.p, (unsigned)roots.n };
    enum tls_verdict verdict = TLS_UNTRUSTED;
    if (roots.n > INT_MAX || !read_chain(chain, count, &c))
        return verdict;
    if (gnutls_x509_trust_list_init(&list, 0) == 0) {
        if (gnutls_x509_trust_list_add_trust_mem(list, &pem, NULL, GNUTLS_X509_FMT_PEM, 0, 0) > 0)
            verdict = verify_path(list, &c);
        gnutls_x509_trust_list_deinit(list, 1);
    }
    if (verdict == TLS_VERIFIED && !has_name(c.certificates[0], name))
        verdict = TLS_WRONG_NAME;
    free_chain(&c);
    return verdict;
}

/* --- TLSA */

static bool same(struct span wanted, const gnutls_datum_t *got, uint8_t matching)
{
    unsigned char hash[64];
    if (matching == TLSA_FULL)
        return span_eq(wanted, (struct span){ (const char *)got->data, got->size });
    gnutls_digest_algorithm_t digest = matching == TLSA_SHA256 ? GNUTLS_DIG_SHA256 : GNUTLS_DIG_SHA512;
    return gnutls_hash_fast(digest, got->data, got->size, hash) == 0 &&
           span_eq(wanted, (struct span){ (const char *)hash, gnutls_hash_get_len(digest) });
}

static bool key_matches(gnutls_x509_crt_t crt, const struct tlsa *t)
{
    gnutls_pubkey_t key;
    gnutls_datum_t info = { NULL, 0 };
    if (gnutls_pubkey_init(&key) != 0)
        return false;
    bool good = gnutls_pubkey_import_x509(key, crt, 0) == 0 &&
                gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &info) == 0 &&
                same(t->data, &info, t->matching);
    gnutls_free(info.data);
    gnutls_pubkey_deinit(key);
    return good;
}

static bool matches(gnutls_x509_crt_t crt, struct span der, const struct tlsa *t)
{
    gnutls_datum_t all = { (unsigned char *)(uintptr_t)der.p, (unsigned)der.n };
    return t->selector == TLSA_CERTIFICATE ? same(t->data, &all, t->matching) : key_matches(crt, t);
}

static bool has_any_name(gnutls_x509_crt_t crt, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (gnutls_x509_crt_check_hostname2(crt, names[i], 0)) /* RFC 7672 3.2.3 has the common name too */
            return true;
    return false;
}

/* The path from the chain's first certificate to this one, which the record vouches for. */
static enum tls_verdict verify_to(struct chain *c, gnutls_x509_crt_t anchor)
{
    gnutls_x509_trust_list_t list;
    enum tls_verdict verdict = TLS_UNTRUSTED;
    if (gnutls_x509_trust_list_init(&list, 0) != 0)
        return verdict;
    if (gnutls_x509_trust_list_add_cas(list, &anchor, 1, 0) == 1)
        verdict = verify_path(list, c);
    gnutls_x509_trust_list_deinit(list, 0);
    return verdict;
}

/* A whole certificate in the record needn't be in the chain. */
static enum tls_verdict verify_to_record(struct chain *c, const struct tlsa *t)
{
    if (t->selector != TLSA_CERTIFICATE || t->matching != TLSA_FULL)
        return TLS_NO_MATCH;
    gnutls_x509_crt_t anchor = read_certificate(t->data);
    enum tls_verdict verdict = anchor ? verify_to(c, anchor) : TLS_NO_MATCH;
    if (anchor)
        gnutls_x509_crt_deinit(anchor);
    return verdict;
}

static enum tls_verdict verify_anchor(struct chain *c, const struct span *ders, const struct tlsa *t)
{
    enum tls_verdict verdict = verify_to_record(c, t);
    for (unsigned i = 0; i < c->count && verdict != TLS_VERIFIED; i++) {
        gnutls_x509_crt_t one = c->certificates[i];
        if ((i > 0 || gnutls_x509_crt_check_issuer(one, one)) && matches(one, ders[i], t))
            verdict = verify_to(c, one);
    }
    return verdict;
}

enum tls_verdict tls_verify_tlsa(const struct span *chain, size_t count, const struct tlsa *records,
                                 size_t record_count, const char *const *names, size_t name_count)
{
    struct chain c;
    enum tls_verdict verdict = TLS_NO_MATCH;
    if (!read_chain(chain, count, &c))
        return verdict;
    for (size_t i = 0; i < record_count && verdict != TLS_VERIFIED; i++) {
        enum tls_verdict one = TLS_NO_MATCH;
        if (records[i].usage == TLSA_EE && matches(c.certificates[0], chain[0], &records[i]))
            one = TLS_VERIFIED;
        else if (records[i].usage == TLSA_TA)
            one = verify_anchor(&c, chain, &records[i]);
        if (one == TLS_VERIFIED && records[i].usage == TLSA_TA &&
            !has_any_name(c.certificates[0], names, name_count))
            one = TLS_WRONG_NAME;
        if (one != TLS_NO_MATCH)
            verdict = one;
    }
    free_chain(&c);
    return verdict;
}
