/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SPF by the rules of RFC 7208, section by section: which record, its grammar, each mechanism and modifier,
 * the limits, what failing DNS comes to. Macros and explanations are in spf_macro.c.
 */
#include "spf.h"

static const char *const world[] = {
    "example.org A 192.0.2.10",
    "example.org AAAA 2001:db8::10",
    "example.org MX 10 mx1.example.org",
    "example.org MX 20 mx2.example.org.",
    "mx1.example.org A 192.0.2.11",
    "mx2.example.org A 192.0.2.12",
    "mx2.example.org AAAA 2001:db8::12",
    "passes.test TXT v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all",
    "fails.test TXT v=spf1 -all",
    "softfails.test TXT v=spf1 ~all",
    "neutral.test TXT v=spf1 ?all",
    "broken.test TXT v=spf1 all:x",
    "double.test TXT v=spf1 +all",
    "double.test TXT v=spf1 +all",
    "norecord.test TXT something else",
    "down.test TIMEOUT",
    "a-of-d.test TXT v=spf1 a -all",
    "a-of-d.test A 192.0.2.77",
    "alias.test CNAME example.org",
    "odd:name/x.example.org A 192.0.2.1",
    "nullmx.test MX 0 .",
    "halfmx.test MX 5 nowhere.example.org",
    "halfmx.test MX 6 mx1.example.org",
    "slowmx.test MX 5 down.test",
    "slowmx.test MX 6 mx1.example.org",
    "listed.192.0.2.1.example.org A 127.0.0.2",
    "v6only.example.org AAAA 2001:db8::1",
    "1.2.0.192.in-addr.arpa PTR Host.Example.Org",
    "1.2.0.192.in-addr.arpa PTR liar.example.net",
    "host.example.org A 192.0.2.1",
    "liar.example.net A 192.0.2.200",
    "2.2.0.192.in-addr.arpa PTR down.test",
    "2.2.0.192.in-addr.arpa PTR sub.host.example.org",
    "sub.host.example.org A 192.0.2.2",
    "3.2.0.192.in-addr.arpa TIMEOUT",
    "4.2.0.192.in-addr.arpa PTR hostexample.org",
    "hostexample.org A 192.0.2.4",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR v6only.example.org",
    NULL,
};

