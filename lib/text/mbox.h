/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Mailboxes in one file (RFC 4155): messages, each behind a line "From SENDER DATE" and before an empty line.
 *
 * What tells the dialects apart is how a line of a message that begins with "From " is kept from being taken
 * for such a line: mboxo puts ">" before it, mboxrd also before lines that begin with ">From " and so on;
 * mboxcl and mboxcl2 have a Content-Length, and mboxcl2 nothing else. Flags stand in the fields Status,
 * X-Status and X-Keywords, which c-client, mutt and Dovecot write; these belong to the file and not to the
 * message.
 */
#ifndef POSTERN_TEXT_MBOX_H
#define POSTERN_TEXT_MBOX_H

#include "base/bytes.h"

enum mbox_format {
    MBOX_ANY, /* a Content-Length counts where it fits, and then nothing is unquoted; else as mboxrd */
    MBOX_O,   /* ">From " was "From "; no Content-Length counts */
    MBOX_RD,  /* one ">" is taken from every ">From ", ">>From "...; no Content-Length counts */
    MBOX_CL,  /* as mboxo, with Content-Length where it fits */
    MBOX_CL2, /* nothing is unquoted; Content-Length where it fits */
};
/* By its name, such as "mboxrd". False: there is none of that name. */
bool mbox_format_of(struct span name, enum mbox_format *format);

enum {
    MBOX_SEEN = 1,
    MBOX_ANSWERED = 2,
    MBOX_FLAGGED = 4,
    MBOX_DELETED = 8,
    MBOX_DRAFT = 16,
};

struct mbox {
    struct span rest;
    enum mbox_format format;
    bool dated; /* lines that begin messages have a date, as the first has: others are text */
};
/* All spans are in the file's bytes. */
struct mbox_message {
    struct span text;   /* as it stands there, quoted, and with the file's own fields */
    struct span header; /* its header section */
    struct span keywords; /* the value of X-Keywords: words parted by blanks */
    int64_t date;       /* of the "From " line, else of Date; 0: there is none */
    unsigned flags;     /* MBOX_* */
    bool sized;         /* its length was given, and fitted */
    bool internal;      /* c-client's first message, which holds its own data: no message */
};

/* False: this is no such file. An empty one is, with no message. */
bool mbox_open(struct span file, enum mbox_format format, struct mbox *m);
/* The next message; false at the end. */
bool mbox_next(struct mbox *m, struct mbox_message *message);

/* Takes a piece; false ends it all. */
typedef bool mbox_put(void *to, struct span piece);
/* The message as it was: unquoted, and without the file's own fields. False if `put` said so. */
bool mbox_read(const struct mbox *m, const struct mbox_message *message, mbox_put *put, void *to);

/* The message (LF line ends) as one of an mboxrd file, with the empty line behind it. Its own fields of the
 * names that are the file's are left out: who reads it would take them for the file's. `keywords` are words
 * parted by blanks. */
bool mbox_write(struct span message, int64_t date, unsigned flags, struct span keywords, mbox_put *put,
                void *to);

#endif
