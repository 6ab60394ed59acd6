/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The lexical pieces that structured header fields share (RFC 5322 3.2): blanks,
 * comments, quoted strings, and adding to a buffer until it is full. Nothing here
 * recurses, whatever is nested how deep.
 */
#ifndef POSTERN_TEXT_LEXICAL_H
#define POSTERN_TEXT_LEXICAL_H

#include "base/bytes.h"

/* What a byte may be: bits of lexical_class[(unsigned char)c]. */
enum { LEXICAL_TOKEN = 1, LEXICAL_ATOM = 2, LEXICAL_NAME = 4, LEXICAL_QUOTABLE = 8, LEXICAL_SPECIAL = 16 };
extern const unsigned char lexical_class[256];

/* SP, HT, CR or LF: what may stand between tokens of a folded value. */
static inline bool lexical_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
/* Behind the blanks and (nested) comments at its start. An unclosed comment reaches to the end. */
struct span lexical_skip(struct span s);
/* Reads the comment that begins at rest->p[0] == '(': *rest is what follows. Its text, without the outer
 * parentheses and quoting, is put in place of what `text` (may be NULL) held, as far as it fits. */
void lexical_comment(struct span *rest, struct bytes *text);
/* Reads the quoted string that begins at rest->p[0] == '"': *rest is what follows. Its contents, unquoted and
 * unfolded, are appended to `text` (may be NULL) as far as they fit. False if it was unclosed. */
bool lexical_quoted(struct span *rest, struct bytes *text);
/* Adds c if there is room under the limit; a full buffer stays as it is, without failing. */
void lexical_put(struct bytes *b, char c);
/* A character of an RFC 2045 token: printable ASCII but blanks and ()<>@,;:\"/[]?= */
static inline bool lexical_token_char(char c)
{
    return lexical_class[(unsigned char)c] & LEXICAL_TOKEN;
}
/* A character of an RFC 5322 atom (3.2.3 atext). */
static inline bool lexical_atom_char(char c)
{
    return lexical_class[(unsigned char)c] & LEXICAL_ATOM;
}
/* A character of a header field's name (RFC 5322 3.6.8 ftext). */
static inline bool lexical_name_char(char c)
{
    return lexical_class[(unsigned char)c] & LEXICAL_NAME;
}
/* A character that stands for itself within an IMAP quoted string: ASCII but NUL, CR, LF, '"' and '\\'. */
static inline bool lexical_quotable(char c)
{
    return lexical_class[(unsigned char)c] & LEXICAL_QUOTABLE;
}

#endif
