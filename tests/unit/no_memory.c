/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Memory that runs out: each parser and writer is run with its first allocation refused, then its second, and
 * so on until it needs no more. Each time it must say that it failed (or do without: what it gives must be
 * right).
 */
#include "refusal.h"
#include "tap.h"

#include "text/base64.h"
#include "text/date.h"
#include "text/imap_body.h"
#include "text/subject.h"
#include "text/thread.h"
#include "text/unicode.h"
#include "text/unicode_search.h"
#include "text/utf7.h"
#include "text/words.h"
#include "trust/arc.h"
#include "trust/dkim.h"

#include <stdlib.h>

static const char message[] =
    "From: \"Joe Doe\" <joe@x.test>, Friends: a@b (c);\nTo: mary@y.test\nSubject: =?utf-8?B?w7w=?=\n"
    "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nSubject: x\n\ny\n"
    "--b\nContent-Type: text/plain; charset=utf-8; name=\"a b\"\nContent-ID: <a@b>\n"
    "Content-Disposition: attachment; filename=c\nContent-Transfer-Encoding: base64\n\neA==\n--b--\n";

static struct mime_part *parsed; /* of `message`, from before */

static bool run_parse(struct bytes *out)
{
    struct mime_part *root = mime_parse(SPAN(message));
    bool good = root && imap_body_structure(root, true, out);
    mime_free(root);
    return good;
}

static bool run_envelope(struct bytes *out)
{
    return imap_envelope(parsed->header, out);
}

static bool run_structure(struct bytes *out)
{
    return imap_body_structure(parsed, true, out);
}

static bool run_decode(struct bytes *out)
{
    return mime_decode(parsed->child->next, out);
}

static bool run_words(struct bytes *out)
{
    return words_decode(SPAN("=?utf-8?Q?=C3?= =?utf-8?Q?=BC?= =?koi8-r?B?8NLJ?= and words"), out);
}

static bool run_fold(struct bytes *out)
{
    return unicode_fold(SPAN("Stra\xc3\x9f" "e"), out);
}

static bool run_contains(struct bytes *out)
{
    (void)out;
    return unicode_contains(SPAN("Stra\xc3\x9f" "e"), SPAN("STRASSE"));
}

static bool run_nfc(struct bytes *out)
{
    return unicode_nfc(SPAN("u\xcc\x88"), out);
}

static bool run_utf7(struct bytes *out)
{
    return utf7_from_utf8(SPAN("Entw\xc3\xbcrfe"), out) && utf7_valid(SPAN("Entw&APw-rfe"));
}

static bool run_base64(struct bytes *out)
{
    return base64_encode(SPAN("abc"), out) && base64_decode(SPAN("YWJj"), out) &&
           base64_decode_body(SPAN("YWJj"), out) && quoted_printable_decode(SPAN("a=3Db"), out);
}

static bool run_date(struct bytes *out)
{
    return date_write(0, out) && date_write_imap(0, out);
}

static bool run_parameter(struct bytes *out)
{
    struct bytes value;
    bytes_init(&value, 1000);
    bool found = mime_parameter(SPAN("a/b; one=two; three=four"), "three", &value) && !value.failed;
    bytes_free(&value);
    (void)out;
    return found;
}

static bool run_parameters(struct bytes *out)
{
    return words_decode_parameters(SPAN("a; b*0*=koi8-r''%F0; b*1=x"), out);
}

static bool run_subject(struct bytes *out)
{
    bool reply;
    return subject_base(SPAN("Re: =?utf-8?Q?=C3=BC?= (fwd)"), out, &reply) &&
           subject_address(SPAN("=?utf-8?Q?=C3=BC?= <a@b>"), true, out);
}

static bool run_casemap(struct bytes *out)
{
    struct unicode_folder *f = unicode_folder_new(UNICODE_CASEMAP);
    bool good = f && unicode_folder_add(f, SPAN("Stra\xc3\x9f" "e \xef\xb7\xba"), out);
    unicode_folder_free(f);
    return good;
}

