/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DMARC, a row for each rule of RFC 9989: records, tree walks (with the RFC's examples),
 * alignment, which policy is for whom, what becomes of the message.
 */
#include "tap.h"
#include "answers.h"

#include "trust/dmarc_walk.h"

static struct answers t;

/* --- records (4.7, 4.8) */

static const struct {
    const char *text, *means; /* status, then what isn't as usual */
} records[] = {
    { "v=DMARC1; p=reject", "ok p=reject sp=reject np=reject" },
    { "v=DMARC1;p=reject;", "ok p=reject sp=reject np=reject" },
    { " v = DMARC1 ;\tp = quarantine ; sp=none", "ok p=quarantine sp=none np=none" },
    { "v=DMARC1; p=reject; sp=quarantine; np=none", "ok p=reject sp=quarantine np=none" },
    { "v=DMARC1; p=none; np=reject", "ok p=none sp=none np=reject" },
    { "V=DMARC1; P=Reject", "ok p=reject sp=reject np=reject" },
    { "v=DMARC1; p=none; adkim=s; aspf=s", "ok p=none sp=none np=none adkim=s aspf=s" },
    { "v=DMARC1; p=none; adkim=S; aspf=r", "ok p=none sp=none np=none adkim=s" },
    { "v=DMARC1; p=none; adkim=x; aspf=strict", "ok p=none sp=none np=none" },
    { "v=DMARC1; p=reject; t=y", "ok p=reject sp=reject np=reject t=y" },
    { "v=DMARC1; p=reject; t=yes", "ok p=reject sp=reject np=reject" },
    { "v=DMARC1; p=reject; psd=y", "ok p=reject sp=reject np=reject psd=y" },
    { "v=DMARC1; p=reject; psd=n", "ok p=reject sp=reject np=reject psd=n" },
    { "v=DMARC1; p=reject; psd=u", "ok p=reject sp=reject np=reject" },
    { "v=DMARC1; p=reject; psd=maybe", "ok p=reject sp=reject np=reject" },
    { "v=DMARC1; p=reject; pct=0; ri=3600; rf=afrf; x=y", "ok p=reject sp=reject np=reject" },
    { "v=DMARC1; p=reject; p=none", "ok p=reject sp=reject np=reject" },
    { "v=DMARC1; rua=mailto:a@b.test; p=reject", "ok p=reject sp=reject np=reject rua=mailto:a@b.test" },
    { "v=DMARC1; p=none; rua=mailto:a@b.test!10m , mailto:c@d.test?x=y,https://e.test/f",
      "ok p=none sp=none np=none rua=mailto:a@b.test,mailto:c@d.test?x=y,https://e.test/f" },
    { "v=DMARC1; p=none; rua=a@b.test, mailto:b.test, mailto:@x, :x, mailto:a b@c.test",
      "ok p=none sp=none np=none" },
    { "v=DMARC1; p=none; fo=1:d:s", "ok p=none sp=none np=none" },
    { "v=DMARC1; p=none; fo=1:d:s; ruf=mailto:a@b.test", "ok p=none sp=none np=none fo=1:d:s ruf" },
    { "v=DMARC1; p=none; fo=0:1; ruf=mailto:a@b.test", "ok p=none sp=none np=none ruf" },
    { "v=DMARC1; p=none; fo=d:d; ruf=mailto:a@b.test", "ok p=none sp=none np=none ruf" },
    { "v=DMARC1; p=none; fo=s:0; ruf=nobody", "ok p=none sp=none np=none" },
    { "v=DMARC1; p=none; sp", "perm" },
    { "v=DMARC1", "perm" },
    { "v=DMARC1;", "perm" },
    { "v=DMARC1; psd=y", "perm psd=y" },
    { "v=DMARC1; p=", "perm" },
    { "v=DMARC1; p=block", "perm" },
    { "v=DMARC1; p=reject; sp=block", "perm" },
    { "v=DMARC1; p=reject; np=block", "perm" },
    { "v=DMARC1; p=re\x01ject", "perm" },
    { "v=DMARC1; rua=mailto:a@b.test", "ok repaired p=none sp=none np=none rua=mailto:a@b.test" },
    { "v=DMARC1; p=block; rua=mailto:a@b.test", "ok repaired p=none sp=none np=none rua=mailto:a@b.test" },
    { "v=DMARC1; p=reject; sp=block; rua=mailto:a@b.test",
      "ok repaired p=none sp=none np=none rua=mailto:a@b.test" },
    { "v=DMARC1; p=reject; np=; adkim=s; rua=mailto:a@b.test",
      "ok repaired p=none sp=none np=none adkim=s rua=mailto:a@b.test" },
    { "v=DMARC1; p=block; rua=b.test", "perm" },
    { "v=DMARC1 p=reject", "none" },
    { "v=DMARC2; p=reject", "none" },
    { "v=dmarc1; p=reject", "none" },
    { "v=DMARC1x; p=reject", "none" },
    { "p=reject; v=DMARC1", "none" },
    { "v=spf1 -all", "none" },
    { "DMARC1", "none" },
    { "", "none" },
};

static void the_records(void)
{
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        struct dmarc_record r;
        char means[1024];
        enum status st = dmarc_record_parse(span_of(records[i].text), &r);
        int n = snprintf(means, sizeof means, "%s%s",
                         st == ST_OK     ? "ok"
                         : st == ST_PERM ? "perm"
                                         : "none",
                         st == ST_OK && r.repaired ? " repaired" : "");
        if (st == ST_OK)
            n += snprintf(means + n, sizeof means - (size_t)n, " p=%s sp=%s np=%s", dmarc_policy_name(r.p),
                          dmarc_policy_name(r.sp), dmarc_policy_name(r.np));
        snprintf(means + n, sizeof means - (size_t)n, "%s%s%s%s%s%s%s%s%s", r.strict_dkim ? " adkim=s" : "",
                 r.strict_spf ? " aspf=s" : "", r.testing ? " t=y" : "",
                 r.psd == 'y'   ? " psd=y"
                 : r.psd == 'n' ? " psd=n"
                                : "",
                 strcmp(r.fo, "0") ? " fo=" : "", strcmp(r.fo, "0") ? r.fo : "",
                 r.failure_reports ? " ruf" : "", r.rua[0] ? " rua=" : "", r.rua);
        ok(strcmp(means, records[i].means) == 0, "record '%s': %s", records[i].text, means);
    }
}

