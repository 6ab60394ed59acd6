/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SEARCH's arguments (RFC 3501 6.4.4, RETURN by RFC 4731 and 5182): keys into a tree of bounded size and
 * depth.
 *
 * Keys lie in one array, so that a tree is freed in one go and no pointer is followed that a hostile
 * command built; children and siblings are indexes. Key 0 is the AND of everything.
 */
#include "parse.h"

#include "store/mailbox.h"
#include "text/date.h"

#include <stdlib.h>

enum argument {
    ARG_NONE,
    ARG_TEXT,
    ARG_DATE,
    ARG_SIZE,
    ARG_SECONDS,
    ARG_KEYWORD,
    ARG_OBJECTID,
    ARG_HEADER,
    ARG_MODSEQ,
    ARG_SET,
    ARG_ONE,
    ARG_TWO
};

struct search_word {
    const char *name;
    enum search_kind kind;
    enum argument argument;
    int64_t number;
    struct span field;
};

static const struct search_word search_words[] = {
    { "ALL", SEARCH_ALL, ARG_NONE, 0, { 0 } },
    { "ANSWERED", SEARCH_FLAG, ARG_NONE, FLAG_ANSWERED, { 0 } },
    { "DELETED", SEARCH_FLAG, ARG_NONE, FLAG_DELETED, { 0 } },
    { "DRAFT", SEARCH_FLAG, ARG_NONE, FLAG_DRAFT, { 0 } },
    { "FLAGGED", SEARCH_FLAG, ARG_NONE, FLAG_FLAGGED, { 0 } },
    { "SEEN", SEARCH_FLAG, ARG_NONE, FLAG_SEEN, { 0 } },
    { "UNANSWERED", SEARCH_UNFLAG, ARG_NONE, FLAG_ANSWERED, { 0 } },
    { "UNDELETED", SEARCH_UNFLAG, ARG_NONE, FLAG_DELETED, { 0 } },
    { "UNDRAFT", SEARCH_UNFLAG, ARG_NONE, FLAG_DRAFT, { 0 } },
    { "UNFLAGGED", SEARCH_UNFLAG, ARG_NONE, FLAG_FLAGGED, { 0 } },
    { "UNSEEN", SEARCH_UNFLAG, ARG_NONE, FLAG_SEEN, { 0 } },
    { "KEYWORD", SEARCH_KEYWORD, ARG_KEYWORD, 0, { 0 } },
    { "UNKEYWORD", SEARCH_UNKEYWORD, ARG_KEYWORD, 0, { 0 } },
    { "NEW", SEARCH_NEW, ARG_NONE, 0, { 0 } },
    { "OLD", SEARCH_OLD, ARG_NONE, 0, { 0 } },
    { "RECENT", SEARCH_RECENT, ARG_NONE, 0, { 0 } },
    { "BEFORE", SEARCH_BEFORE, ARG_DATE, 0, { 0 } },
    { "ON", SEARCH_ON, ARG_DATE, 0, { 0 } },
    { "SINCE", SEARCH_SINCE, ARG_DATE, 0, { 0 } },
    { "SAVEDBEFORE", SEARCH_SAVEDBEFORE, ARG_DATE, 0, { 0 } },
    { "SAVEDON", SEARCH_SAVEDON, ARG_DATE, 0, { 0 } },
    { "SAVEDSINCE", SEARCH_SAVEDSINCE, ARG_DATE, 0, { 0 } },
    { "SAVEDATESUPPORTED", SEARCH_ALL, ARG_NONE, 0, { 0 } }, /* by every folder (RFC 8514 4.3) */
    { "EMAILID", SEARCH_EMAILID, ARG_OBJECTID, 0, { 0 } },
    { "THREADID", SEARCH_THREADID, ARG_OBJECTID, 0, { 0 } },
    { "OLDER", SEARCH_OLDER, ARG_SECONDS, 0, { 0 } },
    { "YOUNGER", SEARCH_YOUNGER, ARG_SECONDS, 0, { 0 } },
    { "SENTBEFORE", SEARCH_SENTBEFORE, ARG_DATE, 0, { 0 } },
    { "SENTON", SEARCH_SENTON, ARG_DATE, 0, { 0 } },
    { "SENTSINCE", SEARCH_SENTSINCE, ARG_DATE, 0, { 0 } },
    { "BCC", SEARCH_HEADER, ARG_TEXT, 0, { "Bcc", 3 } },
    { "CC", SEARCH_HEADER, ARG_TEXT, 0, { "Cc", 2 } },
    { "FROM", SEARCH_HEADER, ARG_TEXT, 0, { "From", 4 } },
    { "SUBJECT", SEARCH_HEADER, ARG_TEXT, 0, { "Subject", 7 } },
    { "TO", SEARCH_HEADER, ARG_TEXT, 0, { "To", 2 } },
    { "HEADER", SEARCH_HEADER, ARG_HEADER, 0, { 0 } },
    { "BODY", SEARCH_BODY, ARG_TEXT, 0, { 0 } },
    { "TEXT", SEARCH_TEXT, ARG_TEXT, 0, { 0 } },
    { "LARGER", SEARCH_LARGER, ARG_SIZE, 0, { 0 } },
    { "SMALLER", SEARCH_SMALLER, ARG_SIZE, 0, { 0 } },
    { "MODSEQ", SEARCH_MODSEQ, ARG_MODSEQ, 0, { 0 } },
    { "UID", SEARCH_UID, ARG_SET, 0, { 0 } },
    { "NOT", SEARCH_NOT, ARG_ONE, 0, { 0 } },
    { "OR", SEARCH_OR, ARG_TWO, 0, { 0 } },
};

