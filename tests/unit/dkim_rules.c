/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DKIM's rules one by one: a signature that is made with these tags, a record with this text, and what
 * verifying comes to. All are signed with a good key over what they say that they cover, so that the rule
 * alone decides.
 */
#include "tap.h"

#include "dkim.h"
#include "signature_keys.h"
#include "text/base64.h"
#include "trust/dkim_private.h"

#define NOW 1700000000

#define HEADER                                                                                               \
    "From: Ann <ann@example.org>\r\n"                                                                        \
    "To: bob@example.net\r\n"                                                                                \
    "Subject: rules\r\n"
#define BODY "hello\r\n\r\n" /* simple and relaxed: 7 bytes */
#define PUBLIC "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define OTHER "AAAAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo0="
#define RECORD "v=DKIM1; k=ed25519; p=" PUBLIC

#define PLAIN "v=1; a=ed25519-sha256; d=example.org; s=sel; h=from:to:subject"
#define WITH(more) PLAIN "; " more
#define LIST(names) "v=1; a=ed25519-sha256; d=example.org; s=sel; h=" names
#define ALG(name) "v=1; a=" name "; d=example.org; s=sel; h=from"
#define DOMAIN(d, s) "v=1; a=ed25519-sha256; d=" d "; s=" s "; h=from"

struct rule {
    const char *name;
    const char *tags; /* without bh= and b=, which are added unless they are here */
    enum trust_result expected;
    const char *why; /* a part of it; NULL: any */
};

