/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern doctor: what DNS has of this host and of its domains, against what it should have. Answers are
 * whatever their zones' owners wrote: they are compared, and told only by findings, which are escaped where
 * they are printed.
 *
 * Where the resolver doesn't answer that is one finding, and the checks that need it do nothing. A question
 * that fails alone is a warning: "can't tell" is never "not there".
 */
#include "doctor.h"
#include "certificate.h"
#include "net/tls_verify.h"

#include <stdio.h>
#include <string.h>

#define PUBLISH "publish it; `postern dns` prints the record"

/* False: no use in going on; and where DNS failed, it is told. */
static bool ask(struct doctor *d, const char *name, enum dns_type type, struct dns_answer *answer,
                enum status *st)
{
    if (!d->asks)
        return false;
    *st = dns_ask(&d->resolver, name, type, answer);
    if (*st == ST_OK || *st == ST_NONE)
        return true;
    doctor_found_as(d, SEVERITY_WARNING, "try again; if it stays, ask the zone's name servers yourself",
                    "DNS can't tell about %s now", name);
    dns_answer_free(answer);
    return false;
}

void doctor_resolver(struct doctor *d)
{
    struct bytes error;
    struct dns_answer answer;
    bytes_init(&error, 4096);
    if (dns_resolver_init(&d->resolver, d->a->s.resolver, &error) != ST_OK) {
        doctor_found(d, "set `resolver` in the settings, or mend /etc/resolv.conf", "%s", bytes_str(&error));
    } else {
        /* A name that needn't be there: an answer is all that is wanted. One zone that is broken isn't the
         * resolver. */
        d->asks = dns_ask(&d->resolver, d->a->s.hostname, DNS_A, &answer) != ST_TEMP;
        dns_answer_free(&answer);
        if (!d->asks) {
            d->asks = dns_ask(&d->resolver, d->signed_name, DNS_SOA, &answer) != ST_TEMP;
            dns_answer_free(&answer);
        }
        if (!d->asks)
            doctor_found(d, "start it, or name another by `resolver` in the settings or in /etc/resolv.conf",
                         "the resolver doesn't answer, so no mail leaves and no record could be looked at");
    }
    bytes_free(&error);
}

void doctor_dnssec(struct doctor *d)
{
    struct dns_answer answer;
    enum status st;
    if (!ask(d, d->signed_name, DNS_SOA, &answer, &st))
        return;
    if (!answer.authentic)
        doctor_found(d, "install unbound here and make it the resolver, so that mail is protected by DANE",
                     "the resolver doesn't verify DNSSEC: it says nothing of the signatures of %s",
                     d->signed_name);
    dns_answer_free(&answer);
}

void doctor_addresses(struct doctor *d)
{
    if (d->own.count == 0)
        doctor_found(d, "set `addresses` in the settings to those by which others reach it",
                     "no interface of this host has a public address, so its records can't be compared");
}

/* --- the host --- */

static bool is_own(const struct doctor *d, const struct in6_addr *address)
{
    for (size_t i = 0; i < d->own.count; i++)
        if (memcmp(&d->own.list[i], address, sizeof *address) == 0)
            return true;
    return false;
}

static bool has_address(const struct dns_answer *answer, const struct in6_addr *address)
{
    for (size_t i = 0; i < answer->count; i++)
        if (memcmp(&answer->records[i].address, address, sizeof *address) == 0)
            return true;
    return false;
}

/* Of one family: every address of ours is there, and no other. How many there are. */
static size_t compare_addresses(struct doctor *d, const char *name, enum dns_type type)
{
    struct dns_answer answer;
    enum status st;
    char text[RECORDS_ADDRESS_TEXT];
    if (!ask(d, name, type, &answer, &st))
        return 1;
    size_t count = answer.count;
    if (type == DNS_A && strcasecmp(answer.canonical, name) != 0)
        doctor_found_as(d, SEVERITY_WARNING,
                        "give it addresses of its own: some take no mail exchanger that is an alias",
                        "%s is an alias (CNAME) of %s", name, answer.canonical);
    for (size_t i = 0; i < d->own.count; i++)
        if (IN6_IS_ADDR_V4MAPPED(&d->own.list[i]) == (type == DNS_A) &&
            !has_address(&answer, &d->own.list[i]))
            doctor_found_as(d, count ? SEVERITY_WARNING : d->severity, PUBLISH,
                            "%s has no %s record with this host's %s", name, type == DNS_A ? "A" : "AAAA",
                            records_address_text(&d->own.list[i], text));
    for (size_t i = 0; i < count && d->own.count; i++)
        if (!is_own(d, &answer.records[i].address))
            doctor_found(d, "remove that record, or tell `addresses` in the settings that it is this host's",
                         "%s leads to %s, which isn't this host's", name,
                         records_address_text(&answer.records[i].address, text));
    dns_answer_free(&answer);
    return count;
}