static void long_reports(void)
{
    struct dmarc_record r;
    struct bytes text;
    bytes_init(&text, 65536);
    bytes_add_str(&text, "v=DMARC1; p=none; rua=");
    for (int i = 0; i < 400; i++)
        bytes_printf(&text, "%smailto:reports-%03d@collector.example", i ? "," : "", i);
    enum status st = dmarc_record_parse(span_bytes(&text), &r);
    size_t n = strlen(r.rua);
    ok(st == ST_OK && n > DMARC_RUA_LIMIT - 50 && strcmp(r.rua + n - 8, ".example") == 0,
       "of too many addresses for reports, those that fit whole: %zu bytes", n);
    bytes_free(&text);
}

/* --- the tree walk (4.10) */

#define RECORD "v=DMARC1; p=reject"

static const struct answer_row tree[] = {
    { "_dmarc.example.com", RECORD },
    { "_dmarc.signing.example.com", RECORD },
    { "_dmarc.bank.example", RECORD "; psd=y" },
    { "_dmarc.giant.bank.example", RECORD },
    { "_dmarc.dept.example.com", RECORD "; psd=n" },
    { "_dmarc.b.c.d.e.f.g.example.com", RECORD "; psd=n" },
    { "_dmarc.two.test", RECORD },
    { "_dmarc.two.test", "v=DMARC1; p=none" },
    { "_dmarc.mixed.test", "v=spf1 -all" },
    { "_dmarc.mixed.test", RECORD },
    { "_dmarc.unfit.test", "v=DMARC1; p=nothing" },
    { "_dmarc.down.test", "!" },
    { "_dmarc.psd.test", RECORD "; psd=y" },
    { NULL, NULL },
};

