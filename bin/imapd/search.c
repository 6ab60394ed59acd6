/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SEARCH (RFC 3501 6.4.4): a tree of keys (parse_search.c) asked of one message after the other.
 *
 * Keys that need the message's file are asked last, so that SEARCH UNSEEN BODY "x" opens unseen messages
 * only, and each message is mapped and parsed once at most. A message whose file is gone matches no such key.
 */
#include "imapd.h"

#include "match.h"
#include "text/date.h"
#include "text/header.h"

#include <stdlib.h>

#define DAY 86400

struct searching {
    struct imap *i;
    struct search search;
    unsigned char **members; /* of each key with a set: a bit an entry */
    struct match match;
    /* the message at hand */
    size_t index;
    enum { MAP_NOT_TRIED, MAP_DONE, MAP_FAILED } mapped;
    struct mailbox_map map;
    struct span message, header;
    struct mime_part *root;
};

static bool load_file(struct searching *s)
{
    if (s->mapped == MAP_NOT_TRIED) {
        s->mapped = mailbox_map(s->i->box, s->index, &s->map) == ST_OK ? MAP_DONE : MAP_FAILED;
        if (s->mapped == MAP_DONE) {
            s->message = s->map.bytes.p ? s->map.bytes : SPAN("");
            s->header = span_head(s->message, header_end(s->message));
        }
    }
    return s->mapped == MAP_DONE;
}

static void unload_file(struct searching *s)
{
    if (s->root)
        mime_free(s->root);
    s->root = NULL;
    if (s->mapped == MAP_DONE)
        mailbox_unmap(&s->map);
    s->mapped = MAP_NOT_TRIED;
}

static bool in_body(struct searching *s, struct span sought)
{
    if (!s->root)
        s->root = mime_parse(s->message);
    return s->root && match_body(&s->match, s->root, sought);
}

/* The day of the Date: field as its sender saw it (RFC 3501 6.4.4: "disregarding time and timezone"). */
static bool sent_day(const struct searching *s, int64_t *day)
{
    struct header_field field;
    int64_t seconds;
    int zone;
    if (!header_find(s->header, "Date", &field) || !date_read(field.value, &seconds, &zone))
        return false;
    seconds += (int64_t)zone * 60;
    *day = seconds / DAY - (seconds % DAY < 0);
    return true;
}

static bool sent_matches(struct searching *s, const struct search_key *key)
{
    int64_t day, wanted = key->number / DAY - (key->number % DAY < 0);
    if (!sent_day(s, &day))
        return false;
    return key->kind == SEARCH_SENTBEFORE ? day < wanted
           : key->kind == SEARCH_SENTON   ? day == wanted
                                          : day >= wanted;
}

static bool deep_matches(struct searching *s, const struct search_key *key)
{
    if (!load_file(s))
        return false;
    switch (key->kind) {
    case SEARCH_HEADER:
        return match_header(&s->match, s->header, key->field, key->text);
    case SEARCH_BODY:
        return in_body(s, key->text);
    case SEARCH_TEXT:
        return match_any_header(&s->match, s->header, key->text) || in_body(s, key->text);
    default:
        return sent_matches(s, key);
    }
}

static uint64_t wire_size(struct searching *s)
{
    struct mailbox_message m = mailbox_message(s->i->box, s->index);
    uint64_t size = m.wire_size;
    if (size == 0 && mailbox_wire_size(s->i->box, s->index, &size) != ST_OK)
        size = m.size;
    return size;
}

static bool has_keyword(struct searching *s, const struct search_key *key)
{
    uint32_t bit;
    return mailbox_keyword(s->i->box, key->text, false, &bit) == ST_OK &&
           (mailbox_message(s->i->box, s->index).flags & bit);
}

static bool is_member(const struct searching *s, size_t at)
{
    return s->members[at] && (s->members[at][s->index / 8] >> s->index % 8 & 1);
}

static bool key_matches(struct searching *s, size_t at);

/* All keys below: first those that can be answered without the file. */
static bool and_matches(struct searching *s, const struct search_key *key)
{
    for (int deep = 0; deep <= 1; deep++)
        for (size_t child = key->child; child; child = s->search.keys[child].next)
            if (s->search.keys[child].deep == (bool)deep && !key_matches(s, child))
                return false;
    return true;
}

