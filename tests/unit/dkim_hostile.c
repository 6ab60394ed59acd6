/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages and answers made to cost: an answer comes for each, in bounded time and memory. Times are of the
 * processor and generous, so that only another order of growth is over them.
 */
#include "tap.h"

#include "dkim.h"
#include "text/base64.h"

#include <sys/resource.h>
#include <time.h>

#define NOW 1700000000
#define MEBIBYTE ((size_t)1 << 20)
#define SECONDS 5.0 /* for any of them: most take some hundredths */
#ifdef __SANITIZE_ADDRESS__
#define MEMORY 1048576
#else
#define MEMORY 131072 /* KiB more than at the start */
#endif

#define PLAIN                                                                                                \
    "v=1; a=ed25519-sha256; d=example.org; s=sel; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA"
#define RELAXED PLAIN "; c=relaxed/relaxed"

static struct dkim_result results[DKIM_SIGNATURES];
static const struct zone_row row = {
    "sel._domainkey.example.org", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", NULL
};
static struct zone zone = { &row, 1, 0 };

static void repeat(struct bytes *out, const char *text, size_t bytes)
{
    for (size_t n = strlen(text), end = out->len + bytes; out->len + n <= end && !out->failed;)
        bytes_add(out, text, n);
}

/* One DKIM-Signature field or several, with `text` repeated within up to so many bytes. */
static void add_field(struct bytes *out, const char *head, const char *text, size_t bytes, const char *tail)
{
    bytes_printf(out, "DKIM-Signature: %s", head);
    repeat(out, text, bytes);
    bytes_printf(out, "%s\r\n", tail);
}

static void expect(const char *name, const struct bytes *message, size_t piece, size_t count,
                   enum trust_result result)
{
    clock_t start = clock();
    size_t n = verify_in_pieces(&zone, span_bytes(message), NOW, piece, results);
    double took = (double)(clock() - start) / CLOCKS_PER_SEC;
    bool same = n == count;
    for (size_t i = 0; i < n; i++)
        same = same && results[i].result == result;
    if (!ok(!message->failed && same && took < SECONDS, "%s (%.0f ms)", name, took * 1000))
        printf("# %zu results, %s: %s\n", n, n ? trust_result_name(results[0].result) : "",
               n ? results[0].why : "");
}

static const struct {
    const char *name, *head, *text, *tail;
    size_t bytes;
    enum trust_result result;
} fields[] = {
    { "thousands of tags", PLAIN "; h=from", "; x=y", "", 900000, TRUST_NEUTRAL },
    { "thousands of empty tags", PLAIN "; h=from", ";", "", 900000, TRUST_NEUTRAL },
    { "a tag's name without end", PLAIN "; h=from; ", "name", "", 900000, TRUST_NEUTRAL },
    { "blanks without end", PLAIN "; h=from; ", "\r\n ", "", 900000, TRUST_FAIL },
    { "h= of names that aren't there", PLAIN "; h=from", ":x", "", 900000, TRUST_FAIL },
    { "h= of names that are there once", PLAIN "; h=from", ":from", "", 900000, TRUST_FAIL },
    { "h= of colons", PLAIN "; h=from", ":", "", 900000, TRUST_NEUTRAL },
    { "h= of one name", PLAIN "; h=from:", "a", "", 900000, TRUST_FAIL },
    { "h= of blanks", RELAXED "; h=from:to", " ", "", 900000, TRUST_FAIL },
    { "h= of folds", RELAXED "; h=from:to", "\r\n\t", "", 900000, TRUST_FAIL },
    { "a b= without end",
      "v=1; a=rsa-sha256; d=example.org; s=sel; h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=",
      "AAAA", "", 900000, TRUST_NEUTRAL },
    { "a b= of blanks",
      "v=1; a=rsa-sha256; d=example.org; s=sel; h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=",
      " ", "", 900000, TRUST_NEUTRAL },
    { "a d= without end",
      "v=1; a=rsa-sha256; s=sel; h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA; d=", "a.",
      "org", 900000, TRUST_NEUTRAL },
    { "a d= of U-labels without end",
      "v=1; a=rsa-sha256; s=sel; h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA; d=",
      "\xc3\xbc.", "org", 900000, TRUST_NEUTRAL },
    { "an i= without end", PLAIN "; h=from; i=", "a", "@example.org", 900000, TRUST_NEUTRAL },
    { "an i= of at signs", PLAIN "; h=from; i=", "@", "example.org", 900000, TRUST_NEUTRAL },
    { "an l= without end", PLAIN "; h=from; l=", "9", "", 900000, TRUST_NEUTRAL },
    { "a c= of slashes", PLAIN "; h=from; c=", "/", "", 900000, TRUST_NEUTRAL },
    { "a q= without end", PLAIN "; h=from; q=", "dns:", "dns/txt", 900000, TRUST_FAIL },
};