static const struct {
    const char *domain, *organization, *asked; /* each below "_dmarc." */
} walks[] = {
    { "example.com", "example.com", "example.com com" },
    { "signing.example.com", "example.com", "signing.example.com example.com com" },
    { "a.b.c.d.e.f.g.h.i.j.k.example.com", "example.com",
      "a.b.c.d.e.f.g.h.i.j.k.example.com g.h.i.j.k.example.com h.i.j.k.example.com i.j.k.example.com "
      "j.k.example.com k.example.com example.com com" },
    { "mail.a.b.c.d.e.f.g.example.com", "example.com",
      "mail.a.b.c.d.e.f.g.example.com c.d.e.f.g.example.com d.e.f.g.example.com e.f.g.example.com "
      "f.g.example.com g.example.com example.com com" },
    { "b.c.d.e.f.g.example.com", "b.c.d.e.f.g.example.com", "b.c.d.e.f.g.example.com" },
    { "8.7.6.5.4.3.2.test", "8.7.6.5.4.3.2.test",
      "8.7.6.5.4.3.2.test 7.6.5.4.3.2.test 6.5.4.3.2.test 5.4.3.2.test 4.3.2.test 3.2.test 2.test test" },
    { "giant.bank.example", "giant.bank.example", "giant.bank.example bank.example" },
    { "mail.giant.bank.example", "giant.bank.example",
      "mail.giant.bank.example giant.bank.example bank.example" },
    { "mail.mega.bank.example", "mega.bank.example",
      "mail.mega.bank.example mega.bank.example bank.example" },
    { "bank.example", "bank.example", "bank.example" },
    { "x.dept.example.com", "dept.example.com", "x.dept.example.com dept.example.com" },
    { "x.two.test", "x.two.test", "x.two.test two.test test" },
    { "x.mixed.test", "mixed.test", "x.mixed.test mixed.test test" },
    { "x.unfit.test", "unfit.test", "x.unfit.test unfit.test test" },
    { "a.b.nothing.test", "a.b.nothing.test", "a.b.nothing.test b.nothing.test nothing.test test" },
    { "test", "test", "test" },
    { "x.down.test", NULL, "x.down.test down.test" },
};

static void the_walks(void)
{
    for (size_t i = 0; i < sizeof walks / sizeof walks[0]; i++) {
        struct trust_lookup lookup = answers_lookup(&t, tree);
        struct dmarc_walk *w = dmarc_walk_new(&lookup);
        const char *organization = NULL, *p = t.asked;
        char asked[sizeof t.asked] = "";
        enum status st = w ? dmarc_walk_organization(w, walks[i].domain, &organization) : ST_TEMP;
        for (const char *q = p; (q = strstr(p, "_dmarc.")) != NULL; p = q + 7)
            strncat(asked, p, (size_t)(q - p));
        strcat(asked, p);
        bool good = walks[i].organization ? st == ST_OK && strcmp(organization, walks[i].organization) == 0
                                          : st == ST_TEMP;
        ok(good && strcmp(asked, walks[i].asked) == 0, "%s: organization %s, asked %s", walks[i].domain,
           st == ST_OK ? organization : "not known now", asked);
        size_t before = t.zone.asked;
        if (w)
            dmarc_walk_organization(w, walks[i].domain, &organization);
        ok(t.zone.asked == before && before <= DMARC_WALK, "... and nothing is asked twice");
        free(w);
    }
    char name[DNS_NAME_LIMIT], label[64], longest[DNS_NAME_LIMIT] = "";
    snprintf(label, sizeof label, "%063d", 1);
    snprintf(longest, sizeof longest, "%s.%s.%s.%.61s", label, label, label, label);
    struct trust_lookup lookup = answers_lookup(&t, tree);
    struct dmarc_walk *w = dmarc_walk_new(&lookup);
    ok(strlen(longest) == 253 && !dmarc_record_name(longest, name) && w && dmarc_walk_at(w, longest) &&
           dmarc_walk_at(w, longest)->status == ST_NONE && t.zone.asked == 0,
       "a domain too long for _dmarc in front has no record, and nothing is asked");
    free(w);
}

/* --- checks (4.10.1, 4.10.2, 5.3) */

