/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Binary parts as base64; see mime.h. Parts stand in the message in the order of the tree, so everything
 * between those that change is passed on as it is.
 */
#include "text/base64.h"
#include "text/header.h"
#include "text/mime.h"

#define LINE_BYTES 57  /* as base64 76 characters */
#define GROUP 64       /* lines that are encoded together */
#define LINE_LIMIT 998 /* of text, without its CRLF (RFC 5322 2.1.1) */
#define ENCODING "Content-Transfer-Encoding"

/* Would a file with LF line ends lose something of it: a NUL, or a CR or LF by itself? */
static bool is_raw(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        bool crlf = s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] == '\n';
        if (s.p[i] == '\0' || s.p[i] == '\n' || (s.p[i] == '\r' && !crlf))
            return true;
        i += crlf;
    }
    return false;
}

static bool must_change(const struct mime_part *part)
{
    return part->encoding == MIME_BINARY && !part->is_multipart && !part->is_message && is_raw(part->body);
}

bool mime_is_binary(const struct mime_part *root)
{
    for (; root; root = root->next)
        if (must_change(root) || mime_is_binary(root->child))
            return true;
    return false;
}

struct recoding {
    struct span message;
    bool transport; /* by mime_for_transport */
    size_t done;    /* bytes of it that have been passed on */
    bool (*put)(void *to, struct span piece);
    void *to;
};

static bool pass_on(struct recoding *r, const char *up_to)
{
    struct span piece = { r->message.p + r->done, (size_t)(up_to - r->message.p) - r->done };
    r->done += piece.n;
    return piece.n == 0 || r->put(r->to, piece);
}

/* A header of its own without a final empty line has no body either. */
static size_t empty_line(struct span header)
{
    size_t n = header.n && header.p[header.n - 1] == '\n' ? 1 : 0;
    return n && header.n > 1 && header.p[header.n - 2] == '\r' ? 2 : n;
}

static bool put_encoding(struct recoding *r, const char *encoding)
{
    return r->put(r->to, SPAN(ENCODING ": ")) && r->put(r->to, span_of(encoding)) &&
           r->put(r->to, SPAN("\r\n"));
}

/* The header, with another Content-Transfer-Encoding. */
static bool change_header(struct recoding *r, const struct mime_part *part, const char *encoding)
{
    struct header_field field;
    struct span rest = part->header;
    bool good = true, found = false;
    while (good && header_next(&rest, &field)) {
        if (!span_ieq_str(field.name, ENCODING))
            continue;
        good = pass_on(r, field.whole.p) && put_encoding(r, encoding);
        r->done += field.whole.n;
        found = true;
    }
    if (good && !found)
        good = pass_on(r, part->body.p - empty_line(part->header)) && put_encoding(r, encoding);
    return good && pass_on(r, part->body.p);
}

static bool change_body(struct recoding *r, struct span body)
{
    struct bytes lines;
    bool good = true;
    bytes_init(&lines, GROUP * 80);
    r->done += body.n;
    while (good && body.n) {
        bytes_clear(&lines);
        for (unsigned i = 0; i < GROUP && body.n; i++) {
            base64_encode(span_head(body, LINE_BYTES), &lines);
            body = span_from(body, LINE_BYTES);
            if (body.n)
                bytes_add_str(&lines, "\r\n");
        }
        good = !lines.failed && r->put(r->to, span_bytes(&lines));
    }
    bytes_free(&lines);
    return good;
}

/* Has it a line that is too long for text? */
static bool has_long_line(struct span s)
{
    struct span line;
    while (span_cut(&s, '\n', &line))
        if (line.n - (line.n && line.p[line.n - 1] == '\r') > LINE_LIMIT)
            return true;
    return false;
}

enum fate { KEEP, RELABEL, ENCODE };

/* What 8BITMIME asks for. The CRLF that the end of a message must have would be one byte too many in a part
 * that is binary by intention. */
static enum fate fate_in_transport(const struct recoding *r, const struct mime_part *part)
{
    struct span body = part->body, message = r->message;
    bool binary = part->encoding == MIME_BINARY;
    if (part->is_multipart || part->is_message)
        return binary ? RELABEL : KEEP;
    if (part->encoding == MIME_BASE64 || part->encoding == MIME_QUOTED_PRINTABLE ||
        part->encoding == MIME_OTHER)
        return KEEP;
    bool cut = binary && body.n && body.p + body.n == message.p + message.n && body.p[body.n - 1] != '\n';
    if (cut || is_raw(body) || has_long_line(body))
        return ENCODE;
    return binary ? RELABEL : KEEP;
}

static enum fate fate_of(const struct recoding *r, const struct mime_part *part)
{
    if (r->transport)
        return fate_in_transport(r, part);
    return must_change(part) ? ENCODE : KEEP;
}

static bool recode(struct recoding *r, const struct mime_part *part)
{
    bool good = true;
    for (; good && part; part = part->next) {
        enum fate fate = fate_of(r, part);
        if (fate == ENCODE) {
            good = change_header(r, part, "base64") && change_body(r, part->body);
            continue;
        }
        if (fate == RELABEL)
            good = change_header(r, part, "8bit");
        good = good && recode(r, part->child);
    }
    return good;
}

bool mime_without_binary(struct span message, const struct mime_part *root,
                         bool (*put)(void *to, struct span piece), void *to)
{
    struct recoding r = { .message = message, .put = put, .to = to };
    return recode(&r, root) && pass_on(&r, message.p + message.n);
}

bool mime_for_transport(struct span message, const struct mime_part *root,
                        bool (*put)(void *to, struct span piece), void *to)
{
    struct recoding r = { .message = message, .transport = true, .put = put, .to = to };
    return recode(&r, root) && pass_on(&r, message.p + message.n);
}
