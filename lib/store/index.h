/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A folder's index: a cache of what its file names, journal and durable file say, so that a mailbox opens
 * without reading a directory. It may be deleted at any moment.
 *
 *     postern-index:  header │ records of 64 bytes, ascending by UID │ one bit a record: it is gone │ names
 *
 * Readers map the file and take no lock: header, record, name and the bits each carry a checksum, so that
 * what is torn or damaged, by whomever, is seen and never used. Writers hold the folder's lock and write by
 * pwrite, so that a full disk is an error and no signal. Records are added at the end and changed in place; a
 * file that needs more room, or has too many records that are gone, is replaced by a new one, never shrunk.
 * Whoever has the old one mapped sees by its link count that it is old.
 *
 * Where no file can be written (a full disk, somebody else's directory) the index is in this process's memory
 * only, until another process has written one: a mailbox goes on with that (mailbox_index_fits()).
 *
 * After a reboot nobody can tell whether what was written last reached the disk. So the header names the boot
 * (see mail_boot) in which it counts: in another one sizes, dates and the cache's places are still used, but
 * neither mod-sequences nor the next UID.
 */
#ifndef POSTERN_STORE_INDEX_H
#define POSTERN_STORE_INDEX_H

#include "base/bytes.h"
#include "base/status.h"
#include "store/filename.h"

#include <time.h>

#define INDEX_FILE "postern-index"
#define INDEX_BOOT 40
#define INDEX_RECORDS 4000000   /* of a folder: its owner must not make us take all memory */
#define INDEX_UNSIZED UINT32_MAX /* a size that isn't known yet, or is 4 GiB or more */

enum {
    INDEX_GONE = 1,     /* expunged with this mod-sequence */
    INDEX_IN_NEW = 2,   /* the file is in new/ */
    INDEX_RECENT = 4,   /* and no session has selected the folder since it came */
    INDEX_VERBATIM = 8, /* the name is kept as it stands; else without its flags, which `disk_flags` are */
    INDEX_INFO = 16,    /* ":2," stands in the name */
    INDEX_NAMED = 32,   /* the name tells its UID */
    INDEX_DATED = 64,   /* `date` is known */
};

struct index_record {
    uint32_t uid;
    uint32_t flags;      /* what they are for IMAP: FLAG_* and all letters of the name */
    uint32_t disk_flags; /* what the name says: others while the journal has a change that isn't in it yet */
    uint16_t bits;       /* INDEX_* */
    uint16_t name_length;
    uint64_t modseq;
    int64_t date;      /* mtime, seconds */
    uint32_t size;     /* of the file */
    uint32_t wire;     /* with CRLF */
    uint64_t cache_at; /* in the cache's file */
    uint32_t cache_length; /* 0: nothing there */
    uint32_t name_at;  /* behind the beginning of the names */
    uint32_t name_sum;
    uint32_t sum; /* of what stands before it */
};

struct index_header {
    char magic[16];
    uint64_t id; /* of this file */
    char boot[INDEX_BOOT];
    uint32_t uid_validity, uid_next;
    uint64_t modseq;        /* the highest given */
    uint64_t expunged_from; /* expunges above this mod-sequence are all among the records */
    uint64_t changes;       /* how often the header was written */
    int64_t new_sec, cur_sec; /* the directories' mtimes */
    uint32_t new_nsec, cur_nsec;
    uint32_t settled; /* the records are what the directories held at those times, for sure */
    uint32_t dirty;   /* a change that the directories' times don't show is, or was at a crash, under way */
    uint32_t floor;   /* above every UID that ever had a record */
    uint32_t count, room; /* records */
    /* of the records that aren't gone: */
    uint32_t unseen, deleted, recent, pending, unnamed, unsized;
    uint32_t gone;         /* the others */
    uint32_t first_unseen; /* no record before this one is unseen */
    uint32_t letters;      /* flags' letters that were ever seen in a name */
    uint32_t spare;
    uint64_t wire_total; /* of those whose size is known */
    uint64_t names_used, names_room;
    uint64_t cache_id, cache_used, cache_live;
    uint32_t bits_sum;
    uint32_t sum;
};

struct index_writing; /* index_write.c: what isn't in the file yet */

struct index {
    int dir; /* the folder's; not closed */
    int fd;  /* -1: none, or in memory */
    char *map;
    size_t map_size;
    bool open;
    struct index_header header; /* as last read, or as it will be written */
    struct index_writing *writing;
};

/* Opens and maps it. ST_NONE: there is none that can be used. */
enum status index_open(int dir, struct index *ix);
/* Nothing that index_put() and the like did since the last index_commit() is kept. */
void index_close(struct index *ix);
/* Reads the header again. False: it is damaged, or being written all the while. */
bool index_reload(struct index *ix);
/* Is it still the one that others open? */
bool index_is_current(const struct index *ix);
/* Record n < header.count. False if it is damaged. */
bool index_get(const struct index *ix, uint32_t n, struct index_record *r);
/* The name of its file as it is on disk. False if it is damaged. */
bool index_name(const struct index *ix, const struct index_record *r, char name[FILENAME_LIMIT + 1]);
/* The number of the first record with this UID or a higher one; header.count if there is none. Whether it is
 * the right one is seen by reading it. */
uint32_t index_find(const struct index *ix, uint32_t uid);
/* The bits of records that are gone, header.count of them; *bits is malloc'd, NULL where none is gone. False
 * with errno: EBADMSG if they aren't those of the header (damaged, or, without the lock, being written), or
 * ENOMEM. */
bool index_gone_bits(const struct index *ix, unsigned char **bits);

/* --- with the folder's lock held (index_write.c). A failure is kept, and index_commit() tells it. */
/* A new one without records, with room for so many and for their names; not yet visible to others.
 * uid_validity and what else isn't counted comes from `header`. *ix is made; ST_TEMP only if memory runs
 * out. */
enum status index_begin(int dir, const struct index_header *header, size_t records, size_t names,
                        struct index *ix);
/* Adds a record. `name` is that of its file; what it tells (flags, bits) is taken from it, and r->flags where
 * `keep_flags` isn't set. Makes room where there is none left: the file is replaced. */
void index_add(struct index *ix, struct index_record *r, const char *name, bool keep_flags);
/* Writes record n anew; `old` is what it was. */
void index_put(struct index *ix, uint32_t n, const struct index_record *old, const struct index_record *r);
/* Gives a record the name that its file has now. The record is still to be put. */
void index_set_name(struct index *ix, struct index_record *r, const char *name);
/* Writes what is waiting and the header, and makes an index that was begun the folder's. ST_TEMP: it couldn't
 * be written; there is none on disk then, and this one is in memory from now on. */
enum status index_commit(struct index *ix);
/* Are too many records of messages that are gone? Without the lock. */
bool index_has_waste(const struct index *ix);
/* Copies all records but the oldest of those that are gone into a new index, if so. */
void index_compact(struct index *ix);
/* Says, in the file and at once, that a change begins which the directories' times won't show. */
void index_mark_dirty(struct index *ix);
/* No index is left for others to open. */
void index_remove(int dir);

/* --- for who only needs UIDs of a folder (APPEND, COPY): the next one, if the index counts in this boot */
bool index_next_uid(int dir, const char *boot, uint32_t uid_validity, uint32_t *next, int *fd);
/* Raises it; fd is from index_next_uid and is closed. */
enum status index_set_next_uid(int fd, uint32_t next);

#endif