static void long_fields(void)
{
    struct bytes message;
    bytes_init(&message, 16 * MEBIBYTE);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        bytes_clear(&message);
        for (int k = 0; k < 3; k++)
            add_field(&message, fields[i].head, fields[i].text, fields[i].bytes, fields[i].tail);
        bytes_add_str(&message, "From: ann@example.org\r\n\r\n");
        expect(fields[i].name, &message, 4096, 3, fields[i].result);
    }
    bytes_free(&message);
}

static void many_fields(void)
{
    struct bytes message;
    bytes_init(&message, 16 * MEBIBYTE);
    repeat(&message, "a:\r\n", MEBIBYTE);
    for (int i = 0; i < 20; i++)
        add_field(&message, PLAIN "; h=from", ":a", 200000, "");
    bytes_add_str(&message, "From: ann@example.org\r\n\r\n");
    expect("a header of 262,144 fields, and signatures of as many", &message, 4096, DKIM_SIGNATURES,
           TRUST_FAIL);
    bytes_clear(&message);
    for (unsigned i = 0; i < 60000; i++)
        bytes_printf(&message, "x%08u: 1\r\n", i * 2654435761U % 100000000);
    for (int i = 0; i < 8; i++) {
        bytes_add_str(&message, "DKIM-Signature: " PLAIN "; h=from");
        for (unsigned k = 0; k < 20000; k++)
            bytes_printf(&message, ":x%08u", k * 2654435761U % 100000000);
        bytes_add_str(&message, "\r\n");
    }
    bytes_add_str(&message, "From: ann@example.org\r\n\r\n");
    expect("a header of 60,000 names, and signatures of 20,000", &message, 4096, DKIM_SIGNATURES, TRUST_FAIL);
    bytes_clear(&message);
    for (int i = 0; i < 100000; i++)
        bytes_add_str(&message, "DKIM-Signature:\r\n");
    bytes_add_str(&message, "From: ann@example.org\r\n\r\n");
    expect("100,000 signatures of nothing", &message, 4096, DKIM_SIGNATURES, TRUST_NEUTRAL);
    bytes_free(&message);
}

static void long_bodies(void)
{
    static const char *const texts[] = { "\r\n", " \r\n", "a b", " \t", "\r", "\n", "\r\r\n", "\r\n\r\nx" };
    struct bytes message;
    bytes_init(&message, 24 * MEBIBYTE);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        bytes_clear(&message);
        bytes_add_str(&message,
                      "DKIM-Signature: " PLAIN "; h=from; l=999999999999\r\nDKIM-Signature: " RELAXED
                      "; h=from; l=999999999999\r\nFrom: ann@example.org\r\n\r\n");
        repeat(&message, texts[i], 16 * MEBIBYTE);
        bytes_add_str(&message, ".\r\n");
        char name[64];
        snprintf(name, sizeof name, "a body of 16 MiB, repeated text %zu", i);
        expect(name, &message, i % 2 ? 1 : 65536, 2, TRUST_PERMERROR);
    }
    bytes_free(&message);
}

