/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One connection as lines and bytes, plain or TLS, with deadlines.
 *
 * Output is buffered and flushed when, and only when, input would block: replies to
 * pipelined commands then leave together, and nobody has to think about it. Errors
 * are sticky: after a failed write or read, writes do nothing and reads answer
 * CONN_GONE, so a command loop simply ends. Works on a socket, or on a pair of pipes or files.
 *
 * Spans that a read returns point into the connection's buffer and are valid until
 * the next call that reads.
 */
#ifndef POSTERN_NET_CONN_H
#define POSTERN_NET_CONN_H

#include "base/bytes.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CONN_BUFFER 65536 /* input held at a time; no line can be longer */
#define CONN_OUTPUT 65536 /* output held before it is written all the same */

enum conn_result {
    CONN_OK,
    CONN_GONE,     /* the other side hung up, or an error: nothing more will come */
    CONN_TIMEOUT,  /* a deadline passed; also sticky for reads, writes still work (to say so) */
    CONN_TOO_LONG, /* the line exceeded its maximum; it has been read to its end and thrown away */
    CONN_BARE,     /* the line held a CR or LF outside CRLF; thrown away to the CRLF (or to that LF) */
    CONN_NUL,      /* the line held a NUL; thrown away */
};

struct conn;

/* rfd and wfd may be the same. They are not closed by conn_free. NULL if memory runs out. */
struct conn *conn_new(int rfd, int wfd);
void conn_free(struct conn *c);

/* Deadlines: a read or write that blocks waits `idle_ms` at most. From the first byte after conn_begin() on,
 * input has 30 s plus a second for every `rate` bytes that came: this ends slow-drip clients. 0 turns either
 * off. */
void conn_deadlines(struct conn *c, int idle_ms, unsigned rate);
/* A new command or message begins with the next byte, for the rate. conn_line() does it by itself. */
void conn_begin(struct conn *c);

/* One line without its CRLF, at most `max` bytes (max <= CONN_BUFFER - 2). */
enum conn_result conn_line(struct conn *c, size_t max, struct span *line);
/* Waits until at least one byte is there and returns all that is buffered, without consuming. */
enum conn_result conn_peek(struct conn *c, struct span *have);
/* Waits until at least `n` bytes (<= CONN_BUFFER) are there and returns all that is buffered, without
 * consuming. */
enum conn_result conn_peek_more(struct conn *c, size_t n, struct span *have);
/* Consumes n bytes of what conn_peek returned. */
void conn_take(struct conn *c, size_t n);
/* What is buffered now, without waiting: plaintext that was pipelined behind STARTTLS, or what a hand-over
 * takes along. */
struct span conn_pending(const struct conn *c);
/* Puts bytes in front of the input (a hand-over). False if they don't fit. */
bool conn_unread(struct conn *c, struct span data);

/* Output: buffered, nothing once the connection is gone. */
void conn_write(struct conn *c, const void *data, size_t n);
void conn_write_span(struct conn *c, struct span s);
void conn_write_str(struct conn *c, const char *s);
void conn_write_u64(struct conn *c, uint64_t n); /* in decimal */
/* Not for what every connection of a warm listener says, which is better written in parts by those above:
 * printf(3) touches six pages more of libc and of the stack, and each of its short-lived processes would have
 * to get them. */
void conn_printf(struct conn *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Writes what is buffered. False if the connection is gone. */
bool conn_flush(struct conn *c);
bool conn_is_gone(const struct conn *c);

/* Waits until the client sent something (bit CONN_INPUT), `other_fd` is readable (bit CONN_OTHER), or `ms`
 * passed (0). Flushes first. A client that is gone counts as input. other_fd may be -1. */
#define CONN_INPUT 1
#define CONN_OTHER 2
int conn_wait(struct conn *c, int other_fd, int ms);

/* Every line in and out is passed to log_trace() when -v is on. conn_mask(c, true) hides the next input
 * lines. */
void conn_trace(struct conn *c, bool on);
void conn_mask(struct conn *c, bool on);

/* Reads what is there already, without waiting. False if nothing will ever come again (or the buffer is
 * full). */
bool conn_try(struct conn *c);

/* For tls.c and deflate.c: the transport below (conn_transport.c). Reading never waits: -1 with errno EAGAIN
 * where it would. conn_raw_wait waits for input by the deadlines; false: too late. Writing writes all, or
 * returns -1. */
ssize_t conn_raw_read(struct conn *c, void *to, size_t n);
bool conn_raw_wait(struct conn *c);
ssize_t conn_raw_write(struct conn *c, const void *data, size_t n);
/* Ends the connection for reads and writes: a protocol error below the lines. */
void conn_abandon(struct conn *c);
/* What is between the lines and the transport: TLS or compression. */
struct conn_layer {
    void *state;
    ssize_t (*read)(void *state, void *to, size_t n);          /* as conn_raw_read */
    ssize_t (*write)(void *state, const void *data, size_t n); /* as conn_raw_write */
    bool (*pending)(void *state);                              /* bytes wait inside, or may */
    void (*close)(void *state);                                /* says goodbye and frees */
    const char *(*describe)(void *state);                      /* may be NULL */
    bool grows; /* read() makes more of what came: the deadlines' rate counts the transport's bytes */
};
void conn_set_layer(struct conn *c, struct conn_layer layer);
const struct conn_layer *conn_layer(const struct conn *c); /* NULL while plain */
/* Descriptors below, for a hand-over or a poll. */
int conn_read_fd(const struct conn *c);
int conn_write_fd(const struct conn *c);

#endif
