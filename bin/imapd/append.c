/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * APPEND (RFC 3501 6.3.11, RFC 9051 6.3.12): of one message or several (MULTIAPPEND, RFC 3502), with literals
 * of every kind (LITERAL+ of RFC 7888, literal8 of RFC 3516, UTF8 of RFC 6855), APPENDUID (RFC 4315),
 * APPENDLIMIT (RFC 7889).
 *
 * What can be refused is refused before the message is invited. Messages stream from the connection into
 * files; OK is said once all of them are durable. A connection that breaks meanwhile, or a message that is
 * refused, leaves none.
 */
#include "capabilities.h"
#include "learn.h"
#include "list.h"

#include <string.h>

#define MESSAGES_LIMIT 10000 /* of one APPEND */

struct appending {
    struct imap *i;
    struct mailbox_append *append;
    struct append_message message; /* the one that comes now */
    struct span folder;
    uint32_t count;                /* those that have come */
    uint64_t bytes;                /* of these */
};

/* False, with a reply, if the message must not come behind those before. Zero bytes are how a client takes an
 * APPEND of several back (RFC 3502 6.3.11). */
static bool may_come(struct imap *i, const struct append_message *m, uint64_t bytes_before,
                     uint32_t count_before)
{
    for (size_t n = 0; n < m->flags.keyword_count; n++)
        if (m->flags.keywords[n].n > MAILBOX_KEYWORD_LIMIT) {
            reply(i, "NO [LIMIT] Keyword too long");
            return false;
        }
    if (m->size > i->settings->message_size)
        reply(i, "NO [TOOBIG] Messages may have %llu bytes", (unsigned long long)i->settings->message_size);
    else if (m->size == 0)
        reply(i, "NO [CANNOT] A message without a byte");
    else if (m->utf8 && !(i->enabled & (ENABLED_UTF8 | ENABLED_REV2)))
        reply(i, "NO [CANNOT] ENABLE UTF8=ACCEPT comes before that");
    else
        return quota_allows(i, bytes_before + m->size, count_before + UINT64_C(1));
    return false;
}

/* What the reader said instead of READ_COMMAND. */
static void broken(struct imap *i, enum read_result result)
{
    if (result == READ_BAD) {
        i->bad++;
        return reply(i, "BAD %s", i->reader.error);
    }
    if (result == READ_END || result == READ_TIMEOUT)
        conn_printf(i->conn, "* BYE %s\r\n", result == READ_END ? i->reader.error : "Silent for too long");
    i->done = true;
}

/* The reply stands. What comes all the same of the message that was read up to its literal is thrown away,
 * and so is what follows it. */
static void refuse_message(struct imap *i)
{
    enum read_result result = i->reader.comes ? reader_discard(&i->reader, i->reader.left) : READ_COMMAND;
    if (result != READ_COMMAND)
        broken(i, result);
}

/* The message's bytes into the file. The status is the store's; *result the connection's. */
static enum status receive(struct appending *a, bool *nul, enum conn_result *result)
{
    struct conn *c = a->i->conn;
    enum status st = ST_OK;
    uint64_t left = a->message.size;
    *nul = false;
    if (a->message.binary)
        mailbox_append_binary(a->append);
    while (left > 0) {
        struct span have;
        *result = conn_peek(c, &have);
        if (*result != CONN_OK)
            return st;
        have = span_head(have, left < SIZE_MAX ? (size_t)left : SIZE_MAX);
        *nul = *nul || (!a->message.binary && memchr(have.p, 0, have.n));
        if (st == ST_OK && !*nul)
            st = mailbox_append_write(a->append, have);
        left -= have.n;
        conn_take(c, have.n);
    }
    return st;
}

static enum status end_message(struct appending *a)
{
    const struct flag_list *flags = &a->message.flags;
    char names[KEYWORDS_LIMIT][MAILBOX_KEYWORD_LIMIT + 1];
    const char *keywords[KEYWORDS_LIMIT + 1] = { NULL };
    for (size_t n = 0; n < flags->keyword_count; n++) {
        span_copy(flags->keywords[n], names[n], sizeof names[n]);
        keywords[n] = names[n];
    }
    a->count++;
    a->bytes += a->message.size;
    return mailbox_append_end(a->append, flags->system, keywords, a->message.date);
}

