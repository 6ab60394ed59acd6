/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Bodies in 7 bits; see seven_bit.h. Parts stand in the message in the order of the tree, so everything
 * between what changes is passed on as it is; 8-bit bytes that stand there nevertheless (around the parts of
 * a multipart, where nobody reads) become '?'.
 *
 *     a part's encoding        what becomes of its 8-bit bytes
 *     7bit, 8bit, binary       quoted-printable; base64 where a third of it or more is 8-bit
 *     quoted-printable         each one escaped: it meant itself
 *     base64                   left out: it meant nothing (RFC 2045 6.8)
 *     another                  it can't be done
 *
 * A message without Content-Type gets one: text/plain in UTF-8 if it is that, else in "unknown-8bit" (RFC
 * 1428). message/global is encoded whole where its header needs that (RFC 6532 3.7).
 *
 * A report (multipart/report) must arrive, and what it brings back is only shown: in it nothing stands in the
 * way, signatures are as good as gone, and what can't be written otherwise becomes '?'. Considered and
 * refused: charsets guessed, and multipart/signed encoded all the same: what can't be verified any more is
 * worse than a bounce.
 */
#include "text/seven_bit.h"
#include "text/base64.h"
#include "text/mime.h"
#include "text/utf8.h"

#define ENCODING "Content-Transfer-Encoding"
#define FIELD_LIMIT (1u << 20)
#define BUFFER 4096    /* bytes that are encoded before they are put */
#define BASE64_LINE 57 /* bytes of a line */
#define QP_LINE 73     /* columns before an escape that a line may have: it and a soft break make 76 */

struct writer {
    struct span message;
    size_t done; /* bytes of it that have been passed on */
    size_t parts;
    bool lossy; /* a report */
    bool lines; /* long ones are encoded */
    enum seven_bit fault;
    bool (*put)(void *to, struct span piece);
    void *to;
    struct bytes buffer;
};

static bool fail(struct writer *w, enum seven_bit fault)
{
    if (w->fault == SEVEN_BIT_OK)
        w->fault = fault;
    return false;
}

static bool has_eight_bit(struct span s)
{
    return utf8_ascii_run(s) < s.n;
}

static bool has_long_line(struct span s)
{
    struct span line;
    while (span_cut(&s, '\n', &line))
        if (line.n > SEVEN_BIT_LINE + 1 || (line.n == SEVEN_BIT_LINE + 1 && line.p[line.n - 1] != '\r'))
            return true;
    return false;
}

/* --- out */

static bool flush(struct writer *w)
{
    bool good = !w->buffer.failed && (w->buffer.len == 0 || w->put(w->to, span_bytes(&w->buffer)));
    bytes_clear(&w->buffer);
    return good || fail(w, SEVEN_BIT_FAILED);
}

static bool put(struct writer *w, struct span piece)
{
    if (w->buffer.len + piece.n <= BUFFER)
        return bytes_add_span(&w->buffer, piece) || fail(w, SEVEN_BIT_FAILED);
    return flush(w) && (w->put(w->to, piece) || fail(w, SEVEN_BIT_FAILED));
}

static bool put_str(struct writer *w, const char *text)
{
    return put(w, span_of(text));
}

static bool put_plain(struct writer *w, struct span rest)
{
    while (rest.n) {
        size_t ascii = utf8_ascii_run(rest);
        if (ascii && !put(w, span_head(rest, ascii)))
            return false;
        rest = span_from(rest, ascii);
        if (rest.n && !put(w, SPAN("?")))
            return false;
        rest = span_from(rest, 1);
    }
    return true;
}

/* What stands before `up_to` and wasn't passed on yet. */
static bool pass_on(struct writer *w, const char *up_to)
{
    struct span rest = { w->message.p + w->done, (size_t)(up_to - w->message.p) - w->done };
    w->done += rest.n;
    return put_plain(w, rest);
}

/* --- encodings */

static bool put_base64(struct writer *w, struct span body)
{
    struct bytes line;
    bool good = true;
    bytes_init(&line, 2 * BASE64_LINE);
    while (good && body.n) {
        bytes_clear(&line);
        base64_encode(span_head(body, BASE64_LINE), &line);
        body = span_from(body, BASE64_LINE);
        if (body.n)
            bytes_add_str(&line, "\r\n");
        good = put(w, span_bytes(&line));
    }
    good = good && !line.failed;
    bytes_free(&line);
    return good || fail(w, SEVEN_BIT_FAILED);
}

/* Bytes of the line end at the start of s. */
static size_t line_end(struct span s)
{
    if (s.n && s.p[0] == '\n')
        return 1;
    return s.n > 1 && s.p[0] == '\r' && s.p[1] == '\n' ? 2 : 0;
}

/* Must the byte at the start of `rest` be escaped (RFC 2045 6.7)? */
static bool must_escape(struct span rest)
{
    unsigned char c = (unsigned char)rest.p[0];
    if (c == ' ' || c == '\t')
        return rest.n == 1 || line_end(span_from(rest, 1));
    return c < ' ' || c >= 0x7f || c == '=';
}

