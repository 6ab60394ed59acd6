/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Special uses of folders (RFC 6154): what a folder is for. Sets of them are bits of an unsigned.
 *
 * A folder's use is what its durable file says ("specialuse \Sent", or "specialuse" alone for none), and
 * where that says nothing, what its name stands for: so a Maildir that another program kept has its Sent and
 * Junk, and a folder made or renamed by a client keeps the use that the client gave it. No two folders of an
 * account get one use by our hand.
 */
#ifndef POSTERN_STORE_SPECIAL_USE_H
#define POSTERN_STORE_SPECIAL_USE_H

#include "store/folders.h"

enum {
    USE_ARCHIVE = 1,
    USE_DRAFTS = 2,
    USE_JUNK = 4,
    USE_SENT = 8,
    USE_TRASH = 16,
};

/* The bit of an attribute such as "\Junk", in any case; 0 for one that we don't have (\All, \Flagged: a
 * Maildir has no virtual folders). */
unsigned use_of_attribute(struct span attribute);
/* Appends the attributes, each behind a blank. */
void use_add_attributes(struct bytes *b, unsigned uses);
/* What a name stands for, from whoever made the folder; 0 for most. */
unsigned use_of_name(struct span name);
/* The n-th folder that a new account gets; NULL past the last. */
const char *use_standard_folder(size_t n);

/* The uses of a folder that exists. ST_TEMP with errno. */
enum status folder_uses(struct mail *mail, struct span name, unsigned *uses);
/* Has a folder other than `except` one of these uses? ST_OK: yes; ST_NONE: no; ST_TEMP with errno. */
enum status folder_uses_taken(struct mail *mail, unsigned uses, struct span except);
/* Before a folder is renamed: what it is for goes along, and it doesn't come by a use that another has. */
enum status folder_uses_settle(struct mail *mail, struct span from, struct span to);

#endif
