/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages that wait to be learned as spam or not: copies in MAILDIR/postern-learn, made by who moves the
 * message (imapd), fed to the command of the settings `learn-spam` and `learn-ham` and then removed by qrun.
 *
 *     .BASE.0.spam    being written; what is older than an hour was left by a crash, and is removed
 *     BASE.0.spam     waits; or ham. BASE is as a Maildir has it, so that names sort by time
 *     BASE.N.spam     has failed N times, the last time at its mtime
 *
 * Nothing here is promised to anybody: it isn't fsynced, what is too much is left out, and what goes on
 * failing is given up. The Maildir's owner may have put anything there, which costs the reader bounded work:
 * it opens below the Maildir without following links, only regular files, and looks at so many entries.
 */
#ifndef POSTERN_STORE_LEARN_H
#define POSTERN_STORE_LEARN_H

#include "base/settings.h"
#include "base/status.h"

#define LEARN_NAME_LIMIT 160
#define LEARN_SIZE_LIMIT ((uint64_t)2 << 20)    /* bytes of a message; spam isn't larger */
#define LEARN_FILES_LIMIT 2000                  /* that may wait in an account, */
#define LEARN_BYTES_LIMIT ((uint64_t)128 << 20) /* and their bytes: they count in no quota */
#define LEARN_TRIES 15

enum learn_kind { LEARN_NOTHING, LEARN_SPAM, LEARN_HAM };

/* "spam" or "ham". */
const char *learn_word(enum learn_kind kind);
/* The command for a kind; "": none is set. */
const char *learn_command(const struct settings *s, enum learn_kind kind);
/* Is there any? */
bool learn_is_set(const struct settings *s);

/* --- who moves messages */
struct learn_folder {
    int dir;
    size_t files; /* that wait */
    uint64_t bytes;
};
/* Opens the folder below an opened Maildir, making it where missing, and counts. ST_TEMP with errno. */
enum status learn_open(int maildir, struct learn_folder *f);
void learn_close(struct learn_folder *f);
/* Copies `size` bytes of a file under a name that isn't looked at yet: `name` is what it will be. ST_PERM
 * with errno: EFBIG, it is too large; ENOSPC, so many wait already. ST_TEMP with errno; nothing is left
 * behind. */
enum status learn_put(struct learn_folder *f, int from, uint64_t size, enum learn_kind kind,
                      char name[LEARN_NAME_LIMIT]);
/* From now on it waits; or it was never there. */
void learn_publish(struct learn_folder *f, const char *name);
void learn_drop(struct learn_folder *f, const char *name);

/* --- who feeds the command */
struct learn_item {
    enum learn_kind kind;
    unsigned tries; /* failed so far */
    char name[LEARN_NAME_LIMIT];
};
/* The folder of a Maildir. -1: there is none, or it can't be opened (errno). */
int learn_look(const char *maildir);
/* What is due at `now` (clock_now()), oldest first, up to `room`; the number. Removes what a crash has
 * left. */
size_t learn_due(int dir, const struct settings *s, int64_t now, struct learn_item *items, size_t room);
/* Its file, opened for reading, and how long it is. -1: it can't be used, and is removed. */
int learn_file(int dir, const struct learn_item *item, uint64_t *size);
/* Learned, or not to be. ST_TEMP: it couldn't be removed. */
enum status learn_done(int dir, const struct learn_item *item);
/* To be tried again, after a time as `retry-first` and `retry-max` have it for mail. ST_PERM: often enough,
 * and removed. ST_TEMP: couldn't be noted. */
enum status learn_again(int dir, const struct learn_item *item);

#endif
