/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SELECT, EXAMINE, CLOSE and UNSELECT (RFC 3501 6.3.1, 6.3.2, 6.4.2, RFC 9051 6.3.2, RFC 3691), with
 * MAILBOXID (RFC 8474) and the parameters of CONDSTORE and QRESYNC (RFC 7162).
 */
#include "capabilities.h"
#include "list.h"
#include "qresync.h"

#include <stdlib.h>

void close_mailbox(struct imap *i)
{
    fetch_forget(i);
    saved_clear(i);
    if (i->box)
        mailbox_close(i->box);
    i->box = NULL;
}

/* IMAP4rev2 has no UNSEEN here: SEARCH finds it. */
static void write_first_unseen(struct imap *i)
{
    if (i->enabled & ENABLED_REV2)
        return;
    size_t first = mailbox_first_unseen(i->box);
    if (first < i->box->count)
        conn_printf(i->conn, "* OK [UNSEEN %zu] First unseen\r\n", first + 1);
}

static void write_mailbox(struct imap *i)
{
    write_flags_of_folder(i);
    write_exists(i);
    write_first_unseen(i);
    conn_printf(i->conn, "* OK [UIDVALIDITY %u] UIDs are valid\r\n* OK [UIDNEXT %u] Predicted next UID\r\n",
                i->box->uid_validity, i->box->uid_next);
    conn_printf(i->conn, "* OK [MAILBOXID (%s)] The mailbox's own name\r\n", i->box->mailbox_id);
    i->modseq.none = i->box->modseq == 0;
    write_highest_modseq(i);
}

/* A failed SELECT leaves no mailbox selected, as RFC 3501 6.3.1 says. */
static void open_box(struct imap *i, struct span name, const struct select_modifiers *m, bool read_only)
{
    struct span folder;
    if (i->box) /* what follows is of another mailbox (RFC 7162 3.2.11) */
        conn_write_str(i->conn, "* OK [CLOSED] The mailbox selected before is closed\r\n");
    close_mailbox(i);
    if (!folder_argument(i, name, &folder))
        return;
    enum status st = mailbox_open(i->mail, folder, read_only, &i->box);
    if (st != ST_OK) {
        i->box = NULL;
        return reply_failed(i, st);
    }
    if (m->condstore)
        i->enabled |= ENABLED_CONDSTORE;
    write_mailbox(i);
    if (i->enabled & ENABLED_REV2)
        write_list_line(i, folder, name_differs(i, name, folder) ? name : SPAN(""));
    if (m->qresync && !resynchronise(i, &m->resync)) {
        close_mailbox(i);
        return reply(i, "NO [UNAVAILABLE] Out of memory");
    }
    reply(i, read_only ? "OK [READ-ONLY] Examined" : "OK [READ-WRITE] Selected");
}

static void select_mailbox(struct imap *i, struct span argument, bool read_only)
{
    struct parser p;
    struct span name;
    struct select_modifiers m = { 0 };
    parser_init(&p, argument, &i->text);
    if (parse_astring(&p, &name) && parse_select_modifiers(&p, &m) && m.qresync &&
        !(i->enabled & ENABLED_QRESYNC))
        parse_fail(&p, "ENABLE QRESYNC first");
    if (p.error)
        reply_bad(i, &p);
    else
        open_box(i, name, &m, read_only);
    select_modifiers_free(&m);
}

void command_select(void *imap, struct span argument)
{
    select_mailbox(imap, argument, false);
}

void command_examine(void *imap, struct span argument)
{
    select_mailbox(imap, argument, true);
}

/* CLOSE removes \Deleted messages without telling. */
void command_close(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct parser p;
    parser_init(&p, argument, &i->text);
    if (argument.p)
        parse_fail(&p, "Too many arguments");
    if (p.error)
        return reply_bad(i, &p);
    size_t count = 0, *indexes = i->box->read_only ? NULL : malloc((i->box->count + 1) * sizeof *indexes);
    for (size_t n = 0; indexes && n < i->box->count; n++)
        if (mailbox_message(i->box, n).flags & FLAG_DELETED)
            indexes[count++] = n;
    struct mailbox_changes gone = { 0 };
    enum status st = count > 0 ? mailbox_expunge(i->box, indexes, count, &gone) : ST_OK;
    mailbox_changes_free(&gone);
    free(indexes);
    close_mailbox(i);
    if (st != ST_OK)
        return reply_failed(i, st);
    reply(i, "OK Closed");
}

void command_unselect(void *imap, struct span argument)
{
    struct imap *i = imap;
    if (argument.p) {
        i->bad++;
        return reply(i, "BAD Too many arguments");
    }
    close_mailbox(i);
    reply(i, "OK Closed");
}
