/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whose word on a message is taken, and for what: chains by sealers who are trusted and who aren't, and what
 * their ARC-Authentication-Results say.
 */
#include "tap.h"

#include "arc.h"
#include "trust/dmarc.h"

#define MAIL "From: Joe <joe@author.test>\r\nSubject: dinner\r\n\r\nAre you hungry?\r\n"

static struct dns_zone zone;
static struct trust_lookup lookup;

static const struct {
    const char *name, *trusted;
    const char *sealers[3]; /* the oldest first */
    const char *say[3];
    unsigned instance; /* 0: nobody's word is taken */
    const char *method;
} rows[] = {
    { "the sealer is trusted", "a.test", { "a.test" }, { "dmarc=pass header.from=author.test" }, 1, "dmarc" },
    { "nobody is", "", { "a.test" }, { "dmarc=pass header.from=author.test" }, 0, "" },
    { "another is", "b.test", { "a.test" }, { "dmarc=pass header.from=author.test" }, 0, "" },
    { "one of several, with blanks",
      "  b.test   A.Test c.test",
      { "a.test" },
      { "dmarc=pass header.from=author.test" },
      1,
      "dmarc" },
    { "the domain above", "test", { "a.test" }, { "dmarc=pass header.from=author.test" }, 0, "" },
    { "a domain below", "x.a.test", { "a.test" }, { "dmarc=pass header.from=author.test" }, 0, "" },
    { "it failed there", "a.test", { "a.test" }, { "dmarc=fail header.from=author.test" }, 0, "" },
    { "it passed for another author",
      "a.test",
      { "a.test" },
      { "dmarc=pass header.from=other.test" },
      0,
      "" },
    { "it passed for nobody named", "a.test", { "a.test" }, { "dmarc=pass" }, 0, "" },
    { "in capitals, with a comment",
      "a.test",
      { "a.test" },
      { "DMARC=pass (p=REJECT dis=NONE) header.from=Author.TEST" },
      1,
      "dmarc" },
    { "a comment says it", "a.test", { "a.test" }, { "x=fail (dmarc=pass header.from=author.test)" }, 0, "" },
    { "a reason says it",
      "a.test",
      { "a.test" },
      { "dkim=fail reason=\"; dmarc=pass header.from=author.test\"" },
      0,
      "" },
    { "no results", "a.test", { "a.test" }, { "none" }, 0, "" },
    /* aligned by the policy that is published */
    { "DKIM of the author", "a.test", { "a.test" }, { "dkim=pass header.d=author.test" }, 1, "dkim" },
    { "by its identity", "a.test", { "a.test" }, { "dkim=pass header.i=@mail.author.test" }, 1, "dkim" },
    { "DKIM of another",
      "a.test",
      { "a.test" },
      { "dkim=pass header.d=other.test; dkim=fail header.d=author.test" },
      0,
      "" },
    { "the second DKIM",
      "a.test",
      { "a.test" },
      { "dkim=pass header.d=other.test; dkim=pass header.d=author.test" },
      1,
      "dkim" },
    { "SPF of the author", "a.test", { "a.test" }, { "spf=pass smtp.mailfrom=joe@author.test" }, 1, "spf" },
    { "SPF of a host name", "a.test", { "a.test" }, { "spf=pass smtp.helo=author.test" }, 0, "" },
    { "SPF of another", "a.test", { "a.test" }, { "spf=pass smtp.mailfrom=joe@other.test" }, 0, "" },
    { "SPF that failed", "a.test", { "a.test" }, { "spf=softfail smtp.mailfrom=joe@author.test" }, 0, "" },
    /* as large providers and common filters write it, which isn't always the grammar */
    { "as Google writes it",
      "a.test",
      { "a.test" },
      { "dkim=pass header.i=@author.test header.s=s header.b=AbCd1234;\r\n       spf=pass (google.com: "
        "domain of "
        "joe@author.test designates 192.0.2.1 as permitted sender) smtp.mailfrom=joe@author.test;\r\n       "
        "dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=author.test" },
      1,
      "dmarc" },
    { "as Microsoft writes it",
      "a.test",
      { "a.test" },
      { "spf=pass (sender ip is 192.0.2.1) smtp.rcpttodomain=a.test smtp.mailfrom=other.test; dmarc=pass "
        "(p=reject "
        "sp=reject pct=100) action=none header.from=author.test; dkim=pass (signature was verified) "
        "header.d=other.test; "
        "arc=none (0)" },
      1,
      "dmarc" },
    { "with action= alone",
      "a.test",
      { "a.test" },
      { "dmarc=pass action=none header.from=author.test; dkim=none" },
      1,
      "dmarc" },
    { "as Fastmail writes it",
      "a.test",
      { "a.test" },
      { "bimi=none (No BIMI records found);\r\n\tarc=none (no signatures found);\r\n\tdkim=pass (2048-bit "
        "rsa key sha256) "
        "header.d=other.test header.i=@other.test header.b=AbCd1234 header.a=rsa-sha256 header.s=s "
        "x-bits=2048;\r\n\tdmarc=pass "
        "policy.published-domain-policy=reject policy.applied-disposition=none "
        "policy.evaluated-disposition=none "
        "(p=reject,d=none,d.eval=none) policy.policy-from=p header.from=author.test;\r\n\tiprev=pass "
        "smtp.remote-ip=192.0.2.1 "
        "(mail.author.test);\r\n\tspf=pass smtp.mailfrom=joe@other.test smtp.helo=mail.other.test" },
      1,
      "dmarc" },
    { "as rspamd writes it",
      "a.test",
      { "a.test" },
      { "dkim=pass header.d=other.test header.s=s header.b=\"Ab/d12=4\";\r\n\tspf=pass (a.test: domain of "
        "joe@other.test "
        "designates 192.0.2.1 as permitted sender) smtp.mailfrom=joe@other.test;\r\n\tdmarc=pass "
        "(policy=reject) "
        "header.from=author.test" },
      1,
      "dmarc" },
    /* who comes behind whom */
    { "the newest of two",
      "b.test",
      { "a.test", "b.test" },
      { "none", "dmarc=pass header.from=author.test" },
      2,
      "dmarc" },
    { "the older of two, both trusted",
      "a.test b.test",
      { "a.test", "b.test" },
      { "dmarc=pass header.from=author.test", "arc=pass; dmarc=fail header.from=author.test" },
      1,
      "dmarc" },
    { "the older, behind one who isn't",
      "a.test",
      { "a.test", "b.test" },
      { "dmarc=pass header.from=author.test", "arc=pass; dmarc=fail header.from=author.test" },
      0,
      "" },
    { "the oldest, behind one who isn't",
      "a.test c.test",
      { "a.test", "b.test", "c.test" },
      { "dmarc=pass header.from=author.test", "none", "none" },
      0,
      "" },
};