#define RUA "; rua=mailto:r@p.test"
static const struct answer_row zone[] = {
    { "_dmarc.reject.test", RECORD },
    { "www.reject.test", "-" },
    { "_dmarc.sub.reject.test", "v=DMA\tRC1; p=quar\tantine; sp=none" }, /* in three strings */
    { "_dmarc.split.test", "v=DMARC1; p=reject; sp=quarantine; np=none" },
    { "there.split.test", "-" },
    { "below.exists.split.test", "-" },
    { "down.split.test", "!" },
    { "_dmarc.onlynp.test", "v=DMARC1; p=none; np=reject" },
    { "there.onlynp.test", "-" },
    { "_dmarc.strict.test", RECORD "; adkim=s; aspf=s" },
    { "_dmarc.testing.test", RECORD "; t=y" },
    { "_dmarc.testing2.test", "v=DMARC1; p=quarantine; t=y" },
    { "_dmarc.testing3.test", "v=DMARC1; p=none; t=y" },
    { "_dmarc.none.test", "v=DMARC1; p=none" },
    { "_dmarc.two.test", RECORD },
    { "_dmarc.two.test", RECORD },
    { "_dmarc.unfit.test", "v=DMARC1; sp=reject" },
    { "_dmarc.repaired.test", "v=DMARC1; p=whatever" RUA },
    { "_dmarc.down.test", "!" },
    { "_dmarc.half.down.test", RECORD },
    { "_dmarc.psd.test", "v=DMARC1; p=none; sp=reject; np=quarantine; psd=y" },
    { "shop.psd.test", "-" },
    { "_dmarc.has.psd.test", "v=DMARC1; p=quarantine; sp=reject" },
    { "_dmarc.mid.psd.test", RECORD },
    { "_dmarc.dept.reject.test", RECORD "; psd=n" },
    { "_dmarc.xn--bcher-kva.test", RECORD },
    { "_dmarc.bad.reject.test", "!" },
    { NULL, NULL },
};

