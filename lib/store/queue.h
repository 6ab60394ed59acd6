/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The queue of messages that go out: one file a message, states kept by overwriting one byte in place.
 * The table of file states and what a crash leaves stands atop queue.c.
 */
#ifndef POSTERN_STORE_QUEUE_H
#define POSTERN_STORE_QUEUE_H

#include "store/content.h"
#include "text/address.h"
#include "text/envelope.h"

#define QUEUE_ID_LIMIT 40
#define QUEUE_REPLY_LIMIT 512 /* bytes of a remote reply that are kept */

enum queue_mark {
    QUEUE_TODO = 'T',
    QUEUE_DONE = 'D',
    QUEUE_FAILED = 'F',
    QUEUE_BOUNCED = 'B',
    QUEUE_HELD = 'H',
    /* done, and the sender, who asked for that, is to be told (RFC 3461 4.1) */
    QUEUE_RELAYED = 'R',
    QUEUE_DELIVERED = 'L',
    QUEUE_EXPANDED = 'X'
};

/* Opens spool/queue (makes it, 0700). The descriptor of the directory. */
enum status queue_open(const char *spool, int *queue_dir);

/* --- in: what smtpd, sendmail and qrun do. prepare writes it under a temporary name, and out
 * (file_write_out()), publish renames, finish fsyncs the file and the directory. */
struct queue_new {
    int dir;
    int file; /* to be fsynced yet; -1: it is */
    char id[QUEUE_ID_LIMIT];
    bool published;
    bool lost; /* an fsync failed: the next one would say that all is well, and what it lost stays lost */
};
struct queue_envelope {
    const char *sender; /* "" for <> */
    const struct address *recipients;
    size_t recipient_count;
    bool eight_bit; /* BODY=8BITMIME was said, or 8-bit bytes are there */
    struct mail_options options;
    const struct rcpt_options *const
        *recipient_options; /* by recipient, NULL where nothing was said; or NULL */
};
/* `id` NULL: a new one (time and 64 random bits). */
enum status queue_prepare(const char *spool, const char *id, const struct queue_envelope *e,
                          const struct content *c, struct queue_new *q);
enum status queue_publish(struct queue_new *q);
/* ST_TEMP with errno: it has its place, perhaps not for good; and so it stays. */
enum status queue_finish(struct queue_new *q);
/* Behind that, where nobody else can have begun to send it: takes it out of its place, to be prepared anew.
 */
void queue_withdraw(struct queue_new *q);
/* Removes what has no place yet, and closes; nothing behind a queue_finish() that was ST_OK. */
void queue_abort(struct queue_new *q);
/* What was prepared and stands alone: publishes and finishes it, and wakes qrun. ST_TEMP: as for those; where
 * it couldn't be published nothing is left of it. */
enum status queue_commit(struct queue_new *q, const char *spool);
/* A new ID into `to`: time and 64 random bits. IDs sort by time. */
void queue_new_id(char to[QUEUE_ID_LIMIT]);
/* The ID of a report about message `id`, by its kind ("" for a bounce), whose first recipient has this index:
 * the same each time, so queue_prepare() with it says ST_PERM (EEXIST) where that report is queued
 * already. */
void queue_report_id(const char *id, const char *kind, size_t first_recipient, char to[QUEUE_ID_LIMIT]);
/* Is this the form of an ID? For names from outside. */
bool queue_id_valid(const char *id);
/* When a valid ID was made, in seconds since 1970; a report's is that of its message. */
int64_t queue_id_time(const char *id);
/* Tells qrun, through the FIFO spool/wake, to try this message now, or (id NULL) to look for what is due;
 * never blocks, never fails: the timer catches what is missed. */
void queue_wake(const char *spool, const char *id);
/* The FIFO for who writes there later, and could open nothing then. -1: nobody listens. */
int queue_wake_open(const char *spool);
/* Tells qrun that messages of an account wait to be learned (store/learn.h). Nothing where wake is -1. */
#define QUEUE_WAKE_LEARN "learn "
void queue_wake_learn(int wake, const char *account);

/* A message from a backup, held for all that weren't done with. ST_PERM with errno: EEXIST, it is in the
 * queue; EBADMSG, it is damaged. ST_TEMP with errno. */
enum status queue_bring_back(int queue_dir, const char *id, int from);

