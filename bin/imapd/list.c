/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * LIST and LSUB (RFC 3501 6.3.8 and 6.3.9, RFC 9051 6.3.9), with LIST-EXTENDED (RFC 5258), LIST-STATUS (RFC
 * 5819), SPECIAL-USE (RFC 6154) and CHILDREN (RFC 3348).
 *
 * Every name that there is, or that is subscribed, or that has one of these below it, is a row, sorted. A row
 * is shown if it matches a pattern and
 *
 *     satisfies the selection options (without any: it is a mailbox), or
 *     with RECURSIVEMATCH: a name below it does that no pattern matches, or
 *     without selection options: it is but a level above such a mailbox.
 *
 * A name that is no mailbox is \Noselect to clients of IMAP4rev1 and \NonExistent to others. There are no
 * remote mailboxes: REMOTE adds none.
 */
#include "list.h"

#include "capabilities.h"
#include "pattern.h"
#include "store/special_use.h"

#include <stdlib.h>
#include <string.h>

struct row {
    bool matches, selected;
    unsigned uses;
    bool uses_known;
};

struct listing {
    struct imap *i;
    const struct list_args *args;
    struct folder_list list;
    struct row *rows; /* of list.folders */
};

static bool knows_nonexistent(const struct imap *i, bool extended)
{
    return extended || (i->enabled & ENABLED_REV2);
}

/* --- what is below a name */