#define P TRUST_PASS
#define F TRUST_FAIL
#define T TRUST_TEMPERROR
static const struct {
    const char *author;
    enum trust_result spf;
    const char *spf_domain;
    enum trust_result dkim;
    const char *dkim_domain, *outcome; /* result, policy where it failed, where the policy is from */
} checks[] = {
    /* alignment */
    { "reject.test", P, "reject.test", F, "", "pass spf reject.test" },
    { "reject.test", F, "reject.test", P, "REJECT.test", "pass dkim reject.test" },
    { "reject.test", P, "reject.test", P, "reject.test", "pass dkim spf reject.test" },
    { "reject.test", P, "bounce.reject.test", F, "", "pass spf reject.test" },
    { "reject.test", F, "", P, "mail.reject.test", "pass dkim reject.test" },
    { "mail.reject.test", F, "", P, "reject.test", "pass dkim reject.test" },
    { "a.reject.test", P, "b.reject.test", F, "", "pass spf reject.test" },
    { "reject.test", P, "xreject.test", P, "reject.test.evil.test", "fail reject reject.test" },
    { "reject.test", P, "other.test", P, "test", "fail reject reject.test" },
    { "reject.test", P, "", P, NULL, "fail reject reject.test" },
    { "reject.test", P, "not a domain", P, "..", "fail reject reject.test" },
    { "reject.test", P, "x.dept.reject.test", P, "dept.reject.test", "fail reject reject.test" },
    { "x.dept.reject.test", P, "reject.test", P, "dept.reject.test", "pass dkim dept.reject.test" },
    { "strict.test", P, "mail.strict.test", P, "mail.strict.test", "fail reject strict.test" },
    { "strict.test", P, "strict.test", P, "mail.strict.test", "pass spf strict.test" },
    { "mail.strict.test", P, "mail.strict.test", F, "", "pass spf strict.test" },
    { "mail.strict.test", P, "strict.test", P, "strict.test", "fail reject strict.test" },
    { "xn--bcher-kva.test", F, "", P,
      "b\xc3\xbc"
      "cher.test",
      "pass dkim xn--bcher-kva.test" },
    /* only a pass vouches */
    { "reject.test", TRUST_SOFTFAIL, "reject.test", TRUST_POLICY, "reject.test", "fail reject reject.test" },
    { "reject.test", TRUST_NEUTRAL, "reject.test", TRUST_PERMERROR, "reject.test",
      "fail reject reject.test" },
    { "reject.test", TRUST_NONE, "reject.test", F, "reject.test", "fail reject reject.test" },
    /* which policy */
    { "sub.reject.test", F, "", F, "", "fail quarantine sub.reject.test" },
    { "a.sub.reject.test", F, "", F, "", "fail reject reject.test" },
    { "www.reject.test", F, "", F, "", "fail reject reject.test" },
    { "split.test", F, "", F, "", "fail reject split.test" },
    { "there.split.test", F, "", F, "", "fail quarantine split.test" },
    { "exists.split.test", F, "", F, "", "fail quarantine split.test" },
    { "nowhere.split.test", F, "", F, "", "fail none split.test" },
    { "down.split.test", F, "", F, "", "temperror split.test" },
    { "onlynp.test", F, "", F, "", "fail none onlynp.test" },
    { "there.onlynp.test", F, "", F, "", "fail none onlynp.test" },
    { "nowhere.onlynp.test", F, "", F, "", "fail reject onlynp.test" },
    { "testing.test", F, "", F, "", "fail quarantine testing.test" },
    { "testing2.test", F, "", F, "", "fail none testing2.test" },
    { "testing3.test", F, "", F, "", "fail none testing3.test" },
    { "none.test", F, "", F, "", "fail none none.test" },
    { "repaired.test", F, "", F, "", "fail none repaired.test" },
    { "repaired.test", P, "repaired.test", F, "", "pass spf repaired.test" },
    /* public suffixes */
    { "psd.test", F, "", F, "", "fail none psd.test" },
    { "shop.psd.test", F, "", F, "", "fail reject psd.test" },
    { "www.shop.psd.test", F, "", F, "", "fail quarantine psd.test" },
    { "nowhere.psd.test", F, "", F, "", "fail quarantine psd.test" },
    { "has.psd.test", F, "", F, "", "fail quarantine has.psd.test" },
    { "x.has.psd.test", F, "", F, "", "fail reject has.psd.test" },
    { "shop.psd.test", P, "psd.test", P, "other.psd.test", "fail reject psd.test" },
    { "shop.psd.test", P, "a.shop.psd.test", F, "", "pass spf psd.test" },
    /* no policy, or none that can be used */
    { "nothing.test", P, "nothing.test", P, "nothing.test", "none" },
    { "two.test", F, "", F, "", "none" },
    { "x.two.test", F, "", F, "", "none" },
    { "unfit.test", P, "unfit.test", F, "", "permerror unfit.test" },
    { "x.unfit.test", F, "", F, "", "permerror unfit.test" },
    { "test", F, "", F, "", "none" },
    /* DNS doesn't answer */
    { "down.test", P, "down.test", F, "", "temperror" },
    { "x.down.test", F, "", F, "", "temperror" },
    { "half.down.test", P, "half.down.test", F, "", "pass spf half.down.test" },
    { "half.down.test", P, "x.half.down.test", F, "", "temperror half.down.test" },
    { "half.down.test", F, "", F, "", "fail reject half.down.test" },
    { "reject.test", T, "reject.test", F, "", "temperror reject.test" },
    { "reject.test", F, "", T, "mail.reject.test", "temperror reject.test" },
    { "reject.test", T, "other.test", T, "stranger.test", "fail reject reject.test" },
    { "reject.test", T, "reject.test", P, "reject.test", "pass dkim reject.test" },
    { "reject.test", F, "", P, "x.bad.reject.test", "temperror reject.test" },
    { "reject.test", F, "", P, "x.down.test", "fail reject reject.test" },
    { "none.test", T, "none.test", F, "", "temperror harmless none.test" },
};

static void describe(const struct dmarc_verdict *v, char *to, size_t room)
{
    snprintf(to, room, "%s%s%s%s%s%s%s%s", trust_result_name(v->result), v->dkim_aligned ? " dkim" : "",
             v->spf_aligned ? " spf" : "", v->result == TRUST_FAIL ? " " : "",
             v->result == TRUST_FAIL ? dmarc_policy_name(v->policy) : "",
             v->harmless && v->result == T ? " harmless" : "", v->policy_domain[0] ? " " : "",
             v->policy_domain);
}