static const struct rule rules[] = {
    { "plain", PLAIN, TRUST_PASS, NULL },
    /* 3.2: lists of tags */
    { "a last semicolon", PLAIN ";", TRUST_PASS, NULL },
    { "blanks everywhere",
      "\r\n v =\t1 ;a = ed25519-sha256;\r\n\td= example.org ; s=sel;\r\n h =\r\n from :\r\n\tto : subject ",
      TRUST_PASS, NULL },
    { "in any order", "h=from; s=sel; d=example.org; a=ed25519-sha256; v=1", TRUST_PASS, NULL },
    { "a tag that nobody knows", WITH("zz_9=any thing, = too"), TRUST_PASS, NULL },
    { "a tag twice", WITH("d=example.org"), TRUST_NEUTRAL, "no list of tags" },
    { "an unknown tag twice", WITH("zz=1; zz=1"), TRUST_NEUTRAL, "no list of tags" },
    { "an empty tag", "v=1;; a=ed25519-sha256; d=example.org; s=sel; h=from", TRUST_NEUTRAL,
      "no list of tags" },
    { "no equal sign", WITH("what"), TRUST_NEUTRAL, "no list of tags" },
    { "a tag without a name", WITH("=x"), TRUST_NEUTRAL, "no list of tags" },
    { "a name that begins with a digit", WITH("1x=x"), TRUST_NEUTRAL, "no list of tags" },
    { "a control character", WITH("zz=a\001b"), TRUST_NEUTRAL, "no list of tags" },
    { "names are case sensitive", "v=1; A=ed25519-sha256; d=example.org; s=sel; h=from", TRUST_PERMERROR,
      "no a=" },
    /* 3.5: required tags */
    { "no v=", "a=ed25519-sha256; d=example.org; s=sel; h=from", TRUST_PERMERROR, "no v= tag" },
    { "no a=", "v=1; d=example.org; s=sel; h=from", TRUST_PERMERROR, "no a= tag" },
    { "no d=", "v=1; a=ed25519-sha256; s=sel; h=from", TRUST_PERMERROR, "no d= tag" },
    { "no s=", "v=1; a=ed25519-sha256; d=example.org; h=from", TRUST_PERMERROR, "no s= tag" },
    { "no h=", "v=1; a=ed25519-sha256; d=example.org; s=sel", TRUST_PERMERROR, "no h= tag" },
    { "version 2", "v=2; a=ed25519-sha256; d=example.org; s=sel; h=from", TRUST_NEUTRAL, "version" },
    { "version 1.0", "v=1.0; a=ed25519-sha256; d=example.org; s=sel; h=from", TRUST_NEUTRAL, "version" },
    { "no base64 in b=", WITH("b=!!!!"), TRUST_NEUTRAL, "b=" },
    { "an empty b=", WITH("b="), TRUST_NEUTRAL, "b=" },
    { "no base64 in bh=", WITH("bh=%%%%"), TRUST_NEUTRAL, "bh=" },
    { "a bh= of 31 bytes", WITH("bh=MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMQ=="), TRUST_NEUTRAL, "bh=" },
    { "another bh=", WITH("bh=MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="), TRUST_FAIL,
      "body was changed" },
    /* 3.3, RFC 8301, RFC 8463: algorithms */
    { "rsa-sha1", ALG("rsa-sha1"), TRUST_POLICY, "rsa-sha1" },
    { "RSA-SHA1", ALG("RSA-SHA1"), TRUST_POLICY, "rsa-sha1" },
    { "rsa-sha512", ALG("rsa-sha512"), TRUST_NEUTRAL, "algorithm" },
    { "an algorithm of nothing", ALG(""), TRUST_NEUTRAL, "algorithm" },
    { "Ed25519-SHA256", ALG("Ed25519-SHA256"), TRUST_PASS, NULL },
    { "rsa-sha256, and the key is another's", ALG("rsa-sha256"), TRUST_PERMERROR, "another kind (k=)" },
    /* c= */
    { "relaxed", WITH("c=relaxed"), TRUST_PASS, NULL },
    { "relaxed/relaxed", WITH("c=relaxed/relaxed"), TRUST_PASS, NULL },
    { "simple/relaxed", WITH("c=simple/relaxed"), TRUST_PASS, NULL },
    { "relaxed / simple", WITH("c= relaxed / simple"), TRUST_PASS, NULL },
    { "nowsp", WITH("c=nowsp"), TRUST_NEUTRAL, "c=" },
    { "relaxed/nowsp", WITH("c=relaxed/nowsp"), TRUST_NEUTRAL, "c=" },
    { "an empty c=", WITH("c="), TRUST_NEUTRAL, "c=" },
    { "relaxed/", WITH("c=relaxed/"), TRUST_NEUTRAL, "c=" },
    /* d= and s= */
    { "d= in capitals", DOMAIN("Example.ORG", "SEL"), TRUST_PASS, NULL },
    { "d= of one label", DOMAIN("org", "sel"), TRUST_NEUTRAL, "d=" },
    { "d= with a blank", DOMAIN("exam ple.org", "sel"), TRUST_NEUTRAL, "d=" },
    { "d= with an empty label", DOMAIN("example..org", "sel"), TRUST_NEUTRAL, "d=" },
    { "d= with a dot at the end", DOMAIN("example.org.", "sel"), TRUST_NEUTRAL, "d=" },
    { "d= with a slash", DOMAIN("example/x.org", "sel"), TRUST_NEUTRAL, "d=" },
    { "d= that is empty", DOMAIN("", "sel"), TRUST_NEUTRAL, "d=" },
    { "d= that is an address literal", DOMAIN("[192.0.2.1]", "sel"), TRUST_NEUTRAL, "d=" },
    { "s= that is empty", DOMAIN("example.org", ""), TRUST_NEUTRAL, "s=" },
    { "s= with a quote", DOMAIN("example.org", "a\"b"), TRUST_NEUTRAL, "s=" },
    { "s= with dots", DOMAIN("example.org", "two.parts"), TRUST_PASS, NULL },
    { "s= and d= too long together",
      DOMAIN(
          "a23456789012345678901234567890.b23456789012345678901234567890.c23456789012345678901234567890.org",
          "a23456789012345678901234567890.b23456789012345678901234567890.c23456789012345678901234567890."
          "d23456789012345678901234567890.e23456789012345678901234567890"),
      TRUST_PERMERROR, "no domain name" },
    { "no such key", DOMAIN("example.org", "missing"), TRUST_PERMERROR, "no such key" },
    { "DNS can't tell", DOMAIN("example.org", "later"), TRUST_TEMPERROR, "DNS" },
    /* h= */
    { "h= without From", LIST("to:subject"), TRUST_PERMERROR, "From isn't signed" },
    { "h= in any case", LIST("FROM:tO"), TRUST_PASS, NULL },
    { "h= with names that aren't there", LIST("from:reply-to:x:y"), TRUST_PASS, NULL },
    { "h= with more than there are", LIST("from:from:from:to:to"), TRUST_PASS, NULL },
    { "h= with the field that it stands in itself", LIST("from:dkim-signature"), TRUST_PASS, NULL },
    { "h= with an empty name", LIST("from::to"), TRUST_NEUTRAL, "h=" },
    { "h= with a colon at the end", LIST("from:to:"), TRUST_NEUTRAL, "h=" },
    { "h= with a blank within a name", LIST("from:to subject"), TRUST_NEUTRAL, "h=" },
    { "h= that is empty", LIST(""), TRUST_NEUTRAL, "h=" },
    /* i= */
    { "i= of d=", WITH("i=ann@example.org"), TRUST_PASS, NULL },
    { "i= without a local part", WITH("i=@example.org"), TRUST_PASS, NULL },
    { "i= of a subdomain", WITH("i=@mail.EXAMPLE.org"), TRUST_PASS, NULL },
    { "i= quoted-printable, folded", WITH("i=ann=3B=40x\r\n @example.org"), TRUST_PASS, NULL },
    { "i= of another domain", WITH("i=@example.com"), TRUST_PERMERROR, "i= isn't within d=" },
    { "i= whose domain ends alike", WITH("i=@badexample.org"), TRUST_PERMERROR, "i= isn't within d=" },
    { "i= of the parent", WITH("i=@org"), TRUST_PERMERROR, "i= isn't within d=" },
    { "i= that is no address", WITH("i=ann"), TRUST_NEUTRAL, "i=" },
    { "i= with a broken escape", WITH("i=a=4@example.org"), TRUST_NEUTRAL, "i=" },
    { "i= that is empty", WITH("i="), TRUST_NEUTRAL, "i=" },
    /* l= */
    { "l= of the whole body", WITH("l=7"), TRUST_PASS, NULL },
    { "l= of a part", WITH("l=6"), TRUST_POLICY, "whole body" },
    { "l= of nothing", WITH("l=0"), TRUST_POLICY, "whole body" },
    { "l= of more", WITH("l=8"), TRUST_PERMERROR, "shorter" },
    { "l= of 76 digits",
      WITH("l=1234567890123456789012345678901234567890123456789012345678901234567890123456"), TRUST_PERMERROR,
      "shorter" },
    { "l= of 77 digits",
      WITH("l=12345678901234567890123456789012345678901234567890123456789012345678901234567"), TRUST_NEUTRAL,
      "l=" },
    { "l= that is no number",
      WITH("l=7 "
           "7"),
      TRUST_NEUTRAL, "l=" },
    { "l= below nothing", WITH("l=-1"), TRUST_NEUTRAL, "l=" },
    /* t= and x= */
    { "made now", WITH("t=1700000000; x=1700000001"), TRUST_PASS, NULL },
    { "ends now", WITH("x=1700000000"), TRUST_PASS, NULL },
    { "has ended", WITH("x=1699999999"), TRUST_POLICY, "expired" },
    { "made an hour from now", WITH("t=1700003600"), TRUST_PASS, NULL },
    { "made in the future", WITH("t=1700090000"), TRUST_POLICY, "future" },
    { "ends when it begins", WITH("t=1700000000; x=1700000000"), TRUST_PERMERROR, "x= isn't behind t=" },
    { "ends before it begins", WITH("t=1700000009; x=1700000008"), TRUST_PERMERROR, "x= isn't behind t=" },
    { "t= that is no time", WITH("t=yesterday"), TRUST_NEUTRAL, "no time" },
    { "x= of too many digits", WITH("x=1700000000000"), TRUST_NEUTRAL, "no time" },
    /* q= */
    { "q=dns/txt", WITH("q=dns/txt"), TRUST_PASS, NULL },
    { "one of several ways", WITH("q=other/way : DNS/TXT"), TRUST_PASS, NULL },
    { "another way", WITH("q=other/way"), TRUST_NEUTRAL, "q=" },
    /* RFC 8616 */
    { "U-labels",
      DOMAIN("b\xc3\xbc"
             "cher.example",
             "s\xc3\xa9l"),
      TRUST_PASS, NULL },
    { "U-labels in i=",
      "v=1; a=ed25519-sha256; d=xn--bcher-kva.example; s=xn--sl-bja; h=from; i=j\xc3\xb6@m.b\xc3\xbc"
      "cher.example",
      TRUST_PASS, NULL },
    { "what isn't UTF-8",
      DOMAIN("b\xfc"
             "cher.example",
             "sel"),
      TRUST_NEUTRAL, "d=" },
};

