/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a web server answers to one GET (RFC 9112): the head of the response, and a body in chunks. Pure.
 *
 * For a client that asks once and closes. Strict where leniency has been somebody's attack: one
 * Content-Length, not beside chunks, no bare CR, no folded lines, no blank before a colon.
 */
#ifndef POSTERN_TEXT_HTTP_H
#define POSTERN_TEXT_HTTP_H

#include "base/bytes.h"
#include "base/status.h"

#define HTTP_HEAD_LIMIT 16384 /* bytes of a head, interim ones included */

struct http_head {
    unsigned status; /* 200 to 599 */
    bool plain;      /* Content-Type is text/plain, whatever its parameters (RFC 9110 8.3.1) */
    bool encoded;    /* a Content-Encoding other than identity */
    bool chunked;    /* the body comes in chunks */
    bool has_length; /* Content-Length */
    uint64_t length;
};

/* Reads a head from what has come so far; 1xx ones before it are passed over. ST_OK: *used bytes were it.
 * ST_NONE: more is needed. ST_PERM: malformed, or longer than HTTP_HEAD_LIMIT. */
enum status http_head_read(struct span data, struct http_head *head, size_t *used);

/* Appends a chunked body's contents to *out, from what has come so far of it. ST_OK: that was all of it.
 * ST_NONE: more is needed (out is then to be cleared). ST_PERM: malformed, or out is too small. */
enum status http_chunks_read(struct span data, struct bytes *out);

#endif