static void the_checks(void)
{
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        struct trust_lookup lookup = answers_lookup(&t, zone);
        struct dmarc_author author = { .count = 1, .fields = 1 };
        struct dmarc_identity dkim = { checks[i].dkim, checks[i].dkim_domain };
        struct dmarc_query query = { &author, { checks[i].spf, checks[i].spf_domain }, &dkim, 1 };
        struct dmarc_verdict v;
        char outcome[512];
        span_copy(span_of(checks[i].author), author.domains[0], sizeof author.domains[0]);
        dmarc_check(&lookup, &query, &v);
        describe(&v, outcome, sizeof outcome);
        ok(strcmp(outcome, checks[i].outcome) == 0 && strcmp(v.domain, checks[i].author) == 0 && v.why[0] &&
               !v.suspect,
           "%s: SPF %s of %s, DKIM %s of %s: %s (%s)", checks[i].author, trust_result_name(checks[i].spf),
           checks[i].spf_domain, trust_result_name(checks[i].dkim), dkim.domain ? dkim.domain : "nobody",
           outcome, v.why);
    }
}

/* How much is asked. */
static void the_questions(void)
{
    struct trust_lookup lookup = answers_lookup(&t, zone);
    struct dmarc_author author = { .count = 1, .fields = 1, .domains = { "reject.test" } };
    struct dmarc_identity many[DMARC_IDENTITIES + 50];
    char names[DMARC_IDENTITIES + 50][64];
    struct dmarc_query query = { &author, { P, "reject.test" }, NULL, 0 };
    struct dmarc_verdict v;
    dmarc_check(&lookup, &query, &v);
    ok(v.result == P && strcmp(t.asked, "_dmarc.reject.test") == 0,
       "one question where all is the author's domain: %s", t.asked);
    lookup = answers_lookup(&t, zone);
    query.spf = (struct dmarc_identity){ P, "deep.down.in.other.example" };
    dmarc_check(&lookup, &query, &v);
    ok(v.result == F && t.zone.asked == 2, "strangers' domains aren't asked about: %s", t.asked);
    for (size_t i = 0; i < DMARC_IDENTITIES + 50; i++) {
        snprintf(names[i], sizeof names[i], "a.b.c.d.x%zu.reject.test", i);
        many[i] = (struct dmarc_identity){ P, names[i] };
    }
    many[DMARC_IDENTITIES - 1].domain = "reject.test";
    lookup = answers_lookup(&t, zone);
    query.dkim = many;
    query.dkim_count = DMARC_IDENTITIES + 50;
    query.spf = (struct dmarc_identity){ F, "" };
    dmarc_check(&lookup, &query, &v);
    ok(v.result == P && t.zone.asked == 1, "what needs no question comes first: %u", t.zone.asked);
    for (size_t i = 0; i < DMARC_IDENTITIES + 50; i++)
        snprintf(names[i], sizeof names[i], "a.b.c.x%zu.dept.reject.test", i);
    many[DMARC_IDENTITIES - 1].domain = names[DMARC_IDENTITIES - 1];
    lookup = answers_lookup(&t, zone);
    dmarc_check(&lookup, &query, &v);
    ok(v.result == F && v.policy == DMARC_POLICY_REJECT && t.zone.asked <= DMARC_QUESTIONS + 1,
       "150 signatures cost %u questions, and it fails", t.zone.asked);
    author = (struct dmarc_author){ .count = 4,
                                    .fields = 1,
                                    .domains = { "reject.test", "a.b.c.d.e.f.one.test",
                                                 "a.b.c.d.e.f.two.test", "split.test" } };
    lookup = answers_lookup(&t, zone);
    dmarc_check(&lookup, &query, &v);
    ok(v.result == F && t.zone.asked <= DMARC_QUESTIONS + 4, "of four authors: %u", t.zone.asked);
    dmarc_expect(&lookup, &author);
    ok(t.zone.expected_count >= 4, "what is asked first is announced");
}

