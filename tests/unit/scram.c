/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SCRAM-SHA-256: its messages and stored verifiers well and badly formed, SASLprep by RFC 4013's examples,
 * and the whole exchange of RFC 7677 3.
 */
#include "tap.h"

#include "store/scram_verifier.h"
#include "text/saslprep.h"

#include <string.h>

static const struct {
    const char *message, *gs2, *binding, *authzid, *name, *nonce; /* gs2 NULL: refused */
} firsts[] = {
    { "n,,n=user,r=abc", "n,,", "", "", "user", "abc" },
    { "y,,n=user,r=abc", "y,,", "", "", "user", "abc" },
    { "p=tls-exporter,,n=user,r=abc", "p=tls-exporter,,", "tls-exporter", "", "user", "abc" },
    { "n,a=me,n=user,r=abc", "n,a=me,", "", "me", "user", "abc" },
    { "n,,n=a=2Cb=3Dc,r=abc", "n,,", "", "", "a=2Cb=3Dc", "abc" },
    { "n,,n=\xc3\xbc,r=a+/=~!", "n,,", "", "", "\xc3\xbc", "a+/=~!" },
    { "n,,n=user,r=abc,x=more,y=z", "n,,", "", "", "user", "abc" },
    { .message = "" },
    { .message = "," },
    { .message = ",,n=user,r=abc" },
    { .message = "n" },
    { .message = "n,," },
    { .message = "n,n=user,r=abc" },
    { .message = "x,,n=user,r=abc" },
    { .message = "nn,,n=user,r=abc" },
    { .message = "yes,,n=user,r=abc" },
    { .message = "p,,n=user,r=abc" },
    { .message = "p=,,n=user,r=abc" },
    { .message = "p=tls exporter,,n=user,r=abc" },
    { .message = "n=tls-exporter,,n=user,r=abc" },
    { .message = "n,a=,n=user,r=abc" },
    { .message = "n,b=me,n=user,r=abc" },
    { .message = "n,me,n=user,r=abc" },
    { .message = "n,,m=ext,n=user,r=abc" },
    { .message = "n,,n=,r=abc" },
    { .message = "n,,r=abc,n=user" },
    { .message = "n,,n=user" },
    { .message = "n,,n=user,r=" },
    { .message = "n,,n=user,r=a b" },
    { .message = "n,,n=user,r=\xc3\xbc" },
    { .message = "n,,n=user,r=abc," },
    { .message = "n,,n=user,r=abc,x" },
    { .message = "n,,n=user,r=abc,1=x" },
    { .message = "n,,n=user,r=abc,x=" },
    { .message = "n,,n=\xc3,r=abc" },
};

#define PROOF "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="

static const struct {
    const char *message, *binding, *nonce, *without; /* binding NULL: refused */
} finals[] = {
    { "c=biws,r=abc,p=" PROOF, "biws", "abc", "c=biws,r=abc" },
    { "c=biws,r=abc,x=1,y=2,p=" PROOF, "biws", "abc", "c=biws,r=abc,x=1,y=2" },
    { "c=biws,r=abc,p=1,p=" PROOF, "biws", "abc", "c=biws,r=abc,p=1" },
    { .message = "" },
    { .message = "c=biws" },
    { .message = "c=biws,r=abc" },
    { .message = "c=biws,r=abc," },
    { .message = "c=biws,r=abc,p=" },
    { .message = "c=biws,r=abc,,p=" PROOF },
    { .message = "c=biws,r=abc,x,p=" PROOF },
    { .message = "c=biws,r=abc,p=" PROOF "," },
    { .message = "c=biws,r=abc,p=" PROOF ",x=1" },
    { .message = "c=biws,r=abc,p=AAAA" },
    { .message = "c=biws,r=abc,p=!HzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=" },
    { .message = "c=biws,p=" PROOF },
    { .message = "r=abc,c=biws,p=" PROOF },
    { .message = "c=,r=abc,p=" PROOF },
    { .message = "p=" PROOF },
    { .message = "c=biws,r=a\tc,p=" PROOF },
};

static void messages(void)
{
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
        struct scram_first f = { 0 };
        bool good = scram_read_first(span_of(firsts[i].message), &f);
        ok(good == (firsts[i].gs2 != NULL) &&
               (!good || (span_eq_str(f.gs2, firsts[i].gs2) && span_eq_str(f.binding, firsts[i].binding) &&
                          span_eq_str(f.authzid, firsts[i].authzid) && span_eq_str(f.name, firsts[i].name) &&
                          span_eq_str(f.nonce, firsts[i].nonce) &&
                          span_eq_str(f.bare, firsts[i].message + strlen(firsts[i].gs2)))),
           "client-first %s: %s", good ? "read" : "refused", firsts[i].message);
    }
    for (size_t i = 0; i < sizeof finals / sizeof finals[0]; i++) {
        struct scram_final f = { 0 };
        bool good = scram_read_final(span_of(finals[i].message), &f);
        ok(good == (finals[i].binding != NULL) &&
               (!good ||
                (span_eq_str(f.binding, finals[i].binding) && span_eq_str(f.nonce, finals[i].nonce) &&
                 span_eq_str(f.without_proof, finals[i].without) && f.proof[0] == 0x74 &&
                 f.proof[31] == 0x54)),
           "client-final %s: %s", good ? "read" : "refused", finals[i].message);
    }
    struct scram_first f;
    ok(!scram_read_first(SPAN("n,,n=us\0er,r=abc"), &f), "a NUL is refused");
    static char long_nonce[SCRAM_NONCE_LIMIT + 32] = "n,,n=user,r=";
    memset(long_nonce + 12, 'x', SCRAM_NONCE_LIMIT);
    ok(scram_read_first(span_of(long_nonce), &f), "a nonce of %d bytes is read", SCRAM_NONCE_LIMIT);
    long_nonce[12 + SCRAM_NONCE_LIMIT] = 'x';
    ok(!scram_read_first(span_of(long_nonce), &f), "one byte more is refused");
}

