/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Finding BODY[...] in a message; see section.h.
 *
 * Part numbers count the parts of a multipart; what is not a multipart has one part, 1, itself. A number
 * behind that of a message/rfc822 counts the parts of the message inside.
 */
#include "section.h"

#include "text/header.h"

#include <string.h>

static const struct mime_part *nth_child(const struct mime_part *multipart, uint32_t n)
{
    const struct mime_part *part = multipart->child;
    while (part && --n > 0)
        part = part->next;
    return part;
}

static const struct mime_part *find_part(const struct mime_part *root, const uint32_t *numbers, size_t count)
{
    const struct mime_part *part = root;
    for (size_t n = 0; part && n < count; n++) {
        if (n > 0 && part->is_message && !part->is_multipart)
            part = part->child; /* the message inside, whose parts are counted */
        else if (n > 0 && !part->is_multipart)
            return NULL;
        if (part && part->is_multipart)
            part = nth_child(part, numbers[n]);
        else if (numbers[n] != 1)
            return NULL;
    }
    return part;
}

const struct mime_part *section_part(const struct fetch_item *item, const struct mime_part *root)
{
    return find_part(root, item->parts, item->part_count);
}

static bool is_named(const struct fetch *fetch, const struct fetch_item *item, struct span name)
{
    for (size_t n = 0; n < item->name_count; n++)
        if (span_ieq(name, fetch->names[item->first_name + n]))
            return true;
    return false;
}

static bool filter_fields(const struct fetch *fetch, const struct fetch_item *item, struct span header,
                          struct bytes *built, struct span *found)
{
    struct header_field field;
    bool wanted = item->what == SECTION_FIELDS;
    while (header_next(&header, &field)) {
        if (is_named(fetch, item, field.name) != wanted)
            continue;
        bytes_add_span(built, field.whole);
        if (field.whole.n > 0 && field.whole.p[field.whole.n - 1] != '\n')
            bytes_add_str(built, "\r\n");
    }
    bytes_add_str(built, "\r\n");
    *found = span_bytes(built);
    return !built->failed;
}

bool section_find(const struct fetch *fetch, const struct fetch_item *item, struct span message,
                  const struct mime_part *root, struct bytes *built, struct span *found)
{
    struct span header, text, all = message;
    bytes_clear(built);
    if (item->part_count > 0) {
        const struct mime_part *part = section_part(item, root);
        if (!part)
            return false;
        if (item->what == SECTION_ALL || item->what == SECTION_MIME) {
            *found = item->what == SECTION_ALL ? part->body : part->header;
            return true;
        }
        if (!part->is_message || !part->child)
            return false;
        header = part->child->header;
        text = part->child->body;
    } else {
        size_t end = header_end(message);
        header = span_head(message, end);
        text = span_from(message, end);
    }
    if (item->what == SECTION_FIELDS || item->what == SECTION_FIELDS_NOT)
        return filter_fields(fetch, item, header, built, found);
    *found = item->what == SECTION_ALL ? all : item->what == SECTION_TEXT ? text : header;
    return true;
}

/* A header name as it came, quoted if it is no atom. */
static void add_name(struct bytes *out, struct span name)
{
    bool atom = true;
    for (size_t n = 0; n < name.n; n++)
        atom = atom && name.p[n] > 0x20 && name.p[n] < 0x7f && !strchr("(){%*\"\\]", name.p[n]);
    if (!atom)
        bytes_add_char(out, '"');
    for (size_t n = 0; n < name.n; n++) {
        if (name.p[n] == '"' || name.p[n] == '\\')
            bytes_add_char(out, '\\');
        bytes_add_char(out, name.p[n] & 0x80 ? '?' : name.p[n]);
    }
    if (!atom)
        bytes_add_char(out, '"');
}

void section_label(const struct fetch *fetch, const struct fetch_item *item, struct bytes *out)
{
    static const char *const labels[] = {
        [SECTION_ALL] = "",
        [SECTION_HEADER] = "HEADER",
        [SECTION_FIELDS] = "HEADER.FIELDS (",
        [SECTION_FIELDS_NOT] = "HEADER.FIELDS.NOT (",
        [SECTION_TEXT] = "TEXT",
        [SECTION_MIME] = "MIME",
    };
    if (item->label) {
        bytes_add_str(out, item->label);
        return;
    }
    bytes_add_str(out, item->kind == FETCH_BINARY        ? "BINARY["
                       : item->kind == FETCH_BINARY_SIZE ? "BINARY.SIZE["
                                                         : "BODY[");
    for (size_t n = 0; n < item->part_count; n++)
        bytes_printf(out, n > 0 ? ".%u" : "%u", item->parts[n]);
    if (item->part_count > 0 && item->what != SECTION_ALL)
        bytes_add_char(out, '.');
    bytes_add_str(out, labels[item->what]);
    for (size_t n = 0; n < item->name_count; n++) {
        if (n > 0)
            bytes_add_char(out, ' ');
        add_name(out, fetch->names[item->first_name + n]);
    }
    bytes_add_str(out, item->name_count > 0 ? ")]" : "]");
    if (item->partial)
        bytes_printf(out, "<%llu>", (unsigned long long)item->offset);
}
