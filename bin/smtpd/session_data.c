/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DATA: reads the message to its end, judges it, and hands it to the guard.
 *
 * Up to SMTPD_MEMORY_LIMIT bytes stay in memory and go to the guard in pieces, the last one with the request
 * to commit. A larger message is written to a file that the guard opened; its header section must end within
 * the first SMTPD_MEMORY_LIMIT bytes, as it is judged, and rewritten, before anything is written. Whatever is
 * wrong is said at the end, once: there is no other way to answer in the middle of DATA.
 *
 * In the header section Return-Path fields are dropped (they are for us to write), and where a message begins
 * its journey here, missing From, Date and Message-ID are added, and Bcc is dropped, which is nobody else's
 * business. The guard has only the session's word for what the fields From and Sender hold, as it parses no
 * message: a session that its logged-in user took over could forge these, and nothing else.
 */
#include "session.h"
#include "base/clock.h"
#include "base/files.h"
#include "text/address.h"
#include "text/date.h"
#include "text/fields.h"
#include "text/header.h"
#include "text/smtp_data.h"

#include <errno.h>

struct incoming {
    struct session *session;
    struct smtp_data reader;
    struct bytes memory; /* what was read and not written yet */
    struct bytes head;   /* what replaces the first head_length bytes of memory, once judged */
    size_t head_length;
    int file;             /* -1 while all is in memory */
    const char *refusal;  /* the reply, when something is wrong */
    enum verdict trouble; /* or a verdict of the guard's */
};

/* --- the header section */

static enum verdict ask_author(struct session *s, const struct address_entry *entry)
{
    struct address author;
    if (address_of_entry(entry, &author) != ADDRESS_OK)
        return VERDICT_REFUSED;
    message_start(s->message, VERB_AUTHOR);
    message_put_str(s->message, author.text);
    return ask(s);
}

/* Every address in one From or Sender field must be the user's, and there must be one. */
static enum verdict check_authors(struct session *s, struct span value, size_t *count)
{
    struct address_entry entry;
    enum verdict v = VERDICT_OK;
    bool any = false;
    while (v == VERDICT_OK && address_list_next(&value, &entry)) {
        if (entry.kind == ADDRESS_MAILBOX) {
            any = true;
            v = ++*count > SMTPD_AUTHORS_LIMIT ? VERDICT_REFUSED : ask_author(s, &entry);
        }
        address_entry_free(&entry);
    }
    return v == VERDICT_OK && !any ? VERDICT_REFUSED : v;
}

static void judge_authors(struct incoming *in, struct span header)
{
    struct header_field field;
    enum verdict v = VERDICT_OK;
    size_t count = 0;
    while (v == VERDICT_OK && header_next(&header, &field))
        if (span_ieq_str(field.name, "From") || span_ieq_str(field.name, "Sender"))
            v = check_authors(in->session, field.value, &count);
    if (v == VERDICT_REFUSED)
        in->refusal = "550 5.7.1 An address in From or Sender isn't yours";
    else
        in->trouble = v;
}

static void add_missing(struct incoming *in, const struct fields *have)
{
    const struct session *s = in->session;
    if (!have->date) {
        bytes_add_str(&in->head, "Date: ");
        date_write(clock_now(), &in->head);
        bytes_add_str(&in->head, "\r\n");
    }
    if (!have->from && s->transaction.sender[0])
        bytes_printf(&in->head, "From: <%s>\r\n", s->transaction.sender);
    if (!have->message_id)
        bytes_printf(&in->head, "Message-ID: <%llx.%016llx@%s>\r\n", (unsigned long long)clock_now_us(),
                     (unsigned long long)random_u64(), s->serving->settings->hostname);
}

