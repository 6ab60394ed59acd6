/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SEARCH (RFC 3501 6.4.4, RFC 9051 6.4.4, RFC 4731): the command, and what SORT and THREAD have in common
 * with it.
 *
 * Text without a CHARSET is US-ASCII in IMAP4rev1 and UTF-8 in IMAP4rev2; it is read as UTF-8 in both.
 */
#include "search.h"

#include "capabilities.h"
#include "qresync.h"
#include "text/utf8.h"
#include "text/words.h"

#include <stdlib.h>

static bool refuse_charset(struct imap *i)
{
    const char *name;
    reply(i, "NO [BADCHARSET (");
    for (size_t n = 0; (name = charset_name(n)); n++)
        bytes_printf(&i->reply, n > 0 ? " %s" : "%s", name);
    bytes_add_str(&i->reply, ")] That charset isn't known here");
    return false;
}

/* Puts what is sought into UTF-8; `text` holds it and must outlive the search. False with a reply. */
static bool convert(struct imap *i, struct search *search, struct bytes *text)
{
    struct span charset = search->charset.p ? search->charset : SPAN("UTF-8");
    size_t room = 1;
    if (!charset_known(charset))
        return refuse_charset(i);
    for (size_t n = 0; n < search->count; n++)
        room += CHARSET_GROWTH * search->keys[n].text.n;
    bytes_init(text, room);
    if (!bytes_reserve(text, room - 1)) { /* so that it doesn't move */
        reply(i, "NO [UNAVAILABLE] Out of memory");
        return false;
    }
    for (size_t n = 0; n < search->count; n++) {
        struct search_key *key = &search->keys[n];
        size_t start = text->len;
        if (!charset_holds(charset, key->text)) {
            i->bad++;
            reply(i, "BAD What is sought isn't valid in its charset");
            return false;
        }
        charset_to_utf8(charset, key->text, text);
        key->text = span_from(span_bytes(text), start);
    }
    return true;
}

/* MODSEQ makes this session one that knows of mod-sequences (RFC 7162 3.1). False, with a reply, where the
 * mailbox has none. */
static bool enable(struct imap *i, const struct search *search)
{
    return !search->modseq || condstore_use(i);
}

static bool find_and_answer(struct imap *i, struct search *search, search_answerer *answer,
                            const void *context)
{
    struct bytes text;
    size_t *found = NULL, count = 0;
    bytes_init(&text, 0);
    bool good = convert(i, search, &text) && search_messages(i, search, &found, &count) &&
                answer(i, search, found, count, context);
    bytes_free(&text);
    free(found);
    return good;
}

void search_run(struct imap *i, const struct parser *p, struct search *search, search_answerer *answer,
                const void *context)
{
    if (p->error) {
        reply_bad(i, p);
    } else if (enable(i, search)) {
        if (find_and_answer(i, search, answer, context))
            reply(i, "OK Done");
        else if ((search->returns & RETURN_SAVE) && span_starts(span_bytes(&i->reply), "NO"))
            saved_clear(i); /* RFC 5182 2.1 */
    }
    search_free(search);
}

static bool answer_search(struct imap *i, const struct search *search, const size_t *found, size_t count,
                          const void *context)
{
    (void)context;
    return search_answer(i, search, "SEARCH", found, found, count);
}

void command_search(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct parser p;
    struct search s;
    parser_init(&p, argument, &i->text);
    if (parse_search(&p, &s) && s.charset.p && (i->enabled & ENABLED_UTF8))
        parse_fail(&p, "No CHARSET once UTF8=ACCEPT is enabled"); /* RFC 6855 3 */
    search_run(i, &p, &s, answer_search, NULL);
}
