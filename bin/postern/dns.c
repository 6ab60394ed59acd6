/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern dns: all records to publish, as lines of a zone file: those of the host, and those of each domain.
 * What is said beside them are comments, so that the whole can be put into a zone as it is.
 *
 * DMARC begins with p=none: it asks for reports and changes nothing, until its owner has seen that all his
 * mail is signed. The TLSA record is that of the certificate's key (3 1 1, RFC 7671 5.1), which stays when
 * the certificate is renewed, if the key does.
 */
#include "certificate.h"
#include "dkim.h"
#include "records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* --- the host --- */

static void print_addresses(struct admin *a)
{
    struct host_addresses own;
    char text[RECORDS_ADDRESS_TEXT];
    records_addresses(&a->s, &own);
    for (size_t i = 0; i < own.count; i++)
        printf("%s. %s %s\n", a->s.hostname, IN6_IS_ADDR_V4MAPPED(&own.list[i]) ? "A" : "AAAA",
               records_address_text(&own.list[i], text));
    if (own.count)
        printf("; and back (PTR), which whoever gave you the address sets: each of these to %s.\n",
               a->s.hostname);
    else
        printf("; %s. A ...: this host has no public address of its own; the one by which others reach it is "
               "for the\n"
               "; setting `addresses`\n",
               a->s.hostname);
}

static void print_tlsa(struct admin *a)
{
    struct certificate_info info;
    struct bytes error;
    bytes_init(&error, 4096);
    if (certificate_read(a->s.tls_certificate, NULL, &info, &error) != ST_OK) {
        printf("; _25._tcp.%s. TLSA ...: %s\n", a->s.hostname, bytes_str(&error));
    } else {
        puts(
            "; where the zone is signed (DNSSEC): the certificate's key, so that others insist on TLS with "
            "it. A new key\n"
            "; needs a new record first; certbot keeps the key with --reuse-key, lego with --reuse-key too:");
        if (info.self_signed)
            puts("; this certificate signed itself: "
                 "once you have another, its key and this record are others");
        printf("_25._tcp.%s. TLSA 3 1 1 ", a->s.hostname);
        for (size_t i = 0; i < sizeof info.key; i++)
            printf("%02x", info.key[i]);
        putchar('\n');
    }
    certificate_free(&info);
    bytes_free(&error);
}

static void print_host(struct admin *a)
{
    printf("; the host %s\n", a->s.hostname);
    print_addresses(a);
    printf("%s. TXT \"" RECORDS_SPF_HOST "\"\n", a->s.hostname);
    print_tlsa(a);
}

/* --- a domain --- */

static int print_keys(struct admin *a, const char *domain)
{
    static const struct {
        enum dkim_key_state state;
        const char *remark;
    } parts[] = {
        { DKIM_KEY_SIGNING, NULL },
        { DKIM_KEY_WAITING,
          "; these sign as soon as they are there and `postern dkim rotate` was run again:" },
        { DKIM_KEY_RETIRED, "; these sign no more; a week after that they can go, and `postern dkim remove` "
                            "removes their keys:" },
    };
    struct dkim_keys keys;
    int result = dkim_find(a, domain, &keys);
    if (result == EX_OK && keys.count == 0)
        printf("; its mail isn't signed: `postern dkim make %s` makes keys\n", domain);
    for (size_t i = 0; result == EX_OK && i < sizeof parts / sizeof parts[0]; i++) {
        bool any = false;
        for (size_t j = 0; j < keys.count; j++)
            any = any || keys.list[j].state == parts[i].state;
        if (any && parts[i].remark)
            puts(parts[i].remark);
        int one = dkim_print_records(a, domain, &keys, parts[i].state);
        result = result == EX_OK ? one : result;
    }
    return result;
}

static void print_services(const char *hostname, const char *domain)
{
    puts("; how mail programs find the server:");
    for (size_t i = 0; i < RECORD_SERVICES; i++) {
        const struct record_service *s = &record_services[i];
        printf("%s%s.%s. SRV %u 1 %u %s.\n", s->usual ? "" : "; where its unit is enabled: ", s->label,
               domain, s->priority, s->port, hostname);
    }
}

