/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The arguments of commands on mailboxes as a whole: STATUS, LIST with its options (RFC 5258, RFC 5819, RFC
 * 6154) and CREATE with a special use. See parse.h.
 *
 * An option that isn't known is BAD, as RFC 5258 3 wants; one that comes twice counts once.
 */
#include "parse.h"

#include <string.h>

struct word {
    const char *name;
    unsigned bit;
};

static const struct word status_words[] = {
    { "MESSAGES", STATUS_MESSAGES },
    { "RECENT", STATUS_RECENT },
    { "UIDNEXT", STATUS_UIDNEXT },
    { "UIDVALIDITY", STATUS_UIDVALIDITY },
    { "UNSEEN", STATUS_UNSEEN },
    { "DELETED", STATUS_DELETED },
    { "SIZE", STATUS_SIZE },
    { "DELETED-STORAGE", STATUS_DELETED_STORAGE },
    { "HIGHESTMODSEQ", STATUS_HIGHESTMODSEQ },
    { "MAILBOXID", STATUS_MAILBOXID },
    { NULL, 0 },
};

static const struct word select_words[] = {
    { "SUBSCRIBED", LIST_SUBSCRIBED },
    { "REMOTE", LIST_REMOTE },
    { "RECURSIVEMATCH", LIST_RECURSIVE },
    { "SPECIAL-USE", LIST_SPECIAL_USE },
    { NULL, 0 },
};

static const struct word return_words[] = {
    { "SUBSCRIBED", LIST_SUBSCRIBED },
    { "CHILDREN", LIST_CHILDREN },
    { "SPECIAL-USE", LIST_SPECIAL_USE },
    { "STATUS", LIST_STATUS },
    { NULL, 0 },
};

/* The bit of the word that stands next; 0 with an error. */
static unsigned parse_word(struct parser *p, const struct word *rows, const char *error)
{
    struct span name;
    if (!parse_atom(p, &name))
        return 0;
    while (rows->name && !span_ieq_str(name, rows->name))
        rows++;
    if (!rows->name)
        parse_fail(p, error);
    return rows->bit;
}

static bool parse_open(struct parser *p)
{
    return parse_char(p, '(') || parse_fail(p, "List expected");
}

static bool parse_close(struct parser *p)
{
    return parse_char(p, ')') || parse_fail(p, "List without end");
}

static bool parse_status_items(struct parser *p, unsigned *items)
{
    *items = 0;
    if (!parse_open(p))
        return false;
    do {
        *items |= parse_word(p, status_words, "Unknown STATUS item");
    } while (!p->error && parse_char(p, ' '));
    return !p->error && parse_close(p);
}

bool parse_status(struct parser *p, struct status_args *args)
{
    return parse_astring(p, &args->folder) && parse_space(p) && parse_status_items(p, &args->items) &&
           parse_end(p);
}

static bool parse_select_options(struct parser *p, unsigned *options)
{
    *options = 0;
    if (!parse_open(p))
        return false;
    if (parse_char(p, ')'))
        return true;
    do {
        *options |= parse_word(p, select_words, "Unknown selection option");
    } while (!p->error && parse_char(p, ' '));
    if (p->error || !parse_close(p))
        return false;
    return !(*options & LIST_RECURSIVE) || (*options & (LIST_SUBSCRIBED | LIST_SPECIAL_USE)) ||
           parse_fail(p, "RECURSIVEMATCH needs SUBSCRIBED or SPECIAL-USE beside it");
}

static bool parse_return_options(struct parser *p, struct list_args *args)
{
    struct span word;
    if (!parse_atom(p, &word) || !span_ieq_str(word, "RETURN") || !parse_space(p))
        return parse_fail(p, "RETURN expected");
    if (!parse_open(p))
        return false;
    if (parse_char(p, ')'))
        return true;
    do {
        unsigned option = parse_word(p, return_words, "Unknown return option");
        args->give |= option;
        if (option == LIST_STATUS && !(parse_space(p) && parse_status_items(p, &args->status)))
            return false;
    } while (!p->error && parse_char(p, ' '));
    return !p->error && parse_close(p);
}

static bool parse_patterns(struct parser *p, struct list_args *args)
{
    bool many = parse_char(p, '(');
    args->extended |= many;
    do {
        if (args->pattern_count == LIST_PATTERNS)
            return parse_fail(p, "Too many patterns");
        if (!parse_list_mailbox(p, &args->patterns[args->pattern_count++]))
            return false;
    } while (many && parse_char(p, ' '));
    return !many || parse_close(p);
}

bool parse_list(struct parser *p, struct list_args *args)
{
    memset(args, 0, sizeof *args);
    if (parse_peek(p) == '(') {
        args->extended = true;
        if (!parse_select_options(p, &args->select) || !parse_space(p))
            return false;
    }
    if (!parse_astring(p, &args->reference) || !parse_space(p) || !parse_patterns(p, args))
        return false;
    if (parse_char(p, ' ')) {
        args->extended = true;
        if (!parse_return_options(p, args))
            return false;
    }
    args->give |= args->select & (LIST_SUBSCRIBED | LIST_SPECIAL_USE);
    return parse_end(p);
}

static bool parse_uses(struct parser *p, struct create_args *args)
{
    if (!parse_space(p) || !parse_open(p))
        return false;
    if (parse_char(p, ')'))
        return true;
    do {
        size_t start = p->at;
        struct span name;
        if (args->use_count == CREATE_USES)
            return parse_fail(p, "Too many special uses");
        if (!parse_char(p, '\\') || !parse_atom(p, &name))
            return parse_fail(p, "A special use such as \\Sent expected");
        args->uses[args->use_count++] = span_head(span_from(p->in, start), p->at - start);
    } while (parse_char(p, ' '));
    return parse_close(p);
}

bool parse_create(struct parser *p, struct create_args *args)
{
    struct span word;
    memset(args, 0, sizeof *args);
    if (!parse_astring(p, &args->folder))
        return false;
    if (p->at == p->in.n)
        return true;
    if (!parse_space(p) || !parse_open(p) || !parse_atom(p, &word))
        return false;
    args->with_uses = span_ieq_str(word, "USE");
    return (args->with_uses || parse_fail(p, "Unknown parameter")) && parse_uses(p, args) && parse_close(p) &&
           parse_end(p);
}
