/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Address lists of message headers (RFC 5322 3.4 and 4.4); see address.h. The reader
 * takes what people and programs send: names with dots and 8-bit bytes, source routes, comments
 * anywhere, mailboxes without a domain, semicolons where no group is open.
 *
 * It collects words twice at the same time, as a display name and as an addr-spec, and knows which
 * it was when it meets '<', ':' or the end of the entry.
 */
#include "text/address.h"
#include "text/lexical.h"

struct reader {
    struct span rest;
    struct address_entry *entry;
    struct bytes comment; /* the last one: the name of `joe@x.test (Joe)` */
    bool at;              /* an '@' was seen: words belong to the domain */
    bool angle;           /* `<...>` was read: the rest of the entry is passed over */
    bool gap;             /* blanks or a comment stand before the next token */
};

static void begin_entry(struct address_entry *entry)
{
    entry->kind = ADDRESS_MAILBOX;
    entry->name.limit = entry->local.limit = entry->domain.limit = ADDRESS_NAME_LIMIT;
    bytes_clear(&entry->name);
    bytes_clear(&entry->local);
    bytes_clear(&entry->domain);
}

void address_entry_free(struct address_entry *entry)
{
    bytes_free(&entry->name);
    bytes_free(&entry->local);
    bytes_free(&entry->domain);
}

static void put_span(struct bytes *to, struct span s)
{
    bytes_add_span(to, span_head(s, to->limit - to->len));
}

static bool ends_in_dot(const struct bytes *b)
{
    return b->len && b->data[b->len - 1] == '.';
}

/* A word before any '@': part of a name or of a local part. Of words with blanks between them, the last may
 * be the local part; around a dot blanks mean nothing. */
static void add_word(struct reader *r, struct span word, bool quoted)
{
    struct address_entry *e = r->entry;
    struct span source = word;
    if (r->gap && e->name.len)
        lexical_put(&e->name, ' ');
    if (r->gap && !ends_in_dot(&e->local) && (quoted || word.p[0] != '.'))
        bytes_clear(&e->local);
    if (!quoted) {
        put_span(&e->name, word);
        put_span(&e->local, word);
        return;
    }
    lexical_quoted(&word, &e->name);
    lexical_quoted(&source, &e->local);
}

static bool is_special(char c)
{
    return lexical_class[(unsigned char)c] & LEXICAL_SPECIAL;
}

/* Bytes up to the next special or blank; at least one. */
static size_t word_length(struct span s)
{
    size_t i = 1;
    while (i < s.n && !is_special(s.p[i]) && !lexical_blank(s.p[i]))
        i++;
    return i;
}

/* "[...]" with its brackets. */
static void read_literal(struct reader *r)
{
    size_t i = 0;
    while (i < r->rest.n && r->rest.p[i] != ']') {
        if (!lexical_blank(r->rest.p[i]))
            lexical_put(&r->entry->domain, r->rest.p[i]);
        i++;
    }
    if (i < r->rest.n)
        lexical_put(&r->entry->domain, ']');
    r->rest = span_from(r->rest, i + 1);
}

/* The addr-spec inside `<...>`, which replaces what was collected so far. */
static void read_angle(struct reader *r)
{
    struct address_entry *e = r->entry;
    r->angle = true;
    r->at = false;
    bytes_clear(&e->local);
    bytes_clear(&e->domain);
    r->rest = span_from(r->rest, 1);
    while (r->rest.n && r->rest.p[0] != '>') {
        char c = r->rest.p[0];
        size_t length = 1;
        if (lexical_blank(c) || c == '(') {
            r->rest = lexical_skip(r->rest);
            continue;
        }
        if (c == '"' && !r->at) {
            lexical_quoted(&r->rest, &e->local);
            continue;
        }
        if (c == '[' && r->at) {
            read_literal(r);
            continue;
        }
        if (c == '@') {
            r->at = true;
            bytes_clear(&e->domain);
        } else if (c == ':') { /* it was a source route */
            r->at = false;
            bytes_clear(&e->local);
            bytes_clear(&e->domain);
        } else {
            length = word_length(r->rest);
            if (!is_special(c))
                put_span(r->at ? &e->domain : &e->local, span_head(r->rest, length));
        }
        r->rest = span_from(r->rest, length);
    }
    r->rest = span_from(r->rest, 1);
}

