/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * BODY and BODYSTRUCTURE; see imap_body.h. The grammar is RFC 3501 9, `body`. It wants an envelope and a
 * body in each message/rfc822, lines in each text part and a part in each multipart: the parser in
 * mime.c only makes such trees. The recursion goes as deep as the tree, MIME_DEPTH at most.
 */
#include "text/imap_body.h"
#include "text/header.h"
#include "text/lexical.h"

#define STRING_QUOTED_LIMIT 1000 /* longer strings leave as literals */
#define VALUE_LIMIT 65536        /* of one header value or parameter; the rest is cut */
#define NAME_LIMIT 256           /* of a parameter's name */
#define PARAMETERS_LIMIT 200     /* of one field */
#define LANGUAGES_LIMIT 50
#define TOKEN_LIMIT 200 /* of a type, an encoding, a language */
#define LARGE                                                                                                \
    ((size_t)1                                                                                               \
     << 20) /* bytes of a structure, from which on what may be long is NIL: it stays below some MB */

/* A literal of `length` bytes: s without its NULs. */
static void literal(struct span s, size_t length, struct bytes *out)
{
    bytes_add_char(out, '{');
    bytes_add_u64(out, length);
    bytes_add_str(out, "}\r\n");
    while (s.n) {
        size_t run = span_find(s, '\0');
        bytes_add_span(out, span_head(s, run));
        s = span_from(s, run < s.n ? run + 1 : run);
    }
}

bool imap_string(struct span s, struct bytes *out)
{
    if (!s.p)
        return bytes_add_str(out, "NIL");
    size_t plain = 0, nuls = 0;
    while (plain < s.n && lexical_quotable(s.p[plain]))
        plain++;
    bool quoted = true;
    for (size_t i = plain; i < s.n; i++) {
        nuls += s.p[i] == '\0';
        quoted = quoted && s.p[i] != '\r' && s.p[i] != '\n' && !((unsigned char)s.p[i] & 0x80);
    }
    if (!quoted || s.n - nuls > STRING_QUOTED_LIMIT) {
        literal(s, s.n - nuls, out);
        return !out->failed;
    }
    bytes_add_char(out, '"');
    bytes_add(out, s.p, plain);
    for (size_t i = plain; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            bytes_add_char(out, '\\');
        if (s.p[i] != '\0')
            bytes_add_char(out, s.p[i]);
    }
    return bytes_add_char(out, '"');
}

void imap_value(struct span value, struct bytes *out)
{
    struct bytes text;
    struct span line = span_trim(value);
    if (line.n <= VALUE_LIMIT && span_find(line, '\n') == line.n && span_find(line, '\r') == line.n) {
        imap_string(line, out);
        return;
    }
    bytes_init(&text, VALUE_LIMIT);
    if (!header_unfold(span_head(value, VALUE_LIMIT), &text))
        out->failed = true;
    imap_string(span_bytes(&text), out);
    bytes_free(&text);
}

/* A structure in the making. What may be long is left out once it has grown large: see LARGE. */
struct writer {
    struct bytes *out;
    size_t start; /* of the structure in out */
    bool extended;
    struct bytes name, value; /* of a parameter */
};

static bool is_large(const struct writer *w)
{
    return w->out->len - w->start > LARGE;
}

static void value_unless_large(struct writer *w, struct span value)
{
    imap_value(is_large(w) ? (struct span){ NULL, 0 } : value, w->out);
}

/* `("NAME" "value" ...)` or NIL: body-fld-param. */
static void parameters(struct writer *w, struct span value)
{
    struct bytes *out = w->out;
    size_t count = 0;
    bytes_clear(&w->name);
    bytes_clear(&w->value);
    while (count < PARAMETERS_LIMIT && !is_large(w) && mime_parameter_next(&value, &w->name, &w->value)) {
        bytes_add_char(out, count++ ? ' ' : '(');
        imap_string(span_bytes(&w->name), out);
        bytes_add_char(out, ' ');
        imap_string(span_bytes(&w->value), out);
    }
    bytes_add_str(out, count ? ")" : "NIL");
    out->failed = out->failed || w->name.failed || w->value.failed;
}

/* The token that a structured value begins with; empty if there is none. */
static struct span first_token(struct span *value)
{
    size_t n = 0;
    *value = lexical_skip(*value);
    while (n < value->n && n < TOKEN_LIMIT && lexical_token_char(value->p[n]))
        n++;
    struct span token = span_head(*value, n);
    *value = span_from(*value, n);
    return token;
}

