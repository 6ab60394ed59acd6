/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From file to wire; see wire.h. A piece of WIRE_PIECE bytes is read at a time; only the state below survives
 * from one piece to the next. A CR that no LF follows is sent as it is.
 */
#include "wire.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define WIRE_PIECE 32768

struct wire {
    struct conn *conn;
    uint64_t lines; /* of the body that may still be sent */
    bool at_start;  /* of a line */
    bool cr;        /* the byte before was a CR */
    bool blank;     /* nothing of this line so far, or a CR alone */
    bool body;      /* past the empty line */
    bool over;      /* the last line wanted has been sent */
};

/* Part of a line, without its LF. */
static void send_part(struct wire *w, const char *at, size_t n)
{
    if (n == 0)
        return;
    if (w->at_start && *at == '.')
        conn_write(w->conn, ".", 1);
    w->blank = w->blank && n == 1 && *at == '\r' && w->at_start;
    w->at_start = false;
    w->cr = at[n - 1] == '\r';
    conn_write(w->conn, at, n);
}

static void end_line(struct wire *w)
{
    conn_write_str(w->conn, w->cr ? "\n" : "\r\n");
    if (w->body)
        w->lines--;
    else if (w->blank)
        w->body = true;
    w->over = w->body && w->lines == 0;
    w->at_start = w->blank = true;
    w->cr = false;
}

static void send_piece(struct wire *w, const char *at, size_t n)
{
    while (n && !w->over) {
        const char *lf = memchr(at, '\n', n);
        size_t part = lf ? (size_t)(lf - at) : n;
        send_part(w, at, part);
        if (lf)
            end_line(w);
        part += lf != NULL;
        at += part;
        n -= part;
    }
}

bool wire_send(struct conn *c, int fd, uint64_t lines)
{
    struct wire w = { .conn = c, .lines = lines, .at_start = true, .blank = true };
    char piece[WIRE_PIECE];
    while (!w.over) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || conn_is_gone(c))
            return false;
        if (n == 0)
            break;
        send_piece(&w, piece, (size_t)n);
    }
    if (!w.at_start)
        end_line(&w);
    conn_write_str(c, ".\r\n");
    return true;
}
