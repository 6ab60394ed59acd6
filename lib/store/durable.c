/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The folder's durable file; see durable.h. It is replaced as a whole, but for uidnext and modseq, which
 * stand at a fixed place with a fixed width within the first sector and are overwritten there: that costs one
 * fdatasync where a replacement costs two fsyncs.
 *
 * The exact counters beside the ceilings are in the index and not synced. After a power cut nobody could tell
 * a stale counter from a good one: that is why an index counts in the boot only in which it was written.
 *
 * A file that can't be read as ours is set aside and the folder gets a new UIDVALIDITY, as IMAP
 * wants it where UIDs can't be vouched for. A file of a newer version isn't touched.
 */
#include "store/durable.h"
#include "base/clock.h"
#include "base/files.h"
#include "store/dovecot.h"
#include "store/index.h"
#include "store/special_use.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME "postern-folder"
#define LOCK_FILE "postern.lock"
#define FILE_LIMIT ((size_t)64 * 1024)
#define LOCK_WAIT_MS 10000
#define HEADER "postern-folder 1\n"
#define NUMBERS_FORMAT "uidnext %010lu\nmodseq %019llu\n"
#define NUMBERS_LENGTH (sizeof "uidnext 0000000001\nmodseq 0000000000000000001\n" - 1)
#define NUMBERS_AT (sizeof HEADER - 1)
#define MODSEQ_BLOCK 10000
#define MODSEQ_LIMIT ((uint64_t)1 << 62) /* RFC 7162 has 63 bits */
#define UIDS_LEFT_AT_OPEN 0x1000000 /* with fewer, the folder begins anew with another UIDVALIDITY */

static int take_lock(int dir, int ms)
{
    int fd = file_open_beneath(dir, LOCK_FILE, O_RDWR | O_CREAT, 0600);
    if (fd >= 0 && file_lock(fd, ms) != ST_OK) {
        file_close(fd);
        return -1;
    }
    return fd;
}

int folder_lock(int dir)
{
    return take_lock(dir, LOCK_WAIT_MS);
}

int folder_try_lock(int dir)
{
    return take_lock(dir, 0);
}

void durable_free(struct durable *d)
{
    for (size_t i = 0; i < MAILBOX_KEYWORDS; i++)
        free(d->keywords[i]);
    bytes_free(&d->other);
    *d = (struct durable){ .other.limit = FILE_LIMIT };
}

/* An atom of RFC 3501 that doesn't begin with '\'. */
static bool keyword_valid(struct span name)
{
    if (name.n == 0 || name.n > MAILBOX_KEYWORD_LIMIT)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] >= 0x7f || strchr("(){%*\"\\]", name.p[i]))
            return false;
    return true;
}

void durable_set_keyword(struct durable *d, int letter, struct span name)
{
    if (!d->keywords[letter] && keyword_valid(name) && durable_keyword(d, name) < 0)
        d->keywords[letter] = span_dup(name);
}

/* A line that names no keyword is passed over: a slip of an editor isn't worth all UIDs. */
static void read_keyword(struct durable *d, struct span value)
{
    if (value.n >= 3 && value.p[0] >= 'a' && value.p[0] <= 'z' && value.p[1] == ' ')
        durable_set_keyword(d, value.p[0] - 'a', span_from(value, 2));
}

/* An attribute of a newer Postern keeps its line out of our reading, and in the file. */
static bool read_uses(struct durable *d, struct span value)
{
    struct span attribute;
    unsigned uses = 0;
    while (span_cut(&value, ' ', &attribute)) {
        unsigned use = use_of_attribute(attribute);
        if (!use)
            return false;
        uses |= use;
    }
    d->uses_known = true;
    d->uses = uses;
    return true;
}

static bool read_line(struct durable *d, struct span line)
{
    struct span value = line, key;
    uint64_t number;
    span_cut(&value, ' ', &key);
    if (span_eq_str(key, "uidnext") && span_u64(value, UINT32_MAX, &number))
        d->uid_next = (uint32_t)number;
    else if (span_eq_str(key, "modseq") && span_u64(value, MODSEQ_LIMIT, &number))
        d->modseq = number;
    else if (span_eq_str(key, "uidvalidity") && span_u64(value, UINT32_MAX, &number))
        d->uid_validity = (uint32_t)number;
    else if (span_eq_str(key, "mailboxid"))
        return span_copy(value, d->mailbox_id, sizeof d->mailbox_id);
    else if (span_eq_str(key, "keyword"))
        read_keyword(d, value);
    else if (span_eq_str(key, "specialuse") && read_uses(d, value))
        return true;
    else if (line.n)
        return bytes_add_span(&d->other, line) && bytes_add_char(&d->other, '\n');
    return true;
}

