/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files that make up the mailbox share; nobody else includes this.
 *
 *     mailbox.c         opening, closing, finding, STATUS
 *     mailbox_lock.c    the folder's lock, UIDs and mod-sequences
 *     mailbox_keyword.c keywords
 *     mailbox_sync.c    the directories merged into the index, under the folder's lock
 *     mailbox_touched.c names that events told of, as a part of that
 *     mailbox_match.c   which file is which record
 *     mailbox_assign.c  UIDs for files that have none
 *     mailbox_rebuild.c an index made anew
 *     mailbox_refresh.c what is new in the index told to the session
 *     mailbox_events.c  what inotify says of the directories
 *     mailbox_message.c what a session sees of one message
 *     mailbox_file.c    one message's bytes
 *     mailbox_flags.c   STORE, and flags from the journal into names
 *     mailbox_expunge.c EXPUNGE
 *     mailbox_summary.c the cache's content, and what is learned from reading a message
 *     mailbox_place.c   a folder that messages are put into
 *     mailbox_append.c  APPEND
 *     mailbox_copy.c    COPY, and RENAME of INBOX
 *     mailbox_move.c    MOVE
 *     mailbox_carry.c   what goes along into another folder
 *
 * How it fits together. The index (index.h) has a record for every message that some Postern has seen; the
 * session shows some of these (view.h). Whoever finds the directories to be other than the index says takes
 * the lock and brings the index up to date (mailbox_sync); then every session picks up from the index what is
 * news to it, by mod-sequence (mailbox_refresh). Nobody holds the lock while he waits for a client.
 *
 * Are the directories as the index says? An opened mailbox hears of every change by inotify: what events name
 * and the index explains is no news, the rest is looked at name by name. Without that, and when a mailbox is
 * opened, the directories' times count, but only where the index is marked settled: times are too coarse to
 * be believed in the moment after a change, some ticks of the kernel's clock (or two seconds, where the file
 * system keeps whole ones). Own changes unsettle it; who has heard of nothing else for so long settles it
 * again.
 *
 * What a session appends to the folder that it has open goes into the index under the lock that its UID was
 * taken under (place_tell): the event that follows is explained by then, and no directory is looked at. That
 * is done only while every UID that was given has its record: a record above a UID whose file still has to be
 * found would make that file's UID one that was put back.
 */
#ifndef POSTERN_STORE_MAILBOX_PRIVATE_H
#define POSTERN_STORE_MAILBOX_PRIVATE_H

#include "store/cache.h"
#include "store/durable.h"
#include "store/index.h"
#include "store/scan.h"
#include "store/view.h"

#include <sys/stat.h>

#define OWN_MODSEQS 64

struct uid_range {
    uint32_t first, last;
};

/* What was learned of a message by reading it, on its way to the index. */
struct learned {
    uint32_t record, uid;
    int64_t date; /* INT64_MIN: not learned */
    uint32_t size, wire;
    uint64_t cache_at; /* in `cached` of struct mailbox_private, or 0 */
    uint32_t cache_length;
};

struct mailbox_private {
    int dir, new_dir, cur_dir; /* new_dir is -1 where there is none */
    int tmp_dir;               /* -1 until something is put here */
    struct index index;
    struct view view;
    uint32_t picked;         /* records that were looked at for the view */
    uint64_t picked_modseq;  /* changes up to it were told, but for expunges where gone_waits */
    uint64_t picked_changes; /* the index's count of changes then */
    uint32_t picked_uid;     /* above all UIDs that were shown */
    uint64_t letters_modseq; /* of the last change for whose letters keywords were looked up at once */
    uint32_t *news;          /* UIDs whose flags were seen to have changed when another index was attached */
    size_t news_count;
    uint32_t named_up_to;    /* records before this one were looked at for flags that wait */
    bool gone_waits;         /* messages are gone that the session wasn't told of */
    bool lost;               /* what the session shows can't be told any more */
    bool changed;            /* the directories aren't what the index says, as somebody found out */
    uint64_t own[OWN_MODSEQS]; /* mod-sequences of this session's own changes since the last refresh */
    size_t own_count;
    struct uid_range *recent; /* messages that this session was the first to see */
    size_t recent_count;
    int new_watch, cur_watch, dir_watch;
    bool events_lost;    /* not everything was heard */
    struct scan touched; /* names of events that weren't looked at yet; and the times of the last scan */
    /* --- mailbox_summary.c */
    struct cache cache;
    struct learned *learned;
    size_t learned_count;
    struct bytes cached; /* cache records on their way to the file */
    size_t *expected; /* the indexes to come */
    size_t expected_count, expected_next;
    struct ahead *ahead; /* summaries made for them */
};

struct mailbox_private *mailbox_private(const struct mailbox *box);
uint32_t mailbox_named(const struct mailbox *box); /* the bits of letters that have a meaning */

