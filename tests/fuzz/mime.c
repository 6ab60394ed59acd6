/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages: parts lie inside each other and in order, their counts are right, the limits hold, and what is
 * said of them is IMAP.
 */
#include "fuzz.h"
#include "imapd_grammar.h"

#include "text/header.h"
#include "text/imap_body.h"

/* Line ends in s, and those without CR before them. `before` is the byte in front of s. */
static size_t count_lines(struct span s, size_t *bare)
{
    size_t lines = 0;
    *bare = 0;
    for (size_t i = 0; i < s.n; i++) {
        lines += s.p[i] == '\n';
        *bare += s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r');
    }
    return lines;
}

static size_t check_part(const struct mime_part *part, struct span around, size_t depth)
{
    size_t bare, parts = 1;
    HOLDS(depth <= MIME_DEPTH);
    HOLDS(fuzz_within(part->header, around) && fuzz_within(part->body, around));
    HOLDS(part->header.p + part->header.n == part->body.p);
    HOLDS(header_end(part->header) == part->header.n);
    HOLDS(part->lines == count_lines(part->body, &bare) && part->bare == bare);
    count_lines(part->header, &bare);
    HOLDS(part->header_bare == bare);
    HOLDS(part->type.n && part->subtype.n && !(part->is_multipart && part->is_message));
    HOLDS((part->is_multipart || part->is_message) == (part->child != NULL));
    HOLDS(!part->is_message || !part->child->next);
    HOLDS(!part->type_value.n || fuzz_within(part->type_value, part->header));
    struct span room = part->body;
    for (const struct mime_part *child = part->child; child; child = child->next) {
        parts += check_part(child, room, depth + 1);
        HOLDS(!part->is_message || (child->header.p == part->body.p &&
                                    child->body.p + child->body.n == part->body.p + part->body.n));
        room = span_from(room, (size_t)(child->body.p + child->body.n - room.p));
    }
    return parts;
}

static void check_words(const struct mime_part *root, struct bytes *out)
{
    struct span text;
    bytes_clear(out);
    HOLDS(imap_envelope(root->header, out));
    text = span_bytes(out);
    HOLDS(grammar_envelope(&text) && text.n == 0);
    struct bytes plain;
    bytes_init(&plain, FUZZ_OUT_LIMIT);
    HOLDS(imap_envelope_downgrade(span_bytes(out), &plain));
    text = span_bytes(&plain);
    HOLDS(grammar_envelope(&text) && text.n == 0);
    bytes_clear(&plain);
    HOLDS(imap_envelope_downgrade(root->header, &plain)); /* what is none */
    bytes_free(&plain);
    for (int extended = 0; extended < 2; extended++) {
        bytes_clear(out);
        HOLDS(imap_body_structure(root, extended, out));
        text = span_bytes(out);
        HOLDS(grammar_body(&text, extended, 0) && text.n == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_span(data, size), text, value;
    struct bytes out;
    bytes_init(&out, FUZZ_OUT_LIMIT);
    struct mime_part *root = mime_parse(input);
    HOLDS(root && !root->next);
    HOLDS(root->header.p == input.p && root->header.n + root->body.n == size);
    HOLDS(check_part(root, input, 0) <= MIME_PARTS);
    check_words(root, &out);
    for (const struct mime_part *part = root; part; part = part->child) {
        bytes_clear(&out);
        HOLDS(mime_decode(part, &out) && out.len <= part->body.n);
    }
    mime_free(root);
    bytes_clear(&out);
    HOLDS(imap_string(input, &out));
    text = span_bytes(&out);
    HOLDS(grammar_string(&text, &value) && text.n == 0);
    bytes_free(&out);
    return 0;
}
