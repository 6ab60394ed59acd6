/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A backup's list of what is in it: text, a line each, in the order in which it was written.
 *
 *     postern-backup 1
 *     begun 2026-11-26T18:30:00Z mail.example.org
 *     dir settings
 *     file SHA256 SIZE MTIME settings/postern.conf
 *     link TARGET settings/cert.pem
 *     account you@example.org
 *     dir mail/example.org/you
 *     file SHA256 SIZE MTIME mail/example.org/you/cur/1763752345.M123P45Q1.host,S=4321:2,S
 *     unread 13 mail/example.org/you/cur/...      what couldn't be read, and its errno
 *     synced                                      all above is on disk
 *     end FILES BYTES SHA256                      of the lines above
 *
 * SHA256 and SIZE (bytes) are the file's, MTIME seconds with nine digits behind the dot. In paths and targets
 * a byte that isn't printable ASCII, a blank or a backslash is \xNN.
 */
#ifndef POSTERN_MANIFEST_H
#define POSTERN_MANIFEST_H

#include "base/status.h"
#include "net/hash.h"

#include <time.h>

#define MANIFEST_FILE "manifest"
#define MANIFEST_PATH_LIMIT 4096 /* bytes of a path, escaped */

enum manifest_kind {
    MANIFEST_OTHER, /* a line that says nothing of a file */
    MANIFEST_DIR,
    MANIFEST_FILE_LINE,
    MANIFEST_LINK,
    MANIFEST_ACCOUNT, /* the path is its address */
    MANIFEST_UNREAD,
    MANIFEST_WRONG /* none that is right: in a list that isn't whole */
};

struct manifest_entry {
    enum manifest_kind kind;
    struct span path;   /* as it stands there; manifest_path() has its bytes */
    struct span target; /* of a link, likewise */
    struct span hash;   /* 64 hexadecimal digits */
    uint64_t size;
    struct timespec mtime;
    int error; /* of what couldn't be read */
};

/* --- reading */
struct manifest {
    struct span text; /* from the file, mapped */
    bool whole;       /* the last line is there and its hash is right */
    uint64_t files, bytes;
    char begun[32];
    void *map;
    size_t map_size;
    size_t account; /* where the last one that was asked for ends: the next is most often asked for next */
};

/* Maps it and checks its hash. ST_NONE: there is none. ST_PERM: it is none that this version reads. One that
 * isn't whole is opened all the same. Close it in every case. */
enum status manifest_open(int dir, struct manifest *m);
void manifest_close(struct manifest *m);
/* The next line of *rest. False at the end. */
bool manifest_next(struct span *rest, struct manifest_entry *e);
/* The lines of an account, behind its own: into *lines. False: it isn't there. */
bool manifest_account(struct manifest *m, const char *address, struct span *lines);
/* Escapes and the way back; the latter appends only what may be opened below a backup: no "..", no empty
 * part, nothing absolute. */
void manifest_escape(struct span raw, struct bytes *to);
bool manifest_path(struct span escaped, struct bytes *to);
/* The same for any text. */
bool manifest_unescape(struct span escaped, struct bytes *to);

/* --- writing: a failure is kept, and manifest_end() tells it */
struct manifest_out {
    int fd;
    struct bytes waiting;
    struct hash hash;
    uint64_t files, bytes;
    bool failed;
    int error;
};

/* Makes the file in `dir`. ST_TEMP with errno. */
enum status manifest_begin(int dir, const char *begun, const char *hostname, struct manifest_out *o);
void manifest_file(struct manifest_out *o, struct span path, struct span hash, uint64_t size,
                   struct timespec mtime);
void manifest_dir(struct manifest_out *o, struct span path);
void manifest_link(struct manifest_out *o, struct span path, struct span target);
void manifest_unread(struct manifest_out *o, struct span path, int error);
/* `address` begins a part of its own. */
void manifest_begin_account(struct manifest_out *o, const char *address);
/* All that was said so far is on disk, and the file says so. */
enum status manifest_synced(struct manifest_out *o);
/* Writes the last line and fsyncs. */
enum status manifest_end(struct manifest_out *o);
void manifest_drop(struct manifest_out *o);

/* A hash as text. */
void manifest_hex(const unsigned char hash[HASH_SIZE], char to[2 * HASH_SIZE + 1]);

#endif
