/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * BODY and BODYSTRUCTURE; see imap_body.h. The grammar is RFC 3501 9, `body`. It wants an envelope and a
 * body in each message/rfc822, lines in each text part and a part in each multipart: the parser in
 * mime.c only makes such trees. The recursion goes as deep as the tree, MIME_DEPTH at most.
 */
#include "text/imap_body.h"
#include "text/header.h"
#include "text/lexical.h"

#include <string.h>

#define STRING_QUOTED_LIMIT 1000 /* longer strings leave as literals */
#define VALUE_LIMIT 65536        /* of one header value or parameter; the rest is cut */
#define NAME_LIMIT 256           /* of a parameter's name */
#define PARAMETERS_LIMIT 200     /* of one field */
#define LANGUAGES_LIMIT 50

/* A literal of `length` bytes: s without its NULs. */
static void literal(struct span s, size_t length, struct bytes *out)
{
    bytes_printf(out, "{%zu}\r\n", length);
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
    size_t nuls = 0;
    bool plain = true;
    for (size_t i = 0; i < s.n; i++) {
        nuls += s.p[i] == '\0';
        plain = plain && s.p[i] != '\r' && s.p[i] != '\n' && !((unsigned char)s.p[i] & 0x80);
    }
    if (!plain || s.n - nuls > STRING_QUOTED_LIMIT) {
        literal(s, s.n - nuls, out);
        return !out->failed;
    }
    bytes_add_char(out, '"');
    for (size_t i = 0; i < s.n; i++) {
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
    if (!value.p) {
        imap_string(value, out);
        return;
    }
    bytes_init(&text, VALUE_LIMIT);
    if (!header_unfold(span_head(value, VALUE_LIMIT), &text))
        out->failed = true;
    imap_string(span_bytes(&text), out);
    bytes_free(&text);
}

/* The fields of a part's header that a body structure tells of. */
struct fields {
    struct span id, description, encoding, md5, disposition, language, location;
};

static void find_fields(struct span header, struct fields *f)
{
    struct {
        const char *name;
        struct span *value;
    } wanted[] = {
        { "Content-ID", &f->id },
        { "Content-Description", &f->description },
        { "Content-Transfer-Encoding", &f->encoding },
        { "Content-MD5", &f->md5 },
        { "Content-Disposition", &f->disposition },
        { "Content-Language", &f->language },
        { "Content-Location", &f->location },
    };
    struct header_field field;
    *f = (struct fields){ .id = { NULL, 0 } };
    while (header_next(&header, &field)) {
        if (!span_istarts(field.name, "Content-"))
            continue;
        for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
            if (!wanted[i].value->p && span_ieq_str(field.name, wanted[i].name))
                *wanted[i].value = field.value;
    }
}

/* `("NAME" "value" ...)` or NIL: body-fld-param. */
static void parameters(struct span value, struct bytes *out)
{
    struct bytes name, text;
    size_t count = 0;
    bytes_init(&name, NAME_LIMIT);
    bytes_init(&text, VALUE_LIMIT);
    while (count < PARAMETERS_LIMIT && mime_parameter_next(&value, &name, &text)) {
        bytes_add_char(out, count++ ? ' ' : '(');
        imap_string(span_bytes(&name), out);
        bytes_add_char(out, ' ');
        imap_string(span_bytes(&text), out);
    }
    bytes_add_str(out, count ? ")" : "NIL");
    out->failed = out->failed || name.failed || text.failed;
    bytes_free(&name);
    bytes_free(&text);
}

/* The token that a structured value begins with; empty if there is none. */
static struct span first_token(struct span *value)
{
    size_t n = 0;
    *value = lexical_skip(*value);
    while (n < value->n && lexical_token_char(value->p[n]))
        n++;
    struct span token = span_head(*value, n);
    *value = span_from(*value, n);
    return token;
}

/* body-fld-dsp */
static void disposition(struct span value, struct bytes *out)
{
    struct span token = first_token(&value);
    if (token.n == 0) {
        bytes_add_str(out, "NIL");
        return;
    }
    bytes_add_char(out, '(');
    imap_string(token, out);
    bytes_add_char(out, ' ');
    parameters(value, out);
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
static void extensions(const struct fields *f, struct bytes *out)
{
    bytes_add_char(out, ' ');
    disposition(f->disposition, out);
    bytes_add_char(out, ' ');
    language(f->language, out);
    bytes_add_char(out, ' ');
    imap_value(f->location, out);
}

/* body-type-1part without its parentheses. */
static void single_part(const struct mime_part *part, bool extended, struct bytes *out)
{
    struct fields f;
    find_fields(part->header, &f);
    struct span encoding = first_token(&f.encoding);
    bool text = span_ieq_str(part->type, "text");
    imap_string(part->type, out);
    bytes_add_char(out, ' ');
    imap_string(part->subtype, out);
    bytes_add_char(out, ' ');
    if (text && part->type_value.n == 0)
        bytes_add_str(out, "(\"CHARSET\" \"US-ASCII\")"); /* RFC 2045 5.2 */
    else
        parameters(part->type_value, out);
    bytes_add_char(out, ' ');
    imap_value(f.id, out);
    bytes_add_char(out, ' ');
    imap_value(f.description, out);
    bytes_add_char(out, ' ');
    imap_string(encoding.n ? encoding : SPAN("7BIT"), out);
    bytes_printf(out, " %zu", part->body.n + part->bare);
    if (part->is_message) {
        bytes_add_char(out, ' ');
        imap_envelope(part->child->header, out);
        bytes_add_char(out, ' ');
        imap_body_structure(part->child, extended, out);
    }
    if (part->is_message || text)
        bytes_printf(out, " %zu", part->lines);
    if (extended) {
        bytes_add_char(out, ' ');
        imap_value(f.md5, out);
        extensions(&f, out);
    }
}

/* body-type-mpart without its parentheses. */
static void multipart(const struct mime_part *part, bool extended, struct bytes *out)
{
    for (const struct mime_part *child = part->child; child; child = child->next)
        imap_body_structure(child, extended, out);
    bytes_add_char(out, ' ');
    imap_string(part->subtype, out);
    if (!extended)
        return;
    struct fields f;
    find_fields(part->header, &f);
    bytes_add_char(out, ' ');
    parameters(part->type_value, out);
    extensions(&f, out);
}

bool imap_body_structure(const struct mime_part *root, bool extended, struct bytes *out)
{
    bytes_add_char(out, '(');
    if (root->is_multipart)
        multipart(root, extended, out);
    else
        single_part(root, extended, out);
    return bytes_add_char(out, ')');
}