/* The record of example.org, the client, what it comes to. */
static const struct row {
    const char *name, *record, *client;
    enum trust_result expected;
} rows[] = {
    /* 4.6.1, 4.6.2: terms */
    { "nothing but the version", "v=spf1", "192.0.2.1", TRUST_NEUTRAL },
    { "the version in capitals", "V=SPF1 -ALL", "192.0.2.1", TRUST_FAIL },
    { "another version", "v=spf10 -all", "192.0.2.1", TRUST_NONE },
    { "a tab behind the version", "v=spf1\\09-all", "192.0.2.1", TRUST_NONE },
    { "a space before the version", " v=spf1 -all", "192.0.2.1", TRUST_NONE },
    { "spaces between and behind", "v=spf1   ?a   -all  ", "192.0.2.1", TRUST_FAIL },
    { "a tab between terms", "v=spf1 a\\09-all", "192.0.2.1", TRUST_PERMERROR },
    { "a NUL", "v=spf1 -all\\00", "192.0.2.1", TRUST_PERMERROR },
    { "8 bits", "v=spf1 -all x=\\c3\\a4", "192.0.2.1", TRUST_PERMERROR },
    { "DEL", "v=spf1 -all x=\\7f", "192.0.2.1", TRUST_PERMERROR },
    { "strings are joined without a space", "v=spf1 ip4:192.\t0.2.1 -\tall", "192.0.2.1", TRUST_PASS },
    { "an unknown mechanism", "v=spf1 -all moo", "192.0.2.1", TRUST_PERMERROR },
    { "an unknown mechanism with a domain", "v=spf1 moo:example.org", "192.0.2.1", TRUST_PERMERROR },
    { "an unknown modifier", "v=spf1 moo=1 -all a.b-c_d=%{d}/x", "192.0.2.1", TRUST_FAIL },
    { "an empty one", "v=spf1 moo= -all", "192.0.2.1", TRUST_FAIL },
    { "a modifier's name begins with a letter", "v=spf1 1up=x -all", "192.0.2.1", TRUST_PERMERROR },
    { "a modifier without a name", "v=spf1 =x -all", "192.0.2.1", TRUST_PERMERROR },
    { "a modifier with a qualifier", "v=spf1 -redirect=passes.test", "192.0.2.1", TRUST_PERMERROR },
    { "two qualifiers", "v=spf1 --all", "192.0.2.1", TRUST_PERMERROR },
    { "a qualifier alone", "v=spf1 - all", "192.0.2.1", TRUST_PERMERROR },
    { "the version once more is a modifier", "v=spf1 v=spf1 -all", "192.0.2.1", TRUST_FAIL },
    { "errors count wherever they stand", "v=spf1 ip4:192.0.2.1 a:", "192.0.2.1", TRUST_PERMERROR },
    /* 4.6.2, 4.7, 5.1 */
    { "+", "v=spf1 +all", "192.0.2.1", TRUST_PASS },
    { "no qualifier", "v=spf1 all", "192.0.2.1", TRUST_PASS },
    { "-", "v=spf1 -all", "192.0.2.1", TRUST_FAIL },
    { "~", "v=spf1 ~all", "192.0.2.1", TRUST_SOFTFAIL },
    { "?", "v=spf1 ?all", "192.0.2.1", TRUST_NEUTRAL },
    { "from left to right", "v=spf1 ~all -all", "192.0.2.1", TRUST_SOFTFAIL },
    { "nothing matches", "v=spf1 -ip4:192.0.2.2", "192.0.2.1", TRUST_NEUTRAL },
    { "all has no domain", "v=spf1 -all:example.org", "192.0.2.1", TRUST_PERMERROR },
    { "all has no prefix", "v=spf1 -all/8", "192.0.2.1", TRUST_PERMERROR },
    { "all has no dot", "v=spf1 -all.", "192.0.2.1", TRUST_PERMERROR },
    /* 5.2 */
    { "include: pass matches", "v=spf1 ~include:passes.test -all", "192.0.2.1", TRUST_SOFTFAIL },
    { "include: fail doesn't", "v=spf1 include:fails.test ~all", "192.0.2.1", TRUST_SOFTFAIL },
    { "include: softfail doesn't", "v=spf1 include:softfails.test -all", "192.0.2.1", TRUST_FAIL },
    { "include: neutral doesn't", "v=spf1 include:neutral.test -all", "192.0.2.1", TRUST_FAIL },
    { "include: temperror", "v=spf1 include:down.test -all", "192.0.2.1", TRUST_TEMPERROR },
    { "include: permerror", "v=spf1 include:broken.test -all", "192.0.2.1", TRUST_PERMERROR },
    { "include: two records", "v=spf1 include:double.test -all", "192.0.2.1", TRUST_PERMERROR },
    { "include: no record", "v=spf1 include:norecord.test -all", "192.0.2.1", TRUST_PERMERROR },
    { "include: no such domain", "v=spf1 include:nowhere.test -all", "192.0.2.1", TRUST_PERMERROR },
    { "include: one label", "v=spf1 include:%{d1} -all", "192.0.2.1", TRUST_PERMERROR },
    { "include: needs a domain", "v=spf1 include -all", "192.0.2.1", TRUST_PERMERROR },
    { "include: not an empty one", "v=spf1 include: -all", "192.0.2.1", TRUST_PERMERROR },
    { "include: no prefix", "v=spf1 include:passes.test/24 -all", "192.0.2.1", TRUST_PERMERROR },
    { "include: not asked behind a match", "v=spf1 ip4:192.0.2.1 include:broken.test", "192.0.2.1",
      TRUST_PASS },
    { "include: the domain is the included one", "v=spf1 include:a-of-d.test -all", "192.0.2.77",
      TRUST_PASS },
    /* 5.3 */
    { "a", "v=spf1 a -all", "192.0.2.10", TRUST_PASS },
    { "a: another address", "v=spf1 a -all", "192.0.2.11", TRUST_FAIL },
    { "a: IPv6", "v=spf1 a -all", "2001:db8::10", TRUST_PASS },
    { "a: of another name", "v=spf1 a:mx2.example.org -all", "192.0.2.12", TRUST_PASS },
    { "a: a final dot", "v=spf1 a:mx2.example.org. -all", "192.0.2.12", TRUST_PASS },
    { "a: in capitals", "v=spf1 A:MX2.Example.ORG -all", "192.0.2.12", TRUST_PASS },
    { "a: by CNAME", "v=spf1 a:alias.test -all", "192.0.2.10", TRUST_PASS },
    { "a: /24", "v=spf1 a/24 -all", "192.0.2.200", TRUST_PASS },
    { "a: /31", "v=spf1 a/31 -all", "192.0.2.11", TRUST_PASS },
    { "a: /31 and no further", "v=spf1 a/31 -all", "192.0.2.12", TRUST_FAIL },
    { "a: /0", "v=spf1 a/0 -all", "198.51.100.1", TRUST_PASS },
    { "a: /0 where there is no address", "v=spf1 a:nullmx.test/0 -all", "198.51.100.1", TRUST_FAIL },
    { "a: //64", "v=spf1 a//64 -all", "2001:db8::ff", TRUST_PASS },
    { "a: //127", "v=spf1 a//127 -all", "2001:db8::12", TRUST_FAIL },
    { "a: //64 is nothing to IPv4", "v=spf1 a//0 -all", "192.0.2.11", TRUST_FAIL },
    { "a: /0 is nothing to IPv6", "v=spf1 a/0 -all", "2001:db8::ff", TRUST_FAIL },
    { "a: both, IPv4", "v=spf1 a/24//64 -all", "192.0.2.200", TRUST_PASS },
    { "a: both, IPv6", "v=spf1 a/24//64 -all", "2001:db8::ff", TRUST_PASS },
    { "a: both, with a name", "v=spf1 a:mx2.example.org/24//64 -all", "2001:db8::ff", TRUST_PASS },
    { "a: /33", "v=spf1 a/33 -all", "192.0.2.10", TRUST_PERMERROR },
    { "a: //129", "v=spf1 a//129 -all", "192.0.2.10", TRUST_PERMERROR },
    { "a: /024", "v=spf1 a/024 -all", "192.0.2.10", TRUST_PERMERROR },
    { "a: //064", "v=spf1 a//064 -all", "192.0.2.10", TRUST_PERMERROR },
    { "a: /", "v=spf1 a/ -all", "192.0.2.10", TRUST_PERMERROR },
    { "a: //", "v=spf1 a// -all", "192.0.2.10", TRUST_PERMERROR },
    { "a: /-1", "v=spf1 a/-1 -all", "192.0.2.10", TRUST_PERMERROR },
    { "a: twice /", "v=spf1 a/24/24 -all", "192.0.2.10", TRUST_PERMERROR },
    { "a: three", "v=spf1 a/24//64//64 -all", "192.0.2.10", TRUST_PERMERROR },
    { "a: the wrong way round", "v=spf1 a//64/24 -all", "192.0.2.10", TRUST_PERMERROR },
    { "a: a prefix of twenty digits", "v=spf1 a/99999999999999999999 -all", "192.0.2.10", TRUST_PERMERROR },
    { "a: an empty domain", "v=spf1 a: -all", "192.0.2.10", TRUST_PERMERROR },
    { "a: an empty domain with a prefix", "v=spf1 a:/24 -all", "192.0.2.10", TRUST_PERMERROR },
    { "a: DNS fails", "v=spf1 a:down.test -all", "192.0.2.10", TRUST_TEMPERROR },
    { "a: ':' and '/' in a domain", "v=spf1 a:odd:name/x.example.org -all", "192.0.2.1", TRUST_PASS },
    /* 7.1 domain-end */
    { "one label is no domain", "v=spf1 a:museum -all", "192.0.2.1", TRUST_PERMERROR },
    { "nor is one with a dot", "v=spf1 a:museum. -all", "192.0.2.1", TRUST_PERMERROR },
    { "nor digits behind the last dot", "v=spf1 a:192.0.2.1 -all", "192.0.2.1", TRUST_PERMERROR },
    { "digits and a hyphen are one", "v=spf1 a:example.1-2 -all", "192.0.2.1", TRUST_FAIL },
    { "a hyphen at the end isn't", "v=spf1 a:example.org- -all", "192.0.2.1", TRUST_PERMERROR },
    { "nor an underscore", "v=spf1 a:example.o_g -all", "192.0.2.1", TRUST_PERMERROR },
    { "nor a port", "v=spf1 a:example.org:25 -all", "192.0.2.1", TRUST_PERMERROR },
    { "nor two dots", "v=spf1 a:example.org.. -all", "192.0.2.1", TRUST_PERMERROR },
    { "what follows a macro begins with a dot", "v=spf1 a:%{d}x -all", "192.0.2.1", TRUST_PERMERROR },
    { "a macro alone", "v=spf1 a:%{d} -all", "192.0.2.10", TRUST_PASS },
    /* 4.8: names that are none */
    { "an empty label inside", "v=spf1 a:a..example.org -all", "192.0.2.1", TRUST_FAIL },
    { "a label of 64", "v=spf1 a:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.org -all",
      "192.0.2.1", TRUST_FAIL },
    /* 5.4 */
    { "mx", "v=spf1 mx -all", "192.0.2.11", TRUST_PASS },
    { "mx: the second", "v=spf1 mx -all", "192.0.2.12", TRUST_PASS },
    { "mx: not the domain's own address", "v=spf1 mx -all", "192.0.2.10", TRUST_FAIL },
    { "mx: IPv6", "v=spf1 mx -all", "2001:db8::12", TRUST_PASS },
    { "mx: prefixes", "v=spf1 mx/24//64 -all", "2001:db8::99", TRUST_PASS },
    { "mx: of another name", "v=spf1 mx:halfmx.test -all", "192.0.2.11", TRUST_PASS },
    { "mx: a name without MX isn't its own", "v=spf1 mx:mx1.example.org -all", "192.0.2.11", TRUST_FAIL },
    { "mx: the null MX", "v=spf1 mx:nullmx.test -all", "192.0.2.11", TRUST_FAIL },
    { "mx: DNS fails", "v=spf1 mx:down.test -all", "192.0.2.11", TRUST_TEMPERROR },
    { "mx: DNS fails for a host", "v=spf1 mx:slowmx.test -all", "192.0.2.11", TRUST_TEMPERROR },
    { "mx: an empty domain", "v=spf1 mx: -all", "192.0.2.11", TRUST_PERMERROR },
    { "mx: /33", "v=spf1 mx/33 -all", "192.0.2.11", TRUST_PERMERROR },
    /* 5.5 */
    { "ptr", "v=spf1 ptr -all", "192.0.2.1", TRUST_PASS },
    { "ptr: of a parent", "v=spf1 ptr:host.example.org -all", "192.0.2.2", TRUST_PASS },
    { "ptr: not of a child", "v=spf1 ptr:x.host.example.org -all", "192.0.2.1", TRUST_FAIL },
    { "ptr: whole labels", "v=spf1 ptr -all", "192.0.2.4", TRUST_FAIL },
    { "ptr: a name that isn't that host's", "v=spf1 ptr:example.net -all", "192.0.2.1", TRUST_FAIL },
    { "ptr: in capitals", "v=spf1 PTR:EXAMPLE.org -all", "192.0.2.1", TRUST_PASS },
    { "ptr: IPv6", "v=spf1 ptr -all", "2001:db8::1", TRUST_PASS },
    { "ptr: DNS fails", "v=spf1 ptr -all", "192.0.2.3", TRUST_FAIL },
    { "ptr: a host that DNS fails for is skipped", "v=spf1 ptr -all", "192.0.2.2", TRUST_PASS },
    { "ptr: no name", "v=spf1 ptr -all", "192.0.2.9", TRUST_FAIL },
    { "ptr: no prefix", "v=spf1 ptr/24 -all", "192.0.2.1", TRUST_PERMERROR },
    { "ptr: an empty domain", "v=spf1 ptr: -all", "192.0.2.1", TRUST_PERMERROR },
    /* 5.6 */
    { "ip4", "v=spf1 ip4:192.0.2.1 -all", "192.0.2.1", TRUST_PASS },
    { "ip4: another", "v=spf1 ip4:192.0.2.1 -all", "192.0.2.2", TRUST_FAIL },
    { "ip4: a network", "v=spf1 ip4:192.0.2.128/25 -all", "192.0.2.255", TRUST_PASS },
    { "ip4: its other half", "v=spf1 ip4:192.0.2.128/25 -all", "192.0.2.127", TRUST_FAIL },
    { "ip4: bits behind the prefix don't count", "v=spf1 ip4:192.0.2.1/24 -all", "192.0.2.255", TRUST_PASS },
    { "ip4: /0", "v=spf1 ip4:192.0.2.1/0 -all", "198.51.100.1", TRUST_PASS },
    { "ip4: /0 is nothing to IPv6", "v=spf1 ip4:0.0.0.0/0 -all", "2001:db8::1", TRUST_FAIL },
    { "ip4: /33", "v=spf1 ip4:192.0.2.1/33 -all", "192.0.2.1", TRUST_PERMERROR },
    { "ip4: /032", "v=spf1 ip4:192.0.2.1/032 -all", "192.0.2.1", TRUST_PERMERROR },
    { "ip4: //32", "v=spf1 ip4:192.0.2.1//32 -all", "192.0.2.1", TRUST_PERMERROR },
    { "ip4: /", "v=spf1 ip4:192.0.2.1/ -all", "192.0.2.1", TRUST_PERMERROR },
    { "ip4: a port", "v=spf1 ip4:192.0.2.1:25 -all", "192.0.2.1", TRUST_PERMERROR },
    { "ip4: three numbers", "v=spf1 ip4:192.0.2 -all", "192.0.2.1", TRUST_PERMERROR },
    { "ip4: 256", "v=spf1 ip4:192.0.2.256 -all", "192.0.2.1", TRUST_PERMERROR },
    { "ip4: leading zeros", "v=spf1 ip4:192.0.2.01 -all", "192.0.2.1", TRUST_PERMERROR },
    { "ip4: a name", "v=spf1 ip4:example.org -all", "192.0.2.1", TRUST_PERMERROR },
    { "ip4: IPv6", "v=spf1 ip4:2001:db8::1 -all", "192.0.2.1", TRUST_PERMERROR },
    { "ip4: alone", "v=spf1 ip4 -all", "192.0.2.1", TRUST_PERMERROR },
    { "ip4: empty", "v=spf1 ip4: -all", "192.0.2.1", TRUST_PERMERROR },
    { "ip6", "v=spf1 ip6:2001:db8::1 -all", "2001:db8::1", TRUST_PASS },
    { "ip6: a network", "v=spf1 ip6:2001:DB8:8000::/33 -all", "2001:db8:ffff::1", TRUST_PASS },
    { "ip6: beside it", "v=spf1 ip6:2001:db8:8000::/33 -all", "2001:db8:7fff::1", TRUST_FAIL },
    { "ip6: ending in dotted numbers", "v=spf1 ip6:2001:db8::192.0.2.1 -all", "2001:db8::c000:201",
      TRUST_PASS },
    { "ip6: mapped addresses are IPv4's", "v=spf1 ip6:::ffff:192.0.2.1 -all", "192.0.2.1", TRUST_FAIL },
    { "ip6: /0 is nothing to IPv4", "v=spf1 ip6:::/0 -all", "192.0.2.1", TRUST_FAIL },
    { "ip6: /129", "v=spf1 ip6:::1/129 -all", "192.0.2.1", TRUST_PERMERROR },
    { "ip6: IPv4", "v=spf1 ip6:192.0.2.1 -all", "192.0.2.1", TRUST_PERMERROR },
    { "ip6: a scope", "v=spf1 ip6:fe80::1%%eth0 -all", "192.0.2.1", TRUST_PERMERROR },
    { "ip6: too much of it", "v=spf1 ip6:1:2:3:4:5:6:7:8:9 -all", "192.0.2.1", TRUST_PERMERROR },
    /* 5.7 */
    { "exists", "v=spf1 exists:listed.%{i}.example.org -all", "192.0.2.1", TRUST_PASS },
    { "exists: not", "v=spf1 exists:listed.%{i}.example.org -all", "192.0.2.2", TRUST_FAIL },
    { "exists: A also for IPv6", "v=spf1 exists:mx1.example.org -all", "2001:db8::1", TRUST_PASS },
    { "exists: never AAAA", "v=spf1 exists:v6only.example.org -all", "2001:db8::1", TRUST_FAIL },
    { "exists: DNS fails", "v=spf1 exists:down.test -all", "192.0.2.1", TRUST_TEMPERROR },
    { "exists: needs a domain", "v=spf1 exists -all", "192.0.2.1", TRUST_PERMERROR },
    { "exists: no prefix", "v=spf1 exists:example.org/24 -all", "192.0.2.1", TRUST_PERMERROR },
    /* 6.1 */
    { "redirect", "v=spf1 redirect=passes.test", "192.0.2.1", TRUST_PASS },
    { "redirect: what it comes to", "v=spf1 redirect=softfails.test", "192.0.2.1", TRUST_SOFTFAIL },
    { "redirect: behind all mechanisms", "v=spf1 redirect=passes.test ip4:192.0.2.1 ?all", "192.0.2.2",
      TRUST_NEUTRAL },
    { "redirect: the domain is the other one", "v=spf1 redirect=a-of-d.test", "192.0.2.77", TRUST_PASS },
    { "redirect: in capitals", "v=spf1 REDIRECT=passes.test", "192.0.2.1", TRUST_PASS },
    { "redirect: a macro", "v=spf1 redirect=%{h}", "192.0.2.1", TRUST_PASS },
    { "redirect: no record", "v=spf1 redirect=norecord.test", "192.0.2.1", TRUST_PERMERROR },
    { "redirect: no such domain", "v=spf1 redirect=nowhere.test", "192.0.2.1", TRUST_PERMERROR },
    { "redirect: no domain comes out", "v=spf1 redirect=%{o1}", "192.0.2.1", TRUST_PERMERROR },
    { "redirect: DNS fails", "v=spf1 redirect=down.test", "192.0.2.1", TRUST_TEMPERROR },
    { "redirect: twice", "v=spf1 redirect=passes.test redirect=passes.test", "192.0.2.1", TRUST_PERMERROR },
    { "redirect: no domain", "v=spf1 redirect=-all", "192.0.2.1", TRUST_PERMERROR },
    { "redirect: an empty one", "v=spf1 redirect= -all", "192.0.2.1", TRUST_PERMERROR },
    { "redirect: is no mechanism", "v=spf1 redirect:passes.test", "192.0.2.1", TRUST_PERMERROR },
    { "redirect: from an included record", "v=spf1 include:r.test -all", "192.0.2.1", TRUST_PASS },
    /* 6.2 */
    { "exp: twice", "v=spf1 exp=a.test -all exp=b.test", "192.0.2.1", TRUST_PERMERROR },
    { "exp: an empty domain", "v=spf1 exp= -all", "192.0.2.1", TRUST_PERMERROR },
    { "exp: no domain", "v=spf1 exp=-all", "192.0.2.1", TRUST_PERMERROR },
    { "exp: is no mechanism", "v=spf1 exp:a.test", "192.0.2.1", TRUST_PERMERROR },
};

