/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Signing a message (RFC 6376 5); see dkim.h. One signature a key, over the same fields and the same body.
 *
 * Which fields are signed is a table. Every one that the message has of a name is; where a further one of
 * that name, added on the way, would change what the reader sees, the name stands in h= once more than there
 * are fields, so that the addition breaks the signature (5.4.2, 8.15). That is done for names that are
 * missing too (ALWAYS) where no honest server adds them; a list adds Sender and its List- fields, a relay may
 * add Date or Message-ID, and that may not break it.
 */
#include "text/base64.h"
#include "trust/dkim_private.h"

#include <stdlib.h>

#define LINE_LENGTH 76
/* Bytes of h= that we write: a header with more fields of these names gets no signature. */
#define NAMES_LIMIT 65536
#define FIELD_LIMIT (NAMES_LIMIT + 8192)

enum over { AS_IS, IF_THERE, ALWAYS, IN_ARC /* as it is, and not by DKIM */ };

static const struct {
    const char *name;
    enum over over;
} covered[] = {
    { "From", ALWAYS },
    { "To", ALWAYS },
    { "Cc", ALWAYS },
    { "Subject", ALWAYS },
    { "Reply-To", ALWAYS },
    { "Sender", IF_THERE },
    { "Date", IF_THERE },
    { "Message-ID", IF_THERE },
    { "In-Reply-To", IF_THERE },
    { "References", IF_THERE },
    { "MIME-Version", ALWAYS },
    { "Content-Type", ALWAYS },
    { "Content-Transfer-Encoding", ALWAYS },
    { "Content-ID", IF_THERE },
    { "Content-Disposition", IF_THERE },
    { "Content-Description", IF_THERE },
    { "Resent-Date", AS_IS },
    { "Resent-From", AS_IS },
    { "Resent-Sender", AS_IS },
    { "Resent-To", AS_IS },
    { "Resent-Cc", AS_IS },
    { "Resent-Message-ID", AS_IS },
    { "List-Id", AS_IS },
    { "List-Help", AS_IS },
    { "List-Unsubscribe", AS_IS },
    { "List-Unsubscribe-Post", AS_IS },
    { "List-Subscribe", AS_IS },
    { "List-Post", AS_IS },
    { "List-Owner", AS_IS },
    { "List-Archive", AS_IS },
    { "Autocrypt", IF_THERE },
    { "DKIM-Signature", IN_ARC },
};

struct dkim_signer {
    struct dkim_body body;
    enum dkim_canonical header;
    unsigned instance; /* of an ARC-Message-Signature; 0: a DKIM-Signature */
    size_t count;
    struct {
        struct bytes text; /* the field up to bh= */
        struct dkim_hash hash;
    } keys[DKIM_KEYS];
};

/* Adds a word to a folded line whose length so far is *column. */
static void add_folded(struct bytes *text, size_t *column, struct span word)
{
    if (*column + word.n > LINE_LENGTH) {
        bytes_add_str(text, "\r\n\t ");
        *column = 9;
    }
    bytes_add_span(text, word);
    *column += word.n;
}

/* Hashes the fields for each key, and writes their names. False where there is no From. */
static bool add_fields(struct dkim_signer *s, struct dkim_fields *fields, struct bytes *names)
{
    struct header_field field;
    bool from = false;
    size_t column = 10;
    for (size_t i = 0; i < sizeof covered / sizeof covered[0]; i++) {
        struct span name = span_of(covered[i].name);
        size_t there = 0, listed = 0;
        if (covered[i].over == IN_ARC && !s->instance)
            continue;
        while (dkim_fields_take(fields, name, &field)) {
            there++;
            for (size_t k = 0; k < s->count; k++)
                dkim_hash_field(&s->keys[k].hash, s->header, &field, false, (struct span){ NULL, 0 });
        }
        size_t more = covered[i].over == ALWAYS || (covered[i].over == IF_THERE && there);
        for (; listed < there + more && !names->failed; listed++) {
            if (names->len)
                bytes_add_char(names, ':');
            add_folded(names, &column, name);
            column++;
        }
        from = from || (i == 0 && there);
    }
    return from && !names->failed;
}

static const char *canonical_name(enum dkim_canonical canonical)
{
    return canonical == DKIM_SIMPLE ? "simple" : "relaxed";
}

static void begin_field(struct bytes *text, unsigned instance, const struct dkim_signing *what, size_t key,
                        const struct bytes *names)
{
    if (instance)
        bytes_printf(text, "ARC-Message-Signature: i=%u;", instance);
    else
        bytes_add_str(text, "DKIM-Signature: v=1;");
    bytes_printf(text, " a=%s; c=%s/%s;\r\n\td=%s; s=%s;\r\n\tt=%lld;",
                 signature_algorithm_name(what->keys[key].algorithm), canonical_name(what->header),
                 canonical_name(what->body), what->domain, what->keys[key].selector, (long long)what->now);
    if (what->lifetime > 0)
        bytes_printf(text, " x=%lld;", (long long)(what->now + what->lifetime));
    bytes_printf(text, "\r\n\th=%s;\r\n\tbh=", bytes_str(names));
}