void doctor_host(struct doctor *d)
{
    const char *name = d->a->s.hostname;
    if (!strchr(name, '.')) {
        doctor_found(d, "set `hostname` in the settings to the whole name, such as mail.example.org",
                     "the host name %s has no domain", name);
        return;
    }
    if (compare_addresses(d, name, DNS_A) + compare_addresses(d, name, DNS_AAAA) == 0 && d->own.count == 0)
        doctor_found(d, "publish its addresses (A, AAAA)", "%s has no address in the DNS", name);
}

static void reverse_name(const struct in6_addr *address, char name[DNS_NAME_LIMIT])
{
    const unsigned char *a = address->s6_addr;
    size_t at = 0;
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        snprintf(name, DNS_NAME_LIMIT, "%u.%u.%u.%u.in-addr.arpa", a[15], a[14], a[13], a[12]);
        return;
    }
    for (int i = 15; i >= 0; i--)
        at += (size_t)snprintf(name + at, DNS_NAME_LIMIT - at, "%x.%x.", a[i] & 15, a[i] >> 4);
    snprintf(name + at, DNS_NAME_LIMIT - at, "ip6.arpa");
}

/* Does the name lead to the address again? True too where DNS can't tell. */
static bool leads_back(struct doctor *d, const char *name, const struct in6_addr *address)
{
    struct dns_answer answer;
    enum status st = dns_ask(&d->resolver, name, IN6_IS_ADDR_V4MAPPED(address) ? DNS_A : DNS_AAAA, &answer);
    bool back = st == ST_TEMP || (st == ST_OK && has_address(&answer, address));
    dns_answer_free(&answer);
    return back;
}

static void compare_reverse(struct doctor *d, const struct in6_addr *address)
{
    static const char todo[] = "have whoever gave you the address set its PTR record to the host name";
    struct dns_answer answer;
    enum status st;
    char name[DNS_NAME_LIMIT], text[RECORDS_ADDRESS_TEXT];
    reverse_name(address, name);
    records_address_text(address, text);
    if (!ask(d, name, DNS_PTR, &answer, &st))
        return;
    bool same = false;
    for (size_t i = 0; i < answer.count; i++)
        same = same || strcasecmp(answer.records[i].name, d->a->s.hostname) == 0;
    if (st == ST_NONE)
        doctor_found(d, todo, "%s has no name (PTR), so large providers refuse its mail", text);
    else if (!leads_back(d, answer.records[0].name, address))
        doctor_found(d, todo, "%s has the name %s, which doesn't lead back to it", text,
                     answer.records[0].name);
    else if (!same)
        doctor_found_as(d, SEVERITY_WARNING, todo, "%s has the name %s, not %s", text, answer.records[0].name,
                        d->a->s.hostname);
    dns_answer_free(&answer);
}

void doctor_reverse(struct doctor *d)
{
    for (size_t i = 0; d->asks && i < d->own.count; i++)
        compare_reverse(d, &d->own.list[i]);
}

