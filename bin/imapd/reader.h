/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads one command: its line, and the literals and lines that go on with it, into one
 * piece of memory, as parse.h wants it. Synchronising literals are invited with "+ ".
 */
#ifndef POSTERN_IMAPD_READER_H
#define POSTERN_IMAPD_READER_H

#include "net/conn.h"

#define READER_LINE (CONN_BUFFER - 2) /* bytes of a line between literals */
#define READER_PIECES 256             /* literals in one command */

struct reader {
    struct conn *conn;
    struct bytes text;    /* the command */
    size_t literal_limit; /* bytes of all literals of a command */
    uint64_t throw_away;  /* a LITERAL+ up to here that is refused is read and thrown away; beyond, the
                             connection ends */
    bool comes;           /* with READ_APPEND: the literal's bytes come without being invited, */
    uint64_t left;        /* so many */
    bool append;          /* stop in front of APPEND's message */
    const char *error;    /* with READ_BAD and READ_END: a line for the client */
};

enum read_result {
    READ_COMMAND, /* whole, in text */
    READ_APPEND,  /* APPEND up to its message's literal, which has not been invited */
    READ_BAD,     /* refused; all of it has been read. text is what came before, perhaps with a tag */
    READ_END,     /* refused, and where the next command begins is unknown: say BYE */
    READ_GONE,
    READ_TIMEOUT,
};

/* literal_limit bytes of literals, READER_LINE a line; false without memory. */
bool reader_init(struct reader *r, struct conn *conn, size_t literal_limit, uint64_t throw_away, bool append);
void reader_free(struct reader *r);
enum read_result reader_command(struct reader *r);
/* Reads n bytes of the client and throws them away, then the rest of the command. For a refused APPEND.
 * READ_COMMAND when that is done. */
enum read_result reader_discard(struct reader *r, uint64_t n);
/* The rest of a refused command: literals that come by themselves, and lines up to the one that ends it.
 * READ_COMMAND when that is done. */
enum read_result reader_rest(struct reader *r);
/* Behind the bytes of an APPEND's message: the line that follows replaces the text. READ_COMMAND if it has no
 * literal, so that the command ends here; READ_APPEND if it ends with one. */
enum read_result reader_more(struct reader *r);

#endif
