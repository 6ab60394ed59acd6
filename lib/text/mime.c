/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The structure of a message in one pass over its lines; see mime.h.
 *
 * A stack holds the parts that are open: each multipart and message/rfc822 around the current line, and on
 * top the part whose header or body the line belongs to. Running counts of line ends are noted where a part
 * begins and subtracted where it ends, so no byte is looked at again for them. A delimiter line is compared
 * with every open boundary, the longest match wins and among equals the innermost; it ends everything above
 * its multipart. Behind the boundary only "--" and blanks may follow: RFC 2046 would let anything follow, but
 * then a line `--boundary-2` of a nested multipart that is closed already, or that nobody opened, would cut
 * its parent in two. Nothing recurses but mime_free, and that by MIME_DEPTH at most.
 */
#include "text/mime.h"
#include "text/base64.h"
#include "text/header.h"
#include "text/lexical.h"

#include <stdlib.h>
#include <string.h>

#define BOUNDARY_LIMIT 250 /* RFC 2046 allows 70 */
#define NAME_LIMIT 100     /* of a parameter */
#define STACK_ROOM (MIME_DEPTH + 1)

struct place {
    size_t at;
    size_t lines, bare; /* line ends before it, and those without CR */
};

struct open_part {
    struct mime_part *part;
    struct mime_part **tail; /* where a multipart's next child goes */
    struct place start;      /* of the header; of the body once that is over */
    bool in_header;
    size_t boundary_length; /* 0: not a multipart, or it was closed */
    char boundary[BOUNDARY_LIMIT];
};

struct parser {
    struct span text;
    size_t parts;
    size_t depth;             /* of the stack */
    bool failed;              /* memory */
    struct bytes name, value; /* of a parameter */
    struct open_part stack[STACK_ROOM];
};

static struct span slice(const struct parser *p, size_t from, size_t to)
{
    return (struct span){ p->text.p + from, to - from };
}

static void make_text(struct mime_part *part)
{
    part->type = SPAN("text");
    part->subtype = SPAN("plain");
    part->is_multipart = part->is_message = false;
}

static struct span take_token(struct span *rest)
{
    size_t n = 0;
    while (n < rest->n && lexical_token_char(rest->p[n]))
        n++;
    struct span token = span_head(*rest, n);
    *rest = span_from(*rest, n);
    return token;
}

static void read_type(struct mime_part *part, struct span value)
{
    part->type_value = span_trim(value);
    struct span rest = lexical_skip(value), type = take_token(&rest), subtype = { NULL, 0 };
    rest = lexical_skip(rest);
    if (rest.n && rest.p[0] == '/') {
        rest = lexical_skip(span_from(rest, 1));
        subtype = take_token(&rest);
    }
    make_text(part);
    if (type.n == 0 || subtype.n == 0)
        return;
    part->type = type;
    part->subtype = subtype;
    part->is_multipart = span_ieq_str(type, "multipart");
    /* message/global (RFC 6532) is the same with UTF-8 in its header. */
    part->is_message =
        span_ieq_str(type, "message") && (span_ieq_str(subtype, "rfc822") || span_ieq_str(subtype, "global"));
}

static enum mime_encoding read_encoding(struct span value)
{
    static const struct {
        const char *name;
        enum mime_encoding encoding;
    } names[] = {
        { "7bit", MIME_7BIT },     { "8bit", MIME_8BIT },     { "quoted-printable", MIME_QUOTED_PRINTABLE },
        { "base64", MIME_BASE64 }, { "binary", MIME_BINARY },
    };
    value = lexical_skip(value);
    struct span token = take_token(&value);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (span_ieq_str(token, names[i].name))
            return names[i].encoding;
    return token.n ? MIME_OTHER : MIME_7BIT;
}