struct record {
    const char *name, *text, *second;
    enum trust_result expected;
    const char *why;
    bool testing;
};

static const struct record records[] = {
    { "plain", RECORD, NULL, TRUST_PASS, NULL, false },
    { "without v=", "k=ed25519; p=" PUBLIC, NULL, TRUST_PASS, NULL, false },
    { "odd spacing", "  v = DKIM1 ;\tk=ed25519;  p = 11qYAYKxCrfVS/7TyWQ\t HOg7hcvPap iMlrwIaaPcHURo= ; ",
      NULL, TRUST_PASS, NULL, false },
    { "no spacing", "v=DKIM1;k=ed25519;p=" PUBLIC ";", NULL, TRUST_PASS, NULL, false },
    { "k= in capitals", "v=DKIM1; k=ED25519; p=" PUBLIC, NULL, TRUST_PASS, NULL, false },
    { "unknown and historic tags", "v=DKIM1; g=*; n=a note; k=ed25519; zz=1; p=" PUBLIC, NULL, TRUST_PASS,
      NULL, false },
    { "v= that isn't first", "k=ed25519; v=DKIM1; p=" PUBLIC, NULL, TRUST_PERMERROR, "no key", false },
    { "another version", "v=DKIM2; k=ed25519; p=" PUBLIC, NULL, TRUST_PERMERROR, "no key", false },
    { "v= in small letters", "v=dkim1; k=ed25519; p=" PUBLIC, NULL, TRUST_PERMERROR, "no key", false },
    { "p= twice", "v=DKIM1; k=ed25519; p=" PUBLIC "; p=" PUBLIC, NULL, TRUST_PERMERROR, "no key", false },
    { "an empty record", "", NULL, TRUST_PERMERROR, "no key", false },
    { "something else", "v=spf1 -all", NULL, TRUST_PERMERROR, "no key", false },
    { "no p=", "v=DKIM1; k=ed25519", NULL, TRUST_PERMERROR, "no key", false },
    { "revoked", "v=DKIM1; k=ed25519; p=", NULL, TRUST_PERMERROR, "revoked", false },
    { "revoked, blanks", "v=DKIM1; p= ; t=y", NULL, TRUST_PERMERROR, "revoked", true },
    { "no base64", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", NULL, TRUST_PERMERROR,
      "base64", false },
    { "base64 cut short", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPc", NULL,
      TRUST_PERMERROR, NULL, false },
    { "another key", "v=DKIM1; k=ed25519; p=" OTHER, NULL, TRUST_FAIL, "doesn't fit", false },
    { "of another kind", "v=DKIM1; k=rsa; p=" PUBLIC, NULL, TRUST_PERMERROR, "k=", false },
    { "rsa where k= is missing", "v=DKIM1; p=" PUBLIC, NULL, TRUST_PERMERROR, "k=", false },
    { "of a kind nobody knows", "v=DKIM1; k=rot13; p=" PUBLIC, NULL, TRUST_PERMERROR, "k=", false },
    { "for SHA-256", "v=DKIM1; h=sha256; k=ed25519; p=" PUBLIC, NULL, TRUST_PASS, NULL, false },
    { "for SHA-256 too", "v=DKIM1; h=sha1 : sha256; k=ed25519; p=" PUBLIC, NULL, TRUST_PASS, NULL, false },
    { "for SHA-1", "v=DKIM1; h=sha1; k=ed25519; p=" PUBLIC, NULL, TRUST_PERMERROR, "h=", false },
    { "for mail", "v=DKIM1; s=email; k=ed25519; p=" PUBLIC, NULL, TRUST_PASS, NULL, false },
    { "for mail too", "v=DKIM1; s=other:email; k=ed25519; p=" PUBLIC, NULL, TRUST_PASS, NULL, false },
    { "for everything", "v=DKIM1; s=*; k=ed25519; p=" PUBLIC, NULL, TRUST_PASS, NULL, false },
    { "for something else", "v=DKIM1; s=other; k=ed25519; p=" PUBLIC, NULL, TRUST_PERMERROR, "s=", false },
    { "for nothing", "v=DKIM1; s=; k=ed25519; p=" PUBLIC, NULL, TRUST_PERMERROR, "s=", false },
    { "testing", "v=DKIM1; t=y; k=ed25519; p=" PUBLIC, NULL, TRUST_PASS, NULL, true },
    { "testing, in a list", "v=DKIM1; t=s : y:zz; k=ed25519; p=" PUBLIC, NULL, TRUST_PASS, NULL, true },
    { "unknown flags", "v=DKIM1; t=yy:x; k=ed25519; p=" PUBLIC, NULL, TRUST_PASS, NULL, false },
    { "an empty list of flags", "v=DKIM1; t=; k=ed25519; p=" PUBLIC, NULL, TRUST_PASS, NULL, false },
    { "a control character", "v=DKIM1; n=\001; k=ed25519; p=" PUBLIC, NULL, TRUST_PERMERROR, "no key",
      false },
    { "several: something else first", "v=spf1 -all", RECORD, TRUST_PASS, NULL, false },
    { "several: something else behind", RECORD, "google-site-verification=x", TRUST_PASS, NULL, false },
    { "several: another key first", "v=DKIM1; t=y; k=ed25519; p=" OTHER, RECORD, TRUST_PASS, NULL, false },
    { "several: RSA first", "v=DKIM1; k=rsa; p=MIGf", RECORD, TRUST_PASS, NULL, false },
    { "several: revoked first", "v=DKIM1; p=", RECORD, TRUST_PASS, NULL, false },
    { "several: none fits, and the first says why", "v=DKIM1; p=", "v=DKIM1; k=ed25519; p=" OTHER,
      TRUST_PERMERROR, "revoked", false },
};

