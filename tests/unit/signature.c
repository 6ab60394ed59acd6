/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Signatures of mail: keys of every size and kind, keys that are broken, and how long a hostile one takes.
 */
#include "tap.h"

#include "base/clock.h"
#include "net/signature.h"
#include "signature_keys.h"
#include "text/base64.h"

#include <stdlib.h>
#include <time.h>

static unsigned char hash[HASH_SIZE];

/* A key of that PEM signs, its public part verifies that, and nothing that differs in a bit. */
static void round_trip(const char *name, const char *pem, enum signature_algorithm algorithm, unsigned bits)
{
    struct signature_key key;
    struct bytes signature, public;
    unsigned read = 0, no = 0;
    bytes_init(&signature, SIGNATURE_LIMIT);
    bytes_init(&public, SIGNATURE_PUBLIC_LIMIT);
    bool good = signature_key_load(span_of(pem), &key) == ST_OK;
    ok(good && key.algorithm == algorithm && key.bits == bits, "%s: loaded", name);
    if (!good)
        return;
    good = signature_sign(&key, hash, &signature) == ST_OK && signature_public(&key, &public) == ST_OK;
    ok(good &&
           signature_verify(algorithm, span_bytes(&public), hash, span_bytes(&signature), &read) ==
               SIGNATURE_GOOD &&
           read == bits,
       "%s: what it signs verifies", name);
    for (size_t i = 0; i < signature.len; i++) {
        signature.data[i] ^= 4;
        no += signature_verify(algorithm, span_bytes(&public), hash, span_bytes(&signature), &read) ==
              SIGNATURE_BAD;
        signature.data[i] ^= 4;
    }
    ok(no == signature.len, "%s: not with a byte of the signature changed", name);
    hash[7] ^= 1;
    ok(signature_verify(algorithm, span_bytes(&public), hash, span_bytes(&signature), &read) == SIGNATURE_BAD,
       "%s: nor with another hash", name);
    hash[7] ^= 1;
    ok(signature_verify(algorithm, span_bytes(&public), hash, span_head(span_bytes(&signature), 63), &read) ==
               SIGNATURE_BAD &&
           signature_verify(algorithm, span_bytes(&public), hash, SPAN(""), &read) == SIGNATURE_BAD,
       "%s: nor a part of it, nor nothing", name);
    ok(signature_verify((enum signature_algorithm) !algorithm, span_bytes(&public), hash,
                        span_bytes(&signature), &read) == SIGNATURE_KEY_BAD,
       "%s: nor by the other algorithm", name);
    signature_key_free(&key);
    bytes_free(&signature);
    bytes_free(&public);
}

static void made_keys(void)
{
    struct bytes pem;
    bytes_init(&pem, SIGNATURE_PEM_LIMIT);
    ok(signature_make(SIGNATURE_RSA_SHA256, &pem) == ST_OK, "an RSA key is made");
    round_trip("a new RSA key", bytes_str(&pem), SIGNATURE_RSA_SHA256, SIGNATURE_RSA_MADE);
    bytes_clear(&pem);
    ok(signature_make(SIGNATURE_ED25519_SHA256, &pem) == ST_OK, "an Ed25519 key is made");
    round_trip("a new Ed25519 key", bytes_str(&pem), SIGNATURE_ED25519_SHA256, 256);
    bytes_wipe(&pem);
    bytes_init(&pem, 40);
    ok(signature_make(SIGNATURE_ED25519_SHA256, &pem) == ST_TEMP, "where there is no room, none is");
    bytes_wipe(&pem);
}

static void loading(void)
{
    struct signature_key key;
    static char much[SIGNATURE_PEM_LIMIT + 2];
    memset(much, 'A', sizeof much - 1);
    ok(signature_key_load(span_of(rsa_512_key), &key) == ST_PERM && !key.handle,
       "RSA of 512 bits isn't loaded");
    ok(signature_key_load(span_of(ecdsa_key), &key) == ST_PERM && !key.handle, "nor is ECDSA");
    ok(signature_key_load(span_of(much), &key) == ST_PERM && !key.handle, "nor what is too long");
    ok(signature_key_load(SPAN("garbage"), &key) == ST_PERM && !key.handle, "nor garbage");
    ok(signature_key_load(SPAN(""), &key) == ST_PERM && !key.handle, "nor nothing");
    ok(signature_key_load(span_head(span_of(rsa_4096_key), 900), &key) == ST_PERM && !key.handle,
       "nor half a key");
    signature_key_free(&key);
}

/* Hexadecimal, blanks allowed; "*N:" before two digits repeats them N times. */
static void add_hex(struct bytes *out, const char *text)
{
    size_t times = 1;
    for (const char *p = text; *p;) {
        if (*p == ' ') {
            p++;
        } else if (*p == '*') {
            char *end;
            times = strtoul(p + 1, &end, 10);
            p = end + 1;
        } else {
            for (; times; times--)
                bytes_add_char(out, (char)(hex_value(p[0]) * 16 + hex_value(p[1])));
            times = 1;
            p += 2;
        }
    }
}