/* Notes the first of each Content- field of the part's header. */
static void find_fields(struct mime_part *part, struct span *type)
{
    struct {
        struct span name; /* behind "Content-" */
        struct span *value;
    } wanted[] = {
        { { "type", 4 }, type },
        { { "transfer-encoding", 17 }, &part->encoding_value },
        { { "disposition", 11 }, &part->disposition },
        { { "id", 2 }, &part->id },
        { { "description", 11 }, &part->description },
        { { "language", 8 }, &part->language },
        { { "location", 8 }, &part->location },
        { { "md5", 3 }, &part->md5 },
    };
    const size_t prefix = sizeof "Content-" - 1;
    struct header_field field;
    struct span rest = part->header;
    while (header_next(&rest, &field)) {
        if (field.name.n <= prefix || !span_istarts(field.name, "Content-"))
            continue;
        struct span name = span_from(field.name, prefix);
        for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
            if (name.n == wanted[i].name.n && !wanted[i].value->p && span_ieq(name, wanted[i].name))
                *wanted[i].value = field.value;
    }
}

static void read_header(struct mime_part *part, bool in_digest)
{
    struct span type = { NULL, 0 };
    make_text(part);
    find_fields(part, &type);
    part->encoding = part->encoding_value.p ? read_encoding(part->encoding_value) : MIME_7BIT;
    if (type.p) {
        read_type(part, type);
    } else if (in_digest) { /* RFC 2046 5.1.5 */
        part->type = SPAN("message");
        part->subtype = SPAN("rfc822");
        part->is_message = true;
    }
}

static struct open_part *top(struct parser *p)
{
    return &p->stack[p->depth - 1];
}

/* A part's header begins at `start`; the part goes to *slot. */
static void open_part(struct parser *p, struct mime_part **slot, struct place start)
{
    struct mime_part *part = calloc(1, sizeof *part);
    if (!part) {
        p->failed = true;
        return;
    }
    *slot = part;
    p->parts++;
    struct open_part *o = &p->stack[p->depth++];
    o->part = part;
    o->tail = NULL;
    o->start = start;
    o->in_header = true;
    o->boundary_length = 0;
}

/* The boundary of the multipart on top. */
static void read_boundary(struct parser *p, struct open_part *o)
{
    struct span rest = o->part->type_value;
    bytes_clear(&p->name);
    bytes_clear(&p->value);
    while (mime_parameter_next(&rest, &p->name, &p->value)) {
        if (!span_ieq_str(span_bytes(&p->name), "boundary"))
            continue;
        size_t n = p->value.len;
        while (n && (p->value.data[n - 1] == ' ' || p->value.data[n - 1] == '\t'))
            n--;
        if (n && n <= BOUNDARY_LIMIT) {
            memcpy(o->boundary, p->value.data, n);
            o->boundary_length = n;
        }
        break;
    }
    p->failed = p->name.failed || p->value.failed;
}

/* The header of the part on top is over; its body begins at `start`. */
static void end_header(struct parser *p, struct place start)
{
    struct open_part *o = top(p);
    struct mime_part *part = o->part;
    const struct mime_part *around = p->depth > 1 ? o[-1].part : NULL;
    part->header = slice(p, o->start.at, start.at);
    part->header_bare = start.bare - o->start.bare;
    o->start = start;
    o->in_header = false;
    read_header(part, around && around->is_multipart && span_ieq_str(around->subtype, "digest"));
    if (p->depth == STACK_ROOM || p->parts >= MIME_PARTS) {
        make_text(part);
    } else if (part->is_multipart) {
        o->tail = &part->child;
        read_boundary(p, o);
    } else if (part->is_message) {
        open_part(p, &part->child, start);
    }
}

/* Ends the parts above the first `keep` of the stack at `end`, which leaves out the line end in front of a
 * delimiter. But where that line end was the empty line of a header, that header keeps it, and so do all
 * parts around. */
static void close_parts(struct parser *p, size_t keep, struct place end)
{
    while (p->depth > keep && !p->failed) {
        struct open_part *o = top(p);
        if (o->start.at > end.at)
            end = o->start;
        if (o->in_header) { /* may open a message inside */
            end_header(p, end);
            continue;
        }
        struct mime_part *part = o->part;
        part->body = slice(p, o->start.at, end.at);
        part->lines = end.lines - o->start.lines;
        part->bare = end.bare - o->start.bare;
        if (part->is_multipart && !part->child)
            make_text(part);
        p->depth--;
    }
}

