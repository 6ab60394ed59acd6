/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Password schemes that are plain hashes; see password_digest.h. What Dovecot also has and isn't here: ARGON2
 * (a library of its own), PLAIN-MD4, CRAM-MD5 (the inner state of MD5), DIGEST-MD5 (the user's name is in it)
 * and OTP.
 */
#include "store/password_digest.h"
#include "base/clock.h"
#include "net/hash.h"
#include "text/base64.h"
#include "text/scram.h"

#define DIGEST_LIMIT 512 /* bytes, decoded: a hash and its salt */
#define SALT_MADE 16     /* of ours */
#define ROUNDS_MOST 10000000
#define ROUNDS_STRONG 1000 /* below that, guessing is cheap */

struct stored {
    enum hash_kind kind;
    struct bytes decoded; /* hash, then salt */
    struct span salt;     /* PBKDF2, SCRAM-SHA-1 */
    unsigned rounds;
};

struct scheme {
    const char *name;
    enum hash_kind kind;
    bool salted;
    bool (*read)(const struct scheme *scheme, struct span text, bool hex, struct stored *s);
    bool (*compute)(const struct stored *s, struct span password, unsigned char out[HASH_MOST]);
};

static struct span octets(const unsigned char *p, size_t n)
{
    return (struct span){ (const char *)p, n };
}

static bool decode_hex(struct span text, struct bytes *out)
{
    if (text.n % 2)
        return false;
    for (size_t i = 0; i < text.n; i += 2) {
        int high = hex_value(text.p[i]), low = hex_value(text.p[i + 1]);
        if (high < 0 || low < 0 || !bytes_add_char(out, (char)(high << 4 | low)))
            return false;
    }
    return true;
}

/* --- a hash of the password, maybe with a salt */

static bool read_hash(const struct scheme *scheme, struct span text, bool hex, struct stored *s)
{
    size_t length = hash_length(scheme->kind);
    if (hex || (!scheme->salted && text.n == 2 * length)) {
        if (!decode_hex(text, &s->decoded))
            return false;
    } else if (!base64_decode(text, &s->decoded)) {
        return false;
    }
    return scheme->salted ? s->decoded.len > length : s->decoded.len == length;
}

static bool compute_hash(const struct stored *s, struct span password, unsigned char out[HASH_MOST])
{
    return hash_pieces(s->kind, password, span_from(span_bytes(&s->decoded), hash_length(s->kind)), out);
}

/* --- PBKDF2 */

/* "$1$salt$rounds$hexadecimal"; the salt is taken as it stands. */
static bool read_pbkdf2(const struct scheme *scheme, struct span text, bool hex, struct stored *s)
{
    struct span rounds;
    uint64_t number;
    (void)scheme, (void)hex;
    if (!span_starts(text, "$1$"))
        return false;
    text = span_from(text, 3);
    if (!span_cut(&text, '$', &s->salt) || !span_cut(&text, '$', &rounds) ||
        !span_u64(rounds, ROUNDS_MOST, &number) || number == 0)
        return false;
    s->rounds = (unsigned)number;
    return text.n == 2 * HASH_SHA1_SIZE && decode_hex(text, &s->decoded);
}

static bool compute_pbkdf2(const struct stored *s, struct span password, unsigned char out[HASH_MOST])
{
    return hash_pbkdf2_sha1(password, s->salt, s->rounds, out);
}

/* --- SCRAM-SHA-1 (RFC 5802 3): StoredKey stands first in what is decoded, the salt behind both keys */

static bool decode_exactly(struct span text, size_t length, struct bytes *out)
{
    size_t before = out->len;
    return base64_decode(text, out) && (length ? out->len - before == length : out->len > before);
}

static bool read_scram(const struct scheme *scheme, struct span text, bool hex, struct stored *s)
{
    struct span rounds, salt, stored_key;
    uint64_t number;
    (void)scheme, (void)hex;
    if (!span_cut(&text, ',', &rounds) || !span_cut(&text, ',', &salt) ||
        !span_cut(&text, ',', &stored_key) || !span_u64(rounds, ROUNDS_MOST, &number) || number == 0)
        return false;
    s->rounds = (unsigned)number;
    if (!decode_exactly(stored_key, HASH_SHA1_SIZE, &s->decoded) ||
        !decode_exactly(text, HASH_SHA1_SIZE, &s->decoded) || !decode_exactly(salt, 0, &s->decoded))
        return false;
    s->salt = span_from(span_bytes(&s->decoded), 2 * HASH_SHA1_SIZE);
    return s->salt.n <= SCRAM_SALT_LIMIT;
}

static bool compute_scram(const struct stored *s, struct span password, unsigned char out[HASH_MOST])
{
    unsigned char salted[HASH_SHA1_SIZE], client_key[HASH_SHA1_SIZE];
    return hash_pbkdf2_sha1(password, s->salt, s->rounds, salted) &&
           hash_hmac_sha1(octets(salted, sizeof salted), SPAN("Client Key"), client_key) &&
           hash_pieces(HASH_OF_SHA1, octets(client_key, sizeof client_key), SPAN(""), out);
}

/* --- all of them */

static const struct scheme schemes[] = {
    { "SSHA", HASH_OF_SHA1, true, read_hash, compute_hash },
    { "SSHA256", HASH_OF_SHA256, true, read_hash, compute_hash },
    { "SSHA512", HASH_OF_SHA512, true, read_hash, compute_hash },
    { "SMD5", HASH_OF_MD5, true, read_hash, compute_hash },
    { "SHA", HASH_OF_SHA1, false, read_hash, compute_hash },
    { "SHA1", HASH_OF_SHA1, false, read_hash, compute_hash },
    { "SHA256", HASH_OF_SHA256, false, read_hash, compute_hash },
    { "SHA512", HASH_OF_SHA512, false, read_hash, compute_hash },
    { "PLAIN-MD5", HASH_OF_MD5, false, read_hash, compute_hash },
    { "LDAP-MD5", HASH_OF_MD5, false, read_hash, compute_hash },
    { "MD5", HASH_OF_MD5, false, read_hash, compute_hash }, /* where it isn't crypt's */
    { "PBKDF2", HASH_OF_SHA1, true, read_pbkdf2, compute_pbkdf2 },
    { "SCRAM-SHA-1", HASH_OF_SHA1, true, read_scram, compute_scram },
};

static const struct scheme *find(struct span name)
{
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (span_ieq_str(name, schemes[i].name))
            return &schemes[i];
    return NULL;
}

/* Without what says how it is written. False: with something else behind the dot. */
static bool part_encoding(struct span *name, bool *hex)
{
    size_t dot = span_find(*name, '.');
    struct span encoding = span_from(*name, dot + 1);
    *hex = span_ieq_str(encoding, "HEX");
    bool known = dot == name->n || *hex || span_ieq_str(encoding, "B64") || span_ieq_str(encoding, "BASE64");
    *name = span_head(*name, dot);
    return known;
}

/* The decoded bytes are to be wiped whatever it returns. */
static enum status read_stored(struct span name, struct span text, struct stored *s,
                               const struct scheme **scheme)
{
    bool hex;
    bytes_init(&s->decoded, DIGEST_LIMIT);
    if (!part_encoding(&name, &hex) || !(*scheme = find(name)))
        return ST_NONE;
    s->kind = (*scheme)->kind;
    return (*scheme)->read(*scheme, text, hex, s) ? ST_OK : ST_TEMP;
}

static bool same(const unsigned char *a, const char *b, size_t n)
{
    unsigned char differ = 0;
    for (size_t i = 0; i < n; i++)
        differ |= (unsigned char)(a[i] ^ (unsigned char)b[i]);
    return !differ;
}

enum status password_digest_check(struct span name, struct span text, struct span password)
{
    struct stored s = { .rounds = 0 };
    const struct scheme *scheme;
    unsigned char made[HASH_MOST];
    enum status st = read_stored(name, text, &s, &scheme);
    if (st == ST_OK && !scheme->compute(&s, password, made))
        st = ST_TEMP;
    if (st == ST_OK && !same(made, s.decoded.data, hash_length(scheme->kind)))
        st = ST_PERM;
    bytes_wipe(&s.decoded);
    return st;
}

enum status password_digest_look(struct span name, struct span text, bool *strong)
{
    struct stored s = { .rounds = 0 };
    const struct scheme *scheme;
    enum status st = read_stored(name, text, &s, &scheme);
    *strong = s.rounds >= ROUNDS_STRONG;
    bytes_wipe(&s.decoded);
    return st;
}

enum status password_digest_make(struct span password, struct bytes *out)
{
    unsigned char hash[HASH_MOST];
    char salt[SALT_MADE];
    struct bytes both;
    random_bytes(salt, sizeof salt);
    if (!hash_pieces(HASH_OF_SHA256, password, (struct span){ salt, sizeof salt }, hash))
        return ST_TEMP;
    bytes_init(&both, HASH_SIZE + sizeof salt);
    bytes_add(&both, hash, HASH_SIZE);
    bytes_add(&both, salt, sizeof salt);
    bytes_add_str(out, "{SSHA256}");
    bool good = base64_encode(span_bytes(&both), out);
    bytes_free(&both);
    return good ? ST_OK : ST_TEMP;
}
