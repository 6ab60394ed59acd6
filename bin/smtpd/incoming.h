/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A message on its way from the client to the guard, however it comes:
 *
 *     session_message.c  keeps its bytes, in memory or a file, and hands it over
 *     session_header.c   judges and rewrites its header section
 *     session_data.c     DATA
 *     session_bdat.c     BDAT
 */
#ifndef POSTERN_SMTPD_INCOMING_H
#define POSTERN_SMTPD_INCOMING_H

#include "session.h"
#include "text/smtp_data.h"

struct incoming {
    struct session *session;
    struct smtp_data reader;
    bool raw;            /* any bytes, which aren't lines yet and go nowhere as they are */
    struct bytes memory; /* what was read and not written yet */
    struct bytes head;   /* what replaces the first head_length bytes of memory, once judged */
    size_t head_length;
    int file;             /* -1 while all is in memory */
    const char *refusal;  /* the reply, when something is wrong */
    enum verdict trouble; /* or a verdict of the guard's */
};

/* The caller starts its reader, and frees it in the end. */
void incoming_init(struct incoming *in, struct session *s);
void incoming_free(struct incoming *in);
/* Takes a piece, CONN_BUFFER bytes at most; how much of it belongs to the message. What is wrong is kept. */
size_t incoming_add(struct incoming *in, struct span piece);
/* What is in memory goes to a file, and so does what comes. */
void incoming_to_file(struct incoming *in);
/* The last chunk was there. */
void incoming_end_chunks(struct incoming *in);
/* Something is wrong: what comes is thrown away. */
bool incoming_is_lost(const struct incoming *in);
/* The reply to a message that can't be taken, or NULL; trouble is another matter. */
const char *incoming_refusal(const struct incoming *in);
/* All of it is there: judges it, hands it to the guard, and answers. */
void incoming_finish(struct incoming *in);

/* Judges the header section, which must be in memory, and makes what replaces it. */
void judge_header(struct incoming *in);

#endif
