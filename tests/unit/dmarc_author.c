/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whose a message is, for DMARC (RFC 9989 5.3.1, 11.5): From as it should be, and as those write it who want
 * two programs to read it in two ways.
 */
#include "tap.h"

#include "trust/dmarc.h"

#include <string.h>

static const struct {
    const char *header, *domains;
    bool suspect;
} authors[] = {
    { "From: joe@example.org\r\n", "example.org", false },
    { "From: <.j..oe.@example.org>\r\n", "example.org", false },
    { "from :joe@Example.ORG\r\n", "example.org", false },
    { "Subject: x\r\nFrom: \"Joe, of <x@y.test>\" <joe@example.org>\r\nTo: a@b.test\r\n", "example.org",
      false },
    { "From: Joe\r\n <joe@\r\n example.org>\r\n", "example.org", false },
    { "From: joe@example.org (Joe <a@b.test>)\r\n", "example.org", false },
    { "From: joe@example.org.\r\n", "example.org", false },
    { "From: <@relay.test:joe@example.org>\r\n", "example.org", false },
    { "From: info@shop.test <info@example.org>\r\n", "example.org", false },
    { "From: joe@a.example.org, ann@a.example.org\r\n", "a.example.org", false },
    { "From: joe@b\xc3\xbc"
      "cher.example\r\n",
      "xn--bcher-kva.example", false },
    { "From: joe@xn--bcher-kva.example\r\n", "xn--bcher-kva.example", false },
    { "From: Staff: joe@example.org, ann@example.net;\r\n", "example.org example.net", false },
    { "From: joe@example.org,ann@example.net\r\n", "example.org example.net", false },
    { "From: a@a.test, b@b.test, c@c.test, d@d.test\r\n", "a.test b.test c.test d.test", false },
    { "From: a@a.test, b@b.test, c@c.test, d@d.test, a@a.test\r\n", "a.test b.test c.test d.test", false },
    { "Subject: x\r\n", "", false },
    { "From:\r\n", "", false },
    { "From: root\r\n", "", false },
    { "From: Cron Daemon\r\n", "", false },
    { "From: undisclosed:;\r\n", "", false },
    { "From: joe@[192.0.2.1]\r\n", "", false },
    { "Subject: x\r\n\r\nFrom: joe@example.org\r\n", "", false },
    { "From: a@a.test, b@b.test, c@c.test, d@d.test, e@e.test\r\n", "a.test b.test c.test d.test", true },
    { "From: joe@example.org\r\nFrom: joe@example.org\r\n", "example.org", true },
    { "From: joe@example.org\r\nSubject: x\r\nFROM: ann@example.net\r\n", "example.org example.net", true },
    { "From: <joe@example.org> <ann@example.net>\r\n", "example.org", true },
    { "From: <joe@example.org> ann@example.net\r\n", "example.org", true },
    { "From: <joe@example.org> \"ann\"\r\n", "example.org", true },
    { "From: <joe@example.org\r\n", "example.org", true },
    { "From: <joe@<example.org>>\r\n", "", true },
    { "From: joe@example.org (\r\n", "example.org", true },
    { "From: \"joe@example.org\r\n", "", true },
    { "From: joe@exa..mple.org\r\n", "", true },
    { "From: joe@exam!ple.org\r\n", "", true },
    { "From: joe@ann@example.org\r\n", "annexample.org", true },
    { "From: <joe@ann@example.org>\r\n", "example.org", true },
    { "From: joe@=?utf-8?q?example.org?=\r\n", "", true },
    { "From: joe@b\xc3.example\r\n", "", true },
    { "From: joe@xn--bcher-kva.example, ann@-.test\r\n", "xn--bcher-kva.example", true },
    /* What a reader's program may take for bank.test, and what we would make one domain of. */
    { "From: ceo@bank.test evil.test\r\n", "bank.testevil.test", true },
    { "From: <ceo@bank.test evil.test>\r\n", "bank.testevil.test", true },
    { "From: ceo@bank.test\r\n evil.test\r\n", "bank.testevil.test", true },
    { "From: ceo@bank.test\r\nevil.test\r\n", "bank.testevil.test", true },
    { "From: ceo@bank.test(x)evil.test\r\n", "bank.testevil.test", true },
    { "From: ceo@bank.test:x@evil.test\r\n", "bank.testxevil.test", true },
    { "From: <ceo@bank.test:x@evil.test>\r\n", "evil.test", true },
    { "From: <ceo@bank.test,x@evil.test>\r\n", "evil.test", true },
    { "From: <ceo@bank.test;x@evil.test>\r\n", "evil.test", true },
    { "From: <@a.test:ceo@bank.test:x@evil.test>\r\n", "evil.test", true },
    { "From: ceo@bank.test\\evil.test\r\n", "bank.testevil.test", true },
    { "From: <ceo@bank.test)evil.test>\r\n", "bank.test", true },
    { "From: <ceo@bank.test]evil.test>\r\n", "bank.test", true },
    { "From: <ceo@bank.test\"x\"evil.test>\r\n", "bank.test", true },
    { "From: ceo@\"bank.test\"evil.test\r\n", "evil.test", true },
    { "From: ceo@[192.0.2.1]bank.test\r\n", "", true },
    { "From: <ceo@[192.0.2.1]bank.test>\r\n", "", true },
    { "From: ceo@bank.test: x@evil.test;\r\n", "bank.testxevil.test", true },
    { "From: ceo@bank.test .evil.test\r\n", "bank.test.evil.test", true },
    { "From: <ceo@bank.test. evil.test>\r\n", "bank.test.evil.test", true },
    { "From: <ceo@bank.test(.)(.).evil.test>\r\n", "bank.test.evil.test", true },
    { "From: <>:ceo@bank.test;\r\n", "", true },
    { "From: <x@evil.test>:ceo@bank.test;\r\n", "evil.test", true },
    { "From: x@[,ceo@bank.test\r\n", "", true },
    { "From: =?utf-8?q?<ceo=40bank.test>?=, x@evil.test\r\n", "evil.test", true },
    { "From: \"ceo@bank.test\":;\r\n", "", true },
    { "From: \"ceo@bank.test\"\r\n", "", true },
    { "From: ceo@bank.test <>\r\n", "", true },
    { "From: \"ceo@bank.test\" <x>\r\n", "", true },
    { "From: =?utf-8?q?ceo=40bank.test?=\r\n", "", true },
    /* What only looks odd. */
    { "From: joe @ example.org (Joe)\r\n", "example.org", false },
    { "From: Joe <joe @ example.org. > (x)\r\n", "example.org", false },
    { "From: <@a.test,@b.test:joe@example.org>\r\n", "example.org", false },
    { "From: joe@[192.0.2.1], ann@example.org\r\n", "example.org", false },
    { "From: \"a\\\"b\" <\"x y\"@example.org>\r\n", "example.org", false },
    { "From: Re: a group: joe@example.org;\r\n", "example.org", false },
    { "From: Smith, Joe <joe@example.org>\r\n", "example.org", false },
    { "From: (joe) joe@example.org (a) (b)\r\n", "example.org", false },
};