static void reply_not_appended(struct imap *i, enum status st)
{
    if (st == ST_NONE)
        reply(i, "NO [TRYCREATE] No such mailbox");
    else if (st == ST_PERM)
        reply(i, "NO [LIMIT] No more keywords in this mailbox");
    else
        reply_failed(i, st);
}

/* Takes the message that was announced. False when it isn't appended: the reply is there, and all of the
 * command has been read. */
static bool take_message(struct appending *a)
{
    struct imap *i = a->i;
    bool nul;
    enum conn_result got = CONN_OK;
    if (!a->message.plus) {
        conn_write_str(i->conn, "+ Go ahead\r\n");
        conn_flush(i->conn);
    }
    mailbox_append_expect(a->append); /* a failure is kept */
    enum status st = receive(a, &nul, &got);
    if (got != CONN_OK) {
        broken(i, got == CONN_TIMEOUT ? READ_TIMEOUT : READ_GONE);
        return false;
    }
    if (st == ST_OK && !nul)
        st = end_message(a);
    if (st == ST_OK && !nul)
        return true;
    if (nul)
        reply(i, "NO [CANNOT] NUL in the message");
    else
        reply_not_appended(i, st);
    enum read_result result = reader_rest(&i->reader);
    if (result != READ_COMMAND)
        broken(i, result);
    return false;
}

/* What follows: another message, *end, or false as above. */
static bool next_message(struct appending *a, bool *end)
{
    struct imap *i = a->i;
    struct parser p;
    bool utf8 = a->message.utf8;
    enum read_result result = reader_more(&i->reader);
    if (result != READ_COMMAND && result != READ_APPEND) {
        broken(i, result);
        return false;
    }
    parser_init(&p, span_bytes(&i->reader.text), &i->text);
    if (!parse_append_more(&p, utf8, &a->message, end))
        reply_bad(i, &p);
    else if (*end || (a->count < MESSAGES_LIMIT && may_come(i, &a->message, a->bytes, a->count)))
        return true;
    else if (a->count == MESSAGES_LIMIT)
        reply(i, "NO [LIMIT] An APPEND may have %d messages", MESSAGES_LIMIT);
    refuse_message(i);
    return false;
}

static void publish(struct appending *a)
{
    struct imap *i = a->i;
    uint32_t validity, first;
    enum status st = mailbox_append_publish(a->append, &validity, &first);
    if (st != ST_OK)
        return reply_not_appended(i, st);
    learning_appended(i, a->folder, first, a->count);
    if (a->count == 1)
        reply(i, "OK [APPENDUID %u %u] Done", validity, first);
    else
        reply(i, "OK [APPENDUID %u %u:%u] Done", validity, first, first + a->count - 1);
}

static void take_messages(struct appending *a)
{
    bool end = false, good = true;
    conn_deadlines(a->i->conn, LITERAL_MS, 0);
    while (good && !end)
        good = take_message(a) && next_message(a, &end);
    conn_deadlines(a->i->conn, IDLE_MS, 0);
    if (good)
        publish(a);
    else
        mailbox_append_abort(a->append);
}

void append_message(struct imap *i, struct span argument)
{
    struct parser p;
    struct append_args args;
    struct span folder;
    struct appending a = { .i = i };
    parser_init(&p, argument, &i->text);
    if (!parse_append(&p, &args)) /* the reader saw that it is one */
        return reply_bad(i, &p);
    if (!folder_argument(i, args.folder, &folder) || !may_come(i, &args.message, 0, 0))
        return refuse_message(i);
    write_if_renamed(i, folder, args.folder);
    enum status st = mailbox_append_begin(i->mail, i->box, folder, &a.append);
    if (st == ST_OK) {
        a.message = args.message;
        a.folder = folder;
        return take_messages(&a);
    }
    reply_not_appended(i, st);
    refuse_message(i);
}

void command_append(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct parser p;
    struct append_args args;
    parser_init(&p, argument, &i->text);
    if (parse_append(&p, &args))
        parse_fail(&p, "The message must be a literal");
    reply_bad(i, &p);
}
