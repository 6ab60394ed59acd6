/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A message on its way from the client to the guard, however it comes:
 *
 *     session_message.c  keeps its bytes, in memory or a file, and hands it over
 *     session_header.c   judges and rewrites its header section
 *     session_trust.c    checks who sent it
 *     session_sign.c     signs it, where it begins its way here
 *     session_seal.c     seals it, where it goes on to others
 *     session_data.c     DATA
 *     session_bdat.c     BDAT
 */
#ifndef POSTERN_SMTPD_INCOMING_H
#define POSTERN_SMTPD_INCOMING_H

#include "session.h"
#include "text/fields.h"
#include "text/smtp_data.h"

struct incoming {
    struct session *session;
    struct smtp_data reader;
    bool raw;            /* any bytes, which aren't lines yet and go nowhere as they are */
    bool seen;           /* what came was another form of it, and has been looked at in that form */
    struct bytes memory; /* what was read and not written yet */
    struct bytes head;   /* what replaces the first head_length bytes of memory, once judged */
    size_t head_length;
    size_t header_length; /* bytes of memory that are the header section as it came, once judged */
    struct trust *trust;  /* session_trust.c; NULL: nobody asks who sent it */
    struct bytes added;  /* fields to stand before the message, below our trace fields */
    char message_id[MESSAGE_ID_LIMIT + 1]; /* for the log, once judged; "": it has none */
    bool junk;           /* mailboxes here file it as junk */
    bool dropped;        /* a filter wants it to be accepted and thrown away */
    bool by_filter;      /* `refusal` is a filter's */
    int file;             /* -1 while all is in memory */
    bool seven_bit;       /* its 8-bit bytes were encoded */
    const char *refusal;  /* the reply, when something is wrong */
    char said[SMTPD_POLICY_LIMIT]; /* room for one that isn't constant */
    enum verdict trouble; /* or a verdict of the guard's */
};

/* The caller starts its reader, and frees it in the end. */
void incoming_init(struct incoming *in, struct session *s);
void incoming_free(struct incoming *in);
/* Takes a piece, CONN_BUFFER bytes at most; how much of it belongs to the message. What is wrong is kept. */
size_t incoming_add(struct incoming *in, struct span piece);
/* What is in memory goes to a file, and so does what comes. */
void incoming_to_file(struct incoming *in);
/* A file to write a message to, which the guard opens: the caller's. */
enum verdict incoming_ask_file(struct incoming *in, int *file);
/* The last chunk was there. */
void incoming_end_chunks(struct incoming *in);
/* Something is wrong: what comes is thrown away. */
bool incoming_is_lost(const struct incoming *in);
/* The reply to a message that can't be taken, or NULL; trouble is another matter. */
const char *incoming_refusal(const struct incoming *in);
/* All of it is there: judges it, hands it to the guard, and answers. */
void incoming_finish(struct incoming *in);

/* --- session_trust.c. All do nothing where the guard didn't want it checked. */
/* Before the first byte of the message: may refuse it. */
void trust_envelope(struct incoming *in);
/* The header section and the body as they came: once, and in pieces. */
void trust_header(struct incoming *in, struct span header);
void trust_body(struct incoming *in, struct span piece);
/* All was there: what it came to, in `added` and `junk`, or a refusal. */
void trust_finish(struct incoming *in);
void trust_free(struct incoming *in);

/* Judges the header section, which must be in memory, and makes what replaces it. */
void judge_header(struct incoming *in);

#endif
