/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Passwords: known hashes of each scheme, and our own.
 */
#include "tap.h"

#include "store/password.h"
#include "store/password_digest.h"

#include <stdlib.h>
#include <string.h>

/* The hashes are as perl's crypt() gives them on Debian 12. */
static const struct {
    const char *name, *stored, *password;
    enum status expected;
} rows[] = {
    { "MD5-CRYPT", "{MD5-CRYPT}$1$saltstri$YMyguxXMBpd2TEZ.vS/3q1", "Hello world!", ST_OK },
    { "SHA256-CRYPT", "{SHA256-CRYPT}$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
      "Hello world!", ST_OK },
    { "SHA512-CRYPT",
      "{SHA512-CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/"
      "O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
      "Hello world!", ST_OK },
    { "BLF-CRYPT", "{BLF-CRYPT}$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U", ST_OK },
    { "bcrypt as CRYPT", "{CRYPT}$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U",
      ST_OK },
    { "scheme in lower case", "{crypt}$1$saltstri$YMyguxXMBpd2TEZ.vS/3q1", "Hello world!", ST_OK },
    { "no scheme is CRYPT", "$1$saltstri$YMyguxXMBpd2TEZ.vS/3q1", "Hello world!", ST_OK },
    { "wrong", "{CRYPT}$1$saltstri$YMyguxXMBpd2TEZ.vS/3q1", "Hello world", ST_PERM },
    { "longer than right", "{CRYPT}$1$saltstri$YMyguxXMBpd2TEZ.vS/3q1", "Hello world!!", ST_PERM },
    { "empty", "{CRYPT}$1$saltstri$YMyguxXMBpd2TEZ.vS/3q1", "", ST_PERM },
    { "PLAIN", "{PLAIN}secret", "secret", ST_OK },
    { "PLAIN wrong", "{PLAIN}secret", "Secret", ST_PERM },
    { "PLAIN, a beginning", "{PLAIN}secret", "sec", ST_PERM },
    { "PLAIN, repeated", "{PLAIN}secret", "secretsecret", ST_PERM },
    { "PLAIN, nothing stored", "{PLAIN}", "secret", ST_PERM },
    { "PLAIN, nothing stored nor said", "{PLAIN}", "", ST_PERM },
    { "SCRAM-SHA-256",
      "{SCRAM-SHA-256}4096,yE3RvMoMZSgw6subuNlgoA==,vhESWq37TmN1lDg2uDXMqg2Oz6ajsbc2TRbyw9GH2Z4=,"
      "qrPdueNyJ8koQRjwO3i63NfIb5iD9xMQCjiGKP1LmcE=",
      "alice-secret", ST_OK },
    { "SCRAM-SHA-256 wrong",
      "{SCRAM-SHA-256}4096,yE3RvMoMZSgw6subuNlgoA==,vhESWq37TmN1lDg2uDXMqg2Oz6ajsbc2TRbyw9GH2Z4=,"
      "qrPdueNyJ8koQRjwO3i63NfIb5iD9xMQCjiGKP1LmcE=",
      "Alice-secret", ST_PERM },
    { "SCRAM-SHA-256 cut off", "{SCRAM-SHA-256}4096,yE3RvMoMZSgw6subuNlgoA==", "alice-secret", ST_TEMP },
    { "unknown scheme", "{ROT13}frperg", "secret", ST_TEMP },
    { "scheme not closed", "{CRYPT$1$saltstri$YMyguxXMBpd2TEZ.vS/3q1", "Hello world!", ST_TEMP },
    { "no hash", "{CRYPT}", "secret", ST_TEMP },
    { "nothing at all", "", "secret", ST_TEMP },
    { "locked account of shadow(5)", "{CRYPT}!", "secret", ST_TEMP },
    { "unknown method", "{CRYPT}$99$x$y", "secret", ST_TEMP },
};

/* What `doveadm pw -p 'Grüße, World'` of Dovecot 2.3 says in each scheme, and what each is worth. */
#define DOVEADM                                                                                              \
    "Gr\xc3\xbc\xc3\x9f"                                                                                     \
    "e, World"