static void check_rows(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        zone_of(world);
        zone_add(&zone, "r.test TXT v=spf1 redirect=passes.test");
        policy_is("example.org", rows[i].record);
        struct spf_verdict v = asked(rows[i].client, "passes.test", "user@example.org");
        ok(came_to(&v, rows[i].expected, "") && v.why[0] && strcmp(v.domain, "example.org") == 0 &&
               !v.by_helo,
           "%s", rows[i].name);
    }
}

/* 4.3 to 4.5, 2.3: which domain, which record. */
static const struct {
    const char *name, *helo, *sender;
    enum trust_result expected;
    const char *domain;
} identities[] = {
    { "a domain without SPF", "passes.test", "u@norecord.test", TRUST_NONE, "norecord.test" },
    { "a domain that isn't there", "passes.test", "u@nowhere.test", TRUST_NONE, "nowhere.test" },
    { "a domain that DNS fails for", "passes.test", "u@down.test", TRUST_TEMPERROR, "down.test" },
    { "two records", "passes.test", "u@double.test", TRUST_PERMERROR, "double.test" },
    { "an address literal", "passes.test", "u@[192.0.2.1]", TRUST_NONE, "[192.0.2.1]" },
    { "one label", "passes.test", "u@test", TRUST_NONE, "test" },
    { "capitals", "passes.test", "u@Passes.TEST", TRUST_PASS, "passes.test" },
    { "U-labels", "passes.test",
      "u@b\xc3\xbc"
      "cher.test",
      TRUST_PASS, "xn--bcher-kva.test" },
    { "A-labels", "passes.test", "u@xn--bcher-kva.test", TRUST_PASS, "xn--bcher-kva.test" },
    { "<>: HELO", "passes.test", "", TRUST_PASS, "passes.test" },
    { "<>: HELO with a final dot", "Passes.test.", "", TRUST_PASS, "passes.test" },
    { "<>: HELO without a record", "norecord.test", "", TRUST_NONE, "norecord.test" },
    { "<>: HELO is an address literal", "[192.0.2.1]", "", TRUST_NONE, "[192.0.2.1]" },
    { "<>: HELO is one label", "localhost", "", TRUST_NONE, "localhost" },
    { "<>: HELO is rubbish", "a..b\x01", "", TRUST_NONE, "" },
    { "<>: HELO is empty", "", "", TRUST_NONE, "" },
};

