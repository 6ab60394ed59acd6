/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DNS questions, and answers true and false, as rows of bytes.
 */
#include "tap.h"

#include "net/dns.h"

#include <arpa/inet.h>
#include <string.h>

#define ID 0x1234
/* Header with an ID, flags and counts; then the question a.test/MX (14 octets from offset 12). */
#define HEADER_MANY(flags, answers) "\x12\x34" flags "\0\x01" answers "\0\0\0\0"
#define HEADER(flags, answers) HEADER_MANY(flags, "\0" answers)
#define QUESTION(type) "\1a\4test\0\0" type "\0\1"
#define A_TEST "\xc0\x0c"
#define TTL "\0\0\1\x2c"
#define ROW(text) text, sizeof(text) - 1

static const struct {
    const char *name;
    const char *packet;
    size_t length;
    enum dns_type type;
    enum status expected;
    const char *records;
} rows[] = {
    { "one MX",
      ROW(HEADER("\x81\x80", "\1") QUESTION("\x0f") A_TEST "\0\x0f\0\1" TTL "\0\x07\0\x0a\2MX" A_TEST),
      DNS_MX, ST_OK, "10 mx.a.test; " },
    { "null MX", ROW(HEADER("\x81\x80", "\1") QUESTION("\x0f") A_TEST "\0\x0f\0\1" TTL "\0\3\0\0\0"), DNS_MX,
      ST_OK, "0 ; " },
    { "two addresses, another type between",
      ROW(HEADER("\x81\x80", "\3") QUESTION("\1") A_TEST "\0\1\0\1" TTL "\0\4\x7f\0\0\1" A_TEST
                                                         "\0\x10\0\1" TTL "\0\2\1x" A_TEST "\0\1\0\1" TTL
                                                         "\0\4\x7f\0\0\2"),
      DNS_A, ST_OK, "127.0.0.1; 127.0.0.2; " },
    { "IPv6",
      ROW(HEADER("\x81\x80", "\1") QUESTION("\x1c") A_TEST "\0\x1c\0\1" TTL
                                                           "\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"),
      DNS_AAAA, ST_OK, "::1; " },
    { "a CNAME is followed, in whatever order",
      ROW(HEADER("\x81\x80", "\2") QUESTION("\1") "\1b"
                                                  "\xc0\x0e"
                                                  "\0\1\0\1" TTL "\0\4\x0a\0\0\1" A_TEST "\0\5\0\1" TTL
                                                  "\0\4\1b\xc0\x0e"),
      DNS_A, ST_OK, "10.0.0.1; " },
    { "a CNAME to nothing",
      ROW(HEADER("\x81\x80", "\1") QUESTION("\1") A_TEST "\0\5\0\1" TTL "\0\4\1b\xc0\x0e"), DNS_A, ST_NONE,
      "" },
    { "a CNAME to itself", ROW(HEADER("\x81\x80", "\1") QUESTION("\1") A_TEST "\0\5\0\1" TTL "\0\2\xc0\x0c"),
      DNS_A, ST_TEMP, "" },
    { "a record of somebody else's is no answer",
      ROW(HEADER("\x81\x80", "\1") QUESTION("\1") "\1z\0\0\1\0\1" TTL "\0\4\x0a\0\0\1"), DNS_A, ST_NONE, "" },
    { "no records", ROW(HEADER("\x81\x80", "\0") QUESTION("\x0f")), DNS_MX, ST_NONE, "" },
    { "NXDOMAIN", ROW(HEADER("\x81\x83", "\0") QUESTION("\x0f")), DNS_MX, ST_NONE, "" },
    { "SERVFAIL", ROW(HEADER("\x81\x82", "\0") QUESTION("\x0f")), DNS_MX, ST_TEMP, "" },
    { "REFUSED", ROW(HEADER("\x81\x85", "\0") QUESTION("\x0f")), DNS_MX, ST_TEMP, "" },
    { "truncated", ROW(HEADER("\x83\x80", "\0") QUESTION("\x0f")), DNS_MX, ST_TEMP, "" },
    { "a question, not an answer", ROW(HEADER("\x01\0", "\0") QUESTION("\x0f")), DNS_MX, ST_TEMP, "" },
    { "another ID", ROW("\x12\x35\x81\x80\0\1\0\0\0\0\0\0" QUESTION("\x0f")), DNS_MX, ST_TEMP, "" },
    { "another question's type", ROW(HEADER("\x81\x80", "\0") QUESTION("\1")), DNS_MX, ST_TEMP, "" },
    { "another question's name", ROW(HEADER("\x81\x80", "\0") "\1b\4test\0\0\x0f\0\1"), DNS_MX, ST_TEMP, "" },
    { "the question in capitals", ROW(HEADER("\x81\x80", "\0") "\1A\4TesT\0\0\x0f\0\1"), DNS_MX, ST_NONE,
      "" },
    { "no question", ROW("\x12\x34\x81\x80\0\0\0\0\0\0\0\0"), DNS_MX, ST_TEMP, "" },
    { "half a header", ROW("\x12\x34\x81"), DNS_MX, ST_TEMP, "" },
    { "nothing", ROW(""), DNS_MX, ST_TEMP, "" },
    { "fewer records than it says",
      ROW(HEADER("\x81\x80", "\2") QUESTION("\1") A_TEST "\0\1\0\1" TTL "\0\4\x7f\0\0\1"), DNS_A, ST_TEMP,
      "" },
    { "RDATA past the end", ROW(HEADER("\x81\x80", "\1") QUESTION("\1") A_TEST "\0\1\0\1" TTL "\0\4\x7f\0\0"),
      DNS_A, ST_TEMP, "" },
    { "a huge RDATA length",
      ROW(HEADER("\x81\x80", "\1") QUESTION("\x10") A_TEST "\0\x10\0\1" TTL "\xff\xff\1x"), DNS_TXT, ST_TEMP,
      "" },
    { "an address of 5 octets",
      ROW(HEADER("\x81\x80", "\1") QUESTION("\1") A_TEST "\0\1\0\1" TTL "\0\5\x7f\0\0\1\1"), DNS_A, ST_TEMP,
      "" },
    { "an MX of one octet", ROW(HEADER("\x81\x80", "\1") QUESTION("\x0f") A_TEST "\0\x0f\0\1" TTL "\0\1\0"),
      DNS_MX, ST_TEMP, "" },
    { "an MX name that runs out of its RDATA",
      ROW(HEADER("\x81\x80", "\1") QUESTION("\x0f") A_TEST "\0\x0f\0\1" TTL "\0\4\0\x0a\5mx" A_TEST "xxxx"),
      DNS_MX, ST_TEMP, "" },
    { "an MX name that ends before its RDATA",
      ROW(HEADER("\x81\x80", "\1") QUESTION("\x0f") A_TEST "\0\x0f\0\1" TTL "\0\x08\0\x0a\2mx" A_TEST "x"),
      DNS_MX, ST_TEMP, "" },
    { "a pointer to itself",
      ROW(HEADER("\x81\x80", "\1") QUESTION("\1") "\xc0\x18\0\1\0\1" TTL "\0\4\x7f\0\0\1"), DNS_A, ST_TEMP,
      "" },
    { "a pointer forwards",
      ROW(HEADER("\x81\x80", "\1") QUESTION("\1") "\xc0\x30\0\1\0\1" TTL "\0\4\x7f\0\0\1"), DNS_A, ST_TEMP,
      "" },
    { "a pointer into a loop of labels",
      ROW(HEADER("\x81\x80", "\1") QUESTION("\1") "\1b\xc0\x18\0\1\0\1" TTL "\0\4\x7f\0\0\1"), DNS_A, ST_TEMP,
      "" },
    { "half a pointer", ROW(HEADER("\x81\x80", "\1") QUESTION("\1") "\xc0"), DNS_A, ST_TEMP, "" },
    { "a label type that doesn't exist",
      ROW(HEADER("\x81\x80", "\1") QUESTION("\1") "\x41"
                                                  "a\0\0\1\0\1" TTL "\0\4\x7f\0\0\1"),
      DNS_A, ST_TEMP, "" },
    { "an MX name with a NUL and one with a dot inside are passed over",
      ROW(HEADER("\x81\x80", "\3") QUESTION("\x0f") A_TEST
          "\0\x0f\0\1" TTL "\0\6\0\1\2m\0\0" A_TEST "\0\x0f\0\1" TTL "\0\7\0\2\3m.x\0" A_TEST "\0\x0f\0\1" TTL
          "\0\5\0\3\1m\0"),
      DNS_MX, ST_OK, "3 m; " },
    { "a service",
      ROW(HEADER("\x81\x80", "\1") QUESTION("\x21") A_TEST "\0\x21\0\1" TTL
                                                           "\0\x0b\0\1\0\2\3\xe1\2MX" A_TEST),
      DNS_SRV, ST_OK, "1 mx.a.test:993; " },
    { "a service that there isn't",
      ROW(HEADER("\x81\x80", "\1") QUESTION("\x21") A_TEST "\0\x21\0\1" TTL "\0\7\0\0\0\0\0\0\0"), DNS_SRV,
      ST_OK, "0 :0; " },
    { "a service without a target",
      ROW(HEADER("\x81\x80", "\1") QUESTION("\x21") A_TEST "\0\x21\0\1" TTL "\0\6\0\1\0\2\3\xe1"), DNS_SRV,
      ST_TEMP, "" },
    { "half a service, and something behind it",
      ROW(HEADER("\x81\x80", "\2") QUESTION("\x21") A_TEST "\0\x21\0\1" TTL "\0\5\0\1\0\2\3" A_TEST
                                                           "\0\1\0\1" TTL "\0\4\x7f\0\0\1"),
      DNS_SRV, ST_TEMP, "" },
    { "another class", ROW(HEADER("\x81\x80", "\1") QUESTION("\1") A_TEST "\0\1\0\3" TTL "\0\4\x7f\0\0\1"),
      DNS_A, ST_NONE, "" },
};

