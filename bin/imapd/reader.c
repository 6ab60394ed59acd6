/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Commands with literals from a connection; see reader.h.
 *
 * Once a literal has been refused the rest of the command is still read, and thrown away, so that its bytes
 * are never taken for commands. Only a synchronising literal needs no such care: its bytes come after our
 * "+", which then isn't sent. Where a count can't be trusted (20 digits, a LITERAL+ of gigabytes) the
 * connection ends.
 */
#include "reader.h"

#include "parse.h"

#include <string.h>

enum brace { BRACE_NONE, BRACE_LITERAL, BRACE_HUGE };

bool reader_init(struct reader *r, struct conn *conn, size_t literal_limit, uint64_t throw_away, bool append)
{
    *r = (struct reader){
        .conn = conn, .literal_limit = literal_limit, .throw_away = throw_away, .append = append
    };
    bytes_init(&r->text, literal_limit + 4 * (size_t)CONN_BUFFER);
    return bytes_reserve(&r->text, 1024);
}

void reader_free(struct reader *r)
{
    bytes_wipe(&r->text);
}

/* Does the line end with `{n}` or `{n+}`? */
static enum brace brace_at_end(struct span line, uint64_t *size, bool *plus)
{
    size_t end = line.n, start;
    if (end == 0 || line.p[end - 1] != '}')
        return BRACE_NONE;
    end--;
    *plus = end > 0 && line.p[end - 1] == '+';
    end -= *plus;
    for (start = end; start > 0 && ascii_digit(line.p[start - 1]); start--)
        ;
    if (start == 0 || start == end || line.p[start - 1] != '{')
        return BRACE_NONE;
    return span_u64((struct span){ line.p + start, end - start }, INT64_MAX, size) ? BRACE_LITERAL
                                                                                   : BRACE_HUGE;
}

static enum read_result line_result(struct reader *r, enum conn_result result)
{
    switch (result) {
    case CONN_OK:
        return READ_COMMAND;
    case CONN_TOO_LONG:
        r->error = "Line too long";
        return READ_BAD;
    case CONN_BARE:
        r->error = "Bare CR or LF in a command";
        return READ_BAD;
    case CONN_NUL:
        r->error = "NUL in a command";
        return READ_BAD;
    case CONN_TIMEOUT:
        return READ_TIMEOUT;
    case CONN_GONE:
        break;
    }
    return READ_GONE;
}

/* n bytes of a literal, appended to text where `keep`. */
static enum read_result read_literal(struct reader *r, uint64_t n, bool keep)
{
    while (n > 0) {
        struct span have;
        enum conn_result result = conn_peek(r->conn, &have);
        if (result != CONN_OK)
            return result == CONN_TIMEOUT ? READ_TIMEOUT : READ_GONE;
        have = span_head(have, n < SIZE_MAX ? (size_t)n : SIZE_MAX);
        if (keep)
            bytes_add_span(&r->text, have);
        n -= have.n;
        conn_take(r->conn, have.n);
    }
    return READ_COMMAND;
}

/* Is what has been read an APPEND whose last literal is the message? */
static bool at_append_message(const struct reader *r)
{
    struct parser p;
    struct bytes text;
    struct append_args args;
    struct span word;
    bytes_init(&text, r->text.len + 1);
    parser_init(&p, span_bytes(&r->text), &text);
    bool is = parse_tag(&p, &word) && parse_space(&p) && parse_atom(&p, &word) &&
              span_ieq_str(word, "APPEND") && parse_space(&p) && parse_append(&p, &args);
    bytes_free(&text);
    return is;
}

enum read_result reader_rest(struct reader *r)
{
    for (;;) {
        struct span line;
        uint64_t size;
        bool plus;
        enum conn_result got = conn_line(r->conn, READER_LINE, &line);
        if (got != CONN_OK)
            return line_result(r, got);
        enum brace brace = brace_at_end(line, &size, &plus);
        if (brace == BRACE_NONE || !plus)
            return READ_COMMAND;
        if (brace == BRACE_HUGE || size > r->throw_away)
            return READ_END;
        enum read_result result = read_literal(r, size, false);
        if (result != READ_COMMAND)
            return result;
    }
}

enum read_result reader_discard(struct reader *r, uint64_t n)
{
    r->error = "Literal too large";
    if (n > r->throw_away)
        return READ_END;
    enum read_result result = read_literal(r, n, false);
    return result == READ_COMMAND ? reader_rest(r) : result;
}

static enum read_result refuse_literal(struct reader *r, enum brace brace, uint64_t size, bool plus)
{
    r->error = brace == BRACE_HUGE ? "Bad literal" : "Literal too large";
    if (!plus)
        return READ_BAD;
    if (brace == BRACE_HUGE)
        return READ_END;
    enum read_result result = reader_discard(r, size);
    return result == READ_COMMAND ? READ_BAD : result;
}

enum read_result reader_more(struct reader *r)
{
    struct span line;
    uint64_t size = 0;
    bool plus = false;
    bytes_clear(&r->text);
    enum conn_result got = conn_line(r->conn, READER_LINE, &line);
    if (got != CONN_OK)
        return line_result(r, got);
    enum brace brace = brace_at_end(line, &size, &plus);
    if (brace == BRACE_HUGE)
        return refuse_literal(r, brace, size, plus);
    bytes_add_span(&r->text, line);
    r->comes = brace == BRACE_LITERAL && plus;
    r->left = size;
    return brace == BRACE_LITERAL ? READ_APPEND : READ_COMMAND;
}

enum read_result reader_command(struct reader *r)
{
    uint64_t literals = 0;
    bytes_clear(&r->text);
    r->error = NULL;
    conn_begin(r->conn);
    for (unsigned pieces = 0;; pieces++) {
        struct span line;
        uint64_t size;
        bool plus;
        enum conn_result got = conn_line(r->conn, READER_LINE, &line);
        if (got != CONN_OK)
            return line_result(r, got);
        enum brace brace = brace_at_end(line, &size, &plus);
        /* The line and one line end, and never more than the limit of both together. */
        if (!bytes_add_span(&r->text, line)) {
            r->error = "Command too long";
            return brace == BRACE_NONE || !plus ? READ_BAD : READ_END;
        }
        if (brace == BRACE_NONE)
            return READ_COMMAND;
        if (brace == BRACE_LITERAL && r->append && at_append_message(r)) {
            r->comes = plus;
            r->left = size;
            return READ_APPEND;
        }
        if (brace == BRACE_HUGE || size > r->literal_limit - literals || pieces == READER_PIECES)
            return refuse_literal(r, brace, size, plus);
        literals += size;
        bytes_add_str(&r->text, "\r\n");
        if (!plus)
            conn_write_str(r->conn, "+ Go ahead\r\n");
        enum read_result result = read_literal(r, size, true);
        if (result != READ_COMMAND)
            return result;
    }
}
