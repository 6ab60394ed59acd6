/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * FETCH (RFC 3501 6.4.5 and 7.4.2, RFC 9051 6.4.5): one message at a time. What the cache has is copied from
 * there; a file is mapped only if an item needs it, and its text streamed from there. Memory is that of one
 * message's structure, whatever is asked of how many; answers gather in i->line until there are enough for a
 * write.
 *
 * A message whose file is gone (another session expunged it) is left out and the command ends with NO
 * [EXPUNGEISSUED] (RFC 5530), so that no client takes an empty text for the message.
 */
#include "fetch.h"

#include "capabilities.h"
#include "qresync.h"

#include <stdlib.h>

#define KEEP_SIZE (256u << 10) /* messages from this size on are kept for the next piece of a part */
#define BUILT_LIMIT (8u << 20) /* bytes of the fields that HEADER.FIELDS selects */
#define GATHER (32u << 10)     /* bytes of answers that are written together */

static void write_items(struct fetching *f, bool now_seen)
{
    struct bytes *line = &f->i->line;
    bytes_add(line, "* ", 2);
    add_number(line, f->index + 1);
    bytes_add(line, " FETCH (", 8);
    for (size_t n = 0; n < f->fetch.count; n++) {
        if (n > 0)
            bytes_add(line, " ", 1);
        item_write(f, n);
    }
    if (now_seen && !f->has_flags) {
        bytes_add(line, " ", 1);
        item_flags(f);
        if (!f->has_modseq && modseq_wanted(f->i)) {
            bytes_add(line, " ", 1);
            item_modseq(f);
        }
    }
    bytes_add(line, ")\r\n", 3);
    if (line->len >= GATHER || line->failed)
        write_line(f->i);
}

/* Sets \Seen where the items do so. True if it wasn't set before. */
static bool mark_seen(struct fetching *f)
{
    static const struct flags_store seen = { FLAGS_ADD, FLAG_SEEN, UINT64_MAX };
    struct mailbox *box = f->i->box;
    unsigned char result;
    if (!f->marks_seen || box->read_only || (f->about.flags & FLAG_SEEN))
        return false;
    if (mailbox_store(box, &f->index, 1, &seen, &result) != ST_OK)
        return false;
    f->about = mailbox_message(box, f->index);
    return true;
}

void fetch_forget(struct imap *i)
{
    i->place = (struct fetch_place){ 0 };
    i->decoded.uid = 0;
    if (i->kept.uid == 0)
        return;
    mime_free(i->kept.root);
    mailbox_unmap(&i->kept.map);
    i->kept = (struct kept_message){ 0 };
}

/* The message's bytes and, if needed, its structure: kept from the last command, or new. */
static enum status open_message(struct fetching *f, struct kept_message *m)
{
    struct imap *i = f->i;
    uint32_t uid = f->about.uid;
    if ((f->needs & NEEDS_PARTS) && i->kept.uid == uid) {
        *m = i->kept;
        i->kept = (struct kept_message){ 0 };
        return ST_OK;
    }
    *m = (struct kept_message){ .uid = uid };
    enum status st = mailbox_map(i->box, f->index, &m->map);
    if (st != ST_OK || !(f->needs & NEEDS_PARTS))
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
    if ((f->needs & NEEDS_PARTS) && f->has_partial && m->map.bytes.n >= KEEP_SIZE) {
        struct fetch_place place = i->place;
        fetch_forget(i);
        i->place = place;
        i->kept = *m;
        return;
    }
    mime_free(m->root);
    mailbox_unmap(&m->map);
}

/* \Seen is set before the answer is made, as the store's next call would take the summary away. */
static enum status answer_message(struct fetching *f)
{
    bool now_seen = mark_seen(f);
    enum status st = ST_OK;
    if (f->needs & NEEDS_SUMMARY)
        st = mailbox_summary(f->i->box, f->index, &f->summary);
    if (st == ST_OK)
        write_items(f, now_seen);
    return st;
}

/* A message of which the file must be read. */
static enum status fetch_file(struct fetching *f)
{
    struct kept_message m;
    enum status st = open_message(f, &m);
    if (st != ST_OK)
        return st;
    f->message = m.map.bytes.p ? m.map.bytes : SPAN("");
    f->root = m.root;
    if (f->has_binary && !items_decodable(f))
        f->unknown_encoding = true;
    else
        st = answer_message(f);
    close_message(f, &m);
    return st;
}

static enum status fetch_message(struct fetching *f, size_t index)
{
    f->index = index;
    f->about = mailbox_message(f->i->box, index);
    if (f->about.gone && f->about.modseq == 0) /* not even its flags are known any more */
        return ST_NONE;
    return f->needs & (NEEDS_FILE | NEEDS_PARTS) ? fetch_file(f) : answer_message(f);
}

/* RFC 7162 3.2.6 */
static bool may_vanish(const struct fetching *f, struct parser *p)
{
    if (f->modifiers.vanished && !f->i->uid)
        return parse_fail(p, "VANISHED is for UID FETCH");
    if (f->modifiers.vanished && !(f->i->enabled & ENABLED_QRESYNC))
        return parse_fail(p, "ENABLE QRESYNC first");
    return true;
}

/* Keeps, of the indexes, those of messages that CHANGEDSINCE means. */
static size_t only_changed(const struct fetching *f, size_t *indexes, size_t count)
{
    size_t kept = 0;
    if (!f->modifiers.changed)
        return count;
    for (size_t n = 0; n < count; n++)
        if (mailbox_message(f->i->box, indexes[n]).modseq > f->modifiers.changed_since)
            indexes[kept++] = indexes[n];
    return kept;
}

static void fetch_all(struct fetching *f, const struct set *set)
{
    struct imap *i = f->i;
    size_t *indexes, count;
    if (f->modifiers.vanished && !write_vanished_since(i, f->modifiers.changed_since, set))
        return reply(i, "NO [UNAVAILABLE] Out of memory");
    if (!set_indexes(i, set, i->uid, &indexes, &count))
        return;
    count = only_changed(f, indexes, count);
    if (f->needs & NEEDS_SUMMARY)
        mailbox_expect(i->box, indexes, count);
    for (size_t n = 0; n < count && !conn_is_gone(i->conn); n++)
        f->worst = status_worse(f->worst, fetch_message(f, indexes[n]));
    write_line(i);
    free(indexes);
    if (f->unknown_encoding)
        reply(i, "NO [UNKNOWN-CTE] A part's Content-Transfer-Encoding is unknown");
    else if (f->worst == ST_NONE)
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
    if (!parse_set(&p, &set) || !parse_space(&p) || !parse_fetch(&p, &f->fetch) ||
        !parse_fetch_modifiers(&p, &f->modifiers) || !may_vanish(f, &p))
        reply_bad(i, &p);
    else if (items_need_modseq(f) && !condstore_use(i))
        ; /* replied */
    else if (!items_prepare(f))
        reply(i, "NO [UNAVAILABLE] Out of memory");
    else
        fetch_all(f, &set);
    set_free(&set);
    bytes_free(&f->built);
    bytes_free(&f->label_text);
    bytes_free(&f->flags);
    free(f);
}
