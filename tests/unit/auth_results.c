/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Authentication-Results: what is written, with values that strangers choose; what is read, from the examples
 * of RFC 8601 and RFC 8617 to what large servers write; and which fields claim to be ours.
 */
#include "tap.h"

#include "trust/auth_results_checks.h"

#include <stdio.h>

#define OURS "mx.example.org"

/* Every line within 998 bytes, folded ones beginning with a tab and saying something; no bare CR or LF,
 * nothing but printable ASCII. */
static bool well_formed(struct span s)
{
    struct span line;
    bool first = true;
    if (s.n < 2 || s.p[s.n - 2] != '\r' || s.p[s.n - 1] != '\n')
        return false;
    s.n--;
    while (span_cut(&s, '\n', &line)) {
        if (line.n < 2 || line.n > 999 || line.p[line.n - 1] != '\r' || (!first && line.p[0] != '\t') ||
            span_trim(line).n == 0)
            return false;
        for (size_t i = first ? 0 : 1; i + 1 < line.n; i++)
            if (line.p[i] < ' ' || line.p[i] > '~')
                return false;
        first = false;
    }
    return true;
}

static size_t longest_line(struct span s)
{
    size_t most = 0, column = 0;
    for (size_t i = 0; i < s.n; i++) {
        column = s.p[i] == '\n' ? 0 : s.p[i] == '\t' ? column + 8 : column + (s.p[i] != '\r');
        most = column > most ? column : most;
    }
    return most;
}

/* --- writing */

static void a_usual_one(void)
{
    struct bytes out;
    struct auth_results w;
    bytes_init(&out, 65536);
    auth_results_start(&w, &out, OURS, 0);
    auth_results_method(&w, "dmarc", "pass");
    auth_results_comment(&w, "p=reject of example.net");
    auth_results_property(&w, "header", "from", "example.net");
    auth_results_method(&w, "dkim", "fail");
    auth_results_reason(&w, "the body was changed");
    auth_results_property(&w, "header", "d", "example.net");
    auth_results_property(&w, "header", "s", "2026a");
    auth_results_property(&w, "header", "i", "@example.net");
    auth_results_property(&w, "header", "b", "a+b/c=d");
    auth_results_property(&w, "header", "a", NULL);
    auth_results_method(&w, "spf", "softfail");
    auth_results_comment(&w, "");
    auth_results_property(&w, "smtp", "mailfrom", "joe@mail.example.net");
    bool good = auth_results_end(&w);
    ok(good && strcmp(bytes_str(&out), "Authentication-Results: mx.example.org;\r\n"
                                       "\tdmarc=pass (p=reject of example.net) header.from=example.net;\r\n"
                                       "\tdkim=fail reason=\"the body was changed\" header.d=example.net\r\n"
                                       "\theader.s=2026a header.i=@example.net header.b=\"a+b/c=d\";\r\n"
                                       "\tspf=softfail smtp.mailfrom=joe@mail.example.net\r\n") == 0,
       "three results: %zu bytes", out.len);
    bytes_clear(&out);
    auth_results_start(&w, &out, OURS, 0);
    auth_results_end(&w);
    ok(strcmp(bytes_str(&out), "Authentication-Results: mx.example.org; none\r\n") == 0, "none");
    bytes_clear(&out);
    auth_results_start(&w, &out, OURS, 3);
    auth_results_method(&w, "arc", "pass");
    auth_results_end(&w);
    ok(strcmp(bytes_str(&out), "ARC-Authentication-Results: i=3; mx.example.org;\r\n\tarc=pass\r\n") == 0,
       "with an instance");
    bytes_free(&out);
    bytes_init(&out, 60);
    auth_results_start(&w, &out, OURS, 0);
    auth_results_method(&w, "dmarc", "pass");
    auth_results_property(&w, "header", "from", "example.net");
    ok(!auth_results_end(&w), "a buffer that is too small is told");
    bytes_free(&out);
}