static void add_base64(struct bytes *out, const char *tag, const void *data, size_t n)
{
    bytes_add_str(out, tag);
    base64_encode((struct span){ data, n }, out);
}

/* Signs it: b= is of what the tags say that it covers, if they can be read. */
static void sign(const struct signature_key *key, const char *tags, const char *header, const char *body,
                 struct bytes *message)
{
    static struct dkim_tags read;
    static struct dkim_signature s;
    struct dkim_fields fields;
    struct header_field field;
    struct bytes text, signature;
    unsigned char hash[HASH_SIZE];
    bytes_init(&text, 65536);
    bytes_init(&signature, SIGNATURE_LIMIT);
    size_t n = strlen(tags);
    const char *last = n && tags[n - 1] == ';' ? ";" : "";
    bytes_printf(&text, "DKIM-Signature: %.*s", (int)(n - strlen(last)), tags);
    hash_sha256(SPAN("hello\r\n"), hash);
    if (!strstr(tags, "bh="))
        add_base64(&text, "; bh=", hash, HASH_SIZE);
    if (!strstr(tags, "; b=")) {
        bytes_printf(&text, "; b=AAAA%s", last);
        struct span rest = span_bytes(&text);
        header_next(&rest, &field);
        dkim_signature_read(DKIM_SIGNATURE, &field, NOW, &read, &s);
        if (s.result.result == TRUST_NONE && dkim_fields_init(&fields, span_of(header))) {
            dkim_signature_hash(&s, &field, &read, &fields, NULL);
            signature_sign(key, s.header_hash, &signature);
            text.len -= 4 + strlen(last);
            add_base64(&text, "", signature.data, signature.len);
            bytes_add_str(&text, last);
            dkim_fields_free(&fields);
        }
    }
    bytes_clear(message);
    bytes_printf(message, "%s\r\n%s\r\n%s", bytes_str(&text), header, body);
    bytes_free(&text);
    bytes_free(&signature);
}

