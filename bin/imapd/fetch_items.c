/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The items of FETCH, each a row: what it needs of the message, and what writes it. See fetch.h.
 */
#include "fetch.h"
#include "qresync.h"
#include "binary.h"
#include "capabilities.h"
#include "section.h"
#include "store/mailbox_ids.h"
#include "text/date.h"
#include "text/imap_body.h"
#include "text/preview.h"
#include "wire.h"

#include <string.h>

#define LABELS_LIMIT (1u << 20)
#define LAZY_PREVIEWS 100 /* made in one command by PREVIEW (LAZY); who wants more asks without LAZY */
#define PREVIEW_LIMIT (4 * PREVIEW_CHARACTERS)
#define FLAGS_LIMIT 4096 /* bytes of FLAGS's answer: 26 keywords of 64 bytes, and the system flags */

static void write_uid(struct fetching *f, const struct fetch_item *item)
{
    (void)item;
    add_number(&f->i->line, f->about.uid);
}

void item_flags(struct fetching *f)
{
    struct imap *i = f->i;
    const struct mailbox_message *m = &f->about;
    if (!f->flags.len || m->flags != f->flags_of || m->recent != f->flags_recent) {
        bytes_clear(&f->flags);
        bytes_add_str(&f->flags, "FLAGS ");
        add_message_flags(i, &f->flags, m);
        f->flags_of = m->flags;
        f->flags_recent = m->recent;
    }
    bytes_add_span(&i->line, span_bytes(&f->flags));
}

static void write_flags_item(struct fetching *f, const struct fetch_item *item)
{
    (void)item;
    item_flags(f);
}

void item_modseq(struct fetching *f)
{
    add_modseq(f->i, f->about.modseq);
}

static void write_modseq_item(struct fetching *f, const struct fetch_item *item)
{
    (void)item;
    item_modseq(f);
}

static void write_date(struct fetching *f, const struct fetch_item *item)
{
    (void)item;
    date_write_imap(mailbox_date(f->i->box, f->index), &f->i->line);
}

static void write_size(struct fetching *f, const struct fetch_item *item)
{
    (void)item;
    uint64_t size = f->about.wire_size;
    if (size == 0 && mailbox_wire_size(f->i->box, f->index, &size) != ST_OK)
        size = f->about.size;
    add_number(&f->i->line, size);
}

/* From the cache. Something small instead where it wouldn't fit: one message must not end a session. */
static void write_cached(struct fetching *f, struct span value, const char *instead)
{
    struct bytes *line = &f->i->line;
    if (line->len + value.n + CONN_OUTPUT > LINE_LIMIT)
        write_line(f->i);
    if (value.n + CONN_OUTPUT > LINE_LIMIT)
        value = span_of(instead);
    bytes_add(line, value.p, value.n);
}

