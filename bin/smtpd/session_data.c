/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DATA: reads the message to its end (RFC 5321 4.1.1.4). Whatever is wrong is said there, once: there is no
 * other way to answer in the middle of DATA.
 */
#include "session_milter.h"

/* To the end of the message; false if the connection ended before. */
static bool read_message(struct incoming *in)
{
    struct session *s = in->session;
    struct span have;
    conn_begin(s->conn);
    while (!in->reader.ended && !s->ended)
        if (line_is_good(s, conn_peek_more(s->conn, 1, &have)))
            conn_take(s->conn, incoming_add(in, have));
    return in->reader.ended && !s->ended;
}

/* Why DATA can't come now, or NULL. */
static const char *not_now(const struct session *s)
{
    if (s->state == AT_START)
        return s->lmtp ? "503 5.5.1 LHLO first" : "503 5.5.1 EHLO first";
    if (s->state == AT_IDLE)
        return "503 5.5.1 MAIL first";
    if (s->state == AT_MAIL)
        return s->lmtp ? "503 5.5.1 No valid recipients" : "554 5.5.1 No valid recipients";
    if (s->state == AT_BODY)
        return "503 5.5.1 The message is coming by BDAT";
    return s->transaction.mail.binary ? "503 5.5.1 BINARYMIME comes by BDAT only" : NULL;
}

void run_data(void *session, struct span argument)
{
    struct session *s = session;
    struct incoming in;
    const char *why = not_now(s);
    (void)argument;
    if (why) {
        reply_wrong(s, why);
        return;
    }
    incoming_init(&in, s);
    smtp_data_init(&in.reader);
    trust_envelope(&in);
    milters_data(&in);
    if (incoming_is_lost(&in)) {
        incoming_finish(&in);
    } else if (!s->ended) {
        reply(s, "354 End the message with CRLF.CRLF");
        if (read_message(&in))
            incoming_finish(&in);
    }
    incoming_free(&in);
    forget_transaction(s);
}
