/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The queue's files: what is written and read back, each state of the table atop queue.c that a crash can
 * leave, damaged files, marks, due times, backoff.
 */
#include "../helpers/one_queued.h"
#include "tap.h"

#include "base/clock.h"
#include "base/files.h"
#include "store/queue_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char spool[] = "/tmp/postern-queue-XXXXXX";
static int dir;

static const char message[] = "From: a@here.test\r\nSubject: x\r\n\r\n.dot\r\n";

static struct address address(const char *text)
{
    struct address a = { 0 };
    snprintf(a.text, sizeof a.text, "%s", text);
    a.local_length = (size_t)(strrchr(text, '@') - text);
    return a;
}

static enum status prepare(const char *id, struct queue_new *q)
{
    struct address to[3] = { address("b@there.test"), address("\"c d\"@there.test"), address("e@else.test") };
    static const struct rcpt_options some = { .notify = NOTIFY_SUCCESS | NOTIFY_DELAY,
                                              .orcpt = "rfc822;c+20d@there.test" };
    static const struct rcpt_options program = { .account = true, .forwarded = true, .program = "0:list" };
    static const struct rcpt_options *const options[3] = { NULL, &some, &program };
    struct queue_envelope e = { .sender = "a@here.test",
                                .recipients = to,
                                .recipient_count = 3,
                                .eight_bit = true,
                                .options = { true, true, RET_HDRS, "QQ+2B1", 1763759545, true },
                                .recipient_options = options };
    struct content c = {
        .trace = SPAN("Received: here\r\n"), .memory = SPAN(message), .fd = -1, .size = sizeof message - 1
    };
    return queue_prepare(spool, id, &e, &c, q);
}

static void put(char id[QUEUE_ID_LIMIT])
{
    struct queue_new q;
    if (prepare(NULL, &q) != ST_OK || queue_publish(&q) != ST_OK)
        abort();
    snprintf(id, QUEUE_ID_LIMIT, "%s", q.id);
    if (queue_finish(&q) != ST_OK)
        abort();
}

static size_t listed(bool due, const char *id)
{
    struct queue_place *places;
    size_t count, found = 0;
    if (queue_list(dir, due, &places, &count) != ST_OK)
        return 99;
    for (size_t i = 0; i < count; i++)
        found += strcmp(places[i].id, id) == 0;
    free(places);
    return found;
}

static void in_and_out(void)
{
    struct queue_new q;
    struct queue_message m, second;
    char path[QUEUE_PATH_LIMIT], id[QUEUE_ID_LIMIT];
    ok(prepare(NULL, &q) == ST_OK && queue_id_valid(q.id), "prepared: %s", q.id);
    ok(queue_find(dir, q.id, path) == ST_NONE && listed(false, q.id) == 0, "nobody sees it yet");
    ok(queue_publish(&q) == ST_OK && q.published, "published");
    snprintf(id, sizeof id, "%s", q.id);
    ok(queue_finish(&q) == ST_OK && listed(true, id) == 1, "finished, and due at once");
    ok(queue_read(dir, id, true, &m) == ST_OK, "read");
    ok(strcmp(m.sender, "a@here.test") == 0 && m.eight_bit && m.recipient_count == 3 && m.next_attempt == 0,
       "its envelope");
    ok(strcmp(m.recipients[1].address.text, "\"c d\"@there.test") == 0 &&
           m.recipients[1].address.local_length == 5,
       "a quoted recipient");
    ok(m.options.smtputf8 && m.options.require_tls && m.options.ret == RET_HDRS &&
           strcmp(m.options.envid, "QQ+2B1") == 0 && m.options.release == 1763759545 && m.options.junk,
       "what its MAIL said");
    ok(!m.recipients[0].options && m.recipients[2].options && m.recipients[2].options->forwarded &&
           m.recipients[2].options->account && strcmp(m.recipients[2].options->program, "0:list") == 0 &&
           m.recipients[1].options && m.recipients[1].options->notify == (NOTIFY_SUCCESS | NOTIFY_DELAY) &&
           strcmp(m.recipients[1].options->orcpt, "rfc822;c+20d@there.test") == 0,
       "what a RCPT said");
    ok(m.size == sizeof message - 1 + 16 && llabs((long long)(m.queued - clock_now())) < 60,
       "its size and time");
    char content[256] = "";
    ok(pread(m.fd, content, sizeof content - 1, m.content) == (ssize_t)m.size &&
           strstr(content, "\r\n\r\n.dot\r\n"),
       "its content, not dot-stuffed");
    ok(queue_read(dir, id, true, &second) == ST_TEMP && errno == EWOULDBLOCK,
       "a second tool finds it locked");
    ok(queue_read(dir, id, false, &second) == ST_OK, "a look without the lock is allowed");
    queue_message_free(&second);
    int fd = queue_reopen(dir, &m);
    ok(fd >= 0 && write(fd, "x", 1) < 0, "a sender's descriptor can't write");
    close(fd);
    ok(remove_queued(dir, &m) == ST_OK && queue_read(dir, id, false, &second) == ST_NONE, "removed");
    queue_message_free(&m);
    ok(prepare(NULL, &q) == ST_OK, "another is prepared");
    snprintf(path, sizeof path, QUEUE_TMP "/%s", q.id);
    queue_abort(&q);
    ok(faccessat(dir, path, F_OK, 0) != 0, "abort leaves nothing");
}

