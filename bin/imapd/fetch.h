/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of FETCH share: fetch.c walks over the messages and opens what their items need;
 * fetch_items.c writes each item; section.c finds the bytes of BODY[...]; wire.c sends them.
 */
#ifndef POSTERN_IMAPD_FETCH_H
#define POSTERN_IMAPD_FETCH_H

#include "imapd.h"

/* What an item needs of its message. */
enum {
    NEEDS_SUMMARY = 1, /* mailbox_summary(): from the cache */
    NEEDS_FILE = 2,    /* its bytes */
    NEEDS_PARTS = 4,   /* its MIME structure, and its bytes */
};

struct fetching {
    struct imap *i;
    struct fetch fetch;
    struct fetch_modifiers modifiers;
    struct span
        labels[FETCH_ITEMS + FETCH_MORE]; /* "BODY[1.MIME] ", as each answer begins; in `label_text` */
    struct bytes label_text;
    unsigned needs; /* of all items */
    bool marks_seen, has_flags, has_modseq, has_partial, has_binary;
    bool unknown_encoding; /* a part that BINARY asked for, in some message */
    unsigned previews;     /* made so far: PREVIEW (LAZY) has a budget */
    struct bytes built;    /* the fields that HEADER.FIELDS selects; an ENVELOPE for who knows no UTF-8 */
    enum status worst;
    struct bytes flags; /* FLAGS's last answer, and what it was made of: most messages have the same */
    uint32_t flags_of;
    bool flags_recent;
    /* of the message at hand */
    size_t index;
    struct mailbox_message about; /* asked for once: each answer of the store is checked anew */
    struct summary summary;
    struct span message;
    struct mime_part *root;
};

/* --- fetch_items.c */
/* Does it ask for mod-sequences, by an item or a modifier? */
bool items_need_modseq(const struct fetching *f);
/* Adds UID to UID FETCH, and MODSEQ where the client wants it; writes the labels, and finds out what the
 * items need; once a command. False without memory. */
bool items_prepare(struct fetching *f);
/* Appends the n-th item with its label to i->line, and streams what is large. */
void item_write(struct fetching *f, size_t n);
/* May the message at hand be answered? Not if a part's encoding is none that we know (RFC 3516 4.3). */
bool items_decodable(const struct fetching *f);
/* `FLAGS (...)` of the message at hand. */
void item_flags(struct fetching *f);
/* `MODSEQ (...)` of it. */
void item_modseq(struct fetching *f);

#endif
