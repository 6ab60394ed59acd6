/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What users say about messages by moving them: into Junk, spam; out of Junk to anywhere but Trash, not spam.
 * Where the settings name commands that learn (learn-spam, learn-ham), copies are left for qrun
 * (store/learn.h).
 */
#ifndef POSTERN_IMAPD_LEARN_H
#define POSTERN_IMAPD_LEARN_H

#include "imapd.h"
#include "store/learn.h"

/* Messages of one command, copied and not yet handed over. */
struct learning {
    enum learn_kind kind; /* LEARN_NOTHING: there is nothing to do */
    struct learn_folder folder;
    struct learning_copy *copies;
    size_t count, room;
    const char *left_out; /* why some were, or NULL */
};

/* Before messages of the selected mailbox go to `folder`, by whatever command. Never fails: what can't be
 * copied isn't learned, and the log says so. */
void learning_begin(struct imap *i, struct learning *l, struct span folder, const size_t *indexes,
                    size_t count);
/* Then: those of these indexes are there, and handed over; others are forgotten. */
void learning_end(struct imap *i, struct learning *l, const size_t *indexes, size_t count);
/* Messages with these UIDs were appended. */
void learning_appended(struct imap *i, struct span folder, uint32_t first, uint32_t count);

#endif