static bool is(const struct dkim_result *r, enum trust_result expected, const char *why)
{
    bool good =
        r->result == expected && (!why || strstr(r->why, why)) && (expected == TRUST_PASS) == !r->why[0];
    if (!good)
        printf("# %s: %s\n", trust_result_name(r->result), r->why);
    return good;
}

static void each_rule(const struct signature_key *key, struct bytes *message)
{
    static const struct zone_row rows[] = {
        { "sel._domainkey.example.org", RECORD, NULL },
        { "two.parts._domainkey.example.org", RECORD, NULL },
        { "later._domainkey.example.org", NULL, NULL },
        { "xn--sl-bja._domainkey.xn--bcher-kva.example", RECORD, NULL },
    };
    struct zone zone = { rows, sizeof rows / sizeof rows[0], 0 };
    struct dkim_result results[DKIM_SIGNATURES];
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const struct rule *r = &rules[i];
        sign(key, r->tags, HEADER, BODY, message);
        size_t n = verify_in_pieces(&zone, span_bytes(message), NOW, 4096, results);
        ok(n == 1 && is(&results[0], r->expected, r->why), "signature: %s", r->name);
    }
}

static void each_record(const struct signature_key *key, struct bytes *message)
{
    struct dkim_result results[DKIM_SIGNATURES];
    sign(key, PLAIN, HEADER, BODY, message);
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        const struct record *r = &records[i];
        const struct zone_row row = { "sel._domainkey.example.org", r->text, r->second };
        struct zone zone = { &row, 1, 0 };
        size_t n = verify_in_pieces(&zone, span_bytes(message), NOW, 4096, results);
        ok(n == 1 && is(&results[0], r->expected, r->why) && results[0].testing == r->testing, "record: %s",
           r->name);
    }
}