static bool read_text(struct durable *d, struct span text)
{
    struct span line;
    text = span_from(text, strlen(HEADER));
    while (text.n && span_cut(&text, '\n', &line))
        if (!read_line(d, line))
            return false;
    return d->uid_next && d->uid_validity && d->mailbox_id[0];
}

enum status durable_read_at(int dir, const char *path, struct durable *d)
{
    struct bytes file;
    char name[FOLDER_NAME_LIMIT + sizeof FILE_NAME + 4];
    bytes_init(&file, FILE_LIMIT);
    *d = (struct durable){ .other.limit = FILE_LIMIT };
    snprintf(name, sizeof name, "%s/" FILE_NAME, path);
    enum status st = file_read_beneath(dir, name, &file);
    struct span text = span_bytes(&file);
    int why = st == ST_NONE ? ENOENT : errno;
    if (st == ST_OK && span_starts(text, "postern-folder ") && !span_starts(text, HEADER)) {
        st = ST_TEMP;
        why = EPROTONOSUPPORT;
    } else if (st == ST_PERM || (st == ST_OK && (!span_starts(text, HEADER) || !read_text(d, text)))) {
        st = ST_NONE;
        why = EILSEQ;
    }
    if (st != ST_OK)
        durable_free(d);
    bytes_free(&file);
    errno = why;
    return st;
}

enum status durable_read(int dir, struct durable *d)
{
    return durable_read_at(dir, ".", d);
}

enum status durable_write(int dir, const struct durable *d)
{
    struct bytes text;
    bytes_init(&text, 2 * FILE_LIMIT);
    bytes_printf(&text, HEADER NUMBERS_FORMAT "uidvalidity %lu\nmailboxid %s\n", (unsigned long)d->uid_next,
                 (unsigned long long)d->modseq, (unsigned long)d->uid_validity, d->mailbox_id);
    for (int i = 0; i < MAILBOX_KEYWORDS; i++)
        if (d->keywords[i])
            bytes_printf(&text, "keyword %c %s\n", 'a' + i, d->keywords[i]);
    if (d->uses_known) {
        bytes_add_str(&text, "specialuse");
        use_add_attributes(&text, d->uses);
        bytes_add_char(&text, '\n');
    }
    bytes_add_span(&text, span_bytes(&d->other));
    enum status st = text.failed ? ST_TEMP : file_replace(dir, FILE_NAME, span_bytes(&text), 0600);
    int saved = errno;
    bytes_free(&text);
    errno = saved;
    return st;
}

/* Out of the way, whatever it is. */
static void set_aside(int dir)
{
    char name[64];
    snprintf(name, sizeof name, FILE_NAME ".damaged.%016llx", (unsigned long long)random_u64());
    renameat(dir, FILE_NAME, dir, name);
}

static enum status begin(int dir, struct durable *d)
{
    if (!d->mailbox_id[0])
        snprintf(d->mailbox_id, sizeof d->mailbox_id, "F%016llx%08lx", (unsigned long long)random_u64(),
                 (unsigned long)(random_u64() >> 32));
    return durable_write(dir, d);
}

enum status durable_create(int dir, struct durable *d)
{
    d->uid_next = 1;
    return begin(dir, d);
}

static enum status begin_anew(struct mail *mail, int dir, struct durable *d)
{
    enum status st = mail_next_validity(mail, &d->uid_validity);
    d->uid_next = 1;
    return st == ST_OK ? begin(dir, d) : st;
}

bool durable_is_used_up(const struct durable *d)
{
    return d->uid_next > UINT32_MAX - UIDS_LEFT_AT_OPEN;
}

enum status durable_open(struct mail *mail, int dir, struct durable *d)
{
    enum status st = durable_read(dir, d);
    if (st == ST_OK && durable_is_used_up(d))
        return begin_anew(mail, dir, d);
    if (st == ST_OK && dovecot_share_keywords(dir, d))
        st = durable_write(dir, d);
    if (st != ST_NONE)
        return st;
    if (errno == EILSEQ)
        set_aside(dir); /* Dovecot's list, if there is one, is older than what was here */
    else
        st = dovecot_take_over(dir, d);
    return st == ST_NONE ? begin_anew(mail, dir, d) : st == ST_OK ? begin(dir, d) : st;
}