static void describe(const struct dns_answer *a, char *to, size_t size)
{
    char text[INET6_ADDRSTRLEN];
    size_t used = 0;
    to[0] = '\0';
    for (size_t i = 0; i < a->count && used < size; i++) {
        const struct dns_record *r = &a->records[i];
        if (r->type == DNS_MX)
            used += (size_t)snprintf(to + used, size - used, "%u %s; ", r->preference, r->name);
        else if (r->type == DNS_SRV)
            used += (size_t)snprintf(to + used, size - used, "%u %s:%u; ", r->preference, r->name, r->port);
        else if (r->type == DNS_A || r->type == DNS_AAAA)
            used += (size_t)snprintf(to + used, size - used, "%s; ",
                                     r->type == DNS_A
                                         ? inet_ntop(AF_INET, r->address.s6_addr + 12, text, sizeof text)
                                         : inet_ntop(AF_INET6, &r->address, text, sizeof text));
    }
}

static void answers(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dns_answer a = { 0 };
        char records[1024];
        bytes_init(&a.raw, DNS_ANSWER_LIMIT);
        bytes_add(&a.raw, rows[i].packet, rows[i].length);
        enum status st = dns_read(&a, "A.test.", rows[i].type, ID);
        describe(&a, records, sizeof records);
        ok(st == rows[i].expected && strcmp(records, rows[i].records) == 0, "%s: %d %s", rows[i].name, st,
           records);
        dns_answer_free(&a);
    }
}