/* With `repair` the body is quoted-printable already, but for its 8-bit bytes. */
static bool put_quoted(struct writer *w, struct span body, bool repair)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t column = 0;
    while (body.n) {
        size_t end = line_end(body);
        unsigned char c = (unsigned char)body.p[0];
        if (end) {
            if (!put_str(w, "\r\n"))
                return false;
            body = span_from(body, end);
            column = 0;
            continue;
        }
        bool escape = repair ? c >= 0x80 : must_escape(body);
        if (column >= QP_LINE && (escape || !repair)) {
            if (!put_str(w, "=\r\n"))
                return false;
            column = 0;
        }
        const char escaped[] = { '=', digits[c >> 4], digits[c & 15] };
        struct span piece = escape ? (struct span){ escaped, 3 } : span_head(body, 1);
        if (!put(w, piece))
            return false;
        column += piece.n;
        body = span_from(body, 1);
    }
    return true;
}

static bool put_without_eight_bit(struct writer *w, struct span body)
{
    while (body.n) {
        size_t ascii = utf8_ascii_run(body);
        if (ascii && !put(w, span_head(body, ascii)))
            return false;
        body = span_from(body, ascii + 1);
    }
    return true;
}

/* --- headers */

static bool put_field(struct writer *w, const struct header_field *field)
{
    struct bytes text;
    if (!has_eight_bit(field->whole))
        return put(w, field->whole);
    bytes_init(&text, FIELD_LIMIT);
    enum seven_bit fault = seven_bit_field(field, &text);
    bool good = fault == SEVEN_BIT_OK                   ? put(w, span_bytes(&text))
                : w->lossy && fault != SEVEN_BIT_FAILED ? put_plain(w, field->whole)
                                                        : fail(w, fault);
    bytes_free(&text);
    return good;
}

static bool put_encoding(struct writer *w, const char *encoding)
{
    return put_str(w, ENCODING ": ") && put_str(w, encoding) && put_str(w, "\r\n");
}

/* What a header that had nothing of the kind needs. `message`: it is a message's, not only a part's. */
static bool put_missing(struct writer *w, const struct mime_part *part, const char *encoding, bool found,
                        bool message)
{
    struct header_field field;
    bool leaf = !part->is_multipart && !part->is_message && has_eight_bit(part->body);
    if (part->header.n && part->header.p[part->header.n - 1] != '\n') /* it ends within a field */
        return true;
    if (message && !header_find(part->header, "MIME-Version", &field) && !put_str(w, "MIME-Version: 1.0\r\n"))
        return false;
    if (leaf && !part->type_value.p &&
        !put_str(w, utf8_valid(part->body) ? "Content-Type: text/plain; charset=utf-8\r\n"
                                           : "Content-Type: text/plain; charset=unknown-8bit\r\n"))
        return false;
    return found || put_encoding(w, encoding);
}

/* The part's header; `encoding` NULL: its label stays. */
static bool put_header(struct writer *w, const struct mime_part *part, const char *encoding, bool message)
{
    struct header_field field;
    struct span rest = part->header;
    bool found = false;
    if (!pass_on(w, part->header.p))
        return false;
    while (header_next(&rest, &field)) {
        if (!pass_on(w, field.whole.p)) /* lines that are no field */
            return false;
        w->done += field.whole.n;
        if (encoding && span_ieq_str(field.name, ENCODING)) {
            if (!found && !put_encoding(w, encoding))
                return false;
            found = true;
        } else if (!put_field(w, &field)) {
            return false;
        }
    }
    if (encoding && !put_missing(w, part, encoding, found, message))
        return false;
    return pass_on(w, part->body.p);
}

/* --- parts */

static struct span extent(const struct mime_part *part)
{
    return (struct span){ part->header.p, (size_t)(part->body.p + part->body.n - part->header.p) };
}

static bool is_type(const struct mime_part *part, const char *type, const char *subtype)
{
    return span_ieq_str(part->type, type) && span_ieq_str(part->subtype, subtype);
}

static bool is_mostly_eight_bit(struct span body)
{
    size_t n = 0;
    for (size_t i = 0; i < body.n; i++)
        n += (unsigned char)body.p[i] >= 0x80;
    return n >= body.n / 3;
}

static enum seven_bit obstacle(const struct mime_part *part)
{
    if (is_type(part, "message", "partial") || is_type(part, "message", "external-body"))
        return SEVEN_BIT_FRAGMENT;
    return part->encoding == MIME_OTHER ? SEVEN_BIT_ENCODING : SEVEN_BIT_OK;
}