static const struct {
    const char *header, *outcome;
    bool suspect;
} messages[] = {
    { "From: x@reject.test\n", "fail reject reject.test", false },
    { "From: x@none.test, y@reject.test\n", "fail reject reject.test", false },
    { "From: x@sub.reject.test, y@reject.test, z@none.test\n", "fail reject reject.test", false },
    { "From: x@good.test, y@reject.test\n", "fail reject reject.test", false },
    { "From: x@good.test, y@good.test\n", "pass dkim good.test", false },
    { "From: x@good.test, y@nothing.test\n", "none", false },
    { "From: x@down.test, y@none.test\n", "temperror", false },
    { "From: x@down.test, y@reject.test\n", "fail reject reject.test", false },
    { "From: x@good.test\nFrom: y@good.test\n", "permerror dkim good.test", true },
    { "From: x@good.test\nFrom: y@reject.test\n", "fail reject reject.test", true },
    { "From: <x@good.test> <y@reject.test>\n", "permerror dkim good.test", true },
    { "From: x@reject..test\n", "permerror", true },
    { "From: nobody\n", "none", false },
    { "Subject: x\n", "none", false },
    { "From: a@1.test, b@2.test, c@3.test, d@4.test, e@reject.test\n", "permerror", true },
};

static void one_line(const char *text, char name[80])
{
    snprintf(name, 80, "%s", text);
    for (char *p = name; *p; p++)
        *p = *p < ' ' ? '_' : *p;
}

static void the_messages(void)
{
    static const struct answer_row more[] = { { "_dmarc.good.test", RECORD }, { NULL, NULL } };
    struct answer_row rows[sizeof zone / sizeof zone[0] + 1];
    rows[0] = more[0];
    memcpy(rows + 1, zone, sizeof zone);
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        struct trust_lookup lookup = answers_lookup(&t, rows);
        struct dmarc_author author;
        struct dmarc_identity dkim = { P, "good.test" };
        struct dmarc_query query = { &author, { TRUST_NONE, NULL }, &dkim, 1 };
        struct dmarc_verdict v;
        char outcome[512], name[80];
        one_line(messages[i].header, name);
        dmarc_author(span_of(messages[i].header), &author);
        dmarc_check(&lookup, &query, &v);
        describe(&v, outcome, sizeof outcome);
        ok(strcmp(outcome, messages[i].outcome) == 0 && v.suspect == messages[i].suspect, "%s %s (%s)", name,
           outcome, v.why);
    }
}

/* --- what becomes of it (5.4, 7.4) */

#define ACCEPT DMARC_ACCEPT
#define JUNK DMARC_TO_JUNK
#define REJECT DMARC_REJECT
static const struct {
    const char *name;
    struct dmarc_verdict verdict;
    struct dmarc_evidence evidence;
    enum dmarc_disposition off, mark, junk, refuse;
    const char *reason_mark, *reason_junk, *reason_refuse;
} decisions[] = {
    { "a pass", { .result = P, .published = 2 }, { 0 }, ACCEPT, ACCEPT, ACCEPT, ACCEPT, "", "", "" },
    { "no policy", { .result = TRUST_NONE }, { 0 }, ACCEPT, ACCEPT, ACCEPT, ACCEPT, "", "", "" },
    { "p=none", { .result = F }, { 0 }, ACCEPT, ACCEPT, ACCEPT, ACCEPT, "", "", "" },
    { "p=quarantine",
      { .result = F, .published = 1, .policy = 1 },
      { 0 },
      ACCEPT,
      ACCEPT,
      JUNK,
      JUNK,
      "local_policy",
      "",
      "" },
    { "p=reject",
      { .result = F, .published = 2, .policy = 2 },
      { 0 },
      ACCEPT,
      ACCEPT,
      JUNK,
      REJECT,
      "local_policy",
      "local_policy",
      "" },
    { "p=reject, of a list",
      { .result = F, .published = 2, .policy = 2 },
      { .mailing_list = true },
      ACCEPT,
      ACCEPT,
      JUNK,
      JUNK,
      "local_policy",
      "local_policy",
      "mailing_list" },
    { "p=quarantine, of a list",
      { .result = F, .published = 1, .policy = 1 },
      { .mailing_list = true },
      ACCEPT,
      ACCEPT,
      JUNK,
      JUNK,
      "local_policy",
      "",
      "" },
    { "p=reject, by a trusted forwarder",
      { .result = F, .published = 2, .policy = 2 },
      { .trusted_forwarder = true },
      ACCEPT,
      ACCEPT,
      ACCEPT,
      ACCEPT,
      "trusted_forwarder",
      "trusted_forwarder",
      "trusted_forwarder" },
    { "p=reject t=y",
      { .result = F, .published = 2, .policy = 1 },
      { 0 },
      ACCEPT,
      ACCEPT,
      JUNK,
      JUNK,
      "local_policy",
      "policy_test_mode",
      "policy_test_mode" },
    { "p=quarantine t=y",
      { .result = F, .published = 1, .policy = 0 },
      { 0 },
      ACCEPT,
      ACCEPT,
      ACCEPT,
      ACCEPT,
      "policy_test_mode",
      "policy_test_mode",
      "policy_test_mode" },
    { "a From that can't be read",
      { .result = TRUST_PERMERROR, .suspect = true },
      { 0 },
      ACCEPT,
      ACCEPT,
      JUNK,
      JUNK,
      "",
      "local_policy",
      "local_policy" },
    { "a record that can't be read",
      { .result = TRUST_PERMERROR },
      { 0 },
      ACCEPT,
      ACCEPT,
      ACCEPT,
      ACCEPT,
      "",
      "",
      "" },
    { "DNS doesn't answer", { .result = T }, { 0 }, ACCEPT, ACCEPT, ACCEPT, ACCEPT, "", "", "" },
};

