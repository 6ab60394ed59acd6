/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * maildirsize; see quota.h. The file, as Courier's Maildir++ describes it:
 *
 *     1000000000S,50000C      the limits when it was written; the file is void when they change
 *     123456789 4711          bytes and messages: the sum of all these lines is what the Maildir holds
 *     4210 1                  added by who put a message into it
 *     -4210 -1
 *
 * Lines are added by one write to a file opened for appending, so that no two writers need a lock. The file
 * is counted anew when it is missing, odd, as large as MAILDIRSIZE_LIMIT, made for other limits, or leaves no
 * room for what is to come and isn't fresh: it is believed then only if it has but one line and is younger
 * than 15 minutes.
 *
 * Counting takes the size from a name's S= where there is one, and looks at the file where there is none.
 * Mail that comes or goes meanwhile may be counted twice or not at all, so the directories' times are looked
 * at again afterwards, and if they moved, it is counted again, a few times. What error is left shows when a
 * limit is reached, and is counted away then.
 *
 * Considered: a lock around delivery and counting. Delivery takes none that a mailbox's owner could hold.
 */
#include "store/quota.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/settings.h"
#include "store/quota_count.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAILDIRSIZE "maildirsize"
#define MAILDIRSIZE_LIMIT 5120 /* bytes; Courier and Dovecot count anew beyond it */
#define FRESH_SECONDS (15 * 60)
#define COUNTS 3 /* times that a Maildir is counted while it changes */
#define DELIVERY_GRACE 10
#define DELIVERY_PATIENCE 1000 /* milliseconds: others wait behind it */

/* --- limits */

static bool parse_word(struct span word, struct quota *q)
{
    char text[32];
    struct span name, value = word;
    span_cut(&value, '=', &name);
    if (span_eq_str(name, "storage") && q->bytes == QUOTA_UNSET)
        return span_copy(value, text, sizeof text) && settings_parse_size(text, &q->bytes);
    return span_eq_str(name, "messages") && q->messages == QUOTA_UNSET &&
           span_u64(value, QUOTA_MESSAGES_LIMIT, &q->messages);
}

bool quota_parse(struct span text, struct quota *q)
{
    struct span word;
    *q = (struct quota){ QUOTA_UNSET, QUOTA_UNSET };
    for (size_t at = 0; at < text.n;) {
        size_t start = at;
        while (at < text.n && text.p[at] != ' ' && text.p[at] != '\t')
            at++;
        word = span_head(span_from(text, start), at - start);
        if (word.n && !parse_word(word, q))
            return false;
        at++;
    }
    return true;
}

void quota_print(const struct quota *q, struct bytes *out)
{
    if (q->bytes != QUOTA_UNSET)
        bytes_printf(out, "storage=%llu", (unsigned long long)q->bytes);
    if (q->bytes != QUOTA_UNSET && q->messages != QUOTA_UNSET)
        bytes_add_char(out, ' ');
    if (q->messages != QUOTA_UNSET)
        bytes_printf(out, "messages=%llu", (unsigned long long)q->messages);
}

void quota_default(struct quota *q, uint64_t bytes, uint64_t messages)
{
    if (q->bytes == QUOTA_UNSET)
        q->bytes = bytes;
    if (q->messages == QUOTA_UNSET)
        q->messages = messages;
}

bool quota_limited(const struct quota *q)
{
    return q->bytes || q->messages;
}

static bool over(uint64_t limit, uint64_t used, uint64_t more, unsigned grace)
{
    if (!limit)
        return false;
    uint64_t bound = grace && used < limit ? limit + limit / 100 * grace : limit;
    return used > bound || more > bound - used;
}

static bool fits(const struct quota *q, const struct quota_used *u, const struct quota_used *more,
                 unsigned grace)
{
    return !over(q->bytes, u->bytes, more->bytes, grace) &&
           !over(q->messages, u->messages, more->messages, grace);
}

/* --- the file */

