/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who wrote it, for DMARC; see dmarc.h. From is read as generously as any address list (text/address.h), and
 * then once more for what another program might read otherwise than we do: a second <...> in one entry, text
 * behind an address, quotes and comments without end. Such a message has no author that one could vouch for.
 */
#include "net/idna.h"
#include "text/domains.h"
#include "text/header.h"
#include "text/lexical.h"
#include "trust/dmarc.h"

#define NO_DOMAIN "From has a domain that is none"
#define ODD "From has text where none may be"
#define UNCLOSED "From has an end missing: quote, comment or bracket"
#define REPEATED "several From fields"
static const char too_many[] = "From names too many domains";

/* --- what reads otherwise elsewhere */

struct scan {
    struct span rest;
    bool open, closed; /* within <...>; behind it */
    size_t ats;
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
    return wrong;
}

/* A character outside of quotes and comments. NULL, or what is wrong with it there. */
static const char *pass_character(struct scan *s, char c)
{
    const char *wrong = NULL;
    if (c == '<') {
        wrong = s->open || s->closed ? ODD : NULL;
        s->open = true;
        s->ats = 0; /* what stood in front was a name */
    } else if (c == '>') {
        wrong = end_part(s, s->open ? NULL : ODD);
        s->open = false;
        s->closed = true;
    } else if (c == ',' || c == ';' || c == ':') {
        wrong = end_part(s, NULL);
        s->closed = s->open && s->closed;
    } else if (s->closed && !lexical_blank(c)) {
        wrong = ODD;
    }
    s->ats += c == '@';
    return wrong;
}

static const char *scan_value(struct span value)
{
    struct scan s = { .rest = value };
    const char *wrong = NULL;
    while (s.rest.n && !wrong) {
        char c = s.rest.p[0];
        if (c == '(') {
            wrong = pass_comment(&s.rest) ? NULL : UNCLOSED;
        } else if (c == '"') {
            wrong = s.closed ? ODD : NULL;
            if (!lexical_quoted(&s.rest, NULL))
                wrong = UNCLOSED;
        } else {
            wrong = pass_character(&s, c);
            s.rest = span_from(s.rest, 1);
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

/* An address literal is no domain, and nobody's. */
static void take_entry(struct dmarc_author *author, const struct address_entry *entry)
{
    char ascii[ADDRESS_DOMAIN_LIMIT + 1], domain[ADDRESS_DOMAIN_LIMIT + 1];
    struct span text = span_bytes(&entry->domain);
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
    while (address_list_more(&rest, &entry) && author->suspect != too_many) {
        take_entry(author, &entry);
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
