/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A message's file as POP3's multi-line reply: CRLF line ends whatever the file has, a dot doubled at the
 * start of a line, ended by a line with a dot alone (RFC 1939 3). In one pass, without a copy of the whole.
 */
#ifndef POSTERN_POP3D_WIRE_H
#define POSTERN_POP3D_WIRE_H

#include "net/conn.h"

#include <stdint.h>

#define WIRE_ALL UINT64_MAX

/* Sends what fd holds from its offset on: the header, the empty line and at most `lines` lines of the body
 * (RFC 1939 7, TOP; WIRE_ALL is RETR), and the final dot. False, without the final dot, if the file could not
 * be read to its end or the client is gone: the connection must end then, as the client would take half a
 * message for a whole one. */
bool wire_send(struct conn *c, int fd, uint64_t lines);

#endif
