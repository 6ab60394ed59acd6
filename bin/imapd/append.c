/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * APPEND (RFC 3501 6.3.11, LITERAL+ of RFC 7888, APPENDUID of RFC 4315, APPENDLIMIT of RFC 7889).
 *
 * What can be refused is refused before the message is invited. The message streams from the connection into
 * its file; OK is said once that is durable. A connection that breaks meanwhile leaves nothing.
 */
#include "imapd.h"

#include <errno.h>
#include <string.h>

/* False, with a reply, if the message must not come. */
static bool may_append(struct imap *i, const struct append_args *args, struct span *folder)
{
    if (!folder_argument(i, args->folder, folder))
        return false;
    for (size_t n = 0; n < args->flags.keyword_count; n++)
        if (args->flags.keywords[n].n > MAILBOX_KEYWORD_LIMIT) {
            reply(i, "NO [LIMIT] Keyword too long");
            return false;
        }
    enum status st = folder_exists(i->mail, *folder);
    if (st == ST_NONE)
        reply(i, "NO [TRYCREATE] No such mailbox");
    else if (st != ST_OK)
        reply_failed(i, st);
    else if (args->size > i->settings->message_size)
        reply(i, "NO [TOOBIG] Messages may have %llu bytes", (unsigned long long)i->settings->message_size);
    else if (args->size == 0)
        reply(i, "NO [CANNOT] A message without a byte");
    return st == ST_OK && args->size > 0 && args->size <= i->settings->message_size &&
           quota_allows(i, args->size, 1);
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

/* A refused message: one that comes without being invited is read all the same. */
static void refuse_message(struct imap *i, const struct append_args *args)
{
    enum read_result result = args->plus ? reader_discard(&i->reader, args->size) : READ_COMMAND;
    if (result != READ_COMMAND)
        broken(i, result);
}

/* The message's bytes into the file. The status is the store's; *result the connection's. */
static enum status receive(struct imap *i, struct mailbox_append *append, uint64_t left, bool *nul,
                           enum conn_result *result)
{
    enum status st = ST_OK;
    *nul = false;
    while (left > 0) {
        struct span have;
        *result = conn_peek(i->conn, &have);
        if (*result != CONN_OK)
            return st;
        have = span_head(have, left < SIZE_MAX ? (size_t)left : SIZE_MAX);
        *nul = *nul || memchr(have.p, 0, have.n);
        if (st == ST_OK && !*nul)
            st = mailbox_append_write(append, have);
        left -= have.n;
        conn_take(i->conn, have.n);
    }
    return st;
}

static void publish(struct imap *i, struct mailbox_append *append, const struct append_args *args)
{
    char names[KEYWORDS_LIMIT][MAILBOX_KEYWORD_LIMIT + 1];
    const char *keywords[KEYWORDS_LIMIT + 1] = { NULL };
    uint32_t validity, uid;
    for (size_t n = 0; n < args->flags.keyword_count; n++) {
        span_copy(args->flags.keywords[n], names[n], sizeof names[n]);
        keywords[n] = names[n];
    }
    enum status st = mailbox_append_finish(append, args->flags.system, keywords, args->date, &validity, &uid);
    if (st == ST_NONE)
        reply(i, "NO [TRYCREATE] No such mailbox");
    else if (st == ST_PERM)
        reply(i, "NO [LIMIT] No more keywords in this mailbox");
    else if (st != ST_OK)
        reply_failed(i, st);
    else
        reply(i, "OK [APPENDUID %u %u] Done", validity, uid);
}

static void take_message(struct imap *i, struct mailbox_append *append, const struct append_args *args)
{
    bool nul;
    enum conn_result got = CONN_OK;
    conn_deadlines(i->conn, LITERAL_MS, 0);
    if (!args->plus)
        conn_write_str(i->conn, "+ Go ahead\r\n");
    enum status st = receive(i, append, args->size, &nul, &got);
    int error = errno;
    enum read_result result = got == CONN_OK        ? reader_end(&i->reader)
                              : got == CONN_TIMEOUT ? READ_TIMEOUT
                                                    : READ_GONE;
    conn_deadlines(i->conn, IDLE_MS, 0);
    if (result == READ_COMMAND && st == ST_OK && !nul)
        return publish(i, append, args);
    mailbox_append_abort(append);
    errno = error;
    if (result != READ_COMMAND)
        broken(i, result);
    else if (nul)
        reply(i, "NO [CANNOT] NUL in the message");
    else
        reply_failed(i, st);
}

void append_message(struct imap *i, struct span argument)
{
    struct parser p;
    struct append_args args;
    struct span folder;
    struct mailbox_append *append;
    parser_init(&p, argument, &i->text);
    if (!parse_append(&p, &args)) /* the reader saw that it is one */
        return reply_bad(i, &p);
    if (!may_append(i, &args, &folder))
        return refuse_message(i, &args);
    enum status st = mailbox_append_begin(i->mail, folder, &append);
    if (st == ST_OK)
        return take_message(i, append, &args);
    if (st == ST_NONE)
        reply(i, "NO [TRYCREATE] No such mailbox");
    else
        reply_failed(i, st);
    refuse_message(i, &args);
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