/* Every prefix of an answer, and every answer with one byte changed: none may be read past its end (ASan
 * looks). */
static void damaged_answers(void)
{
    size_t fine = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t n = 0; n < rows[i].length * 4; n++) {
            struct dns_answer a = { 0 };
            static const unsigned char values[] = { 0xff, 0x00, 0xc0, 0x3f };
            bytes_init(&a.raw, DNS_ANSWER_LIMIT);
            bytes_add(&a.raw, rows[i].packet, n % 2 ? rows[i].length : n / 4);
            if (n % 2)
                a.raw.data[n / 4] = (char)values[n / 2 % 4];
            fine += dns_read(&a, "a.test", rows[i].type, ID) == ST_OK;
            dns_answer_free(&a);
        }
    ok(fine > 0, "prefixes and changed bytes");
}

static void many_records(void)
{
    struct dns_answer a = { 0 };
    bytes_init(&a.raw, DNS_ANSWER_LIMIT);
    bytes_add(&a.raw, HEADER_MANY("\x81\x80", "\1\x90") QUESTION("\1"),
              sizeof(HEADER_MANY("\x81\x80", "\1\x90") QUESTION("\1")) - 1);
    for (int i = 0; i < 400; i++)
        bytes_add(&a.raw, A_TEST "\0\1\0\1" TTL "\0\4\x7f\0\0\1", 16);
    ok(dns_read(&a, "a.test", DNS_A, ID) == ST_OK && a.count == DNS_RECORDS,
       "of 400 records %d are looked at", DNS_RECORDS);
    dns_answer_free(&a);
}

