/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Commands and replies; see smtp.h. A reply is bounded in length and all of it by one deadline, so neither an
 * endless line, nor lines without end, nor a line that drips byte by byte holds us. The bound is far above
 * the 512 bytes a line that RFC 5321 (4.5.3.1.5) asks for: a reply to the final dot that isn't understood
 * means that the message is sent once more. Lone LF line ends are accepted: we only read.
 */
#include "smtp.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

#define COMMAND_LIMIT 1024
#define SERVICE_CLOSING 421

void smtp_lost(struct smtp *s, const char *why)
{
    s->gone = true;
    reply_start(&s->reply);
    s->reply.length = (size_t)snprintf(s->reply.text, sizeof s->reply.text, "%s", why);
}

void smtp_command(struct smtp *s, const char *format, ...)
{
    struct bytes line;
    va_list ap;
    bytes_init(&line, COMMAND_LIMIT);
    va_start(ap, format);
    bytes_vprintf(&line, format, ap);
    va_end(ap);
    if (log_is_verbose())
        log_trace('C', span_bytes(&line));
    bytes_add_str(&line, "\r\n");
    if (line.failed)
        smtp_lost(s, "4.3.0 A command grew too long");
    else
        conn_write(s->conn, line.data, line.len);
    bytes_free(&line);
}

/* One line; the wait is what is left of the reply's. */
static bool read_line(struct smtp *s, int64_t until, struct span *line)
{
    struct span have = conn_pending(s->conn);
    for (size_t seen = 0;;) {
        size_t lf = seen + span_find(span_from(have, seen), '\n');
        if (lf < have.n) {
            *line = span_head(have, lf);
            conn_take(s->conn, lf + 1);
            if (line->n && line->p[line->n - 1] == '\r')
                line->n--;
            return true;
        }
        int64_t left = until - clock_ms();
        if (have.n > REPLY_LIMIT || left <= 0) {
            smtp_lost(s, have.n > REPLY_LIMIT ? "4.5.0 The server sent an endless line"
                                              : "4.4.2 The server took too long");
            return false;
        }
        seen = have.n;
        conn_deadlines(s->conn, (int)left, 0);
        enum conn_result r = conn_peek_more(s->conn, have.n + 1, &have);
        if (r != CONN_OK) {
            smtp_lost(s, r == CONN_TIMEOUT ? "4.4.2 The server took too long" : "4.4.2 The server hung up");
            return false;
        }
    }
}

bool smtp_reply(struct smtp *s, int64_t ms, bool is_ehlo)
{
    struct ehlo offers = { 0 };
    enum reply_state state = REPLY_MORE;
    int64_t most = ms == SMTP_END_MS ? 2 * s->timeout_ms : s->timeout_ms;
    int64_t until = clock_ms() + (ms < most ? ms : most);
    if (s->gone)
        return false;
    reply_start(&s->reply);
    while (state == REPLY_MORE) {
        struct span line;
        if (!read_line(s, until, &line))
            return false;
        if (log_is_verbose())
            log_trace('S', line);
        state = reply_line(&s->reply, line);
        if (s->reply.lines > 1 || state == REPLY_MORE) /* the first line is the greeting */
            ehlo_line(&offers, s->reply.lines > 1 ? span_from(line, 4) : SPAN(""));
    }
    if (state == REPLY_BAD) {
        smtp_lost(s, "4.5.0 The server sent something that is no SMTP reply");
        return false;
    }
    if (is_ehlo)
        s->ehlo = s->reply.code / 100 == 2 ? offers : (struct ehlo){ 0 };
    s->gone = s->gone || s->reply.code == SERVICE_CLOSING;
    return true;
}

unsigned smtp_class(const struct smtp *s)
{
    return s->reply.code / 100;
}