static const struct {
    const char *name, *der;
    enum signature_verdict expected;
    unsigned bits;
} keys[] = {
    { "1,024 bits, bare", "30 8189 02 8181 00 *128:ff 02 03 010001", SIGNATURE_BAD, 1024 },
    { "1,023 bits", "30 8188 02 8180 7f *127:ff 02 03 010001", SIGNATURE_KEY_SHORT, 1023 },
    { "8,192 bits", "30 82040a 02 820401 00 *1024:ff 02 03 010001", SIGNATURE_BAD, 8192 },
    { "8,200 bits", "30 82040b 02 820402 00 *1025:ff 02 03 010001", SIGNATURE_KEY_LONG, 8200 },
    { "8,192 bits and an exponent of 32", "30 82040c 02 820401 00 *1024:ff 02 05 00 *4:ff", SIGNATURE_BAD,
      8192 },
    { "1,024 bits and an exponent of 33", "30 818b 02 8181 00 *128:ff 02 05 01 *4:ff", SIGNATURE_KEY_LONG,
      1024 },
    { "an exponent of 1", "30 8187 02 8181 00 *128:ff 02 01 01", SIGNATURE_KEY_BAD, 1024 },
    { "an even exponent", "30 8187 02 8181 00 *128:ff 02 01 04", SIGNATURE_KEY_BAD, 1024 },
    { "an even modulus", "30 8189 02 8181 00 *127:ff fe 02 03 010001", SIGNATURE_KEY_BAD, 1024 },
    { "a negative modulus", "30 8188 02 8180 *128:ff 02 03 010001", SIGNATURE_KEY_BAD, 0 },
    { "an exponent of nothing", "30 8186 02 8181 00 *128:ff 02 00", SIGNATURE_KEY_BAD, 0 },
    { "a modulus of zero", "30 08 02 01 00 02 03 010001", SIGNATURE_KEY_BAD, 0 },
    { "a modulus with zeros in front", "30 818a 02 8182 0000 *128:ff 02 03 010001", SIGNATURE_KEY_BAD, 0 },
    { "a zero in front without need", "30 8189 02 8181 00 7f *127:ff 02 03 010001", SIGNATURE_KEY_BAD, 0 },
    { "something behind", "30 8189 02 8181 00 *128:ff 02 03 010001 00", SIGNATURE_KEY_BAD, 0 },
    { "something within, behind", "30 818b 02 8181 00 *128:ff 02 03 010001 0500", SIGNATURE_KEY_BAD, 0 },
    { "a length beyond the end", "30 818a 02 8181 00 *128:ff 02 03 010001", SIGNATURE_KEY_BAD, 0 },
    { "a length of the largest kind", "30 84ffffffff 02 8181 00 *128:ff 02 03 010001", SIGNATURE_KEY_BAD, 0 },
    { "a length without end", "30 80 02 8181 00 *128:ff 02 03 010001 0000", SIGNATURE_KEY_BAD, 0 },
    { "a length in more bytes than it takes", "30 820089 02 8181 00 *128:ff 02 03 010001", SIGNATURE_KEY_BAD,
      0 },
    { "a modulus that lies about its length", "30 8189 02 8188 00 *128:ff 02 03 010001", SIGNATURE_KEY_BAD,
      0 },
    { "nothing", "", SIGNATURE_KEY_BAD, 0 },
    { "half a head", "30", SIGNATURE_KEY_BAD, 0 },
    { "an empty sequence", "30 00", SIGNATURE_KEY_BAD, 0 },
    { "text", "41 42 43 44", SIGNATURE_KEY_BAD, 0 },
    { "SubjectPublicKeyInfo",
      "30 819f 30 0d 06092a864886f70d010101 0500 03 818d 00 30 8189 02 8181 00 *128:ff 02 03 010001",
      SIGNATURE_BAD, 1024 },
    { "SubjectPublicKeyInfo without parameters",
      "30 819d 30 0b 06092a864886f70d010101 03 818d 00 30 8189 02 8181 00 *128:ff 02 03 010001",
      SIGNATURE_BAD, 1024 },
    { "SubjectPublicKeyInfo of another algorithm",
      "30 819f 30 0d 06092a864886f70d010102 0500 03 818d 00 30 8189 02 8181 00 *128:ff 02 03 010001",
      SIGNATURE_KEY_BAD, 0 },
    { "SubjectPublicKeyInfo with unused bits",
      "30 819f 30 0d 06092a864886f70d010101 0500 03 818d 01 30 8189 02 8181 00 *128:ff 02 03 010001",
      SIGNATURE_KEY_BAD, 0 },
    { "SubjectPublicKeyInfo of nothing", "30 12 30 0d 06092a864886f70d010101 0500 03 01 00",
      SIGNATURE_KEY_BAD, 0 },
};