/* Judges the header section, which must be in memory, and makes what replaces it. */
static void judge_header(struct incoming *in)
{
    static const char *const dropped[] = { "Return-Path", NULL };
    static const char *const dropped_at_origin[] = { "Return-Path", "Bcc", "Resent-Bcc", NULL };
    struct span message = span_bytes(&in->memory);
    struct span header = { message.p, fields_begin(message) ? header_end(message) : 0 };
    unsigned origin = in->session->transaction.origin;
    struct fields have;
    fields_look(header, &have);
    if (have.received > SMTPD_RECEIVED_LIMIT)
        in->refusal = "554 5.4.6 The message runs in a loop: too many Received fields";
    else if (origin & ORIGIN_AUTHORS)
        judge_authors(in, header);
    if (origin & ORIGIN_COMPLETE)
        add_missing(in, &have);
    if (message.n && !header.n)
        bytes_add_str(&in->head, "\r\n"); /* it is all body */
    bool begins = origin & ORIGIN_COMPLETE;
    if (!have.return_path && !(begins && have.bcc))
        return;
    in->head_length = header.n;
    fields_without(header, begins ? dropped_at_origin : dropped, &in->head);
}

/* --- reading */

static void write_out(struct incoming *in, struct span bytes)
{
    if (in->trouble == VERDICT_OK && file_write(in->file, bytes) != ST_OK)
        in->trouble = errno == ENOSPC || errno == EDQUOT ? VERDICT_DISK_FULL : VERDICT_FAILED;
}

/* Memory is full: on with a file. */
static void begin_file(struct incoming *in)
{
    struct span all = span_bytes(&in->memory);
    if (header_end(all) == all.n && fields_begin(all)) {
        in->refusal = "552 5.3.4 The header section is too big";
        return;
    }
    judge_header(in);
    if (in->refusal || in->trouble != VERDICT_OK)
        return;
    message_start(in->session->message, VERB_FILE);
    in->trouble = ask(in->session);
    in->file = in->session->message->fd;
    if (in->trouble == VERDICT_OK && in->file < 0)
        in->trouble = VERDICT_FAILED;
    write_out(in, span_bytes(&in->head));
    write_out(in, span_from(span_bytes(&in->memory), in->head_length));
    bytes_clear(&in->memory);
}

static bool is_lost(const struct incoming *in)
{
    return in->refusal || in->trouble != VERDICT_OK || in->reader.found & SMTP_DATA_FAULTS;
}

static void read_some(struct incoming *in, struct span have)
{
    bool lost = is_lost(in);
    uint64_t most = in->session->serving->settings->message_size;
    conn_take(in->session->conn, smtp_data_read(&in->reader, have, lost ? NULL : &in->memory));
    if (lost)
        return;
    if (in->reader.size > most)
        in->refusal = "552 5.3.4 The message is too big";
    else if (in->memory.failed)
        in->trouble = VERDICT_FAILED;
    else if (in->file < 0 && in->memory.len > SMTPD_MEMORY_LIMIT)
        begin_file(in);
    else if (in->file >= 0)
        write_out(in, span_bytes(&in->memory));
    if (in->file >= 0 || is_lost(in))
        bytes_clear(&in->memory);
}

/* To the end of the message; false if the connection ended before. */
static bool read_message(struct incoming *in)
{
    struct session *s = in->session;
    struct span have;
    conn_begin(s->conn);
    while (!in->reader.ended && !s->ended)
        if (line_is_good(s, conn_peek_more(s->conn, 1, &have)))
            read_some(in, have);
    return in->reader.ended && !s->ended;
}

/* --- handing over */

/* `last` goes with the request to commit; what doesn't fit there goes before it. */
static bool send_pieces(struct session *s, struct span head, struct span *rest)
{
    while (head.n + rest->n > CHANNEL_PIECE || head.n) {
        bool first = head.n != 0;
        struct span piece = span_head(first ? head : *rest, CHANNEL_PIECE);
        message_start(s->message, VERB_PIECE);
        message_put(s->message, piece);
        if (!channel_send(s->serving->channel, s->message)) {
            reply_last(s, "421 4.3.0 Internal error, try again later");
            return false;
        }
        if (first)
            head = span_from(head, piece.n);
        else
            *rest = span_from(*rest, piece.n);
    }
    return true;
}

