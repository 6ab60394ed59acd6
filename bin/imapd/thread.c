/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * THREAD (RFC 5256 3 and 4): what the index knows of each message goes to text/thread.h, which does the rest.
 * Nothing of a message is kept but numbers and hashes. The answer leaves in pieces.
 */
#include "search.h"

#include "base/clock.h"
#include "text/date.h"
#include "text/header.h"
#include "text/subject.h"
#include "text/thread.h"
#include "text/unicode.h"

#include <stdlib.h>

#define PIECE 65536          /* bytes of an answer that are gathered */
#define SUBJECT_LIMIT 65536  /* bytes of a Subject field that are looked at */
#define IDS_LIMIT (1u << 20) /* of fields with Message-IDs */

struct threading {
    struct imap *i;
    struct threads *threads;
    struct unicode_folder *casemap;
    struct bytes subject, folded; /* memory to use */
};

/* A message that is gone is one without fields. */
static enum status add_message(struct threading *t, size_t index)
{
    enum { DATE, SUBJECT, MESSAGE_ID, IN_REPLY_TO, REFERENCES, FIELDS };
    static const struct span names[FIELDS] = {
        { "Date", 4 }, { "Subject", 7 }, { "Message-ID", 10 }, { "In-Reply-To", 11 }, { "References", 10 },
    };
    struct summary summary = { .header_size = 0 };
    struct span values[FIELDS];
    struct mailbox *box = t->i->box;
    int64_t date, arrived = mailbox_date(box, index);
    int zone;
    if (mailbox_summary(box, index, &summary) == ST_TEMP)
        return ST_TEMP;
    header_pick(summary.header, names, FIELDS, values);
    struct thread_message m = {
        .number = t->i->uid ? mailbox_uid(box, index) : (uint32_t)index + 1,
        .date = date_read(values[DATE], &date, &zone) ? date : arrived, /* RFC 5256 2.2 */
        .message_id = span_head(values[MESSAGE_ID], IDS_LIMIT),
        .in_reply_to = span_head(values[IN_REPLY_TO], IDS_LIMIT),
        .references = span_head(values[REFERENCES], IDS_LIMIT),
    };
    bytes_clear(&t->subject);
    bytes_clear(&t->folded);
    if (!subject_base(span_head(values[SUBJECT], SUBJECT_LIMIT), &t->subject, &m.reply) ||
        !unicode_folder_add(t->casemap, span_bytes(&t->subject), &t->folded))
        return ST_TEMP;
    m.subject = span_bytes(&t->folded);
    return threads_add(t->threads, &m) ? ST_OK : ST_TEMP;
}

static bool build(struct threading *t, const size_t *found, size_t count, enum thread_by by)
{
    bool good = t->threads && t->casemap;
    mailbox_expect(t->i->box, found, count);
    for (size_t n = 0; good && n < count && !conn_is_gone(t->i->conn); n++)
        good = add_message(t, found[n]) == ST_OK;
    return good &&
           (by == THREAD_REFERENCES ? threads_by_references(t->threads) : threads_by_subject(t->threads));
}

static void write_threads(struct threading *t, size_t count)
{
    struct imap *i = t->i;
    bytes_add_str(&i->line, count > 0 ? "* THREAD " : "* THREAD");
    while (threads_write(t->threads, PIECE, &i->line))
        write_line(i);
    bytes_add_str(&i->line, "\r\n");
    write_line(i);
}

static bool answer_thread(struct imap *i, const struct search *search, const size_t *found, size_t count,
                          const void *context)
{
    uint64_t key[2] = { random_u64(), random_u64() };
    struct threading t = { .i = i, .threads = threads_new(count, key) };
    (void)search;
    t.casemap = unicode_folder_new(UNICODE_CASEMAP);
    bytes_init(&t.subject, 4 * (size_t)SUBJECT_LIMIT);
    bytes_init(&t.folded, 64 * (size_t)SUBJECT_LIMIT);
    bool good = build(&t, found, count, *(const enum thread_by *)context);
    if (good)
        write_threads(&t, count);
    else
        reply(i, "NO [UNAVAILABLE] Not all messages could be read");
    threads_free(t.threads);
    unicode_folder_free(t.casemap);
    bytes_free(&t.subject);
    bytes_free(&t.folded);
    return good;
}

void command_thread(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct parser p;
    struct search s;
    enum thread_by by = THREAD_ORDEREDSUBJECT;
    parser_init(&p, argument, &i->text);
    parse_thread(&p, &by, &s);
    search_run(i, &p, &s, answer_thread, &by);
}
