/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DNS messages (RFC 1035 4): builds a question, reads an answer. Pure: no call leaves this file.
 *
 * An answer is whatever somebody on the path chose to send. Nothing is read past its end, RDATA stays inside
 * its record, compression pointers must go backwards (so no chain of them is endless), a name is 255 octets
 * at most. One lie makes the whole answer malformed. A name whose labels hold anything but printable ASCII,
 * or a dot, has no text and equals no other.
 */
#include "net/dns.h"

#include <string.h>

#define HEADER 12
#define LABEL_LIMIT 63
#define NAME_OCTETS 255
#define POINTERS 64   /* in one name */
#define ANSWERS 512   /* records of the answer section that are read */
#define UDP_SIZE 1232 /* announced by EDNS0 */

enum {
    FLAG_RESPONSE = 0x8000,
    FLAG_OPCODE = 0x7800,
    FLAG_TRUNCATED = 0x0200,
    FLAG_RECURSION = 0x0100,
    FLAG_AUTHENTIC = 0x0020,
    RCODE = 0x000f
};
enum { CLASS_IN = 1, TYPE_OPT = 41, RCODE_NXDOMAIN = 3 };

struct reader {
    const unsigned char *data;
    size_t len, at;
    bool bad; /* sticky */
};

struct name {
    char text[DNS_NAME_LIMIT];
    bool has_text;
};

static void put_u16(struct bytes *packet, unsigned value)
{
    unsigned char two[2] = { (unsigned char)(value >> 8), (unsigned char)value };
    bytes_add(packet, two, sizeof two);
}

static bool is_label_byte(char c)
{
    return c > ' ' && c < 0x7f && c != '.' && c != '\\';
}

static bool put_name(struct bytes *packet, struct span name)
{
    struct span label;
    size_t octets = 1;
    if (name.n && name.p[name.n - 1] == '.')
        name.n--;
    if (name.n == 0)
        return false;
    while (span_cut(&name, '.', &label)) {
        octets += label.n + 1;
        if (label.n == 0 || label.n > LABEL_LIMIT || octets > NAME_OCTETS)
            return false;
        bytes_add_char(packet, (char)label.n);
        for (size_t i = 0; i < label.n; i++) {
            if (!is_label_byte(label.p[i]))
                return false;
            bytes_add_char(packet, ascii_lower(label.p[i]));
        }
    }
    return bytes_add_char(packet, '\0');
}

enum status dns_question(const char *name, enum dns_type type, uint16_t id, struct bytes *packet)
{
    put_u16(packet, id);
    put_u16(packet, FLAG_RECURSION | FLAG_AUTHENTIC);
    put_u16(packet, 1);
    put_u16(packet, 0);
    put_u16(packet, 0);
    put_u16(packet, 1);
    if (!put_name(packet, span_of(name)))
        return packet->failed ? ST_TEMP : ST_PERM;
    put_u16(packet, type);
    put_u16(packet, CLASS_IN);
    bytes_add_char(packet,
                   '\0'); /* OPT (RFC 6891): the root, and in place of class and TTL our size and no flags */
    put_u16(packet, TYPE_OPT);
    put_u16(packet, UDP_SIZE);
    put_u16(packet, 0);
    put_u16(packet, 0);
    put_u16(packet, 0);
    return packet->failed ? ST_TEMP : ST_OK;
}

static unsigned get_u8(struct reader *r)
{
    if (r->bad || r->at >= r->len) {
        r->bad = true;
        return 0;
    }
    return r->data[r->at++];
}

static unsigned get_u16(struct reader *r)
{
    unsigned high = get_u8(r);
    return high << 8 | get_u8(r);
}

static uint32_t get_u32(struct reader *r)
{
    uint32_t high = get_u16(r);
    return high << 16 | get_u16(r);
}

static void get_label(struct reader *r, unsigned length, struct name *name, size_t *used)
{
    if (*used)
        name->text[(*used)++] = '.';
    for (unsigned i = 0; i < length; i++) {
        char c = (char)get_u8(r);
        if (!is_label_byte(c))
            name->has_text = false;
        name->text[(*used)++] = ascii_lower(c);
    }
}

/* The name at r, which afterwards stands behind it. Room: the octets counted here are at least those of the
 * text. */
static void get_name(struct reader *r, struct name *name)
{
    struct reader in = *r;
    size_t used = 0, octets = 1, after = 0, lowest = r->at;
    unsigned pointers = 0;
    name->has_text = true;
    for (;;) {
        unsigned length = get_u8(&in);
        if (in.bad || length == 0)
            break;
        if (length >= 0xc0) {
            size_t to = (length & 0x3fu) << 8 | get_u8(&in);
            after = after ? after : in.at;
            if (in.bad || to >= lowest || ++pointers > POINTERS) {
                in.bad = true;
                break;
            }
            lowest = in.at = to;
            continue;
        }
        octets += length + 1;
        if (length > LABEL_LIMIT || octets > NAME_OCTETS || in.len - in.at < length) {
            in.bad = true;
            break;
        }
        get_label(&in, length, name, &used);
    }
    name->text[used] = '\0';
    r->bad = in.bad;
    r->at = after ? after : in.at;
}

static bool same_name(const struct name *a, const char *b)
{
    return a->has_text && strcmp(a->text, b) == 0;
}