/* In libc's place: this disk says once that something was lost, as Linux does. */
static bool next_is_lost;

int fsync(int fd)
{
    bool lost = next_is_lost;
    next_is_lost = false;
    errno = EIO;
    return lost ? -1 : (int)syscall(SYS_fsync, fd);
}

static void lost_by_the_disk(void)
{
    struct queue_new q;
    char id[QUEUE_ID_LIMIT], path[QUEUE_PATH_LIMIT];
    queue_new_id(id);
    ok(prepare(id, &q) == ST_OK && queue_publish(&q) == ST_OK, "one is published");
    next_is_lost = true;
    ok(queue_finish(&q) == ST_TEMP && !next_is_lost, "its fsync fails");
    ok(queue_finish(&q) == ST_TEMP && errno == EIO, "which another doesn't mend");
    queue_abort(&q);
    ok(queue_find(dir, id, path) == ST_OK, "it keeps its place, as somebody may be sending it");
    unlinkat(dir, path, 0);
    prepare(id, &q);
    queue_publish(&q);
    next_is_lost = true;
    queue_finish(&q);
    queue_withdraw(&q);
    ok(queue_find(dir, id, path) == ST_NONE, "or is withdrawn");
    ok(prepare(id, &q) == ST_OK && queue_publish(&q) == ST_OK && queue_finish(&q) == ST_OK,
       "and written anew, under its ID");
    unlinkat(dir, id, 0);
    prepare(id, &q);
    next_is_lost = true;
    ok(queue_commit(&q, spool) == ST_TEMP && !next_is_lost, "committed it isn't either");
    unlinkat(dir, id, 0);
}

static void marks(void)
{
    struct queue_message m;
    char id[QUEUE_ID_LIMIT];
    put(id);
    queue_read(dir, id, true, &m);
    ok(queue_mark(&m, 1, QUEUE_DONE) == ST_OK, "one mark");
    ok(queue_mark_all(&m, (size_t[]){ 0, 2 }, 2, QUEUE_FAILED) == ST_OK, "two marks");
    queue_message_free(&m);
    ok(queue_read(dir, id, true, &m) == ST_OK && m.recipients[0].mark == 'F' && m.recipients[1].mark == 'D' &&
           m.recipients[2].mark == 'F',
       "are read back");
    remove_queued(dir, &m);
    queue_message_free(&m);
}

static void defer(void)
{
    struct queue_message m;
    char id[QUEUE_ID_LIMIT], path[QUEUE_PATH_LIMIT], other[QUEUE_PATH_LIMIT];
    put(id);
    queue_read(dir, id, true, &m);
    m.attempts = 3;
    m.next_attempt = clock_now() + 1000;
    m.replies[1] = strdup("450 4.2.0 later\nT forged@x.test");
    ok(defer_queued(dir, &m) == ST_OK && queue_find(dir, id, path) == ST_OK && strchr(path, '/'),
       "deferred to %s", path);
    ok(listed(true, id) == 0 && listed(false, id) == 1, "it isn't due, but there");
    queue_message_free(&m);
    ok(queue_read(dir, id, true, &m) == ST_OK && m.attempts == 3 && m.next_attempt > clock_now() + 900 &&
           m.replies[1] && strcmp(m.replies[1], "450 4.2.0 later?T forged@x.test") == 0 && !m.replies[0],
       "what is known of it is read back");
    ok(m.told == 0, "nobody was told that it is late");
    ok(m.until == 0, "nor was it given more time");
    m.told = 1763766745;
    m.until = 1763766746;
    m.sync_why = true;
    m.next_attempt = clock_now() - 1;
    ok(defer_queued(dir, &m) == ST_OK && queue_find(dir, id, other) == ST_OK && strcmp(path, other) != 0,
       "moved to %s", other);
    *strrchr(path, '/') = '\0';
    ok(faccessat(dir, path, F_OK, 0) != 0, "the emptied directory is gone");
    ok(listed(true, id) == 1, "now it is due");
    struct queue_message again;
    ok(queue_read(dir, id, false, &again) == ST_OK && again.told == 1763766745 && again.until == 1763766746 &&
           again.replies[1],
       "and both are remembered");
    queue_message_free(&again);
    ok(remove_queued(dir, &m) == ST_OK && listed(false, id) == 0, "removed");
    *strrchr(other, '/') = '\0';
    ok(faccessat(dir, other, F_OK, 0) != 0, "nothing is left of it");
    queue_message_free(&m);
}

