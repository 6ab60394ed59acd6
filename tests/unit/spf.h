/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the unit tests of SPF share: a zone, a record for example.org in it, and a query.
 */
#ifndef POSTERN_TESTS_SPF_H
#define POSTERN_TESTS_SPF_H

#include "../helpers/zone.h"
#include "tap.h"

#include "trust/spf.h"

static struct dns_zone zone;

__attribute__((unused)) static void zone_of(const char *const *lines)
{
    zone_clear(&zone);
    while (*lines)
        zone_add(&zone, *lines++);
}

__attribute__((unused)) static void policy_is(const char *domain, const char *record)
{
    struct bytes line;
    bytes_init(&line, DNS_ANSWER_LIMIT);
    bytes_printf(&line, "%s TXT %s", domain, record);
    zone_add(&zone, bytes_str(&line));
    bytes_free(&line);
}

/* Of SENDER "user@example.org", "" for <>. */
__attribute__((unused)) static struct spf_verdict asked(const char *client, const char *helo,
                                                        const char *sender)
{
    struct address address = { .local_length = 0 };
    struct spf_query query = {
        .helo = span_of(helo), .sender = &address, .receiver = "mx.receiver.test", .now = 1234567890
    };
    struct spf_verdict verdict;
    struct trust_lookup lookup = zone_lookup(&zone);
    char mapped[64];
    if (sender[0] && address_parse(span_of(sender), &address) != ADDRESS_OK)
        abort();
    snprintf(mapped, sizeof mapped, "%s%s", strchr(client, ':') ? "" : "::ffff:", client);
    if (inet_pton(AF_INET6, mapped, &query.address) != 1)
        abort();
    zone.asked = 0;
    zone.expected_count = 0;
    spf_check(&lookup, &query, &verdict);
    return verdict;
}

__attribute__((unused)) static bool came_to(const struct spf_verdict *v, enum trust_result expected,
                                            const char *explanation)
{
    bool same = v->result == expected && strcmp(v->explanation, explanation) == 0;
    if (!same)
        printf("# %s (%s), explains \"%s\"\n", trust_result_name(v->result), v->why, v->explanation);
    return same;
}

#endif