static const struct {
    const char *name, *stored;
    enum password_grade grade;
} dovecot_rows[] = {
    { "SSHA", "{SSHA}3PfCKtNQe/q8kcqU8oofyt5lxhW4tDHx", PASSWORD_WEAK },
    { "SSHA256", "{SSHA256}3s+ownhHFf2xfEZ0NpWNsjdFiHwq+25GUqXOueAY0zJC/qUr", PASSWORD_WEAK },
    { "SSHA512",
      "{SSHA512}ZHK6PnHb7s1FjYpJDrZO3dLdxawcGiOYy1nq6P41oyZ0RM3+OzLvUFUZlZf02"
      "YPVmcLsKfhECkamRG7WlinKoKTDaXs=",
      PASSWORD_WEAK },
    { "SHA", "{SHA}lfw5+x6XNot9GETa1/UAQE68/a4=", PASSWORD_WEAK },
    { "SHA256", "{SHA256}jOdZS7ElQEg0VwRh4eLS2vZkjOwijlAAK6L2rN/YNQM=", PASSWORD_WEAK },
    { "SHA512",
      "{SHA512}dNtj485kEH6FNRkGYkSoNlehxRwUuYHko5ILVado2YnO3I2+aHci/b5B6ogeQA"
      "pTmnqrNDPBj1vaL15s2dqM9Q==",
      PASSWORD_WEAK },
    { "PLAIN-MD5", "{PLAIN-MD5}829252234b26219662c55f5f9d42158b", PASSWORD_WEAK },
    { "LDAP-MD5", "{LDAP-MD5}gpJSI0smIZZixV9fnUIViw==", PASSWORD_WEAK },
    { "SMD5", "{SMD5}UOgCAunNhp8834q7cCFXoM9suag=", PASSWORD_WEAK },
    { "PBKDF2",
      "{PBKDF2}$1$jKTDKybX44/BJat1$5000$3add13899aef361f4228b711312297606ebb2"
      "756",
      PASSWORD_GOOD },
    { "SCRAM-SHA-1",
      "{SCRAM-SHA-1}4096,SOMtg13anLa1S1Kt9UTdRg==,5WVq8z2SAjplrwWeznmbKys1Aag"
      "=,QAevrHxW/j1cB0LaR9TnlvFb+S8=",
      PASSWORD_GOOD },
    { "SCRAM-SHA-256 of doveadm",
      "{SCRAM-SHA-256}4096,oext+Tz4jTxz0odxoeCv+A==,JPlGa3dJSgtBFqJO4VSKKj4jr"
      "jEQLYjtlkAwRd3eG9U=,8F/6TbPtnp4V91YE5OeoMyz8nfuB6r6QSXaIEcEVz48=",
      PASSWORD_GOOD },
    { "MD5, crypt's", "{MD5}$1$AGAKrp3j$8AOu7lAB20LrTGSlf8qkD.", PASSWORD_WEAK },
    { "MD5, a plain hash", "{MD5}829252234b26219662c55f5f9d42158b", PASSWORD_WEAK },
    { "SSHA256.HEX",
      "{SSHA256.HEX}ea0ad64b74fbee641538708c09c69dde1bf75bbd389e6c46c4c588d49"
      "6139f5c307dd272",
      PASSWORD_WEAK },
    { "SHA1.hex", "{SHA1.hex}95fc39fb1e97368b7d1844dad7f500404ebcfdae", PASSWORD_WEAK },
    { "SHA1 in hexadecimal unsaid", "{SHA1}95fc39fb1e97368b7d1844dad7f500404ebcfdae", PASSWORD_WEAK },
    { "SSHA512.B64",
      "{SSHA512.B64}ebda+qFvCTnRLW1Jc3UJ8VCFT0BOtJ9UwGjUKH74kv++CTpjvY3swMbnk"
      "RU2ZyldQ9v7vJK4gkTnoAsnendzv41Cx0g=",
      PASSWORD_WEAK },
    { "PLAIN-MD5.base64", "{PLAIN-MD5.base64}gpJSI0smIZZixV9fnUIViw==", PASSWORD_WEAK },
    { "bcrypt of doveadm", "{CRYPT}$2y$05$pXJUAR7aVqAw72zdDUnR9ehYFsvIoNilwAC0tlhgd6layhq5hO6sy",
      PASSWORD_GOOD },
};

/* Texts that no password is right for, and that mustn't be kept. */
static const char *const unusable[] = {
    "{SSHA}",
    "{SSHA}AAAA",
    "{SSHA}3PfCKtNQe/q8kcqU8oofyt5lxhU=",
    "{SSHA}not base64!",
    "{SHA256}",
    "{SHA}lfw5+x6X",
    "{SHA.hex}95fc39fb1e97368b7d1844dad7f500404ebcfda",
    "{SHA.hex}zzfc39fb1e97368b7d1844dad7f500404ebcfdae",
    "{SHA.rot}95fc39fb1e97368b7d1844dad7f500404ebcfdae",
    "{PBKDF2}",
    "{PBKDF2}$1$salt$0$3add13899aef361f4228b711312297606ebb2756",
    "{PBKDF2}$2$salt$5000$3add13899aef361f4228b711312297606ebb2756",
    "{PBKDF2}$1$salt$5000$3add",
    "{PBKDF2}$1$salt$99999999999$3add13899aef361f4228b711312297606ebb2756",
    "{SCRAM-SHA-1}4096,SOMtg13anLa1S1Kt9UTdRg==",
    "{SCRAM-SHA-1}4096,,5WVq8z2SAjplrwWeznmbKys1Aag=,QAevrHxW/j1cB0LaR9TnlvFb+S8=",
    "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$1Dt3AbTkPO1Q/UQRB6W53g$htsOLJUOGpBk1ZLbgFan/Rs0Dc",
    "{PLAIN-MD4}49be2f42ca655790870a7fbabe637aa5",
    "{DIGEST-MD5}f58022934eb8fb9c06f4c11721cb776c",
    "{CRYPT}",
    "{CRYPT}!",
    "{CRYPT}*",
    "",
    "{",
    "{}",
    "{PLAIN}",
    "{SCRAM-SHA-256}4096",
    "{MD5}",
};

