/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * FETCH (RFC 3501 6.4.5 and 7.4.2): one message at a time, its file mapped only if an item needs it, its text
 * streamed from there. Memory is that of one message's structure, whatever is asked of how many.
 *
 * A message whose file is gone (another session expunged it) is left out and the command ends with NO
 * [EXPUNGEISSUED] (RFC 5530), so that no client takes an empty text for the message.
 */
#include "imapd.h"

#include "section.h"
#include "text/date.h"
#include "text/header.h"
#include "text/imap_body.h"
#include "wire.h"

#include <stdlib.h>

#define KEEP_SIZE (256u << 10) /* messages from this size on are kept for the next piece of a part */
#define BUILT_LIMIT (8u << 20) /* bytes of the fields that HEADER.FIELDS selects */

struct fetching {
    struct imap *i;
    struct fetch fetch;
    bool need_file, need_parts, marks_seen, has_flags, has_partial;
    struct bytes built;
    enum status worst;
    /* of the message at hand */
    struct span message;
    struct mime_part *root;
};

static void look_at_items(struct fetching *f)
{
    bool has_uid = false;
    for (size_t n = 0; n < f->fetch.count; n++) {
        const struct fetch_item *item = &f->fetch.items[n];
        bool section = item->kind == FETCH_SECTION;
        f->need_parts |=
            item->kind == FETCH_BODY || item->kind == FETCH_BODYSTRUCTURE || item->part_count > 0;
        f->need_file |= section || item->kind == FETCH_ENVELOPE || f->need_parts;
        f->marks_seen |= section && !item->peek;
        f->has_flags |= item->kind == FETCH_FLAGS;
        f->has_partial |= item->partial;
        has_uid |= item->kind == FETCH_UID;
    }
    if (f->i->uid && !has_uid) {
        if (f->fetch.count == FETCH_ITEMS) /* 64 items, none of them UID: the last gives way */
            f->fetch.count--;
        f->fetch.items[f->fetch.count++] = (struct fetch_item){ .kind = FETCH_UID };
    }
}

/* `{n}` and the bytes; the walk begins where the last partial FETCH of this section ended. */
static void stream_section(struct fetching *f, size_t index, const struct fetch_item *item, struct span found)
{
    struct imap *i = f->i;
    uint32_t uid = mailbox_uid(i->box, index);
    bool in_file = found.p >= f->message.p && found.p + found.n <= f->message.p + f->message.n;
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
    bytes_printf(&i->line, " {%llu}\r\n", (unsigned long long)n);
    write_line(i);
    wire_write(&w, i->conn, n);
    if (item->partial && in_file && !w.half && w.at < found.n)
        i->place = (struct fetch_place){ uid, start, item->offset + n, w.at };
}

static void write_section(struct fetching *f, size_t index, const struct fetch_item *item)
{
    struct span found;
    section_label(&f->fetch, item, &f->i->line);
    if (section_find(&f->fetch, item, f->message, f->root, &f->built, &found))
        stream_section(f, index, item, found);
    else
        bytes_add_str(&f->i->line, " NIL");
}

/* Puts something small where a stranger's megabytes of header didn't fit: one message must not end a session.
 */
static void instead(struct bytes *line, size_t before, const char *text)
{
    line->failed = false;
    line->len = before;
    bytes_add_str(line, text);
}