/* --- the lock */
/* Takes the folder's lock, reads the durable file, adopts its keywords, and sees to it that p->index is the
 * one on disk, up to date or not. The descriptor to close with mailbox_unlock, or -1 with errno. ESTALE: the
 * folder has another UIDVALIDITY by now. */
int mailbox_lock(struct mailbox *box, struct durable *d);
/* Attaches the index on disk, if it counts; without the lock. */
bool mailbox_open_index(struct mailbox *box);
/* Is the present index the one on disk (or in memory, where there is none that counts), undamaged, with no
 * change left half done? Reads its header again. */
bool mailbox_index_fits(struct mailbox *box);
void mailbox_unlock(int lock, struct durable *d); /* keeps errno */
/* Takes over validity, keywords and the rest of an opened durable file; ST_TEMP with errno ESTALE where the
 * UIDVALIDITY is no longer the one that this mailbox was opened with. *new_keyword where one came. */
enum status mailbox_adopt(struct mailbox *box, const struct durable *d, bool *new_keyword);
/* A new mod-sequence, durable; with the lock held. 0 with errno if it can't be had. */
uint64_t mailbox_next_modseq(struct mailbox *box, struct durable *d);
/* `count` UIDs from *first on, reserved on disk and taken in the index's header (to be committed). */
enum status mailbox_take_uids(struct index *ix, int dir, struct durable *d, size_t count, uint32_t *first);
/* Remembers that this mod-sequence is this session's own. */
void mailbox_own_modseq(struct mailbox *box, uint64_t modseq);

/* --- mailbox_sync.c */
/* Brings the index up to date with the directories, which are read. Nothing is told to the session. */
enum status mailbox_sync(struct mailbox *box);
/* The same with the lock held. */
enum status mailbox_sync_locked(struct mailbox *box, struct durable *d);
/* Is the index what the directories are, as far as can be told without the lock? */
bool mailbox_in_step(struct mailbox *box);
/* The directories' times as a scan took them, into the header; and are they those? */
void mailbox_set_times(struct index_header *h, const struct scan *s, bool settled);
bool mailbox_times_fit(const struct index_header *h, const struct scan *s);
/* Marks the index as settled, if by now it can be. */
void mailbox_settle(struct mailbox *box);

/* --- a merge of files into records */
#define NO_ITEM SIZE_MAX
struct merging {
    struct mailbox *box;
    struct durable *d;
    struct index *index; /* that is written: the mailbox's, or a new one */
    struct scan scan;
    bool whole_new, whole_cur; /* the directory was read as a whole: what isn't there is gone */
    bool damaged; /* a record or name that had to be read can't be */
    bool touched;    /* own changes made the directories' times other than the scan's */
    bool incomplete; /* a file is left out: only another look will bring it in */
    bool anew;                 /* the index is being made anew: every claim counts, the journal is asked */
    struct index before;       /* then: what could be read of the one before, or nothing */
    const struct journal *journal;
    uint32_t base_count;     /* records that were there before */
    size_t *item_of;         /* by record: its item, or NO_ITEM */
    uint32_t *uids;          /* by record, for a whole scan; or NULL */
    struct base_slot *by_base; /* records without a UID in their name, by its unique part */
    size_t *unknown;         /* items that are no record's */
    size_t unknown_count;
    size_t missing; /* records whose file wasn't found */
    uint64_t modseq; /* of what changed; 0: none was needed yet */
};
/* mailbox_match.c: fills in item_of, unknown and missing. ST_TEMP with errno, EBADMSG where the index is
 * damaged. */
enum status merging_match(struct merging *m);
void merging_free_match(struct merging *m);
/* Is a name one of a message whose file none of the items is? */
bool merging_misses(struct merging *m, const struct found *item);
/* The mod-sequence of this merge's changes. */
uint64_t merging_modseq(struct merging *m);
/* mailbox_touched.c: adds to the scan what events told of meanwhile, until no file is on its way. False if
 * memory runs out. */
bool merging_take_touched(struct merging *m);
/* Is something there under the name that an event told of? Then *st is of it. */
bool touched_is_there(const struct mailbox_private *p, const struct found *item, struct stat *st);
/* mailbox_assign.c: records for the unknown items. ST_NONE, unless this is the `last` attempt: a file that
 * has a UID was renamed meanwhile, nothing was done, scan again. */
enum status mailbox_assign(struct merging *m, bool last);
/* mailbox_rebuild.c: makes an index anew from all there is, and begins to use it. */
enum status mailbox_rebuild(struct mailbox *box, struct durable *d);
/* Uses `next` in place of the present index, which is closed; what is shown stays shown. */
enum status mailbox_attach(struct mailbox *box, struct index *next);

/* --- names */
/* The stored name of a record is `name` from now on, without taking room where only flags changed. */
void mailbox_rename_record(struct index *ix, struct index_record *r, const char *name);
/* The unique part of a record's name; points into `name`. */
bool mailbox_record_base(const struct index *ix, const struct index_record *r, char name[FILENAME_LIMIT + 1],
                         struct span *base);