/* A new key; its index in *at. */
static bool key_new(struct parser *p, struct search *s, enum search_kind kind, size_t *at)
{
    if (s->count == SEARCH_KEYS)
        return parse_fail(p, "Too many search keys");
    if (s->count == s->room) {
        size_t room = s->room ? s->room * 2 : 16;
        struct search_key *more = realloc(s->keys, room * sizeof *more);
        if (!more)
            return parse_fail(p, "Out of memory");
        s->keys = more;
        s->room = room;
    }
    *at = s->count++;
    s->keys[*at] = (struct search_key){ .kind = kind };
    return true;
}

static bool parse_key(struct parser *p, struct search *s, unsigned depth, size_t *at);

/* Parses `count` keys (0: as many as there are, parted by spaces) below `parent`. */
static bool parse_children(struct parser *p, struct search *s, size_t parent, size_t count, unsigned depth)
{
    size_t last = 0;
    for (size_t done = 0; count == 0 || done < count; done++) {
        size_t at;
        if (done > 0 && !parse_char(p, ' '))
            return count == 0 || parse_fail(p, "Search key expected");
        if (!parse_key(p, s, depth + 1, &at))
            return false;
        if (last)
            s->keys[last].next = at;
        else
            s->keys[parent].child = at;
        last = at;
    }
    return true;
}

static bool parse_day(struct parser *p, int64_t *day)
{
    struct span text;
    return parse_astring(p, &text) && (date_read_imap_day(text, day) || parse_fail(p, "Bad date"));
}

/* Behind OLDER and YOUNGER: nz-number. */
static bool parse_seconds(struct parser *p, int64_t *seconds)
{
    uint32_t n;
    if (!parse_number(p, &n))
        return false;
    *seconds = n;
    return n > 0 || parse_fail(p, "Seconds expected, more than none");
}

static bool parse_size(struct parser *p, int64_t *size)
{
    uint64_t n;
    if (!parse_number64(p, &n))
        return false;
    *size = (int64_t)n;
    return true;
}

/* MODSEQ's arguments. A message has one mod-sequence for all of its flags, so that what is named in front of
 * the number makes no difference (RFC 7162 3.1.5 allows it). */
static bool parse_modseq(struct parser *p, struct search *s, int64_t *least)
{
    struct span entry, type;
    s->modseq = true;
    if (parse_peek(p) == '"') {
        if (!parse_string(p, &entry) || !parse_space(p) || !parse_atom(p, &type) || !parse_space(p))
            return false;
        if (!span_istarts(entry, "/flags/") || entry.n == sizeof "/flags/" - 1)
            return parse_fail(p, "Unknown entry of MODSEQ");
        if (!span_ieq_str(type, "priv") && !span_ieq_str(type, "shared") && !span_ieq_str(type, "all"))
            return parse_fail(p, "priv, shared or all expected");
    }
    return parse_size(p, least);
}

/* objectid (RFC 8474 7); as a string too, which some clients send. */
static bool parse_object_id(struct parser *p, struct span *id)
{
    bool valid = parse_astring(p, id) && id->n > 0 && id->n <= 255;
    for (size_t n = 0; valid && n < id->n; n++)
        valid = ascii_alpha(id->p[n]) || ascii_digit(id->p[n]) || id->p[n] == '_' || id->p[n] == '-';
    return valid || parse_fail(p, "Bad object identifier");
}