static bool or_matches(struct searching *s, const struct search_key *key)
{
    size_t first = key->child, second = s->search.keys[first].next;
    if (s->search.keys[first].deep) { /* the cheaper one first */
        size_t swap = first;
        first = second;
        second = swap;
    }
    return key_matches(s, first) || key_matches(s, second);
}

static bool key_matches(struct searching *s, size_t at)
{
    const struct search_key *key = &s->search.keys[at];
    struct mailbox_message m = mailbox_message(s->i->box, s->index);
    switch (key->kind) {
    case SEARCH_AND:
        return and_matches(s, key);
    case SEARCH_OR:
        return or_matches(s, key);
    case SEARCH_NOT:
        return !key_matches(s, key->child);
    case SEARCH_ALL:
        return true;
    case SEARCH_FLAG:
        return (m.flags & (uint32_t)key->number) != 0;
    case SEARCH_UNFLAG:
        return (m.flags & (uint32_t)key->number) == 0;
    case SEARCH_KEYWORD:
        return has_keyword(s, key);
    case SEARCH_UNKEYWORD:
        return !has_keyword(s, key);
    case SEARCH_RECENT:
        return m.recent;
    case SEARCH_OLD:
        return !m.recent;
    case SEARCH_NEW:
        return m.recent && !(m.flags & FLAG_SEEN);
    case SEARCH_BEFORE:
        return mailbox_date(s->i->box, s->index) < key->number;
    case SEARCH_ON:
        return mailbox_date(s->i->box, s->index) >= key->number && mailbox_date(s->i->box, s->index) < key->number + DAY;
    case SEARCH_SINCE:
        return mailbox_date(s->i->box, s->index) >= key->number;
    case SEARCH_LARGER:
        return wire_size(s) > (uint64_t)key->number;
    case SEARCH_SMALLER:
        return wire_size(s) < (uint64_t)key->number;
    case SEARCH_SEQUENCE:
    case SEARCH_UID:
        return is_member(s, at);
    case SEARCH_SENTBEFORE:
    case SEARCH_SENTON:
    case SEARCH_SENTSINCE:
    case SEARCH_HEADER:
    case SEARCH_BODY:
    case SEARCH_TEXT:
        return deep_matches(s, key);
    }
    return false;
}

/* The members of each set as bits. False with a reply. */
static bool resolve_sets(struct searching *s)
{
    struct imap *i = s->i;
    s->members = calloc(s->search.count, sizeof *s->members);
    for (size_t n = 0; s->members && n < s->search.count; n++) {
        const struct search_key *key = &s->search.keys[n];
        size_t *indexes, count;
        if (key->kind != SEARCH_SEQUENCE && key->kind != SEARCH_UID)
            continue;
        if (!set_indexes(i, &key->set, key->kind == SEARCH_UID, &indexes, &count))
            return false;
        s->members[n] = calloc(i->box->count / 8 + 1, 1);
        for (size_t k = 0; s->members[n] && k < count; k++)
            s->members[n][indexes[k] / 8] |= (unsigned char)(1u << indexes[k] % 8);
        free(indexes);
    }
    if (!s->members)
        reply(i, "NO [UNAVAILABLE] Out of memory");
    return s->members != NULL;
}

static void search_all(struct searching *s)
{
    struct imap *i = s->i;
    bytes_add_str(&i->line, "* SEARCH");
    for (s->index = 0; s->index < i->box->count && !conn_is_gone(i->conn); s->index++) {
        if (key_matches(s, 0)) {
            bytes_add_char(&i->line, ' ');
            add_number(&i->line, i->uid ? mailbox_uid(i->box, s->index) : s->index + 1);
        }
        unload_file(s);
    }
    bytes_add_str(&i->line, "\r\n");
    write_line(i);
    reply(i, "OK Done");
}

static void free_searching(struct searching *s)
{
    for (size_t n = 0; s->members && n < s->search.count; n++)
        free(s->members[n]);
    free(s->members);
    search_free(&s->search);
    match_free(&s->match);
}

void command_search(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct parser p;
    struct searching s = { .i = i };
    match_init(&s.match);
    parser_init(&p, argument, &i->text);
    if (!parse_search(&p, &s.search))
        reply_bad(i, &p);
    else if (s.search.charset.n > 0 && !span_ieq_str(s.search.charset, "UTF-8") &&
             !span_ieq_str(s.search.charset, "US-ASCII"))
        reply(i, "NO [BADCHARSET (US-ASCII UTF-8)] Unknown charset");
    else if (resolve_sets(&s))
        search_all(&s);
    free_searching(&s);
}