static const struct {
    const char *value, *written;
} values[] = {
    { "example.net", "example.net" },
    { "joe@example.net", "joe@example.net" },
    { "@example.net", "@example.net" },
    { "joe.doe+x=y/z@example.net", "joe.doe+x=y/z@example.net" },
    { "192.0.2.1", "192.0.2.1" },
    { "2001:db8::1", "\"2001:db8::1\"" },
    { "a b", "\"a b\"" },
    { "\"a b\"@example.net", "\"\\\"a b\\\"@example.net\"" },
    { "a..b@example.net", "\"a..b@example.net\"" },
    { "joe@", "\"joe@\"" },
    { "joe@exam_ple.net", "\"joe@exam_ple.net\"" },
    { "x; dmarc=pass", "\"x; dmarc=pass\"" },
    { "x\r\nSubject: y", "\"x??Subject: y\"" },
    { "x(y", "\"x(y\"" },
    { "a\\b", "\"a\\\\b\"" },
    { "b\xc3\xbc", "\"b??\"" },
    { "\x7f", "\"?\"" },
};

static void hostile_values(void)
{
    struct bytes out;
    struct auth_results w;
    bytes_init(&out, 65536);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char expected[256];
        bytes_clear(&out);
        auth_results_start(&w, &out, "x", 0);
        auth_results_method(&w, "spf", "fail");
        auth_results_property(&w, "smtp", "mailfrom", values[i].value);
        auth_results_end(&w);
        snprintf(expected, sizeof expected, "Authentication-Results: x;\r\n\tspf=fail smtp.mailfrom=%s\r\n",
                 values[i].written);
        ok(strcmp(bytes_str(&out), expected) == 0 && well_formed(span_bytes(&out)), "value %s",
           values[i].written);
    }
    bytes_clear(&out);
    auth_results_start(&w, &out, "a@b", 0);
    auth_results_method(&w, "spf", "fail");
    auth_results_reason(&w, "joe@example.net");
    auth_results_end(&w);
    ok(strcmp(bytes_str(&out),
              "Authentication-Results: \"a@b\";\r\n\tspf=fail reason=\"joe@example.net\"\r\n") == 0,
       "an address is no value of anything but a property");
    bytes_clear(&out);
    auth_results_start(&w, &out, "x", 0);
    auth_results_method(&w, "spf", "fail");
    auth_results_comment(&w, "  -all)  of (x\r\nBcc: \\ y\x80   ");
    auth_results_end(&w);
    ok(strcmp(bytes_str(&out), "Authentication-Results: x;\r\n\tspf=fail (-all? of ?x??Bcc: ? y?)\r\n") == 0,
       "a comment that would end itself");
    bytes_free(&out);
}

static void long_values(void)
{
    struct bytes out, value;
    struct auth_results w;
    bytes_init(&out, 65536);
    bytes_init(&value, 65536);
    while (value.len < 5000)
        bytes_add_char(&value, '"');
    auth_results_start(&w, &out, bytes_str(&value), 0);
    auth_results_method(&w, "spf", "fail");
    auth_results_reason(&w, bytes_str(&value));
    auth_results_comment(&w, bytes_str(&value));
    auth_results_property(&w, "smtp", "mailfrom", bytes_str(&value));
    auth_results_end(&w);
    ok(well_formed(span_bytes(&out)) && longest_line(span_bytes(&out)) < 998, "5,000 quotes: lines of %zu",
       longest_line(span_bytes(&out)));
    bytes_clear(&out);
    auth_results_start(&w, &out, OURS, 0);
    for (int i = 0; i < 50; i++) {
        auth_results_method(&w, "dkim", "pass");
        auth_results_comment(
            &w, "a comment of many words that goes on and on until the line has to be folded, and then some");
        auth_results_property(&w, "header", "d", "a.fairly.long.name.of.a.domain.example.org");
        auth_results_property(&w, "header", "i", "@a.fairly.long.name.of.a.domain.example.org");
    }
    auth_results_end(&w);
    ok(well_formed(span_bytes(&out)) && longest_line(span_bytes(&out)) <= 78, "usual ones: lines of %zu",
       longest_line(span_bytes(&out)));
    bytes_free(&value);
    bytes_free(&out);
}

/* --- reading */

