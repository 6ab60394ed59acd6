/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The name of a message's file: what it says, and how it is written anew.
 *
 *     BASE[,FIELD=VALUE...][:2,FLAGS[,MORE]]
 *     1763752345.M000123R0123456789abcdef.host,S=4321,W=4410,P=5f3a1c.17:2,FSa
 *
 * Postern's fields are S (bytes of the file), W (bytes with CRLF) and P (UIDVALIDITY and UID in hex); E, an
 * EMAILID, follows a copy. Others are kept on every rename. Nothing that a name says is trusted: sizes are
 * checked against the file, UIDs against the folder. No I/O here; any bytes may be in a name.
 */
#ifndef POSTERN_STORE_FILENAME_H
#define POSTERN_STORE_FILENAME_H

#include "base/bytes.h"

#define FILENAME_LIMIT 255  /* of every file system we know */
#define FILENAME_LETTERS 31 /* flags there are: five and a to z */
#define EMAIL_ID_LIMIT 64   /* RFC 8474 allows 255, and a name must have room for it */

struct filename {
    struct span base;       /* what makes it unique */
    struct span fields;     /* ",S=..." up to the info; empty where none */
    uint32_t flags;         /* FLAG_* of mailbox.h, and bits 0 to 25 for the letters a to z */
    bool info;              /* a ":2," is there */
    uint64_t size, wire;    /* S= and W=; 0 where missing */
    uint32_t validity, uid; /* P=; both 0 where missing or malformed */
    struct span email_id;   /* the first E= that is an objectid (RFC 8474 7); empty where none is */
    struct span letters;    /* behind ":2,": flags that are none of ours are kept */
    struct span more;       /* behind the letters, from a ','; kept */
};

/* The spans point into `name`. Never fails: a name that is none of ours has no fields and no flags. */
void filename_parse(struct span name, struct filename *f);

/* The flags as letters, in the order in which they stand behind ":2,", ended by NUL. */
void filename_letters(uint32_t flags, char to[FILENAME_LETTERS + 1]);
/* The flags of letters; others count as none. */
uint32_t filename_flags(struct span letters);

/* Seconds that the name begins with, or 0. */
uint64_t filename_time(const struct filename *f);

/* What to write. */
struct filename_new {
    uint64_t size, wire; /* 0: leave out */
    uint32_t validity, uid;
    uint32_t flags;       /* all that are to be set */
    uint32_t keywords;    /* the letters that have a meaning here: others are kept as they are */
    bool info;            /* with ":2," even without flags: always in cur/ */
    bool copy;            /* for another folder: only E follows, and no letter without a meaning */
    const char *email_id; /* E= in place of f's; NULL: that one */
};
/* `base` is f's, or another. False if it doesn't fit in FILENAME_LIMIT: then a fresh, short base and no kept
 * fields (copy) will fit. `to` has room for FILENAME_LIMIT + 1. */
bool filename_write(struct span base, const struct filename *f, const struct filename_new *n, char *to);

#endif
