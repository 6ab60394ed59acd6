/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Index, cache and journal of a small folder, with every byte changed and cut at every length, replaced by
 * older ones, by things that are no files, also under a session that has them open. The index and the cache
 * are only a cache: what a session says stays the same to the last byte. The journal is part of the truth: of
 * a message it may be taken back to what its file name says, and no message gets another's UID. With TORTURE
 * set every byte is tried, else every few.
 */
#include "index_damage.h"
#include "../helpers/one_message.h"

static char *golden;
static const char *const caches[] = { "m/postern-index", "m/postern-cache" };

/* 0: says what it said; 1: UIDs, flags, sizes or dates differ; 2: only summaries do. */
static int says_the_same(void *golden_text)
{
    char *text = picture("m", false, true), *was = golden_text;
    int result = same_picture(text, was) ? 0 : 2;
    free(text);
    if (result) {
        text = picture("m", false, false);
        unsigned next = 0, next_was = 0;
        result = sscanf(text, "validity %*u next %u", &next) == 1 &&
                         sscanf(was, "validity %*u next %u", &next_was) == 1 && next >= next_was
                     ? 2
                     : 1;
        if (tell(text, was))
            result = 1;
        free(text);
    }
    return result;
}

/* After that the mailbox works: a flag, an expunge, an append, and what comes of it is there when it is
 * opened again. */
static int works(void *golden_text)
{
    struct mail *mail;
    struct mailbox_changes c;
    uint32_t next = 0;
    sscanf(golden_text, "validity %*u next %u", &next);
    if (mail_open("m", "mx.test", &mail) != ST_OK)
        return 10;
    struct mailbox *box = box_of(mail, "INBOX", false);
    if (!box || box->count != MESSAGES)
        return 11;
    uint32_t first = mailbox_uid(box, 0), flags = mailbox_message(box, 0).flags ^ FLAG_ANSWERED,
             gone = mailbox_uid(box, 2);
    if (store_flags(box, 0, flags) != ST_OK || mailbox_expunge(box, (size_t[]){ 2 }, 1, &c) != ST_OK)
        return 12;
    mailbox_changes_free(&c);
    append_to(mail, "Subject: new\r\n\r\n", FLAG_SEEN, NULL);
    if (mailbox_refresh(box, false, &c) != ST_OK || c.added != 1 || box->count != MESSAGES ||
        mailbox_uid(box, MESSAGES - 1) < next)
        return 13;
    mailbox_changes_free(&c);
    for (size_t i = 0; i < box->count; i++)
        if (mailbox_message(box, i).uid != mailbox_uid(box, i) || mailbox_find(box, mailbox_uid(box, i)) != i)
            return 16;
    mailbox_close(box);
    box = box_of(mail, "INBOX", false);
    if (!box || box->count != MESSAGES || mailbox_uid(box, 0) != first ||
        mailbox_message(box, 0).flags != flags)
        return 14;
    for (size_t i = 0; i < box->count; i++)
        if (mailbox_uid(box, i) == gone || (i && mailbox_uid(box, i) <= mailbox_uid(box, i - 1)))
            return 15;
    mailbox_close(box);
    mail_close(mail);
    return 0;
}

static int same_and_works(void *golden_text)
{
    int result = says_the_same(golden_text);
    return result ? result : works(golden_text);
}

/* A change of a file's bytes: what = 0 to 2: another byte at `at`; 3: cut there; 4: a 32-bit word of ones
 * there. */
enum { WAYS = 5 };
/* All of them at each place, or one. */
static size_t ways(void)
{
    return long_run() ? WAYS : 1;
}

static size_t damage(const struct file *f, size_t at_byte, int what, char *to)
{
    static const unsigned char masks[] = { 0x01, 0x80, 0xff };
    memcpy(to, f->bytes, f->size);
    if (what == 3)
        return at_byte;
    if (what == 4)
        memset(to + at_byte, 0xff, f->size - at_byte < 4 ? f->size - at_byte : 4);
    else if (what == 0)
        to[at_byte] = (char)(to[at_byte] ? 0 : 0xff);
    else
        to[at_byte] = (char)((unsigned char)to[at_byte] ^ masks[what]);
    return f->size;
}

