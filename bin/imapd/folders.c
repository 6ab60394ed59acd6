/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Mailboxes as names: CREATE, DELETE, RENAME, SUBSCRIBE and UNSUBSCRIBE (RFC 3501 6.3, RFC 9051 6.3), with
 * CREATE-SPECIAL-USE (RFC 6154) and the MAILBOXID of what CREATE made (RFC 8474). LIST is list.c.
 *
 * A client of IMAP4rev2 that spelt a name otherwise than it is stored learns so by a LIST response with
 * OLDNAME, before the tagged OK.
 */
#include "capabilities.h"
#include "list.h"
#include "store/special_use.h"

#include <errno.h>

/* The one argument of most of these. */
static bool one_folder(struct imap *i, struct span argument, struct span *name, struct span *folder)
{
    struct parser p;
    parser_init(&p, argument, &i->text);
    if (parse_astring(&p, name) && parse_end(&p))
        return folder_argument(i, *name, folder);
    reply_bad(i, &p);
    return false;
}

/* Is it the selected mailbox? */
static bool is_selected(const struct imap *i, struct span folder)
{
    return i->box && span_eq_str(folder, i->box->folder);
}

/* The bits of USE (...); false, with a reply, for a use that no mailbox here can have. */
static bool uses_of(struct imap *i, const struct create_args *args, unsigned *uses)
{
    *uses = args->with_uses ? 0 : FOLDER_USES_BY_NAME;
    for (size_t n = 0; n < args->use_count; n++) {
        unsigned use = use_of_attribute(args->uses[n]);
        if (!use) {
            reply(i, "NO [USEATTR] No mailbox here can have that use");
            return false;
        }
        *uses |= use;
    }
    return true;
}

void command_create(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct parser p;
    struct create_args args;
    struct span folder;
    unsigned uses;
    char id[FOLDER_ID_SIZE];
    parser_init(&p, argument, &i->text);
    if (!parse_create(&p, &args))
        return reply_bad(i, &p);
    struct span name = args.folder;
    if (name.n > 1 && name.p[name.n - 1] == '.') /* "foo." says that children will come */
        name.n--;
    if (!folder_argument(i, name, &folder) || !uses_of(i, &args, &uses))
        return;
    enum status st = folder_create_for(i->mail, folder, uses, id);
    if (st == ST_PERM && errno == EBUSY)
        return reply(i, "NO [USEATTR] Another mailbox has that use");
    if (st != ST_OK)
        return reply_failed(i, st);
    write_if_renamed(i, folder, name);
    reply(i, "OK [MAILBOXID (%s)] Created", id);
}

/* A name that is only a level above others. */
static bool has_children(struct imap *i, struct span folder)
{
    struct folder_list list;
    bool found = false;
    if (folders_list(i->mail, &list) != ST_OK)
        return false;
    for (size_t n = 0; n < list.count && !found; n++)
        found = list.folders[n].has_children && span_eq_str(folder, list.folders[n].name);
    folders_free(&list);
    return found;
}

void command_delete(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct span name, folder;
    if (!one_folder(i, argument, &name, &folder))
        return;
    if (span_eq_str(folder, "INBOX"))
        return reply(i, "NO [CANNOT] INBOX stays");
    enum status st = folder_delete(i->mail, folder);
    if (st == ST_NONE && has_children(i, folder))
        return reply(i, "NO [HASCHILDREN] That is no mailbox, but there are some below it");
    if (st != ST_OK)
        return reply_failed(i, st);
    if (is_selected(i, folder))
        close_mailbox(i);
    write_if_renamed(i, folder, name);
    reply(i, "OK Deleted");
}

void command_rename(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct parser p;
    struct span old, new, from, to;
    parser_init(&p, argument, &i->text);
    if (!parse_astring(&p, &old) || !parse_space(&p) || !parse_astring(&p, &new) || !parse_end(&p))
        return reply_bad(i, &p);
    if (!folder_argument(i, old, &from) || !folder_argument(i, new, &to))
        return;
    enum status st = folder_rename(i->mail, from, to);
    if (st != ST_OK)
        return reply_failed(i, st);
    if (is_selected(i, from) && !span_eq_str(from, "INBOX"))
        close_mailbox(i);
    if (i->enabled & ENABLED_REV2)
        write_list_line(i, to, old);
    reply(i, "OK Renamed");
}

static void subscribe(struct imap *i, struct span argument, bool on)
{
    struct span name, folder;
    if (!one_folder(i, argument, &name, &folder))
        return;
    enum status st = on ? folder_exists(i->mail, folder) : ST_OK;
    if (st == ST_OK)
        st = folder_subscribe(i->mail, folder, on);
    if (st != ST_OK)
        return reply_failed(i, st);
    reply(i, "OK Done");
}

void command_subscribe(void *imap, struct span argument)
{
    subscribe(imap, argument, true);
}

void command_unsubscribe(void *imap, struct span argument)
{
    subscribe(imap, argument, false);
}
