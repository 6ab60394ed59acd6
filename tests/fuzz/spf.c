/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SPF under records, senders and DNS answers of somebody's choosing: it ends, within its limits, with
 * printable texts.
 *
 * The input is lines. The first two are HELO and the sender; each other one answers the next question, by its
 * first byte: 't' TXT strings parted by tabs, 'n' a name (PTR, MX), 'a' the client's address, 'b' another,
 * 'v' nothing, 'x' no such name, 'f' failure, 'r' bytes in place of an answer's own, behind the question.
 * After the last line it begins anew, so that records can lead to themselves.
 */
#include "fuzz.h"

#include "../helpers/zone_packet.h"

#include "trust/spf.h"

#define LINES 64

struct lines {
    struct span line[LINES];
    size_t count, at;
    unsigned asked;
};

static void put_strings(struct bytes *rdata, struct span text)
{
    struct span string;
    while (span_cut(&text, '\t', &string))
        for (bool first = true; first || string.n; first = false) {
            struct span head = span_head(string, 255);
            bytes_add_char(rdata, (char)head.n);
            bytes_add_span(rdata, head);
            string = span_from(string, head.n);
        }
}

static bool put_record(struct bytes *raw, enum dns_type type, char kind, struct span text)
{
    struct bytes rdata;
    bytes_init(&rdata, 4096);
    if (kind == 't') {
        put_strings(&rdata, text);
    } else if (kind == 'n') {
        if (type == DNS_MX)
            packet_u16(&rdata, 1);
        packet_name(&rdata, text);
    } else {
        bytes_add(&rdata, type == DNS_A ? "\xc0\0\2" : "\x20\1\r\xb8\0\0\0\0\0\0\0\0\0\0\0",
                  type == DNS_A ? 3 : 15);
        bytes_add_char(&rdata, kind == 'a' ? 1 : 2);
    }
    bool good = !rdata.failed;
    if (good)
        packet_record(raw, type, span_bytes(&rdata));
    bytes_free(&rdata);
    return good;
}

/* An answer as it comes from the network, read as it is read there. */
static enum status ask(void *arg, const char *name, enum dns_type type, struct dns_answer *answer)
{
    struct lines *l = arg;
    l->asked++;
    bytes_init(&answer->raw, DNS_ANSWER_LIMIT);
    if (l->count < 3)
        return ST_NONE;
    struct span line = l->line[2 + l->at++ % (l->count - 2)];
    char kind = line.n ? line.p[0] : 'v';
    struct span rest = span_from(line, 1);
    if (kind == 'f')
        return ST_TEMP;
    enum status st = packet_begin(&answer->raw, name, type, 1);
    if (st != ST_OK)
        return st;
    size_t records = 0;
    if (kind == 'r') {
        records = rest.n ? (unsigned char)rest.p[0] : 0;
        bytes_add_span(&answer->raw, span_from(rest, 1));
    } else if (kind != 'v' && kind != 'x') {
        records = put_record(&answer->raw, type, kind, rest);
        /* A second one: what two records, or more MX hosts than there may be, come to. */
        for (size_t i = 0; rest.n && rest.p[rest.n - 1] == '*' && i < 12; i++)
            records += put_record(&answer->raw, type, kind, rest);
    }
    packet_end(&answer->raw, records, kind == 'x' ? 3 : 0);
    return dns_read(answer, name, type, 1);
}

static void expect(void *arg, const struct dns_query *queries, size_t count)
{
    (void)arg;
    HOLDS(count > 1 && count <= SPF_TERMS);
    for (size_t i = 0; i < count; i++)
        HOLDS(memchr(queries[i].name, '\0', sizeof queries[i].name) && queries[i].type);
}

static bool printable(const char *text, size_t size)
{
    size_t n = strnlen(text, size);
    for (size_t i = 0; i < n; i++)
        if (text[i] < ' ' || text[i] >= 0x7f)
            return false;
    return n < size;
}

static void check(struct lines *l, const struct in6_addr *client)
{
    struct address sender = { .local_length = 0 };
    struct trust_lookup lookup = { l, ask, expect };
    struct spf_query query = { .address = *client, .helo = l->line[0], .now = -1 };
    struct spf_verdict v;
    l->at = l->asked = 0;
    if (l->count > 1 && address_parse(l->line[1], &sender) == ADDRESS_OK)
        query.sender = &sender;
    spf_check(&lookup, &query, &v);
    HOLDS(v.result <= TRUST_PERMERROR && v.result != TRUST_POLICY);
    HOLDS(l->asked <= SPF_QUESTIONS);
    HOLDS(printable(v.domain, sizeof v.domain) && printable(v.why, sizeof v.why) && v.why[0]);
    HOLDS(printable(v.explanation, sizeof v.explanation) && (v.result == TRUST_FAIL || !v.explanation[0]));
    HOLDS(v.by_helo == !query.sender || !address_domain(&sender).n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct in6_addr v4 = { .s6_addr = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 1 } };
    static const struct in6_addr v6 = { .s6_addr = { 0x20, 1, 0x0d, 0xb8, [15] = 1 } };
    struct lines l = { .count = 0 };
    struct span rest = fuzz_span(data, size);
    if (!size)
        return 0;
    while (l.count < LINES && span_cut(&rest, '\n', &l.line[l.count]))
        l.count++;
    check(&l, &v4);
    check(&l, &v6);
    return 0;
}