/* --- out and administration: what qrun and `postern queue` do. */
struct queue_recipient {
    struct address address;
    char mark;                    /* enum queue_mark */
    off_t at;                     /* where the mark stands in the file */
    struct rcpt_options *options; /* NULL: nothing was said */
};
struct queue_message {
    char id[QUEUE_ID_LIMIT];
    int fd;         /* open read-write, locked by queue_read(lock) */
    int64_t near;   /* the due time under which it lay when it was read; 0: none */
    int64_t queued; /* seconds */
    char sender[ADDRESS_LIMIT + 4];
    bool eight_bit;
    struct mail_options options;
    struct queue_recipient *recipients;
    size_t recipient_count;
    off_t content; /* where the message begins */
    uint64_t size; /* of the message */
    /* from ID.why */
    int64_t next_attempt; /* 0: at once */
    unsigned attempts;
    char **replies; /* by recipient; NULL where none */
    int64_t told;   /* when the sender was told that it is late; 0: not so far */
    int64_t until;  /* it isn't given up before, whatever its age; 0: nothing was said */
    bool sync_why;  /* the next ID.why must outlive a power cut */
};
/* Reads envelope and .why. With `lock`, takes the message's lock first: ST_TEMP with errno EWOULDBLOCK if
 * another tool holds it. ST_NONE: not there. ST_PERM: the file is damaged (it is left alone, and logged). */
enum status queue_read(int queue_dir, const char *id, bool lock, struct queue_message *m);
/* The same for one that queue_list() has listed, without a search: of 10,000 that would take seconds. */
struct queue_place;
enum status queue_read_place(int queue_dir, const struct queue_place *place, bool lock,
                             struct queue_message *m);
void queue_message_free(struct queue_message *m); /* closes, which unlocks */
/* Changes that are made but not yet on disk; starts zeroed. One queue_sync() is for all of them, so that many
 * messages cost one. */
#define QUEUE_CHANGES_DUE 32
struct queue_changes {
    bool top;                       /* spool/queue itself */
    bool deferred;                  /* the directory of due times */
    int64_t due[QUEUE_CHANGES_DUE]; /* due times whose directories changed */
    size_t due_count;
};
/* Can marks be written now? Where a file system copies what is overwritten a full disk is in the way. ST_TEMP
 * with errno: what is done now would be done again. */
enum status queue_try_mark(const struct queue_message *m);
/* Overwrites the mark of recipient `index` and fsyncs. */
enum status queue_mark(struct queue_message *m, size_t index, char mark);
/* The same for several recipients with one fsync at the end; they are overwritten from the last index given
 * to the first. */
enum status queue_mark_all(struct queue_message *m, const size_t *indexes, size_t count, char mark);
/* The halves of that: overwrites them, in memory too whatever the disk says; and fsyncs. */
enum status queue_put_marks(struct queue_message *m, const size_t *indexes, size_t count, char mark);
enum status queue_sync_marks(const struct queue_message *m);
/* Writes ID.why from next_attempt, attempts and replies, and puts the message under its due time; on disk
 * after queue_sync(). Until then a power cut may undo it (never halfway: it is one rename, and the marks that
 * are on disk stay). */
enum status queue_defer_later(int queue_dir, struct queue_message *m, struct queue_changes *later);
/* Removes the message (ID first, then ID.why); on disk as above. */
enum status queue_remove_later(int queue_dir, struct queue_message *m, struct queue_changes *later);
/* Brings the changes to disk and forgets them. ST_TEMP with errno if something couldn't be synced. */
enum status queue_sync(int queue_dir, struct queue_changes *later);
/* All messages (due == false) or those whose time has come, oldest first. The caller frees the array. */
struct queue_place {
    char id[QUEUE_ID_LIMIT];
    int64_t due; /* the due time under which it lies; 0: none, it is due */
};
enum status queue_list(int queue_dir, bool due, struct queue_place **places, size_t *count);
/* Seconds until the next attempt after `attempts` (1 or more): `first` doubled each time up to `most`, and
 * with `random` (any number) up to a tenth more or less, so that messages that failed together don't come
 * back together. At least 1. */
int64_t queue_backoff(uint64_t first, uint64_t most, unsigned attempts, uint64_t random);
/* From when on it could be sent, in seconds since 1970: since it was queued, or its release time (RFC
 * 4865). */
int64_t queue_since(const struct queue_message *m);
/* Seconds for which a message is tried whose lifetime (the setting, in seconds) ran out while nobody could
 * try it: it was held, or the machine was off. */
int64_t queue_grace(uint64_t lifetime);
/* Another descriptor of the message's file, read-only and without its lock: for a sender. -1 and errno. */
int queue_reopen(int queue_dir, const struct queue_message *m);
/* Removes what crashes left: files in tmp/ older than a day and a half, orphaned ID.why, empty due
 * directories. */
void queue_sweep(int queue_dir);
/* Makes due what waits more than `longest` seconds from now, which none does but for its release time: the
 * clock was ahead when it was put off. */
void queue_recall(int queue_dir, int64_t longest);

#endif
