/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The limits of SPF (RFC 7208 4.6.4): terms that ask DNS, questions for what isn't there, names of MX and
 * PTR; that records which lead to one another come to an end; what is asked at once; and that no check asks
 * more than SPF_QUESTIONS.
 */
#include "spf.h"

static void zone_base(void)
{
    static const char *const lines[] = {
        "example.org A 192.0.2.99",
        "example.org AAAA 2001:db8::99",
        "example.org MX 10 mx.example.org",
        "mx.example.org A 192.0.2.99",
        "1.2.0.192.in-addr.arpa PTR other.test",
        "other.test A 192.0.2.1",
        "no.test TXT v=spf1 ?ip4:192.0.2.2",
        "other.test.example.org A 192.0.2.98",
        NULL,
    };
    zone_of(lines);
}

static void add_many(const char *format, int count)
{
    char line[600];
    for (int i = 0; i < count; i++) {
        snprintf(line, sizeof line, "%s%d", format, i);
        zone_add(&zone, line);
    }
}

/* "v=spf1", `count` times `term`, and what follows. */
static void policy_of(const char *domain, int count, const char *term, const char *rest)
{
    struct bytes record;
    bytes_init(&record, DNS_ANSWER_LIMIT);
    bytes_add_str(&record, "v=spf1");
    for (int i = 0; i < count; i++)
        bytes_printf(&record, " %s", term);
    bytes_printf(&record, " %s", rest);
    policy_is(domain, bytes_str(&record));
    bytes_free(&record);
}

static bool comes_to(enum trust_result expected)
{
    struct spf_verdict v = asked("192.0.2.1", "h.test", "u@example.org");
    if (zone.asked > SPF_QUESTIONS)
        printf("# it asked %u questions\n", zone.asked);
    return came_to(&v, expected, "") && zone.asked <= SPF_QUESTIONS;
}

/* Each of these counts one, whatever it asks. None matches. */
static const char *const counted[] = { "a", "mx", "ptr", "include:no.test", "a:%{p}.example.org" };

static void counted_terms(void)
{
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
        const char *term = counted[i];
        zone_base();
        policy_of("example.org", 10, term, "~all");
        ok(comes_to(TRUST_SOFTFAIL), "ten of %s", term);
        zone_base();
        policy_of("example.org", 11, term, "~all");
        ok(comes_to(TRUST_PERMERROR), "eleven of %s", term);
    }
}

static const struct {
    const char *name;
    int count;
    const char *term, *rest;
    enum trust_result expected;
} mixed[] = {
    { "exists as the tenth", 9, "a", "exists:example.org", TRUST_PASS },
    { "exists as the eleventh", 10, "a", "exists:example.org", TRUST_PERMERROR },
    { "redirect as the tenth", 9, "a", "redirect=no.test", TRUST_NEUTRAL },
    { "redirect as the eleventh", 10, "a", "redirect=no.test", TRUST_PERMERROR },
    { "redirect that isn't taken", 10, "a", "redirect=no.test ~all", TRUST_SOFTFAIL },
    { "what isn't reached", 10, "a", "ip4:192.0.2.1 a a a", TRUST_PASS },
    { "exp doesn't count", 10, "a", "exp=other.test -all", TRUST_FAIL },
    { "all, ip4 and ip6 don't", 200, "ip4:192.0.2.2 ip6:2001:db8::1", "~all", TRUST_SOFTFAIL },
    { "nor do unknown modifiers", 200, "x=%{d}", "~all", TRUST_SOFTFAIL },
    { "two that find nothing", 2, "a:nowhere.test", "~all", TRUST_SOFTFAIL },
    { "three that find nothing", 3, "a:nowhere.test", "~all", TRUST_PERMERROR },
    { "... the last term being one", 3, "?exists:nowhere.test", "", TRUST_PERMERROR },
    { "no data is nothing too", 3, "mx:mx.example.org", "~all", TRUST_PERMERROR },
    { "what is no name isn't asked for", 4, "a:a..test", "~all", TRUST_SOFTFAIL },
    { "nothing behind a match", 1, "ip4:192.0.2.1", "a:a.test a:b.test a:c.test", TRUST_PASS },
};