static void public_keys(void)
{
    struct bytes der, signature;
    unsigned bits;
    bytes_init(&der, 65536);
    bytes_init(&signature, 4096);
    add_hex(&signature, "*128:01");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        bytes_clear(&der);
        add_hex(&der, keys[i].der);
        enum signature_verdict verdict =
            signature_verify(SIGNATURE_RSA_SHA256, span_bytes(&der), hash, span_bytes(&signature), &bits);
        if (!ok(verdict == keys[i].expected && bits == keys[i].bits, "RSA key: %s", keys[i].name))
            printf("# verdict %d, %u bits\n", (int)verdict, bits);
    }
    bytes_clear(&der);
    add_hex(&der, "30 82080a 02 820801 00 *2048:ff 02 03 010001");
    ok(signature_verify(SIGNATURE_RSA_SHA256, span_bytes(&der), hash, span_bytes(&signature), &bits) ==
           SIGNATURE_KEY_LONG,
       "RSA key: 16,384 bits");
    bytes_clear(&der);
    add_hex(&der, "*33:11");
    ok(signature_verify(SIGNATURE_ED25519_SHA256, span_bytes(&der), hash, span_bytes(&signature), &bits) ==
           SIGNATURE_KEY_BAD,
       "Ed25519 key: 33 bytes");
    /* Points that are none, or of small order: whatever the library says of them, they verify nothing
     * here. */
    static const char *const points[] = { "*32:00", "01 *31:00", "*32:ff", "ec *30:ff 7f" };
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        bytes_clear(&der);
        add_hex(&der, points[i]);
        signature_verify(SIGNATURE_ED25519_SHA256, span_bytes(&der), hash,
                         span_head(span_bytes(&signature), 64), &bits);
        ok(signature_verify(SIGNATURE_ED25519_SHA256, span_bytes(&der), hash,
                            span_head(span_bytes(&signature), 64), &bits) != SIGNATURE_GOOD,
           "Ed25519 key: odd point %zu", i);
    }
    bytes_free(&der);
    bytes_free(&signature);
}

/* The dearest key that is computed with, and each that isn't, in processor time. */
static void time_it_takes(void)
{
    struct bytes der, signature;
    unsigned bits;
    bytes_init(&der, 65536);
    bytes_init(&signature, 4096);
    add_hex(&der, "30 82040c 02 820401 00 *1024:ff 02 05 00 *4:ff");
    add_hex(&signature, "*1024:7f");
    clock_t start = clock();
    for (int i = 0; i < 10; i++)
        signature_verify(SIGNATURE_RSA_SHA256, span_bytes(&der), hash, span_bytes(&signature), &bits);
    double each = (double)(clock() - start) / CLOCKS_PER_SEC / 10;
    ok(each < 0.05, "the dearest key of a stranger takes %.2f ms", each * 1000);
    bytes_free(&der);
    bytes_free(&signature);
}

static void names(void)
{
    enum signature_algorithm algorithm = SIGNATURE_RSA_SHA256;
    ok(signature_algorithm_of(SPAN("Ed25519-SHA256"), &algorithm) && algorithm == SIGNATURE_ED25519_SHA256 &&
           signature_algorithm_of(SPAN("rsa-sha256"), &algorithm) && algorithm == SIGNATURE_RSA_SHA256,
       "algorithms by name");
    ok(!signature_algorithm_of(SPAN("rsa-sha1"), &algorithm) &&
           !signature_algorithm_of(SPAN("rsa"), &algorithm) && !signature_algorithm_of(SPAN(""), &algorithm),
       "and no others");
    ok(strcmp(signature_key_type(SIGNATURE_ED25519_SHA256), "ed25519") == 0 &&
           strcmp(signature_algorithm_name(SIGNATURE_RSA_SHA256), "rsa-sha256") == 0,
       "and their names");
}

static void hash_in_pieces(void)
{
    struct hash h;
    unsigned char whole[HASH_SIZE], parts[HASH_SIZE];
    bool good = hash_start(&h);
    hash_add(&h, SPAN("ab"));
    hash_add(&h, SPAN(""));
    hash_add(&h, SPAN("c"));
    ok(good && hash_end(&h, parts) && hash_sha256(SPAN("abc"), whole) && hash_same(whole, parts),
       "SHA-256 in pieces");
    ok(!hash_end(&h, parts), "ended twice, it has nothing to say");
    hash_drop(&h);
    good = hash_start(&h);
    hash_drop(&h);
    hash_drop(&h);
    ok(good && !h.state, "and can be dropped");
}

int main(void)
{
    random_bytes(hash, sizeof hash);
    round_trip("Ed25519", ed25519_key, SIGNATURE_ED25519_SHA256, 256);
    round_trip("RSA of 1,024 bits (PKCS #8)", rsa_1024_key, SIGNATURE_RSA_SHA256, 1024);
    round_trip("RSA of 4,096 bits (PKCS #1)", rsa_4096_key, SIGNATURE_RSA_SHA256, 4096);
    made_keys();
    loading();
    public_keys();
    time_it_takes();
    names();
    hash_in_pieces();
    return done_testing();
}