/* Places to try: about so many, none in the middle of nothing but zeros. The caller frees. */
static size_t *places(const struct file *f, size_t tries, size_t *count)
{
    size_t *all = calloc(f->size + 1, sizeof *all), n = 0, kept = 0;
    for (size_t i = 0; i < f->size; i++) {
        bool filled = i % 509 == 0;
        for (size_t k = i < 4 ? 0 : i - 4; k < i + 5 && k < f->size; k++)
            filled |= f->bytes[k] != 0;
        if (filled)
            all[n++] = i;
    }
    size_t step = long_run() ? 1 : n / tries + 1;
    step += step > 1 && step % 2 == 0; /* odd: all places within a word */
    for (size_t i = 0; i < n; i += step)
        all[kept++] = all[i];
    *count = kept;
    return all;
}

/* No file of the folder changes but index and cache, so they are tried in place. */
static void every_byte(const char *path)
{
    const char *other = caches[path == caches[0]];
    struct file f = file_of(path), pair = file_of(other);
    if (!ok(f.size > 0, "there is %s", path))
        return;
    struct file same = (apart(says_the_same, golden), file_of(path));
    ok(same.size == f.size && memcmp(same.bytes, f.bytes, f.size) == 0, "%s: undamaged, it is used as it is",
       path);
    free(same.bytes);
    char *bytes = malloc(f.size + 4);
    size_t tried = 0, rebuilt = 0, summaries = 0, wrong = 0, worst_at = 0, count,
           *at_bytes = places(&f, 400, &count);
    int worst = 0;
    for (size_t k = 0; k < count * ways(); k++) {
        size_t i = at_bytes[k / ways()];
        int what = (int)(ways() == 1 ? k % WAYS : k % ways());
        size_t n = damage(&f, i, what, bytes);
        put_bytes(other, pair.bytes, pair.size);
        put_bytes(path, bytes, n);
        int result = apart(says_the_same, golden);
        struct file after = file_of(path);
        rebuilt += after.size != n || memcmp(after.bytes, bytes, n) != 0;
        free(after.bytes);
        tried++;
        if (result == 2) {
            summaries++;
        } else if (result) {
            wrong++;
            worst = result > worst ? result : worst;
            worst_at = i * 10 + (size_t)what;
        }
    }
    put_bytes(path, f.bytes, f.size);
    put_bytes(other, pair.bytes, pair.size);
    ok(wrong == 0, "%s: %zu changes, no crash, no wrong answer: %zu wrong, worst %d at byte %zu, way %zu",
       path, tried, wrong, worst, worst_at / 10, worst_at % 10);
    ok(summaries == 0, "%s: nor a wrong summary: %zu", path, summaries);
    ok(rebuilt > 0, "%s: it was read, and rebuilt %zu times", path, rebuilt);
    free(bytes);
    free(pair.bytes);
    free(at_bytes);
    free(f.bytes);
}

/* The same on a copy, on which the session that finds it then works. */
static void then_used(const char *path)
{
    struct file f = file_of(path);
    char *bytes = malloc(f.size + 4);
    size_t tried = 0, wrong = 0, worst_at = 0, count, *at_bytes = places(&f, 40, &count);
    int worst = 0;
    rename("m", "kept");
    for (size_t k = 0; k < count * ways(); k++) {
        size_t i = at_bytes[k / ways()];
        int what = (int)(ways() == 1 ? k % WAYS : k % ways());
        copy_folder("kept", "m");
        put_bytes(path, bytes, damage(&f, i, what, bytes));
        int result = apart(works, golden);
        tried++;
        if (result) {
            wrong++;
            worst = result > worst ? result : worst;
            worst_at = i * 10 + (size_t)what;
        }
        remove_folder("m");
    }
    rename("kept", "m");
    ok(wrong == 0, "%s: %zu changes, then used: %zu wrong, worst %d at byte %zu, way %zu", path, tried, wrong,
       worst, worst_at / 10, worst_at % 10);
    free(bytes);
    free(at_bytes);
    free(f.bytes);
}