static void write_envelope(struct fetching *f, const struct fetch_item *item)
{
    (void)item;
    struct span envelope = f->summary.envelope;
    bool knows_utf8 = f->i->enabled & (ENABLED_REV2 | ENABLED_UTF8);
    bytes_clear(&f->built);
    if (!knows_utf8 && span_find(envelope, '{') < envelope.n && imap_envelope_downgrade(envelope, &f->built))
        envelope = span_bytes(&f->built);
    write_cached(f, envelope, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
}

/* Of a structure, for clients that don't know message/global. */
static void hide_global(struct bytes *line, size_t from)
{
    const size_t n = sizeof IMAP_GLOBAL - 1;
    char *at = line->data;
    while (!line->failed && (at = memmem(line->data + from, line->len - from, IMAP_GLOBAL, n))) {
        memcpy(at, IMAP_RFC822, n);
        from = (size_t)(at - line->data) + n;
    }
}

static void write_structure_cached(struct fetching *f, struct span value, const char *instead)
{
    struct bytes *line = &f->i->line;
    write_cached(f, value, instead);
    if (!(f->i->enabled & (ENABLED_REV2 | ENABLED_UTF8)) && line->len >= value.n)
        hide_global(line, line->len - value.n);
}

static void write_body(struct fetching *f, const struct fetch_item *item)
{
    (void)item;
    write_structure_cached(f, f->summary.body, "(\"application\" \"octet-stream\" NIL NIL NIL \"8BIT\" 0)");
}

static void write_structure(struct fetching *f, const struct fetch_item *item)
{
    (void)item;
    write_structure_cached(f, f->summary.body_structure,
                           "(\"application\" \"octet-stream\" NIL NIL NIL \"8BIT\" 0 NIL NIL NIL NIL)");
}

/* `{n}` and the bytes; the walk begins where the last partial FETCH of this section ended. */
static void stream_section(struct fetching *f, const struct fetch_item *item, struct span found)
{
    struct imap *i = f->i;
    uint32_t uid = f->about.uid;
    bool in_file = item->needs & (NEEDS_FILE | NEEDS_PARTS) && found.p >= f->message.p &&
                   found.p + found.n <= f->message.p + f->message.n;
    uint64_t start = in_file ? (uint64_t)(found.p - f->message.p) : 0;
    struct wire w;
    wire_start(&w, found);
    if (item->partial) {
        uint64_t skip = item->offset;
        if (in_file && i->place.uid == uid && i->place.start == start && i->place.wire <= skip &&
            i->place.stored <= found.n) {
            w.at = (size_t)i->place.stored;
            skip -= i->place.wire;
        }
        wire_skip(&w, skip);
    }
    uint64_t n = wire_left(&w, item->partial ? item->length : UINT64_MAX);
    bytes_add(&i->line, "{", 1);
    add_number(&i->line, n);
    bytes_add(&i->line, "}\r\n", 3);
    write_line(i);
    wire_write(&w, i->conn, n);
    if (item->partial && in_file && !w.half && w.at < found.n)
        i->place = (struct fetch_place){ uid, start, item->offset + n, w.at };
}

static void write_section(struct fetching *f, const struct fetch_item *item)
{
    struct span found;
    bool cached = item->needs & NEEDS_SUMMARY;
    if (section_find(&f->fetch, item, cached ? f->summary.header : f->message, f->root, &f->built, &found))
        stream_section(f, item, found);
    else
        bytes_add_str(&f->i->line, "NIL");
}

static void write_binary(struct fetching *f, const struct fetch_item *item)
{
    if (item->kind == FETCH_BINARY)
        binary_write(f, item);
    else
        add_number(&f->i->line, binary_size(f, item));
}

/* RFC 8970: one that isn't made now is NIL, one of a message without text is "". */
static void write_preview(struct fetching *f, const struct fetch_item *item)
{
    struct bytes text;
    if (item->lazy && f->previews >= LAZY_PREVIEWS) {
        bytes_add_str(&f->i->line, "NIL");
        return;
    }
    f->previews++;
    bytes_init(&text, PREVIEW_LIMIT);
    preview_write(f->root, &text);
    imap_string(span_bytes(&text), &f->i->line);
    bytes_free(&text);
}

static void write_save_date(struct fetching *f, const struct fetch_item *item)
{
    (void)item;
    date_write_imap(mailbox_save_date(f->i->box, f->index), &f->i->line);
}

static void write_email_id(struct fetching *f, const struct fetch_item *item)
{
    (void)item;
    char id[EMAIL_ID_LIMIT + 1];
    mailbox_email_id(f->i->box, f->index, id);
    bytes_add_char(&f->i->line, '(');
    bytes_add_str(&f->i->line, id);
    bytes_add_char(&f->i->line, ')');
}

static void write_nil(struct fetching *f, const struct fetch_item *item)
{
    (void)item;
    bytes_add_str(&f->i->line, "NIL");
}

static const struct {
    const char *label; /* NULL: section_label() */
    unsigned needs;
    void (*write)(struct fetching *f, const struct fetch_item *item);
} item_rows[] = {
    [FETCH_UID] = { "UID ", 0, write_uid },
    [FETCH_FLAGS] = { "", 0, write_flags_item },
    [FETCH_INTERNALDATE] = { "INTERNALDATE ", 0, write_date },
    [FETCH_SIZE] = { "RFC822.SIZE ", 0, write_size },
    [FETCH_ENVELOPE] = { "ENVELOPE ", NEEDS_SUMMARY, write_envelope },
    [FETCH_BODY] = { "BODY ", NEEDS_SUMMARY, write_body },
    [FETCH_BODYSTRUCTURE] = { "BODYSTRUCTURE ", NEEDS_SUMMARY, write_structure },
    [FETCH_SECTION] = { NULL, NEEDS_FILE, write_section },
    [FETCH_MODSEQ] = { "", 0, write_modseq_item },
    [FETCH_BINARY] = { NULL, NEEDS_FILE, write_binary },
    [FETCH_BINARY_SIZE] = { NULL, NEEDS_FILE, write_binary },
    [FETCH_PREVIEW] = { "PREVIEW ", NEEDS_PARTS, write_preview },
    [FETCH_SAVEDATE] = { "SAVEDATE ", 0, write_save_date },
    [FETCH_EMAILID] = { "EMAILID ", 0, write_email_id },
    [FETCH_THREADID] = { "THREADID ", 0, write_nil },
};

void item_write(struct fetching *f, size_t n)
{
    const struct fetch_item *item = &f->fetch.items[n];
    bytes_add(&f->i->line, f->labels[n].p, f->labels[n].n);
    item_rows[item->kind].write(f, item);
}

/* Are all fields of HEADER.FIELDS among those that the cache has? */
static bool in_summary(const struct fetch *fetch, const struct fetch_item *item)
{
    if (item->kind != FETCH_SECTION || item->what != SECTION_FIELDS || item->part_count > 0)
        return false;
    for (size_t n = 0; n < item->name_count; n++)
        if (!summary_has_field(fetch->names[item->first_name + n]))
            return false;
    return true;
}

static void prepare_item(struct fetching *f, struct fetch_item *item)
{
    item->needs = in_summary(&f->fetch, item) ? NEEDS_SUMMARY
                  : item->part_count > 0      ? NEEDS_PARTS
                                              : item_rows[item->kind].needs;
    f->needs |= item->needs;
    f->marks_seen |= (item->kind == FETCH_SECTION || item->kind == FETCH_BINARY) && !item->peek;
    f->has_binary |= item->kind == FETCH_BINARY || item->kind == FETCH_BINARY_SIZE;
    f->has_flags |= item->kind == FETCH_FLAGS;
    f->has_partial |= item->partial;
}

static bool has_item(const struct fetch *fetch, enum fetch_kind kind)
{
    for (size_t n = 0; n < fetch->count; n++)
        if (fetch->items[n].kind == kind)
            return true;
    return false;
}

static void add_item(struct fetch *fetch, enum fetch_kind kind)
{
    if (!has_item(fetch, kind))
        fetch->items[fetch->count++] = (struct fetch_item){ .kind = kind };
}

bool items_need_modseq(const struct fetching *f)
{
    return f->modifiers.changed || has_item(&f->fetch, FETCH_MODSEQ);
}

/* UID FETCH answers with the UID, asked for or not; CHANGEDSINCE with MODSEQ (RFC 7162 3.1.4.1), and so do
 * FLAGS once the client wants it. There is room for both. */
static void add_items(struct fetching *f)
{
    if (f->i->uid)
        add_item(&f->fetch, FETCH_UID);
    if (f->modifiers.changed || (has_item(&f->fetch, FETCH_FLAGS) && modseq_wanted(f->i)))
        add_item(&f->fetch, FETCH_MODSEQ);
    f->has_modseq = has_item(&f->fetch, FETCH_MODSEQ);
}

bool items_decodable(const struct fetching *f)
{
    for (size_t n = 0; n < f->fetch.count; n++)
        if (!binary_decodable(f, &f->fetch.items[n]))
            return false;
    return true;
}

bool items_prepare(struct fetching *f)
{
    size_t ends[FETCH_ITEMS + FETCH_MORE];
    bytes_init(&f->label_text, LABELS_LIMIT);
    bytes_init(&f->flags, FLAGS_LIMIT);
    add_items(f);
    for (size_t n = 0; n < f->fetch.count; n++) {
        struct fetch_item *item = &f->fetch.items[n];
        prepare_item(f, item);
        if (item_rows[item->kind].label) {
            bytes_add_str(&f->label_text, item_rows[item->kind].label);
        } else {
            section_label(&f->fetch, item, &f->label_text);
            bytes_add_char(&f->label_text, ' ');
        }
        ends[n] = f->label_text.len;
    }
    for (size_t n = 0, at = 0; n < f->fetch.count; at = ends[n++])
        f->labels[n] = (struct span){ bytes_str(&f->label_text) + at, ends[n] - at };
    return !f->label_text.failed;
}
