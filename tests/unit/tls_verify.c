/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Certificates by roots and by TLSA records. The certificates come from certtool, digests from coreutils:
 *
 *     root -> inter -> leaf (mx.test), old (mx.test, expired), other (other.test), common (mx.test as its common name)
 *     evil -> fake (mx.test)
 */
#include "tap.h"

#include "net/tls_verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DER_LIMIT 4096

static char dir[] = "/tmp/postern-verify-XXXXXX";

static const char script[] =
    "cd \"$1\" || exit 1\n"
    "make() { # NAME SIGNER LINES\n"
    "    certtool --generate-privkey --key-type=ecdsa --curve secp256r1 --outfile $1.key || exit 1\n"
    "    printf \"$3\" >$1.tmpl\n"
    "    if [ $2 = $1 ]; then certtool --generate-self-signed --load-privkey $1.key --template $1.tmpl --outfile $1.pem\n"
    "    else certtool --generate-certificate --load-privkey $1.key --load-ca-certificate $2.pem --load-ca-privkey $2.key \\\n"
    "        --template $1.tmpl --outfile $1.pem; fi || exit 1\n"
    "    certtool --certificate-info --infile $1.pem --outder --outfile $1.der || exit 1\n"
    "    certtool --pubkey-info --load-certificate $1.pem --outder --outfile $1.spki || exit 1\n"
    "    for kind in der spki; do\n"
    "        for hash in 256 512; do sha${hash}sum $1.$kind | cut -d' ' -f1 >$1.$kind.$hash; done\n"
    "    done\n"
    "}\n"
    "ca='ca\\ncert_signing_key\\nexpiration_days = 9\\n' server='tls_www_server\\nsigning_key\\n' day='expiration_days = 9\\n'\n"
    "{ make root root \"cn = root\\n$ca\"; make inter root \"cn = inter\\n$ca\"; make evil evil \"cn = inter\\n$ca\"\n"
    "make leaf inter \"cn = leaf\\ndns_name = mx.test\\n$server$day\"; make fake evil \"cn = leaf\\ndns_name = mx.test\\n$server$day\"\n"
    "make other inter \"cn = mx.test\\ndns_name = other.test\\n$server$day\"; make common inter \"cn = mx.test\\n$server$day\"\n"
    "make old inter \"cn = leaf\\ndns_name = mx.test\\n${server}activation_date = 2020-01-01 00:00:00\\nexpiration_date = 2020-02-01 00:00:00\\n\"\n"
    "make self self \"cn = mx.test\\ndns_name = mx.test\\n$server$day\"; } >log 2>&1\n";

struct file {
    char data[16384];
    size_t n;
};

static struct span read_file(struct file *f, const char *name, const char *suffix)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s%s", dir, name, suffix);
    FILE *in = fopen(path, "r");
    f->n = in ? fread(f->data, 1, sizeof f->data, in) : 0;
    if (in)
        fclose(in);
    return (struct span){ f->data, f->n };
}

/* A chain of names parted by blanks. */
struct chain {
    struct file files[4];
    struct span ders[4];
    size_t count;
};

static void read_chain(struct chain *c, const char *names)
{
    struct span rest = span_of(names), name;
    char one[32];
    for (c->count = 0; span_cut(&rest, ' ', &name); c->count++) {
        span_copy(name, one, sizeof one);
        c->ders[c->count] = read_file(&c->files[c->count], one, ".der");
    }
}

static const struct {
    const char *chain, *roots, *name;
    enum tls_verdict expected;
} by_roots[] = {
    { "leaf inter root", "root", "mx.test", TLS_VERIFIED },
    { "leaf inter", "root", "mx.test", TLS_VERIFIED },
    { "leaf inter", "root", "MX.test", TLS_VERIFIED },
    { "leaf inter", "root", "mx.test.evil", TLS_WRONG_NAME },
    { "leaf", "root", "mx.test", TLS_UNTRUSTED },
    { "leaf inter", "evil", "mx.test", TLS_UNTRUSTED },
    { "fake evil", "root", "mx.test", TLS_UNTRUSTED },
    { "fake evil inter", "root", "mx.test", TLS_UNTRUSTED },
    { "old inter", "root", "mx.test", TLS_EXPIRED },
    { "other inter", "root", "mx.test", TLS_WRONG_NAME },
    { "common inter", "root", "mx.test", TLS_WRONG_NAME },
    { "self", "root", "mx.test", TLS_UNTRUSTED },
    { "self", "self", "mx.test", TLS_VERIFIED },
    { "leaf inter", "log", "mx.test", TLS_UNTRUSTED },
};