/* body-fld-dsp */
static void disposition(struct writer *w, struct span value)
{
    struct bytes *out = w->out;
    struct span token = first_token(&value);
    if (token.n == 0) {
        bytes_add_str(out, "NIL");
        return;
    }
    bytes_add_char(out, '(');
    imap_string(token, out);
    bytes_add_char(out, ' ');
    parameters(w, value);
    bytes_add_char(out, ')');
}

/* body-fld-lang: NIL, one string, or a list of them (RFC 3282). */
static void language(struct span value, struct bytes *out)
{
    struct span tags[LANGUAGES_LIMIT];
    size_t count = 0;
    while (value.n && count < LANGUAGES_LIMIT) {
        struct span tag = first_token(&value);
        if (tag.n)
            tags[count++] = tag;
        else
            value = span_from(value, 1);
    }
    if (count == 0) {
        bytes_add_str(out, "NIL");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (count > 1)
            bytes_add_char(out, i ? ' ' : '(');
        imap_string(tags[i], out);
    }
    if (count > 1)
        bytes_add_char(out, ')');
}

/* Disposition, language and location, which close a part's extension data. */
static void extensions(struct writer *w, const struct mime_part *part)
{
    bytes_add_char(w->out, ' ');
    disposition(w, part->disposition);
    bytes_add_char(w->out, ' ');
    language(is_large(w) ? (struct span){ NULL, 0 } : part->language, w->out);
    bytes_add_char(w->out, ' ');
    value_unless_large(w, part->location);
}

static void structure(struct writer *w, const struct mime_part *part);

/* The envelope and the body of the message inside a message/rfc822. */
static void message_inside(struct writer *w, const struct mime_part *child)
{
    bytes_add_char(w->out, ' ');
    if (is_large(w))
        bytes_add_str(w->out, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
    else
        imap_envelope(child->header, w->out);
    bytes_add_char(w->out, ' ');
    structure(w, child);
}

/* body-type-1part without its parentheses. */
static void single_part(struct writer *w, const struct mime_part *part)
{
    struct bytes *out = w->out;
    struct span value = part->encoding_value, encoding = first_token(&value);
    bool text = part->type.n == 4 && span_ieq_str(part->type, "text");
    if (part->is_message && span_ieq_str(part->subtype, "global")) {
        bytes_add_str(out, IMAP_GLOBAL);
    } else {
        imap_string(span_head(part->type, TOKEN_LIMIT), out);
        bytes_add_char(out, ' ');
        imap_string(span_head(part->subtype, TOKEN_LIMIT), out);
    }
    bytes_add_char(out, ' ');
    if (text && part->type_value.n == 0)
        bytes_add_str(out, "(\"CHARSET\" \"US-ASCII\")"); /* RFC 2045 5.2 */
    else
        parameters(w, part->type_value);
    bytes_add_char(out, ' ');
    value_unless_large(w, part->id);
    bytes_add_char(out, ' ');
    value_unless_large(w, part->description);
    bytes_add_char(out, ' ');
    imap_string(encoding.n ? encoding : SPAN("7BIT"), out);
    bytes_add_char(out, ' ');
    bytes_add_u64(out, part->body.n + part->bare);
    if (part->is_message)
        message_inside(w, part->child);
    if (part->is_message || text) {
        bytes_add_char(out, ' ');
        bytes_add_u64(out, part->lines);
    }
    if (w->extended) {
        bytes_add_char(out, ' ');
        value_unless_large(w, part->md5);
        extensions(w, part);
    }
}

/* body-type-mpart without its parentheses. */
static void multipart(struct writer *w, const struct mime_part *part)
{
    for (const struct mime_part *child = part->child; child; child = child->next)
        structure(w, child);
    bytes_add_char(w->out, ' ');
    imap_string(span_head(part->subtype, TOKEN_LIMIT), w->out);
    if (!w->extended)
        return;
    bytes_add_char(w->out, ' ');
    parameters(w, part->type_value);
    extensions(w, part);
}

static void structure(struct writer *w, const struct mime_part *part)
{
    bytes_add_char(w->out, '(');
    if (part->is_multipart)
        multipart(w, part);
    else
        single_part(w, part);
    bytes_add_char(w->out, ')');
}

bool imap_body_structure(const struct mime_part *root, bool extended, struct bytes *out)
{
    struct writer w = { .out = out, .start = out->len, .extended = extended };
    bytes_init(&w.name, NAME_LIMIT);
    bytes_init(&w.value, VALUE_LIMIT);
    structure(&w, root);
    bytes_free(&w.name);
    bytes_free(&w.value);
    return !out->failed;
}
