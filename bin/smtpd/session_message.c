/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A message that comes in, from its first byte until it is handed to the guard; see incoming.h.
 *
 * Up to SMTPD_MEMORY_LIMIT bytes stay in memory and go to the guard in pieces, the last one with the request
 * to commit. A larger message is written to a file that the guard opened; its header section must end within
 * the first SMTPD_MEMORY_LIMIT bytes, as it is judged, and rewritten, before anything is written.
 */
#include "session_milter.h"
#include "session_seal.h"
#include "session_sign.h"
#include "base/files.h"
#include "text/fields.h"
#include "text/header.h"

#include <errno.h>

#define FIRST_MEMORY 16000 /* most messages: these don't grow a buffer from one size to the next */

void incoming_init(struct incoming *in, struct session *s)
{
    *in = (struct incoming){ .session = s, .file = -1 };
    bytes_init(&in->memory, SMTPD_MEMORY_LIMIT + CONN_BUFFER);
    bytes_reserve(&in->memory, FIRST_MEMORY);
    bytes_init(&in->head, SMTPD_MEMORY_LIMIT + SMTPD_ADDED_LIMIT);
    bytes_init(&in->added, SMTPD_FIELDS_LIMIT);
}

void incoming_free(struct incoming *in)
{
    file_close(in->file);
    in->file = -1;
    bytes_free(&in->memory);
    bytes_free(&in->head);
    bytes_free(&in->added);
    trust_free(in);
}

/* --- coming in */

/* Body bytes as they came, each once, for all that look at them on the way. */
static void see_body(struct incoming *in, struct span piece)
{
    if (!in->seen && piece.n)
        trust_body(in, piece);
}

static void write_out(struct incoming *in, struct span bytes)
{
    if (in->trouble == VERDICT_OK && file_write(in->file, bytes) != ST_OK)
        in->trouble = errno == ENOSPC || errno == EDQUOT ? VERDICT_DISK_FULL : VERDICT_FAILED;
}

enum verdict incoming_ask_file(struct incoming *in, int *file)
{
    struct message *m = in->session->message;
    message_start(m, VERB_FILE);
    enum verdict v = ask(in->session);
    *file = v == VERDICT_OK ? m->fd : -1;
    return v == VERDICT_OK && *file < 0 ? VERDICT_FAILED : v;
}

/* Memory is full: on with a file. */
void incoming_to_file(struct incoming *in)
{
    struct span all = span_bytes(&in->memory);
    if (!in->raw && header_end(all) == all.n && fields_begin(all)) {
        in->refusal = "552 5.3.4 The header section is too big";
        return;
    }
    if (!in->raw)
        judge_header(in);
    if (in->refusal || in->trouble != VERDICT_OK)
        return;
    in->trouble = incoming_ask_file(in, &in->file);
    write_out(in, span_bytes(&in->head));
    write_out(in, span_from(span_bytes(&in->memory), in->head_length));
    if (!in->raw)
        see_body(in, span_from(span_bytes(&in->memory), in->header_length));
    bytes_clear(&in->memory);
}

bool incoming_is_lost(const struct incoming *in)
{
    return in->refusal || in->trouble != VERDICT_OK || in->reader.found & SMTP_DATA_FAULTS;
}

/* What became of `memory`. */
static void settle(struct incoming *in)
{
    uint64_t most = in->session->serving->settings->message_size;
    if (in->reader.size > most)
        in->refusal = TOO_BIG;
    else if (in->memory.failed)
        in->trouble = VERDICT_FAILED;
    else if (in->file < 0 && in->memory.len > SMTPD_MEMORY_LIMIT)
        incoming_to_file(in);
    else if (in->file >= 0) {
        write_out(in, span_bytes(&in->memory));
        if (!in->raw)
            see_body(in, span_bytes(&in->memory));
    }
    if (in->file >= 0 || incoming_is_lost(in))
        bytes_clear(&in->memory);
}