static const struct {
    const char *value, *means; /* id/version, then each result; "!" where reading ended */
} fields[] = {
    { " example.org 1; none", "example.org/1" },
    { " example.org; none", "example.org/1" },
    { " example.org", "example.org/1" },
    { " example.org;", "example.org/1" },
    { " example.com;\r\n          spf=pass smtp.mailfrom=example.net",
      "example.com/1 spf=pass smtp.mailfrom=example.net" },
    { " example.com;\r\n auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n spf=pass "
      "smtp.mailfrom=example.net",
      "example.com/1 auth=pass smtp.auth=sender@example.net spf=pass smtp.mailfrom=example.net" },
    { " example.com;\r\n dkim=pass reason=\"good signature\"\r\n header.i=@mail-router.example.net;\r\n "
      "dkim=fail "
      "reason=\"bad signature\" header.i=@newyork.example.com",
      "example.com/1 dkim=pass (good signature) header.i=@mail-router.example.net dkim=fail (bad signature) "
      "header.i=@newyork.example.com" },
    { " foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n"
      " policy (A dot can go here) . (like that) expired\r\n (this surprised me) = (as I wasn't expecting "
      "it) 1362471462",
      "foo.example.net/1 dkim=fail policy.expired=1362471462" },
    { " mx.google.com;\r\n dkim=pass header.i=@gmail.com header.s=20230601 header.b=\"e/A+b=c\";\r\n "
      "spf=pass (google.com: "
      "domain of x@gmail.com designates 192.0.2.1 as permitted sender) smtp.mailfrom=x@gmail.com;\r\n "
      "dmarc=pass (p=NONE "
      "sp=QUARANTINE dis=NONE) header.from=gmail.com;\r\n dara=pass header.i=@gmail.com",
      "mx.google.com/1 dkim=pass header.i=@gmail.com header.s=20230601 header.b=e/A+b=c spf=pass "
      "smtp.mailfrom=x@gmail.com dmarc=pass header.from=gmail.com dara=pass header.i=@gmail.com" },
    { " mx.test; dkim=pass header.b=e/A+b=c== header.d=a.test",
      "mx.test/1 dkim=pass header.b=e/A+b=c== header.d=a.test" },
    { " mx.microsoft.com 1; spf=pass smtp.mailfrom=a.test; dmarc=pass action=none header.from=a.test; "
      "arc=none",
      "mx.microsoft.com/1 spf=pass smtp.mailfrom=a.test dmarc=pass header.from=a.test arc=none" },
    { "\"a b\"; SPF=Pass SMTP.MailFrom=\"a b\"@A.test", "a b/1 spf=pass smtp.mailfrom=a b@A.test" },
    { "x.test; spf=pass;; dmarc=fail;", "x.test/1 spf=pass dmarc=fail" },
    { "x.test; spf/2=pass", "x.test/1 spf:2=pass" },
    { "x.test; spf=pass smtp.mailfrom=\"a;b (c\"; dmarc=fail",
      "x.test/1 spf=pass smtp.mailfrom=a;b (c dmarc=fail" },
    { "x.test; spf=pass (unclosed ; dmarc=fail", "x.test/1 spf=pass" },
    { "x.test; spf=pass smtp.mailfrom=; dmarc=fail", "x.test/1 !" },
    { "x.test; spf=pass smtp.mailfrom=\"a; dmarc=fail", "x.test/1 !" },
    { "x.test; spf pass; dmarc=fail", "x.test/1 !" },
    { "x.test; spf=pass; =; dmarc=fail", "x.test/1 spf=pass !" },
    { "x.test; spf=pass smtp.=x; dmarc=fail", "x.test/1 !" },
    { "x.test 2; spf=pass", "x.test/2 spf=pass" },
    { "x.test two; spf=pass", "?" },
    { "x.test 1 2; spf=pass", "?" },
    { "", "?" },
    { " (just a comment)", "?" },
    { "; spf=pass", "?" },
    { "\"x.test; spf=pass", "?" },
    { "spf=pass smtp.mailfrom=x.test", "?" },
    { "@x.test; spf=pass", "?" },
};

static void reading(void)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        struct auth_results_reader reader;
        struct auth_result r;
        char id[256];
        unsigned version;
        struct bytes means;
        bytes_init(&means, 65536);
        if (!auth_results_open(span_of(fields[i].value), id, sizeof id, &version, NULL, &reader)) {
            bytes_add_char(&means, '?');
        } else {
            bytes_printf(&means, "%s/%u", id, version);
            while (auth_results_next(&reader, &r)) {
                bytes_printf(&means, " %s", r.method);
                if (r.version != 1)
                    bytes_printf(&means, ":%u", r.version);
                bytes_printf(&means, "=%s", r.result);
                if (r.reason[0])
                    bytes_printf(&means, " (%s)", r.reason);
                for (size_t p = 0; p < r.count; p++)
                    bytes_printf(&means, " %s.%s=%s", r.properties[p].type, r.properties[p].name,
                                 r.properties[p].value);
            }
            if (reader.bad)
                bytes_add_str(&means, " !");
        }
        ok(strcmp(bytes_str(&means), fields[i].means) == 0, "read: %s", bytes_str(&means));
        bytes_free(&means);
    }
}

