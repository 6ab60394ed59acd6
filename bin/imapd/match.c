/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Decoding and comparing; see match.h.
 */
#include "match.h"

#include "text/header.h"
#include "text/unicode.h"
#include "text/words.h"

void match_init(struct match *m)
{
    bytes_init(&m->decoded, MATCH_LIMIT);
    bytes_init(&m->text, 3 * (size_t)MATCH_LIMIT);
}

void match_free(struct match *m)
{
    bytes_free(&m->decoded);
    bytes_free(&m->text);
}

bool match_header(struct match *m, struct span header, struct span name, struct span sought)
{
    struct header_field field;
    while (header_next(&header, &field)) {
        if (!span_ieq(field.name, name))
            continue;
        bytes_clear(&m->text);
        words_decode(field.value, &m->text);
        if (unicode_contains(span_bytes(&m->text), sought))
            return true;
    }
    return false;
}

bool match_any_header(struct match *m, struct span header, struct span sought)
{
    struct header_field field;
    while (header_next(&header, &field)) {
        bytes_clear(&m->text);
        bytes_add_span(&m->text, field.name);
        bytes_add_str(&m->text, ": ");
        words_decode(field.value, &m->text);
        if (unicode_contains(span_bytes(&m->text), sought))
            return true;
    }
    return false;
}

/* A leaf of type text/... */
static bool match_text(struct match *m, const struct mime_part *part, struct span sought)
{
    struct bytes charset;
    bytes_clear(&m->decoded);
    mime_decode(part, &m->decoded);
    bytes_init(&charset, 64);
    if (!mime_parameter(part->type_value, "charset", &charset) || charset.len == 0) {
        bytes_clear(&charset);
        bytes_add_str(&charset, "utf-8"); /* US-ASCII, and what people send without saying so */
    }
    bytes_clear(&m->text);
    charset_to_utf8(span_bytes(&charset), span_bytes(&m->decoded), &m->text);
    bytes_free(&charset);
    return unicode_contains(span_bytes(&m->text), sought);
}

/* mime_parse() bounds the depth. */
bool match_body(struct match *m, const struct mime_part *root, struct span sought)
{
    if (!root->child)
        return span_ieq_str(root->type, "text") && match_text(m, root, sought);
    for (const struct mime_part *part = root->child; part; part = part->next) {
        if (root->is_message && match_any_header(m, part->header, sought))
            return true;
        if (match_body(m, part, sought))
            return true;
    }
    return false;
}