/* Our own name as an answer's would be written: lower case, no final dot. */
static bool plain_name(const char *name, char to[DNS_NAME_LIMIT])
{
    struct span s = span_of(name);
    if (s.n && s.p[s.n - 1] == '.')
        s.n--;
    if (!span_copy(s, to, DNS_NAME_LIMIT))
        return false;
    for (char *p = to; *p; p++)
        *p = ascii_lower(*p);
    return true;
}

static void get_target(struct reader *r, size_t end, struct dns_record *record, bool *usable)
{
    struct name target;
    get_name(r, &target);
    if (r->at != end)
        r->bad = true;
    *usable = target.has_text;
    memcpy(record->name, target.text, sizeof record->name);
}

static void get_rdata(struct reader *r, size_t length, struct dns_record *record, bool *usable)
{
    size_t end = r->at + length;
    record->data = (struct span){ (const char *)r->data + r->at, length };
    *usable = true;
    if (record->type == DNS_A || record->type == DNS_AAAA) {
        bool v4 = record->type == DNS_A;
        if (length != (v4 ? 4 : 16))
            r->bad = true;
        else if (v4)
            record->address = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
        if (!r->bad)
            memcpy(record->address.s6_addr + (v4 ? 12 : 0), record->data.p, length);
    } else if (record->type == DNS_MX) {
        record->preference = (uint16_t)get_u16(r);
        get_target(r, end, record, usable);
    } else if (record->type == DNS_SRV) {
        record->preference = (uint16_t)get_u16(r);
        get_u16(r); /* the weight */
        record->port = (uint16_t)get_u16(r);
        get_target(r, end, record, usable);
    } else if (record->type == DNS_CNAME || record->type == DNS_PTR) {
        get_target(r, end, record, usable);
    }
    r->at = end;
}

/* One record of the answer section. *usable: class IN, and names that have a text. */
static bool get_record(struct reader *r, struct name *owner, struct dns_record *record, bool *usable)
{
    *record = (struct dns_record){ 0 };
    get_name(r, owner);
    record->type = (uint16_t)get_u16(r);
    unsigned class = get_u16(r);
    record->ttl = get_u32(r);
    size_t length = get_u16(r);
    if (r->bad || length > r->len - r->at)
        return false;
    get_rdata(r, length, record, usable);
    *usable = *usable && class == CLASS_IN;
    return !r->bad;
}

/* Takes the records of `type` that belong to `wanted`; *alias is where a CNAME leads from there, "" if
 * none. */
static bool collect(struct reader r, unsigned count, const char *wanted, unsigned type,
                    struct dns_answer *answer, char alias[DNS_NAME_LIMIT])
{
    alias[0] = '\0';
    for (unsigned i = 0; i < count; i++) {
        struct name owner;
        struct dns_record record;
        bool usable;
        if (!get_record(&r, &owner, &record, &usable))
            return false;
        if (!usable || !same_name(&owner, wanted))
            continue;
        if (record.type == type && answer->count < DNS_RECORDS)
            answer->records[answer->count++] = record;
        else if (record.type == DNS_CNAME && type != DNS_CNAME)
            memcpy(alias, record.name, DNS_NAME_LIMIT);
    }
    return true;
}

static bool get_header(struct reader *r, struct dns_answer *answer, const char *wanted, unsigned type,
                       unsigned id, unsigned *count)
{
    struct name asked;
    unsigned got_id = get_u16(r), flags = get_u16(r), questions = get_u16(r);
    *count = get_u16(r);
    get_u32(r);
    if (r->bad || got_id != id || !(flags & FLAG_RESPONSE) || flags & (FLAG_OPCODE | FLAG_TRUNCATED) ||
        questions != 1)
        return false;
    answer->rcode = flags & RCODE;
    answer->authentic = flags & FLAG_AUTHENTIC;
    get_name(r, &asked);
    unsigned got_type = get_u16(r), class = get_u16(r);
    return !r->bad && same_name(&asked, wanted) && got_type == type && class == CLASS_IN;
}

enum status dns_read(struct dns_answer *answer, const char *name, enum dns_type type, uint16_t id)
{
    struct reader r = { (const unsigned char *)bytes_str(&answer->raw), answer->raw.len, 0, false };
    char wanted[DNS_NAME_LIMIT], alias[DNS_NAME_LIMIT];
    unsigned count;
    answer->count = 0;
    answer->rcode = 0;
    answer->authentic = false;
    if (!plain_name(name, wanted) || !get_header(&r, answer, wanted, type, id, &count))
        return ST_TEMP;
    if (answer->rcode != 0 && answer->rcode != RCODE_NXDOMAIN)
        return ST_TEMP;
    if (count > ANSWERS)
        count = ANSWERS;
    for (int followed = 0; followed <= DNS_CNAMES; followed++) {
        if (!collect(r, count, wanted, type, answer, alias)) {
            answer->count = 0;
            return ST_TEMP;
        }
        if (answer->count || !alias[0])
            memcpy(answer->canonical, wanted, sizeof answer->canonical);
        if (answer->count)
            return ST_OK;
        if (!alias[0])
            return ST_NONE;
        memcpy(wanted, alias, sizeof wanted);
    }
    return ST_TEMP; /* a loop, or a chain too long to follow */
}

bool dns_text(const struct dns_record *record, struct bytes *text)
{
    struct span rest = record->data;
    while (rest.n) {
        size_t n = (unsigned char)rest.p[0];
        if (n >= rest.n || !bytes_add(text, rest.p + 1, n))
            return false;
        rest = span_from(rest, n + 1);
    }
    return !text->failed;
}
