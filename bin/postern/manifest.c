/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A backup's list; see manifest.h. Read mapped, so that the list of a million messages costs no more memory
 * than what is looked at. What stands there is checked as if a stranger had written it: a backup may have
 * lain anywhere.
 */
#include "manifest.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER "postern-backup 1\n"
#define PIECE ((size_t)64 * 1024)
#define HEX (2 * HASH_SIZE)

/* --- text */

static bool is_plain(unsigned char c)
{
    return c > ' ' && c < 0x7f && c != '\\';
}

void manifest_escape(struct span raw, struct bytes *to)
{
    for (size_t i = 0; i < raw.n; i++)
        if (is_plain((unsigned char)raw.p[i]))
            bytes_add_char(to, raw.p[i]);
        else
            bytes_printf(to, "\\x%02x", (unsigned char)raw.p[i]);
}

bool manifest_unescape(struct span text, struct bytes *to)
{
    uint64_t value;
    while (text.n) {
        if (text.p[0] != '\\' && !is_plain((unsigned char)text.p[0]))
            return false;
        if (text.p[0] != '\\') {
            bytes_add_char(to, text.p[0]);
            text = span_from(text, 1);
            continue;
        }
        if (text.n < 4 || text.p[1] != 'x' || !span_hex(span_head(span_from(text, 2), 2), 0xff, &value) ||
            value == 0)
            return false;
        bytes_add_char(to, (char)value);
        text = span_from(text, 4);
    }
    return !to->failed;
}

bool manifest_path(struct span escaped, struct bytes *to)
{
    size_t before = to->len;
    struct span part;
    if (!manifest_unescape(escaped, to) || to->len == before)
        return false;
    struct span rest = span_from(span_bytes(to), before);
    if (rest.p[rest.n - 1] == '/')
        return false;
    while (rest.n && span_cut(&rest, '/', &part))
        if (part.n == 0 || span_eq_str(part, ".") || span_eq_str(part, ".."))
            return false;
    return true;
}

void manifest_hex(const unsigned char hash[HASH_SIZE], char to[HEX + 1])
{
    for (size_t i = 0; i < HASH_SIZE; i++)
        snprintf(to + 2 * i, 3, "%02x", hash[i]);
}

/* --- reading */

static bool is_hash(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_digit(s.p[i]) && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
            return false;
    return s.n == HEX;
}

static bool read_time(struct span s, struct timespec *t)
{
    struct span seconds;
    uint64_t number, nanoseconds;
    bool negative = span_starts(s, "-");
    s = span_from(s, negative);
    if (!span_cut(&s, '.', &seconds) || !span_u64(seconds, INT64_MAX, &number) || s.n != 9 ||
        !span_u64(s, 999999999, &nanoseconds))
        return false;
    t->tv_sec = negative ? -(time_t)number : (time_t)number;
    t->tv_nsec = (long)nanoseconds;
    return true;
}

static bool read_file(struct span line, struct manifest_entry *e)
{
    struct span size, time;
    return span_cut(&line, ' ', &e->hash) && is_hash(e->hash) && span_cut(&line, ' ', &size) &&
           span_u64(size, INT64_MAX, &e->size) && span_cut(&line, ' ', &time) && read_time(time, &e->mtime) &&
           (e->path = line).n;
}

static bool read_number(struct span line, struct manifest_entry *e)
{
    struct span number;
    uint64_t value;
    if (!span_cut(&line, ' ', &number) || !span_u64(number, 4095, &value))
        return false;
    e->error = (int)value;
    e->path = line;
    return line.n > 0;
}

static bool read_line(struct span line, struct manifest_entry *e)
{
    struct span word;
    *e = (struct manifest_entry){ 0 };
    span_cut(&line, ' ', &word);
    bool is_dir = span_eq_str(word, "dir"), is_account = span_eq_str(word, "account");
    if (is_dir || is_account) {
        e->kind = is_dir ? MANIFEST_DIR : MANIFEST_ACCOUNT;
        e->path = line;
        return line.n > 0;
    }
    if (span_eq_str(word, "file")) {
        e->kind = MANIFEST_FILE_LINE;
        return read_file(line, e);
    }
    if (span_eq_str(word, "link")) {
        e->kind = MANIFEST_LINK;
        return span_cut(&line, ' ', &e->target) && (e->path = line).n;
    }
    if (span_eq_str(word, "unread")) {
        e->kind = MANIFEST_UNREAD;
        return read_number(line, e);
    }
    return true;
}

