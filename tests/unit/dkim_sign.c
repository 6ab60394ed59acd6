/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Signing: what the fields look like, what they cover, what may be added to a message on its way and what
 * not.
 */
#include "tap.h"

#include "dkim.h"
#include "signature_keys.h"

#define NOW 1700000000

#define HEADER                                                                                               \
    "Received: by here; Thu, 1 Jan 2026 00:00:00 +0000\r\n"                                                  \
    "From: Ann <ann@example.org>\r\n"                                                                        \
    "To: bob@example.net\r\n"                                                                                \
    "Date: Thu, 1 Jan 2026 00:00:00 +0000\r\n"                                                               \
    "Message-ID: <1@example.org>\r\n"                                                                        \
    "Subject: signed\r\n"                                                                                    \
    "Subject: twice\r\n"                                                                                     \
    "List-Id: <l.example.org>\r\n"
#define BODY "\r\nhello\r\n"

static struct signature_key keys[2]; /* RSA, Ed25519 */
static char records[2][1024];
static const struct zone_row rows[] = {
    { "first._domainkey.example.org", records[0], NULL },
    { "second._domainkey.example.org", records[1], NULL },
};
static const struct dkim_signing both = {
    .domain = "example.org",
    .keys = { { "first", SIGNATURE_RSA_SHA256 }, { "second", SIGNATURE_ED25519_SHA256 } },
    .count = 2,
    .now = NOW,
    .header = DKIM_RELAXED,
    .body = DKIM_RELAXED,
};

static bool load_keys(void)
{
    const char *pem[] = { rsa_1024_key, ed25519_key };
    struct bytes public, record;
    bytes_init(&public, SIGNATURE_PUBLIC_LIMIT);
    bytes_init(&record, sizeof records[0] - 1);
    bool good = true;
    for (int i = 0; i < 2 && good; i++) {
        bytes_clear(&public);
        bytes_clear(&record);
        good = signature_key_load(span_of(pem[i]), &keys[i]) == ST_OK &&
               signature_public(&keys[i], &public) == ST_OK &&
               dkim_record(keys[i].algorithm, span_bytes(&public), &record) &&
               span_copy(span_bytes(&record), records[i], sizeof records[i]);
    }
    bytes_free(&public);
    bytes_free(&record);
    return good;
}

static enum status sign_hash(void *arg, size_t key, const unsigned char hash[HASH_SIZE],
                             struct bytes *signature)
{
    size_t *refuse = arg;
    if (refuse && key == *refuse)
        return ST_PERM;
    return signature_sign(&keys[key], hash, signature);
}

/* The message's DKIM-Signature fields, into `out`; false if it isn't signed. */
static bool sign(const struct dkim_signing *what, struct span message, struct bytes *out)
{
    size_t head = header_end(message);
    struct dkim_signer *s = dkim_sign_start(span_head(message, head), what);
    if (!s)
        return false;
    for (struct span body = span_from(message, head); body.n; body = span_from(body, 5))
        dkim_sign_body(s, span_head(body, 5));
    bool good = dkim_sign_end(s, sign_hash, NULL, out) == ST_OK;
    dkim_sign_free(s);
    return good;
}

/* How many of a message's signatures pass; -1 where another number than `count` is there. */
static int passing(struct span message, size_t count)
{
    struct zone zone = { rows, 2, 0 };
    struct dkim_result results[DKIM_SIGNATURES];
    int passed = 0;
    if (verify_in_pieces(&zone, message, NOW, 4096, results) != count)
        return -1;
    for (size_t i = 0; i < count; i++) {
        passed += results[i].result == TRUST_PASS;
        if (results[i].result != TRUST_PASS)
            printf("# %s: %s\n", trust_result_name(results[i].result), results[i].why);
    }
    return passed;
}

static void every_canonicalization(void)
{
    static const enum dkim_canonical canonical[] = { DKIM_SIMPLE, DKIM_RELAXED };
    struct bytes out;
    bytes_init(&out, 65536);
    for (int i = 0; i < 4; i++) {
        struct dkim_signing what = both;
        what.header = canonical[i & 1];
        what.body = canonical[i >> 1];
        bytes_clear(&out);
        bool good = sign(&what, SPAN(HEADER BODY), &out);
        bytes_add_str(&out, HEADER BODY);
        ok(good && passing(span_bytes(&out), 2) == 2, "what is signed passes: %s/%s",
           i & 1 ? "relaxed" : "simple", i >> 1 ? "relaxed" : "simple");
    }
    bytes_free(&out);
}

