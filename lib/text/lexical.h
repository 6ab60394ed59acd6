/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The lexical pieces that structured header fields share (RFC 5322 3.2): blanks,
 * comments, quoted strings, and adding to a buffer until it is full. Nothing here
 * recurses, whatever is nested how deep.
 */
#ifndef POSTERN_TEXT_LEXICAL_H
#define POSTERN_TEXT_LEXICAL_H

#include "base/bytes.h"

/* SP, HT, CR or LF: what may stand between tokens of a folded value. */
bool lexical_blank(char c);
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
bool lexical_token_char(char c);
/* A character of an RFC 5322 atom (3.2.3 atext). */
bool lexical_atom_char(char c);

#endif