/* An open session under which the file's bytes change: context. */
struct under {
    const char *path;
    size_t at;
    int what;
};

static int changed_under(void *context)
{
    const struct under *u = context;
    struct mail *mail;
    struct mailbox_changes c;
    struct bytes out;
    struct file f = file_of(u->path);
    char *bytes = malloc(f.size + 4);
    if (mail_open("m", "mx.test", &mail) != ST_OK)
        return 10;
    struct mailbox *box = box_of(mail, "INBOX", false);
    int fd = open(u->path, O_WRONLY);
    if (!box || fd < 0 || !bytes)
        return 11;
    size_t n = damage(&f, u->at, u->what, bytes);
    if (u->what == 3 ? ftruncate(fd, (off_t)n) != 0 : pwrite(fd, bytes, n, 0) != (ssize_t)n)
        return 12;
    bytes_init(&out, (size_t)64 << 20);
    add_box(&out, box, false);
    if (!same_picture(picture("m", true, false), bytes_str(&out)))
        return 1;
    bytes_clear(&out);
    add_box(&out, box, true);
    if (mailbox_refresh(box, false, &c) != ST_OK || c.expunged_count || c.added || c.changed_count)
        return 13;
    mailbox_changes_free(&c);
    if (store_flags(box, 1, FLAG_FLAGGED) != ST_OK)
        return 14;
    add_box(&out, box, true);
    mailbox_close(box);
    mail_close(mail);
    return 0;
}

static void under_a_session(const char *path)
{
    struct file f = file_of(path);
    size_t tried = 0, wrong = 0, worst_at = 0, count, *at_bytes = places(&f, 40, &count);
    int worst = 0;
    rename("m", "kept");
    for (size_t k = 0; k < count * ways(); k++) {
        size_t i = at_bytes[k / ways()];
        int what = (int)(ways() == 1 ? k % WAYS : k % ways());
        copy_folder("kept", "m");
        int result = apart(changed_under, &(struct under){ path, i, what });
        result = result ? result : apart(works, golden);
        tried++;
        if (result) {
            wrong++;
            worst = result > worst ? result : worst;
            worst_at = i * 10 + (size_t)what;
        }
        remove_folder("m");
    }
    rename("kept", "m");
    ok(wrong == 0, "%s: %zu changes under an open session: %zu wrong, worst %d at byte %zu, way %zu", path,
       tried, wrong, worst, worst_at / 10, worst_at % 10);
    free(at_bytes);
    free(f.bytes);
}

/* An index from a backup: changes after it are not forgotten. */
static int change_much(void *unused)
{
    (void)unused;
    return works(golden);
}

static void old_ones(void)
{
    rename("m", "kept");
    for (int which = 0; which < 3; which++) {
        copy_folder("kept", "m");
        struct file files[2] = { file_of(caches[0]), file_of(caches[1]) };
        int result = apart(change_much, NULL);
        ok(result == 0, "the folder works: %d", result);
        char *now = picture("m", false, true);
        for (int i = 0; i < 2; i++)
            if (which == 2 || which == i)
                put_bytes(caches[i], files[i].bytes, files[i].size);
        result = apart(says_the_same, now);
        ok(result == 0, "an older %s: %d", which == 2 ? "index and cache" : caches[which], result);
        result = apart(same_and_works, now);
        ok(result == 0 || result == 11, "and it goes on: %d", result);
        for (int i = 0; i < 2; i++)
            free(files[i].bytes);
        free(now);
        remove_folder("m");
    }
    rename("kept", "m");
}