/* What DNS answers, as bytes of a record's data. */
static const struct {
    const char *name, *data;
    size_t n;
    enum trust_result result;
} answers[] = {
#define RAW(data) data, sizeof(data) - 1
    { "no data at all", RAW(""), TRUST_PERMERROR },
    { "an empty string", RAW("\0"), TRUST_PERMERROR },
    { "a string longer than the record", RAW("\377v=DKIM1; p=AAAA"), TRUST_PERMERROR },
    { "a second string longer than the record", RAW("\013v=DKIM1; p=\010AAAA"), TRUST_PERMERROR },
    { "a string that ends early", RAW("\003v=DKIM1; p=AAAA"), TRUST_PERMERROR },
    { "strings of one byte", RAW("\1v\1=\1D\1K\1I\1M\1\061\1;\1p\1="), TRUST_PERMERROR },
    { "bytes of every kind", RAW("\020\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17"), TRUST_PERMERROR },
};

static enum status ask_raw(void *arg, const char *name, enum dns_type type, struct dns_answer *answer)
{
    const struct span *data = arg;
    (void)name;
    (void)type;
    bytes_init(&answer->raw, DNS_ANSWER_LIMIT);
    bytes_add_span(&answer->raw, *data);
    for (answer->count = 0; answer->count < DNS_RECORDS; answer->count++) {
        answer->records[answer->count].type = DNS_TXT;
        answer->records[answer->count].data = span_bytes(&answer->raw);
    }
    return ST_OK;
}

/* What a signature that is good so far comes to with all records like that. */
static void answered(const char *name, struct span data, enum trust_result result)
{
    static const char header[] =
        "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=sel; h=from; c=relaxed/relaxed;\r\n"
        " bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\nFrom: ann@example.org\r\n\r\n";
    const struct trust_lookup lookup = { &data, ask_raw, NULL };
    struct dkim_verifier *v = dkim_verify_start(SPAN(header), NOW);
    clock_t start = clock();
    size_t n = dkim_verify_end(v, &lookup, results);
    double took = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (!ok(n == 1 && results[0].result == result && took < 1, "DNS: %s (%.0f ms)", name, took * 1000))
        printf("# %s: %s\n", trust_result_name(results[0].result), results[0].why);
    dkim_verify_free(v);
}

/* A TXT record's strings. */
static void add_strings(struct bytes *out, struct span text)
{
    for (; text.n; text = span_from(text, 255)) {
        struct span string = span_head(text, 255);
        bytes_add_char(out, (char)(unsigned char)string.n);
        bytes_add_span(out, string);
    }
}

static void lying_answers(void)
{
    struct bytes text, data;
    bytes_init(&text, DNS_ANSWER_LIMIT);
    bytes_init(&data, DNS_ANSWER_LIMIT);
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        answered(answers[i].name, (struct span){ answers[i].data, answers[i].n }, answers[i].result);
    static const struct {
        const char *name, *head, *text;
        enum trust_result result;
    } long_ones[] = {
        { "60,000 bytes of key", "v=DKIM1; p=", "AAAA", TRUST_PERMERROR },
        { "60,000 bytes of blanks", "v=DKIM1; p=", " ", TRUST_PERMERROR },
        { "60,000 bytes of tags", "v=DKIM1; p=AAAA", "; a=b", TRUST_PERMERROR },
        { "60,000 bytes of flags", "v=DKIM1; p=AAAA; t=", "y:", TRUST_PERMERROR },
        { "60,000 bytes of services", "v=DKIM1; p=AAAA; s=x", ":x", TRUST_PERMERROR },
    };
    for (size_t i = 0; i < sizeof long_ones / sizeof long_ones[0]; i++) {
        bytes_clear(&text);
        bytes_clear(&data);
        bytes_add_str(&text, long_ones[i].head);
        repeat(&text, long_ones[i].text, 60000);
        add_strings(&data, span_bytes(&text));
        answered(long_ones[i].name, span_bytes(&data), long_ones[i].result);
    }
    bytes_free(&text);
    bytes_free(&data);
}

