/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Answers of zone.h as they come from the network: zone_packet() writes one, zone_ask_packet() reads it as a
 * session does. The names must be ones that DNS can have.
 */
#ifndef POSTERN_TESTS_ZONE_PACKET_H
#define POSTERN_TESTS_ZONE_PACKET_H

#include "zone.h"

#define ZONE_PACKET_OPT 11 /* octets of a question's OPT record */

static void packet_u16(struct bytes *packet, size_t n)
{
    bytes_add_char(packet, (char)(n >> 8));
    bytes_add_char(packet, (char)n);
}

/* Labels of more than 63 octets are cut, empty ones left out. */
static void packet_name(struct bytes *packet, struct span name)
{
    struct span label;
    while (span_cut(&name, '.', &label)) {
        label = span_head(label, 63);
        if (label.n)
            bytes_add_char(packet, (char)label.n);
        bytes_add_span(packet, label);
    }
    bytes_add_char(packet, '\0');
}

/* A record of the question's name. */
static void packet_record(struct bytes *packet, enum dns_type type, struct span rdata)
{
    packet_u16(packet, 0xc00c);
    packet_u16(packet, type);
    packet_u16(packet, 1);
    packet_u16(packet, 0);
    packet_u16(packet, 300);
    packet_u16(packet, rdata.n);
    bytes_add_span(packet, rdata);
}

/* The question without its OPT, as the beginning of an answer to it. */
static enum status packet_begin(struct bytes *packet, const char *name, enum dns_type type, uint16_t id)
{
    enum status st = dns_question(name, type, id, packet);
    if (st != ST_OK)
        return st;
    packet->len -= ZONE_PACKET_OPT;
    packet->data[2] = (char)0x80;
    packet->data[3] = packet->data[11] = 0;
    return ST_OK;
}

static void packet_end(struct bytes *packet, size_t records, unsigned rcode)
{
    packet->data[3] = (char)rcode;
    packet->data[6] = (char)(records >> 8);
    packet->data[7] = (char)records;
}

static void zone_rdata(const struct zone_line *line, struct bytes *rdata)
{
    struct dns_record record;
    zone_record(line, &record);
    if (line->type == DNS_TXT)
        bytes_add_span(rdata, record.data);
    else if (line->type == DNS_A)
        bytes_add(rdata, record.address.s6_addr + 12, 4);
    else if (line->type == DNS_AAAA)
        bytes_add(rdata, record.address.s6_addr, 16);
    else if (line->type == DNS_MX)
        packet_u16(rdata, 10);
    if (line->type == DNS_MX || line->type == DNS_PTR)
        packet_name(rdata, span_of(record.name));
}

/* Appends the answer to a question; CNAMEs aren't followed. */
__attribute__((unused)) static enum status zone_packet(const struct dns_zone *z, const char *name,
                                                       enum dns_type type, struct bytes *packet)
{
    size_t records = 0;
    bool there = false;
    enum status st = packet_begin(packet, name, type, 4711);
    for (size_t i = 0; st == ST_OK && i < z->count; i++) {
        const struct zone_line *line = &z->lines[i];
        struct bytes rdata;
        if (strcasecmp(line->name, name) != 0)
            continue;
        there = true;
        if (line->type != type)
            continue;
        bytes_init(&rdata, DNS_ANSWER_LIMIT);
        zone_rdata(line, &rdata);
        packet_record(packet, type, span_bytes(&rdata));
        bytes_free(&rdata);
        records++;
    }
    if (st == ST_OK)
        packet_end(packet, records, there ? 0 : 3);
    return st;
}

#endif
