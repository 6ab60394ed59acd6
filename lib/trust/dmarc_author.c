/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who wrote it, for DMARC; see dmarc.h. From is read as generously as any address list (text/address.h), and
 * then once more for what another program might read otherwise than we do: a second <...> in one entry, text
 * within or behind an address, quotes and comments without end, something like an address that is none. Such
 * a message has no author that one could vouch for.
 */
#include "net/idna.h"
#include "text/domains.h"
#include "text/header.h"
#include "text/lexical.h"
#include "trust/dmarc.h"

#define ENTRIES 1000 /* of one From field: nobody has as many authors, and each takes time */
#define NO_DOMAIN "From has a domain that is none"
#define ODD "From has text where none may be"
#define NO_ADDRESS "From has what looks like an address, and is none"
#define UNCLOSED "From has an end missing: quote, comment or bracket"
#define REPEATED "several From fields"
static const char too_many[] = "From names too many domains";

/* --- what reads otherwise elsewhere */

/* Behind '@': what may follow depends on what stood there. */
enum place { NO_AT, AT, ATOM, DOT, BLANK, LITERAL };

struct scan {
    struct span rest;
    bool open, closed; /* within <...>; behind it */
    bool route;        /* "<@" began a source route, whose end is not there yet */
    bool name;         /* what stands before '<' has an '@' */
    size_t ats;
    enum place place;
    char before; /* the last character that was no blank */
};

/* Behind the comment at the start; false if it has no end. */
static bool pass_comment(struct span *rest)
{
    size_t depth = 0, i = 0;
    for (; i < rest->n; i++) {
        char c = rest->p[i];
        if (c == '\\')
            i++;
        else if (c == '(')
            depth++;
        else if (c == ')' && --depth == 0)
            break;
    }
    bool ended = i < rest->n;
    *rest = span_from(*rest, i + 1);
    return ended;
}

/* An entry or a part of it ends: that had one '@' at most. */
static const char *end_part(struct scan *s, const char *wrong)
{
    if (s->ats > 1)
        wrong = ODD;
    s->ats = 0;
    s->place = NO_AT;
    return wrong;
}

/* Of words with blanks between, some read the first only; we would make one domain of them (RFC 5322 4.4). */
static void pass_blank(struct scan *s)
{
    if (s->place == ATOM || s->place == DOT)
        s->place = BLANK;
}

/* A character of a domain. */
static const char *pass_domain(struct scan *s, char c)
{
    enum place was = s->place;
    s->place = c == '.' ? DOT : c == '[' ? LITERAL : ATOM;
    if (c == '[')
        return was == AT ? NULL : ODD;
    if (was == LITERAL || was == BLANK)
        return ODD;
    return c == '.' || !(lexical_class[(unsigned char)c] & LEXICAL_SPECIAL) ? NULL : ODD;
}

/* ',', ';' or ':'. In brackets they may only part a source route, which begins with '@'; a ':' elsewhere only
 * ends a group's name. */
static const char *pass_delimiter(struct scan *s, char c)
{
    bool odd = s->open ? !s->route || c == ';' : c == ':' && (s->ats || s->closed);
    s->route = s->route && c == ',';
    s->closed = s->open && s->closed;
    return end_part(s, odd ? ODD : NULL);
}

/* A character outside of quotes and comments. NULL, or what is wrong with it there. */
static const char *pass_character(struct scan *s, char c)
{
    if (lexical_blank(c)) {
        pass_blank(s);
        return NULL;
    }
    char before = s->before;
    s->before = c;
    if (c == '<') {
        const char *wrong = s->open || s->closed ? ODD : NULL;
        s->open = true;
        s->route = false;
        s->name = s->ats; /* what stood in front was a name */
        s->ats = 0;
        s->place = NO_AT;
        return wrong;
    }
    if (c == '>') {
        const char *wrong = end_part(s, s->open && !s->route && (s->ats || !s->name) ? NULL : ODD);
        s->open = false;
        s->closed = true;
        return wrong;
    }
    if (c == ',' || c == ';' || c == ':')
        return pass_delimiter(s, c);
    if (s->closed)
        return ODD;
    if (c == '@') {
        s->ats++;
        s->place = AT;
        s->route = s->route || before == '<';
        return NULL;
    }
    return s->place != NO_AT ? pass_domain(s, c) : NULL;
}

