/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ENVELOPE (RFC 3501 7.4.2); see imap_body.h. One pass over the header notes where the fields are, and then
 * they are written in order. A field that is absent is NIL, one that is there but empty is ""; of several
 * only the first counts, except address fields, whose lists are joined. A mailbox without a domain gets ""
 * for it, since NIL would make it the start of a group.
 */
#include "text/imap_body.h"
#include "text/address.h"
#include "text/header.h"

#define FIELDS_LIMIT 32           /* fields of one name whose lists are joined; the rest is passed over */
#define ADDRESSES_LIMIT 10000     /* entries of one list */
#define LISTS_BYTES_LIMIT 1048576 /* of all lists as they leave; no entry is begun behind them */

enum { FROM, SENDER, REPLY_TO, TO, CC, BCC, LISTS };
enum { DATE, SUBJECT, IN_REPLY_TO, MESSAGE_ID, TEXTS };

static const struct {
    struct span name;
    int list, text; /* one of them, the other -1 */
} fields[] = {
    { { "from", 4 }, FROM, -1 },       { { "to", 2 }, TO, -1 },
    { { "subject", 7 }, -1, SUBJECT }, { { "date", 4 }, -1, DATE },
    { { "cc", 2 }, CC, -1 },           { { "message-id", 10 }, -1, MESSAGE_ID },
    { { "sender", 6 }, SENDER, -1 },   { { "in-reply-to", 11 }, -1, IN_REPLY_TO },
    { { "bcc", 3 }, BCC, -1 },         { { "reply-to", 8 }, REPLY_TO, -1 },
};

struct envelope {
    struct bytes *out;
    size_t start; /* of the first list in out */
    struct span texts[TEXTS];
    struct span lists[LISTS][FIELDS_LIMIT];
    size_t list_fields[LISTS];
    struct address_entry entry;
};

static void end_group(struct bytes *out, bool *in_group)
{
    if (*in_group)
        bytes_add_str(out, "(NIL NIL NIL NIL)");
    *in_group = false;
}

static void add_entry(struct bytes *out, const struct address_entry *entry, bool *in_group)
{
    struct span nil = { NULL, 0 }, name = span_bytes(&entry->name);
    if (entry->name.failed || entry->local.failed || entry->domain.failed)
        out->failed = true;
    if (entry->kind != ADDRESS_MAILBOX)
        end_group(out, in_group);
    if (entry->kind == ADDRESS_GROUP_END)
        return;
    bool group = entry->kind == ADDRESS_GROUP_START;
    bytes_add_char(out, '(');
    imap_string(group || name.n == 0 ? nil : name, out);
    bytes_add_str(out, " NIL ");
    imap_string(group ? name : span_bytes(&entry->local), out);
    bytes_add_char(out, ' ');
    imap_string(group ? nil : span_bytes(&entry->domain), out);
    bytes_add_char(out, ')');
    *in_group |= group;
}

/* The entries of all fields of that name, without the parentheses around. */
static void add_entries(struct envelope *e, int which)
{
    struct bytes *out = e->out;
    size_t count = 0;
    for (size_t n = 0; n < e->list_fields[which]; n++) {
        struct span value = e->lists[which][n];
        bool in_group = false;
        while (count < ADDRESSES_LIMIT && out->len - e->start < LISTS_BYTES_LIMIT &&
               address_list_more(&value, &e->entry)) {
            count++;
            add_entry(out, &e->entry, &in_group);
        }
        end_group(out, &in_group);
    }
}

/* Sender and Reply-To are From where they are absent or empty: `from` is where that stands in out, with its
 * parentheses. Once it has grown large it isn't repeated. */
static void write_list(struct envelope *e, int which, size_t from, size_t from_length)
{
    struct bytes *out = e->out;
    size_t before = out->len;
    bytes_add_char(out, '(');
    add_entries(e, which);
    if (out->failed || out->len > before + 1) {
        bytes_add_char(out, ')');
        return;
    }
    out->len = before;
    bool as_from = (which == SENDER || which == REPLY_TO) && from_length < LISTS_BYTES_LIMIT / 4;
    if (!as_from)
        bytes_add_str(out, "NIL");
    else if (bytes_reserve(out, from_length))
        bytes_add(out, out->data + from, from_length);
}

static void take_field(struct envelope *e, const struct header_field *field)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (fields[i].name.n != field->name.n || !span_ieq(fields[i].name, field->name))
            continue;
        int list = fields[i].list, text = fields[i].text;
        if (text >= 0 && !e->texts[text].p)
            e->texts[text] = field->value;
        if (list >= 0 && e->list_fields[list] < FIELDS_LIMIT)
            e->lists[list][e->list_fields[list]++] = field->value;
        return;
    }
}

bool imap_envelope(struct span header, struct bytes *out)
{
    struct envelope e;
    struct header_field field;
    e.out = out;
    memset(e.texts, 0, sizeof e.texts);
    memset(e.list_fields, 0, sizeof e.list_fields);
    memset(&e.entry, 0, sizeof e.entry);
    while (header_next(&header, &field))
        take_field(&e, &field);
    bytes_add_char(out, '(');
    imap_value(e.texts[DATE], out);
    bytes_add_char(out, ' ');
    imap_value(e.texts[SUBJECT], out);
    size_t from = e.start = out->len + 1, from_length = 0;
    for (int i = 0; i < LISTS; i++) {
        bytes_add_char(out, ' ');
        write_list(&e, i, from, from_length);
        if (i == FROM)
            from_length = out->len - from;
    }
    bytes_add_char(out, ' ');
    imap_value(e.texts[IN_REPLY_TO], out);
    bytes_add_char(out, ' ');
    imap_value(e.texts[MESSAGE_ID], out);
    address_entry_free(&e.entry);
    return bytes_add_char(out, ')');
}