/* Keys of every size, and broken ones: what p= has, before base64. */
static const struct {
    const char *name;
    size_t modulus; /* bytes, all of them ff; 0: `der` is all there is */
    const char *der;
    enum trust_result result;
} keys[] = {
    { "an RSA key of 512 bits", 64, "", TRUST_POLICY },
    { "of 1,016 bits", 127, "", TRUST_POLICY },
    { "of 1,024 bits", 128, "", TRUST_FAIL },
    { "of 4,096 bits", 512, "", TRUST_FAIL },
    { "of 8,192 bits", 1024, "", TRUST_FAIL },
    { "of 8,200 bits", 1025, "", TRUST_POLICY },
    { "of 15,000 bits", 1875, "", TRUST_POLICY },
    { "of 16,384 bits", 2048, "", TRUST_POLICY },
    { "of 65,536 bits", 8192, "", TRUST_PERMERROR },
    { "no key at all", 0, "text", TRUST_PERMERROR },
    { "a sequence that lies about its length", 0, "\x30\x84\x7f\xff\xff\xff\x02\x01\x05", TRUST_PERMERROR },
    { "a sequence of nothing", 0, "\x30", TRUST_PERMERROR },
};

static void add_length(struct bytes *out, char tag, size_t n)
{
    const char head[] = { tag, (char)0x82, (char)(n >> 8), (char)n };
    if (n < 128)
        bytes_add(out, (char[]){ tag, (char)n }, 2);
    else if (n < 256)
        bytes_add(out, (char[]){ tag, (char)0x81, (char)n }, 3);
    else
        bytes_add(out, head, 4);
}

static void keys_of_every_size(void)
{
    struct bytes der, inner, text, data;
    bytes_init(&der, DNS_ANSWER_LIMIT);
    bytes_init(&inner, DNS_ANSWER_LIMIT);
    bytes_init(&text, DNS_ANSWER_LIMIT);
    bytes_init(&data, DNS_ANSWER_LIMIT);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        bytes_clear(&der);
        bytes_clear(&inner);
        bytes_clear(&text);
        bytes_clear(&data);
        if (keys[i].modulus) {
            add_length(&inner, 0x02, keys[i].modulus + 1);
            bytes_add_char(&inner, '\0');
            repeat(&inner, "\xff", keys[i].modulus);
            bytes_add(&inner, "\x02\x03\x01\x00\x01", 5);
            add_length(&der, 0x30, inner.len);
            bytes_add_span(&der, span_bytes(&inner));
        }
        bytes_add_str(&der, keys[i].der);
        bytes_add_str(&text, "v=DKIM1; p=");
        base64_encode(span_bytes(&der), &text);
        add_strings(&data, span_bytes(&text));
        answered(keys[i].name, span_bytes(&data), keys[i].result);
    }
    bytes_free(&der);
    bytes_free(&inner);
    bytes_free(&text);
    bytes_free(&data);
}

int main(void)
{
    struct rusage before, after;
    struct bytes largest; /* the tests' own: it counts for nothing */
    bytes_init(&largest, 24 * MEBIBYTE);
    repeat(&largest, "x", 24 * MEBIBYTE);
    bytes_free(&largest);
    getrusage(RUSAGE_SELF, &before);
    long_fields();
    many_fields();
    long_bodies();
    lying_answers();
    keys_of_every_size();
    getrusage(RUSAGE_SELF, &after);
    ok(after.ru_maxrss - before.ru_maxrss < MEMORY, "all that took %ld KiB more",
       after.ru_maxrss - before.ru_maxrss);
    return done_testing();
}
