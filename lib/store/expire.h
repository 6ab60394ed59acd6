/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages that go by themselves when they have been in their folder for so long, as the setting `expire` has
 * it.
 *
 * The time is the one when a message came into the folder (SAVEDATE, RFC 8514: what SEARCH SAVEDBEFORE goes
 * by), not its own date: what was moved to Trash today stays as long as what was written today. They go as a
 * client's EXPUNGE lets them go, so that sessions hear of it, QRESYNC tells it later, and the quota falls.
 * Nothing else is removed, whatever the Maildir's owner put in the way.
 */
#ifndef POSTERN_STORE_EXPIRE_H
#define POSTERN_STORE_EXPIRE_H

#include "base/settings.h"
#include "store/mailbox.h"

/* The settings' folders as they are on disk. */
struct expire_rule {
    char folder[FOLDER_NAME_LIMIT + 1]; /* "": only its use counts */
    unsigned use;                       /* USE_* of special_use.h that is meant too; 0: none */
    bool below;                         /* the folders below it, and not itself */
    uint64_t seconds;
};
struct expire_rules {
    struct expire_rule *list;
    size_t count;
};

/* ST_PERM: *wrong is the setting whose folder can't be one. ST_TEMP: no memory. */
enum status expire_rules_read(const struct settings *s, struct expire_rules *rules, const char **wrong);
void expire_rules_free(struct expire_rules *rules);

/* How long messages stay in a folder; 0: for ever. Of several settings that mean it the longest time counts.
 * The name of a standard folder (Trash) means the folder that has this use, and one of that name that has no
 * other. ST_TEMP with errno. */
enum status expire_time(struct mail *mail, const struct expire_rules *rules, struct span folder,
                        uint64_t *seconds);

struct expired {
    uint64_t messages, bytes;
};
/* Removes what came into the folder before `before` (seconds since 1970); where `only_count`, says what it
 * would. *e is what went, also where something failed. ST_NONE: there is no such folder (any more). ST_TEMP
 * with errno: some may be left. */
enum status expire_folder(struct mail *mail, struct span folder, int64_t before, bool only_count,
                          struct expired *e);

#endif