/* Another program's change to what we knew, and ours: both. */
uint32_t flags_merge(uint32_t known, uint32_t there, uint32_t wanted);
/* The directory that a record's file is in. */
int mailbox_record_dir(const struct mailbox_private *p, const struct index_record *r);

/* --- mailbox_message.c */
/* The record of a message that is shown. False for a ghost (only r->uid is set), and for what is damaged:
 * then the index has been made anew, and if that didn't help the mailbox is lost. */
bool mailbox_record(struct mailbox *box, size_t index, struct index_record *r, uint32_t *number);

/* --- mailbox_file.c */
/* Opens a record's file, and looks for it nowhere else; -1 with errno, EBADMSG where its name is damaged. For
 * any thread, while nobody writes the index. */
int mailbox_open_record(const struct mailbox *box, const struct index_record *r);
/* mailbox_map() of an opened file. */
enum status mailbox_map_fd(int fd, struct mailbox_map *map);

/* --- mailbox_events.c */
void mailbox_watch(struct mailbox *box);
/* Reads what has happened into p->touched. True if anything did. */
bool mailbox_drain(struct mailbox *box);
/* As if nothing had been heard yet: before a scan of everything. */
void mailbox_forget_events(struct mailbox *box);

/* --- mailbox_refresh.c */
/* Adds to a malloc'd list of UIDs, which begins as NULL and 0. False, and nothing is added, without
 * memory. */
bool mailbox_add_uid(uint32_t **uids, size_t *count, uint32_t uid);
/* This session was the first to see the message, and whether it was. */
void mailbox_note_recent(struct mailbox *box, uint32_t uid);
bool mailbox_is_recent(const struct mailbox *box, uint32_t uid);

/* --- mailbox_flags.c */
/* Brings all flags that wait into names, the lock being given to others in between; until a failure. */
void mailbox_name_all_pending(struct mailbox *box);

/* --- mailbox_summary.c */
void mailbox_learn(struct mailbox *box, const struct learned *l);
/* Writes what was learned to cache and index, if the lock can be had at once. */
void mailbox_keep_learned(struct mailbox *box);
/* What was read ahead or is expected counts no more: indexes may change. */
void mailbox_forget_summaries(struct mailbox *box);
void mailbox_free_summaries(struct mailbox *box);

/* Where messages are put: its directories, and while it is locked its durable file. */
struct place {
    struct mail *mail;
    struct mailbox *box; /* the folder's, opened, whose index is told of what comes; or NULL */
    bool tells;          /* while locked: the index can be told at once */
    uint64_t modseq;     /* of the records it was told so far; 0: none */
    int dir, tmp_dir, cur_dir;
    int lock;
    struct durable durable;
};
enum status place_open(struct mail *mail, struct span folder, struct place *p);
/* The same for who has a mailbox open (or NULL), which may be the folder's. */
enum status place_open_beside(struct mail *mail, struct mailbox *box, struct span folder, struct place *p);
void place_close(struct place *p); /* unlocks too; keeps errno */
enum status place_lock(struct place *p);
/* `count` UIDs from *first on; the place is locked. */
enum status place_uids(struct place *p, size_t count, uint32_t *first);
/* A new file in tmp/, named `name` (maildir_unique). */
int place_file(struct place *p, char *name, size_t size);
/* bits[i] is the letter's bit for names[i], made where needed and 0 where no letter is left or a name is
 * none. Changes the durable file on disk. */
enum status place_keywords(struct place *p, const char *const *names, size_t count, uint32_t *bits);
/* Moves the file to its place in cur/ under its full name. Not yet fsynced. */
enum status place_publish(struct place *p, const char *temporary, const char *name);
/* Tells the opened mailbox's index of a published message that is on disk, so that nobody has to find it: r
 * has its UID, sizes and date. Nothing happens where it can't be told, and the next look at the folder finds
 * the file. */
void place_tell(struct place *p, struct index_record *r, const char *name);
/* Behind the last place_tell(): others see the records now. */
void place_tell_end(struct place *p);

/* Lets go of the lock, and of the durable file. */
void place_unlock(struct place *p);

/* --- mailbox_carry.c: what goes along with messages into another folder, which is locked */
/* By source letter: its bit in the other folder. */
enum status carry_keywords(const struct mailbox *box, const size_t *indexes, size_t count, struct place *to,
                           uint32_t *bits);
/* The name that the file of a message, or a copy of it, has there. False with errno if it doesn't fit. */
bool carry_name(const struct mailbox *box, size_t index, const struct place *to, const uint32_t *bits,
                uint32_t uid, uint64_t size, const char *base, char *name);

/* folder_rename() of INBOX. */
enum status mailbox_rename_inbox(struct mail *mail, struct span to);

#endif
