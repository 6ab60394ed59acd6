/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A message while filters look at it and change it; see session_milter_text.c.
 */
#ifndef POSTERN_SMTPD_SESSION_MILTER_TEXT_H
#define POSTERN_SMTPD_SESSION_MILTER_TEXT_H

#include "incoming.h"

struct milter_text {
    struct incoming *in;
    struct bytes header; /* the section without the empty line behind it */
    bool parted;         /* there is one */
    struct span body;
    struct bytes replaced; /* where `body` lies, if it is a filter's and small */
    void *map;             /* where it lies if it is large, or NULL */
    size_t map_size;
    bool in_files; /* the guard has given out a file for this message, and waits for one */
    bool changed;
};

/* Of a message that has been judged. False: no memory. */
bool milter_text_begin(struct incoming *in, struct milter_text *t);
/* Puts what has become of it into `in`, if it was changed. What fails is in->trouble or in->refusal. */
void milter_text_finish(struct milter_text *t);
void milter_text_free(struct milter_text *t);

/* A body that a filter puts in the place of the message's. */
struct milter_body {
    struct milter_text *text;
    struct bytes memory; /* not written yet */
    int file;            /* -1: all is in memory */
    uint64_t size;
    size_t line; /* bytes of the last line so far */
    bool cr;     /* the last byte was one */
    bool bad, eight_bit;
};

void milter_body_begin(struct milter_body *b, struct milter_text *t);
/* False: it is too large, or no text. in->trouble is another matter. */
bool milter_body_add(struct milter_body *b, struct span piece);
/* It becomes the message's; false: in->trouble says why not. Or doesn't. Both free it. */
bool milter_body_take(struct milter_body *b);
void milter_body_drop(struct milter_body *b);

#endif
