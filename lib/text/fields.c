/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Looking through a header section; see fields.h.
 */
#include "text/fields.h"
#include "text/header.h"

void fields_look(struct span header, struct fields *f)
{
    struct header_field field;
    *f = (struct fields){ .received = 0 };
    while (header_next(&header, &field)) {
        if (span_ieq_str(field.name, "Received"))
            f->received++;
        else if (span_ieq_str(field.name, "Date"))
            f->date = true;
        else if (span_ieq_str(field.name, "Message-ID"))
            f->message_id = f->message_id.p ? f->message_id : field.value;
        else if (span_ieq_str(field.name, "From"))
            f->from = true;
        else if (span_ieq_str(field.name, "Return-Path"))
            f->return_path = true;
        else if (span_ieq_str(field.name, "Bcc") || span_ieq_str(field.name, "Resent-Bcc"))
            f->bcc = true;
        else if (span_ieq_str(field.name, "Original-Recipient"))
            f->original_recipient = true;
        else if (span_ieq_str(field.name, "Authentication-Results"))
            f->results = true;
    }
}

void message_id_read(struct span value, char id[MESSAGE_ID_LIMIT + 1])
{
    size_t n = 0, begin = span_find(value, '<');
    if (begin < value.n)
        value = span_from(value, begin + 1);
    value = span_trim(span_head(value, span_find(value, '>')));
    for (size_t i = 0; i < value.n && n < MESSAGE_ID_LIMIT; i++)
        if (value.p[i] != '\r' && value.p[i] != '\n')
            id[n++] = value.p[i];
    id[memchr(id, '\0', n) ? 0 : n] = '\0';
}

static bool is_one_of(struct span name, const char *const *names)
{
    for (; *names; names++)
        if (span_ieq_str(name, *names))
            return true;
    return false;
}

bool fields_leaving_out(struct span header, bool (*unwanted)(void *arg, const struct header_field *field),
                        void *arg, struct bytes *out)
{
    struct header_field field;
    struct span rest = header;
    const char *copied = header.p, *end = header.p + header.n;
    while (header_next(&rest, &field)) {
        if (!unwanted(arg, &field))
            continue;
        bytes_add(out, copied, (size_t)(field.whole.p - copied));
        copied = field.whole.p + field.whole.n;
    }
    return bytes_add(out, copied, (size_t)(end - copied));
}

struct names {
    const char *const *names;
};

static bool is_named(void *arg, const struct header_field *field)
{
    return is_one_of(field->name, ((const struct names *)arg)->names);
}

bool fields_without(struct span header, const char *const *names, struct bytes *out)
{
    struct names these = { names };
    return fields_leaving_out(header, is_named, &these, out);
}

bool fields_begin(struct span message)
{
    size_t i = 0;
    if (span_starts(message, "\n") || span_starts(message, "\r\n"))
        return true;
    while (i < message.n && message.p[i] > ' ' && message.p[i] < 127 && message.p[i] != ':')
        i++;
    if (i == 0)
        return false;
    while (i < message.n && (message.p[i] == ' ' || message.p[i] == '\t'))
        i++;
    return i < message.n && message.p[i] == ':';
}

bool fields_whole(struct span fields)
{
    struct span line;
    bool first = true;
    while (fields.n) {
        size_t end = span_find(fields, '\n');
        if (end == fields.n || end == 0 || fields.p[end - 1] != '\r')
            return false;
        line = span_head(fields, end - 1);
        bool folded = line.n && (line.p[0] == ' ' || line.p[0] == '\t');
        if (!line.n || span_find(line, '\r') < line.n || span_find(line, '\0') < line.n ||
            (folded ? first : !fields_begin(line)))
            return false;
        first = false;
        fields = span_from(fields, end + 1);
    }
    return true;
}
