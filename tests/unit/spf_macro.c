/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Macros of SPF (RFC 7208 7) and the explanation that a domain gives (6.2).
 */
#include "spf.h"

static const char *const world[] = {
    "3.2.0.192.in-addr.arpa PTR mx.example.org",
    "mx.example.org A 192.0.2.3",
    "4.2.0.192.in-addr.arpa PTR a.test",
    "4.2.0.192.in-addr.arpa PTR b.email.example.com",
    "4.2.0.192.in-addr.arpa PTR email.example.com",
    "a.test A 192.0.2.4",
    "b.email.example.com A 192.0.2.4",
    "email.example.com A 192.0.2.4",
    "5.2.0.192.in-addr.arpa PTR a.test",
    "5.2.0.192.in-addr.arpa PTR b.email.example.com",
    "a.test A 192.0.2.5",
    "b.email.example.com A 192.0.2.5",
    "6.2.0.192.in-addr.arpa TIMEOUT",
    "email.example.com TXT v=spf1 exp=text.example.com -all",
    NULL,
};

#define FROM "strong-bad@email.example.com"
#define IN6 "2001:db8::cb01"

/* What a macro in the explanation of email.example.com expands to. The first are RFC 7208's own (7.4), which
 * has IPv6 nibbles in lower case: as part of a name they are the same. */