static void instances(void)
{
    static const struct {
        const char *value;
        unsigned instance;
    } rows[] = {
        { " i=1; lists.example.org;\tspf=pass", 1 },
        { "i = (x) 50 ; a.test", 50 },
        { "I=2;a.test;spf=none", 2 },
        { " lists.example.org; i=1; spf=pass", 0 },
        { "i=; a.test", 0 },
        { "i=-1; a.test", 0 },
        { "i=1 a.test", 0 },
        { "i=99999999999; a.test", 0 },
        { "", 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct auth_results_reader reader;
        char id[64];
        unsigned version, instance = 0;
        bool good = auth_results_open(span_of(rows[i].value), id, sizeof id, &version, &instance, &reader);
        ok(good == (rows[i].instance > 0) && (!good || instance == rows[i].instance), "instance of '%s': %u",
           rows[i].value + (rows[i].value[0] == ' '), instance);
    }
    struct auth_results_reader reader;
    struct auth_result r = { .count = 0 };
    char id[16];
    unsigned version;
    ok(auth_results_open(SPAN("a.test; dmarc=pass header.from=b.test"), id, sizeof id, &version, NULL,
                         &reader) &&
           auth_results_next(&reader, &r) &&
           strcmp(auth_result_property(&r, "header", "from"), "b.test") == 0 &&
           !auth_result_property(&r, "header", "d"),
       "a property is found by its name");
    ok(!auth_results_open(SPAN("mail.example.org; spf=pass"), id, sizeof id, &version, NULL, &reader),
       "an authserv-id that doesn't fit isn't cut");
    char blanks[300];
    snprintf(blanks, sizeof blanks, "\"%240s\"; none", OURS);
    ok(auth_results_claims(span_of(blanks), OURS), "nor one with many blanks in quotes");
    snprintf(blanks, sizeof blanks, "\"%262s\"; none", OURS);
    ok(auth_results_claims(span_of(blanks), OURS), "... and more of them");
}

/* --- ours */

static const struct {
    const char *value, *ours;
    bool claims;
} claims[] = {
    { " mx.example.org; spf=pass", OURS, true },
    { " MX.Example.ORG; spf=pass", OURS, true },
    { "mx.example.org", OURS, true },
    { "mx.example.org 1; none", OURS, true },
    { "mx.example.org 99; none", OURS, true },
    { "(hello) \"mx.example.org\" (there) 1; none", OURS, true },
    { "\r\n\tmx.example.org;\tspf=pass", OURS, true },
    { "mx.example.org.; none", OURS, true },
    { "\" mx.example.org \"; none", OURS, true },
    { "\"mx\\.example.org\"; none", OURS, true },
    { "mx.example.org; complete (nonsense", OURS, true },
    { "b\xc3\xbc"
      "cher.example; none",
      "xn--bcher-kva.example", true },
    { "xn--bcher-kva.example; none",
      "b\xc3\xbc"
      "cher.example",
      true },
    /* whose they are can't be told */
    { "", OURS, true },
    { "spf=pass smtp.mailfrom=x.test", OURS, true },
    { "other.test mx.example.org; none", OURS, true },
    { "(unclosed other.test; none", OURS, true },
    { "\"unclosed; none", OURS, true },
    { "=?utf-8?q?mx.example.org?=; none", OURS, true },
    { "mx.example.org/1; none", OURS, true },
    /* others' */
    { "example.org; spf=pass", OURS, false },
    { "mx2.example.org; spf=pass", OURS, false },
    { "mx.example.org.evil.test; spf=pass", OURS, false },
    { "other.test (mx.example.org); spf=pass", OURS, false },
    { "other.test; spf=pass smtp.helo=mx.example.org", OURS, false },
};

static void ours(void)
{
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        const char *shown = claims[i].value + (claims[i].value[0] == '\r' ? 3 : 0);
        ok(auth_results_claims(span_of(claims[i].value), claims[i].ours) == claims[i].claims, "%s %.24s",
           claims[i].claims ? "goes:" : "stays:", shown);
    }
}