/* Takes one token of an entry. False at the entry's end, which is left at r->rest: ',' ';' ':' or nothing. */
static bool take_token(struct reader *r)
{
    struct span rest = r->rest;
    char c = rest.n ? rest.p[0] : '\0';
    if (rest.n == 0 || c == ',' || c == ';' || (c == ':' && !r->at && !r->angle))
        return false;
    bool gap = lexical_blank(c) || c == '(';
    if (c == '(')
        lexical_comment(&r->rest, &r->comment);
    else if (c == '<' && !r->angle)
        read_angle(r);
    else if (c == '"' && (r->at || r->angle))
        lexical_quoted(&r->rest, NULL);
    else if (c == '"') {
        struct span word = rest;
        lexical_quoted(&r->rest, NULL);
        add_word(r, word, true);
    } else if (c == '[' && r->at && !r->angle)
        read_literal(r);
    else if (gap || is_special(c) || r->angle) {
        if (c == '@' && !r->angle)
            r->at = true;
        r->rest = span_from(rest, 1);
    } else {
        struct span word = span_head(rest, word_length(rest));
        r->rest = span_from(rest, word.n);
        if (!r->at)
            add_word(r, word, false);
        else
            put_span(&r->entry->domain, word);
    }
    r->gap = gap;
    return true;
}

/* What the collected words were, at the end of a mailbox. */
static void settle(struct reader *r)
{
    struct address_entry *e = r->entry;
    if (r->angle)
        return;
    bool several = !r->at && e->name.len > e->local.len;
    if (several) { /* words, but no address */
        bytes_clear(&e->local);
        return;
    }
    bytes_clear(&e->name);
}

bool address_list_more(struct span *rest, struct address_entry *entry)
{
    struct reader r = { .rest = *rest, .entry = entry };
    begin_entry(entry);
    bytes_init(&r.comment, ADDRESS_NAME_LIMIT);
    bool found = false;
    while (!found && r.rest.n) {
        r.gap = r.at = r.angle = false;
        while (take_token(&r))
            ;
        char end = r.rest.n ? r.rest.p[0] : '\0';
        bool something = r.angle || r.at || entry->name.len || entry->local.len;
        if (end == ':') {
            entry->kind = ADDRESS_GROUP_START;
            bytes_clear(&entry->local);
            found = true;
        } else if (something) {
            settle(&r);
            found = true;
        } else if (end == ';') {
            entry->kind = ADDRESS_GROUP_END;
            found = true;
        }
        if (end != ';' || entry->kind == ADDRESS_GROUP_END) /* a ';' behind a mailbox is the next entry */
            r.rest = span_from(r.rest, 1);
    }
    if (found && entry->kind == ADDRESS_MAILBOX && entry->name.len == 0) {
        put_span(&entry->name, span_trim(span_bytes(&r.comment)));
        entry->name.failed |= r.comment.failed;
    }
    bytes_free(&r.comment);
    *rest = r.rest;
    return found;
}

bool address_list_next(struct span *rest, struct address_entry *entry)
{
    *entry = (struct address_entry){ .kind = ADDRESS_MAILBOX };
    bool found = address_list_more(rest, entry);
    if (!found)
        address_entry_free(entry);
    return found;
}

enum address_result address_of_entry(const struct address_entry *entry, struct address *a)
{
    struct bytes text;
    bytes_init(&text, 2 * ADDRESS_NAME_LIMIT + ADDRESS_NAME_LIMIT + 4);
    bytes_add_char(&text, '"');
    for (size_t i = 0; i < entry->local.len; i++) {
        if (entry->local.data[i] == '"' || entry->local.data[i] == '\\')
            bytes_add_char(&text, '\\');
        bytes_add_char(&text, entry->local.data[i]);
    }
    bytes_add_str(&text, "\"@");
    bytes_add_span(&text, span_bytes(&entry->domain));
    enum address_result result =
        text.failed || entry->local.len == 0 ? ADDRESS_SYNTAX : address_parse(span_bytes(&text), a);
    if (result != ADDRESS_OK)
        *a = (struct address){ .local_length = 0 };
    bytes_free(&text);
    return result;
}
