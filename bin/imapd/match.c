/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Decoding and comparing; see match.h.
 *
 * Most messages don't hold what is sought, and most of their bytes are ASCII that means what it says. So
 * header fields are decoded only where unicode_rules_out() can't tell from their raw bytes, a message without
 * parts is not parsed as MIME, and a text is decoded a piece at a time, up to the needle.
 */
#include "match.h"

#include "text/header.h"
#include "text/utf8.h"
#include "text/words.h"

#define CHARSET_NAME 64

bool match_init(struct match *m)
{
    *m = (struct match){ .search = unicode_search_new() };
    bytes_init(&m->text, 4 * (size_t)MATCH_FIELD_LIMIT);
    bytes_init(&m->value, CHARSET_NAME);
    return m->search != NULL;
}

void match_free(struct match *m)
{
    unicode_search_free(m->search);
    bytes_free(&m->text);
    bytes_free(&m->value);
}

static bool holds(struct match *m, struct span text, const struct unicode_needle *needle)
{
    bool found = unicode_search_begin(m->search, needle) || unicode_search_add(m->search, text) ||
                 unicode_search_end(m->search);
    m->failed |= unicode_search_failed(m->search);
    return found;
}

/* The field's value decoded, behind what m->text holds: encoded words, and parameters where there may be
 * some. */
static void decode_value(struct match *m, struct span value)
{
    value = span_head(value, MATCH_FIELD_LIMIT);
    words_decode(value, &m->text);
    words_decode_parameters(value, &m->text);
    m->failed |= m->text.failed;
}

static bool value_holds(struct match *m, struct span value, const struct unicode_needle *needle)
{
    if (unicode_rules_out(needle, value))
        return false;
    bytes_clear(&m->text);
    decode_value(m, value);
    return holds(m, span_bytes(&m->text), needle);
}

bool match_header(struct match *m, struct span header, struct span name, const struct unicode_needle *needle)
{
    struct header_field field;
    if (unicode_rules_out(needle, header)) /* faster than to look for the field */
        return false;
    while (header_named(&header, name, &field))
        if (value_holds(m, field.value, needle))
            return true;
    return false;
}

bool match_any_header(struct match *m, struct span header, const struct unicode_needle *needle)
{
    struct header_field field;
    if (unicode_rules_out(needle, header))
        return false;
    while (header_next(&header, &field)) {
        if (unicode_rules_out(needle, field.whole))
            continue;
        bytes_clear(&m->text);
        bytes_add_span(&m->text, field.name);
        bytes_add_str(&m->text, ": ");
        decode_value(m, field.value);
        if (holds(m, span_bytes(&m->text), needle))
            return true;
    }
    return false;
}

/* The charset of a text part; UTF-8 for US-ASCII, and for what people send without saying so. */
static struct span charset_of(struct match *m, const struct mime_part *part)
{
    if (!mime_parameter(part->type_value, "charset", &m->value) || m->value.len == 0)
        return SPAN("utf-8");
    return span_bytes(&m->value);
}

/* Text in its charset; as much at a time as has room in UTF-8. */
static bool add_text(struct match *m, struct span charset, struct span text)
{
    bool found = false;
    if (charset_is_utf8(charset) || utf8_ascii_run(text) == text.n)
        return unicode_search_add(m->search, text);
    while (!found && text.n) {
        bytes_clear(&m->text);
        charset_to_utf8(charset, span_head(text, MATCH_FIELD_LIMIT), &m->text);
        m->failed |= m->text.failed;
        found = unicode_search_add(m->search, span_bytes(&m->text));
        text = span_from(text, MATCH_FIELD_LIMIT);
    }
    return found;
}

/* A leaf of type text/... */
static bool text_holds(struct match *m, const struct mime_part *part, const struct unicode_needle *needle)
{
    struct span piece, charset = charset_of(m, part);
    bool found = unicode_search_begin(m->search, needle);
    if (part->encoding == MIME_BASE64 || part->encoding == MIME_QUOTED_PRINTABLE) {
        mime_decoder_start(&m->decoder, part->body, part->encoding);
        while (!found && mime_decoder_next(&m->decoder, SIZE_MAX, &piece))
            found = add_text(m, charset, piece);
    } else {
        found = add_text(m, charset, part->body);
    }
    found = unicode_search_end(m->search) || found;
    m->failed |= unicode_search_failed(m->search);
    return found;
}

static bool leaf_holds(struct match *m, const struct mime_part *part, const struct unicode_needle *needle)
{
    return span_ieq_str(part->type, "text") && text_holds(m, part, needle);
}

/* mime_parse() bounds the depth. */
static bool parts_hold(struct match *m, const struct mime_part *root, bool fields,
                       const struct unicode_needle *needle)
{
    if (!root->child)
        return leaf_holds(m, root, needle);
    for (const struct mime_part *part = root->child; part; part = part->next) {
        if ((fields || root->is_message) && match_any_header(m, part->header, needle))
            return true;
        if (parts_hold(m, part, fields, needle))
            return true;
    }
    return false;
}

bool match_body(struct match *m, struct span message, bool fields, const struct unicode_needle *needle)
{
    struct mime_part leaf;
    if (needle->folded.len == 0)
        return true;
    if (unicode_rules_out(needle, message) && !unicode_holds_ascii(message, SPAN("base64")) &&
        !unicode_holds_ascii(message,
                             SPAN("quoted-printable"))) /* it says what it means, and isn't in there */
        return false;
    if (mime_leaf(message, &leaf))
        return leaf_holds(m, &leaf, needle);
    struct mime_part *root = mime_parse(message);
    bool found = root && parts_hold(m, root, fields, needle);
    m->failed |= !root;
    mime_free(root);
    return found;
}