static void mixed_terms(void)
{
    for (size_t i = 0; i < sizeof mixed / sizeof *mixed; i++) {
        zone_base();
        policy_of("example.org", mixed[i].count, mixed[i].term, mixed[i].rest);
        ok(comes_to(mixed[i].expected), "%s", mixed[i].name);
    }
}

/* The limits hold for the whole check, not for a record. */
static void across_records(void)
{
    zone_base();
    policy_of("example.org", 4, "a", "include:more.test ~all");
    policy_of("more.test", 5, "a:example.org", "?a:no.example.org");
    ok(comes_to(TRUST_PERMERROR), "eleven terms in two records");
    zone_base();
    policy_of("example.org", 4, "a", "include:more.test ~all");
    policy_of("more.test", 5, "a:example.org", "");
    ok(comes_to(TRUST_SOFTFAIL), "ten terms in two records");
    zone_base();
    policy_of("example.org", 1, "a:nowhere.test", "include:more.test ~all");
    policy_of("more.test", 1, "a:nowhere.test", "a:nowhere.test ~all");
    ok(comes_to(TRUST_PERMERROR), "three that find nothing, in two records");
}

static void loops(void)
{
    char line[128];
    zone_base();
    policy_is("example.org", "v=spf1 include:example.org -all");
    ok(comes_to(TRUST_PERMERROR), "a record that includes itself");
    zone_base();
    policy_is("example.org", "v=spf1 redirect=example.org");
    ok(comes_to(TRUST_PERMERROR), "one that redirects to itself");
    zone_base();
    policy_is("example.org", "v=spf1 include:b.test");
    policy_is("b.test", "v=spf1 redirect=example.org");
    ok(comes_to(TRUST_PERMERROR), "two that lead to each other");
    for (int last = 10; last <= 11; last++) {
        zone_base();
        policy_is("example.org", "v=spf1 include:1.test");
        for (int i = 1; i <= last; i++) {
            snprintf(line, sizeof line,
                     i == last ? "%d.test TXT v=spf1 +all" : "%d.test TXT v=spf1 include:%d.test", i, i + 1);
            zone_add(&zone, line);
        }
        ok(comes_to(last == 10 ? TRUST_PASS : TRUST_PERMERROR), "includes %d deep", last);
    }
}

static void names(void)
{
    for (int count = 10; count <= 11; count++) {
        zone_base();
        add_many("many.test MX 1 h.test", count);
        zone_add(&zone, "h.test0 A 192.0.2.1");
        policy_is("example.org", "v=spf1 mx:many.test ~all");
        ok(comes_to(count == 10 ? TRUST_PASS : TRUST_PERMERROR), "%d MX hosts", count);
        zone_clear(&zone);
        add_many("1.2.0.192.in-addr.arpa PTR h.test", count);
        zone_add(&zone, count == 10 ? "h.test9 A 192.0.2.1" : "h.test10 A 192.0.2.1");
        policy_is("example.org", "v=spf1 ptr:h.test9 ptr:h.test10 ~all");
        ok(comes_to(count == 10 ? TRUST_PASS : TRUST_SOFTFAIL), "the PTR name number %d", count);
    }
}

/* As many questions as there can be: each term has other hosts, and so has the explanation its %{p}. */
static void most_questions(void)
{
    char line[256];
    zone_clear(&zone);
    for (int i = 0; i < 10; i++) {
        for (int k = 0; k < 10; k++) {
            snprintf(line, sizeof line, "m%d.test MX 1 h%d.m%d.test", i, k, i);
            zone_add(&zone, line);
            snprintf(line, sizeof line, "h%d.m%d.test A 192.0.2.2", k, i);
            zone_add(&zone, line);
        }
        snprintf(line, sizeof line, "1.2.0.192.in-addr.arpa PTR h%d.m0.test", i);
        zone_add(&zone, line);
    }
    policy_is("example.org",
              "v=spf1 mx:m0.test mx:m1.test mx:m2.test mx:m3.test mx:m4.test mx:m5.test mx:m6.test "
              "mx:m7.test mx:m8.test mx:m9.test exp=why.test -all");
    policy_is("why.test", "%{p} %{p}");
    struct spf_verdict v = asked("192.0.2.1", "h.test", "u@example.org");
    ok(came_to(&v, TRUST_FAIL, "unknown unknown") && zone.asked == SPF_QUESTIONS,
       "a check asks %u questions at most", zone.asked);
}