/* Does `line` (without "--") begin with the boundary, and only blanks follow, or "--" and blanks? */
static bool matches(const struct open_part *o, struct span line, bool *closing)
{
    if (o->boundary_length == 0 || line.n < o->boundary_length ||
        memcmp(line.p, o->boundary, o->boundary_length) != 0)
        return false;
    line = span_from(line, o->boundary_length);
    *closing = span_starts(line, "--");
    if (*closing)
        line = span_from(line, 2);
    for (size_t i = 0; i < line.n; i++)
        if (!lexical_blank(line.p[i]))
            return false;
    return true;
}

/* The stack's depth up to the multipart that `line` is a delimiter of; 0 if it is none. */
static size_t find_delimiter(const struct parser *p, struct span line, bool *closing)
{
    size_t found = 0, longest = 0;
    line = span_from(line, 2);
    for (size_t i = p->depth; i-- > 0;) {
        bool close;
        if (p->stack[i].boundary_length > longest && matches(&p->stack[i], line, &close)) {
            longest = p->stack[i].boundary_length;
            found = i + 1;
            *closing = close;
        }
    }
    return *closing || p->parts < MIME_PARTS ? found : 0;
}

/* The place before the line end that stands before `here`, which begins a line. */
static struct place before_line_end(const struct parser *p, struct place here)
{
    if (here.at == 0)
        return here;
    bool crlf = here.at > 1 && p->text.p[here.at - 2] == '\r';
    return (struct place){ here.at - 1 - crlf, here.lines - 1, here.bare - !crlf };
}

/* Takes the line at *here, which ends at `next`, and moves *here behind it. */
static void take_line(struct parser *p, struct place *here, size_t next)
{
    struct span line = slice(p, here->at, next);
    bool closing = false, ended = line.p[line.n - 1] == '\n';
    bool crlf = ended && line.n > 1 && line.p[line.n - 2] == '\r';
    size_t found = 0;
    if (line.n > 2 && line.p[0] == '-' && line.p[1] == '-')
        found = find_delimiter(p, line, &closing);
    if (found)
        close_parts(p, found, before_line_end(p, *here));
    *here = (struct place){ next, here->lines + ended, here->bare + (ended && !crlf) };
    if (p->failed)
        return;
    struct open_part *o = top(p);
    if (found && closing) {
        o->boundary_length = 0;
    } else if (found) {
        struct mime_part **slot = o->tail;
        open_part(p, slot, *here);
        if (!p->failed)
            o->tail = &(*slot)->next;
    } else if (o->in_header && ended && line.n == 1U + crlf) {
        end_header(p, *here);
    }
}

struct mime_part *mime_parse(struct span message)
{
    struct parser *p = malloc(sizeof *p);
    struct mime_part *root = NULL;
    if (!p)
        return NULL;
    p->text = message.p ? message : SPAN("");
    p->parts = p->depth = 0;
    p->failed = false;
    bytes_init(&p->name, NAME_LIMIT);
    bytes_init(&p->value, BOUNDARY_LIMIT + 1);
    struct place here = { 0, 0, 0 };
    open_part(p, &root, here);
    while (here.at < p->text.n && !p->failed) {
        const char *end = memchr(p->text.p + here.at, '\n', p->text.n - here.at);
        take_line(p, &here, end ? (size_t)(end - p->text.p) + 1 : p->text.n);
    }
    close_parts(p, 0, here);
    if (p->failed) {
        mime_free(root);
        root = NULL;
    }
    bytes_free(&p->name);
    bytes_free(&p->value);
    free(p);
    return root;
}

bool mime_leaf(struct span message, struct mime_part *part)
{
    size_t header = header_end(message);
    *part = (struct mime_part){ .header = span_head(message, header), .body = span_from(message, header) };
    read_header(part, false);
    return !part->is_multipart && !part->is_message;
}

void mime_free(struct mime_part *root)
{
    while (root) {
        struct mime_part *next = root->next;
        mime_free(root->child);
        free(root);
        root = next;
    }
}

bool mime_decode(const struct mime_part *part, struct bytes *out)
{
    if (part->encoding == MIME_BASE64)
        return base64_decode_body(part->body, out);
    if (part->encoding == MIME_QUOTED_PRINTABLE)
        return quoted_printable_decode(part->body, out);
    return bytes_add_span(out, part->body);
}