static void names(void)
{
    static const struct {
        const char *escaped, *name; /* NULL: refused */
    } rows[] = {
        { "user", "user" }, { "a=2Cb=3D", "a,b=" }, { "=3D2C", "=2C" }, { "a=2cb", NULL },
        { "a=", NULL },     { "a=3", NULL },        { "==2C", NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes name;
        bytes_init(&name, 100);
        bool good = scram_name(span_of(rows[i].escaped), &name);
        ok(good == (rows[i].name != NULL) && (!good || strcmp(bytes_str(&name), rows[i].name) == 0),
           "the name %s", rows[i].escaped);
        bytes_free(&name);
    }
}

static void preparation(void)
{
    static const struct {
        const char *name, *text, *prepared; /* NULL: refused */
    } rows[] = {
        { "RFC 4013 3: soft hyphen to nothing", "I\xc2\xadX", "IX" },
        { "RFC 4013 3: no change", "user", "user" },
        { "RFC 4013 3: case stays", "USER", "USER" },
        { "RFC 4013 3: NFKC", "\xc2\xaa", "a" },
        { "RFC 4013 3: NFKC of a roman numeral", "\xe2\x85\xa8", "IX" },
        { "RFC 4013 3: a control character", "\x07", NULL },
        { "RFC 4013 3: both directions", "\xd8\xa7\x31", NULL },
        { "right to left all through", "\xd8\xa7\x31\xd8\xa8", "\xd8\xa7\x31\xd8\xa8" },
        { "left within right", "\xd8\xa7\x61\xd8\xa8", NULL },
        { "right within left", "a\xd7\x90z", NULL },
        { "digits before what is right to left", "1\xd7\x90", NULL },
        { "a no-break space", "a\xc2\xa0z", "a z" },
        { "a zero width space", "a\xe2\x80\x8bz", "a z" },
        { "composed", "u\xcc\x88", "\xc3\xbc" },
        { "an emoji that Unicode 3.2 didn't know", "\xf0\x9f\x94\x91", "\xf0\x9f\x94\x91" },
        { "private use", "\xee\x80\x80", NULL },
        { "no character", "\xef\xbf\xbe", NULL },
        { "no character of a later plane", "\xf0\x9f\xbf\xbf", NULL },
        { "DEL", "a\x7f", NULL },
        { "not UTF-8", "\xff", NULL },
        { "nothing", "", NULL },
        { "nothing left", "\xc2\xad", NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes out;
        bytes_init(&out, 100);
        bool good = saslprep(span_of(rows[i].text), &out);
        ok(good == (rows[i].prepared != NULL) && strcmp(bytes_str(&out), good ? rows[i].prepared : "") == 0,
           "SASLprep: %s", rows[i].name);
        bytes_free(&out);
    }
}

#define NONCE "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define SERVER_FIRST "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define WITHOUT_PROOF "c=biws,r=" NONCE

static void exchange(void)
{
    struct scram_verifier v;
    struct scram_first first;
    struct scram_final final;
    struct bytes out, messages_said;
    unsigned char signature[SCRAM_KEY];
    bytes_init(&out, 4096);
    bytes_init(&messages_said, 4096);
    ok(scram_verifier_make(SPAN("pencil"),
                           SPAN("\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81"), 4096,
                           &v),
       "RFC 7677: a verifier");
    ok(scram_read_first(SPAN("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"), &first), "client-first");
    ok(scram_write_first(SPAN(NONCE), &v, &out) && strcmp(bytes_str(&out), SERVER_FIRST) == 0,
       "server-first");
    bytes_clear(&out);
    ok(scram_write_expected(first.gs2, SPAN(""), SPAN(NONCE), &out) &&
           strcmp(bytes_str(&out), WITHOUT_PROOF) == 0,
       "what client-final begins with");
    ok(scram_read_final(SPAN(WITHOUT_PROOF ",p=" PROOF), &final), "client-final");
    bytes_printf(&messages_said, "%.*s,%s,%.*s", SPAN_FMT(first.bare), SERVER_FIRST,
                 SPAN_FMT(final.without_proof));
    ok(scram_verifier_proves(&v, span_bytes(&messages_said), final.proof), "the proof is right");
    bytes_clear(&out);
    ok(scram_verifier_sign(&v, span_bytes(&messages_said), signature) && scram_write_final(signature, &out) &&
           strcmp(bytes_str(&out), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=") == 0,
       "server-final");
    for (size_t i = 0; i < sizeof final.proof; i += 31) {
        final.proof[i] ^= 1;
        ok(!scram_verifier_proves(&v, span_bytes(&messages_said), final.proof),
           "one bit of byte %zu else: wrong", i);
        final.proof[i] ^= 1;
    }
    messages_said.data[5] ^= 1;
    ok(!scram_verifier_proves(&v, span_bytes(&messages_said), final.proof), "another message: wrong");
    bytes_free(&out);
    bytes_free(&messages_said);
}

static const struct {
    const char *name, *text;
    bool good;
} verifiers[] = {
    { "an ordinary one",
      "4096,W22ZaJ0SNY7soEsUEjb6gQ==,AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,"
      "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
      true },
    { "a short salt",
      "4096,AA==,AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,"
      "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
      true },
    { "no salt",
      "4096,,AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,"
      "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
      false },
    { "too few iterations",
      "4095,W22ZaJ0SNY7soEsUEjb6gQ==,AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,"
      "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
      false },
    { "too many",
      "10000001,W22ZaJ0SNY7soEsUEjb6gQ==,AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,"
      "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
      false },
    { "no number",
      "x,W22ZaJ0SNY7soEsUEjb6gQ==,AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,"
      "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
      false },
    { "one key", "4096,W22ZaJ0SNY7soEsUEjb6gQ==,AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", false },
    { "a key too long",
      "4096,W22ZaJ0SNY7soEsUEjb6gQ==,AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,"
      "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g",
      false },
    { "another field",
      "4096,W22ZaJ0SNY7soEsUEjb6gQ==,AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,"
      "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,x",
      false },
    { "nothing", "", false },
};

/* As Dovecot's `doveadm pw -s SCRAM-SHA-256` makes them, on Debian 12; it doesn't prepare passwords. */
static const struct {
    const char *password, *text;
} dovecots[] = {
    { "alice-secret", "4096,yE3RvMoMZSgw6subuNlgoA==,vhESWq37TmN1lDg2uDXMqg2Oz6ajsbc2TRbyw9GH2Z4=,"
                      "qrPdueNyJ8koQRjwO3i63NfIb5iD9xMQCjiGKP1LmcE=" },
    { "u\xcc\x88", "4096,hoJhchV+OfqgRliNtFtReA==,wPwH92dvch0FjygseMeWBKWdj3iwx5YS0K8H3eU2ASA=,"
                   "QIwCe8D6glWXgz9ZUPchFJjrX6YJJfab09DT4g83RLE=" },
};

static void dovecot(void)
{
    for (size_t i = 0; i < sizeof dovecots / sizeof dovecots[0]; i++) {
        struct scram_verifier v;
        ok(scram_read_verifier(span_of(dovecots[i].text), &v) &&
               scram_verifier_check(&v, span_of(dovecots[i].password)) == ST_OK &&
               scram_verifier_check(&v, SPAN("x")) == ST_PERM,
           "a verifier of Dovecot's, %zu", i);
    }
}

static void stored(void)
{
    struct bytes out;
    bytes_init(&out, 4096);
    for (size_t i = 0; i < sizeof verifiers / sizeof verifiers[0]; i++) {
        struct scram_verifier v;
        bool good = scram_read_verifier(span_of(verifiers[i].text), &v);
        bytes_clear(&out);
        ok(good == verifiers[i].good &&
               (!good || (scram_write_verifier(&v, &out) && strcmp(bytes_str(&out), verifiers[i].text) == 0)),
           "a verifier: %s", verifiers[i].name);
    }
    struct scram_verifier v;
    bytes_clear(&out);
    bool made = scram_verifier_hash(SPAN("I\xc2\xadX"), NULL, &out) == ST_OK;
    ok(made && span_starts(span_bytes(&out), "{SCRAM-SHA-256}65536,") &&
           scram_read_verifier(span_from(span_bytes(&out), sizeof "{SCRAM-SHA-256}" - 1), &v),
       "ours: %.40s", bytes_str(&out));
    ok(scram_verifier_check(&v, SPAN("IX")) == ST_OK &&
           scram_verifier_check(&v, SPAN("I\xc2\xadX")) == ST_OK &&
           scram_verifier_check(&v, SPAN("ix")) == ST_PERM && scram_verifier_check(&v, SPAN("")) == ST_PERM,
       "it fits the prepared password, in either form, and no other");
    ok(scram_verifier_make(SPAN("\x07 bell"), SPAN("salt"), 4096, &v) &&
           scram_verifier_check(&v, SPAN("\x07 bell")) == ST_OK,
       "what SASLprep refuses is taken as it is");
    bytes_free(&out);
}

int main(void)
{
    messages();
    names();
    preparation();
    exchange();
    stored();
    dovecot();
    return done_testing();
}
