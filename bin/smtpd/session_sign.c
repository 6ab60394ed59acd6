/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Signing what is submitted (RFC 6376), by login, from `networks` or by a user of this machine: with each
 * kind of key of the domain in From, where it has keys that this sender may use, which the guard knows
 * (guard_sign.c).
 *
 * It is the last that is done to a message before it is handed over, so that the signature is of what will
 * leave, and of what those here get as well. What has 8-bit bytes, or lines that are longer than they may be,
 * and goes to another host is encoded first (RFC 6376 5.3): some server on the way might do so otherwise, or
 * break the lines, and so the signature. It isn't where it can't be (signed parts, encodings that nobody
 * knows), where that would make it too big, and where it came with SMTPUTF8 and has such bytes in its header,
 * as then no server that would encode it is on its way.
 *
 * The message is read where it is, in memory or in its file, in one pass for the hashes: pages of a file that
 * was just written. That costs less than keeping two hashes along for all that comes, most of which isn't
 * signed.
 */
#include "session_sign.h"
#include "session_view.h"
#include "base/clock.h"
#include "base/files.h"
#include "text/fields.h"
#include "text/header.h"
#include "text/seven_bit.h"
#include "text/utf8.h"
#include "trust/dkim.h"

#include <errno.h>
#include <string.h>

#define SIGNATURES_ROOM 16384 /* bytes of all fields with signatures */
#define WRITE_BUFFER 65536

/* --- the guard's keys */

static bool get_keys(struct message *m, struct sign_keys *k)
{
    uint64_t leaves, count, algorithm;
    if (!message_get_str(m, k->domain, sizeof k->domain) || !message_get_u64(m, &leaves) ||
        !message_get_u64(m, &count) || count > SIGN_KEYS)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!message_get_str(m, k->selectors[i], sizeof k->selectors[i]) || !message_get_u64(m, &algorithm))
            return false;
        k->algorithms[i] = (enum signature_algorithm)algorithm;
    }
    k->count = (size_t)count;
    k->leaves = leaves;
    return message_end(m);
}

enum verdict sign_find_keys(struct session *s, unsigned use, struct span domain, struct sign_keys *k)
{
    *k = (struct sign_keys){ .session = s, .use = use };
    message_start(s->message, VERB_KEYS);
    message_put_u64(s->message, use);
    message_put(s->message, domain);
    enum verdict v = ask(s);
    return v != VERDICT_OK ? v : get_keys(s->message, k) ? VERDICT_OK : VERDICT_FAILED;
}

enum status sign_with(const struct sign_keys *k, size_t key, struct span data, struct bytes *signature)
{
    struct message *m = k->session->message;
    struct span made;
    message_start(m, VERB_SIGN);
    message_put_u64(m, k->use);
    message_put_str(m, k->domain);
    message_put_str(m, k->selectors[key]);
    message_put(m, data);
    if (ask(k->session) != VERDICT_OK || !message_get(m, &made) || !message_end(m))
        return ST_TEMP;
    return bytes_add_span(signature, made) ? ST_OK : ST_TEMP;
}

static enum status sign_hash(void *keys, size_t key, const unsigned char hash[HASH_SIZE],
                             struct bytes *signature)
{
    return sign_with(keys, key, (struct span){ (const char *)hash, HASH_SIZE }, signature);
}

/* --- 8-bit bytes */

struct sink {
    uint64_t size;
    int file;           /* -1: it stays in `bytes` */
    struct bytes bytes; /* or is on its way to the file */
    char last;          /* byte that was put */
    bool failed;        /* errno */
};

static bool count(void *to, struct span piece)
{
    struct sink *k = to;
    k->size += piece.n;
    if (piece.n)
        k->last = piece.p[piece.n - 1];
    return true;
}

static bool write_out(struct sink *k)
{
    k->failed = k->failed || file_write(k->file, span_bytes(&k->bytes)) != ST_OK;
    bytes_clear(&k->bytes);
    return !k->failed;
}

static bool put(void *to, struct span piece)
{
    struct sink *k = to;
    count(k, piece);
    if (k->file >= 0 && k->bytes.len + piece.n > WRITE_BUFFER && !write_out(k))
        return false;
    if (k->file < 0 || piece.n <= WRITE_BUFFER)
        return bytes_add_span(&k->bytes, piece);
    k->failed = file_write(k->file, piece) != ST_OK;
    return !k->failed;
}

/* In 7 bits, with a line end behind the last line, as what comes by SMTP has. */
static enum seven_bit pass_encoded(struct span message, bool (*to)(void *arg, struct span piece),
                                   struct sink *k)
{
    enum seven_bit fault = seven_bit_write_lines(message, to, k);
    return fault == SEVEN_BIT_OK && k->last != '\n' && !to(k, SPAN("\r\n")) ? SEVEN_BIT_FAILED : fault;
}

/* What it comes to; 0: it stays as it is. */
static uint64_t encoded_size(const struct incoming *in, struct span header, struct span message)
{
    const struct session *s = in->session;
    struct sink k = { .size = 0 };
    if (s->transaction.mail.options.smtputf8 && utf8_ascii_run(header) < header.n)
        return 0;
    if (pass_encoded(message, count, &k) != SEVEN_BIT_OK || k.size > s->serving->settings->message_size)
        return 0;
    return k.size;
}

