/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The examples of the standards: messages whose signatures were made by others, with the keys that are
 * printed beside them (RFC 6376 appendix A and C, RFC 8463 appendix A), and the canonical forms of RFC
 * 6376 3.4.5.
 */
#include "tap.h"

#include "dkim.h"
#include "trust/dkim_private.h"

#define MAIL                                                                                                 \
    "From: Joe SixPack <joe@football.example.com>\r\n"                                                       \
    "To: Suzie Q <suzie@shopping.example.net>\r\n"                                                           \
    "Subject: Is dinner ready?\r\n"                                                                          \
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"                                                        \
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"                                       \
    "\r\n"                                                                                                   \
    "Hi.\r\n"                                                                                                \
    "\r\n"                                                                                                   \
    "We lost the game. Are you hungry yet?\r\n"                                                              \
    "\r\n"                                                                                                   \
    "Joe.\r\n"

static const char rfc6376[] = "DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\r\n"
                              "      c=simple/simple; q=dns/txt; i=joe@football.example.com;\r\n"
                              "      h=Received : From : To : Subject : Date : Message-ID;\r\n"
                              "      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
                              "      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB\r\n"
                              "      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut\r\n"
                              "      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV\r\n"
                              "      4bmp/YzhwvcubU4=;\r\n"
                              "Received: from client1.football.example.com  [192.0.2.1]\r\n"
                              "      by submitserver.example.com with SUBMISSION;\r\n"
                              "      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\r\n" MAIL;

static const char rfc8463[] = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
                              " d=football.example.com; i=@football.example.com;\r\n"
                              " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
                              " subject : date : message-id : from : subject : date;\r\n"
                              " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
                              " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
                              " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
                              "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
                              " d=football.example.com; i=@football.example.com;\r\n"
                              " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
                              " date : message-id : from : subject : date;\r\n"
                              " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
                              " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"
                              " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"
                              " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n" MAIL "\r\n";

static const struct zone_row rows[] = {
    { "brisbane._domainkey.example.com",
      "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQ"
      "DwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt"
      "IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7"
      "od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfV"
      "jH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYck"
      "cQ2QIDAQAB",
      NULL },
    { "brisbane._domainkey.football.example.com",
      "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", NULL },
    { "test._domainkey.football.example.com",
      "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR"
      "iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC"
      "DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3"
      "Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
      NULL },
};

static void examples(void)
{
    struct zone zone = { rows, sizeof rows / sizeof rows[0], 0 };
    struct dkim_result results[DKIM_SIGNATURES];
    size_t n = verify_in_pieces(&zone, SPAN(rfc6376), 1700000000, 4096, results);
    ok(n == 1 && results[0].result == TRUST_PASS, "RFC 6376 A.2: rsa-sha256, simple/simple: %s",
       results[0].why);
    ok(strcmp(results[0].domain, "example.com") == 0 && strcmp(results[0].selector, "brisbane") == 0 &&
           strcmp(results[0].identity, "joe@football.example.com") == 0 && results[0].bits == 1024 &&
           strcmp(results[0].algorithm, "rsa-sha256") == 0 && strcmp(results[0].hash_head, "AuUoFEfD") == 0,
       "and what it says of itself");
    n = verify_in_pieces(&zone, SPAN(rfc8463), 1700000000, 4096, results);
    ok(n == 2 && results[0].result == TRUST_PASS && results[0].bits == 256,
       "RFC 8463 A.3: ed25519-sha256: %s", results[0].why);
    ok(n == 2 && results[1].result == TRUST_PASS, "and rsa-sha256 on the same message: %s", results[1].why);
}

/* Each byte of the message that is signed, changed: none passes. (Of b= in its own field: the value only.) */
static void one_byte(void)
{
    struct zone zone = { rows, sizeof rows / sizeof rows[0], 0 };
    struct dkim_result results[DKIM_SIGNATURES];
    char copy[sizeof rfc6376];
    size_t passed = 0;
    const char *blanks = strstr(rfc6376, "      b=");
    for (size_t i = 0; i < sizeof rfc6376 - 1; i++) {
        if (i >= (size_t)(blanks - rfc6376) && i < (size_t)(strstr(rfc6376, "Received: from") - rfc6376))
            continue;
        memcpy(copy, rfc6376, sizeof copy);
        copy[i] ^= 1;
        size_t n = verify_in_pieces(&zone, (struct span){ copy, sizeof copy - 1 }, 1700000000, 4096, results);
        bool pass = n && results[0].result == TRUST_PASS;
        passed += pass;
        if (pass)
            printf("# still passes with byte %zu changed\n", i);
    }
    ok(passed == 0, "RFC 6376 A.2 with any byte changed doesn't pass");
}

