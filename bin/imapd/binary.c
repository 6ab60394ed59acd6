/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Decoded parts; see binary.h. They are decoded twice, once to know how many bytes there are and whether a
 * NUL is among them, so that no part has to fit into memory.
 *
 * What isn't a leaf, and BINARY[], which is the whole message, has no encoding of its own and is sent as
 * BODY[...] would be, but with its NULs. Offsets of a partial FETCH count decoded bytes; where the last one
 * of the same part ended is kept, so that a part read in pieces is decoded once.
 */
#include "binary.h"
#include "section.h"

#include <string.h>

static bool is_binary(const struct fetch_item *item)
{
    return item->kind == FETCH_BINARY || item->kind == FETCH_BINARY_SIZE;
}

/* What the item means: the bytes and how they are encoded. False: there is no such part. */
static bool find(const struct fetching *f, const struct fetch_item *item, struct span *body,
                 enum mime_encoding *encoding)
{
    *body = f->message;
    *encoding = MIME_BINARY;
    if (item->part_count == 0)
        return true;
    const struct mime_part *part = section_part(item, f->root);
    if (!part)
        return false;
    *body = part->body;
    if (!part->is_multipart && !part->is_message)
        *encoding = part->encoding;
    return true;
}

bool binary_decodable(const struct fetching *f, const struct fetch_item *item)
{
    struct span body;
    enum mime_encoding encoding;
    return !is_binary(item) || !find(f, item, &body, &encoding) || encoding != MIME_OTHER;
}

/* Passes over up to n bytes; how many there were, and whether a NUL was among them. */
static uint64_t pass_over(struct mime_decoder *d, uint64_t n, bool *nul)
{
    struct span piece;
    uint64_t left = n;
    while (left > 0 && mime_decoder_next(d, left, &piece)) {
        *nul = *nul || memchr(piece.p, 0, piece.n);
        left -= piece.n;
    }
    return n - left;
}

uint64_t binary_size(const struct fetching *f, const struct fetch_item *item)
{
    struct mime_decoder d;
    struct span body;
    enum mime_encoding encoding;
    bool nul = false;
    if (!find(f, item, &body, &encoding))
        return 0;
    mime_decoder_start(&d, body, encoding);
    return pass_over(&d, UINT64_MAX, &nul);
}

/* At the item's offset, from where the last piece ended if that was before it. */
static void go_to_offset(struct fetching *f, const struct fetch_item *item, struct span body,
                         enum mime_encoding encoding, struct mime_decoder *d)
{
    const struct decoded_place *place = &f->i->decoded;
    uint64_t start = (uint64_t)(body.p - f->message.p), skip = item->partial ? item->offset : 0;
    bool nul = false;
    mime_decoder_start(d, body, encoding);
    if (place->uid == f->about.uid && place->start == start && place->bytes <= skip &&
        place->decoder.stored.n == body.n && place->decoder.encoding == encoding) {
        *d = place->decoder;
        d->stored = body;
        skip -= place->bytes;
    }
    pass_over(d, skip, &nul);
}

/* Exactly n bytes. Should somebody have changed the file meanwhile, spaces make up for them. */
static void stream(struct conn *c, struct mime_decoder *d, uint64_t n)
{
    struct span piece;
    while (n > 0 && !conn_is_gone(c) && mime_decoder_next(d, n, &piece)) {
        conn_write_span(c, piece);
        n -= piece.n;
    }
    for (; n > 0 && !conn_is_gone(c); n--)
        conn_write_str(c, " ");
}

void binary_write(struct fetching *f, const struct fetch_item *item)
{
    struct imap *i = f->i;
    struct mime_decoder d, ahead;
    struct span body;
    enum mime_encoding encoding;
    bool nul = false;
    if (!find(f, item, &body, &encoding)) {
        bytes_add_str(&i->line, "NIL");
        return;
    }
    go_to_offset(f, item, body, encoding, &d);
    ahead = d;
    uint64_t n = pass_over(&ahead, item->partial ? item->length : UINT64_MAX, &nul);
    bytes_add_str(&i->line, nul ? "~{" : "{");
    add_number(&i->line, n);
    bytes_add_str(&i->line, "}\r\n");
    write_line(i);
    stream(i->conn, &d, n);
    if (item->partial)
        i->decoded = (struct decoded_place){ .uid = f->about.uid,
                                             .start = (uint64_t)(body.p - f->message.p),
                                             .bytes = item->offset + n,
                                             .decoder = d };
}
