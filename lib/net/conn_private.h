/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What conn.c (buffers and lines) and conn_transport.c (descriptors, layer and deadlines below them) share.
 */
#ifndef POSTERN_NET_CONN_PRIVATE_H
#define POSTERN_NET_CONN_PRIVATE_H

#include "net/conn.h"

struct conn {
    int rfd, wfd;
    bool rsocket, wsocket;
    enum conn_result end;
    bool mute; /* a write failed: later ones do nothing */
    int idle_ms;
    unsigned rate;
    int64_t begun;     /* clock_ms() of the first byte since conn_begin(); 0 before it */
    uint64_t since;    /* bytes since then */
    size_t start, len; /* in `in` */
    struct bytes out;
    struct conn_layer layer;
    bool drained; /* the last read took all that had come: output needn't wait for another */
    bool layered, trace, mask;
    char in[CONN_BUFFER]; /* here, so that a few short lines need no page but ours */
};

/* Reads answer `why` from now on, unless something ended the connection before. */
static inline void conn_end_with(struct conn *c, enum conn_result why)
{
    if (c->end == CONN_OK)
        c->end = why;
}

#endif