static bool parse_arguments(struct parser *p, struct search *s, size_t at, enum argument argument,
                            unsigned depth)
{
    struct search_key *key = &s->keys[at]; /* not valid once children are parsed */
    if (argument == ARG_NONE)
        return true;
    if (!parse_space(p))
        return false;
    switch (argument) {
    case ARG_TEXT:
        return parse_astring(p, &key->text);
    case ARG_DATE:
        return parse_day(p, &key->number);
    case ARG_SIZE:
        return parse_size(p, &key->number);
    case ARG_SECONDS:
        return parse_seconds(p, &key->number);
    case ARG_MODSEQ:
        return parse_modseq(p, s, &key->number);
    case ARG_KEYWORD:
        return parse_atom(p, &key->text);
    case ARG_OBJECTID:
        return parse_object_id(p, &key->text);
    case ARG_HEADER:
        return parse_astring(p, &key->field) && parse_space(p) && parse_astring(p, &key->text);
    case ARG_SET:
        return parse_set(p, &key->set);
    case ARG_ONE:
    case ARG_TWO:
        return parse_children(p, s, at, argument == ARG_ONE ? 1 : 2, depth);
    case ARG_NONE:
        break;
    }
    return true;
}

static bool parse_key(struct parser *p, struct search *s, unsigned depth, size_t *at)
{
    if (depth > SEARCH_DEPTH)
        return parse_fail(p, "Search keys nested too deeply");
    if (parse_char(p, '('))
        return key_new(p, s, SEARCH_AND, at) && parse_children(p, s, *at, 0, depth) &&
               (parse_char(p, ')') || parse_fail(p, "Missing parenthesis"));
    if (ascii_digit(parse_peek(p)) || parse_peek(p) == '*' || parse_peek(p) == '$')
        return key_new(p, s, SEARCH_SEQUENCE, at) && parse_set(p, &s->keys[*at].set);
    struct span name;
    if (!parse_atom(p, &name))
        return parse_fail(p, "Search key expected");
    for (size_t i = 0; i < sizeof search_words / sizeof search_words[0]; i++) {
        const struct search_word *w = &search_words[i];
        if (!span_ieq_str(name, w->name))
            continue;
        if (!key_new(p, s, w->kind, at))
            return false;
        s->keys[*at].number = w->number;
        s->keys[*at].field = w->field;
        return parse_arguments(p, s, *at, w->argument, depth);
    }
    return parse_fail(p, "Unknown search key");
}

bool parse_keys(struct parser *p, struct search *search)
{
    size_t root = 0;
    return key_new(p, search, SEARCH_AND, &root) && parse_children(p, search, root, 0, 0) && parse_end(p);
}

static bool parse_option(struct parser *p, struct search *search)
{
    static const struct {
        const char *name;
        unsigned bit;
    } options[] = {
        { "MIN", RETURN_MIN },     { "MAX", RETURN_MAX },   { "ALL", RETURN_ALL },
        { "COUNT", RETURN_COUNT }, { "SAVE", RETURN_SAVE },
    };
    struct span name;
    if (!parse_atom(p, &name))
        return false;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (span_ieq_str(name, options[i].name)) {
            search->returns |= options[i].bit;
            return true;
        }
    return parse_fail(p, "Unknown RETURN option");
}

bool parse_returns(struct parser *p, struct search *search)
{
    if (!span_istarts(span_from(p->in, p->at), "RETURN "))
        return true;
    p->at += sizeof "RETURN " - 1;
    search->returns = RETURN_GIVEN;
    if (!parse_char(p, '('))
        return parse_fail(p, "List of RETURN options expected");
    if (!parse_char(p, ')')) {
        do {
            if (!parse_option(p, search))
                return false;
        } while (parse_char(p, ' '));
        if (!parse_char(p, ')'))
            return parse_fail(p, "List without end");
    }
    return parse_space(p);
}

bool parse_search(struct parser *p, struct search *search)
{
    *search = (struct search){ 0 };
    if (!parse_returns(p, search))
        return false;
    if (span_istarts(span_from(p->in, p->at), "CHARSET ")) {
        p->at += sizeof "CHARSET " - 1;
        if (!parse_astring(p, &search->charset) || !parse_space(p))
            return false;
    }
    return parse_keys(p, search);
}

void search_free(struct search *search)
{
    for (size_t i = 0; i < search->count; i++)
        set_free(&search->keys[i].set);
    free(search->keys);
    *search = (struct search){ 0 };
}
