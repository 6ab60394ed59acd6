/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a session sees of a message.
 */
#include "store/mailbox_private.h"
#include "text/header.h"
#include "text/imap_body.h"

#include <stdio.h>
#include <string.h>

#define SUMMARY_LIMIT ((size_t)64 << 20)

/* The fields that mail clients list messages by, sort, thread and search them by. */
static const char *const usual[] = {
    "Date",
    "Subject",
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Content-Type",
    "Priority",
    "X-Priority",
    "Importance",
    "Newsgroups",
    "List-Id",
    "List-Post",
    "Content-Transfer-Encoding",
};

bool summary_has_field(struct span name)
{
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        if (span_ieq_str(name, usual[i]))
            return true;
    return false;
}

static const struct entry *entry_at(const struct mailbox *box, size_t index)
{
    return &mailbox_private(box)->entries[index];
}

struct mailbox_message mailbox_message(const struct mailbox *box, size_t index)
{
    const struct entry *e = entry_at(box, index);
    return (struct mailbox_message){
        .uid = e->uid,
        .flags = e->flags,
        .modseq = e->modseq,
        .recent = e->recent,
        .gone = e->gone,
        .in_new = e->in_new,
        .size = e->size,
        .wire_size = e->wire_size,
    };
}

uint32_t mailbox_uid(const struct mailbox *box, size_t index)
{
    return entry_at(box, index)->uid;
}

int64_t mailbox_date(struct mailbox *box, size_t index)
{
    return entry_at(box, index)->date;
}

void mailbox_name(const struct mailbox *box, size_t index, char name[256])
{
    snprintf(name, 256, "%s", entry_at(box, index)->name);
}

static void add_usual_fields(struct span header, struct bytes *out)
{
    struct header_field field;
    while (header_next(&header, &field))
        if (summary_has_field(field.name))
            bytes_add_span(out, field.whole);
}

static enum status summarize(struct span message, struct bytes *out, struct summary *s)
{
    struct mime_part *root = mime_parse(message);
    struct span header = span_head(message, header_end(message));
    size_t at[4];
    if (!root)
        return ST_TEMP;
    imap_envelope(header, out);
    at[0] = out->len;
    imap_body_structure(root, true, out);
    at[1] = out->len;
    imap_body_structure(root, false, out);
    at[2] = out->len;
    add_usual_fields(header, out);
    at[3] = out->len;
    mime_free(root);
    if (out->failed || !out->data)
        return ST_TEMP;
    *s = (struct summary){
        .envelope = { out->data, at[0] },
        .body_structure = { out->data + at[0], at[1] - at[0] },
        .body = { out->data + at[1], at[2] - at[1] },
        .header = { out->data + at[2], at[3] - at[2] },
        .header_size = header.n,
    };
    for (size_t i = 0; i < header.n; i++)
        s->header_lines += header.p[i] == '\n';
    return ST_OK;
}

enum status mailbox_summary(struct mailbox *box, size_t index, struct summary *summary)
{
    struct bytes *out = &mailbox_private(box)->summary;
    struct mailbox_map map;
    *summary = (struct summary){ .header_size = 0 };
    enum status st = mailbox_map(box, index, &map);
    if (st != ST_OK)
        return st;
    if (!out->data)
        bytes_init(out, SUMMARY_LIMIT);
    bytes_clear(out);
    st = summarize(map.bytes, out, summary);
    mailbox_unmap(&map);
    return st;
}

void mailbox_expect(struct mailbox *box, const size_t *indexes, size_t count)
{
    (void)box, (void)indexes, (void)count;
}

enum status mailbox_expunged_since(struct mailbox *box, uint64_t modseq, uint32_t **uids, size_t *count)
{
    (void)box, (void)modseq;
    *uids = NULL;
    *count = 0;
    return ST_NONE;
}