/* t=s: the domain of i= has to be d= itself. */
static void strict_identity(const struct signature_key *key, struct bytes *message)
{
    const struct zone_row row = { "sel._domainkey.example.org", "v=DKIM1; t=s; k=ed25519; p=" PUBLIC, NULL };
    struct zone zone = { &row, 1, 0 };
    struct dkim_result results[DKIM_SIGNATURES];
    sign(key, WITH("i=x@example.org"), HEADER, BODY, message);
    ok(verify_in_pieces(&zone, span_bytes(message), NOW, 4096, results) == 1 &&
           is(&results[0], TRUST_PASS, NULL),
       "t=s, and i= of d=");
    sign(key, WITH("i=x@sub.example.org"), HEADER, BODY, message);
    ok(verify_in_pieces(&zone, span_bytes(message), NOW, 4096, results) == 1 &&
           is(&results[0], TRUST_PERMERROR, "t=s"),
       "t=s, and i= of a subdomain");
}

static const struct {
    const char *name, *tags, *header, *body;
    enum trust_result expected;
} changes[] = {
    { "nothing", PLAIN, HEADER, BODY, TRUST_PASS },
    { "a field that isn't signed in front", PLAIN, "X: 1\r\n" HEADER, BODY, TRUST_PASS },
    { "a second Subject in front", PLAIN, "Subject: other\r\n" HEADER, BODY, TRUST_PASS },
    { "a second Subject behind", PLAIN, HEADER "Subject: other\r\n", BODY, TRUST_FAIL },
    { "a second Subject, oversigned", LIST("from:subject:subject"), "Subject: other\r\n" HEADER, BODY,
      TRUST_FAIL },
    { "a Reply-To that was signed as missing", LIST("from:reply-to"), "Reply-To: eve@example.com\r\n" HEADER,
      BODY, TRUST_FAIL },
    { "other folding, relaxed", WITH("c=relaxed"),
      "FROM:  Ann\r\n\t<ann@example.org> \r\nto:bob@example.net\r\nSubject : rules\r\n", BODY, TRUST_PASS },
    { "other folding, simple", PLAIN,
      "From:  Ann\r\n <ann@example.org>\r\nTo: bob@example.net\r\nSubject: rules\r\n", BODY, TRUST_FAIL },
    { "another order", PLAIN, "Subject: rules\r\nTo: bob@example.net\r\nFrom: Ann <ann@example.org>\r\n",
      BODY, TRUST_PASS },
    { "a field less", PLAIN, "From: Ann <ann@example.org>\r\nTo: bob@example.net\r\n", BODY, TRUST_FAIL },
    { "blanks behind the lines of the body, relaxed", WITH("c=simple/relaxed"), HEADER, "hello \t\r\n \r\n",
      TRUST_PASS },
    { "blanks behind the lines of the body, simple", PLAIN, HEADER, "hello \t\r\n", TRUST_FAIL },
    { "empty lines at the end", PLAIN, HEADER, "hello\r\n\r\n\r\n\r\n", TRUST_PASS },
    { "no line end at the end", PLAIN, HEADER, "hello", TRUST_PASS },
    { "something behind", PLAIN, HEADER, BODY "more\r\n", TRUST_FAIL },
    { "something behind what l= is", WITH("l=7"), HEADER, BODY "more\r\n", TRUST_POLICY },
    { "no body", PLAIN, HEADER, "", TRUST_FAIL },
    { "LF for CRLF", PLAIN, "From: Ann <ann@example.org>\nTo: bob@example.net\nSubject: rules\n", "hello\n",
      TRUST_PASS },
};

