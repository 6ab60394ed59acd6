/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading and writing SCRAM's messages; see scram.h. The grammar is RFC 5802 7's, which has every attribute
 * in its place; extensions behind the known ones are passed over, those that are mandatory (m=) refused.
 */
#include "text/scram.h"
#include "text/base64.h"
#include "text/utf8.h"

#include <string.h>

/* --- the client's messages */

/* Cuts "X=value" off the front of *rest, up to a comma that is cut too. A value isn't empty. */
static bool cut_attribute(struct span *rest, char letter, struct span *value)
{
    struct span part;
    if (!span_cut(rest, ',', &part) || part.n < 3 || part.p[0] != letter || part.p[1] != '=')
        return false;
    *value = span_from(part, 2);
    return true;
}

/* printable = %x21-2B / %x2D-7E */
static bool is_printable(struct span nonce)
{
    for (size_t i = 0; i < nonce.n; i++)
        if (nonce.p[i] < 0x21 || nonce.p[i] > 0x7e)
            return false;
    return nonce.n > 0;
}

/* cb-name = 1*(ALPHA / DIGIT / "." / "-") */
static bool is_binding_name(struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_alpha(name.p[i]) && !ascii_digit(name.p[i]) && name.p[i] != '.' && name.p[i] != '-')
            return false;
    return name.n > 0;
}

/* What may follow the known attributes: attr-val *("," attr-val). */
static bool are_extensions(struct span rest)
{
    struct span one;
    while (span_cut(&rest, ',', &one))
        if (one.n < 3 || !ascii_alpha(one.p[0]) || one.p[1] != '=')
            return false;
    return true;
}

/* No NUL, and UTF-8 all through; and no comma at the end, which would cut off an empty attribute unseen. */
static bool is_text(struct span message)
{
    return message.n && message.n <= SCRAM_MESSAGE_LIMIT && span_find(message, '\0') == message.n &&
           message.p[message.n - 1] != ',' && utf8_valid(message);
}

static bool read_gs2(struct span *rest, struct scram_first *f)
{
    struct span flag, authzid, all = *rest;
    if (!span_cut(rest, ',', &flag) || flag.n == 0 || !span_cut(rest, ',', &authzid) || !rest->p)
        return false;
    f->flag = flag.p[0];
    f->binding = span_from(flag, flag.n);
    if (f->flag == 'p' && flag.n > 2 && flag.p[1] == '=')
        f->binding = span_from(flag, 2);
    else if ((f->flag != 'n' && f->flag != 'y') || flag.n != 1)
        return false;
    if (authzid.n && (authzid.n < 3 || !span_starts(authzid, "a=")))
        return false;
    f->authzid = span_from(authzid, 2);
    f->gs2 = span_head(all, (size_t)(rest->p - all.p));
    return f->flag != 'p' || is_binding_name(f->binding);
}

bool scram_read_first(struct span message, struct scram_first *f)
{
    struct span rest = message;
    if (!is_text(message) || !read_gs2(&rest, f))
        return false;
    f->bare = rest;
    return cut_attribute(&rest, 'n', &f->name) && cut_attribute(&rest, 'r', &f->nonce) &&
           is_printable(f->nonce) && f->nonce.n <= SCRAM_NONCE_LIMIT && are_extensions(rest);
}

bool scram_name(struct span escaped, struct bytes *out)
{
    while (escaped.n) {
        size_t plain = span_find(escaped, '=');
        bytes_add_span(out, span_head(escaped, plain));
        escaped = span_from(escaped, plain);
        if (escaped.n == 0)
            break;
        if (!span_starts(escaped, "=2C") && !span_starts(escaped, "=3D"))
            return false;
        bytes_add_char(out, escaped.p[1] == '2' ? ',' : '=');
        escaped = span_from(escaped, 3);
    }
    return !out->failed;
}

