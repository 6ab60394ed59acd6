/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Password hashes by crypt_r(3); see password.h. The one file that includes crypt.h.
 *
 * crypt(3) knows a hash by its own prefix ($y$, $2y$, $6$, ...), so the {SCHEME} in front only has to say
 * that it is one of crypt's. Which of them are worth keeping, crypt_checksalt(3) says. crypt takes at most
 * 511 bytes of password: a longer one was never set, and is wrong.
 */
#include "store/password.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/password_digest.h"
#include "store/scram_verifier.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SCHEME_LIMIT 32
/* yescrypt with libxcrypt's own default cost: 16 MiB and some 40 ms */
#define OUR_PREFIX "$y$"
/* What crypt makes of a name that doesn't exist: the cost of ours, and no password fits. */
#define NOBODY "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7"

static const char *const crypt_schemes[] = {
    "CRYPT", "YESCRYPT", "BLF-CRYPT", "SHA512-CRYPT", "SHA256-CRYPT", "MD5-CRYPT", "DES-CRYPT",
};
static const char *const plain_schemes[] = { "PLAIN", "CLEARTEXT", "CLEAR" };

/* How a stored password is checked. */
enum method { BY_CRYPT, BY_COMPARING, BY_VERIFIER, BY_DIGEST };

static bool is_one_of(struct span scheme, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (span_ieq_str(scheme, list[i]))
            return true;
    return false;
}

/* Dovecot's {MD5} is crypt's or a plain hash. */
static enum method method_of(struct span scheme, struct span hash)
{
    if (is_one_of(scheme, crypt_schemes, sizeof crypt_schemes / sizeof crypt_schemes[0]) ||
        (span_ieq_str(scheme, "MD5") && span_starts(hash, "$1$")))
        return BY_CRYPT;
    if (is_one_of(scheme, plain_schemes, sizeof plain_schemes / sizeof plain_schemes[0]))
        return BY_COMPARING;
    return span_ieq_str(scheme, SCRAM_SCHEME) ? BY_VERIFIER : BY_DIGEST;
}

/* How long it takes tells only the length of `given`. */
static bool same(struct span stored, struct span given)
{
    unsigned char differ = stored.n != given.n;
    for (size_t i = 0; i < given.n; i++)
        differ |= (unsigned char)(given.p[i] ^ (stored.n ? stored.p[i % stored.n] : 1));
    return !differ;
}

static bool fit_for_crypt(struct span password, char to[CRYPT_MAX_PASSPHRASE_SIZE])
{
    return span_copy(password, to, CRYPT_MAX_PASSPHRASE_SIZE);
}

enum status password_hash(struct span password, struct bytes *out)
{
    char phrase[CRYPT_MAX_PASSPHRASE_SIZE], setting[CRYPT_GENSALT_OUTPUT_SIZE], salt[16];
    if (!fit_for_crypt(password, phrase)) {
        errno = EINVAL;
        return ST_PERM;
    }
    struct crypt_data *data = calloc(1, sizeof *data);
    enum status st = ST_TEMP;
    random_bytes(salt, sizeof salt);
    if (data && crypt_gensalt_rn(OUR_PREFIX, 0, salt, sizeof salt, setting, sizeof setting)) {
        const char *hash = crypt_r(phrase, setting, data);
        if (hash && hash[0] == '$' && bytes_printf(out, "{CRYPT}%s", hash))
            st = ST_OK;
        explicit_bzero(data, sizeof *data);
    }
    free(data);
    explicit_bzero(phrase, sizeof phrase);
    return st;
}