static void touch_old(const char *path)
{
    struct timespec old[2] = { { .tv_sec = clock_now() - 40 * 3600 }, { .tv_sec = clock_now() - 40 * 3600 } };
    close(openat(dir, path, O_WRONLY | O_CREAT, 0600));
    utimensat(dir, path, old, 0);
}

/* The table atop queue.c, row by row. */
static void crash_states(void)
{
    struct queue_new q;
    struct queue_message m;
    char id[QUEUE_ID_LIMIT], path[QUEUE_PATH_LIMIT], text[300];
    prepare(NULL, &q);
    ok(listed(false, q.id) == 0, "tmp/ID is no message");
    snprintf(path, sizeof path, QUEUE_TMP "/%s", q.id);
    queue_sweep(dir);
    ok(faccessat(dir, path, F_OK, 0) == 0, "a sweep leaves a young tmp/ID alone");
    touch_old(path);
    queue_sweep(dir);
    ok(faccessat(dir, path, F_OK, 0) != 0, "and removes an old one");
    queue_abort(&q);

    put(id);
    mkdirat(dir, QUEUE_DEFERRED "/4000000000", 0700);
    snprintf(path, sizeof path, QUEUE_DEFERRED "/4000000000/%s.why", id);
    file_replace(dir, path, SPAN("next 4000000000\nattempts 9\n"), 0600);
    ok(listed(true, id) == 1 && queue_read(dir, id, false, &m) == ST_OK && m.attempts == 0,
       "ID with deferred/DUE/ID.why: still to be tried now");
    queue_message_free(&m);

    snprintf(text, sizeof text, QUEUE_DEFERRED "/4000000000/%s", id);
    ok(renameat(dir, id, dir, text) == 0 && listed(true, id) == 0 &&
           queue_read(dir, id, false, &m) == ST_OK && m.attempts == 9,
       "deferred/DUE/ID with its .why: deferred");
    queue_message_free(&m);

    unlinkat(dir, path, 0);
    ok(queue_read(dir, id, true, &m) == ST_OK && m.attempts == 0 && m.next_attempt == 4000000000 &&
           listed(true, id) == 0,
       "without its .why: deferred all the same");
    m.next_attempt = clock_now();
    snprintf(path, sizeof path, "%s.why", id);
    touch_old(path);
    queue_sweep(dir);
    ok(faccessat(dir, path, F_OK, 0) != 0 && listed(false, id) == 1,
       "an old orphan is swept, the message isn't");
    ok(defer_queued(dir, &m) == ST_OK && remove_queued(dir, &m) == ST_OK, "the message goes");
    queue_message_free(&m);
    ok(listed(false, id) == 0, "and is gone");
}