static void each_change(const struct signature_key *key, struct bytes *message)
{
    const struct zone_row row = { "sel._domainkey.example.org", RECORD, NULL };
    struct zone zone = { &row, 1, 0 };
    struct dkim_result results[DKIM_SIGNATURES];
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        sign(key, changes[i].tags, HEADER, BODY, message);
        message->len = (size_t)(strstr(message->data, "\r\nFrom: ") + 2 - message->data);
        bytes_printf(message, "%s\r\n%s", changes[i].header, changes[i].body);
        size_t n = verify_in_pieces(&zone, span_bytes(message), NOW, 3, results);
        bool good = n == 1 && results[0].result == changes[i].expected;
        if (!ok(good, "changed on the way: %s", changes[i].name))
            printf("# %zu %s: %s\n", n, trust_result_name(results[0].result), results[0].why);
    }
}

static void what_it_says(const struct signature_key *key, struct bytes *message)
{
    const struct zone_row row = { "xn--sl-bja._domainkey.xn--bcher-kva.example", RECORD, NULL };
    struct zone zone = { &row, 1, 0 };
    struct dkim_result r[DKIM_SIGNATURES];
    sign(key,
         "v=1; a=Ed25519-SHA256; d=B\xc3\xbc"
         "cher.example; s=S\xc3\xa9l; h=from; i=J=C3=B6=0A@m.b\xc3\xbc"
         "cher.Example",
         HEADER, BODY, message);
    verify_in_pieces(&zone, span_bytes(message), NOW, 4096, r);
    ok(r[0].result == TRUST_PASS && strcmp(r[0].domain, "xn--bcher-kva.example") == 0 &&
           strcmp(r[0].selector, "xn--sl-bja") == 0 &&
           strcmp(r[0].identity, "J\xc3\xb6?@m.xn--bcher-kva.example") == 0 &&
           strcmp(r[0].algorithm, "Ed25519-SHA256") == 0 && strlen(r[0].hash_head) == 8 && r[0].bits == 256,
       "names are given as DNS has them, i= without what a report can't have");
    sign(key, PLAIN "; zz=1; zz=2", HEADER, BODY, message);
    verify_in_pieces(&zone, span_bytes(message), NOW, 4096, r);
    ok(r[0].result == TRUST_NEUTRAL && !r[0].domain[0] && !r[0].selector[0] && !r[0].identity[0] &&
           !r[0].hash_head[0],
       "nothing is given of what can't be read");
    sign(key, "v=1; a=rsa-sha1; d=example.org; s=sel; h=to", HEADER, BODY, message);
    verify_in_pieces(&zone, span_bytes(message), NOW, 4096, r);
    ok(r[0].result == TRUST_POLICY && strcmp(r[0].domain, "example.org") == 0 &&
           strcmp(r[0].selector, "sel") == 0 && strcmp(r[0].identity, "@example.org") == 0,
       "but all that can, though it was refused before");
}

