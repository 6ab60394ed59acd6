/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Policies and hosts in a GDBM file; see tls_state.h. Includes gdbm.h, beside table.c, whose files are
 * written once and as a whole.
 *
 *     "p DOMAIN"   digest, "policy ID FETCHED EXPIRES RETRY\n", the policy's text
 *     "h HOST"     digest, "host SEEN WHAT\n"
 *     "r "         digest, "resolver UNABLE WARNED\n"
 *
 * ID is "-" where there is none. The digest is of key and value: a flipped bit is then an entry that isn't
 * there.
 *
 * The file is locked (flock, as GDBM does) before anybody looks at what is in it: GDBM itself looks at the
 * size first, and takes what another process is just making for damaged, or makes it once more. Only who
 * holds the lock alone, and whose file still has the name, puts a damaged one aside.
 */
#include "store/tls_state.h"
#include "base/files.h"
#include "base/log.h"
#include "store/table.h"

#include <errno.h>
#include <fcntl.h>
#include <gdbm.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME "tls-state"
#define KEY_LIMIT 320
#define VALUE_LIMIT (TLS_STATE_POLICY_LIMIT + 256)
#define DIGEST_SIZE sizeof(uint64_t)
#define OPEN_TRIES 50 /* 10 ms each, while somebody else has it open */
#define OPEN_FLAGS (GDBM_NOMMAP | GDBM_CLOEXEC | GDBM_NOLOCK)

static bool make_path(const char *spool, const char *suffix, char path[PATH_MAX])
{
    return snprintf(path, PATH_MAX, "%s/" NAME "%s", spool, suffix) < PATH_MAX;
}

/* Opens the file that has the name, and locks it. -1 with errno: ENOENT, for a reader also where nobody has
 * written to it yet; EWOULDBLOCK: somebody else has it, or has just put another in its place. */