static enum status check_crypt(struct span hash, struct span password)
{
    char phrase[CRYPT_MAX_PASSPHRASE_SIZE], setting[CRYPT_OUTPUT_SIZE];
    bool fits = fit_for_crypt(password, phrase); /* else phrase is empty, and the work is done for its time */
    enum status st = ST_TEMP;
    struct crypt_data *data = calloc(1, sizeof *data);
    if (data && hash.n && span_copy(hash, setting, sizeof setting)) {
        const char *got = crypt_r(phrase, setting, data);
        if (got && got[0] != '*')
            st = same(hash, span_of(got)) && fits ? ST_OK : ST_PERM;
        explicit_bzero(data, sizeof *data);
    }
    free(data);
    explicit_bzero(phrase, sizeof phrase);
    if (st == ST_TEMP)
        log_event(LOG_ERR, "password-hash-unusable", "reason", "crypt(3) doesn't know it", NULL);
    return st;
}

static enum status check_verifier(struct span text, struct span password)
{
    struct scram_verifier v;
    enum status st = ST_TEMP;
    if (scram_read_verifier(text, &v))
        st = scram_verifier_check(&v, password);
    else
        log_event(LOG_ERR, "password-hash-unusable", "reason", "it is no SCRAM verifier", NULL);
    explicit_bzero(&v, sizeof v);
    return st;
}

static enum status check_digest(struct span scheme, struct span hash, struct span password)
{
    enum status st = password_digest_check(scheme, hash, password);
    if (st != ST_NONE && st != ST_TEMP)
        return st;
    char name[SCHEME_LIMIT];
    span_copy(span_head(scheme, sizeof name - 1), name, sizeof name);
    log_event(LOG_ERR, st == ST_NONE ? "password-scheme-unknown" : "password-hash-unusable", "scheme", name,
              NULL);
    return ST_TEMP;
}

struct span password_scheme(struct span stored, struct span *hash)
{
    *hash = stored;
    if (stored.n == 0 || stored.p[0] != '{')
        return SPAN("CRYPT");
    size_t end = span_find(stored, '}');
    *hash = span_from(stored, end + 1);
    return span_from(span_head(stored, end), 1);
}

enum status password_check(struct span stored, struct span password)
{
    struct span hash, scheme = password_scheme(stored, &hash);
    switch (method_of(scheme, hash)) {
    case BY_CRYPT:
        return check_crypt(hash, password);
    case BY_COMPARING:
        return hash.n && same(hash, password) ? ST_OK : ST_PERM;
    case BY_VERIFIER:
        return check_verifier(hash, password);
    case BY_DIGEST:
        break;
    }
    return check_digest(scheme, hash, password);
}

static enum password_grade grade_crypt(struct span hash)
{
    char setting[CRYPT_OUTPUT_SIZE];
    if (!hash.n || !span_copy(hash, setting, sizeof setting))
        return PASSWORD_UNUSABLE;
    switch (crypt_checksalt(setting)) {
    case CRYPT_SALT_OK:
        return PASSWORD_GOOD;
    case CRYPT_SALT_METHOD_LEGACY:
    case CRYPT_SALT_TOO_CHEAP:
        return PASSWORD_WEAK;
    default:
        return PASSWORD_UNUSABLE;
    }
}

enum password_grade password_grade(struct span stored)
{
    struct span hash, scheme = password_scheme(stored, &hash);
    struct scram_verifier v;
    bool strong = true;
    switch (method_of(scheme, hash)) {
    case BY_CRYPT:
        return grade_crypt(hash);
    case BY_COMPARING:
        return hash.n ? PASSWORD_PLAIN : PASSWORD_UNUSABLE;
    case BY_VERIFIER:
        return scram_read_verifier(hash, &v) ? PASSWORD_GOOD : PASSWORD_UNUSABLE;
    case BY_DIGEST:
        break;
    }
    if (password_digest_look(scheme, hash, &strong) != ST_OK)
        return PASSWORD_UNUSABLE;
    return strong ? PASSWORD_GOOD : PASSWORD_WEAK;
}

enum status password_check_nobody(struct span name, struct span password)
{
    (void)name;
    check_crypt(SPAN(NOBODY), password);
    return ST_PERM;
}