/* ST_NONE: what stands there isn't two numbers of ours. */
static enum status overwrite_numbers(int fd, const struct durable *d)
{
    char text[NUMBERS_LENGTH + 1], there[NUMBERS_AT + NUMBERS_LENGTH];
    unsigned long next;
    unsigned long long modseq;
    if (pread(fd, there, sizeof there, 0) != (ssize_t)sizeof there ||
        memcmp(there, HEADER, NUMBERS_AT) != 0 || there[sizeof there - 1] != '\n')
        return ST_NONE;
    memcpy(text, there + NUMBERS_AT, NUMBERS_LENGTH);
    text[NUMBERS_LENGTH] = '\0';
    if (sscanf(text, "uidnext %10lu\nmodseq %19llu", &next, &modseq) != 2)
        return ST_NONE;
    snprintf(text, sizeof text, NUMBERS_FORMAT, (unsigned long)d->uid_next, (unsigned long long)d->modseq);
    if (pwrite(fd, text, NUMBERS_LENGTH, (off_t)NUMBERS_AT) != (ssize_t)NUMBERS_LENGTH || fdatasync(fd) != 0)
        return ST_TEMP;
    return ST_OK;
}

static enum status write_numbers(int dir, const struct durable *d)
{
    int fd = file_open_beneath(dir, FILE_NAME, O_RDWR, 0);
    enum status st = fd < 0 ? ST_NONE : overwrite_numbers(fd, d);
    file_close(fd);
    return st == ST_NONE ? durable_write(dir, d) : st;
}

enum status durable_raise(int dir, struct durable *d, uint32_t next)
{
    if (next <= d->uid_next)
        return ST_OK;
    uint32_t before = d->uid_next;
    d->uid_next = next;
    enum status st = write_numbers(dir, d);
    if (st != ST_OK)
        d->uid_next = before;
    return st;
}

enum status durable_raise_modseq(int dir, struct durable *d, uint64_t modseq)
{
    if (modseq <= d->modseq)
        return ST_OK;
    if (modseq >= MODSEQ_LIMIT - MODSEQ_BLOCK) {
        errno = EOVERFLOW;
        return ST_TEMP;
    }
    uint64_t before = d->modseq;
    d->modseq = modseq + MODSEQ_BLOCK;
    enum status st = write_numbers(dir, d);
    if (st != ST_OK)
        d->modseq = before;
    return st;
}

enum status durable_reserve(int dir, struct durable *d, uint32_t next, size_t count, uint32_t block,
                            uint32_t *first)
{
    *first = next;
    if (count >= UINT32_MAX - block - next) {
        errno = EOVERFLOW;
        return ST_TEMP;
    }
    uint32_t end = next + (uint32_t)count;
    return end <= d->uid_next ? ST_OK : durable_raise(dir, d, end + block);
}

enum status durable_take_uids(int dir, const char *boot, struct durable *d, size_t count, uint32_t *first)
{
    uint32_t next = d->uid_next;
    int index;
    bool counted = index_next_uid(dir, boot, d->uid_validity, &next, &index);
    enum status st = durable_reserve(dir, d, next, count, counted ? DURABLE_UID_BLOCK : 0, first);
    if (!counted)
        return st;
    if (st != ST_OK) {
        file_close(index);
        return st;
    }
    return index_set_next_uid(index, *first + (uint32_t)count);
}

int durable_keyword(const struct durable *d, struct span name)
{
    for (int i = 0; i < MAILBOX_KEYWORDS; i++)
        if (d->keywords[i] && span_ieq_str(name, d->keywords[i]))
            return i;
    return -1;
}

enum status durable_add_keyword(struct durable *d, struct span name, uint32_t avoid, int *letter)
{
    int found = -1;
    for (int i = MAILBOX_KEYWORDS - 1; i >= 0; i--)
        if (!d->keywords[i] && (found < 0 || avoid >> found & 1 || !(avoid >> i & 1)))
            found = i;
    if (found < 0 || !keyword_valid(name)) {
        errno = found < 0 ? ENOSPC : EINVAL;
        return ST_PERM;
    }
    d->keywords[found] = span_dup(name);
    *letter = found;
    return d->keywords[found] ? ST_OK : ST_TEMP;
}
