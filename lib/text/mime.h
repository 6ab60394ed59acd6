/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The MIME structure of a message (RFC 2045 to 2047), found in one pass over its bytes, which stay where
 * they are (usually a mapped file). Line ends may be LF or CRLF.
 *
 * Hostile input is the normal case: nesting deeper than MIME_DEPTH and parts past MIME_PARTS are
 * treated as text, an unclosed multipart ends with its parent, a missing boundary makes the part text/plain.
 */
#ifndef POSTERN_TEXT_MIME_H
#define POSTERN_TEXT_MIME_H

#include "base/bytes.h"

#define MIME_DEPTH 50
#define MIME_PARTS 1000

enum mime_encoding { MIME_7BIT, MIME_8BIT, MIME_BINARY, MIME_BASE64, MIME_QUOTED_PRINTABLE, MIME_OTHER };

struct mime_part {
    struct span header; /* with its final empty line, if it has one */
    struct span body;   /* without the line end that belongs to the boundary behind it (RFC 2046 5.1.1) */
    size_t lines;       /* of the body */
    size_t bare;        /* LF without CR in the body: add it to body.n for the size on the wire with CRLF */
    size_t header_bare; /* the same for the header */
    struct span type, subtype; /* as written; "text" "plain" where absent or unreadable */
    struct span type_value;    /* the whole Content-Type value, for parameters; empty if absent */
    /* The values of Content-ID and so on, as they stand, folded; p is NULL where absent. */
    struct span id, description, encoding_value, md5, disposition, language, location;
    enum mime_encoding encoding;
    struct mime_part
        *child; /* first part of a multipart; the message inside a message/rfc822 or message/global */
    struct mime_part *next; /* sibling */
    bool is_multipart, is_message;
};

/* NULL only if memory runs out. Free with mime_free. */
struct mime_part *mime_parse(struct span message);
/* For a message that holds no other part: fills *part, but for its counts of lines, without looking through
 * the body. False where mime_parse() has to look. */
bool mime_leaf(struct span message, struct mime_part *part);
void mime_free(struct mime_part *root);

/* The next parameter at *rest (which begins behind the value proper), RFC 2231 continuations and charsets
 * left as they are. name and value are put into *name, *value unquoted, as far as they fit. False at the end,
 * or with `failed` set in one of them if memory ran out. Clear both before the first call. */
bool mime_parameter_next(struct span *rest, struct bytes *name, struct bytes *value);
/* The parameter `name` of a header value like Content-Type, unquoted, in place of what *value held and as far
 * as it fits. False if there is none; value->failed only if memory ran out. */
bool mime_parameter(struct span header_value, const char *name, struct bytes *value);
/* The decoded bytes of a leaf part. False only over out's limit. */
bool mime_decode(const struct mime_part *part, struct bytes *out);

/* The same in pieces, however large the part is, and with CRLF for each line end that isn't encoded: as
 * BINARY[...] wants it (RFC 3516). A copy of a decoder goes on by itself; so does one whose `stored` was set
 * to the same bytes at another place. */
struct mime_decoder {
    struct span stored;
    size_t at; /* in stored */
    enum mime_encoding encoding;
    uint32_t bits;      /* of base64: what isn't a byte yet */
    unsigned letters;   /* of base64, modulo 4 */
    size_t text_blanks; /* of quoted-printable: blanks up to here don't end their line */
    size_t begin, end;  /* of what is in `piece` and not taken yet */
    char piece[4096];
};
/* `body` is a part's, or a whole message; anything but base64 and quoted-printable stays as it is. */
void mime_decoder_start(struct mime_decoder *d, struct span body, enum mime_encoding encoding);
/* The next bytes, max (> 0) at most; valid until the next call. False at the end. */
bool mime_decoder_next(struct mime_decoder *d, uint64_t max, struct span *piece);

/* Is there a part with `Content-Transfer-Encoding: binary` that LF line ends would spoil? */
bool mime_is_binary(const struct mime_part *root);
/* Passes the message on in pieces, such parts as base64. False where `put` or memory failed. */
bool mime_without_binary(struct span message, const struct mime_part *root,
                         bool (*put)(void *to, struct span piece), void *to);
/* The same for a message that came by BODY=BINARYMIME (RFC 3030) and goes on as 8BITMIME, where no part is
 * binary: parts whose bytes aren't lines of text (RFC 2045 2.8) become base64, the others that are labelled
 * binary are labelled 8bit. What is wrong outside of parts' bodies, and in encoded ones, stays as it is. A
 * signature over a part that is changed is broken by this, as its signer was told not to sign such parts (RFC
 * 1847 2.1). */
bool mime_for_transport(struct span message, const struct mime_part *root,
                        bool (*put)(void *to, struct span piece), void *to);

#endif
