/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Compression of a connection; see deflate.h. The one file that includes zlib.
 *
 * Input is inflated straight into the room that conn has left, so that however much a client packs into its
 * bytes, no more than CONN_BUFFER of it is ever held. Deadlines are conn's; its data rate counts the bytes
 * that came, not what they grow to. A broken stream, one that the client ended, and one that brings nothing
 * but empty blocks end the connection.
 *
 * Output: whatever conn sends ends with a sync flush, so a reply never waits inside; zlib finds repetitions
 * 8 KiB back, in 64 KiB of memory. The usual 32 KiB take 256 and made the output of FETCH 5 to 10 % smaller;
 * level 4 gives within 5 % of what level 6 does, in two thirds to half its time (envelopes, flags, text and
 * base64 were tried).
 */
#include "net/deflate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define LEVEL 4
#define OUT_WINDOW 13
#define OUT_MEMORY 6
#define IN_WINDOW 15 /* what any client may use */
#define IN_BYTES CONN_BUFFER
#define OUT_BYTES 16384
#define PIECE (1u << 20) /* of output compressed at a time */

struct deflate {
    struct conn *conn;
    z_stream in, out;
    size_t barren; /* bytes of input that brought nothing, since the last that did */
    unsigned char came[IN_BYTES];
};

static void deflate_free(struct deflate *d)
{
    inflateEnd(&d->in);
    deflateEnd(&d->out);
    free(d);
}

struct deflate *deflate_new(void)
{
    struct deflate *d = malloc(sizeof *d); /* not cleared: most of `came` is never touched */
    if (!d)
        return NULL;
    memset(d, 0, offsetof(struct deflate, came));
    if (inflateInit2(&d->in, -IN_WINDOW) == Z_OK &&
        deflateInit2(&d->out, LEVEL, Z_DEFLATED, -OUT_WINDOW, OUT_MEMORY, Z_DEFAULT_STRATEGY) == Z_OK)
        return d;
    deflate_free(d);
    return NULL;
}

static ssize_t broken(void)
{
    errno = EPROTO;
    return -1;
}

static ssize_t layer_read(void *state, void *to, size_t n)
{
    struct deflate *d = state;
    for (;;) {
        d->in.next_out = to;
        d->in.avail_out = (unsigned)n;
        int result = inflate(&d->in, Z_SYNC_FLUSH);
        if (d->in.avail_out < n) {
            d->barren = 0;
            return (ssize_t)(n - d->in.avail_out);
        }
        if (result == Z_STREAM_END)
            return 0;
        if ((result != Z_OK && result != Z_BUF_ERROR) || d->barren >= IN_BYTES)
            return broken();
        ssize_t got = conn_raw_read(d->conn, d->came, IN_BYTES);
        if (got <= 0)
            return got;
        d->barren += (size_t)got;
        d->in.next_in = d->came;
        d->in.avail_in = (unsigned)got;
    }
}

/* Compresses one piece and sends what comes of it. */
static bool write_piece(struct deflate *d, const void *data, size_t n, int flush)
{
    unsigned char piece[OUT_BYTES];
    d->out.next_in = (unsigned char *)(uintptr_t)data;
    d->out.avail_in = (unsigned)n;
    do {
        d->out.next_out = piece;
        d->out.avail_out = sizeof piece;
        if (deflate(&d->out, flush) == Z_STREAM_ERROR)
            return false;
        size_t made = sizeof piece - d->out.avail_out;
        if (made && conn_raw_write(d->conn, piece, made) < 0)
            return false;
    } while (d->out.avail_out == 0);
    return true;
}

static ssize_t layer_write(void *state, const void *data, size_t n)
{
    const char *at = data;
    for (size_t left = n; left;) {
        size_t piece = left < PIECE ? left : PIECE;
        left -= piece;
        if (!write_piece(state, at, piece, left ? Z_NO_FLUSH : Z_SYNC_FLUSH))
            return -1;
        at += piece;
    }
    return (ssize_t)n;
}

/* There may be, which conn finds out by reading; that the last read was full is reason enough. */
static bool layer_pending(void *state)
{
    const struct deflate *d = state;
    return d->in.avail_in > 0 || (d->in.next_out && d->in.avail_out == 0);
}

static void layer_close(void *state)
{
    deflate_free(state);
}

void deflate_start(struct conn *c, struct deflate *d)
{
    struct span behind = conn_pending(c); /* no more than fits */
    conn_flush(c);
    memcpy(d->came, behind.p, behind.n);
    d->in.next_in = d->came;
    d->in.avail_in = (unsigned)behind.n;
    conn_take(c, behind.n);
    d->conn = c;
    conn_set_layer(c, (struct conn_layer){ .state = d,
                                           .read = layer_read,
                                           .write = layer_write,
                                           .pending = layer_pending,
                                           .close = layer_close,
                                           .grows = true });
}

bool deflate_is_on(const struct conn *c)
{
    const struct conn_layer *layer = conn_layer(c);
    return layer && layer->read == layer_read;
}