static int open_locked(const char *path, bool write)
{
    struct stat st, named;
    int fd = open(path, (write ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    bool good = flock(fd, (write ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 && fstat(fd, &st) == 0;
    if (good && (stat(path, &named) != 0 || st.st_ino != named.st_ino || st.st_dev != named.st_dev)) {
        errno = EWOULDBLOCK;
        good = false;
    }
    if (good && (!S_ISREG(st.st_mode) || (!write && st.st_size == 0))) {
        errno = S_ISREG(st.st_mode) ? ENOENT : EINVAL;
        good = false;
    }
    if (good)
        return fd;
    file_close(fd);
    return -1;
}

/* What is in the file, which the database keeps locked. NULL with errno; EBADMSG: it is damaged. */
static GDBM_FILE read_file(int fd, const char *path, bool write)
{
    int flags = OPEN_FLAGS | GDBM_CLOERROR | (write ? GDBM_WRCREAT : GDBM_READER);
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    GDBM_FILE db = own >= 0 ? gdbm_fd_open(own, path, 0, flags, NULL) : NULL;
    if (own < 0 || (db && !gdbm_needs_recovery(db)))
        return db;
    int why = db                                    ? EBADMSG /* a crash in the middle of a change */
              : gdbm_errno == GDBM_MALLOC_ERROR     ? ENOMEM
              : gdbm_errno == GDBM_FILE_WRITE_ERROR ? ENOSPC /* a new one */
                                                    : EBADMSG;
    if (db)
        gdbm_close(db);
    errno = why;
    return NULL;
}

static void put_aside(const char *spool)
{
    char path[PATH_MAX], aside[PATH_MAX];
    if (!make_path(spool, "", path) || !make_path(spool, ".damaged", aside) || rename(path, aside) != 0)
        return;
    log_event(LOG_WARNING, "tls-state-damaged", "file", aside, "text",
              "MTA-STS policies will be fetched again", NULL);
}

/* A damaged one is empty to who reads; who writes begins it anew. With ENOENT where reading and there is
 * nothing. */
static GDBM_FILE open_state(const char *spool, bool write)
{
    char path[PATH_MAX];
    if (!make_path(spool, "", path))
        return NULL;
    for (int i = 0; i < OPEN_TRIES; i++) {
        int fd = open_locked(path, write);
        GDBM_FILE db = fd >= 0 ? read_file(fd, path, write) : NULL;
        int why = errno;
        bool damaged = fd >= 0 && !db && why == EBADMSG;
        if (damaged && write)
            put_aside(spool);
        file_close(fd);
        errno = damaged && !write ? ENOENT : why;
        if (db || (errno != EBADMSG && errno != EWOULDBLOCK))
            return db;
        if (errno == EWOULDBLOCK)
            nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    return NULL;
}

static bool make_key(const char *kind, const char *name, char key[KEY_LIMIT])
{
    int n = snprintf(key, KEY_LIMIT, "%s %s", kind, name);
    for (char *p = key; *p; p++)
        *p = ascii_lower(*p);
    errno = ENAMETOOLONG;
    return n > 0 && n < KEY_LIMIT;
}

static uint64_t digest(struct span key, struct span value)
{
    uint64_t two[2] = { table_digest(key), table_digest(value) };
    return table_digest((struct span){ (const char *)two, sizeof two });
}

static bool check(datum key, datum d, struct span *value)
{
    uint64_t have;
    if (!d.dptr || d.dsize < (int)DIGEST_SIZE)
        return false;
    memcpy(&have, d.dptr, DIGEST_SIZE);
    *value = (struct span){ d.dptr + DIGEST_SIZE, (size_t)d.dsize - DIGEST_SIZE };
    return have == digest((struct span){ key.dptr, (size_t)key.dsize }, *value);
}

static enum status get(const char *spool, const char *kind, const char *name, struct bytes *value)
{
    char key[KEY_LIMIT];
    struct span found;
    if (!make_key(kind, name, key))
        return ST_TEMP;
    GDBM_FILE db = open_state(spool, false);
    if (!db)
        return errno == ENOENT ? ST_NONE : ST_TEMP;
    datum k = { key, (int)strlen(key) }, d = gdbm_fetch(db, k);
    enum status st = ST_NONE;
    if (check(k, d, &found))
        st = bytes_add_span(value, found) ? ST_OK : ST_TEMP;
    free(d.dptr);
    gdbm_close(db);
    return st;
}

/* --- the values */

static struct span first_line(struct span value, struct span *rest)
{
    struct span line;
    *rest = value;
    return span_cut(rest, '\n', &line) ? line : SPAN("");
}

static bool read_policy(struct span value, struct tls_state_policy *p)
{
    char line[160];
    struct span text;
    if (!span_copy(first_line(value, &text), line, sizeof line) ||
        sscanf(line, "policy %32s %" SCNd64 " %" SCNd64 " %" SCNd64, p->id, &p->fetched, &p->expires,
               &p->retry) != 4)
        return false;
    if (strcmp(p->id, "-") == 0)
        p->id[0] = '\0';
    return bytes_add_span(&p->text, text);
}

static bool read_host(struct span value, struct tls_state_host *h)
{
    char line[160];
    struct span rest;
    return span_copy(first_line(value, &rest), line, sizeof line) &&
           sscanf(line, "host %" SCNd64 " %7s", &h->seen, h->what) == 2;
}

static bool read_resolver(struct span value, struct tls_state_resolver *r)
{
    char line[160];
    struct span rest;
    return span_copy(first_line(value, &rest), line, sizeof line) &&
           sscanf(line, "resolver %" SCNd64 " %" SCNd64, &r->unable, &r->warned) == 2;
}

static bool is_over(struct span key, struct span value, int64_t now)
{
    struct tls_state_policy p = { .expires = 0 };
    struct tls_state_host h = { .seen = 0 };
    bool over = !span_starts(key, "r ");
    bytes_init(&p.text, VALUE_LIMIT);
    if (span_starts(key, "p ") && read_policy(value, &p))
        over = p.expires <= now && p.retry <= now;
    else if (span_starts(key, "h ") && read_host(value, &h))
        over = h.seen + TLS_STATE_HOST_SECONDS <= now;
    bytes_free(&p.text);
    return over;
}

/* --- keeping */

/* Copies what holds into an empty file. */
static bool copy_rest(GDBM_FILE from, GDBM_FILE to, int64_t now)
{
    bool good = true;
    datum key = gdbm_firstkey(from);
    while (key.dptr) {
        struct span value;
        datum d = gdbm_fetch(from, key);
        if (good && check(key, d, &value) &&
            !is_over((struct span){ key.dptr, (size_t)key.dsize }, value, now))
            good = gdbm_store(to, key, d, GDBM_INSERT) == 0;
        free(d.dptr);
        datum next = gdbm_nextkey(from, key);
        free(key.dptr);
        key = next;
    }
    return good && gdbm_sync(to) == 0;
}

/* A new file, without what is over, in its place. (gdbm_reorganize() needs calls that no sandbox allows.) */
static void sweep(const char *spool, GDBM_FILE db, int64_t now)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    if (!make_path(spool, "", path) || !make_path(spool, ".new", fresh))
        return;
    unlink(fresh);
    GDBM_FILE to = gdbm_open(fresh, 0, OPEN_FLAGS | GDBM_WRCREAT, 0600, NULL);
    bool good = to && copy_rest(db, to, now);
    if (to)
        gdbm_close(to);
    if (!good || rename(fresh, path) != 0)
        unlink(fresh);
}

static bool has_room(GDBM_FILE db)
{
    struct stat st;
    return fstat(gdbm_fdesc(db), &st) != 0 || st.st_size < (off_t)TLS_STATE_LIMIT;
}

/* Open for a change, with room for it. */
static GDBM_FILE open_to_change(const char *spool, int64_t now)
{
    GDBM_FILE db = open_state(spool, true);
    if (!db || has_room(db))
        return db;
    sweep(spool, db, now);
    gdbm_close(db);
    db = open_state(spool, true);
    if (!db || has_room(db))
        return db;
    gdbm_close(db);
    errno = ENOSPC;
    return NULL;
}

static enum status put(const char *spool, const char *kind, const char *name, struct span value, int64_t now)
{
    char key[KEY_LIMIT], *record = malloc(DIGEST_SIZE + value.n);
    bool known = make_key(kind, name, key);
    GDBM_FILE db = record && known ? open_to_change(spool, now) : NULL;
    enum status st = ST_TEMP;
    if (db) {
        datum k = { key, (int)strlen(key) }, v = { record, (int)(DIGEST_SIZE + value.n) };
        uint64_t d = digest(span_of(key), value);
        memcpy(record, &d, DIGEST_SIZE);
        memcpy(record + DIGEST_SIZE, value.p, value.n);
        st = gdbm_store(db, k, v, GDBM_REPLACE) == 0 && gdbm_sync(db) == 0 ? ST_OK : ST_TEMP;
    }
    if (db)
        gdbm_close(db);
    free(record);
    return st;
}

/* --- what the header promises */

enum status tls_state_policy(const char *spool, const char *domain, int64_t now, struct tls_state_policy *p)
{
    struct bytes value;
    *p = (struct tls_state_policy){ .expires = 0 };
    bytes_init(&p->text, VALUE_LIMIT);
    bytes_init(&value, VALUE_LIMIT);
    enum status st = get(spool, "p", domain, &value);
    if (st == ST_OK && !read_policy(span_bytes(&value), p))
        st = ST_NONE;
    bytes_free(&value);
    return st == ST_OK && p->expires <= now ? ST_NONE : st;
}

enum status tls_state_policy_keep(const char *spool, const char *domain, const struct tls_state_policy *p,
                                  int64_t now)
{
    struct bytes value;
    bytes_init(&value, VALUE_LIMIT);
    bytes_printf(&value, "policy %s %" PRId64 " %" PRId64 " %" PRId64 "\n", p->id[0] ? p->id : "-",
                 p->fetched, p->expires, p->retry);
    bytes_add_span(&value, span_bytes(&p->text));
    enum status st = value.failed ? ST_TEMP : put(spool, "p", domain, span_bytes(&value), now);
    bytes_free(&value);
    return st;
}

enum status tls_state_host(const char *spool, const char *host, int64_t now, struct tls_state_host *h)
{
    struct bytes value;
    *h = (struct tls_state_host){ .seen = 0 };
    bytes_init(&value, VALUE_LIMIT);
    enum status st = get(spool, "h", host, &value);
    if (st == ST_OK && (!read_host(span_bytes(&value), h) || h->seen + TLS_STATE_HOST_SECONDS <= now))
        st = ST_NONE;
    bytes_free(&value);
    return st;
}

enum status tls_state_host_keep(const char *spool, const char *host, const struct tls_state_host *h,
                                int64_t now)
{
    char value[64];
    int n = snprintf(value, sizeof value, "host %" PRId64 " %s\n", h->seen, h->what);
    return put(spool, "h", host, (struct span){ value, (size_t)n }, now);
}

enum status tls_state_resolver(const char *spool, struct tls_state_resolver *r)
{
    struct bytes value;
    *r = (struct tls_state_resolver){ .unable = 0 };
    bytes_init(&value, VALUE_LIMIT);
    enum status st = get(spool, "r", "", &value);
    if (st == ST_OK && !read_resolver(span_bytes(&value), r))
        st = ST_NONE;
    bytes_free(&value);
    return st;
}

enum status tls_state_resolver_keep(const char *spool, const struct tls_state_resolver *r, int64_t now)
{
    char value[64];
    int n = snprintf(value, sizeof value, "resolver %" PRId64 " %" PRId64 "\n", r->unable, r->warned);
    return put(spool, "r", "", (struct span){ value, (size_t)n }, now);
}