/* Another program changes the folder and gives it the time that it had, as rsync -t does. */
static void old_times(void)
{
    struct stat cur, new;
    copy_folder("m", "t");
    rename("m", "kept");
    rename("t", "m");
    free(picture("m", false, false));
    usleep(1200000);
    free(picture("m", false, true));
    stat("m/cur", &cur);
    stat("m/new", &new);
    put_file("m/cur/2000.late.host:2,S", "Subject: late\n\n");
    utimensat(AT_FDCWD, "m/cur", (struct timespec[]){ cur.st_atim, cur.st_mtim }, 0);
    char *text = picture("m", false, false);
    ok(strstr(text, "Subject: late") != NULL, "a message that came with the folder's time put back is seen");
    free(text);
    put_file("m/new/2001.later.host", "Subject: later\n\n");
    utimensat(AT_FDCWD, "m/new", (struct timespec[]){ new.st_atim, new.st_mtim }, 0);
    text = picture("m", false, false);
    ok(strstr(text, "Subject: later") != NULL, "in new/ too");
    free(text);
    struct timespec future[2] = { { .tv_sec = time(NULL) + 86400 }, { .tv_sec = time(NULL) + 86400 } };
    utimensat(AT_FDCWD, "m/cur", future, 0);
    free(picture("m", false, false));
    put_file("m/cur/2002.latest.host:2,S", "Subject: latest\n\n");
    utimensat(AT_FDCWD, "m/cur", future, 0);
    text = picture("m", false, false);
    ok(strstr(text, "Subject: latest") != NULL, "with a time in the future too");
    free(text);
    remove_folder("m");
    rename("kept", "m");
}

/* A terabyte, or what the file system takes. */
static void lengthen(const char *path)
{
    if (truncate(path, (off_t)1 << 40) != 0 && truncate(path, (off_t)1 << 30) != 0)
        abort();
}

/* What stands in place of a file of ours. */
static void plant(size_t what, const char *path, const struct file *f)
{
    static const char *const targets[] = { "nowhere", "/dev/zero" };
    remove(path);
    if (what == 0) {
        mkfifo(path, 0600);
    } else if (what == 1) {
        mkdir(path, 0700);
    } else if (what == 2) {
        put_link(at("%s/secret", scratch), path);
    } else if (what <= 4) {
        put_link(targets[what - 3], path);
    } else if (what <= 6) {
        put_file(path, what == 5 ? "" : "x");
    } else {
        put_bytes(path, f->bytes ? f->bytes : "", f->size);
    }
    if (what == 6 || what == 7)
        lengthen(path);
    if (what == 8)
        chmod(path, 0);
}

static void things(void)
{
    static const char *const whats[] = { "a FIFO",
                                         "a directory",
                                         "a link to a file",
                                         "a link to nothing",
                                         "a link to a device",
                                         "an empty file",
                                         "a terabyte of nothing",
                                         "a terabyte behind it",
                                         "a file that can't be read" };
    put_file("secret", "secret\n");
    rename("m", "kept");
    for (size_t k = 0; k < 3; k++) {
        const char *path = k < 2 ? caches[k] : "m/postern-journal";
        for (size_t what = 0; what < sizeof whats / sizeof whats[0]; what++) {
            copy_folder("kept", "m");
            struct file f = file_of(path);
            plant(what, path, &f);
            int result = apart(same_and_works, golden);
            ok(result == 0, "%s for %s: %d", whats[what], path, result);
            free(f.bytes);
            remove_folder("m");
        }
    }
    rename("kept", "m");
    ok(strcmp(text_of("secret"), "secret\n") == 0, "nothing outside was touched");
}

int main(void)
{
    scratch_in_memory("damage");
    int result = apart(make_folder, NULL);
    if (!ok(result == 0, "a folder: %d", result))
        return 1;
    usleep(1200000); /* its times can be trusted from now on */
    free(picture("m", false, true));
    free(picture("m", false, true));
    golden = picture("m", false, true);
    for (size_t i = 0; i < 2; i++) {
        every_byte(caches[i]);
        then_used(caches[i]);
        under_a_session(caches[i]);
    }
    old_ones();
    old_times();
    things();
    result = apart(same_and_works, golden);
    ok(result == 0, "and the folder is as it was: %d", result);
    free(golden);
    scratch_remove();
    return done_testing();
}
