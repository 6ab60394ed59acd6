/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * BDAT (RFC 3030): the message in chunks of a size that is said, each with an answer, so that nothing in it
 * ends it.
 *
 * The bytes of a chunk are always read, whatever the answer will be: only a BDAT that doesn't say how many
 * they are ends the connection, as nobody can tell then where commands go on, and so does a first chunk for
 * which there is no memory. Once a chunk was refused, those behind it are too, until RSET or LAST. Without
 * BODY=BINARYMIME a message must be lines as behind DATA. With it, it is kept as it comes, in memory or in a
 * file that is mapped once all is there, and then made into such lines: parts that are no text become base64,
 * and what is then still no line of text is refused. What this makes of it goes the same way as any other
 * message.
 */
#include "session_milter.h"
#include "base/files.h"
#include "text/fields.h"
#include "text/header.h"
#include "text/mime.h"

#include <stdlib.h>
#include <sys/mman.h>

/* "size" or "size LAST". */
static bool read_argument(struct span argument, uint64_t *size, bool *last)
{
    struct span rest = span_trim(argument), word;
    if (!rest.n || !span_cut(&rest, ' ', &word) || !span_u64(word, INT64_MAX, size))
        return false;
    rest = span_trim(rest);
    *last = span_ieq_str(rest, "LAST");
    return *last || rest.n == 0;
}

/* Takes the chunk's bytes from the connection; `in` NULL: and throws them away. False if it ended before. */
static bool read_chunk(struct session *s, uint64_t size, struct incoming *in)
{
    struct span have;
    conn_begin(s->conn);
    while (size && !s->ended) {
        if (!line_is_good(s, conn_peek_more(s->conn, 1, &have)))
            continue;
        if (have.n > size)
            have.n = (size_t)size;
        if (in)
            incoming_add(in, have);
        conn_take(s->conn, have.n);
        size -= have.n;
    }
    return !s->ended;
}

/* --- what was binary */

static bool put_text(void *to, struct span piece)
{
    struct incoming *text = to;
    while (piece.n && !incoming_is_lost(text)) {
        incoming_add(text, span_head(piece, CONN_BUFFER));
        piece = span_from(piece, CONN_BUFFER);
    }
    return !incoming_is_lost(text);
}

/* False, with `trouble`, where memory failed. */
static bool make_text(struct span message, struct incoming *text)
{
    struct mime_part *root = mime_parse(message);
    bool good = root && mime_for_transport(message, root, put_text, text);
    mime_free(root);
    if (!good && !incoming_is_lost(text))
        text->trouble = VERDICT_FAILED;
    return good;
}

/* Signatures are of what was sent. A header section that would be refused as lines too is not looked at. */
static void see_whole(struct incoming *raw, struct incoming *text, struct span message)
{
    size_t header = fields_begin(message) ? header_end(message) : 0;
    if (header > SMTPD_MEMORY_LIMIT) {
        text->refusal = "552 5.3.4 The header section is too big";
        return;
    }
    trust_header(raw, span_head(message, header));
    trust_body(raw, span_from(message, header));
    text->trust = raw->trust;
    text->seen = true;
    text->trouble = raw->trouble;
    raw->trust = NULL;
}

static void finish_binary(struct incoming *raw)
{
    struct incoming text;
    struct span message = span_bytes(&raw->memory);
    void *map = MAP_FAILED;
    incoming_init(&text, raw->session);
    smtp_data_init_chunks(&text.reader);
    if (raw->file >= 0) {
        message.n = (size_t)raw->reader.size;
        map = mmap(NULL, message.n, PROT_READ, MAP_PRIVATE, raw->file, 0);
        message.p = map != MAP_FAILED ? map : NULL;
    }
    if (message.p)
        see_whole(raw, &text, message);
    if (!message.p)
        text.trouble = VERDICT_FAILED;
    else if (!incoming_is_lost(&text) && make_text(message, &text))
        incoming_end_chunks(&text);
    if (raw->file >= 0 && text.file < 0 && !incoming_is_lost(&text))
        incoming_to_file(&text); /* a little smaller than the other, and the guard waits for a file */
    if (map != MAP_FAILED)
        munmap(map, message.n);
    if (text.refusal && text.reader.size > raw->session->serving->settings->message_size)
        text.refusal = "552 5.3.4 The message is too big when its binary parts are base64" BY_MESSAGE_SIZE;
    incoming_finish(&text);
    incoming_free(&text);
}

/* --- the command */

static void finish(struct incoming *in)
{
    if (in->raw && !incoming_is_lost(in)) {
        finish_binary(in);
    } else {
        if (!in->raw)
            incoming_end_chunks(in);
        incoming_finish(in);
    }
}

static void answer_chunk(struct session *s, const struct incoming *in, uint64_t size)
{
    const char *refusal = incoming_refusal(in);
    if (in->trouble != VERDICT_OK)
        reply_trouble(s, in->trouble);
    else if (refusal)
        reply(s, refusal);
    else
        conn_printf(s->conn, "250 2.0.0 %llu bytes\r\n", (unsigned long long)size);
}

/* Why BDAT can't come now, or NULL. */
static const char *not_now(const struct session *s)
{
    if (s->state == AT_START)
        return s->lmtp ? "503 5.5.1 LHLO first" : "503 5.5.1 EHLO first";
    if (s->state == AT_IDLE)
        return "503 5.5.1 MAIL first";
    return s->state == AT_MAIL ? "503 5.5.1 No valid recipients" : NULL;
}

static struct incoming *begin(struct session *s)
{
    struct incoming *in = malloc(sizeof *in);
    if (!in)
        return NULL;
    incoming_init(in, s);
    in->raw = s->transaction.mail.binary;
    if (!in->raw)
        smtp_data_init_chunks(&in->reader);
    s->transaction.incoming = in;
    s->state = AT_BODY;
    trust_envelope(in);
    milters_data(in);
    return in;
}

void run_bdat(void *session, struct span argument)
{
    struct session *s = session;
    struct incoming *in = s->transaction.incoming;
    uint64_t size;
    bool last;
    if (!read_argument(argument, &size, &last)) {
        reply_last(s, "501 5.5.4 Syntax: BDAT size [LAST]; where commands go on can't be told now");
        return;
    }
    const char *why = not_now(s);
    if (!in && !why)
        in = begin(s);
    if (!read_chunk(s, size, in))
        return;
    if (why) {
        reply_wrong(s, why);
    } else if (!in) {
        /* the chunk is lost, so none may follow it */
        reply_last(s, "421 4.3.0 Internal error, try again later");
    } else if (!last) {
        answer_chunk(s, in, size);
    } else {
        finish(in);
        forget_transaction(s);
    }
}

void bdat_forget(struct session *s)
{
    if (s->transaction.incoming) {
        incoming_free(s->transaction.incoming);
        free(s->transaction.incoming);
        s->transaction.incoming = NULL;
    }
}