static bool run_threads(struct bytes *out)
{
    static const uint64_t key[2] = { 1, 2 };
    struct threads *t = threads_new(2, key);
    struct thread_message m[] = {
        { .number = 1, .message_id = SPAN("<a@b>"), .references = SPAN("<x@y>"), .subject = SPAN("s") },
        { .number = 2, .message_id = SPAN("<c@d>"), .references = SPAN("<x@y> <z@y>"), .subject = SPAN("s") },
    };
    bool good = t && threads_add(t, &m[0]) && threads_add(t, &m[1]) && threads_by_references(t);
    while (good && threads_write(t, out->len + 1, out))
        ;
    threads_free(t);
    return good && !out->failed;
}

static bool run_by_subject(struct bytes *out)
{
    static const uint64_t key[2] = { 1, 2 };
    struct threads *t = threads_new(1, key);
    bool good = t && threads_add(t, &(struct thread_message){ .number = 1 }) && threads_by_subject(t) &&
                !threads_write(t, 100, out);
    threads_free(t);
    return good && !out->failed;
}

#define SIGNED                                                                                                    \
    "DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=%s; c=relaxed/simple; h=from:to;\r\n i=x@a.test; b=AAAA;\r\n" \
    " bh=jqYFGh7MYxeYif85XvMXmARvjDLTOtQxJxncw9DaAqA=\r\n"

/* A key of two is there, and it was revoked: what the library computes with numbers ends the process without
 * memory. */
static enum status ask_keys(void *arg, const char *name, enum dns_type type, struct dns_answer *answer)
{
    (void)arg;
    (void)type;
    if (strcmp(name, "one._domainkey.a.test") != 0)
        return ST_NONE;
    answer->count = 1;
    answer->records[0].data = SPAN("\013v=DKIM1; p=");
    return ST_OK;
}

static bool run_dkim_verify(struct bytes *out)
{
    static const struct trust_lookup lookup = { NULL, ask_keys, NULL };
    static const char header[] = "From: a@a.test\r\nTo: b@b.test\r\n";
    struct dkim_result results[DKIM_SIGNATURES];
    struct bytes all;
    bytes_init(&all, 4096);
    bool good = bytes_printf(&all, SIGNED SIGNED "%s", "one", "two", header);
    struct dkim_verifier *v = good ? dkim_verify_start(span_bytes(&all), 1700000000) : NULL;
    if (v)
        dkim_verify_body(v, SPAN("plain\r\n"));
    size_t count = v ? dkim_verify_end(v, &lookup, results) : 0;
    good = v != NULL;
    for (size_t i = 0; i < count; i++) {
        good = good && results[i].result != TRUST_TEMPERROR;
        bytes_printf(out, "%s %s %s %s\n", trust_result_name(results[i].result), results[i].why,
                     results[i].identity, results[i].domain);
    }
    dkim_verify_free(v);
    bytes_free(&all);
    return good && !out->failed;
}

static enum status sign_nothing(void *arg, size_t key, const unsigned char hash[HASH_SIZE],
                                struct bytes *signature)
{
    (void)arg;
    (void)key;
    return bytes_add(signature, hash, HASH_SIZE) ? ST_OK : ST_TEMP;
}

static bool run_dkim_sign(struct bytes *out)
{
    static const struct dkim_signing what = { .domain = "a.test",
                                              .keys = { { "s", SIGNATURE_RSA_SHA256 },
                                                        { "t", SIGNATURE_ED25519_SHA256 } },
                                              .count = 2,
                                              .now = 1700000000 };
    struct dkim_signer *s = dkim_sign_start(SPAN("From: a@a.test\r\nTo: b@b.test\r\n"), &what);
    if (s)
        dkim_sign_body(s, SPAN("plain\r\n"));
    bool good = s && dkim_sign_end(s, sign_nothing, NULL, out) == ST_OK;
    dkim_sign_free(s);
    return good;
}

