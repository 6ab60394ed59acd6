/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is true of a folder's messages but doesn't stand in their file names yet: UIDs that were given to many
 * files at once, and changes of many messages' flags. It belongs to the truth, not to the index; only
 * appended to under the folder's lock, and removed when every name says what it did.
 *
 *     postern-journal 1 69280a59         the folder's UIDVALIDITY (hex): for another one it says nothing
 *     u 1a2 1763752345.M123P45.host     the file whose name has this unique part has UID 1a2 (hex)
 *     f 1a2 S FS                        its flags became FS when the name said S; "-" is none
 *     d 1a2                             its name says so by now
 *
 * A UID line is on disk before the UID is told; a line of flags may be lost in a power cut, never in a crash.
 * A line that can't be read (torn, or changed by somebody) is passed over.
 */
#ifndef POSTERN_STORE_JOURNAL_H
#define POSTERN_STORE_JOURNAL_H

#include "base/bytes.h"
#include "base/status.h"

struct journal_uid {
    struct span base;
    uint32_t uid, line;
};
struct journal_flags {
    uint32_t uid;
    uint32_t before, after; /* FLAG_* and letters */
};
struct journal {
    struct journal_uid *uids; /* by base, one each: the last line counts */
    size_t uid_count;
    struct journal_flags *flags; /* by UID, one each */
    size_t flags_count;
    struct bytes text;
};

/* Reads it; an empty one where there is none for that UIDVALIDITY. ST_TEMP with errno. */
enum status journal_read(int dir, uint32_t uid_validity, struct journal *j);
void journal_free(struct journal *j);
/* The UID of the file with that unique part, or 0. */
uint32_t journal_uid(const struct journal *j, struct span base);
/* The change of flags that waits for that message, or NULL. */
const struct journal_flags *journal_flags(const struct journal *j, uint32_t uid);

/* Lines to be appended; bytes_init() it with JOURNAL_LIMIT. */
#define JOURNAL_LIMIT ((size_t)512 << 20)
void journal_add_uid(struct bytes *lines, uint32_t uid, struct span base);
void journal_add_flags(struct bytes *lines, uint32_t uid, uint32_t before, uint32_t after);
void journal_add_done(struct bytes *lines, uint32_t uid);
/* Appends them, on disk where `durable`. ST_TEMP with errno. */
enum status journal_append(int dir, uint32_t uid_validity, struct span lines, bool durable);
/* Nothing of it is needed any more. */
void journal_remove(int dir);

#endif
