/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Answers SPF queries about zones that are given as text, line by line on standard input:
 *
 *     z NAME TYPE VALUE           a line of the zone (helpers/zone.h)
 *     q ADDRESS HELO SENDER       a query; \HH is an octet here too, SENDER is empty for <>
 *     .                           forgets the zone
 *
 * For each query it prints one line: the result, a tab, the explanation, a tab, why.
 */
#include "zone.h"

#include "trust/spf.h"

static struct dns_zone zone;

static void unescape(struct span s, char *to, size_t size)
{
    size_t n = 0;
    while (s.n && n + 1 < size)
        to[n++] = zone_octet(&s);
    to[n] = '\0';
}

/* Whatever the suite calls a sender: it isn't always one that our parser would take. */
static void take_sender(struct span text, struct address *sender)
{
    *sender = (struct address){ .local_length = 0 };
    unescape(text, sender->text, sizeof sender->text);
    const char *at = strrchr(sender->text, '@');
    if (at)
        sender->local_length = (size_t)(at - sender->text);
}

static void answer(struct span query)
{
    char helo[512], address[INET6_ADDRSTRLEN], mapped[INET6_ADDRSTRLEN + 8];
    struct address sender;
    struct spf_query q = { .sender = &sender, .receiver = "receiver.test", .now = 1700000000 };
    struct spf_verdict verdict;
    struct span part;
    span_cut(&query, ' ', &part);
    unescape(part, address, sizeof address);
    snprintf(mapped, sizeof mapped, "%s%s", strchr(address, ':') ? "" : "::ffff:", address);
    if (inet_pton(AF_INET6, mapped, &q.address) != 1)
        abort();
    span_cut(&query, ' ', &part);
    unescape(part, helo, sizeof helo);
    q.helo = span_of(helo);
    take_sender(query, &sender);
    struct trust_lookup lookup = zone_lookup(&zone);
    spf_check(&lookup, &q, &verdict);
    printf("%s\t%s\t%s\n", trust_result_name(verdict.result), verdict.explanation, verdict.why);
}

int main(void)
{
    static char line[65536];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == 'z' && line[1] == ' ')
            zone_add(&zone, line + 2);
        else if (line[0] == 'q' && line[1] == ' ')
            answer(span_of(line + 2));
        else
            zone_clear(&zone);
    }
    zone_clear(&zone);
    return 0;
}