/* The clock was ten years ahead when one was deferred. Another is to leave then. */
static void clock_was_ahead(void)
{
    static const struct {
        const char *name;
        int64_t wait, release;
        bool due;
    } rows[] = {
        { "ten years", 315360000, 0, true },
        { "ten years, once released", 315360000, -60, true },
        { "ten years, and is released then", 315360000, 315360000, false },
        { "four hours", 4 * 3600, 0, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct address to = address("b@there.test");
        int64_t now = clock_now();
        struct queue_envelope e = { .sender = "a@here.test", .recipients = &to, .recipient_count = 1 };
        struct content c = { .memory = SPAN("x\r\n"), .fd = -1, .size = 3 };
        struct queue_new q;
        struct queue_message m;
        e.options.release = rows[i].release ? now + rows[i].release : 0;
        ok(queue_prepare(spool, NULL, &e, &c, &q) == ST_OK && queue_publish(&q) == ST_OK &&
               queue_read(dir, q.id, true, &m) == ST_OK,
           "one that waits %s", rows[i].name);
        queue_finish(&q);
        m.attempts = 2;
        m.next_attempt = now + rows[i].wait;
        defer_queued(dir, &m);
        queue_recall(dir, 5 * 3600);
        ok(listed(true, q.id) == 0, "is left alone while somebody is at work on it");
        queue_message_free(&m);
        queue_recall(dir, 5 * 3600);
        ok(listed(true, q.id) == rows[i].due, "%s", rows[i].due ? "is due" : "goes on waiting");
        ok(queue_read(dir, q.id, true, &m) == ST_OK && m.attempts == 2 &&
               (m.next_attempt <= clock_now()) == rows[i].due,
           "as its attempts are remembered");
        remove_queued(dir, &m);
        queue_message_free(&m);
    }
}

static void damaged_files(void)
{
    static const struct {
        const char *name, *text;
    } rows[] = {
        { "empty", "" },
        { "another version", "postern-queue 2\ntime 1\nsize 1\nbody 7bit\nfrom a@b\nT c@d\n\nx" },
        { "cut in the envelope", "postern-queue 1\ntime 1\nsize 1\nbody 7bit\nfrom a@b\nT c@" },
        { "shorter than it says", "postern-queue 1\ntime 1\nsize 2\nbody 7bit\nfrom a@b\nT c@d\n\nx" },
        { "longer than it says", "postern-queue 1\ntime 1\nsize 2\nbody 7bit\nfrom a@b\nT c@d\n\nxxx" },
        { "a sender with a line end",
          "postern-queue 1\ntime 1\nsize 1\nbody 7bit\nfrom a@b>\rRCPT TO:<e@f\nT c@d\n\nx" },
        { "no recipient", "postern-queue 1\ntime 1\nsize 1\nbody 7bit\nfrom a@b\n\nx" },
        { "a recipient without an address", "postern-queue 1\ntime 1\nsize 1\nbody 7bit\nfrom a@b\nT \n\nx" },
        { "another mark", "postern-queue 1\ntime 1\nsize 1\nbody 7bit\nfrom a@b\nY c@d\n\nx" },
        { "no time", "postern-queue 1\nsize 1\nbody 7bit\nfrom a@b\nT c@d\n\nx" },
        { "a negative size", "postern-queue 1\ntime 1\nsize -1\nbody 7bit\nfrom a@b\nT c@d\n\nx" },
        { "a control byte in an address",
          "postern-queue 1\ntime 1\nsize 1\nbody 7bit\nfrom a@b\nT c\r@d\n\nx" },
        { "all zeros", "\0" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct queue_message m;
        char id[QUEUE_ID_LIMIT];
        queue_new_id(id);
        file_replace(dir, id, span_of(rows[i].text), 0600);
        ok(queue_read(dir, id, true, &m) == ST_PERM && listed(false, id) == 1, "damaged (%s): left alone",
           rows[i].name);
        unlinkat(dir, id, 0);
    }
    struct queue_message m;
    ok(queue_read(dir, "../../etc/passwd", true, &m) == ST_NONE &&
           queue_read(dir, QUEUE_TMP, true, &m) == ST_NONE && queue_read(dir, "", true, &m) == ST_NONE,
       "a name that is no ID is not there");
}

static void bounce_ids(void)
{
    char id[QUEUE_ID_LIMIT], first[QUEUE_ID_LIMIT], again[QUEUE_ID_LIMIT], other[QUEUE_ID_LIMIT];
    struct queue_new q;
    queue_new_id(id);
    queue_report_id(id, "", 3, first);
    queue_report_id(id, "", 3, again);
    queue_report_id(id, "", 4, other);
    ok(queue_id_valid(first) && strcmp(first, again) == 0 && strcmp(first, other) != 0 &&
           strcmp(first, id) > 0,
       "a bounce's ID: %s", first);
    queue_report_id(id, "delay", 3, again);
    queue_report_id(id, "success", 3, other);
    ok(queue_id_valid(again) && strcmp(again, first) != 0 && strcmp(again, other) != 0,
       "other reports have others");
    queue_report_id(id, "", 3, again);
    ok(strcmp(again, first) == 0, "a bounce's is that of no kind");
    ok(prepare(first, &q) == ST_OK && queue_publish(&q) == ST_OK && queue_finish(&q) == ST_OK,
       "the bounce is queued");
    ok(prepare(first, &q) == ST_PERM && errno == EEXIST, "a second time it is seen");
    struct queue_message m;
    queue_read(dir, first, true, &m);
    m.next_attempt = clock_now() + 500;
    defer_queued(dir, &m);
    ok(prepare(first, &q) == ST_PERM && errno == EEXIST, "deferred it is seen too");
    remove_queued(dir, &m);
    queue_message_free(&m);
}

static void wrong_envelopes(void)
{
    struct address bad = address("a@b.test");
    struct content c = { .memory = SPAN("x\r\n"), .fd = -1, .size = 3 };
    struct queue_new q;
    strcpy(bad.text, "a\nD b@x");
    struct queue_envelope e = { .sender = "", .recipients = &bad, .recipient_count = 1 };
    ok(queue_prepare(spool, NULL, &e, &c, &q) == ST_PERM, "a line end in a recipient is refused");
    bad = address("a@b.test");
    e.sender = "x\r\n";
    ok(queue_prepare(spool, NULL, &e, &c, &q) == ST_PERM, "a line end in a sender is refused");
    e.sender = "";
    e.recipient_count = 0;
    ok(queue_prepare(spool, NULL, &e, &c, &q) == ST_PERM, "no recipient is refused");
    e.recipient_count = 1;
    c.size = 4;
    ok(queue_prepare(spool, NULL, &e, &c, &q) == ST_TEMP,
       "a content that is shorter than it says isn't queued");
}

static void many_deferred(void)
{
    struct bytes text;
    char path[QUEUE_PATH_LIMIT];
    bytes_init(&text, 1000);
    bytes_add_str(&text, "postern-queue 1\ntime 1\nsize 1\nbody 7bit\nfrom a@b\nT c@d\n\nx");
    for (int i = 0; i < 10000; i++) {
        char id[QUEUE_ID_LIMIT];
        queue_new_id(id);
        snprintf(path, sizeof path, QUEUE_DEFERRED "/%lld",
                 (long long)clock_now() / 16 * 16 + 160 + i % 200 * 16);
        mkdirat(dir, path, 0700);
        snprintf(path + strlen(path), sizeof path - strlen(path), "/%s", id);
        int fd = openat(dir, path, O_WRONLY | O_CREAT, 0600);
        file_write(fd, span_bytes(&text));
        close(fd);
    }
    int64_t best = INT64_MAX; /* others may want the processor, too */
    for (int i = 0; i < 20; i++) {
        struct queue_place *places;
        size_t count;
        int64_t begun = clock_ms();
        ok(queue_list(dir, true, &places, &count) == ST_OK && count == 0, "nothing of 10,000 is due");
        int64_t took = clock_ms() - begun;
        best = took < best ? took : best;
        free(places);
    }
    ok(best < 50, "they cost a run %lld ms", (long long)best);
    bytes_free(&text);
}

static void backoff(void)
{
    static const struct {
        uint64_t first, most;
        unsigned attempts;
        int64_t low, high;
    } rows[] = {
        { 60, 14400, 1, 54, 66 },
        { 60, 14400, 2, 108, 132 },
        { 60, 14400, 5, 864, 1056 },
        { 60, 14400, 9, 12960, 15840 },
        { 60, 14400, 1000000, 12960, 15840 },
        { 1, 1, 7, 1, 1 },
        { 0, 0, 3, 1, 1 },
        { 100, 10, 1, 9, 11 },
        { UINT64_MAX, UINT64_MAX, 9, 1, INT32_MAX },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t low = INT64_MAX, high = 0;
        for (uint64_t random = 0; random < 5000; random++) {
            int64_t d = queue_backoff(rows[i].first, rows[i].most, rows[i].attempts, random);
            low = d < low ? d : low;
            high = d > high ? d : high;
        }
        ok(low >= rows[i].low && high <= rows[i].high, "backoff %zu: %lld to %lld s", i, (long long)low,
           (long long)high);
    }
}

static void wake(void)
{
    char path[100], got[100] = "";
    snprintf(path, sizeof path, "%s/wake", spool);
    queue_wake(spool, NULL);
    ok(access(path, F_OK) != 0, "a wake-up without a FIFO does nothing");
    if (mkfifo(path, 0600) != 0)
        abort();
    queue_wake(spool, NULL);
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    ok(read(fd, got, sizeof got) < 0, "nobody read: it is lost, and nobody waits");
    queue_wake(spool, "00063f5a3b2c1d-0123456789abcdef");
    queue_wake(spool, NULL);
    ok(read(fd, got, sizeof got - 1) == 34 && strcmp(got, "00063f5a3b2c1d-0123456789abcdef\n*\n") == 0,
       "wake-ups arrive");
    for (int i = 0; i < 5000; i++)
        queue_wake(spool, "00063f5a3b2c1d-0123456789abcdef");
    ok(true, "a full FIFO holds up nobody");
    close(fd);
}

/* More due times than one set of changes holds, then all of it removed. */
static void changes_together(void)
{
    enum { COUNT = QUEUE_CHANGES_DUE + 8 };
    struct queue_changes later = { 0 };
    struct queue_message m;
    char ids[COUNT][QUEUE_ID_LIMIT];
    size_t good = 0;
    for (size_t i = 0; i < COUNT; i++) {
        put(ids[i]);
        queue_read(dir, ids[i], true, &m);
        m.attempts = 1;
        m.next_attempt = clock_now() + 4000 + 128 * (int64_t)i;
        good += queue_defer_later(dir, &m, &later) == ST_OK && listed(true, ids[i]) == 0 &&
                listed(false, ids[i]) == 1;
        queue_message_free(&m);
    }
    ok(good == COUNT, "%d messages deferred under as many due times", COUNT);
    ok(later.top && later.deferred && later.due_count, "changes wait for their sync");
    ok(queue_sync(dir, &later) == ST_OK && !later.top && !later.deferred && !later.due_count,
       "synced, none is left");
    good = 0;
    for (size_t i = 0; i < COUNT; i++) {
        queue_read(dir, ids[i], true, &m);
        good += m.attempts == 1 && queue_remove_later(dir, &m, &later) == ST_OK && listed(false, ids[i]) == 0;
        queue_message_free(&m);
    }
    ok(good == COUNT && queue_sync(dir, &later) == ST_OK, "removed the same way, with their directories");
}

/* The file of a message as a backup has it, then another queue's message. */
static void back(void)
{
    struct queue_message m;
    char id[QUEUE_ID_LIMIT], path[200], copy[200];
    put(id);
    queue_read(dir, id, true, &m);
    queue_mark(&m, 0, QUEUE_DONE);
    queue_mark(&m, 1, QUEUE_FAILED);
    queue_message_free(&m);
    snprintf(path, sizeof path, "%s/queue/%s", spool, id);
    snprintf(copy, sizeof copy, "%s/copy", spool);
    int from = link(path, copy) == 0 ? open(copy, O_RDONLY) : -1;
    ok(queue_bring_back(dir, id, from) == ST_PERM && errno == EEXIST,
       "what is in the queue doesn't come back");
    queue_read(dir, id, true, &m);
    remove_queued(dir, &m);
    queue_message_free(&m);
    ok(queue_bring_back(dir, id, from) == ST_OK && listed(false, id) == 1, "a message comes back");
    ok(queue_read(dir, id, true, &m) == ST_OK && m.recipients[0].mark == QUEUE_DONE &&
           m.recipients[1].mark == QUEUE_HELD && m.recipients[2].mark == QUEUE_HELD &&
           m.size == sizeof "Received: here\r\n" + sizeof message - 2,
       "held for those that it wasn't sent to");
    remove_queued(dir, &m);
    queue_message_free(&m);
    ok(queue_bring_back(dir, "../evil", from) == ST_PERM, "under an ID only");
    ok(truncate(copy, 100) == 0 && queue_bring_back(dir, id, from) == ST_PERM && errno == EBADMSG &&
           listed(false, id) == 0,
       "half a message doesn't");
    close(from);
    unlink(copy);
}

int main(void)
{
    if (!mkdtemp(spool) || queue_open(spool, &dir) != ST_OK)
        abort();
    in_and_out();
    lost_by_the_disk();
    marks();
    defer();
    changes_together();
    crash_states();
    clock_was_ahead();
    damaged_files();
    bounce_ids();
    wrong_envelopes();
    backoff();
    wake();
    many_deferred();
    back();
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", spool);
    ok(system(command) == 0, "cleaned up");
    return done_testing();
}
