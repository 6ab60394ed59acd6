/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading commands and the replies they have in common; see pop3.h.
 *
 * Every line gets exactly one reply, whatever is wrong with it, so that a client that pipelines (RFC
 * 2449 6.8) is never out of step. A client that falls silent is left without a word (RFC 1939 3: no reply on
 * a timeout, nothing deleted).
 */
#include "pop3.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/sasl.h"

#include <limits.h>

__attribute__((format(printf, 3, 0))) static void answer(struct pop3 *p, const char *indicator,
                                                         const char *format, va_list ap)
{
    struct bytes text;
    bytes_init(&text, 1024);
    bytes_vprintf(&text, format, ap);
    conn_printf(p->conn, "%s %s\r\n", indicator, bytes_str(&text));
    bytes_free(&text);
}

void pop3_ok(struct pop3 *p, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    answer(p, "+OK", format, ap);
    va_end(ap);
}

void pop3_err(struct pop3 *p, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    answer(p, "-ERR", format, ap);
    va_end(ap);
}

void pop3_wrong(struct pop3 *p, const char *text)
{
    if (++p->wrong >= POP3_WRONG_LIMIT) {
        pop3_err(p, "%s; too many wrong commands, closing", text);
        p->over = true;
    } else {
        pop3_err(p, "%s", text);
    }
}

void pop3_capabilities(struct pop3 *p, const struct settings *s, bool tls, bool stls)
{
    bool passwords = sasl_takes_passwords(s, tls);
    pop3_ok(p, "what this server can do:");
    if (passwords)
        conn_write_str(p->conn, "USER\r\n");
    if (passwords || s->scram) {
        conn_write_str(p->conn, "SASL");
        sasl_write_mechanisms(p->conn, s, tls, false, " ");
        conn_write_str(p->conn, "\r\n");
    }
    if (stls)
        conn_write_str(p->conn, "STLS\r\n");
    conn_write_str(p->conn,
                   "TOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nEXPIRE NEVER\r\nUTF8\r\n"
                   "IMPLEMENTATION Postern\r\n.\r\n");
}

static void run_line(struct pop3 *p, void *self, struct span line)
{
    struct span argument;
    const struct command *c = command_find(p->table, line, &argument);
    if (!c->name)
        pop3_wrong(p, "there is no such command");
    else if (!(c->states & p->state))
        pop3_wrong(p, p->untimely);
    else if ((c->flags & POP3_NO_ARGUMENT) && span_trim(argument).n)
        pop3_wrong(p, "this command takes no argument");
    else
        c->run(self, argument);
}

/* With -v: hides the line that is coming if it may hold a password, which only its first word tells. */
static void hide_secrets(struct pop3 *p)
{
    struct span have = conn_pending(p->conn);
    conn_begin(p->conn);
    while (have.n < 4 && span_find(have, '\n') == have.n)
        if (conn_peek_more(p->conn, have.n + 1, &have) != CONN_OK)
            return;
    conn_mask(p->conn, span_istarts(have, "PASS") || span_istarts(have, "AUTH"));
}

/* False if the time for all that comes before a login is over. */
static bool in_time(const struct pop3 *p)
{
    if (!p->until)
        return true;
    int64_t left = p->until - clock_ms();
    if (left > 0)
        conn_deadlines(p->conn, left > INT_MAX ? INT_MAX : (int)left, p->rate);
    return left > 0;
}

void pop3_serve(struct pop3 *p, void *self)
{
    while (!p->over && in_time(p)) {
        struct span line;
        if (log_is_verbose())
            hide_secrets(p);
        switch (conn_line(p->conn, POP3_LINE_LIMIT, &line)) {
        case CONN_OK:
            run_line(p, self, line);
            break;
        case CONN_TOO_LONG:
            pop3_wrong(p, "the line is too long (255 octets at most)");
            break;
        case CONN_BARE:
            pop3_wrong(p, "a CR or LF stands alone; lines end in CRLF");
            break;
        case CONN_NUL:
            pop3_wrong(p, "the line holds a NUL");
            break;
        case CONN_GONE:
        case CONN_TIMEOUT:
            p->over = true;
            break;
        }
    }
    conn_flush(p->conn);
}
