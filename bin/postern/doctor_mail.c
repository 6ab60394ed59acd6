/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern doctor: the records by which others judge where a domain's mail comes from: SPF, DKIM and DMARC,
 * and where they report TLS. They are judged as a receiver does, by the same code: a record may say the same
 * in other words than `postern dns` does.
 */
#include "doctor.h"
#include "base/clock.h"
#include "dkim.h"
#include "trust/dmarc.h"
#include "trust/spf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RECORD_TEXT_LIMIT 4096
#define PUBLISH "publish what `postern dns` prints"

static bool is_ours(const struct domain_entry *e)
{
    return e->kind == DOMAIN_OURS || e->kind == DOMAIN_ALIAS;
}

/* --- SPF --- */

/* `missing`: how bad it is where there is none. */
static void check_sender(struct doctor *d, const char *domain, const struct in6_addr *address,
                         enum severity missing)
{
    struct address sender;
    struct spf_verdict verdict;
    char text[ADDRESS_LIMIT + 1], shown[RECORDS_ADDRESS_TEXT];
    if (snprintf(text, sizeof text, "postmaster@%s", domain) >= (int)sizeof text ||
        !tables_address(span_of(text), SPAN(""), &sender))
        return;
    struct spf_query query = { .address = *address,
                               .helo = span_of(d->a->s.hostname),
                               .sender = &sender,
                               .receiver = d->a->s.hostname,
                               .now = clock_now() };
    spf_check(&d->lookup, &query, &verdict);
    records_address_text(address, shown);
    if (verdict.result == TRUST_NONE)
        doctor_found_as(d, missing, PUBLISH, "%s has no SPF record", domain);
    else if (verdict.result == TRUST_TEMPERROR)
        doctor_found_as(d, SEVERITY_WARNING, "try again", "DNS can't tell now what SPF says of %s", domain);
    else if (verdict.result != TRUST_PASS)
        doctor_found(d, PUBLISH, "SPF of %s says %s to mail from %s: %s", domain,
                     trust_result_name(verdict.result), shown, verdict.why);
}

/* One finding a domain is enough. */
static void check_sender_all(struct doctor *d, const char *domain, enum severity missing)
{
    size_t before = d->count;
    for (size_t i = 0; i < d->own.count && d->count == before; i++)
        check_sender(d, domain, &d->own.list[i], missing);
}

/* Bounces have no sender: then it is the host's own name that counts (RFC 7208 2.4). */
void doctor_spf(struct doctor *d)
{
    if (!d->asks)
        return;
    check_sender_all(d, d->a->s.hostname, SEVERITY_NOTE);
    for (size_t i = 0; i < d->domain_count; i++)
        if (is_ours(&d->domains[i]) && strcasecmp(d->domains[i].name, d->a->s.hostname) != 0)
            check_sender_all(d, d->domains[i].name, d->severity);
}

/* --- DKIM --- */

static void check_key(struct doctor *d, const char *domain, const struct dkim_key *key)
{
    struct bytes pem, public;
    struct signature_key private;
    bytes_init(&pem, DKIM_KEY_FILE_LIMIT);
    bytes_init(&public, SIGNATURE_PUBLIC_LIMIT);
    if (dkim_key_read(&d->a->s, domain, key, &pem) != ST_OK) {
        doctor_found(d, "chmod 600, and give it to the owner of the spool",
                     "the key %s of %s can't be used: %s", key->selector, domain, strerror(errno));
    } else if (signature_key_load(span_bytes(&pem), &private) != ST_OK) {
        doctor_found(d, "`postern dkim rotate` makes new ones", "the key %s of %s is no private key",
                     key->selector, domain);
    } else {
        enum dkim_published published = DKIM_UNKNOWN;
        if (signature_public(&private, &public) == ST_OK)
            published =
                dkim_published(&d->lookup, key->selector, domain, private.algorithm, span_bytes(&public));
        signature_key_free(&private);
        if (published == DKIM_UNKNOWN)
            doctor_found_as(d, SEVERITY_WARNING, "try again",
                            "DNS can't tell now whether it has the key %s of %s", key->selector, domain);
        else if (published != DKIM_PUBLISHED)
            doctor_found(d, PUBLISH, "mail from %s is signed with %s, whose record in DNS is %s", domain,
                         key->selector, dkim_published_word(published));
    }
    bytes_wipe(&pem);
    bytes_free(&public);
}

