/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Passwords: known hashes of each scheme, and our own.
 */
#include "tap.h"

#include "store/password.h"

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
    ours();
    return done_testing();
}