/* The first row that begins with name and a dot, or list.count. INBOX stands before the order. */
static size_t first_below(const struct folder_list *list, const char *name)
{
    char prefix[FOLDER_NAME_LIMIT + 2];
    size_t low = 1, high = list->count, n = strlen(name);
    if (n > FOLDER_NAME_LIMIT)
        return high;
    memcpy(prefix, name, n);
    memcpy(prefix + n, ".", 2);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(list->folders[middle].name, prefix) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_below(const char *name, const char *top)
{
    size_t n = strlen(top);
    return strncmp(name, top, n) == 0 && name[n] == '.';
}

/* Is a selected name below the n-th? With `hidden`, one that no pattern matches. */
static bool selected_below(const struct listing *l, size_t n, bool hidden)
{
    const char *top = l->list.folders[n].name;
    for (size_t k = first_below(&l->list, top); k < l->list.count; k++) {
        if (!is_below(l->list.folders[k].name, top))
            return false;
        if (l->rows[k].selected && !(hidden && l->rows[k].matches))
            return true;
    }
    return false;
}

/* --- rows */

static void find_uses(struct listing *l, size_t n)
{
    const struct folder *f = &l->list.folders[n];
    struct row *r = &l->rows[n];
    if (f->exists && !r->uses_known && folder_uses(l->i->mail, span_of(f->name), &r->uses) != ST_OK)
        r->uses = 0;
    r->uses_known = true;
}

static bool satisfies(struct listing *l, size_t n)
{
    const struct folder *f = &l->list.folders[n];
    unsigned select = l->args->select & (LIST_SUBSCRIBED | LIST_SPECIAL_USE);
    if (!select)
        return f->exists;
    if ((select & LIST_SUBSCRIBED) && !f->subscribed)
        return false;
    if (select & LIST_SPECIAL_USE)
        find_uses(l, n);
    return !(select & LIST_SPECIAL_USE) || l->rows[n].uses;
}

static bool matches_any(const struct list_args *args, struct span name)
{
    for (size_t n = 0; n < args->pattern_count; n++)
        if (args->patterns[n].n && pattern_matches(args->patterns[n], name))
            return true;
    return false;
}

static bool make_rows(struct listing *l)
{
    struct bytes name;
    l->rows = calloc(l->list.count + 1, sizeof *l->rows);
    bytes_init(&name, PATTERN_NAME_LIMIT);
    for (size_t n = 0; l->rows && n < l->list.count; n++) {
        bytes_clear(&name);
        l->rows[n].matches = name_for_client(l->i, span_of(l->list.folders[n].name), &name) &&
                             matches_any(l->args, span_bytes(&name));
        l->rows[n].selected = satisfies(l, n);
    }
    bytes_free(&name);
    return l->rows != NULL;
}

/* --- responses */

struct shown {
    const char *command;
    const char *no_mailbox; /* the attribute of a name that is none, or NULL */
    bool subscribed;        /* to be told */
    unsigned uses;
};

static void add_folder(struct imap *i, const struct folder *f, const struct shown *s)
{
    bytes_printf(&i->line, "* %s (%s%s%s", s->command, s->no_mailbox ? s->no_mailbox : "",
                 s->no_mailbox ? " " : "", f->has_children ? "\\HasChildren" : "\\HasNoChildren");
    if (s->subscribed)
        bytes_add_str(&i->line, " \\Subscribed");
    use_add_attributes(&i->line, s->uses);
    bytes_add_str(&i->line, ") \".\" ");
    add_mailbox(i, span_of(f->name));
}

static void add_child_info(struct listing *l)
{
    unsigned select = l->args->select;
    bytes_printf(&l->i->line, " (\"CHILDINFO\" (%s%s%s))", select & LIST_SUBSCRIBED ? "\"SUBSCRIBED\"" : "",
                 (select & LIST_SUBSCRIBED) && (select & LIST_SPECIAL_USE) ? " " : "",
                 select & LIST_SPECIAL_USE ? "\"SPECIAL-USE\"" : "");
}

/* STATUS comes first, as a mailbox that is gone by now isn't selectable any more. */
static void write_row(struct listing *l, size_t n, bool children_selected)
{
    struct folder *f = &l->list.folders[n];
    struct mailbox_status numbers;
    bool with_status = (l->args->give & LIST_STATUS) && l->rows[n].selected && f->exists;
    if (with_status) {
        enum status st =
            mailbox_status(l->i->mail, span_of(f->name), status_needs_sizes(l->args->status), &numbers);
        with_status = st == ST_OK;
        f->exists = st != ST_NONE;
    }
    find_uses(l, n);
    struct shown s = { .command = "LIST",
                       .subscribed = f->subscribed && (l->args->give & LIST_SUBSCRIBED),
                       .uses = f->exists ? l->rows[n].uses : 0 };
    if (!f->exists)
        s.no_mailbox = knows_nonexistent(l->i, l->args->extended) ? "\\NonExistent" : "\\Noselect";
    add_folder(l->i, f, &s);
    if (children_selected)
        add_child_info(l);
    bytes_add_str(&l->i->line, "\r\n");
    if (with_status)
        add_status(l->i, span_of(f->name), l->args->status, &numbers);
    write_line(l->i);
}

static void write_rows(struct listing *l)
{
    unsigned select = l->args->select;
    for (size_t n = 0; n < l->list.count && !conn_is_gone(l->i->conn); n++) {
        const struct folder *f = &l->list.folders[n];
        const struct row *r = &l->rows[n];
        if (!r->matches)
            continue;
        bool below = (select & LIST_RECURSIVE) && selected_below(l, n, !r->selected);
        bool level = !(select & (LIST_SUBSCRIBED | LIST_SPECIAL_USE)) && !f->exists && f->has_children;
        if (r->selected || below || (level && selected_below(l, n, true)))
            write_row(l, n, below);
    }
}

/* LSUB names a folder as well for a subscribed one below it that the pattern doesn't match (RFC 3501 6.3.9),
 * and tells little of either. */
static void write_subscribed(struct listing *l)
{
    for (size_t n = 0; n < l->list.count && !conn_is_gone(l->i->conn); n++) {
        const struct folder *f = &l->list.folders[n];
        struct shown s = { .command = "LSUB", .no_mailbox = f->subscribed ? NULL : "\\Noselect" };
        if (!l->rows[n].matches || !(f->subscribed || selected_below(l, n, true)))
            continue;
        add_folder(l->i, f, &s);
        bytes_add_str(&l->i->line, "\r\n");
        write_line(l->i);
    }
}

static void list_folders(struct imap *i, struct list_args *args, bool lsub)
{
    struct listing l = { .i = i, .args = args };
    enum status st = folders_list(i->mail, &l.list);
    if (st == ST_OK && !make_rows(&l))
        st = ST_TEMP;
    if (st != ST_OK) {
        reply_failed(i, st);
    } else {
        if (lsub)
            write_subscribed(&l);
        else
            write_rows(&l);
        reply(i, "OK Done");
    }
    free(l.rows);
    folders_free(&l.list);
}

/* --- commands */

/* Reference and pattern in one, in NFC where the client speaks UTF-8; what can't be a pattern matches
 * nothing. `room` owns the bytes. */
static void make_patterns(struct imap *i, struct list_args *args, struct bytes *room)
{
    size_t starts[LIST_PATTERNS + 1];
    struct bytes joined;
    bytes_init(&joined, PATTERN_LIMIT);
    for (size_t n = 0; n < args->pattern_count; n++) {
        starts[n] = room->len;
        bytes_clear(&joined);
        bytes_add_span(&joined, args->reference);
        bytes_add_span(&joined, args->patterns[n]);
        if (args->patterns[n].n && !joined.failed && !pattern_normal(i, span_bytes(&joined), room))
            room->len = starts[n];
    }
    starts[args->pattern_count] = room->len;
    for (size_t n = 0; n < args->pattern_count; n++)
        args->patterns[n] =
            (struct span){ room->len ? room->data + starts[n] : "", starts[n + 1] - starts[n] };
    bytes_free(&joined);
}

static void list(struct imap *i, struct span argument, bool lsub)
{
    struct parser p;
    struct list_args *args = malloc(sizeof *args);
    struct bytes room;
    if (!args)
        return reply(i, "NO [UNAVAILABLE] Out of memory");
    bytes_init(&room, (size_t)4 * LIST_PATTERNS * PATTERN_LIMIT);
    parser_init(&p, argument, &i->text);
    if (!parse_list(&p, args) || (lsub && args->extended && !parse_fail(&p, "LSUB has no options")) ||
        !status_items_fit(i, &p, args->status)) {
        reply_bad(i, &p);
    } else if (args->patterns[0].n == 0 && !args->extended && !lsub) { /* asks for the separator */
        conn_write_str(i->conn, "* LIST (\\Noselect) \".\" \"\"\r\n");
        reply(i, "OK Done");
    } else {
        if (lsub)
            args->select = LIST_SUBSCRIBED;
        make_patterns(i, args, &room);
        list_folders(i, args, lsub);
    }
    bytes_free(&room);
    free(args);
}

void command_list(void *imap, struct span argument)
{
    list(imap, argument, false);
}

void command_lsub(void *imap, struct span argument)
{
    list(imap, argument, true);
}

/* --- for other commands */

void write_list_line(struct imap *i, struct span folder, struct span old)
{
    struct folder_list all;
    char name[FOLDER_NAME_LIMIT + 1];
    struct folder f = { .name = name };
    struct shown s = { .command = "LIST" };
    if (!span_copy(folder, name, sizeof name) || folders_list(i->mail, &all) != ST_OK)
        return;
    for (size_t n = 0; n < all.count; n++)
        if (strcmp(all.folders[n].name, name) == 0) {
            f = all.folders[n];
            f.name = name;
        }
    folders_free(&all);
    s.no_mailbox = f.exists ? NULL : "\\NonExistent";
    s.subscribed = f.subscribed;
    if (f.exists)
        folder_uses(i->mail, folder, &s.uses);
    add_folder(i, &f, &s);
    if (old.n)
        add_old_name(i, old);
    bytes_add_str(&i->line, "\r\n");
    write_line(i);
}

void write_if_renamed(struct imap *i, struct span folder, struct span supplied)
{
    if ((i->enabled & ENABLED_REV2) && name_differs(i, supplied, folder))
        write_list_line(i, folder, supplied);
}
