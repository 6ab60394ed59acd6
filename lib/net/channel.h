/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages between the processes of one connection: a verb and length-counted fields
 * over a SOCK_SEQPACKET pair, one packet a message, bounded, optionally with one open
 * descriptor. The receiving side distrusts every byte: a field that runs past the
 * packet, or bytes left over, make the message malformed.
 */
#ifndef POSTERN_NET_CHANNEL_H
#define POSTERN_NET_CHANNEL_H

#include "base/bytes.h"
#include "base/status.h"

#define CHANNEL_PIECE 65536                   /* message bytes in one packet at most */
#define CHANNEL_PACKET (CHANNEL_PIECE + 24576) /* a whole packet at most */

struct message {
    unsigned verb;
    int fd; /* a descriptor that came or goes along, or -1. Received: the receiver owns it. Sent: the sender
               still does */
    size_t len; /* bytes in data */
    size_t at;  /* how far it has been read */
    bool bad;   /* a get or put failed: sticky */
    unsigned char data[CHANNEL_PACKET];
};

/* A connected pair, close-on-exec. */
enum status channel_pair(int pair[2]);

/* Limits how long sending by this end waits for the other end to make room; then that counts as gone. Without
 * a limit a session that was taken over could have its guard wait for ever, even after the session has ended:
 * its end of the channel may lie in a message that the guard hasn't read. */
void channel_patience(int end, int ms);

/* Begins a message to be sent: no fields, no descriptor. A put that doesn't fit makes it `bad`, and it isn't
 * sent. */
void message_start(struct message *m, unsigned verb);
void message_put_u64(struct message *m, uint64_t value);
void message_put(struct message *m, struct span field);
void message_put_str(struct message *m, const char *field);

/* False, and `bad`, if no such field is left. Spans point into m. */
bool message_get_u64(struct message *m, uint64_t *value);
bool message_get(struct message *m, struct span *field);
/* A field as a string in a fixed array: false if too long or with a NUL. */
bool message_get_str(struct message *m, char *to, size_t size);
/* True if all gets worked and nothing is left over. Ask before acting on what was got. */
bool message_end(const struct message *m);

/* Sends one packet. False: the other side is gone. */
bool channel_send(int channel, struct message *m);
/* Waits for one packet, at most `ms` (-1: for ever). False: gone, too late, or malformed. m->fd is set if a
 * descriptor came. */
bool channel_receive(int channel, struct message *m, int ms);
/* channel_send, then the answer into the same m. */
bool channel_call(int channel, struct message *m);

#endif