bool manifest_next(struct span *rest, struct manifest_entry *e)
{
    struct span line;
    if (!rest->n || span_find(*rest, '\n') == rest->n || !span_cut(rest, '\n', &line))
        return false;
    if (!read_line(line, e))
        *e = (struct manifest_entry){ .kind = MANIFEST_WRONG };
    return true;
}

/* The last line, and whether it is right about the others. */
static void read_end(struct manifest *m)
{
    unsigned char sum[HASH_SIZE];
    char hex[HEX + 1];
    struct span text = m->text, line, word, files, bytes;
    if (!text.n || text.p[text.n - 1] != '\n')
        return;
    const char *before = text.n > 1 ? memrchr(text.p, '\n', text.n - 1) : NULL;
    size_t at = before ? (size_t)(before + 1 - text.p) : 0;
    line = span_head(span_from(text, at), text.n - at - 1);
    if (!span_cut(&line, ' ', &word) || !span_eq_str(word, "end") || !span_cut(&line, ' ', &files) ||
        !span_u64(files, INT64_MAX, &m->files) || !span_cut(&line, ' ', &bytes) ||
        !span_u64(bytes, INT64_MAX, &m->bytes))
        return;
    if (!hash_sha256(span_head(text, at), sum))
        return;
    manifest_hex(sum, hex);
    m->whole = span_eq_str(line, hex);
    m->text = span_head(text, at);
}

enum status manifest_open(int dir, struct manifest *m)
{
    struct stat info;
    struct span text, line, word;
    *m = (struct manifest){ 0 };
    int fd = file_open_beneath(dir, MANIFEST_FILE, O_RDONLY, 0);
    if (fd < 0)
        return errno == ENOENT ? ST_NONE : ST_TEMP;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
        m->map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        m->map_size = (size_t)info.st_size;
    }
    file_close(fd);
    if (!m->map || m->map == MAP_FAILED) {
        bool failed = m->map;
        m->map = NULL;
        return failed ? ST_TEMP : ST_PERM;
    }
    m->text = text = (struct span){ m->map, m->map_size };
    if (!span_starts(text, HEADER))
        return ST_PERM;
    text = span_from(text, sizeof HEADER - 1);
    if (!span_cut(&text, '\n', &line) || !span_cut(&line, ' ', &word) || !span_cut(&line, ' ', &word) ||
        !span_copy(word, m->begun, sizeof m->begun))
        return ST_PERM;
    read_end(m);
    return ST_OK;
}

void manifest_close(struct manifest *m)
{
    if (m->map)
        munmap(m->map, m->map_size);
    *m = (struct manifest){ 0 };
}

static const char *find(struct span text, struct span wanted)
{
    return text.n ? memmem(text.p, text.n, wanted.p, wanted.n) : NULL;
}

bool manifest_account(struct manifest *m, const char *address, struct span *lines)
{
    struct bytes wanted;
    bytes_init(&wanted, MANIFEST_PATH_LIMIT);
    bytes_add_str(&wanted, "\naccount ");
    manifest_escape(span_of(address), &wanted);
    bytes_add_char(&wanted, '\n');
    struct span line = wanted.failed ? SPAN("\n\n") : span_bytes(&wanted); /* that there is none of */
    const char *at = find(span_from(m->text, m->account), line);
    if (!at)
        at = find(m->text, line);
    if (at) {
        *lines = span_from(m->text, (size_t)(at - m->text.p) + line.n - 1); /* from the line's end on */
        const char *next = find(*lines, SPAN("\naccount "));
        *lines = span_from(next ? span_head(*lines, (size_t)(next - lines->p) + 1) : *lines, 1);
        m->account = next ? (size_t)(next - m->text.p) : 0;
    }
    bytes_free(&wanted);
    return at;
}

