/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * trust COUNT [OCTETS]: what it takes to know who sent a message of OCTETS (10,240), and to sign one, in
 * microseconds of CPU, the median of COUNT. The functions are those that smtpd calls; DNS answers are at
 * hand, as packets, and read as a session reads them. One line each:
 *
 *     spf       a pass by the second of two included records, which has an "mx"
 *     dkim      two signatures, RSA of 2,048 bits and Ed25519, over one canonical body, pieces of 4 KiB
 *     dmarc     the author's domain and its policy, aligned, by a walk up the tree
 *     check     the three
 *     sign      with both keys, opened before
 *     arc       a chain of three seals by RSA of 2,048 bits: six signatures, over the body of dkim's pass
 *     seal      one more set, with that key
 *
 * Each result is looked at: what doesn't pass ends it.
 */
#include "../helpers/zone_packet.h"
#include "bench.h"

#include "net/hash.h"
#include "text/base64.h"
#include "text/header.h"
#include "trust/arc.h"
#include "trust/dkim.h"
#include "trust/dmarc.h"
#include "trust/spf.h"

#define PIECE 4096
#define NOW 1790000000
#define ANSWERS 64

struct answers {
    size_t count;
    struct {
        struct dns_query query;
        struct bytes raw;
    } all[ANSWERS];
};

struct subject {
    struct dns_zone zone;
    struct answers answers;
    struct signature_key keys[2];
    struct dkim_signing signing;
    struct bytes message, signed_message, sealed_message;
    struct trust_lookup lookup;
    struct spf_query query;
    struct address sender;
    struct spf_verdict spf;
    struct dkim_result dkim[DKIM_SIGNATURES];
    size_t dkim_count;
    double arc_time; /* microseconds of the last check_arc() */
};

static double cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Each question's first answer is written as a packet and kept, as a session keeps them; then it is only
 * read. */
static enum status ask(void *arg, const char *name, enum dns_type type, struct dns_answer *answer)
{
    struct subject *s = arg;
    struct answers *a = &s->answers;
    size_t i = 0;
    bytes_init(&answer->raw, DNS_ANSWER_LIMIT);
    while (i < a->count && (a->all[i].query.type != type || strcmp(a->all[i].query.name, name) != 0))
        i++;
    if (i == a->count) {
        if (a->count == ANSWERS)
            bench_wrong("more questions than there are answers");
        snprintf(a->all[i].query.name, DNS_NAME_LIMIT, "%s", name);
        a->all[i].query.type = type;
        bytes_init(&a->all[i].raw, DNS_ANSWER_LIMIT);
        if (zone_packet(&s->zone, name, type, &a->all[i].raw) != ST_OK)
            bench_wrong(name);
        a->count++;
    }
    if (!bytes_add_span(&answer->raw, span_bytes(&a->all[i].raw)))
        return ST_TEMP;
    return dns_read(answer, name, type, 4711);
}