void doctor_tlsa(struct doctor *d)
{
    const char *host = d->a->s.hostname;
    char name[DNS_NAME_LIMIT];
    struct dns_answer answer;
    struct certificate_info info;
    struct bytes error;
    struct span records[TLSA_LIMIT];
    struct tlsa usable[TLSA_LIMIT];
    enum status st;
    if (snprintf(name, sizeof name, "_25._tcp.%s", host) >= (int)sizeof name ||
        !ask(d, name, DNS_TLSA, &answer, &st))
        return;
    bytes_init(&error, 4096);
    size_t count = answer.count < TLSA_LIMIT ? answer.count : TLSA_LIMIT;
    for (size_t i = 0; i < count; i++)
        records[i] = answer.records[i].data;
    count = tlsa_select(records, count, usable);
    if (st == ST_NONE)
        doctor_found_as(d, SEVERITY_NOTE, "publish it where the zone is signed; `postern dns` prints it",
                        "%s has no TLSA record", name);
    else if (certificate_read(d->a->s.tls_certificate, host, &info, &error) == ST_OK) {
        if (count == 0 || tls_verify_tlsa(info.chain, info.count, usable, count, &host, 1) != TLS_VERIFIED)
            doctor_found_as(d, answer.authentic ? SEVERITY_ERROR : SEVERITY_WARNING,
                            "publish the one that `postern dns` prints, then remove the others",
                            "no TLSA record of %s fits the certificate: who looks at them sends no mail",
                            name);
        certificate_free(&info);
    }
    bytes_free(&error);
    dns_answer_free(&answer);
}

/* --- domains --- */

/* Is it us, by its name or by where it leads? */
static bool is_us(struct doctor *d, const char *exchanger)
{
    if (strcasecmp(exchanger, d->a->s.hostname) == 0)
        return true;
    for (size_t i = 0; i < d->own.count; i++) {
        struct dns_answer answer;
        enum status st = dns_ask(&d->resolver, exchanger,
                                 IN6_IS_ADDR_V4MAPPED(&d->own.list[i]) ? DNS_A : DNS_AAAA, &answer);
        bool yes = st == ST_OK && has_address(&answer, &d->own.list[i]);
        dns_answer_free(&answer);
        if (yes)
            return true;
    }
    return false;
}

static void compare_mx(struct doctor *d, const struct domain_entry *e)
{
    struct dns_answer answer;
    enum status st;
    if (!ask(d, e->name, DNS_MX, &answer, &st))
        return;
    bool ours = false;
    for (size_t i = 0; i < answer.count; i++)
        ours = ours || is_us(d, answer.records[i].name);
    if (st == ST_NONE)
        doctor_found(d, PUBLISH, "%s has no MX record", e->name);
    else if (!ours)
        doctor_found(d, PUBLISH, "mail for %s goes to %s, not to this host", e->name, answer.records[0].name);
    dns_answer_free(&answer);
}

void doctor_mx(struct doctor *d)
{
    for (size_t i = 0; i < d->domain_count; i++)
        compare_mx(d, &d->domains[i]);
}

static void compare_service(struct doctor *d, const char *domain, const struct record_service *s)
{
    char name[DNS_NAME_LIMIT];
    struct dns_answer answer;
    enum status st;
    if (snprintf(name, sizeof name, "%s.%s", s->label, domain) >= (int)sizeof name ||
        !ask(d, name, DNS_SRV, &answer, &st))
        return;
    bool right = false;
    for (size_t i = 0; i < answer.count; i++)
        right = right || (answer.records[i].port == s->port &&
                          strcasecmp(answer.records[i].name, d->a->s.hostname) == 0);
    if (st == ST_NONE && s->usual)
        doctor_found(d, PUBLISH, "%s has no SRV record, by which mail programs find the server", name);
    else if (right && !s->usual && !doctor_listens(d, s->port))
        doctor_found_as(d, SEVERITY_WARNING, "enable its unit, or remove that record",
                        "the SRV record of %s leads to port %u here, where nothing listens", name, s->port);
    else if (st == ST_OK && !right && s->usual)
        doctor_found_as(d, SEVERITY_WARNING, PUBLISH,
                        "the SRV record of %s leads elsewhere than to port %u of %s", name, s->port,
                        d->a->s.hostname);
    dns_answer_free(&answer);
}

void doctor_services(struct doctor *d)
{
    for (size_t i = 0; i < d->domain_count; i++)
        for (size_t j = 0; j < RECORD_SERVICES; j++)
            if (d->domains[i].kind == DOMAIN_OURS)
                compare_service(d, d->domains[i].name, &record_services[j]);
}