static struct arc_witness judge(struct span message, const char *trusted, bool *taken)
{
    struct arc_result result;
    struct arc_witness witness;
    struct dmarc_author author;
    struct arc_verifier *v = verify(&lookup, message, &result);
    dmarc_author(span_head(message, header_end(message)), &author);
    *taken = arc_trusted(v, &result, trusted, &author, &lookup, &witness);
    arc_verify_free(v);
    return witness;
}

static void run_rows(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes message;
        bool good = true, taken;
        bytes_init(&message, ARC_TEST_LIMIT);
        bytes_add_str(&message, MAIL);
        for (size_t k = 0; k < 3 && rows[i].sealers[k]; k++)
            good = seal_as(&lookup, &message, rows[i].sealers[k], rows[i].say[k]) == ST_OK && good;
        struct arc_witness w = judge(span_bytes(&message), rows[i].trusted, &taken);
        good = good && taken == (rows[i].instance > 0) && w.instance == rows[i].instance;
        if (good && taken)
            good = strcmp(w.method, rows[i].method) == 0 &&
                   strcmp(w.domain, rows[i].sealers[w.instance - 1]) == 0;
        ok(good, "%s: %s", rows[i].name, rows[i].instance ? "taken" : "not taken");
        bytes_free(&message);
    }
}

static void broken(void)
{
    struct bytes message;
    bool taken;
    bytes_init(&message, ARC_TEST_LIMIT);
    bytes_add_str(&message, MAIL);
    seal_as(&lookup, &message, "a.test", "dmarc=pass header.from=author.test");
    bytes_add_str(&message, "One line more\r\n");
    judge(span_bytes(&message), "a.test", &taken);
    ok(!taken, "a chain that fails is nobody's word");
    bytes_clear(&message);
    bytes_add_str(&message, "From: joe@other.test\r\n" MAIL);
    seal_as(&lookup, &message, "a.test", "dmarc=pass header.from=author.test");
    judge(span_bytes(&message), "a.test", &taken);
    ok(!taken, "two From fields are nobody's");
    bytes_clear(&message);
    bytes_add_str(&message, MAIL);
    judge(span_bytes(&message), "a.test", &taken);
    ok(!taken, "no chain, no word");
    bytes_free(&message);
}

int main(void)
{
    static const char *const sealers[] = { "a.test", "b.test", "c.test" };
    struct bytes record, line;
    bytes_init(&record, 4096);
    bytes_init(&line, 4096);
    lookup = zone_lookup(&zone);
    if (!ok(make_key(&record), "a key"))
        return done_testing();
    for (size_t i = 0; i < 3; i++) {
        bytes_clear(&line);
        bytes_printf(&line, "s._domainkey.%s TXT %s", sealers[i], bytes_str(&record));
        zone_add(&zone, bytes_str(&line));
    }
    zone_add(&zone, "_dmarc.author.test TXT v=DMARC1; p=reject");
    run_rows();
    broken();
    zone_clear(&zone);
    signature_key_free(&key);
    bytes_free(&line);
    bytes_free(&record);
    return done_testing();
}
