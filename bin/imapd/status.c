/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * STATUS (RFC 3501 6.3.10, RFC 9051 6.3.11), with SIZE (RFC 8438), DELETED and DELETED-STORAGE (RFC
 * 9208 4.1.4), HIGHESTMODSEQ (RFC 7162) and MAILBOXID (RFC 8474). LIST has it as a return option (RFC 5819).
 */
#include "capabilities.h"
#include "qresync.h"

bool status_needs_sizes(unsigned items)
{
    return items & STATUS_SIZE;
}

bool status_items_fit(const struct imap *i, struct parser *p, unsigned items)
{
    return !((items & STATUS_RECENT) && (i->enabled & ENABLED_REV2)) ||
           parse_fail(p, "IMAP4rev2 knows no RECENT");
}

static void add_item(struct imap *i, const char *name, uint64_t number)
{
    bytes_add_str(&i->line, name);
    bytes_add_char(&i->line, ' ');
    add_number(&i->line, number);
}

void add_status(struct imap *i, struct span folder, unsigned items, const struct mailbox_status *st)
{
    const struct {
        unsigned item;
        const char *name;
        uint64_t number;
    } rows[] = {
        { STATUS_MESSAGES, "MESSAGES", st->messages },
        { STATUS_RECENT, "RECENT", st->recent },
        { STATUS_UIDNEXT, "UIDNEXT", st->uid_next },
        { STATUS_UIDVALIDITY, "UIDVALIDITY", st->uid_validity },
        { STATUS_UNSEEN, "UNSEEN", st->unseen },
        { STATUS_DELETED, "DELETED", st->deleted },
        { STATUS_SIZE, "SIZE", st->size },
        { STATUS_DELETED_STORAGE, "DELETED-STORAGE", st->deleted_size },
        { STATUS_HIGHESTMODSEQ, "HIGHESTMODSEQ", st->modseq },
    };
    if (items & STATUS_HIGHESTMODSEQ)
        condstore_enable(i);
    bytes_add_str(&i->line, "* STATUS ");
    add_mailbox(i, folder);
    const char *first = " (";
    for (size_t n = 0; n < sizeof rows / sizeof rows[0]; n++)
        if (items & rows[n].item) {
            bytes_add_str(&i->line, first);
            add_item(i, rows[n].name, rows[n].number);
            first = " ";
        }
    if (items & STATUS_MAILBOXID)
        bytes_printf(&i->line, "%sMAILBOXID (%s)", first, st->mailbox_id);
    bytes_add_str(&i->line, ")\r\n");
}

void command_status(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct parser p;
    struct status_args args;
    struct mailbox_status numbers;
    struct span folder;
    parser_init(&p, argument, &i->text);
    if (!parse_status(&p, &args) || !status_items_fit(i, &p, args.items))
        return reply_bad(i, &p);
    if (!folder_argument(i, args.folder, &folder))
        return;
    enum status st = mailbox_status(i->mail, folder, status_needs_sizes(args.items), &numbers);
    if (st != ST_OK)
        return reply_failed(i, st);
    add_status(i, folder, args.items, &numbers);
    write_line(i);
    reply(i, "OK Done");
}