static void of_dovecot(void)
{
    for (size_t i = 0; i < sizeof dovecot_rows / sizeof dovecot_rows[0]; i++) {
        struct span stored = span_of(dovecot_rows[i].stored);
        ok(password_check(stored, SPAN(DOVEADM)) == ST_OK && password_check(stored, SPAN("Gr")) == ST_PERM &&
               password_check(stored, SPAN("")) == ST_PERM,
           "Dovecot's %s", dovecot_rows[i].name);
        ok(password_grade(stored) == dovecot_rows[i].grade, "what %s is worth: %d", dovecot_rows[i].name,
           (int)password_grade(stored));
    }
    for (size_t i = 0; i < sizeof unusable / sizeof unusable[0]; i++)
        ok(password_grade(span_of(unusable[i])) == PASSWORD_UNUSABLE &&
               password_check(span_of(unusable[i]), SPAN("x")) != ST_OK,
           "unusable: %.24s", unusable[i]);
    ok(password_grade(SPAN("{PLAIN}secret")) == PASSWORD_PLAIN &&
           password_grade(SPAN("abJnggxhB/yWI")) == PASSWORD_WEAK,
       "plain text, and DES of crypt(3)");
}

static void digest_of_ours(void)
{
    struct bytes one, two;
    bytes_init(&one, 256);
    bytes_init(&two, 256);
    ok(password_digest_make(SPAN("k7fm-2qxp"), &one) == ST_OK &&
           password_digest_make(SPAN("k7fm-2qxp"), &two) == ST_OK &&
           !span_eq(span_bytes(&one), span_bytes(&two)) && span_starts(span_bytes(&one), "{SSHA256}"),
       "a fast hash, with a salt of its own");
    ok(password_check(span_bytes(&one), SPAN("k7fm-2qxp")) == ST_OK &&
           password_check(span_bytes(&one), SPAN("k7fm2qxp")) == ST_PERM,
       "it fits, and nothing else does");
    bytes_free(&one);
    bytes_free(&two);
}

static void ours(void)
{
    struct bytes one, two;
    bytes_init(&one, 4096);
    bytes_init(&two, 4096);
    ok(password_hash(SPAN("pass w\xc3\xb6rd"), &one) == ST_OK && span_starts(span_bytes(&one), "{CRYPT}$y$"),
       "ours are yescrypt: %.12s", bytes_str(&one));
    ok(password_hash(SPAN("pass w\xc3\xb6rd"), &two) == ST_OK && !span_eq(span_bytes(&one), span_bytes(&two)),
       "with a salt of their own");
    ok(password_check(span_bytes(&one), SPAN("pass w\xc3\xb6rd")) == ST_OK, "they fit");
    ok(password_check(span_bytes(&one), SPAN("pass word")) == ST_PERM, "nothing else does");
    ok(password_check(span_bytes(&one), SPAN("pass w\xc3\xb6rd\0x")) == ST_PERM, "nor with a NUL behind");
    char *long_one = malloc(2000);
    memset(long_one, 'x', 2000);
    bytes_clear(&two);
    ok(password_hash((struct span){ long_one, 511 }, &two) == ST_OK &&
           password_check(span_bytes(&two), (struct span){ long_one, 511 }) == ST_OK,
       "511 bytes are a password");
    ok(password_check(span_bytes(&two), (struct span){ long_one, 512 }) == ST_PERM &&
           password_check(span_bytes(&two), (struct span){ long_one, 2000 }) == ST_PERM,
       "what is longer doesn't fit it");
    ok(password_hash((struct span){ long_one, 512 }, &two) == ST_PERM, "and isn't hashed");
    free(long_one);
    ok(password_check_nobody(SPAN("x"), SPAN("y")) == ST_PERM, "nobody's password is wrong");
    bytes_free(&one);
    bytes_free(&two);
}

int main(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum status st = password_check(span_of(rows[i].stored), span_of(rows[i].password));
        ok(st == rows[i].expected, "%s: %d", rows[i].name, (int)st);
    }
    of_dovecot();
    digest_of_ours();
    ours();
    return done_testing();
}