static void make_zone(struct dns_zone *z)
{
    static const char *const lines[] = {
        "example.org TXT some-verification=0123456789abcdef",
        "example.org TXT v=spf1 ip4:198.51.100.0/24 include:_spf.example.net include:_spf.example.com -all",
        "_spf.example.net TXT v=spf1 ip4:198.51.100.0/25 ip4:203.0.113.0/24 a:out.example.net ?all",
        "out.example.net A 203.0.113.9",
        "_spf.example.com TXT v=spf1 ip4:203.0.113.128/25 mx -all",
        "_spf.example.com MX 10 mx1.example.com",
        "_spf.example.com MX 20 mx2.example.com",
        "mx1.example.com A 192.0.2.24",
        "mx2.example.com A 192.0.2.25",
        "_dmarc.example.org TXT v=DMARC1; p=reject; rua=mailto:reports@example.org; adkim=r; aspf=r",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        zone_add(z, lines[i]);
}

/* A key, opened, and its record in the zone. */
static void make_key(struct subject *s, size_t i, enum signature_algorithm algorithm, const char *selector)
{
    struct bytes pem, public, record;
    bytes_init(&pem, SIGNATURE_PEM_LIMIT);
    bytes_init(&public, SIGNATURE_PUBLIC_LIMIT);
    bytes_init(&record, 2 * SIGNATURE_PUBLIC_LIMIT);
    bytes_printf(&record, "%s._domainkey.example.org TXT ", selector);
    if (signature_make(algorithm, &pem) != ST_OK ||
        signature_key_load(span_bytes(&pem), &s->keys[i]) != ST_OK ||
        signature_public(&s->keys[i], &public) != ST_OK ||
        !dkim_record(algorithm, span_bytes(&public), &record))
        bench_wrong("no key");
    zone_add(&s->zone, bytes_str(&record));
    s->signing.keys[i].selector = selector;
    s->signing.keys[i].algorithm = algorithm;
    s->signing.count = i + 1;
    bytes_wipe(&pem);
    bytes_free(&public);
    bytes_free(&record);
}

static void make_message(struct bytes *m, size_t octets)
{
    bytes_init(m, octets + 4096);
    for (int hop = 0; hop < 3; hop++)
        bytes_printf(
            m,
            "Received: from host%d.example.org (host%d.example.org [192.0.2.%d])\r\n\tby relay.example.org "
            "with "
            "ESMTPS id 0123456789ABCDEF%d\r\n\tfor <you@example.com>; Mon, 21 Sep 2026 14:00:0%d +0000\r\n",
            hop, hop, hop + 1, hop, hop);
    bytes_add_str(m, "Date: Mon, 21 Sep 2026 14:00:00 +0000\r\nFrom: Somebody <somebody@news.example.org>\r\n"
                     "To: You <you@example.com>\r\nSubject: What a message of the usual size takes\r\n"
                     "Message-ID: <20260921140000.1@news.example.org>\r\nMIME-Version: 1.0\r\n"
                     "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
    while (m->len + 74 < octets)
        bytes_add_str(m, "Seventy-two octets a line, with a word here and  there that is spaced.\r\n");
    while (m->len + 2 < octets)
        bytes_add_char(m, '.');
    bytes_add_str(m, "\r\n");
}

static enum status sign_hash(void *arg, size_t key, const unsigned char hash[HASH_SIZE],
                             struct bytes *signature)
{
    struct subject *s = arg;
    return signature_sign(&s->keys[key], hash, signature);
}

/* In pieces, as a message comes. */
#define EACH_PIECE(body, piece)                                                                              \
    for (struct span rest_ = (body), piece; (piece = span_head(rest_, PIECE)).n;                             \
         rest_ = span_from(rest_, PIECE))

static void sign(struct subject *s, struct bytes *fields)
{
    struct span message = span_bytes(&s->message);
    size_t header = header_end(message);
    struct dkim_signer *d = dkim_sign_start(span_head(message, header), &s->signing);
    if (!d)
        bench_wrong("nothing to sign");
    EACH_PIECE(span_from(message, header), piece)
    dkim_sign_body(d, piece);
    if (dkim_sign_end(d, sign_hash, s, fields) != ST_OK)
        bench_wrong("not signed");
    dkim_sign_free(d);
}

static void check_spf(struct subject *s)
{
    spf_check(&s->lookup, &s->query, &s->spf);
    if (s->spf.result != TRUST_PASS)
        bench_wrong(s->spf.why);
}

static void check_dkim(struct subject *s)
{
    struct span message = span_bytes(&s->signed_message);
    size_t header = header_end(message);
    struct dkim_verifier *d = dkim_verify_start(span_head(message, header), NOW);
    if (!d)
        bench_wrong("no memory");
    EACH_PIECE(span_from(message, header), piece)
    dkim_verify_body(d, piece);
    s->dkim_count = dkim_verify_end(d, &s->lookup, s->dkim);
    dkim_verify_free(d);
    if (s->dkim_count != 2 || s->dkim[0].result != TRUST_PASS || s->dkim[1].result != TRUST_PASS)
        bench_wrong("a signature doesn't verify");
}

static void check_dmarc(struct subject *s)
{
    struct span message = span_bytes(&s->signed_message);
    struct dmarc_author author;
    struct dmarc_verdict verdict;
    struct dmarc_identity identities[DKIM_SIGNATURES];
    for (size_t i = 0; i < s->dkim_count; i++)
        identities[i] = (struct dmarc_identity){ s->dkim[i].result, s->dkim[i].domain };
    dmarc_author(span_head(message, header_end(message)), &author);
    struct dmarc_query query = { .author = &author,
                                 .spf = { s->spf.result, s->spf.domain },
                                 .dkim = identities,
                                 .dkim_count = s->dkim_count };
    dmarc_check(&s->lookup, &query, &verdict);
    if (verdict.result != TRUST_PASS || !verdict.dkim_aligned || !verdict.spf_aligned)
        bench_wrong(verdict.why);
}

static void check_all(struct subject *s)
{
    check_spf(s);
    check_dkim(s);
    check_dmarc(s);
}

static void sign_all(struct subject *s)
{
    struct bytes fields;
    bytes_init(&fields, 65536);
    sign(s, &fields);
    bytes_free(&fields);
}

static enum status sign_data(void *arg, struct span data, struct bytes *signature)
{
    const struct subject *s = arg;
    unsigned char hash[HASH_SIZE];
    return hash_sha256(data, hash) ? signature_sign(&s->keys[0], hash, signature) : ST_TEMP;
}

/* One more set for `message`, whose chain is as `chain` says. */
static void seal(struct subject *s, struct span message, const struct arc_result *chain, struct bytes *set)
{
    char results[256];
    snprintf(results, sizeof results,
             "ARC-Authentication-Results: i=%u; mx.test; dmarc=pass header.from=example.org\r\n",
             arc_next_instance(chain));
    const struct arc_sealing what = {
        .header = span_head(message, header_end(message)),
        .body = span_from(message, header_end(message)),
        .chain = chain,
        .results = span_of(results),
        .domain = s->signing.domain,
        .selector = s->signing.keys[0].selector,
        .algorithm = SIGNATURE_RSA_SHA256,
        .now = NOW,
    };
    if (arc_seal(&what, sign_data, s, set) != ST_OK)
        bench_wrong("not sealed");
}

static void make_chain(struct subject *s, unsigned sets)
{
    bytes_init(&s->sealed_message, s->signed_message.len + 65536);
    bytes_add_span(&s->sealed_message, span_bytes(&s->signed_message));
    for (unsigned i = 0; i < sets; i++) {
        const struct arc_result chain = { .result = i ? TRUST_PASS : TRUST_NONE, .newest = i };
        struct bytes set;
        bytes_init(&set, s->sealed_message.limit);
        seal(s, span_bytes(&s->sealed_message), &chain, &set);
        bytes_add_span(&set, span_bytes(&s->sealed_message));
        bytes_free(&s->sealed_message);
        s->sealed_message = set;
    }
}

static void seal_one(struct subject *s)
{
    const struct arc_result chain = { .result = TRUST_PASS, .newest = 3 };
    struct bytes set;
    bytes_init(&set, 65536);
    seal(s, span_bytes(&s->sealed_message), &chain, &set);
    bytes_free(&set);
}

/* What it takes beside check_dkim(). */
static void check_arc(struct subject *s)
{
    struct span message = span_bytes(&s->sealed_message);
    struct span header = span_head(message, header_end(message));
    struct arc_result result;
    struct dkim_verifier *d = dkim_verify_start(header, NOW);
    double begin = cpu_now();
    struct arc_verifier *a = d ? arc_verify_start(header, NOW, d) : NULL;
    s->arc_time = cpu_now() - begin;
    if (!a)
        bench_wrong("no memory");
    EACH_PIECE(span_from(message, header.n), piece)
    dkim_verify_body(d, piece);
    dkim_verify_end(d, &s->lookup, s->dkim);
    begin = cpu_now();
    arc_verify_end(a, d, &s->lookup, &result);
    s->arc_time += cpu_now() - begin;
    arc_verify_free(a);
    dkim_verify_free(d);
    if (result.result != TRUST_PASS || result.newest != 3 || result.oldest_pass)
        bench_wrong(result.why);
}

static void measure(const char *name, void (*what)(struct subject *), struct subject *s, size_t count)
{
    double *times = calloc(count, sizeof *times);
    if (!times)
        bench_die("memory");
    what(s);
    for (size_t i = 0; i < count; i++) {
        double begin = cpu_now();
        what(s);
        times[i] = what == check_arc ? s->arc_time : cpu_now() - begin;
    }
    printf("%s %.1f\n", name, bench_median(times, count));
    free(times);
}

static void prepare(struct subject *s, size_t octets)
{
    make_zone(&s->zone);
    s->signing = (struct dkim_signing){
        .domain = "example.org", .now = NOW, .header = DKIM_RELAXED, .body = DKIM_RELAXED
    };
    make_key(s, 0, SIGNATURE_RSA_SHA256, "rsa");
    make_key(s, 1, SIGNATURE_ED25519_SHA256, "ed");
    make_message(&s->message, octets);
    bytes_init(&s->signed_message, octets + 65536);
    sign(s, &s->signed_message);
    bytes_add_span(&s->signed_message, span_bytes(&s->message));
    make_chain(s, 3);
    s->lookup = (struct trust_lookup){ s, ask, NULL };
    if (address_parse(SPAN("bounces@example.org"), &s->sender) != ADDRESS_OK)
        bench_wrong("no sender");
    s->query = (struct spf_query){ .address = { .s6_addr = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 25 } },
                                   .helo = SPAN("mx2.example.com"),
                                   .sender = &s->sender,
                                   .receiver = "mx.test",
                                   .now = NOW };
}

int main(int argc, char **argv)
{
    static struct subject subject;
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0,
           octets = argc > 2 ? strtoul(argv[2], NULL, 10) : 10240;
    if (count < 1 || octets < 2048) {
        fprintf(stderr, "usage: trust COUNT [OCTETS]\n");
        return 64;
    }
    prepare(&subject, octets);
    measure("spf", check_spf, &subject, count);
    measure("dkim", check_dkim, &subject, count);
    measure("dmarc", check_dmarc, &subject, count);
    measure("check", check_all, &subject, count);
    measure("sign", sign_all, &subject, count);
    measure("arc", check_arc, &subject, count);
    measure("seal", seal_one, &subject, count);
    return 0;
}