static void write_item(struct fetching *f, size_t index, const struct fetch_item *item)
{
    struct imap *i = f->i;
    struct bytes *line = &i->line;
    struct mailbox_message m = mailbox_message(i->box, index);
    uint64_t size = m.wire_size;
    size_t before;
    switch (item->kind) {
    case FETCH_UID:
        bytes_add_str(line, "UID ");
        add_number(line, m.uid);
        break;
    case FETCH_FLAGS:
        bytes_add_str(line, "FLAGS ");
        add_flags(line, i->box, m.flags, m.recent);
        break;
    case FETCH_INTERNALDATE:
        bytes_add_str(line, "INTERNALDATE ");
        date_write_imap(mailbox_date(i->box, index), line);
        break;
    case FETCH_SIZE:
        if (size == 0 && mailbox_wire_size(i->box, index, &size) != ST_OK)
            size = m.size;
        bytes_add_str(line, "RFC822.SIZE ");
        add_number(line, size);
        break;
    case FETCH_ENVELOPE:
        bytes_add_str(line, "ENVELOPE ");
        before = line->len;
        if (!imap_envelope(span_head(f->message, header_end(f->message)), line))
            instead(line, before, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
        break;
    case FETCH_BODY:
    case FETCH_BODYSTRUCTURE:
        bytes_add_str(line, item->kind == FETCH_BODY ? "BODY " : "BODYSTRUCTURE ");
        before = line->len;
        if (!imap_body_structure(f->root, item->kind == FETCH_BODYSTRUCTURE, line))
            instead(line, before, "(\"application\" \"octet-stream\" NIL NIL NIL \"8BIT\" 0)");
        break;
    case FETCH_SECTION:
        write_section(f, index, item);
        break;
    }
}

static void write_items(struct fetching *f, size_t index, bool now_seen)
{
    struct imap *i = f->i;
    bytes_add_str(&i->line, "* ");
    add_number(&i->line, index + 1);
    bytes_add_str(&i->line, " FETCH (");
    for (size_t n = 0; n < f->fetch.count; n++) {
        if (n > 0)
            bytes_add_char(&i->line, ' ');
        write_item(f, index, &f->fetch.items[n]);
    }
    if (now_seen && !f->has_flags) {
        bytes_add_str(&i->line, " FLAGS ");
        struct mailbox_message m = mailbox_message(i->box, index);
        add_flags(&i->line, i->box, m.flags, m.recent);
    }
    bytes_add_str(&i->line, ")\r\n");
    write_line(i);
}

/* Sets \Seen where the items do so. True if it wasn't set before. */
static bool mark_seen(struct fetching *f, size_t index)
{
    struct mailbox *box = f->i->box;
    uint32_t flags = mailbox_message(box, index).flags;
    if (!f->marks_seen || box->read_only || (flags & FLAG_SEEN))
        return false;
    return mailbox_set_flags(box, index, flags | FLAG_SEEN) == ST_OK;
}

void fetch_forget(struct imap *i)
{
    i->place = (struct fetch_place){ 0 };
    if (i->kept.uid == 0)
        return;
    mime_free(i->kept.root);
    mailbox_unmap(&i->kept.map);
    i->kept = (struct kept_message){ 0 };
}

/* The message's bytes and, if needed, its structure: kept from the last command, or new. */
static enum status open_message(struct fetching *f, size_t index, struct kept_message *m)
{
    struct imap *i = f->i;
    uint32_t uid = mailbox_uid(i->box, index);
    if (f->need_parts && i->kept.uid == uid) {
        *m = i->kept;
        i->kept = (struct kept_message){ 0 };
        return ST_OK;
    }
    *m = (struct kept_message){ .uid = uid };
    enum status st = mailbox_map(i->box, index, &m->map);
    if (st != ST_OK || !f->need_parts)
        return st;
    m->root = mime_parse(m->map.bytes.p ? m->map.bytes : SPAN(""));
    if (!m->root)
        mailbox_unmap(&m->map);
    return m->root ? ST_OK : ST_TEMP;
}

/* Keeps it where the next piece is likely to be asked for. */
static void close_message(struct fetching *f, struct kept_message *m)
{
    struct imap *i = f->i;
    if (f->need_parts && f->has_partial && m->map.bytes.n >= KEEP_SIZE) {
        struct fetch_place place = i->place;
        fetch_forget(i);
        i->place = place;
        i->kept = *m;
        return;
    }
    mime_free(m->root);
    mailbox_unmap(&m->map);
}

static enum status fetch_message(struct fetching *f, size_t index)
{
    struct kept_message m;
    if (!f->need_file) {
        write_items(f, index, false);
        return ST_OK;
    }
    bool now_seen = mark_seen(f, index);
    enum status st = open_message(f, index, &m);
    if (st != ST_OK)
        return st;
    f->message = m.map.bytes.p ? m.map.bytes : SPAN("");
    f->root = m.root;
    write_items(f, index, now_seen);
    close_message(f, &m);
    return ST_OK;
}

static void fetch_all(struct fetching *f, const struct set *set)
{
    struct imap *i = f->i;
    size_t *indexes, count;
    if (!set_indexes(i, set, i->uid, &indexes, &count))
        return;
    for (size_t n = 0; n < count && !conn_is_gone(i->conn); n++)
        f->worst = status_worse(f->worst, fetch_message(f, indexes[n]));
    free(indexes);
    if (f->worst == ST_NONE)
        reply(i, "NO [EXPUNGEISSUED] Some of these messages are gone");
    else if (f->worst != ST_OK)
        reply(i, "NO [UNAVAILABLE] Some of these messages can't be read now");
    else
        reply(i, "OK Done");
}

void command_fetch(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct parser p;
    struct set set = { 0 };
    struct fetching *f = calloc(1, sizeof *f);
    if (!f)
        return reply(i, "NO [UNAVAILABLE] Out of memory");
    f->i = i;
    bytes_init(&f->built, BUILT_LIMIT);
    parser_init(&p, argument, &i->text);
    if (parse_set(&p, &set) && parse_space(&p) && parse_fetch(&p, &f->fetch)) {
        look_at_items(f);
        fetch_all(f, &set);
    } else {
        reply_bad(i, &p);
    }
    set_free(&set);
    bytes_free(&f->built);
    free(f);
}