static const struct {
    const char *name;
    enum dkim_canonical canonical;
    const char *field, *expected;
} fields[] = {
    { "simple is as it is", DKIM_SIMPLE, "B : Y\t\r\n\tZ  \r\n", "B : Y\t\r\n\tZ  \r\n" },
    { "relaxed", DKIM_RELAXED, "A: X\r\n", "a:X\r\n" },
    { "relaxed, folded", DKIM_RELAXED, "B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n" },
};

static const struct {
    const char *name;
    enum dkim_canonical canonical;
    const char *body, *expected;
} bodies[] = {
    { "simple", DKIM_SIMPLE, " C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n" },
    { "relaxed", DKIM_RELAXED, " C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n" },
    { "nothing, simple", DKIM_SIMPLE, "", "\r\n" },
    { "nothing, relaxed", DKIM_RELAXED, "", "" },
    { "an empty line, simple", DKIM_SIMPLE, "\r\n", "\r\n" },
    { "an empty line, relaxed", DKIM_RELAXED, "\r\n", "" },
    { "blanks only, simple", DKIM_SIMPLE, " \r\n\t\r\n\r\n", " \r\n\t\r\n" },
    { "blanks only, relaxed", DKIM_RELAXED, " \r\n\t\r\n\r\n", "" },
    { "no line end, simple", DKIM_SIMPLE, "a ", "a \r\n" },
    { "no line end, relaxed", DKIM_RELAXED, "a ", "a\r\n" },
    { "empty lines within, simple", DKIM_SIMPLE, "\r\n\r\na\r\n\r\nb\r\n\r\n", "\r\n\r\na\r\n\r\nb\r\n" },
    { "empty lines within, relaxed", DKIM_RELAXED, "\r\n \r\na\r\n\t\r\nb\r\n \r\n",
      "\r\n\r\na\r\n\r\nb\r\n" },
    { "blanks in front stay, as one", DKIM_RELAXED, "\t\t a  b\tc\r\n", " a b c\r\n" },
    { "LF as in Maildir, simple", DKIM_SIMPLE, "a\n\nb\n\n", "a\r\n\r\nb\r\n" },
    { "LF as in Maildir, relaxed", DKIM_RELAXED, "a \n\nb\n\n", "a\r\n\r\nb\r\n" },
    { "a CR within a line, simple", DKIM_SIMPLE, "a\rb\r\n\r", "a\rb\r\n\r\r\n" },
    { "a CR within a line, relaxed", DKIM_RELAXED, "a\r b\r\n", "a\r b\r\n" },
    { "two CRs before an LF", DKIM_SIMPLE, "a\r\r\nb", "a\r\r\nb\r\n" },
};

static bool same(const struct bytes *seen, const char *expected)
{
    return span_eq_str(span_bytes(seen), expected);
}

static void canonical_forms(void)
{
    struct dkim_hash hash;
    struct header_field field;
    struct bytes seen;
    unsigned char whole[HASH_SIZE], parts[HASH_SIZE];
    bytes_init(&seen, 4096);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        struct span rest = span_of(fields[i].field);
        header_next(&rest, &field);
        bytes_clear(&seen);
        dkim_hash_start(&hash, &seen);
        dkim_hash_field(&hash, fields[i].canonical, &field, false, (struct span){ NULL, 0 });
        ok(dkim_hash_end(&hash, whole) && same(&seen, fields[i].expected), "header: %s", fields[i].name);
    }
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct dkim_body body;
        struct span text = span_of(bodies[i].body);
        bytes_clear(&seen);
        dkim_body_start(&body, bodies[i].canonical, &seen);
        dkim_body_add(&body, text);
        bool good = dkim_body_end(&body, whole) && same(&seen, bodies[i].expected);
        dkim_body_start(&body, bodies[i].canonical, NULL);
        for (size_t k = 0; k < text.n; k++)
            dkim_body_add(&body, (struct span){ text.p + k, 1 });
        good = dkim_body_end(&body, parts) && hash_same(whole, parts) && good;
        good = hash_sha256(span_of(bodies[i].expected), parts) && hash_same(whole, parts) && good;
        ok(good, "body: %s", bodies[i].name);
    }
    bytes_free(&seen);
}

int main(void)
{
    examples();
    one_byte();
    canonical_forms();
    return done_testing();
}