/* A file where the guard waits for one, or it is too big for memory. */
static enum verdict sink_open(struct incoming *in, struct sink *k, uint64_t size)
{
    *k = (struct sink){ .file = -1 };
    bytes_init(&k->bytes, SMTPD_MEMORY_LIMIT);
    if (in->file < 0 && size <= SMTPD_MEMORY_LIMIT)
        return VERDICT_OK;
    return incoming_ask_file(in, &k->file);
}

static void take_over(struct incoming *in, struct sink *k)
{
    file_close(in->file);
    in->file = k->file;
    bytes_free(&in->memory);
    bytes_clear(&in->head);
    in->head_length = 0;
    if (k->file < 0)
        in->memory = k->bytes;
    else
        bytes_free(&k->bytes);
    in->reader.found &= ~(unsigned)SMTP_DATA_EIGHT_BIT;
    in->seven_bit = true;
}

static void encode_message(struct incoming *in, struct span header, struct span message)
{
    struct sink k;
    uint64_t size = encoded_size(in, header, message);
    if (!size)
        return;
    in->trouble = sink_open(in, &k, size);
    bool good = in->trouble == VERDICT_OK && pass_encoded(message, put, &k) == SEVEN_BIT_OK &&
                (k.file < 0 || write_out(&k));
    if (good) {
        take_over(in, &k);
        return;
    }
    if (in->trouble == VERDICT_OK)
        in->trouble = k.failed && (errno == ENOSPC || errno == EDQUOT) ? VERDICT_DISK_FULL : VERDICT_FAILED;
    file_close(k.file);
    bytes_free(&k.bytes);
}

static void encode(struct incoming *in)
{
    struct message_view v;
    struct bytes joined;
    if (!view_open(in, &v)) {
        in->trouble = VERDICT_FAILED;
        return;
    }
    if (in->file >= 0) {
        encode_message(in, v.header, (struct span){ v.map, v.length });
        view_close(&v);
        return;
    }
    bytes_init(&joined, in->head.limit + in->memory.limit);
    bytes_add_span(&joined, v.header);
    if (bytes_add_span(&joined, v.body))
        encode_message(in, span_head(span_bytes(&joined), v.header.n), span_bytes(&joined));
    else
        in->trouble = VERDICT_FAILED;
    bytes_free(&joined);
}

/* --- the signature */

/* The domain of the first address in From. */
static bool author_domain(struct span header, struct span *domain, struct address *a)
{
    struct header_field from;
    struct address_entry entry;
    bool found = false;
    if (!header_find(header, "From", &from))
        return false;
    while (!found && address_list_next(&from.value, &entry)) {
        found = entry.kind == ADDRESS_MAILBOX && address_of_entry(&entry, a) == ADDRESS_OK;
        address_entry_free(&entry);
    }
    *domain = found ? address_domain(a) : SPAN("");
    return domain->n != 0;
}

/* Did the guard say so already? */
static bool is_keyless(const struct session *s, struct span domain)
{
    return s->transaction.origin & ORIGIN_KEYLESS &&
           span_eq(domain, address_domain(&s->transaction.mail.sender));
}

static enum status make_signatures(struct incoming *in, const struct message_view *v, struct sign_keys *k)
{
    struct dkim_signing what = { .domain = k->domain,
                                 .count = k->count,
                                 .now = clock_now(),
                                 .header = DKIM_RELAXED,
                                 .body = DKIM_RELAXED };
    struct bytes fields, whole;
    for (size_t i = 0; i < k->count; i++) {
        what.keys[i].selector = k->selectors[i];
        what.keys[i].algorithm = k->algorithms[i];
    }
    /* what others have added stands above the rest */
    bytes_init(&whole, in->added.limit + v->header.n);
    bytes_init(&fields, SIGNATURES_ROOM);
    bytes_add_span(&whole, span_bytes(&in->added));
    bytes_add_span(&whole, v->header);
    struct dkim_signer *signer = whole.failed ? NULL : dkim_sign_start(span_bytes(&whole), &what);
    enum status st = ST_TEMP;
    if (signer) {
        dkim_sign_body(signer, v->body);
        st = dkim_sign_end(signer, sign_hash, k, &fields);
        dkim_sign_free(signer);
    }
    if (st == ST_OK && (!bytes_add_span(&fields, span_bytes(&in->added))))
        st = ST_TEMP;
    if (st == ST_OK) {
        bytes_clear(&in->added);
        st = bytes_add_span(&in->added, span_bytes(&fields)) ? ST_OK : ST_TEMP;
    }
    bytes_free(&fields);
    bytes_free(&whole);
    return st;
}

static void sign(struct incoming *in, struct sign_keys *k)
{
    struct message_view v;
    if (!view_open(in, &v) || make_signatures(in, &v, k) != ST_OK)
        in->trouble = VERDICT_FAILED;
    view_close(&v);
}

void session_sign(struct incoming *in)
{
    struct session *s = in->session;
    struct message_view v;
    struct span domain;
    struct address author;
    struct sign_keys k = { .count = 0 };
    if (!(s->transaction.origin & ORIGIN_COMPLETE))
        return;
    if (!view_open(in, &v))
        in->trouble = VERDICT_FAILED;
    else if (author_domain(v.header, &domain, &author) && !is_keyless(s, domain))
        in->trouble = sign_find_keys(s, SIGN_SENDER, domain, &k);
    view_close(&v);
    if (in->trouble == VERDICT_OK && k.count && k.leaves &&
        in->reader.found & (SMTP_DATA_EIGHT_BIT | SMTP_DATA_OVER))
        encode(in);
    if (in->trouble == VERDICT_OK && k.count)
        sign(in, &k);
}