/* Base64 of exactly n bytes. */
static bool read_key(struct span text, unsigned char *to, size_t n)
{
    struct bytes key;
    bytes_init(&key, n);
    bool ok = base64_decode(text, &key) && key.len == n;
    if (ok)
        memcpy(to, key.data, n);
    bytes_wipe(&key);
    return ok;
}

bool scram_read_final(struct span message, struct scram_final *f)
{
    struct span rest = message, proof;
    if (!is_text(message) || !cut_attribute(&rest, 'c', &f->binding) || !cut_attribute(&rest, 'r', &f->nonce))
        return false;
    /* The proof is the last one, and base64 has no comma. */
    size_t at = message.n;
    while (at > 0 && message.p[at - 1] != ',')
        at--;
    proof = span_from(message, at);
    if (!rest.p || proof.p < rest.p || !span_starts(proof, "p="))
        return false;
    f->without_proof = span_head(message, at - 1);
    struct span extensions = span_head(rest, (size_t)(proof.p - rest.p));
    if (extensions.n)
        extensions.n--; /* the comma before the proof */
    return is_printable(f->nonce) && (proof.p == rest.p || (extensions.n && are_extensions(extensions))) &&
           read_key(span_from(proof, 2), f->proof, SCRAM_KEY);
}

/* --- verifiers */

bool scram_read_verifier(struct span text, struct scram_verifier *v)
{
    struct span iterations, salt, stored_key, rest = text;
    struct bytes decoded;
    uint64_t number;
    if (!span_cut(&rest, ',', &iterations) || !span_cut(&rest, ',', &salt) ||
        !span_cut(&rest, ',', &stored_key) || text.n >= SCRAM_VERIFIER_TEXT ||
        !span_u64(iterations, SCRAM_ITERATIONS_MOST, &number) || number < SCRAM_ITERATIONS_LEAST)
        return false;
    bytes_init(&decoded, SCRAM_SALT_LIMIT);
    bool ok = base64_decode(salt, &decoded) && decoded.len > 0;
    if (ok) {
        memcpy(v->salt, decoded.data, decoded.len);
        v->salt_length = decoded.len;
        v->iterations = (unsigned)number;
    }
    bytes_free(&decoded);
    return ok && read_key(stored_key, v->stored_key, SCRAM_KEY) && read_key(rest, v->server_key, SCRAM_KEY);
}

static bool write_base64(const unsigned char *data, size_t n, struct bytes *out)
{
    return base64_encode((struct span){ (const char *)data, n }, out);
}

bool scram_write_verifier(const struct scram_verifier *v, struct bytes *out)
{
    bytes_printf(out, "%u,", v->iterations);
    write_base64(v->salt, v->salt_length, out);
    bytes_add_char(out, ',');
    write_base64(v->stored_key, SCRAM_KEY, out);
    bytes_add_char(out, ',');
    return write_base64(v->server_key, SCRAM_KEY, out);
}

/* --- the server's messages */

bool scram_write_first(struct span nonce, const struct scram_verifier *v, struct bytes *out)
{
    bytes_add_str(out, "r=");
    bytes_add_span(out, nonce);
    bytes_add_str(out, ",s=");
    write_base64(v->salt, v->salt_length, out);
    return bytes_printf(out, ",i=%u", v->iterations);
}

bool scram_write_expected(struct span gs2, struct span binding_data, struct span nonce, struct bytes *out)
{
    struct bytes input;
    bytes_init(&input, gs2.n + binding_data.n);
    bytes_add_span(&input, gs2);
    bytes_add_span(&input, binding_data);
    bytes_add_str(out, "c=");
    base64_encode(span_bytes(&input), out);
    bytes_add_str(out, ",r=");
    bytes_add_span(out, nonce);
    bool ok = !input.failed && !out->failed;
    bytes_free(&input);
    return ok;
}

bool scram_write_final(const unsigned char signature[SCRAM_KEY], struct bytes *out)
{
    bytes_add_str(out, "v=");
    return write_base64(signature, SCRAM_KEY, out);
}