static bool read_number(struct span text, int64_t *number)
{
    uint64_t value;
    bool negative = text.n && text.p[0] == '-';
    if (!span_u64(negative ? span_from(text, 1) : text, INT64_MAX, &value))
        return false;
    *number = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

/* "1000S,50C", in any order, either or both; 0S for none. */
static bool read_limits(struct span line, struct quota *q)
{
    struct span item;
    *q = (struct quota){ 0, 0 };
    while (span_cut(&line, ',', &item)) {
        uint64_t value;
        char unit = item.n ? item.p[item.n - 1] : '\0';
        if ((unit != 'S' && unit != 'C') || !span_u64(span_head(item, item.n - 1), UINT64_MAX, &value))
            return false;
        *(unit == 'S' ? &q->bytes : &q->messages) = value;
    }
    return true;
}

/* Blanks before each number and behind the last: some writers pad. */
static bool read_sum(struct span line, int64_t *bytes, int64_t *messages)
{
    struct span first, rest = span_trim(line);
    int64_t b, m;
    span_cut(&rest, ' ', &first);
    return read_number(first, &b) && read_number(span_trim(rest), &m) &&
           !__builtin_add_overflow(*bytes, b, bytes) && !__builtin_add_overflow(*messages, m, messages);
}

/* Is the text good for these limits? *lines counts its sums. */
static bool read_text(struct span text, const struct quota *q, struct quota_used *u, unsigned *lines)
{
    struct span line;
    struct quota made_for;
    int64_t bytes = 0, messages = 0;
    *lines = 0;
    if (text.n == 0 || text.p[text.n - 1] != '\n' || !span_cut(&text, '\n', &line) ||
        !read_limits(line, &made_for) || made_for.bytes != q->bytes || made_for.messages != q->messages)
        return false;
    while (text.n && span_cut(&text, '\n', &line)) {
        if (!read_sum(line, &bytes, &messages))
            return false;
        ++*lines;
    }
    *u = (struct quota_used){ (uint64_t)bytes, (uint64_t)messages };
    return *lines > 0 && bytes >= 0 && messages >= 0;
}

/* A file with other names may be somebody else's. */
static bool is_ours(int fd, struct stat *st)
{
    return fstat(fd, st) == 0 && st->st_nlink == 1 && st->st_size < MAILDIRSIZE_LIMIT;
}

/* `more` is what is to be added: if that doesn't fit, the file must be sure. */
static bool read_file(int maildir, const struct quota *q, const struct quota_used *more, struct quota_used *u)
{
    struct bytes text;
    struct stat st = { 0 };
    unsigned lines;
    int fd = file_open_beneath(maildir, MAILDIRSIZE, O_RDONLY, 0);
    bool good = fd >= 0 && is_ours(fd, &st);
    file_close(fd);
    bytes_init(&text, MAILDIRSIZE_LIMIT);
    good = good && file_read_beneath(maildir, MAILDIRSIZE, &text) == ST_OK &&
           read_text(span_bytes(&text), q, u, &lines);
    bytes_free(&text);
    if (good && !fits(q, u, more, 0))
        good = lines == 1 && st.st_mtim.tv_sec >= clock_now() - FRESH_SECONDS;
    return good;
}

static void write_file(int maildir, const struct quota *q, const struct quota_used *u)
{
    char text[128];
    int n = 0;
    if (q->bytes || !q->messages)
        n += snprintf(text, sizeof text, "%lluS", (unsigned long long)q->bytes);
    if (q->messages)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%lluC", n ? "," : "",
                      (unsigned long long)q->messages);
    n += snprintf(text + n, sizeof text - (size_t)n, "\n%llu %llu\n", (unsigned long long)u->bytes,
                  (unsigned long long)u->messages);
    if (file_replace(maildir, MAILDIRSIZE, (struct span){ text, (size_t)n }, 0600) != ST_OK)
        quota_forget(maildir); /* one that is wrong would be worse */
}

static enum status look(int maildir, const struct quota *q, int patience, const struct quota_used *more,
                        struct quota_used *used)
{
    int64_t until = patience ? clock_ms() + patience : INT64_MAX;
    bool changed = true, keep = quota_limited(q);
    if (keep && read_file(maildir, q, more, used))
        return ST_OK;
    for (unsigned i = 0; changed && i < COUNTS; i++) {
        struct quota_count c;
        enum status st = quota_count(maildir, until, &c);
        if (st != ST_OK) {
            if (keep)
                quota_forget(maildir);
            return st;
        }
        *used = (struct quota_used){ c.bytes, c.messages };
        if (keep)
            write_file(maildir, q, used);
        changed = quota_count_moved(maildir, until, &c);
    }
    return ST_OK;
}

enum status quota_look(int maildir, const struct quota *q, int patience, struct quota_used *used)
{
    return look(maildir, q, patience, &(struct quota_used){ 0, 0 }, used);
}

/* --- room */

enum status quota_room(int maildir, const struct quota *q, unsigned grace, int patience, uint64_t bytes,
                       uint64_t messages)
{
    const struct quota_used more = { bytes, messages };
    struct quota_used u;
    if (!quota_limited(q) || look(maildir, q, patience, &more, &u) != ST_OK || fits(q, &u, &more, grace))
        return ST_OK;
    errno = EDQUOT;
    return ST_PERM;
}

static int open_maildir(const char *maildir)
{
    return open(maildir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

enum status quota_room_at(const char *maildir, const struct quota *q, uint64_t bytes)
{
    if (!quota_limited(q))
        return ST_OK;
    int dir = open_maildir(maildir);
    if (dir < 0)
        return ST_OK;
    enum status st = quota_room(dir, q, DELIVERY_GRACE, DELIVERY_PATIENCE, bytes, 1);
    file_close(dir);
    return st;
}

/* --- changes */

void quota_add(int maildir, int64_t bytes, int64_t messages)
{
    char line[64];
    struct stat st;
    int saved = errno;
    int n = snprintf(line, sizeof line, "%lld %lld\n", (long long)bytes, (long long)messages);
    int fd = file_open_beneath(maildir, MAILDIRSIZE, O_WRONLY | O_APPEND, 0);
    if (fd >= 0 && (!is_ours(fd, &st) || write(fd, line, (size_t)n) != n))
        quota_forget(maildir);
    file_close(fd);
    errno = saved;
}

void quota_add_at(const char *maildir, int64_t bytes, int64_t messages)
{
    int saved = errno, dir = open_maildir(maildir);
    if (dir >= 0)
        quota_add(dir, bytes, messages);
    file_close(dir);
    errno = saved;
}

void quota_forget(int maildir)
{
    int saved = errno;
    unlinkat(maildir, MAILDIRSIZE, 0);
    errno = saved;
}
