/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Binary parts as base64; see mime.h. Parts stand in the message in the order of the tree, so everything
 * between those that change is passed on as it is.
 */
#include "text/base64.h"
#include "text/header.h"
#include "text/mime.h"

#define LINE_BYTES 57 /* as base64 76 characters */
#define GROUP 64      /* lines that are encoded together */

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
    size_t done; /* bytes of it that have been passed on */
    bool (*put)(void *to, struct span piece);
    void *to;
};

static bool pass_on(struct recoding *r, const char *up_to)
{
    struct span piece = { r->message.p + r->done, (size_t)(up_to - r->message.p) - r->done };
    r->done += piece.n;
    return piece.n == 0 || r->put(r->to, piece);
}

/* The header, with another Content-Transfer-Encoding. */
static bool change_header(struct recoding *r, const struct mime_part *part)
{
    struct header_field field;
    struct span rest = part->header;
    bool good = true;
    while (good && header_next(&rest, &field)) {
        if (!span_ieq_str(field.name, "Content-Transfer-Encoding"))
            continue;
        good = pass_on(r, field.whole.p) && r->put(r->to, SPAN("Content-Transfer-Encoding: base64\r\n"));
        r->done += field.whole.n;
    }
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

static bool recode(struct recoding *r, const struct mime_part *part)
{
    bool good = true;
    for (; good && part; part = part->next) {
        if (must_change(part))
            good = change_header(r, part) && change_body(r, part->body);
        else
            good = recode(r, part->child);
    }
    return good;
}

bool mime_without_binary(struct span message, const struct mime_part *root,
                         bool (*put)(void *to, struct span piece), void *to)
{
    struct recoding r = { .message = message, .put = put, .to = to };
    return recode(&r, root) && pass_on(&r, message.p + message.n);
}