static void looks(void)
{
    struct bytes out;
    struct dkim_signing what = both;
    bytes_init(&out, 65536);
    what.lifetime = 3600;
    sign(&what, SPAN(HEADER BODY), &out);
    const char *expected = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
                           "\td=example.org; s=first;\r\n"
                           "\tt=1700000000; x=1700003600;\r\n"
                           "\th=From:From:To:To:Cc:Subject:Subject:Subject:Reply-To:Date:Date:\r\n"
                           "\t Message-ID:Message-ID:MIME-Version:Content-Type:\r\n"
                           "\t Content-Transfer-Encoding:List-Id;\r\n"
                           "\tbh=";
    if (!ok(span_starts(span_bytes(&out), expected), "the field, as it is written"))
        printf("# %s\n", bytes_str(&out));
    size_t longest = 0, count = header_count(span_bytes(&out), "DKIM-Signature");
    bool ends = out.len > 2 && strcmp(out.data + out.len - 2, "\r\n") == 0;
    struct span rest = span_bytes(&out), line;
    while (span_cut(&rest, '\n', &line)) {
        longest = line.n > longest ? line.n : longest;
        ends = ends && (line.n == 0 || line.p[line.n - 1] == '\r');
    }
    ok(count == 2 && ends && longest <= 78, "two fields, of lines with CRLF and at most 78 columns (%zu)",
       longest);
    ok(strstr(bytes_str(&out), "a=ed25519-sha256;") > strstr(bytes_str(&out), "a=rsa-sha256;"),
       "in the order of the keys");
    bytes_clear(&out);
    sign(&both, SPAN(HEADER BODY), &out);
    ok(!strstr(bytes_str(&out), "x="), "no x= unless asked for");
    bytes_free(&out);
}

static const struct {
    const char *name, *added, *behind; /* above the message's own fields, or below */
    bool passes;
} additions[] = {
    { "nothing", "", "", true },
    { "Received", "Received: by there; Thu, 1 Jan 2026 00:00:00 +0000\r\n", "", true },
    { "Return-Path", "Return-Path: <ann@example.org>\r\n", "", true },
    { "another list's List-Id", "List-Id: <other>\r\n", "", true },
    { "List-Unsubscribe", "List-Unsubscribe: <mailto:x@example.com>\r\n", "", true },
    { "Sender", "Sender: list@example.com\r\n", "", true },
    { "Resent-From", "Resent-From: x@example.com\r\n", "", true },
    { "From", "From: Eve <eve@example.com>\r\n", "", false },
    { "From behind", "", "From: Eve <eve@example.com>\r\n", false },
    { "Subject", "Subject: another\r\n", "", false },
    { "To", "To: eve@example.com\r\n", "", false },
    { "Cc", "Cc: eve@example.com\r\n", "", false },
    { "Reply-To", "Reply-To: eve@example.com\r\n", "", false },
    { "Date", "Date: Fri, 2 Jan 2026 00:00:00 +0000\r\n", "", false },
    { "Message-ID", "Message-ID: <2@example.org>\r\n", "", false },
    { "MIME-Version", "MIME-Version: 1.0\r\n", "", false },
    { "Content-Type", "Content-Type: text/html\r\n", "", false },
    { "Content-Transfer-Encoding", "Content-Transfer-Encoding: base64\r\n", "", false },
};

static void on_the_way(void)
{
    struct bytes fields, message;
    bytes_init(&fields, 65536);
    bytes_init(&message, 65536);
    sign(&both, SPAN(HEADER BODY), &fields);
    for (size_t i = 0; i < sizeof additions / sizeof additions[0]; i++) {
        bytes_clear(&message);
        bytes_printf(&message, "%s%s%s%s%s", additions[i].added, bytes_str(&fields), HEADER,
                     additions[i].behind, BODY);
        ok(passing(span_bytes(&message), 2) == (additions[i].passes ? 2 : 0), "added on the way: %s: %s",
           additions[i].name, additions[i].passes ? "passes" : "doesn't");
    }
    /* A relay that signs too: both its signature and ours pass. */
    bytes_clear(&message);
    bytes_printf(&message, "Received: by there\r\n%s%s%s", bytes_str(&fields), HEADER, BODY);
    bytes_clear(&fields);
    bool good = sign(&both, span_bytes(&message), &fields) && bytes_add_span(&fields, span_bytes(&message));
    ok(good && passing(span_bytes(&fields), 4) == 4, "signed again by the next one: all pass");
    bytes_free(&fields);
    bytes_free(&message);
}

