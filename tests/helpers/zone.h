/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A DNS in memory, for tests of lib/trust: zone_add() takes a line, zone_lookup() gives what the checks are
 * passed.
 *
 *     NAME TYPE VALUE     A, AAAA, CNAME, PTR: an address or a name; MX: preference and name; TXT: all that
 * follows the space, with tabs between its strings; \HH is the octet of that hexadecimal number NAME TIMEOUT
 * no answer about NAME but for the types that have a line
 *
 * It counts what it is asked, and what it was told to expect.
 */
#ifndef POSTERN_TESTS_ZONE_H
#define POSTERN_TESTS_ZONE_H

#include "trust/lookup.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ZONE_LINES 1024
#define ZONE_EXPECTED 64

struct zone_line {
    char name[DNS_NAME_LIMIT];
    enum dns_type type; /* 0: TIMEOUT */
    struct bytes data;  /* RDATA of TXT, else text */
};

struct dns_zone {
    size_t count;
    struct zone_line lines[ZONE_LINES];
    unsigned asked;
    size_t expected_count;
    struct dns_query expected[ZONE_EXPECTED];
};

/* Reads one octet of the notation above. */
static char zone_octet(struct span *s)
{
    uint64_t octet;
    char c = s->p[0];
    if (c == '\\' && s->n >= 3) {
        char low[2] = { ascii_lower(s->p[1]), ascii_lower(s->p[2]) };
        if (span_hex((struct span){ low, 2 }, 255, &octet)) {
            *s = span_from(*s, 3);
            return (char)octet;
        }
    }
    *s = span_from(*s, 1);
    return c;
}

/* The strings of a TXT record, each behind its length; what is longer than 255 octets becomes several. */
static void zone_txt(struct span text, struct bytes *data)
{
    struct span string;
    while (span_cut(&text, '\t', &string)) {
        do {
            char octets[255];
            size_t n = 0;
            while (string.n && n < sizeof octets)
                octets[n++] = zone_octet(&string);
            bytes_add_char(data, (char)n);
            bytes_add(data, octets, n);
        } while (string.n);
    }
}

static enum dns_type zone_type(struct span word)
{
    static const struct {
        const char *word;
        enum dns_type type;
    } types[] = { { "A", DNS_A },     { "AAAA", DNS_AAAA },   { "MX", DNS_MX },
                  { "PTR", DNS_PTR }, { "CNAME", DNS_CNAME }, { "TXT", DNS_TXT } };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (span_eq_str(word, types[i].word))
            return types[i].type;
    return 0;
}

__attribute__((unused)) static void zone_add(struct dns_zone *z, const char *text)
{
    struct span rest = span_of(text), name, type;
    struct zone_line *line = &z->lines[z->count++];
    size_t n = 0;
    if (z->count == ZONE_LINES || !span_cut(&rest, ' ', &name) || !span_cut(&rest, ' ', &type))
        abort();
    while (name.n)
        line->name[n++] = zone_octet(&name);
    line->name[n] = '\0';
    line->type = zone_type(type);
    bytes_init(&line->data, DNS_ANSWER_LIMIT);
    if (line->type == DNS_TXT)
        zone_txt(rest, &line->data);
    else
        bytes_add_span(&line->data, rest);
}

static bool zone_has(const struct dns_zone *z, const char *name, enum dns_type type)
{
    for (size_t i = 0; i < z->count; i++)
        if (strcasecmp(z->lines[i].name, name) == 0 && z->lines[i].type == type)
            return true;
    return false;
}

static void zone_record(const struct zone_line *line, struct dns_record *record)
{
    const char *text = bytes_str(&line->data);
    *record = (struct dns_record){ .type = (uint16_t)line->type, .data = span_bytes(&line->data) };
    if (line->type == DNS_A) {
        record->address = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
        inet_pton(AF_INET, text, record->address.s6_addr + 12);
    } else if (line->type == DNS_AAAA) {
        inet_pton(AF_INET6, text, &record->address);
    } else if (line->type != DNS_TXT) {
        size_t n;
        if (line->type == DNS_MX)
            text = strchr(text, ' ') + 1;
        snprintf(record->name, sizeof record->name, "%s", text);
        for (n = 0; record->name[n]; n++)
            record->name[n] = ascii_lower(record->name[n]);
        if (n && record->name[n - 1] == '.')
            record->name[n - 1] = '\0';
    }
}

/* Is there a line for the name, or for one below it? */
static bool zone_exists(const struct dns_zone *z, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < z->count; i++) {
        size_t m = strlen(z->lines[i].name);
        const char *end = z->lines[i].name + (m >= n ? m - n : 0);
        if (m >= n && strcasecmp(end, name) == 0 && (m == n || end[-1] == '.'))
            return true;
    }
    return false;
}

static enum status zone_ask(void *arg, const char *name, enum dns_type type, struct dns_answer *answer)
{
    struct dns_zone *z = arg;
    char at[DNS_NAME_LIMIT];
    snprintf(at, sizeof at, "%s", name);
    z->asked++;
    for (int alias = 0; alias <= DNS_CNAMES; alias++) {
        struct dns_record cname = { .type = 0 };
        for (size_t i = 0; i < z->count; i++) {
            const struct zone_line *line = &z->lines[i];
            if (strcasecmp(line->name, at) != 0)
                continue;
            if (line->type == type && answer->count < DNS_RECORDS)
                zone_record(line, &answer->records[answer->count++]);
            else if (line->type == DNS_CNAME)
                zone_record(line, &cname);
        }
        snprintf(answer->canonical, sizeof answer->canonical, "%s", at);
        if (answer->count)
            return ST_OK;
        if (zone_has(z, at, 0))
            return ST_TEMP;
        if (!cname.type) {
            answer->rcode = zone_exists(z, at) ? 0 : 3;
            return ST_NONE;
        }
        memcpy(at, cname.name, sizeof at);
    }
    return ST_TEMP;
}

static void zone_expect(void *arg, const struct dns_query *queries, size_t count)
{
    struct dns_zone *z = arg;
    for (size_t i = 0; i < count && z->expected_count < ZONE_EXPECTED; i++)
        z->expected[z->expected_count++] = queries[i];
}

__attribute__((unused)) static struct trust_lookup zone_lookup(struct dns_zone *z)
{
    return (struct trust_lookup){ z, zone_ask, zone_expect };
}

__attribute__((unused)) static void zone_clear(struct dns_zone *z)
{
    for (size_t i = 0; i < z->count; i++)
        bytes_free(&z->lines[i].data);
    memset(z, 0, sizeof *z);
}

#endif
