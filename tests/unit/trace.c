/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Received and Return-Path.
 */
#include "text/trace.h"
#include "tap.h"

#include <string.h>

struct row {
    const char *name;
    struct trace trace;
    const char *recipient;
    const char *expected;
};

#define DATE "Fri, 21 Nov 2025 21:38:01 +0000\r\n"
#define TIME 1763761081

static const struct row rows[] = {
    { "stranger",
      { .helo = { "client.test", 11 }, .address = "192.0.2.1", .hostname = "mx.test", .extended = true, .id = "ID", .time = TIME },
      "bob@b.test",
      "Received: from client.test ([192.0.2.1])\r\n\tby mx.test with ESMTP id ID\r\n\tfor <bob@b.test>;\r\n\t" DATE },
    { "HELO, IPv6, many recipients",
      { .helo = { "[IPv6:::1]", 10 }, .address = "2001:db8::1", .hostname = "mx.test", .id = "ID", .time = TIME },
      NULL,
      "Received: from [IPv6:::1] ([IPv6:2001:db8::1])\r\n\tby mx.test with SMTP id ID;\r\n\t" DATE },
    { "a client with a name",
      { .helo = { "c", 1 }, .address = "192.0.2.1", .reverse = "mail.x.test", .hostname = "mx.test", .id = "ID", .time = TIME },
      NULL, "Received: from c (mail.x.test [192.0.2.1])\r\n\tby mx.test with SMTP id ID;\r\n\t" DATE },
    { "one with a hostile name",
      { .helo = { "c", 1 }, .address = "192.0.2.1", .reverse = "a)\r\nX: b", .hostname = "mx.test", .id = "ID", .time = TIME },
      NULL, "Received: from c (a?" "?" "?X?" "?b [192.0.2.1])\r\n\tby mx.test with SMTP id ID;\r\n\t" DATE },
    { "one without a sure name",
      { .helo = { "c", 1 }, .address = "::1", .reverse = "", .hostname = "mx.test", .id = "ID", .time = TIME },
      NULL, "Received: from c (unknown [IPv6:::1])\r\n\tby mx.test with SMTP id ID;\r\n\t" DATE },
    { "TLS and login",
      { .helo = { "c", 1 }, .address = "192.0.2.1", .hostname = "mx.test", .extended = true, .tls = true, .login = true,
        .tls_description = { "TLS1.3 TLS_AES_256_GCM_SHA384", 29 }, .id = "ID", .time = TIME },
      NULL,
      "Received: from c ([192.0.2.1])\r\n\tby mx.test with ESMTPSA id ID\r\n\t(TLS1.3 TLS_AES_256_GCM_SHA384);\r\n\t" DATE },
    { "a connection that the log knows",
      { .helo = { "c", 1 }, .hostname = "mx.test", .extended = true, .tls = true, .tls_description = { "T", 1 }, .id = "ID",
        .session = "abc234", .time = TIME },
      NULL, "Received: from c\r\n\tby mx.test with ESMTPS id ID (session abc234)\r\n\t(T);\r\n\t" DATE },
    { "LMTP",
      { .helo = { "c", 1 }, .hostname = "mx.test", .extended = true, .lmtp = true, .id = "ID", .time = TIME },
      "bob@b.test", "Received: from c\r\n\tby mx.test with LMTP id ID\r\n\tfor <bob@b.test>;\r\n\t" DATE },
    { "a user of this machine",
      { .by_user = true, .uid = 1000, .hostname = "mx.test", .extended = true, .id = "ID", .time = TIME },
      NULL, "Received: by mx.test (uid 1000) with ESMTP id ID;\r\n\t" DATE },
    { "no address, no name",
      { .hostname = "mx.test", .extended = true, .id = "ID", .time = TIME },
      NULL, "Received: from unknown\r\n\tby mx.test with ESMTP id ID;\r\n\t" DATE },
    { "what a session could say",
      { .helo = { "a\r\nX: (b)@<c>;", 14 }, .address = "192.0.2.1", .hostname = "mx.test", .tls = true, .extended = true,
        .tls_description = { "T)\r\n\r\n\0", 7 }, .id = "ID", .time = TIME },
      NULL,
      "Received: from a?" "?X:?" "?b?" "?" "?c?" "? ([192.0.2.1])\r\n\tby mx.test with ESMTPS id ID\r\n\t(T?" "?" "?" "?" "?" "?);\r\n\t" DATE },
    { "SMTPUTF8",
      { .helo = { "c", 1 }, .hostname = "mx.test", .extended = true, .utf8 = true, .tls = true, .id = "ID", .time = TIME },
      NULL, "Received: from c\r\n\tby mx.test with UTF8SMTPS id ID;\r\n\t" DATE },
    { "LMTP and SMTPUTF8",
      { .helo = { "c", 1 }, .hostname = "mx.test", .extended = true, .utf8 = true, .lmtp = true, .id = "ID", .time = TIME },
      NULL, "Received: from c\r\n\tby mx.test with UTF8LMTP id ID;\r\n\t" DATE },
    { "<Postmaster>",
      { .helo = { "c", 1 }, .hostname = "mx.test", .extended = true, .id = "ID", .time = TIME },
      "postmaster", "Received: from c\r\n\tby mx.test with ESMTP id ID;\r\n\t" DATE },
};

int main(void)
{
    struct bytes out;
    struct address a;
    bytes_init(&out, 4096);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct trace t = rows[i].trace;
        struct span path;
        char text[100];
        if (rows[i].recipient) {
            snprintf(text, sizeof text, "<%s>", rows[i].recipient);
            path = span_of(text);
            ok(address_path(&path, &a) == ADDRESS_OK, "%s: its recipient", rows[i].name);
            t.recipient = &a;
        }
        bytes_clear(&out);
        bool good = trace_received(&t, &out) && strcmp(bytes_str(&out), rows[i].expected) == 0;
        if (!ok(good, "%s", rows[i].name))
            printf("# got %s\n# expected %s\n", bytes_str(&out), rows[i].expected);
    }
    bytes_clear(&out);
    ok(address_parse(SPAN("a@b.test"), &a) == ADDRESS_OK && trace_return_path(&a, &out) &&
           strcmp(bytes_str(&out), "Return-Path: <a@b.test>\r\n") == 0, "Return-Path");
    bytes_free(&out);
    return done_testing();
}