static void reply_commit(struct session *s, enum verdict v)
{
    struct span id;
    if (v == VERDICT_OK && message_get(s->message, &id) && message_end(s->message))
        conn_printf(s->conn, "250 2.0.0 Accepted as %.*s\r\n", SPAN_FMT(id));
    else
        reply_trouble(s, v);
}

/* LMTP: what became of each recipient (RFC 2033 4.2). */
static void reply_commits(struct session *s, uint64_t v)
{
    struct span id;
    for (size_t i = 0; i < s->transaction.accepted && !s->ended; i++) {
        bool known = (i == 0 || message_get_u64(s->message, &v)) && message_get(s->message, &id);
        if (known && v == VERDICT_OK)
            conn_printf(s->conn, "250 2.0.0 Accepted as %.*s\r\n", SPAN_FMT(id));
        else
            reply(s, trouble_line(known ? (enum verdict)v : VERDICT_FAILED));
    }
}

static void commit(struct incoming *in)
{
    struct session *s = in->session;
    struct span rest = span_from(span_bytes(&in->memory), in->file < 0 ? in->head_length : 0);
    if (in->file >= 0)
        rest.n = 0;
    else if (!send_pieces(s, span_bytes(&in->head), &rest))
        return;
    message_start(s->message, VERB_COMMIT);
    message_put_str(s->message, s->tls ? tls_description(s->conn) : "");
    message_put_u64(s->message, (in->file >= 0 ? COMMIT_FILE : 0) |
                                    (in->reader.found & SMTP_DATA_EIGHT_BIT ? COMMIT_EIGHT_BIT : 0));
    message_put(s->message, rest);
    if (s->lmtp)
        reply_commits(s, ask(s));
    else
        reply_commit(s, ask(s));
}

/* The reply to a message that can't be taken, or NULL. */
static const char *refusal_of(const struct incoming *in)
{
    if (in->reader.found & SMTP_DATA_BARE)
        return "550 5.6.0 CR or LF outside CRLF in the message";
    if (in->reader.found & SMTP_DATA_NUL)
        return "550 5.6.0 NUL in the message";
    if (in->reader.found & SMTP_DATA_LONG)
        return "550 5.6.0 A line of the message is too long";
    return in->refusal;
}

static void finish(struct incoming *in)
{
    struct session *s = in->session;
    if (in->file < 0 && !is_lost(in))
        judge_header(in);
    const char *refusal = refusal_of(in);
    if (in->trouble != VERDICT_OK) {
        reply_message_trouble(s, in->trouble);
    } else if (refusal) {
        guard_log(s->serving->channel, "refused-message", span_of(refusal));
        reply_message(s, refusal);
    } else if (in->head.failed) {
        reply_message_trouble(s, VERDICT_FAILED);
    } else {
        commit(in);
    }
}

void run_data(void *session, struct span argument)
{
    struct session *s = session;
    struct incoming in = { .session = s, .file = -1 };
    (void)argument;
    if (s->state == AT_MAIL) {
        reply_wrong(s, s->lmtp ? "503 5.5.1 No valid recipients" : "554 5.5.1 No valid recipients");
        return;
    }
    if (s->state != AT_RCPT) {
        reply_wrong(s, s->state != AT_START ? "503 5.5.1 MAIL first"
                       : s->lmtp            ? "503 5.5.1 LHLO first"
                                            : "503 5.5.1 EHLO first");
        return;
    }
    reply(s, "354 End the message with CRLF.CRLF");
    smtp_data_init(&in.reader);
    bytes_init(&in.memory, SMTPD_MEMORY_LIMIT + CONN_BUFFER);
    bytes_init(&in.head, SMTPD_MEMORY_LIMIT + SMTPD_ADDED_LIMIT);
    if (read_message(&in))
        finish(&in);
    file_close(in.file);
    bytes_free(&in.memory);
    bytes_free(&in.head);
    forget_transaction(s);
}