/* A part that holds no others, and has 8-bit bytes in its body. */
static bool encode(struct writer *w, const struct mime_part *part, bool message)
{
    enum seven_bit fault = obstacle(part);
    if (fault != SEVEN_BIT_OK)
        return w->lossy ? put_header(w, part, NULL, message) && pass_on(w, part->body.p + part->body.n)
                        : fail(w, fault);
    bool coded = part->encoding == MIME_QUOTED_PRINTABLE || part->encoding == MIME_BASE64;
    bool base64 = !coded && is_mostly_eight_bit(part->body);
    if (!put_header(w, part, coded ? NULL : base64 ? "base64" : "quoted-printable", message))
        return false;
    w->done += part->body.n;
    if (part->encoding == MIME_BASE64)
        return put_without_eight_bit(w, part->body);
    return base64 ? put_base64(w, part->body)
                  : put_quoted(w, part->body, part->encoding == MIME_QUOTED_PRINTABLE);
}

static bool write_part(struct writer *w, const struct mime_part *part, bool message, size_t depth);

static bool write_children(struct writer *w, const struct mime_part *part, size_t depth)
{
    bool lines = w->lines;
    w->lines = lines && !part->is_message;
    for (const struct mime_part *child = part->child; child; child = child->next)
        if (!write_part(w, child, part->is_message, depth + 1))
            return false;
    w->lines = lines;
    return pass_on(w, part->body.p + part->body.n);
}

/* With UTF-8 in the header of the message inside. */
static bool is_global(const struct mime_part *part)
{
    return is_type(part, "message", "global") && part->child && has_eight_bit(part->child->header);
}

/* Has it lines that are to be encoded? */
static bool is_wide(const struct writer *w, const struct mime_part *part)
{
    bool plain = part->encoding == MIME_7BIT || part->encoding == MIME_8BIT || part->encoding == MIME_BINARY;
    return w->lines && plain && !part->child && obstacle(part) == SEVEN_BIT_OK && has_long_line(part->body);
}

static bool write_part(struct writer *w, const struct mime_part *part, bool message, size_t depth)
{
    bool labelled = part->encoding == MIME_8BIT || part->encoding == MIME_BINARY, wide = is_wide(w, part);
    if (!has_eight_bit(extent(part)) && !labelled && !part->child && !wide)
        return true;
    if (++w->parts >= MIME_PARTS || depth >= MIME_DEPTH)
        return w->lossy || fail(w, SEVEN_BIT_DEEP);
    if (is_type(part, "multipart", "signed") && part->child && !w->lossy) {
        if (has_eight_bit(part->body))
            return fail(w, SEVEN_BIT_SIGNED);
        return put_header(w, part, labelled ? "7bit" : NULL, message) &&
               pass_on(w, part->body.p + part->body.n);
    }
    if (is_global(part) || (!part->child && (wide || has_eight_bit(part->body))))
        return encode(w, part, message);
    return put_header(w, part, labelled ? "7bit" : NULL, message) && write_children(w, part, depth);
}

static size_t count_parts(const struct mime_part *part)
{
    size_t n = 0;
    for (; part; part = part->next)
        n += 1 + count_parts(part->child);
    return n;
}

static enum seven_bit write_message(struct span message, bool lines,
                                    bool (*to_put)(void *to, struct span piece), void *to)
{
    struct mime_part *root = mime_parse(message);
    struct writer w = { .message = message.p ? message : SPAN(""), .lines = lines, .put = to_put, .to = to };
    if (!root)
        return SEVEN_BIT_FAILED;
    bytes_init(&w.buffer, BUFFER);
    w.lossy = is_type(root, "multipart", "report");
    if (count_parts(root) >= MIME_PARTS && !w.lossy)
        fail(&w, SEVEN_BIT_DEEP);
    else if (write_part(&w, root, true, 0) && pass_on(&w, w.message.p + w.message.n))
        flush(&w);
    bytes_free(&w.buffer);
    mime_free(root);
    return w.fault;
}

enum seven_bit seven_bit_write(struct span message, bool (*to_put)(void *to, struct span piece), void *to)
{
    return write_message(message, false, to_put, to);
}

enum seven_bit seven_bit_write_lines(struct span message, bool (*to_put)(void *to, struct span piece),
                                     void *to)
{
    return write_message(message, true, to_put, to);
}

const char *seven_bit_why(enum seven_bit fault)
{
    static const char *const words[] = {
        [SEVEN_BIT_OK] = "2.0.0 It was converted",
        [SEVEN_BIT_SIGNED] =
            "5.6.3 The server doesn't take 8-bit mail, and converting it would break its signature",
        [SEVEN_BIT_ENCODING] = "5.6.3 The server doesn't take 8-bit mail, and a part's encoding isn't known",
        [SEVEN_BIT_FRAGMENT] = "5.6.3 The server doesn't take 8-bit mail, and a fragment can't be converted",
        [SEVEN_BIT_DEEP] =
            "5.6.3 The server doesn't take 8-bit mail, and this has too many parts to convert it",
        [SEVEN_BIT_ADDRESS] =
            "5.6.7 The server doesn't take 8-bit mail, and an address in the header isn't ASCII",
        [SEVEN_BIT_FIELD] = "5.6.3 The server doesn't take 8-bit mail, and a header field can't be converted",
        [SEVEN_BIT_FAILED] = "4.3.0 Memory is short",
    };
    return words[fault];
}