static bool start(struct dkim_signer *s, struct dkim_fields *fields, const struct dkim_signing *what,
                  struct bytes *seen)
{
    struct bytes names;
    bool good = dkim_body_start(&s->body, what->body, NULL);
    for (size_t i = 0; i < s->count; i++) {
        bytes_init(&s->keys[i].text, FIELD_LIMIT);
        good = dkim_hash_start(&s->keys[i].hash, i == 0 ? seen : NULL) && good;
    }
    bytes_init(&names, NAMES_LIMIT);
    good = good && add_fields(s, fields, &names);
    for (size_t i = 0; good && i < s->count; i++) {
        begin_field(&s->keys[i].text, s->instance, what, i, &names);
        good = !s->keys[i].text.failed;
    }
    bytes_free(&names);
    return good;
}

struct dkim_signer *dkim_sign_start_arc(struct span header, const struct dkim_signing *what,
                                        unsigned instance, struct bytes *seen)
{
    struct dkim_fields fields;
    struct dkim_signer *s = what->count <= DKIM_KEYS ? calloc(1, sizeof *s) : NULL;
    if (!s)
        return NULL;
    s->header = what->header;
    s->instance = instance;
    s->count = what->count;
    bool good = dkim_fields_init(&fields, header) && start(s, &fields, what, seen);
    dkim_fields_free(&fields);
    if (!good) {
        dkim_sign_free(s);
        return NULL;
    }
    return s;
}

struct dkim_signer *dkim_sign_start(struct span header, const struct dkim_signing *what)
{
    return dkim_sign_start_arc(header, what, 0, NULL);
}

void dkim_sign_body(struct dkim_signer *s, struct span piece)
{
    dkim_body_add(&s->body, piece);
}

/* The field so far, whose b= is still empty, into the key's hash. */
static bool hash_own_field(struct dkim_hash *h, enum dkim_canonical canonical, const struct bytes *text,
                           unsigned char out[HASH_SIZE])
{
    struct span rest = span_bytes(text);
    struct header_field field;
    if (text->failed || !header_next(&rest, &field))
        return false;
    dkim_hash_field(h, canonical, &field, true, (struct span){ NULL, 0 });
    return dkim_hash_end(h, out);
}

bool dkim_sign_value(struct bytes *text, const struct bytes *signature)
{
    struct bytes encoded;
    size_t column = 10;
    bytes_init(&encoded, SIGNATURE_LIMIT * 2);
    base64_encode(span_bytes(signature), &encoded);
    struct span rest = span_bytes(&encoded);
    while (rest.n) {
        struct span line = span_head(rest, LINE_LENGTH - column);
        add_folded(text, &column, line);
        rest = span_from(rest, line.n);
        if (rest.n) {
            bytes_add_str(text, "\r\n\t ");
            column = 9;
        }
    }
    bytes_add_str(text, "\r\n");
    bool good = !encoded.failed && !text->failed;
    bytes_free(&encoded);
    return good;
}

enum status dkim_sign_end(struct dkim_signer *s,
                          enum status (*sign)(void *arg, size_t key, const unsigned char hash[HASH_SIZE],
                                              struct bytes *signature),
                          void *arg, struct bytes *out)
{
    unsigned char body[HASH_SIZE], hash[HASH_SIZE];
    struct bytes signature;
    size_t before = out->len;
    enum status st = dkim_body_end(&s->body, body) ? ST_OK : ST_TEMP;
    bytes_init(&signature, SIGNATURE_LIMIT);
    for (size_t i = 0; i < s->count && st == ST_OK; i++) {
        struct bytes *text = &s->keys[i].text;
        base64_encode((struct span){ (const char *)body, HASH_SIZE }, text);
        bytes_add_str(text, ";\r\n\tb=");
        bytes_clear(&signature);
        st = hash_own_field(&s->keys[i].hash, s->header, text, hash) ? sign(arg, i, hash, &signature)
                                                                     : ST_TEMP;
        if (st == ST_OK && (!dkim_sign_value(text, &signature) || !bytes_add_span(out, span_bytes(text))))
            st = ST_TEMP;
    }
    if (st != ST_OK && out->len > before) {
        out->len = before;
        out->data[before] = '\0';
    }
    bytes_free(&signature);
    return st;
}

void dkim_sign_free(struct dkim_signer *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        bytes_free(&s->keys[i].text);
        dkim_hash_drop(&s->keys[i].hash);
    }
    dkim_body_drop(&s->body);
    free(s);
}

bool dkim_record(enum signature_algorithm algorithm, struct span public_key, struct bytes *out)
{
    bytes_printf(out, "v=DKIM1; k=%s; h=sha256; p=", signature_key_type(algorithm));
    return base64_encode(public_key, out) && !out->failed;
}