static void refused(void)
{
    struct bytes out;
    struct dkim_signing what = both;
    bytes_init(&out, 65536);
    ok(!dkim_sign_start(SPAN("To: x\r\nSubject: y\r\n\r\n"), &both), "without From nothing is signed");
    ok(!dkim_sign_start(SPAN(""), &both), "nor an empty header");
    what.count = DKIM_KEYS + 1;
    ok(!dkim_sign_start(SPAN(HEADER), &what), "nor with more keys than there may be");
    for (size_t key = 0; key < 2; key++) {
        struct dkim_signer *s = dkim_sign_start(SPAN(HEADER), &both);
        bytes_clear(&out);
        bytes_add_str(&out, "kept");
        ok(dkim_sign_end(s, sign_hash, &key, &out) == ST_PERM && strcmp(bytes_str(&out), "kept") == 0,
           "a key that can't sign: no field at all (%zu)", key);
        dkim_sign_free(s);
    }
    struct dkim_signer *s = dkim_sign_start(SPAN(HEADER), &both);
    bytes_free(&out);
    out.limit = 600;
    ok(dkim_sign_end(s, sign_hash, NULL, &out) == ST_TEMP && out.len == 0,
       "nor where there is no room for all of them");
    dkim_sign_free(s);
    what.count = 0;
    out.limit = 65536;
    bytes_clear(&out);
    ok(sign(&what, SPAN(HEADER BODY), &out) && out.len == 0, "no key, no field");
    bytes_free(&out);
}

/* Fields by the thousand, and more than h= may have. */
static void many_fields(void)
{
    struct bytes header, out;
    bytes_init(&header, 4 << 20);
    bytes_init(&out, 8 << 20);
    bytes_add_str(&header, "From: ann@example.org\r\n");
    for (int i = 0; i < 3000; i++)
        bytes_printf(&header, "To: %d@example.net\r\n", i);
    size_t short_one = header.len;
    for (int i = 0; i < 30000; i++)
        bytes_printf(&header, "Subject: %d\r\n", i);
    bool good = sign(&both, span_head(span_bytes(&header), short_one), &out);
    bytes_add_span(&out, span_head(span_bytes(&header), short_one));
    ok(good && passing(span_bytes(&out), 2) == 2, "a header of 3,000 fields to be signed");
    ok(!dkim_sign_start(span_bytes(&header), &both), "one of 30,000 isn't signed");
    bytes_free(&header);
    bytes_free(&out);
}

/* One signature by an RSA key of that size passes, and says how long the key is. */
static void of_size(const char *pem, unsigned bits)
{
    static char text[2048];
    const struct zone_row row = { "first._domainkey.example.org", text, NULL };
    struct zone zone = { &row, 1, 0 };
    struct dkim_result results[DKIM_SIGNATURES];
    struct signature_key usual = keys[0];
    struct dkim_signing what = both;
    struct bytes public, record, message;
    bytes_init(&public, SIGNATURE_PUBLIC_LIMIT);
    bytes_init(&record, sizeof text - 1);
    bytes_init(&message, 65536);
    what.count = 1;
    bool good = signature_key_load(span_of(pem), &keys[0]) == ST_OK &&
                signature_public(&keys[0], &public) == ST_OK &&
                dkim_record(SIGNATURE_RSA_SHA256, span_bytes(&public), &record) &&
                span_copy(span_bytes(&record), text, sizeof text) && sign(&what, SPAN(HEADER BODY), &message);
    bytes_add_str(&message, HEADER BODY);
    ok(good && verify_in_pieces(&zone, span_bytes(&message), NOW, 4096, results) == 1 &&
           results[0].result == TRUST_PASS && results[0].bits == bits,
       "an RSA key of %u bits", bits);
    signature_key_free(&keys[0]);
    keys[0] = usual;
    bytes_free(&public);
    bytes_free(&record);
    bytes_free(&message);
}

static void record_text(void)
{
    struct bytes out;
    bytes_init(&out, 4096);
    ok(dkim_record(SIGNATURE_ED25519_SHA256, SPAN("abc"), &out) &&
           strcmp(bytes_str(&out), "v=DKIM1; k=ed25519; h=sha256; p=YWJj") == 0,
       "a record's text");
    out.limit = 5;
    bytes_clear(&out);
    bytes_free(&out);
    ok(!dkim_record(SIGNATURE_ED25519_SHA256, SPAN("abc"), &out), "needs room");
    bytes_free(&out);
}

int main(void)
{
    if (!ok(load_keys(), "two keys"))
        return done_testing();
    every_canonicalization();
    looks();
    on_the_way();
    refused();
    many_fields();
    record_text();
    of_size(rsa_1024_key, 1024);
    of_size(rsa_4096_key, 4096);
    for (int i = 0; i < 2; i++)
        signature_key_free(&keys[i]);
    return done_testing();
}