/* --- writing */

static void fail(struct manifest_out *o)
{
    if (!o->failed)
        o->error = errno ? errno : ENOMEM;
    o->failed = true;
}

static void flush(struct manifest_out *o)
{
    hash_add(&o->hash, span_bytes(&o->waiting));
    if (o->waiting.failed || o->hash.failed) {
        errno = ENOMEM;
        fail(o);
    } else if (!o->failed && file_write(o->fd, span_bytes(&o->waiting)) != ST_OK) {
        fail(o);
    }
    bytes_clear(&o->waiting);
}

static void end_line(struct manifest_out *o)
{
    bytes_add_char(&o->waiting, '\n');
    if (o->waiting.len >= PIECE || o->waiting.failed)
        flush(o);
}

enum status manifest_begin(int dir, const char *begun, const char *hostname, struct manifest_out *o)
{
    *o = (struct manifest_out){ .fd = openat(dir, MANIFEST_FILE,
                                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600) };
    bytes_init(&o->waiting, 4 * PIECE);
    if (o->fd < 0 || !hash_start(&o->hash))
        return ST_TEMP;
    bytes_printf(&o->waiting, HEADER "begun %s ", begun);
    manifest_escape(span_of(hostname), &o->waiting);
    end_line(o);
    return ST_OK;
}

void manifest_file(struct manifest_out *o, struct span path, struct span hash, uint64_t size,
                   struct timespec mtime)
{
    bool negative = mtime.tv_sec < 0;
    bytes_add_str(&o->waiting, "file ");
    bytes_add_span(&o->waiting, hash);
    bytes_printf(&o->waiting, " %" PRIu64 " %s%" PRIu64 ".%09ld ", size, negative ? "-" : "",
                 negative ? -(uint64_t)mtime.tv_sec : (uint64_t)mtime.tv_sec, mtime.tv_nsec);
    manifest_escape(path, &o->waiting);
    o->files++;
    o->bytes += size;
    end_line(o);
}

static void put(struct manifest_out *o, const char *word, struct span path)
{
    bytes_add_str(&o->waiting, word);
    manifest_escape(path, &o->waiting);
    end_line(o);
}

void manifest_dir(struct manifest_out *o, struct span path)
{
    put(o, "dir ", path);
}

void manifest_link(struct manifest_out *o, struct span path, struct span target)
{
    bytes_add_str(&o->waiting, "link ");
    manifest_escape(target, &o->waiting);
    put(o, " ", path);
}

void manifest_unread(struct manifest_out *o, struct span path, int error)
{
    bytes_printf(&o->waiting, "unread %d", error);
    put(o, " ", path);
}

void manifest_begin_account(struct manifest_out *o, const char *address)
{
    put(o, "account ", span_of(address));
}

static enum status result(struct manifest_out *o)
{
    if (o->failed)
        errno = o->error;
    return o->failed ? ST_TEMP : ST_OK;
}

enum status manifest_synced(struct manifest_out *o)
{
    flush(o);
    if (!o->failed && syncfs(o->fd) != 0)
        fail(o);
    bytes_add_str(&o->waiting, "synced");
    end_line(o);
    flush(o);
    return result(o);
}

enum status manifest_end(struct manifest_out *o)
{
    unsigned char sum[HASH_SIZE];
    char line[HEX + 64], hex[HEX + 1];
    flush(o);
    if (!o->failed && !hash_end(&o->hash, sum)) {
        errno = ENOMEM;
        fail(o);
    }
    if (!o->failed) {
        manifest_hex(sum, hex);
        snprintf(line, sizeof line, "end %" PRIu64 " %" PRIu64 " %s\n", o->files, o->bytes, hex);
        if (file_write(o->fd, span_of(line)) != ST_OK || fsync(o->fd) != 0)
            fail(o);
    }
    enum status st = result(o);
    manifest_drop(o);
    return st;
}

void manifest_drop(struct manifest_out *o)
{
    int saved = errno;
    if (o->fd >= 0)
        file_close(o->fd);
    hash_drop(&o->hash);
    bytes_free(&o->waiting);
    o->fd = -1;
    errno = saved;
}