static const struct {
    const char *text, *client, *sender, *expected;
} expansions[] = {
    { "%{s}", "192.0.2.3", FROM, "strong-bad@email.example.com" },
    { "%{o}", "192.0.2.3", FROM, "email.example.com" },
    { "%{d}", "192.0.2.3", FROM, "email.example.com" },
    { "%{d4}", "192.0.2.3", FROM, "email.example.com" },
    { "%{d3}", "192.0.2.3", FROM, "email.example.com" },
    { "%{d2}", "192.0.2.3", FROM, "example.com" },
    { "%{d1}", "192.0.2.3", FROM, "com" },
    { "%{dr}", "192.0.2.3", FROM, "com.example.email" },
    { "%{d2r}", "192.0.2.3", FROM, "example.email" },
    { "%{l}", "192.0.2.3", FROM, "strong-bad" },
    { "%{l-}", "192.0.2.3", FROM, "strong.bad" },
    { "%{lr}", "192.0.2.3", FROM, "strong-bad" },
    { "%{lr-}", "192.0.2.3", FROM, "bad.strong" },
    { "%{l1r-}", "192.0.2.3", FROM, "strong" },
    { "%{ir}.%{v}._spf.%{d2}", "192.0.2.3", FROM, "3.2.0.192.in-addr._spf.example.com" },
    { "%{lr-}.lp._spf.%{d2}", "192.0.2.3", FROM, "bad.strong.lp._spf.example.com" },
    { "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "192.0.2.3", FROM,
      "bad.strong.lp.3.2.0.192.in-addr._spf.example.com" },
    { "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "192.0.2.3", FROM, "3.2.0.192.in-addr.strong.lp._spf.example.com" },
    { "%{d2}.trusted-domains.example.net", "192.0.2.3", FROM, "example.com.trusted-domains.example.net" },
    { "%{ir}.%{v}._spf.%{d2}", IN6, FROM,
      "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf.example.com" },
    /* Our own. */
    { "%{i}", "192.0.2.3", FROM, "192.0.2.3" },
    { "%{c}", "192.0.2.3", FROM, "192.0.2.3" },
    { "%{c}", IN6, FROM, "2001:db8::cb01" },
    { "%{h}", "192.0.2.3", FROM, "mail.example.net" },
    { "%{r}", "192.0.2.3", FROM, "mx.receiver.test" },
    { "%{t}", "192.0.2.3", FROM, "1234567890" },
    { "%{p}", "192.0.2.3", FROM, "mx.example.org" },
    { "%{p}: the domain itself", "192.0.2.4", FROM, "email.example.com: the domain itself" },
    { "%{p}: or below it", "192.0.2.5", FROM, "b.email.example.com: or below it" },
    { "%{p}: DNS fails", "192.0.2.6", FROM, "unknown: DNS fails" },
    { "%{p}: no name", "192.0.2.7", FROM, "unknown: no name" },
    { "%%|%_|%-", "192.0.2.3", FROM, "%| |%20" },
    { "blanks   stay .", "192.0.2.3", FROM, "blanks   stay ." },
    { "%{L}%{S}", "192.0.2.3", "a+b/~c_d%.-@email.example.com",
      "a%2Bb%2F~c_d%25.-a%2Bb%2F~c_d%25.-%40email.example.com" },
    { "%{l+/_=,}", "192.0.2.3", "a+b/c_d=e@email.example.com", "a.b.c.d.e" },
    { "%{l1+/_=}", "192.0.2.3", "a+b/c_d=e@email.example.com", "e" },
    { "%{l2R+}", "192.0.2.3", "a+b+c@email.example.com", "b.a" },
    { "%{l+}", "192.0.2.3", "+a++b+@email.example.com", ".a..b." },
    /* A local part is what RFC 5321 calls so, with its quotes: nothing here takes them away (7.2). */
    { "%{l} %{s}", "192.0.2.3", "\"a..b\"@email.example.com", "\"a..b\" \"a..b\"@email.example.com" },
    { "%{S}", "192.0.2.3", "\"a b\"@email.example.com", "%22a%20b%22%40email.example.com" },
    { "%{d-}", "192.0.2.3", FROM, "email.example.com" },
    { "%{d99999999999999999999999r}", "192.0.2.3", FROM, "com.example.email" },
    { "%{d0128}", "192.0.2.3", FROM, "email.example.com" },
    /* What is wrong gives no explanation. */
    { "%{x}", "192.0.2.3", FROM, "" },
    { "%{}", "192.0.2.3", FROM, "" },
    { "%{", "192.0.2.3", FROM, "" },
    { "%{d", "192.0.2.3", FROM, "" },
    { "%", "192.0.2.3", FROM, "" },
    { "100%", "192.0.2.3", FROM, "" },
    { "%d", "192.0.2.3", FROM, "" },
    { "%(d)", "192.0.2.3", FROM, "" },
    { "%{d0}", "192.0.2.3", FROM, "" },
    { "%{d2rr}", "192.0.2.3", FROM, "" },
    { "%{dr2}", "192.0.2.3", FROM, "" },
    { "%{d:}", "192.0.2.3", FROM, "" },
    { "%{d }", "192.0.2.3", FROM, "" },
    { "%{dd}", "192.0.2.3", FROM, "" },
    { "two\\0d\\0alines", "192.0.2.3", FROM, "" },
    { "a\\00NUL", "192.0.2.3", FROM, "" },
    { "a\ttab between strings", "192.0.2.3", FROM, "atab between strings" },
    { "a\\09tab", "192.0.2.3", FROM, "" },
    { "\\1b[2J", "192.0.2.3", FROM, "" },
    { "8 bits: \\c3\\a4", "192.0.2.3", FROM, "" },
    { "%{l}", "192.0.2.3", "\xc3\xa4@email.example.com", "" },
    { "%{d}", "192.0.2.3", "\xc3\xa4@email.example.com", "email.example.com" },
};

static void check_expansions(void)
{
    for (size_t i = 0; i < sizeof expansions / sizeof *expansions; i++) {
        zone_of(world);
        policy_is("text.example.com", expansions[i].text);
        struct spf_verdict v = asked(expansions[i].client, "mail.example.net", expansions[i].sender);
        ok(came_to(&v, TRUST_FAIL, expansions[i].expected), "%s of %s is \"%s\"", expansions[i].text,
           expansions[i].sender, expansions[i].expected);
    }
}

/* Terms of example.org's record that hold macros, and their zone's line. */
static const struct {
    const char *name, *record, *line, *helo, *sender;
    enum trust_result expected;
} terms[] = {
    { "%{c} is for explanations", "v=spf1 exists:%{c}.x.test", "x.test A 192.0.2.1", "h.test",
      "u@example.org", TRUST_PERMERROR },
    { "%{r} too", "v=spf1 -all exp=%{r}.x.test", "x.test A 192.0.2.1", "h.test", "u@example.org",
      TRUST_PERMERROR },
    { "%{t} too", "v=spf1 redirect=%{t}.x.test", "x.test A 192.0.2.1", "h.test", "u@example.org",
      TRUST_PERMERROR },
    { "in an unknown modifier too", "v=spf1 -all x=%{c}%{r}%{t}", "x.test A 192.0.2.1", "h.test",
      "u@example.org", TRUST_PERMERROR },
    { "which may have others", "v=spf1 -all x=%{d}%{S}%%", "x.test A 192.0.2.1", "h.test", "u@example.org",
      TRUST_FAIL },
    { "but no broken ones", "v=spf1 -all x=%{y}", "x.test A 192.0.2.1", "h.test", "u@example.org",
      TRUST_PERMERROR },
    { "an unclosed one", "v=spf1 -all x=%{d", "x.test A 192.0.2.1", "h.test", "u@example.org",
      TRUST_PERMERROR },
    { "case makes no difference to DNS", "v=spf1 a:%{D}.X.test -all", "EXAMPLE.org.x.TEST A 192.0.2.1",
      "h.test", "u@Example.ORG", TRUST_PASS },
    { "%{s} has an '@'", "v=spf1 a:%{s}.x.test -all", "u@example.org.x.test A 192.0.2.1", "h.test",
      "u@example.org", TRUST_PASS },
    { "%{S} escapes it", "v=spf1 a:%{S}.x.test -all", "u%40example.org.x.test A 192.0.2.1", "h.test",
      "u@example.org", TRUST_PASS },
    { "%{h} of an address literal", "v=spf1 a:%{h} ~all", "h.test A 192.0.2.1", "[192.0.2.1]",
      "u@example.org", TRUST_SOFTFAIL },
    { "%{h} with a final dot", "v=spf1 a:%{h} ~all", "h.test A 192.0.2.1", "h.test.", "u@example.org",
      TRUST_PASS },
    { "%{h} of one label", "v=spf1 a:%{h} ~all", "h A 192.0.2.1", "h", "u@example.org", TRUST_PASS },
    { "%{h} of rubbish", "v=spf1 a:%{h} ~all", "h A 192.0.2.1", "a\x01\xff..b", "u@example.org",
      TRUST_SOFTFAIL },
    { "%{l} of a quoted local part", "v=spf1 a:%{l}.x.test ~all", "x.test A 192.0.2.1", "h.test",
      "\"a b\"@example.org", TRUST_SOFTFAIL },
    { "%{l} outside ASCII: no match (RFC 8616)", "v=spf1 a:%{l1r-}.x.test ~all", "x.test A 192.0.2.1",
      "h.test", "\xc3\xa4@example.org", TRUST_SOFTFAIL },
    { "... nor does include, and it is no error", "v=spf1 include:%{s}.x.test ~all", "x.test A 192.0.2.1",
      "h.test", "\xc3\xa4@example.org", TRUST_SOFTFAIL },
    { "... nor redirect", "v=spf1 redirect=%{s}.x.test", "x.test A 192.0.2.1", "h.test",
      "\xc3\xa4@example.org", TRUST_NEUTRAL },
    { "... and exp= explains nothing", "v=spf1 exp=%{l}.x.test -all", "x.test A 192.0.2.1", "h.test",
      "\xc3\xa4@example.org", TRUST_FAIL },
    { "a domain outside ASCII by its A-labels", "v=spf1 a:%{o}.x.test ~all", "example.org.x.test A 192.0.2.1",
      "h.test", "\xc3\xa4@example.org", TRUST_PASS },
};

static void check_terms(void)
{
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) {
        zone_of(world);
        zone_add(&zone, terms[i].line);
        policy_is("example.org", terms[i].record);
        struct spf_verdict v = asked("192.0.2.1", terms[i].helo, terms[i].sender);
        ok(came_to(&v, terms[i].expected, ""), "%s", terms[i].name);
    }
}