/* Twelve signatures: the first eight are looked at, each key is asked for once. */
static void several(const struct signature_key *key, struct bytes *message)
{
    const struct zone_row row = { "sel._domainkey.example.org", RECORD, NULL };
    struct zone zone = { &row, 1, 0 };
    struct dkim_result results[DKIM_SIGNATURES];
    struct dns_query queries[DKIM_SIGNATURES];
    struct bytes all;
    char tags[256];
    bytes_init(&all, 65536);
    for (int i = 0; i < 12; i++) {
        snprintf(tags, sizeof tags, "v=1; a=%s; d=example.org; s=%s; h=from; x=%d",
                 i == 3 ? "rsa-sha1" : "ed25519-sha256",
                 i == 2   ? "missing"
                 : i == 1 ? "SEL"
                          : "sel",
                 NOW + i);
        sign(key, tags, HEADER, BODY, message);
        bytes_add(&all, message->data, (size_t)(strstr(message->data, "\r\nFrom: ") + 2 - message->data));
    }
    bytes_add_str(&all, HEADER "\r\n" BODY);
    struct dkim_verifier *v =
        dkim_verify_start(span_head(span_bytes(&all), header_end(span_bytes(&all))), NOW);
    size_t n = dkim_verify_queries(v, queries, DKIM_SIGNATURES);
    ok(n == 2 && strcmp(queries[0].name, "sel._domainkey.example.org") == 0 && queries[0].type == DNS_TXT &&
           strcmp(queries[1].name, "missing._domainkey.example.org") == 0,
       "each key will be asked for once, and none for what is refused already");
    ok(dkim_verify_queries(v, queries, 1) == 1, "no more questions than there is room for");
    dkim_verify_free(v);
    n = verify_in_pieces(&zone, span_bytes(&all), NOW, 4096, results);
    ok(n == DKIM_SIGNATURES, "of many signatures the first eight are looked at");
    bool good = true, heads = true;
    for (size_t i = 0; i < n; i++) {
        good = good && results[i].result == (i == 2 ? TRUST_PERMERROR : i == 3 ? TRUST_POLICY : TRUST_PASS);
        for (size_t k = 0; k < i; k++)
            heads = heads && (i == 3 || k == 3 || strcmp(results[i].hash_head, results[k].hash_head) != 0);
    }
    ok(good && heads, "each has a result of its own, and is told from the others");
    v = dkim_verify_start(SPAN(HEADER), NOW);
    ok(dkim_verify_end(v, NULL, results) == 0, "where there is none there is no result");
    dkim_verify_free(v);
    bytes_free(&all);
}

/* RFC 6008: eight characters of b= are enough, unless they are the same. */
static void heads(void)
{
    struct zone zone = { NULL, 0, 0 };
    struct dkim_result r[DKIM_SIGNATURES];
#define HEAD(b) "DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=s; h=from; bh=x; b=" b "\r\n"
    size_t n = verify_in_pieces(
        &zone, SPAN(HEAD("AAAA AAAABBBB") HEAD("AAAAAAAACC\r\n CC") HEAD("DDDDDDDDEEEE") HEAD("FF")), NOW, 1,
        r);
    ok(n == 4 && strcmp(r[0].hash_head, "AAAAAAAABBBB") == 0 && strcmp(r[1].hash_head, "AAAAAAAACCCC") == 0 &&
           strcmp(r[2].hash_head, "DDDDDDDD") == 0 && strcmp(r[3].hash_head, "FF") == 0,
       "as much of b= as tells signatures apart");
}

int main(void)
{
    struct signature_key key;
    struct bytes message;
    bytes_init(&message, 65536);
    if (!ok(signature_key_load(span_of(ed25519_key), &key) == ST_OK && strcmp(ed25519_public, PUBLIC) == 0,
            "a key"))
        return done_testing();
    each_rule(&key, &message);
    each_record(&key, &message);
    strict_identity(&key, &message);
    each_change(&key, &message);
    what_it_says(&key, &message);
    several(&key, &message);
    heads();
    signature_key_free(&key);
    bytes_free(&message);
    return done_testing();
}