static void the_decisions(void)
{
    for (size_t i = 0; i < sizeof decisions / sizeof decisions[0]; i++) {
        const struct dmarc_verdict *v = &decisions[i].verdict;
        const struct dmarc_evidence *e = &decisions[i].evidence;
        struct dmarc_decision off = dmarc_decide(v, DMARC_OFF, e), mark = dmarc_decide(v, DMARC_MARK, e),
                              junk = dmarc_decide(v, DMARC_JUNK, e),
                              refuse = dmarc_decide(v, DMARC_REFUSE, e);
        ok(off.disposition == decisions[i].off && mark.disposition == decisions[i].mark &&
               junk.disposition == decisions[i].junk && refuse.disposition == decisions[i].refuse,
           "%s: off %d, mark %d, junk %d, refuse %d", decisions[i].name, off.disposition, mark.disposition,
           junk.disposition, refuse.disposition);
        ok(strcmp(dmarc_reason_name(mark.reason), decisions[i].reason_mark) == 0 &&
               strcmp(dmarc_reason_name(junk.reason), decisions[i].reason_junk) == 0 &&
               strcmp(dmarc_reason_name(refuse.reason), decisions[i].reason_refuse) == 0,
           "... and the reasons: '%s', '%s', '%s'", dmarc_reason_name(mark.reason),
           dmarc_reason_name(junk.reason), dmarc_reason_name(refuse.reason));
    }
    struct dmarc_verdict v = { .result = T };
    struct dmarc_evidence nothing = { 0 };
    ok(dmarc_decide(&v, DMARC_JUNK, &nothing).defer && dmarc_decide(&v, DMARC_REFUSE, &nothing).defer &&
           !dmarc_decide(&v, DMARC_MARK, &nothing).defer && !dmarc_decide(&v, DMARC_OFF, &nothing).defer,
       "where DNS doesn't answer a message is deferred, unless the outcome is only written into it");
    v.harmless = true;
    ok(!dmarc_decide(&v, DMARC_REFUSE, &nothing).defer, "... or its policy asks for nothing");
    ok(dmarc_from_list(SPAN("A: b\nlist-id: <x.y.test>\n")) &&
           dmarc_from_list(SPAN("List-Post: <mailto:x@y.test>\n")) &&
           !dmarc_from_list(SPAN("List-Unsubscribe: <mailto:x@y.test>\n\nList-Id: x\n")),
       "mailing lists are known by List-Id or List-Post");
}

int main(void)
{
    the_records();
    long_reports();
    the_walks();
    the_checks();
    the_questions();
    the_messages();
    the_decisions();
    return done_testing();
}
