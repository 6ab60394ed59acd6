/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ENVELOPE (RFC 3501 7.4.2); see imap_body.h. One pass over the header. A field that is absent is NIL, one
 * that is there but empty is ""; of several only the first counts, except address fields, whose lists are
 * joined. A mailbox without a domain gets "" for it, since NIL would make it the start of a group.
 */
#include "text/imap_body.h"
#include "text/address.h"
#include "text/header.h"

#define ADDRESSES_LIMIT 10000     /* entries of one list */
#define LIST_BYTES_LIMIT 16777216 /* of one list as it leaves; no entry is begun behind them */
#define ENTRY_BYTES_LIMIT 16384   /* of one entry: three strings of ADDRESS_NAME_LIMIT, each byte escaped */

enum list { FROM, SENDER, REPLY_TO, TO, CC, BCC, LISTS };
enum text { DATE, SUBJECT, IN_REPLY_TO, MESSAGE_ID, TEXTS };

static const char *const list_names[LISTS] = { "From", "Sender", "Reply-To", "To", "Cc", "Bcc" };
static const char *const text_names[TEXTS] = { "Date", "Subject", "In-Reply-To", "Message-ID" };

struct addresses {
    struct bytes out; /* `(...)(...)` without the parentheses around */
    size_t count;
    bool in_group;
};

struct envelope {
    struct span texts[TEXTS];
    struct addresses lists[LISTS];
};

static void end_group(struct addresses *list)
{
    if (list->in_group)
        bytes_add_str(&list->out, "(NIL NIL NIL NIL)");
    list->in_group = false;
}

static void add_entry(struct addresses *list, const struct address_entry *entry)
{
    struct span nil = { NULL, 0 }, name = span_bytes(&entry->name);
    if (entry->name.failed || entry->local.failed || entry->domain.failed)
        list->out.failed = true;
    if (entry->kind != ADDRESS_MAILBOX)
        end_group(list);
    if (entry->kind == ADDRESS_GROUP_END)
        return;
    bool group = entry->kind == ADDRESS_GROUP_START;
    bytes_add_char(&list->out, '(');
    imap_string(group || name.n == 0 ? nil : name, &list->out);
    bytes_add_str(&list->out, " NIL ");
    imap_string(group ? name : span_bytes(&entry->local), &list->out);
    bytes_add_char(&list->out, ' ');
    imap_string(group ? nil : span_bytes(&entry->domain), &list->out);
    bytes_add_char(&list->out, ')');
    list->in_group |= group;
}

static void add_list(struct addresses *list, struct span value)
{
    struct address_entry entry;
    while (list->count < ADDRESSES_LIMIT && list->out.len < LIST_BYTES_LIMIT &&
           address_list_next(&value, &entry)) {
        list->count++;
        add_entry(list, &entry);
        address_entry_free(&entry);
    }
    end_group(list);
}

static void take_field(struct envelope *e, const struct header_field *field)
{
    for (int i = 0; i < TEXTS; i++)
        if (!e->texts[i].p && span_ieq_str(field->name, text_names[i]))
            e->texts[i] = field->value;
    for (int i = 0; i < LISTS; i++)
        if (span_ieq_str(field->name, list_names[i]))
            add_list(&e->lists[i], field->value);
}

/* Sender and Reply-To are From where they are absent or empty. */
static void write_list(const struct envelope *e, enum list which, struct bytes *out)
{
    const struct addresses *list = &e->lists[which];
    if (list->out.len == 0 && (which == SENDER || which == REPLY_TO))
        list = &e->lists[FROM];
    bytes_add_char(out, ' ');
    if (list->out.len == 0) {
        bytes_add_str(out, "NIL");
        return;
    }
    bytes_add_char(out, '(');
    bytes_add_span(out, span_bytes(&list->out));
    bytes_add_char(out, ')');
}

bool imap_envelope(struct span header, struct bytes *out)
{
    struct envelope e = { .texts = { { NULL, 0 } } };
    struct header_field field;
    for (int i = 0; i < LISTS; i++)
        bytes_init(&e.lists[i].out, LIST_BYTES_LIMIT + 2 * ENTRY_BYTES_LIMIT);
    while (header_next(&header, &field))
        take_field(&e, &field);
    bytes_add_char(out, '(');
    imap_value(e.texts[DATE], out);
    bytes_add_char(out, ' ');
    imap_value(e.texts[SUBJECT], out);
    for (int i = 0; i < LISTS; i++)
        write_list(&e, (enum list)i, out);
    bytes_add_char(out, ' ');
    imap_value(e.texts[IN_REPLY_TO], out);
    bytes_add_char(out, ' ');
    imap_value(e.texts[MESSAGE_ID], out);
    bytes_add_char(out, ')');
    for (int i = 0; i < LISTS; i++) {
        if (e.lists[i].out.failed)
            out->failed = true;
        bytes_free(&e.lists[i].out);
    }
    return !out->failed;
}