/* 6.2: whose explanation, and when there is none. The client is 192.0.2.1. */
static const char *const explaining[] = {
    "text.test TXT of %{d}, for %{o}",
    "two.test TXT one",
    "two.test TXT two",
    "down.test TIMEOUT",
    "plain.test TXT v=spf1 -all",
    "explains.test TXT v=spf1 -all exp=text.test",
    "includes.test TXT v=spf1 include:explains.test -all",
    "passes.test TXT v=spf1 +all exp=text.test",
    NULL,
};

static const struct {
    const char *name, *record;
    enum trust_result expected;
    const char *explanation;
} explanations[] = {
    { "a domain's own", "v=spf1 exp=text.test -all", TRUST_FAIL, "of example.org, for example.org" },
    { "only with fail", "v=spf1 exp=text.test ~all", TRUST_SOFTFAIL, "" },
    { "that of the redirected record", "v=spf1 redirect=explains.test", TRUST_FAIL,
      "of explains.test, for example.org" },
    { "never that of who redirects", "v=spf1 exp=text.test redirect=plain.test", TRUST_FAIL, "" },
    { "never that of an included one", "v=spf1 include:explains.test -all", TRUST_FAIL, "" },
    { "one's own where an included record matches", "v=spf1 exp=text.test -include:passes.test", TRUST_FAIL,
      "of example.org, for example.org" },
    { "behind two records", "v=spf1 exp=text.test redirect=includes.test", TRUST_FAIL, "" },
    { "two texts are none", "v=spf1 exp=two.test -all", TRUST_FAIL, "" },
    { "none there", "v=spf1 exp=nowhere.test -all", TRUST_FAIL, "" },
    { "DNS fails", "v=spf1 exp=down.test -all", TRUST_FAIL, "" },
    { "no name comes out", "v=spf1 exp=a..test -all", TRUST_FAIL, "" },
    { "it counts against no limit", "v=spf1 a:0.test a:1.test exp=nowhere.test -all", TRUST_FAIL, "" },
};