static void questions(void)
{
    char label[65], name[300];
    static const struct {
        const char *name;
        enum status expected;
    } names[] = {
        { "a.test", ST_OK },
        { "a.test.", ST_OK },
        { "_25._tcp.mx.a.test", ST_OK },
        { "", ST_PERM },
        { ".", ST_PERM },
        { "a..test", ST_PERM },
        { ".test", ST_PERM },
        { "a b.test", ST_PERM },
        { "a\\.test", ST_PERM },
        { "a\xc3\xa4.test", ST_PERM },
    };
    struct bytes packet;
    bytes_init(&packet, 512);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        bytes_clear(&packet);
        ok(dns_question(names[i].name, DNS_MX, ID, &packet) == names[i].expected, "question \"%s\"",
           names[i].name);
    }
    bytes_clear(&packet);
    dns_question("A.Test", DNS_MX, ID, &packet);
    static const char expected[] =
        "\x12\x34\x01\x20\0\1\0\0\0\0\0\1\1a\4test\0\0\x0f\0\1\0\0\x29\x04\xd0\0\0\0\0\0\0";
    ok(packet.len == sizeof expected - 1 && memcmp(packet.data, expected, packet.len) == 0,
       "the bytes of a question");
    memset(label, 'x', 64);
    label[64] = '\0';
    bytes_clear(&packet);
    ok(dns_question(label, DNS_A, ID, &packet) == ST_PERM, "a label of 64");
    bytes_clear(&packet);
    ok(dns_question(label + 1, DNS_A, ID, &packet) == ST_OK, "a label of 63");
    bytes_clear(&packet);
    snprintf(name, sizeof name, "%s.%s.%s.%s", label + 1, label + 1, label + 1, label + 3);
    ok(dns_question(name, DNS_A, ID, &packet) == ST_OK && strlen(name) == 253, "a name of 253");
    bytes_clear(&packet);
    snprintf(name, sizeof name, "%s.%s.%s.%s", label + 1, label + 1, label + 1, label + 2);
    ok(dns_question(name, DNS_A, ID, &packet) == ST_PERM, "a name of 254");
    bytes_free(&packet);
}

static void resolvers(void)
{
    static const struct {
        const char *setting, *expected;
    } settings[] = {
        { "127.0.0.1", "::ffff:127.0.0.1 53" },
        { "127.0.0.1:5353", "::ffff:127.0.0.1 5353" },
        { "::1", "::1 53" },
        { "[::1]:5353", "::1 5353" },
        { "[::1]", "::1 53" },
        { "localhost", "" },
        { "127.0.0.1:0", "" },
        { "127.0.0.1:99999", "" },
        { "[::1", "" },
        { "[::1]5", "" },
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        struct dns_resolver r;
        struct bytes error;
        char text[INET6_ADDRSTRLEN], got[80] = "";
        bytes_init(&error, 1024);
        if (dns_resolver_init(&r, settings[i].setting, &error) == ST_OK)
            snprintf(got, sizeof got, "%s %d",
                     inet_ntop(AF_INET6, &r.servers[0].sin6_addr, text, sizeof text),
                     ntohs(r.servers[0].sin6_port));
        ok(strcmp(got, settings[i].expected) == 0 && (got[0] != '\0') == (error.len == 0), "resolver %s: %s",
           settings[i].setting, got);
        bytes_free(&error);
    }
}

int main(void)
{
    questions();
    answers();
    damaged_answers();
    many_records();
    resolvers();
    return done_testing();
}