size_t incoming_add(struct incoming *in, struct span piece)
{
    bool lost = incoming_is_lost(in);
    struct bytes *to = lost ? NULL : &in->memory;
    size_t n = piece.n;
    if (!in->raw)
        n = smtp_data_read(&in->reader, piece, to);
    else if ((in->reader.size += n) && to)
        bytes_add_span(to, piece);
    if (!lost)
        settle(in);
    return n;
}

void incoming_end_chunks(struct incoming *in)
{
    bool lost = incoming_is_lost(in);
    smtp_data_end_chunks(&in->reader, lost ? NULL : &in->memory);
    if (!lost)
        settle(in);
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

static void reply_accepted(struct session *s, struct span id)
{
    conn_write_str(s->conn, "250 2.0.0 Accepted as ");
    conn_write_span(s->conn, id);
    conn_write_str(s->conn, "\r\n");
}

static void reply_commit(struct session *s, enum verdict v)
{
    struct span id;
    if (v == VERDICT_OK && message_get(s->message, &id) && message_end(s->message))
        reply_accepted(s, id);
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
            reply_accepted(s, id);
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
                                    (in->reader.found & SMTP_DATA_EIGHT_BIT ? COMMIT_EIGHT_BIT : 0) |
                                    (in->junk ? COMMIT_JUNK : 0) | (in->seven_bit ? COMMIT_SEVEN_BIT : 0));
    message_put(s->message, span_bytes(&in->added));
    message_put_str(s->message, in->message_id);
    message_put(s->message, rest);
    if (s->lmtp)
        reply_commits(s, ask(s));
    else
        reply_commit(s, ask(s));
}

const char *incoming_refusal(const struct incoming *in)
{
    if (in->reader.found & SMTP_DATA_BARE)
        return "550 5.6.0 CR or LF outside CRLF in the message";
    if (in->reader.found & SMTP_DATA_NUL)
        return "550 5.6.0 NUL in the message";
    if (in->reader.found & SMTP_DATA_LONG)
        return "550 5.6.0 A line of the message is too long";
    return in->refusal;
}

/* What is done with a message that is there as a whole, in this order, while nothing is against it. */
static void (*const steps[])(struct incoming *in) = {
    trust_finish,
    milters_message,
    session_sign, /* the last, of what leaves: this of what begins here, */
    session_seal, /* and this of what goes through */
};

static void judge(struct incoming *in)
{
    if (in->file < 0) {
        judge_header(in);
        see_body(in, span_from(span_bytes(&in->memory), in->header_length));
    }
    for (size_t i = 0;
         i < sizeof steps / sizeof steps[0] && !incoming_is_lost(in) && !in->dropped && !in->session->ended;
         i++)
        steps[i](in);
}

static void tell_refusal(struct incoming *in, const char *refusal)
{
    struct message *m = in->session->message;
    message_start(m, VERB_REFUSED);
    message_put_u64(m, strstr(refusal, BY_MESSAGE_SIZE) != NULL);
    message_put_str(m, refusal);
    channel_send(in->session->serving->channel, m);
}

void incoming_finish(struct incoming *in)
{
    struct session *s = in->session;
    if (!incoming_is_lost(in))
        judge(in);
    if (s->ended)
        return;
    const char *refusal = incoming_refusal(in);
    if (in->trouble != VERDICT_OK) {
        reply_message_trouble(s, in->trouble);
    } else if (refusal) {
        if (refusal != in->said && !in->by_filter) /* of these the log has more */
            tell_refusal(in, refusal);
        reply_message(s, refusal);
        s->ended = in->by_filter && span_starts(span_of(refusal), "421");
    } else if (in->head.failed) {
        reply_message_trouble(s, VERDICT_FAILED);
    } else if (in->dropped) {
        reply_accepted(s, span_of(milters_id(s)));
    } else {
        commit(in);
    }
}