static void check_explanations(void)
{
    for (size_t i = 0; i < sizeof explanations / sizeof *explanations; i++) {
        zone_of(explaining);
        policy_is("example.org", explanations[i].record);
        struct spf_verdict v = asked("192.0.2.1", "h.test", "u@example.org");
        ok(came_to(&v, explanations[i].expected, explanations[i].explanation), "explanation: %s",
           explanations[i].name);
    }
}

/* A name that comes out longer than 253 octets loses labels on the left (7.3). */
static void long_names(void)
{
    char line[1024], host[256], label[61];
    struct spf_verdict v;
    memset(label, 'x', 60);
    label[60] = '\0';
    snprintf(host, sizeof host, "%s.%s.%s.%s.test", label, label, label, label); /* 248 */
    for (int extra = 0; extra < 2; extra++) {
        zone_of(world);
        snprintf(line, sizeof line, "%s%s A 192.0.2.1", extra ? "" : "abcd.", host);
        zone_add(&zone, line);
        snprintf(line, sizeof line, "v=spf1 a:%s.%s -all", extra ? "q.abcdef" : "q.abcd", host);
        policy_is("example.org", line);
        v = asked("192.0.2.1", "h.test", "u@example.org");
        ok(came_to(&v, TRUST_PASS, ""),
           extra ? "a label that makes 255 goes, with all before it" : "253 octets stay");
    }
}

/* Whatever macros come to, there is an end of it. */
static void much_of_it(void)
{
    struct bytes record, helo;
    struct spf_verdict v;
    bytes_init(&record, 60000);
    bytes_init(&helo, 4000);
    while (helo.len < 3000)
        bytes_add_str(&helo, "a-");
    bytes_add_str(&record, "v=spf1 exists:");
    while (record.len < 50000)
        bytes_add_str(&record, "%{hr-}.%{h1-}");
    bytes_add_str(&record, ".test -all");
    zone_of(world);
    policy_is("example.org", bytes_str(&record));
    v = asked("192.0.2.1", bytes_str(&helo), "u@example.org");
    ok(came_to(&v, TRUST_FAIL, "") && zone.asked == 1, "a name of megabytes is none");

    bytes_clear(&record);
    while (record.len < 50000)
        bytes_add_str(&record, "text ");
    zone_of(world);
    policy_is("text.example.com", bytes_str(&record));
    v = asked("192.0.2.1", "h.test", FROM);
    ok(v.result == TRUST_FAIL && v.explanation[0] == '\0', "so is an explanation");
    record.len = 1000;
    record.data[1000] = '\0';
    zone_of(world);
    policy_is("text.example.com", bytes_str(&record));
    v = asked("192.0.2.1", "h.test", FROM);
    ok(strlen(v.explanation) == SPF_EXPLANATION_LIMIT - 1, "a long one is cut");
    bytes_free(&record);
    bytes_free(&helo);
}

int main(void)
{
    check_expansions();
    check_terms();
    check_explanations();
    long_names();
    much_of_it();
    zone_clear(&zone);
    return done_testing();
}
