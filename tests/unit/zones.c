/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lists in DNS as settings name them, and which answers count.
 */
#include "tap.h"

#include "base/zones.h"

#include <arpa/inet.h>
#include <string.h>

static const struct {
    const char *text;
    size_t count; /* 99: wrong */
} texts[] = {
    { "", 0 },
    { "zen.test", 1 },
    { "  zen.test   b.test=127.0.0.2-11  ", 2 },
    { "a.test=127.0.0.[2..11]", 1 },
    { "a.test=127.0.[0..1].[2;4;10..11]", 1 },
    { "_dnswl.a-b.test", 1 },
    { "1 2 3 4 5 6 7 8", 8 },
    { "1 2 3 4 5 6 7 8 9", 99 },
    { "a.test=", 99 },
    { "a.test=127.0.0", 99 },
    { "a.test=127.0.0.1.2", 99 },
    { "a.test=127.0.0.256", 99 },
    { "a.test=127.0.0.11-2", 99 },
    { "a.test=127.0.0.2..11", 99 },
    { "a.test=127.0.0.[2-11]", 99 },
    { "a.test=127.0.0.[2..11", 99 },
    { "a.test=127.0.0.[]", 99 },
    { "a.test=127.0.0.-", 99 },
    { "a.test=127.0.0.2-", 99 },
    { "a..test", 99 },
    { ".test", 99 },
    { "test.", 99 },
    { "a b/c", 99 },
    { "=127.0.0.1", 99 },
};

static void each_text(void)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct zones z = { .count = 77 };
        bool good = zones_parse(texts[i].text, &z);
        ok(texts[i].count == 99 ? !good && z.count == 77
                                : good && z.count == texts[i].count && strcmp(z.text, texts[i].text) == 0,
           "'%s' is %s", texts[i].text, texts[i].count == 99 ? "refused" : "read");
        if (good)
            zones_free(&z);
    }
    char longer[300] = "";
    struct zones z = { .count = 0 };
    memset(longer, 'a', 250);
    for (int i = 50; i < 250; i += 50)
        longer[i] = '.';
    ok(!zones_parse(longer, &z), "a name too long to have an address in front");
    longer[ZONE_NAME_LIMIT] = '\0';
    ok(zones_parse(longer, &z), "one of %d letters", ZONE_NAME_LIMIT);
    zones_free(&z);
}

static const struct {
    const char *zone, *answer;
    bool counts;
} rows[] = {
    { "z.test", "127.0.0.2", true },
    { "z.test", "127.9.9.9", true },
    { "z.test", "127.255.255.254", false },
    { "z.test", "127.255.254.254", true },
    { "z.test", "10.0.0.2", false },
    { "z.test", "126.0.0.2", false },
    { "z.test=127.0.0.2-11", "127.0.0.2", true },
    { "z.test=127.0.0.2-11", "127.0.0.11", true },
    { "z.test=127.0.0.2-11", "127.0.0.12", false },
    { "z.test=127.0.0.2-11", "127.0.1.2", false },
    { "z.test=127.0.0-255.[2;10]", "127.0.7.10", true },
    { "z.test=127.0.0-255.[2;10]", "127.0.7.9", false },
    { "z.test=127.255.255.254", "127.255.255.254", true },
};

static void each_row(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zones z = { .count = 0 };
        struct in6_addr a = { .s6_addr = { [10] = 0xff, [11] = 0xff } };
        bool good = zones_parse(rows[i].zone, &z) && inet_pton(AF_INET, rows[i].answer, a.s6_addr + 12) == 1;
        ok(good && zone_counts(&z.list[0], &a) == rows[i].counts, "%s: %s %s", rows[i].zone, rows[i].answer,
           rows[i].counts ? "counts" : "doesn't");
        zones_free(&z);
    }
    struct zones z = { .count = 0 };
    struct in6_addr v6 = { .s6_addr = { [12] = 127, [15] = 2 } };
    ok(zones_parse("z.test", &z) && !zone_counts(&z.list[0], &v6), "an IPv6 address is no answer");
    zones_free(&z);
}

int main(void)
{
    each_text();
    each_row();
    return done_testing();
}