static enum status seal_nothing(void *arg, struct span data, struct bytes *signature)
{
    (void)arg;
    return bytes_add_span(signature, span_head(data, HASH_SIZE)) ? ST_OK : ST_TEMP;
}

static bool run_arc_seal(struct bytes *out)
{
    static const struct arc_result none = { .result = TRUST_NONE };
    static const struct arc_sealing what = {
        .header = { "From: a@a.test\r\nTo: b@b.test\r\n", 30 },
        .body = { "plain\r\n", 7 },
        .chain = &none,
        .results = { "ARC-Authentication-Results: i=1; x; none\r\n", 42 },
        .domain = "a.test",
        .selector = "s",
        .algorithm = SIGNATURE_ED25519_SHA256,
        .now = 1700000000,
    };
    return arc_seal(&what, seal_nothing, NULL, out) == ST_OK;
}

/* A chain that is good but for what signs it. */
static bool run_arc_verify(struct bytes *out)
{
    static const struct trust_lookup lookup = { NULL, ask_keys, NULL };
    static struct bytes sealed; /* made by the first run, of which nothing is refused */
    struct arc_result result = { .temporary = true };
    struct dkim_result unused[DKIM_SIGNATURES];
    if (!sealed.data) {
        bytes_init(&sealed, 8192);
        if (!run_arc_seal(&sealed) || !bytes_add_str(&sealed, "From: a@a.test\r\nTo: b@b.test\r\n"))
            return false;
    }
    struct dkim_verifier *d = dkim_verify_start(span_bytes(&sealed), 1700000000);
    struct arc_verifier *v = d ? arc_verify_start(span_bytes(&sealed), 1700000000, d) : NULL;
    if (v) {
        dkim_verify_body(d, SPAN("plain\r\n"));
        dkim_verify_end(d, &lookup, unused);
        arc_verify_end(v, d, &lookup, &result);
    }
    arc_verify_free(v);
    dkim_verify_free(d);
    return !result.temporary &&
           bytes_printf(out, "%s %u %s", trust_result_name(result.result), result.newest, result.why);
}

static const struct {
    const char *name;
    bool (*run)(struct bytes *out);
} runs[] = {
    { "mime_parse", run_parse },
    { "imap_envelope", run_envelope },
    { "imap_body_structure", run_structure },
    { "mime_decode", run_decode },
    { "words_decode", run_words },
    { "unicode_fold", run_fold },
    { "unicode_contains", run_contains },
    { "unicode_nfc", run_nfc },
    { "modified UTF-7", run_utf7 },
    { "base64", run_base64 },
    { "dates", run_date },
    { "mime_parameter", run_parameter },
    { "words_decode_parameters", run_parameters },
    { "subjects", run_subject },
    { "i;unicode-casemap", run_casemap },
    { "threads_by_references", run_threads },
    { "threads_by_subject", run_by_subject },
    { "verifying DKIM", run_dkim_verify },
    { "signing by DKIM", run_dkim_sign },
    { "sealing by ARC", run_arc_seal },
    { "verifying ARC", run_arc_verify },
};

int main(void)
{
    parsed = mime_parse(SPAN(message));
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        long count = 0;
        bool right = true;
        struct bytes whole;
        bytes_init(&whole, 1 << 20);
        bool good = runs[i].run(&whole);
    
        do {
            struct bytes out;
            bytes_init(&out, 1 << 20);
            refused = false;
            left = count;
            good = runs[i].run(&out);
            left = -1;
            right = right && (good || refused) && (!good || span_eq(span_bytes(&out), span_bytes(&whole)));
            bytes_free(&out);
            count++;
        } while (refused && count < 10000);
        bytes_free(&whole);
        ok(good && right, "%s, with each of %ld allocations refused", runs[i].name, count - 1);
    }
    mime_free(parsed);
    return done_testing();
}