static void check_keys(struct doctor *d, const struct domain_entry *e)
{
    struct dkim_keys keys;
    size_t signing = 0;
    if (dkim_keys_find(&d->a->s, e->name, &keys) == ST_TEMP) {
        doctor_found(d, "give the folder to the owner of the spool", "the keys of %s can't be read: %s",
                     e->name, strerror(errno));
        return;
    }
    for (size_t i = 0; i < keys.count; i++)
        if (keys.list[i].state == DKIM_KEY_SIGNING) {
            signing++;
            check_key(d, e->name, &keys.list[i]);
        }
    if (signing == 0)
        doctor_found_as(d, SEVERITY_WARNING, "`postern dkim make` makes keys, and prints their records",
                        "mail from %s isn't signed", e->name);
}

void doctor_dkim(struct doctor *d)
{
    for (size_t i = 0; d->asks && i < d->domain_count; i++)
        if (is_ours(&d->domains[i]))
            check_keys(d, &d->domains[i]);
}

/* --- texts below a domain --- */

bool doctor_text(struct doctor *d, const char *label, const char *domain, const char *version,
                 struct bytes *text, size_t *count)
{
    char name[DNS_NAME_LIMIT];
    struct dns_answer answer;
    struct bytes one;
    *count = 0;
    if (snprintf(name, sizeof name, "%s.%s", label, domain) >= (int)sizeof name)
        return false;
    enum status st = dns_ask(&d->resolver, name, DNS_TXT, &answer);
    if (st == ST_TEMP)
        doctor_found_as(d, SEVERITY_WARNING, "try again", "DNS can't tell about %s now", name);
    bytes_init(&one, RECORD_TEXT_LIMIT);
    for (size_t i = 0; st == ST_OK && i < answer.count; i++) {
        bytes_clear(&one);
        if (dns_text(&answer.records[i], &one) && span_istarts(span_bytes(&one), version) && ++*count == 1)
            bytes_add_span(text, span_bytes(&one));
    }
    bytes_free(&one);
    dns_answer_free(&answer);
    return st == ST_OK || st == ST_NONE;
}

static void check_policy(struct doctor *d, const char *domain)
{
    struct bytes text;
    struct dmarc_record record;
    size_t count;
    bytes_init(&text, RECORD_TEXT_LIMIT);
    if (doctor_text(d, "_dmarc", domain, "v=DMARC1", &text, &count)) {
        if (count == 0)
            doctor_found(d, PUBLISH,
                         "%s has no DMARC record, without which large providers take less of its mail",
                         domain);
        else if (count > 1)
            doctor_found_as(d, SEVERITY_ERROR, "leave one of them",
                            "%s has %zu DMARC records, so none counts", domain, count);
        else if (dmarc_record_parse(span_bytes(&text), &record) != ST_OK || record.repaired)
            doctor_found_as(d, SEVERITY_ERROR, PUBLISH, "the DMARC record of %s can't be read: %s", domain,
                            bytes_str(&text));
    }
    bytes_free(&text);
}

void doctor_dmarc(struct doctor *d)
{
    for (size_t i = 0; d->asks && i < d->domain_count; i++)
        if (is_ours(&d->domains[i]))
            check_policy(d, d->domains[i].name);
}

void doctor_tls_reports(struct doctor *d)
{
    struct bytes text;
    size_t count;
    bytes_init(&text, RECORD_TEXT_LIMIT);
    for (size_t i = 0; d->asks && i < d->domain_count; i++) {
        bytes_clear(&text);
        if (!is_ours(&d->domains[i]) ||
            !doctor_text(d, "_smtp._tls", d->domains[i].name, "v=TLSRPTv1", &text, &count))
            continue;
        if (count == 0)
            doctor_found(d, PUBLISH, "%s has no record for reports of TLS (_smtp._tls)", d->domains[i].name);
        else if (count > 1 || !strstr(bytes_str(&text), "rua="))
            doctor_found_as(d, SEVERITY_WARNING, PUBLISH, "the record for reports of TLS of %s can't be read",
                            d->domains[i].name);
    }
    bytes_free(&text);
}