/* What is written reads as what was meant. */
static void there_and_back(void)
{
    static const char *const texts[] = {
        "example.net", "a b", "x; dmarc=pass header.from=bank.test", "\"a\\b\"@x.test", "a@b@c", "(", "=",
        "'",           "a\""
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct bytes out;
        struct auth_results w;
        struct auth_results_reader reader;
        struct auth_result r;
        char id[64];
        unsigned version;
        bytes_init(&out, 65536);
        auth_results_start(&w, &out, OURS, 0);
        auth_results_method(&w, "spf", "fail");
        auth_results_reason(&w, texts[i]);
        auth_results_comment(&w, texts[i]);
        auth_results_property(&w, "smtp", "mailfrom", texts[i]);
        auth_results_end(&w);
        bool good =
            auth_results_open(span_from(span_bytes(&out), 23), id, sizeof id, &version, NULL, &reader) &&
            auth_results_next(&reader, &r) && strcmp(id, OURS) == 0 && strcmp(r.method, "spf") == 0 &&
            strcmp(r.result, "fail") == 0 && strcmp(r.reason, texts[i]) == 0 && r.count == 1 &&
            strcmp(r.properties[0].value, texts[i]) == 0 && !auth_results_next(&reader, &r) && !reader.bad;
        ok(good, "there and back: %s", texts[i]);
        bytes_free(&out);
    }
}

/* --- what the checks come to */

static void checks(void)
{
    struct spf_verdict spf = { .result = TRUST_PASS, .domain = "xn--bcher-kva.test", .why = "mx (of it)" };
    struct dkim_result dkim[] = {
        { .result = TRUST_PASS,
          .domain = "a.test",
          .selector = "s",
          .identity = "joe doe@a.test",
          .algorithm = "rsa-sha256",
          .hash_head = "ab/cd+ef",
          .bits = 1024,
          .testing = true },
        { .result = TRUST_PERMERROR, .why = "its key isn't published", .algorithm = "x;y" },
    };
    struct dmarc_verdict dmarc = {
        .result = TRUST_FAIL, .domain = "a.test", .policy = DMARC_POLICY_QUARANTINE, .why = "w"
    };
    struct bytes out;
    struct auth_results w;
    bytes_init(&out, 65536);
    auth_results_start(&w, &out, "x", 0);
    auth_results_spf(&w, &spf,
                     "b\xc3\xbc"
                     "cher@b\xc3\xbc"
                     "cher.test");
    spf.by_helo = true;
    auth_results_spf(&w, &spf, "[192.0.2.1]");
    auth_results_dkim(&w, dkim, 2);
    auth_results_dkim(&w, NULL, 0);
    auth_results_dmarc(&w, &dmarc);
    dmarc = (struct dmarc_verdict){ .result = TRUST_NONE, .why = "no From field" };
    auth_results_dmarc(&w, &dmarc);
    auth_results_iprev(&w, TRUST_FAIL, "2001:db8::1", "mx.a.test");
    auth_results_end(&w);
    ok(strcmp(bytes_str(&out), "Authentication-Results: x;\r\n"
                               "\tspf=pass (mx ?of it?) smtp.mailfrom=xn--bcher-kva.test;\r\n"
                               "\tspf=pass (mx ?of it?) smtp.helo=\"[192.0.2.1]\";\r\n"
                               "\tdkim=pass (1024-bit key, test mode) header.d=a.test\r\n"
                               "\theader.i=\"joe doe@a.test\" header.s=s header.a=rsa-sha256\r\n"
                               "\theader.b=\"ab/cd+ef\";\r\n"
                               "\tdkim=permerror reason=\"its key isn't published\" header.a=\"x;y\";\r\n"
                               "\tdkim=none;\r\n"
                               "\tdmarc=fail (w) header.from=a.test policy.dmarc=quarantine;\r\n"
                               "\tdmarc=none (no From field);\r\n"
                               "\tiprev=fail (mx.a.test) policy.iprev=\"2001:db8::1\"\r\n") == 0,
       "the checks' results, with their properties");
    if (tap_failed)
        printf("# %s\n", bytes_str(&out));
    bytes_free(&out);
}

int main(void)
{
    checks();
    a_usual_one();
    hostile_values();
    long_values();
    reading();
    instances();
    ours();
    there_and_back();
    return done_testing();
}