/* What an IPv6 client's AAAA questions miss counts once for an "mx", however many hosts have none. */
static void void_hosts(void)
{
    struct spf_verdict v;
    zone_base();
    add_many("v4.test MX 1 h.test", 8);
    policy_is("example.org", "v=spf1 mx:v4.test mx:v4.test ~all");
    v = asked("2001:db8::1", "h.test", "u@example.org");
    ok(came_to(&v, TRUST_SOFTFAIL, ""), "two mx with no AAAA at all");
    zone_base();
    add_many("v4.test MX 1 h.test", 8);
    policy_is("example.org", "v=spf1 mx:v4.test mx:v4.test mx:v4.test ~all");
    v = asked("2001:db8::1", "h.test", "u@example.org");
    ok(came_to(&v, TRUST_PERMERROR, ""), "three");
}

/* The one that counts may come last of many. */
static void many_texts(void)
{
    struct spf_verdict v;
    zone_base();
    add_many("example.org TXT some-verification=", 150);
    add_many("many.test A 198.51.100.", 150);
    zone_add(&zone, "many.test A 192.0.2.1");
    policy_is("example.org", "v=spf1 a:many.test -all");
    v = asked("192.0.2.1", "h.test", "u@example.org");
    ok(came_to(&v, TRUST_PASS, ""), "a record behind 150 others, and an address too");
}

static bool expects(const char *const *names, const enum dns_type *types, size_t count)
{
    bool same = zone.expected_count == count;
    for (size_t i = 0; i < zone.expected_count; i++) {
        same = same && strcmp(zone.expected[i].name, names[i]) == 0 && zone.expected[i].type == types[i];
        printf("# expected: %s %d\n", zone.expected[i].name, zone.expected[i].type);
    }
    return same;
}

static const struct {
    const char *name, *record;
    size_t count;
    const char *names[6];
    enum dns_type types[6];
} foreseen[] = {
    { "every term's first question",
      "v=spf1 include:no.test a mx a:%{d2}.test ptr exists:x.test ~all",
      4,
      { "no.test", "example.org", "example.org", "1.2.0.192.in-addr.arpa" },
      { DNS_TXT, DNS_A, DNS_MX, DNS_PTR } },
    { "none where one is all there is", "v=spf1 a ~all", 0, { NULL }, { 0 } },
    { "none twice", "v=spf1 a a include:no.test ~all", 2, { "example.org", "no.test" }, { DNS_A, DNS_TXT } },
    { "none behind what matches anyhow",
      "v=spf1 a include:no.test ip4:192.0.2.0/24 include:x.test",
      2,
      { "example.org", "no.test" },
      { DNS_A, DNS_TXT } },
    { "none where that comes first",
      "v=spf1 ip4:192.0.2.0/24 include:no.test include:x.test",
      0,
      { NULL },
      { 0 } },
    { "redirect", "v=spf1 a redirect=no.test", 2, { "example.org", "no.test" }, { DNS_A, DNS_TXT } },
    { "none of a redirect that isn't taken",
      "v=spf1 a mx redirect=no.test ~all",
      2,
      { "example.org", "example.org" },
      { DNS_A, DNS_MX } },
};

static void foresight(void)
{
    for (size_t i = 0; i < sizeof foreseen / sizeof *foreseen; i++) {
        zone_base();
        policy_is("example.org", foreseen[i].record);
        asked("192.0.2.1", "h.test", "u@example.org");
        ok(expects(foreseen[i].names, foreseen[i].types, foreseen[i].count), "expected: %s",
           foreseen[i].name);
    }
    static const char *const hosts[] = { "h.test0", "h.test1" };
    static const enum dns_type types[] = { DNS_AAAA, DNS_AAAA };
    zone_base();
    add_many("two.test MX 1 h.test", 2);
    policy_is("example.org", "v=spf1 mx:two.test ~all");
    asked("2001:db8::1", "h.test", "u@example.org");
    ok(expects(hosts, types, 2), "expected: the hosts of an mx");
}

int main(void)
{
    counted_terms();
    mixed_terms();
    across_records();
    loops();
    names();
    most_questions();
    void_hosts();
    many_texts();
    foresight();
    zone_clear(&zone);
    return done_testing();
}
