/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DNS answers: whatever a resolver sends, records stay inside the answer and names are names.
 */
#include "fuzz.h"

#include "net/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_type types[] = { DNS_A,   DNS_AAAA,  DNS_MX,   DNS_TXT,
                                           DNS_PTR, DNS_CNAME, DNS_TLSA, DNS_SOA, DNS_SRV };
    struct dns_answer *answer = calloc(1, sizeof *answer);
    HOLDS(answer);
    bytes_init(&answer->raw, DNS_ANSWER_LIMIT);
    enum dns_type type = types[size ? data[size - 1] % 9 : 0];
    /* An answer must repeat the question: so the fuzzer writes only what follows it. */
    HOLDS(dns_question("mail.example.test", type, 4711, &answer->raw) == ST_OK);
    if (size > 12 && size < 4096) {
        size_t question = 12 + 19 + 4;
        answer->raw.len = question;
        memcpy(answer->raw.data + 2, data, 10);
        answer->raw.data[2] = (char)(answer->raw.data[2] | (char)0x80);
        bytes_add(&answer->raw, data + 10, size - 10);
    }
    if (dns_read(answer, "mail.example.test", type, 4711) == ST_OK) {
        HOLDS(answer->count > 0 && answer->count <= DNS_RECORDS);
        for (size_t i = 0; i < answer->count; i++) {
            const struct dns_record *r = &answer->records[i];
            HOLDS(r->type == type && memchr(r->name, '\0', sizeof r->name));
            HOLDS(r->data.n == 0 || fuzz_within(r->data, span_bytes(&answer->raw)));
        }
    }
    dns_answer_free(answer);
    free(answer);
    return 0;
}