static void roots(void)
{
    static struct chain c;
    static struct file pem;
    for (size_t i = 0; i < sizeof by_roots / sizeof by_roots[0]; i++) {
        read_chain(&c, by_roots[i].chain);
        struct span list = read_file(&pem, by_roots[i].roots, ".pem");
        enum tls_verdict v = tls_verify_roots(c.ders, c.count, list, by_roots[i].name);
        ok(v == by_roots[i].expected, "roots: %s by %s as %s: %s", by_roots[i].chain, by_roots[i].roots,
           by_roots[i].name, tls_verdict_text(v));
    }
    ok(tls_verify_roots(NULL, 0, SPAN(""), "mx.test") == TLS_UNTRUSTED, "roots: no chain");
}

static unsigned nibble(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

/* "3 1 1 leaf" */
static struct span make_record(const char *text, char *to)
{
    static struct file f;
    char name[32], suffix[16];
    unsigned usage, selector, matching;
    sscanf(text, "%u %u %u %31[a-z]", &usage, &selector, &matching, name);
    to[0] = (char)usage, to[1] = (char)selector, to[2] = (char)matching;
    snprintf(suffix, sizeof suffix, ".%s%s", selector == 1 ? "spki" : "der",
             matching == 0 ? "" : matching == 1 ? ".256" : ".512");
    struct span from = read_file(&f, name, suffix);
    size_t n = 3;
    if (matching == 0) {
        memcpy(to + 3, from.p, from.n);
        return (struct span){ to, n + from.n };
    }
    for (size_t i = 0; i + 1 < from.n; i += 2)
        to[n++] = (char)(nibble(from.p[i]) << 4 | nibble(from.p[i + 1]));
    return (struct span){ to, n };
}

static const struct {
    const char *chain, *records; /* parted by commas */
    enum tls_verdict expected;
} by_tlsa[] = {
    { "leaf", "3 1 1 leaf", TLS_VERIFIED },          { "leaf inter", "3 1 2 leaf", TLS_VERIFIED },
    { "leaf", "3 0 1 leaf", TLS_VERIFIED },          { "leaf", "3 0 2 leaf", TLS_VERIFIED },
    { "leaf", "3 0 0 leaf", TLS_VERIFIED },          { "leaf", "3 1 0 leaf", TLS_VERIFIED },
    { "old inter", "3 1 1 old", TLS_VERIFIED },      { "other", "3 1 1 other", TLS_VERIFIED },
    { "self", "3 1 1 self", TLS_VERIFIED },          { "leaf", "3 1 1 other", TLS_NO_MATCH },
    { "fake leaf", "3 1 1 leaf", TLS_NO_MATCH },     { "leaf", "3 1 1 other,3 1 1 leaf", TLS_VERIFIED },
    { "leaf inter", "2 0 1 inter", TLS_VERIFIED },   { "leaf inter", "2 1 1 inter", TLS_VERIFIED },
    { "leaf inter root", "2 1 2 root", TLS_VERIFIED }, { "leaf inter root", "2 0 2 root", TLS_VERIFIED },
    { "leaf inter", "2 0 1 root", TLS_NO_MATCH },    { "leaf inter", "2 0 0 root", TLS_VERIFIED },
    { "leaf", "2 0 0 inter", TLS_VERIFIED },         { "leaf inter", "2 1 0 inter", TLS_VERIFIED },
    { "old inter", "2 1 1 inter", TLS_EXPIRED },     { "other inter", "2 1 1 inter", TLS_WRONG_NAME },
    { "common inter", "2 1 1 inter", TLS_VERIFIED }, { "self", "2 1 1 self", TLS_VERIFIED },
    { "leaf", "2 1 1 leaf", TLS_NO_MATCH },          { "fake evil inter", "2 1 1 inter", TLS_UNTRUSTED },
    { "fake inter", "2 1 1 inter", TLS_UNTRUSTED },  { "fake evil inter root", "2 0 1 root", TLS_UNTRUSTED },
    { "leaf inter", "2 1 1 inter,3 1 1 other", TLS_VERIFIED },
};

static void records(void)
{
    static struct chain c;
    static char data[4][DER_LIMIT];
    static const char *const names[] = { "elsewhere.test", "mx.test" };
    for (size_t i = 0; i < sizeof by_tlsa / sizeof by_tlsa[0]; i++) {
        struct span rest = span_of(by_tlsa[i].records), one, raw[4];
        struct tlsa usable[TLSA_LIMIT];
        size_t n = 0;
        while (span_cut(&rest, ',', &one)) {
            raw[n] = make_record(one.p, data[n]);
            n++;
        }
        read_chain(&c, by_tlsa[i].chain);
        size_t kept = tlsa_select(raw, n, usable);
        enum tls_verdict v = tls_verify_tlsa(c.ders, c.count, usable, kept, names, 2);
        ok(kept == n && v == by_tlsa[i].expected, "TLSA: %s by %s: %s", by_tlsa[i].chain, by_tlsa[i].records,
           tls_verdict_text(v));
    }
    struct tlsa t = { TLSA_EE, TLSA_KEY, TLSA_SHA256, { data[0], 32 } };
    ok(tls_verify_tlsa(NULL, 0, &t, 1, names, 2) == TLS_NO_MATCH, "TLSA: no chain");
}

static const struct {
    const char *name;
    unsigned char heads[4][3];
    size_t lengths[4]; /* of the data; the first 0 ends them */
    size_t expected;
} selections[] = {
    { "usages 0 and 1", { { 0, 1, 1 }, { 1, 1, 1 } }, { 32, 32 }, 0 },
    { "an unknown usage, selector and matching type",
      { { 4, 1, 1 }, { 3, 2, 1 }, { 3, 1, 3 } },
      { 32, 32, 32 },
      0 },
    { "private ones", { { 255, 1, 1 }, { 3, 255, 1 }, { 3, 1, 255 } }, { 32, 32, 32 }, 0 },
    { "digests of a wrong length", { { 3, 1, 1 }, { 3, 1, 1 }, { 3, 1, 2 } }, { 31, 33, 32 }, 0 },
    { "good beside bad", { { 1, 1, 1 }, { 3, 1, 1 }, { 2, 9, 1 } }, { 32, 32, 32 }, 1 },
    { "a stronger digest outdoes", { { 3, 1, 1 }, { 3, 1, 2 } }, { 32, 64 }, 1 },
    { "but not of another usage or selector", { { 3, 1, 1 }, { 2, 1, 2 }, { 3, 0, 2 } }, { 32, 64, 64 }, 3 },
    { "nor the full data", { { 3, 1, 0 }, { 3, 1, 2 } }, { 80, 64 }, 2 },
    { "a malformed stronger one doesn't", { { 3, 1, 1 }, { 3, 1, 2 } }, { 32, 63 }, 1 },
};

static void select_records(void)
{
    for (size_t i = 0; i < sizeof selections / sizeof selections[0]; i++) {
        char data[4][128] = { { 0 } };
        struct span raw[4];
        struct tlsa usable[TLSA_LIMIT];
        size_t n = 0;
        for (; n < 4 && selections[i].lengths[n]; n++) {
            memcpy(data[n], selections[i].heads[n], 3);
            raw[n] = (struct span){ data[n], 3 + selections[i].lengths[n] };
        }
        size_t kept = tlsa_select(raw, n, usable);
        ok(kept == selections[i].expected, "selection: %s: %zu", selections[i].name, kept);
    }
    struct span cut[4] = { { "", 0 }, { "\3", 1 }, { "\3\1\0", 3 }, { "\3\1\1", 3 } };
    struct tlsa usable[TLSA_LIMIT];
    ok(tlsa_select(cut, 4, usable) == 0, "selection: records that are cut");
    struct bytes out;
    bytes_init(&out, 100);
    ok(tlsa_print((struct span){ "\3\1\1\xab\x01", 5 }, &out) && strcmp(bytes_str(&out), "3 1 1 ab01") == 0,
       "a record in text");
    bytes_free(&out);
}

int main(void)
{
    select_records();
    if (!mkdtemp(dir))
        return 1;
    char path[64], command[256];
    snprintf(path, sizeof path, "%s/make", dir);
    FILE *f = fopen(path, "w");
    if (!f || fputs(script, f) < 0 || fclose(f) != 0)
        return 1;
    snprintf(command, sizeof command, "sh %s %s", path, dir);
    if (ok(system(command) == 0, "certtool makes the certificates")) {
        roots();
        records();
    }
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 ? done_testing() : 1;
}