static void print_waiting(const char *domain)
{
    printf("; waiting until something serves https://mta-sts.%s and https://autoconfig.%s, not to be "
           "published before:\n"
           "; _mta-sts.%s. TXT \"v=STSv1; id=1\"\n"
           "; mta-sts.%s. CNAME the host that serves it\n"
           "; autoconfig.%s. CNAME the host that serves it\n",
           domain, domain, domain, domain, domain);
}

static void print_relayed(struct admin *a, const struct domain_entry *e)
{
    printf("; %s, relayed: its own server stands before this one\n%s. MX 20 %s.\n", e->name, e->name,
           a->s.hostname);
}

static void print_policies(struct admin *a, const char *domain)
{
    bool is_host = strcasecmp(domain, a->s.hostname) == 0;
    printf("%s. MX 10 %s.\n", domain, a->s.hostname);
    if (!is_host)
        printf("%s. TXT \"" RECORDS_SPF "\"\n", domain);
    puts("; p=none asks for nothing but reports; p=quarantine once all your mail is signed, p=reject where "
         "nobody writes\n"
         "; to mailing lists:");
    printf("_dmarc.%s. TXT \"" RECORDS_DMARC "\"\n", domain, domain);
    printf("_smtp._tls.%s. TXT \"" RECORDS_TLS_REPORTS "\"\n", domain, domain);
}

static int print_domain(struct admin *a, const struct domain_entry *e, bool only_keys, void *arg)
{
    (void)arg;
    bool relayed = e->kind == DOMAIN_RELAY || e->kind == DOMAIN_RELAY_ALL;
    struct dkim_keys keys;
    if (relayed)
        print_relayed(a, e);
    else if (only_keys)
        printf("; %s\n", e->name);
    else
        printf("; the domain %s\n", e->name);
    if (!relayed && !only_keys)
        print_policies(a, e->name);
    int result = dkim_find(a, e->name, &keys);
    if (result == EX_OK && (keys.count || (!relayed && !only_keys)))
        result = print_keys(a, e->name);
    if (!relayed && !only_keys) {
        print_services(a->s.hostname, e->name);
        print_waiting(e->name);
    }
    return result;
}

/* The host's own keys, where no domain of the table is of that name. */
static int print_host_keys(struct admin *a)
{
    struct dkim_keys keys;
    struct domain_entry e;
    bool there;
    int result = edit_domain(a, span_of(a->s.hostname), &there, &e);
    if (result == EX_OK)
        result = dkim_find(a, a->s.hostname, &keys);
    return result == EX_OK && !there && keys.count ? print_keys(a, a->s.hostname) : result;
}

static int print_all(struct admin *a, int argc, char **argv)
{
    print_host(a);
    int result = argc == 0 ? print_host_keys(a) : EX_OK;
    int rest = records_each_domain(a, argc, argv, print_domain, NULL);
    return result == EX_OK ? rest : result;
}

/* --- for programs --- */

/* The strings of a TXT record, as one text. */
static void join_strings(struct span value, struct bytes *to)
{
    struct span piece;
    for (bool inside = false; span_cut(&value, '"', &piece); inside = !inside)
        if (inside)
            bytes_add_span(to, piece);
}

/* A line that is a record: "name. TYPE value". */
static void print_record(struct span line)
{
    struct bytes text;
    struct span name = tables_first_word(line), rest = span_trim(span_from(line, name.n));
    struct span type = tables_first_word(rest), value = span_trim(span_from(rest, type.n));
    bytes_init(&text, 65536);
    if (span_eq_str(type, "TXT"))
        join_strings(value, &text);
    else
        bytes_add_span(&text, value);
    name = span_head(name, name.n - (name.n && name.p[name.n - 1] == '.'));
    json_line((struct json_member[]){ { "name", name }, { "type", type }, { "value", span_bytes(&text) } },
              3);
    bytes_free(&text);
}

/* The same lines, read again: so there is no record that only one of the two forms has. */
static int print_json(struct admin *a, int argc, char **argv)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = stdout, *memory = open_memstream(&text, &size);
    if (!memory)
        return complain(EX_OSERR, "out of memory");
    stdout = memory;
    int result = print_all(a, argc, argv);
    stdout = out;
    fclose(memory);
    struct span rest = { text, size }, line;
    while (edit_next(&rest, &line))
        if (line.p[0] != ';')
            print_record(line);
    free(text);
    return result;
}

int dns_command(struct admin *a, int argc, char **argv)
{
    return a->json ? print_json(a, argc, argv) : print_all(a, argc, argv);
}