static void check_identities(void)
{
    zone_of(world);
    zone_add(&zone, "xn--bcher-kva.test TXT v=spf1 ip4:192.0.2.1 -all");
    for (size_t i = 0; i < sizeof identities / sizeof *identities; i++) {
        struct spf_verdict v = asked("192.0.2.1", identities[i].helo, identities[i].sender);
        ok(came_to(&v, identities[i].expected, "") && strcmp(v.domain, identities[i].domain) == 0 &&
               v.by_helo == !identities[i].sender[0],
           "%s", identities[i].name);
    }
}

static void postmaster(void)
{
    struct address sender = { .local_length = 0 };
    struct span path = SPAN("<Postmaster>");
    struct spf_query query = { .address = { .s6_addr = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 1 } },
                               .helo = SPAN("passes.test"),
                               .sender = NULL };
    struct trust_lookup lookup = zone_lookup(&zone);
    struct spf_verdict v;
    zone_of(world);
    lookup.expect = NULL;
    spf_check(&lookup, &query, &v);
    ok(v.result == TRUST_PASS && v.by_helo, "no sender: HELO; a resolver that expects nothing");
    ok(address_path(&path, &sender) == ADDRESS_OK, "<Postmaster> is an address");
    query.sender = &sender;
    spf_check(&lookup, &query, &v);
    ok(v.result == TRUST_PASS && v.by_helo && strcmp(v.domain, "passes.test") == 0, "<Postmaster>: HELO");
}

int main(void)
{
    check_rows();
    check_identities();
    postmaster();
    zone_clear(&zone);
    return done_testing();
}