static void one_line(const char *text, char name[80])
{
    snprintf(name, 80, "%s", text);
    for (char *p = name; *p; p++)
        *p = *p < ' ' ? '_' : *p;
}

static void the_author(void)
{
    struct dmarc_author author;
    for (size_t i = 0; i < sizeof authors / sizeof authors[0]; i++) {
        char domains[DMARC_AUTHORS * DNS_NAME_LIMIT] = "";
        dmarc_author(span_of(authors[i].header), &author);
        for (size_t d = 0; d < author.count; d++)
            snprintf(domains + strlen(domains), sizeof domains - strlen(domains), "%s%s", d ? " " : "",
                     author.domains[d]);
        bool good =
            strcmp(domains, authors[i].domains) == 0 && (author.suspect != NULL) == authors[i].suspect;
        char name[80];
        one_line(authors[i].header, name);
        ok(good, "author of %s is '%s'%s%s", name, domains, author.suspect ? ", suspect: " : "",
           author.suspect ? author.suspect : "");
    }
    struct bytes many;
    bytes_init(&many, 1 << 20);
    bytes_add_str(&many, "From: ");
    for (int i = 0; i < 20000; i++)
        bytes_printf(&many, "x@d%d.test, ", i);
    dmarc_author(span_bytes(&many), &author);
    ok(author.count == DMARC_AUTHORS && author.suspect, "20,000 authors: %zu of them, suspect", author.count);
    bytes_clear(&many);
    bytes_add_str(&many, "From: ");
    for (int i = 0; i < 20000; i++)
        bytes_add_str(&many, "x@b\xc3\xbc"
                             "cher.test, ");
    dmarc_author(span_bytes(&many), &author);
    ok(author.count == 1 && author.suspect,
       "20,000 of one domain, each of which would take IDNA's time: suspect");
    bytes_free(&many);
}

int main(void)
{
    the_author();
    return done_testing();
}
