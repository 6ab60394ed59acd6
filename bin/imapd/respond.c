/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Replies: tagged ones, kept until the end of their command, and the untagged data about the selected mailbox
 * that several commands share (RFC 3501 7.2 to 7.4).
 */
#include "base/log.h"
#include "capabilities.h"
#include "qresync.h"

#include <errno.h>
#include <string.h>

void reply(struct imap *i, const char *format, ...)
{
    va_list ap;
    bytes_clear(&i->reply);
    va_start(ap, format);
    bytes_vprintf(&i->reply, format, ap);
    va_end(ap);
}

void reply_bad(struct imap *i, const struct parser *p)
{
    i->bad++;
    reply(i, "BAD %s", p->error ? p->error : "Syntax error");
}

void reply_failed(struct imap *i, enum status st)
{
    if (st == ST_NONE)
        reply(i, "NO [NONEXISTENT] No such mailbox");
    else if (st == ST_PERM && errno == EEXIST)
        reply(i, "NO [ALREADYEXISTS] There is one of that name");
    else if (st == ST_PERM && errno == EDQUOT)
        reply(i, "NO [LIMIT] There are too many mailboxes");
    else if (st == ST_PERM)
        reply(i, "NO [CANNOT] That can't be done");
    else if (errno == ENOSPC || errno == EDQUOT)
        reply(i, "NO [OVERQUOTA] No space left");
    else
        reply(i, "NO [UNAVAILABLE] The mail store doesn't answer; try again later");
}

void add_number(struct bytes *b, uint64_t n)
{
    bytes_add_u64(b, n);
}

static void add_word(struct bytes *b, const char *word)
{
    if (b->len > 0 && b->data[b->len - 1] != '(')
        bytes_add_char(b, ' ');
    bytes_add_str(b, word);
}

void add_flags(struct bytes *b, const struct mailbox *box, uint32_t flags, bool recent)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {
        { FLAG_ANSWERED, "\\Answered" }, { FLAG_FLAGGED, "\\Flagged" }, { FLAG_DELETED, "\\Deleted" },
        { FLAG_SEEN, "\\Seen" },         { FLAG_DRAFT, "\\Draft" },
    };
    bytes_add_char(b, '(');
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
        if (flags & names[n].bit)
            add_word(b, names[n].name);
    if (recent)
        add_word(b, "\\Recent");
    for (size_t n = 0; n < MAILBOX_KEYWORDS; n++)
        if ((flags & (UINT32_C(1) << n)) && box->keywords[n])
            add_word(b, box->keywords[n]);
    bytes_add_char(b, ')');
}

void add_message_flags(const struct imap *i, struct bytes *b, const struct mailbox_message *m)
{
    add_flags(b, i->box, m->flags, m->recent && !(i->enabled & ENABLED_REV2));
}

void write_line(struct imap *i)
{
    if (i->line.failed) { /* perhaps in the middle of a reply: nothing that follows could be understood */
        conn_write_str(i->conn, "\r\n* BYE [UNAVAILABLE] Out of memory\r\n");
        conn_flush(i->conn);
        conn_abandon(i->conn);
    } else {
        conn_write_span(i->conn, span_bytes(&i->line));
    }
    bytes_clear(&i->line);
}

static size_t keyword_count(const struct mailbox *box)
{
    size_t count = 0;
    for (size_t n = 0; n < MAILBOX_KEYWORDS; n++)
        count += box->keywords[n] != NULL;
    return count;
}

void tell_keywords(struct imap *i)
{
    if (keyword_count(i->box) != i->keywords)
        write_flags_of_folder(i);
}

void write_flags_of_folder(struct imap *i)
{
    i->keywords = keyword_count(i->box);
    uint32_t all = FLAG_SYSTEM | ((UINT32_C(1) << MAILBOX_KEYWORDS) - 1);
    bool full = true;
    for (size_t n = 0; n < MAILBOX_KEYWORDS; n++)
        full = full && i->box->keywords[n];
    bytes_add_str(&i->line, "* FLAGS ");
    add_flags(&i->line, i->box, all, false);
    bytes_add_str(&i->line, "\r\n* OK [PERMANENTFLAGS ");
    if (i->box->read_only) {
        bytes_add_str(&i->line, "()");
    } else {
        add_flags(&i->line, i->box, all, false);
        if (!full && !i->line.failed) { /* new keywords may be made */
            i->line.len--;
            bytes_add_str(&i->line, " \\*)");
        }
    }
    bytes_add_str(&i->line, "] Flags that are kept\r\n");
    write_line(i);
}

void write_exists(struct imap *i)
{
    conn_printf(i->conn, "* %zu EXISTS\r\n", i->box->count);
    if (i->enabled & ENABLED_REV2) /* which knows no \Recent (RFC 9051 E) */
        return;
    conn_printf(i->conn, "* %zu RECENT\r\n", mailbox_recent(i->box));
}

/* They are gone from the mailbox already: what is left below a UID, plus one, was its sequence number
 * when those before it had been reported. */
void write_expunged(struct imap *i, const struct mailbox_changes *changes)
{
    if (vanished_wanted(i))
        return write_vanished(i, changes->expunged, changes->expunged_count);
    for (size_t n = 0; n < changes->expunged_count; n++)
        conn_printf(i->conn, "* %zu EXPUNGE\r\n", mailbox_find(i->box, changes->expunged[n]) + 1);
}

static void write_state(struct imap *i, size_t index, bool flags)
{
    struct mailbox_message m = mailbox_message(i->box, index);
    bytes_add_str(&i->line, "* ");
    add_number(&i->line, index + 1);
    bytes_add_str(&i->line, " FETCH (");
    if (i->uid || (i->enabled & (ENABLED_QRESYNC | ENABLED_REV2))) {
        bytes_add_str(&i->line, "UID ");
        add_number(&i->line, m.uid);
        bytes_add_char(&i->line, ' ');
    }
    if (flags) {
        bytes_add_str(&i->line, "FLAGS ");
        add_message_flags(i, &i->line, &m);
    }
    if (flags && modseq_wanted(i))
        bytes_add_char(&i->line, ' ');
    if (modseq_wanted(i))
        add_modseq(i, m.modseq);
    bytes_add_str(&i->line, ")\r\n");
    write_line(i);
}

void write_flags(struct imap *i, size_t index)
{
    write_state(i, index, true);
}

void write_modseq(struct imap *i, size_t index)
{
    write_state(i, index, false);
}

void sync_mailbox(struct imap *i, bool keep)
{
    struct mailbox_changes changes = { 0 };
    enum status st = mailbox_refresh(i->box, keep, &changes);
    if (st == ST_NONE) {
        conn_write_str(i->conn, "* BYE [UNAVAILABLE] The selected mailbox is gone\r\n");
        i->done = true;
    }
    if (st == ST_TEMP)
        log_event(LOG_WARNING, "mailbox-not-refreshed", "folder", i->box->folder, "reason", strerror(errno),
                  NULL);
    if (st != ST_OK) /* what couldn't be looked at now is reported by the next command */
        return mailbox_changes_free(&changes);
    write_expunged(i, &changes);
    if (changes.added > 0)
        write_exists(i);
    tell_keywords(i);
    for (size_t n = 0; n < changes.changed_count; n++) {
        size_t index = mailbox_find(i->box, changes.changed[n]);
        if (index < i->box->count && mailbox_uid(i->box, index) == changes.changed[n])
            write_flags(i, index);
    }
    mailbox_changes_free(&changes);
}