/* An address literal, as far as its ']'; false if it has none. */
static bool pass_literal(struct scan *s)
{
    size_t end = span_find(s->rest, ']');
    bool ended = end < s->rest.n;
    s->rest = span_from(s->rest, end + 1);
    return ended;
}

static const char *scan_value(struct span value)
{
    struct scan s = { .rest = value };
    const char *wrong = NULL;
    while (s.rest.n && !wrong) {
        char c = s.rest.p[0];
        if (c == '(') {
            pass_blank(&s);
            wrong = pass_comment(&s.rest) ? NULL : UNCLOSED;
        } else if (c == '"') {
            wrong = s.closed || s.place != NO_AT ? ODD : NULL;
            s.before = c;
            if (!lexical_quoted(&s.rest, NULL))
                wrong = UNCLOSED;
        } else {
            bool literal = c == '[' && s.place == AT;
            wrong = pass_character(&s, c);
            s.rest = span_from(s.rest, 1);
            if (literal && !pass_literal(&s))
                wrong = UNCLOSED;
        }
    }
    if (!wrong)
        wrong = end_part(&s, s.open ? UNCLOSED : NULL);
    return wrong;
}

/* --- the domains */

static void add_domain(struct dmarc_author *author, const char *domain)
{
    size_t i = 0;
    while (i < author->count && strcmp(author->domains[i], domain) != 0)
        i++;
    if (i < author->count)
        return;
    if (i == DMARC_AUTHORS)
        author->suspect = too_many;
    else if (span_copy(span_of(domain), author->domains[i], sizeof author->domains[i]))
        author->count++;
}

/* Could a reader's program show an address where there is none: in a name, or in an encoded word? */
static bool looks_like_address(const struct bytes *text)
{
    struct span s = span_bytes(text);
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '@' || (s.p[i] == '=' && i + 1 < s.n && s.p[i + 1] == '?'))
            return true;
    return false;
}

/* An address literal is no domain, and nobody's. */
static void take_entry(struct dmarc_author *author, const struct address_entry *entry)
{
    char ascii[ADDRESS_DOMAIN_LIMIT + 1], domain[ADDRESS_DOMAIN_LIMIT + 1];
    struct span text = span_bytes(&entry->domain);
    if (text.n == 0 && (looks_like_address(&entry->name) || looks_like_address(&entry->local)))
        author->suspect = NO_ADDRESS;
    if (entry->kind != ADDRESS_MAILBOX || text.n == 0 || text.p[0] == '[')
        return;
    if (text.n > 1 && text.p[text.n - 1] == '.')
        text.n--;
    if (idna_to_ascii(text, ascii) && domain_name(span_of(ascii), domain))
        add_domain(author, domain);
    else
        author->suspect = NO_DOMAIN;
}

static void take_field(struct dmarc_author *author, struct span value)
{
    struct address_entry entry = { .kind = ADDRESS_MAILBOX };
    struct span rest = value;
    size_t entries = 0;
    while (author->suspect != too_many && address_list_more(&rest, &entry)) {
        take_entry(author, &entry);
        if (++entries > ENTRIES)
            author->suspect = too_many;
        if (entry.domain.failed)
            author->suspect = NO_DOMAIN; /* for want of memory it can't be read */
    }
    address_entry_free(&entry);
}

void dmarc_author(struct span header, struct dmarc_author *author)
{
    struct header_field field;
    const char *odd = NULL;
    *author = (struct dmarc_author){ .count = 0 };
    while (header_named(&header, SPAN("From"), &field)) {
        if (author->fields++ && author->fields > DMARC_AUTHORS)
            break;
        if (!odd)
            odd = scan_value(field.value);
        take_field(author, field.value);
    }
    if (author->fields > 1)
        author->suspect = REPEATED;
    else if (!author->suspect)
        author->suspect = odd;
}
