/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Mailboxes as names: LIST, LSUB, CREATE, DELETE, RENAME, SUBSCRIBE and UNSUBSCRIBE (RFC 3501 6.3), with the
 * attributes of CHILDREN (RFC 3348) and SPECIAL-USE (RFC 6154).
 *
 * Patterns are matched by walking over the pattern once with the set of places in the name that it may have
 * reached, so that no number of wildcards takes more than length times length.
 */
#include "imapd.h"

#include <string.h>

#define PATTERN_LIMIT 1024 /* bytes of a LIST pattern, reference included */

/* A quoted string: valid names hold only printable ASCII. */
void add_mailbox(struct bytes *b, struct span name)
{
    bytes_add_char(b, '"');
    for (size_t n = 0; n < name.n; n++) {
        if (name.p[n] == '"' || name.p[n] == '\\')
            bytes_add_char(b, '\\');
        bytes_add_char(b, name.p[n]);
    }
    bytes_add_char(b, '"');
}

/* One step of the pattern: from the places reached to those reached behind `c`. */
static void pattern_step(bool *at, struct span name, char c, size_t fold)
{
    if (c == '*' || c == '%') {
        for (size_t n = 0; n < name.n; n++)
            at[n + 1] |= at[n] && (c == '*' || name.p[n] != '.');
        return;
    }
    for (size_t n = name.n; n-- > 0;) {
        bool same = n < fold ? ascii_lower(name.p[n]) == ascii_lower(c) : name.p[n] == c;
        at[n + 1] = at[n] && same;
    }
    at[0] = false;
}

/* INBOX is matched without regard to case, and so is INBOX as the first level (RFC 3501 5.1). */
static bool pattern_matches(struct span pattern, struct span name)
{
    bool at[FOLDER_NAME_LIMIT + 2] = { true };
    if (name.n > FOLDER_NAME_LIMIT)
        return false;
    size_t fold = span_eq_str(name, "INBOX") || span_starts(name, "INBOX.") ? strlen("INBOX") : 0;
    for (size_t n = 0; n < pattern.n; n++)
        pattern_step(at, name, pattern.p[n], fold);
    return at[name.n];
}

static void write_folder(struct imap *i, const char *command, const struct folder *f, bool selectable)
{
    const char *use = folder_special_use(span_of(f->name));
    bytes_printf(&i->line, "* %s (%s", command, selectable ? "" : "\\Noselect ");
    bytes_add_str(&i->line, f->has_children ? "\\HasChildren" : "\\HasNoChildren");
    if (use && f->exists)
        bytes_printf(&i->line, " %s", use);
    bytes_add_str(&i->line, ") \".\" ");
    add_mailbox(&i->line, span_of(f->name));
    bytes_add_str(&i->line, "\r\n");
    write_line(i);
}

/* Is there a subscribed folder below f that the pattern doesn't match itself? LSUB then names f (RFC
 * 3501 6.3.9). */
static bool stands_for_subscribed(const struct folder_list *list, const struct folder *f, struct span pattern)
{
    size_t n = strlen(f->name);
    for (size_t k = 0; k < list->count; k++) {
        const struct folder *other = &list->folders[k];
        if (other->subscribed && strncmp(other->name, f->name, n) == 0 && other->name[n] == '.' &&
            !pattern_matches(pattern, span_of(other->name)))
            return true;
    }
    return false;
}

static void write_folders(struct imap *i, bool subscribed_only, struct span pattern,
                          const struct folder_list *list)
{
    for (size_t n = 0; n < list->count && !conn_is_gone(i->conn); n++) {
        const struct folder *f = &list->folders[n];
        if (!pattern_matches(pattern, span_of(f->name)))
            continue;
        if (!subscribed_only) {
            if (f->exists || f->has_children)
                write_folder(i, "LIST", f, f->exists);
        } else if (f->subscribed) {
            write_folder(i, "LSUB", f, true);
        } else if (stands_for_subscribed(list, f, pattern)) {
            write_folder(i, "LSUB", f, false);
        }
    }
}

static void list_folders(struct imap *i, struct span argument, bool subscribed_only)
{
    struct parser p;
    struct span reference, mailbox;
    char pattern[PATTERN_LIMIT];
    struct folder_list list;
    parser_init(&p, argument, &i->text);
    if (!parse_astring(&p, &reference) || !parse_space(&p) || !parse_list_mailbox(&p, &mailbox) ||
        !parse_end(&p))
        return reply_bad(i, &p);
    if (reference.n + mailbox.n > sizeof pattern)
        return reply(i, "NO [CANNOT] Pattern too long");
    if (mailbox.n == 0 && !subscribed_only) { /* asks for the separator */
        conn_write_str(i->conn, "* LIST (\\Noselect) \".\" \"\"\r\n");
        return reply(i, "OK Done");
    }
    memcpy(pattern, reference.p, reference.n);
    memcpy(pattern + reference.n, mailbox.p, mailbox.n);
    enum status st = folders_list(i->mail, &list);
    if (st != ST_OK)
        return reply_failed(i, st);
    write_folders(i, subscribed_only, (struct span){ pattern, reference.n + mailbox.n }, &list);
    folders_free(&list);
    reply(i, "OK Done");
}

void command_list(void *imap, struct span argument)
{
    list_folders(imap, argument, false);
}

void command_lsub(void *imap, struct span argument)
{
    list_folders(imap, argument, true);
}

/* The one argument of most of these. */
static bool one_folder(struct imap *i, struct span argument, bool creating, struct span *folder)
{
    struct parser p;
    struct span name;
    parser_init(&p, argument, &i->text);
    if (!parse_astring(&p, &name) || !parse_end(&p)) {
        reply_bad(i, &p);
        return false;
    }
    if (creating && name.n > 1 && name.p[name.n - 1] == '.') /* "foo." says that children will come */
        name.n--;
    return folder_argument(i, name, folder);
}

/* Is it the selected mailbox? */
static bool is_selected(const struct imap *i, struct span folder)
{
    return i->box && span_eq_str(folder, i->box->folder);
}

void command_create(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct span folder;
    if (!one_folder(i, argument, true, &folder))
        return;
    enum status st = folder_create(i->mail, folder);
    if (st != ST_OK)
        return reply_failed(i, st);
    reply(i, "OK Created");
}

void command_delete(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct span folder;
    if (!one_folder(i, argument, false, &folder))
        return;
    if (span_eq_str(folder, "INBOX"))
        return reply(i, "NO [CANNOT] INBOX stays");
    enum status st = folder_delete(i->mail, folder);
    if (st != ST_OK)
        return reply_failed(i, st);
    if (is_selected(i, folder))
        close_mailbox(i);
    reply(i, "OK Deleted");
}

void command_rename(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct parser p;
    struct span from, to;
    parser_init(&p, argument, &i->text);
    if (!parse_astring(&p, &from) || !parse_space(&p) || !parse_astring(&p, &to) || !parse_end(&p))
        return reply_bad(i, &p);
    if (!folder_argument(i, from, &from) || !folder_argument(i, to, &to))
        return;
    enum status st = folder_rename(i->mail, from, to);
    if (st != ST_OK)
        return reply_failed(i, st);
    if (is_selected(i, from) && !span_eq_str(from, "INBOX"))
        close_mailbox(i);
    reply(i, "OK Renamed");
}

static void subscribe(struct imap *i, struct span argument, bool on)
{
    struct span folder;
    if (!one_folder(i, argument, false, &folder))
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
