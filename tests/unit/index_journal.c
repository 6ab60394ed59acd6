/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A session that ended without a word left flags and UIDs that only the journal has. The next one finds them,
 * with or without index and cache. A journal with any byte changed, or cut anywhere, also under an open
 * session, may take a message back to what its file name says, but never gives one what is another's, never
 * loses one, and never stops a session.
 */
#include "index_damage.h"
#include "../helpers/one_message.h"

#define JOURNAL "m/postern-journal"

static char *golden, *bare; /* pictures with the journal, and without */

enum { BULK = 1000, ALL = BULK + MESSAGES };

struct line {
    uint32_t uid;
    unsigned flags;
    char subject[64];
};

static size_t lines_of(const char *text, struct line *lines, uint32_t *next)
{
    size_t n = 0;
    unsigned long long size;
    if (sscanf(text, "validity %*u next %u", next) != 1)
        return 0;
    for (const char *p = strchr(text, '\n'); p && p[1] && n < ALL; p = strchr(p + 1, '\n'))
        n += sscanf(p + 1, "%u %x %llu Subject: %63[^\n]", &lines[n].uid, &lines[n].flags, &size,
                    lines[n].subject) == 4;
    return n;
}

/* `near` is where it is if nothing has moved. */
static const struct line *same_subject(const struct line *lines, size_t n, const char *subject, size_t near)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(lines[(near + i) % n].subject, subject) == 0)
            return &lines[(near + i) % n];
    return NULL;
}

/* 0: as with the journal; 1: partly as without; worse: wrong. */
static int judge(const char *text)
{
    struct line is[ALL], was[ALL], less[ALL];
    uint32_t next, next_was, next_less, last = 0;
    size_t n = lines_of(text, is, &next), n_was = lines_of(golden, was, &next_was),
           n_less = lines_of(bare, less, &next_less);
    int result = 0;
    if (n != n_was || n_less != n_was)
        return 2;
    if (next < next_was)
        return 3;
    for (size_t i = 0; i < n; i++) {
        const struct line *a = same_subject(was, n, is[i].subject, i),
                          *b = same_subject(less, n, is[i].subject, i);
        if (!a || !b || is[i].uid <= last)
            return 4;
        last = is[i].uid;
        if (is[i].uid != a->uid && is[i].uid < next_was)
            return 5;
        if (((is[i].flags ^ a->flags) & (is[i].flags ^ b->flags)) != 0)
            return 6;
        if (is[i].flags != a->flags || is[i].uid != a->uid)
            result = 1;
    }
    return result;
}

static int opens(void *unused)
{
    (void)unused;
    char *text = picture("m", false, false), *again = picture("m", false, false);
    int result = judge(text);
    if (result < 2 && !same_picture(again, text)) {
        result = 7;
        tell(again, text);
    }
    free(text);
    free(again);
    return result;
}

static int damaged(size_t at_byte, int way, struct file *f)
{
    char *bytes = malloc(f->size + 8);
    size_t n = f->size;
    memcpy(bytes, f->bytes, n);
    if (way == 0)
        bytes[at_byte] = (char)(bytes[at_byte] ^ 0x01);
    else if (way == 1)
        bytes[at_byte] = (char)0xff;
    else if (way == 2)
        memset(bytes + at_byte, 0xff, n - at_byte < 4 ? n - at_byte : 4);
    else if (way == 3)
        n = at_byte;
    else
        memset(bytes + at_byte, 0, n - at_byte);
    put_bytes(JOURNAL, bytes, n);
    free(bytes);
    return apart(opens, NULL);
}

enum { WAYS = 5 };

static void every_byte(void)
{
    struct file f = file_of("kept/postern-journal");
    size_t tried = 0, wrong = 0, less = 0, worst_at = 0, step = (f.size / (long_run() ? 400 : 12) + 1) | 1;
    int worst = 0;
    for (int way = 0; way < WAYS; way++)
        for (size_t i = (size_t)way % step; i < f.size; i += step) {
            copy_folder("kept", "m");
            int result = damaged(i, way, &f);
            tried++;
            less += result == 1;
            if (result > 1) {
                wrong++;
                worst = result > worst ? result : worst;
                worst_at = i * 10 + (size_t)way;
            }
            remove_folder("m");
        }
    ok(wrong == 0,
       "%zu changes of a journal: %zu wrong, worst %d at byte %zu, way %zu; %zu took something back", tried,
       wrong, worst, worst_at / 10, worst_at % 10, less);
    free(f.bytes);
}

/* Index and cache go, and come; the journal stays. */
static void without_index(void)
{
    for (int which = 1; which < 4; which++) {
        copy_folder("kept", "m");
        if (which & 1)
            unlink("m/postern-index");
        if (which & 2)
            unlink("m/postern-cache");
        int result = apart(opens, NULL);
        ok(result == 0, "flags and UIDs are there without %s: %d",
           which == 1   ? "index"
           : which == 2 ? "cache"
                        : "both",
           result);
        remove_folder("m");
    }
}

/* When a session ends as it should, names say all flags: other programs know no journal. (UIDs may stay there
 * longer.) */
static void worked_off(void)
{
    static struct line was[ALL], is[ALL];
    int made = apart(make_folder, NULL);
    char *before = picture("m", false, false), *after;
    unlink(JOURNAL);
    unlink("m/postern-index");
    unlink("m/postern-cache");
    after = picture("m", false, false);
    uint32_t next;
    size_t n = lines_of(before, was, &next), right = 0;
    if (lines_of(after, is, &next) == n)
        for (size_t i = 0; i < n; i++) {
            const struct line *now = same_subject(is, n, was[i].subject, i);
            right += now && now->flags == was[i].flags;
        }
    ok(made == 0 && right == ALL, "after a session that ended well, names say all flags: %zu", right);
    free(before);
    free(after);
    remove_folder("m");
}

/* An older journal comes back, when messages have been removed and others have come since. */
static void older(void)
{
    struct mail *mail;
    struct mailbox_changes c;
    copy_folder("kept", "m");
    struct file f = file_of(JOURNAL);
    mail_open("m", "mx.test", &mail);
    struct mailbox *box = box_of(mail, "INBOX", false);
    uint32_t gone = mailbox_uid(box, 1);
    store_flags(box, 0, FLAG_DRAFT);
    mailbox_expunge(box, (size_t[]){ 1 }, 1, &c);
    mailbox_changes_free(&c);
    append_to(mail, "Subject: behind\r\n\r\n", FLAG_SEEN, NULL);
    mailbox_close(box);
    char *before = picture("m", false, false);
    put_bytes(JOURNAL, f.bytes ? f.bytes : "", f.size);
    box = box_of(mail, "INBOX", false);
    bool right = box && box->count == ALL;
    struct line was[ALL], is[ALL];
    uint32_t next;
    char *after = picture("m", false, false);
    size_t n = lines_of(before, was, &next);
    right = right && n == ALL && lines_of(after, is, &next) == ALL;
    for (size_t i = 0; right && i < n; i++)
        right = is[i].uid == was[i].uid && strcmp(is[i].subject, was[i].subject) == 0 && is[i].uid != gone;
    ok(right, "an older journal moves no UID, and brings none back");
    free(before);
    free(after);
    free(f.bytes);
    mailbox_close(box);
    mail_close(mail);
    remove_folder("m");
}

/* Its UIDVALIDITY has gone: what the journal says is of another folder. */
static int begun_anew(void *unused)
{
    (void)unused;
    struct line is[ALL];
    uint32_t next;
    char *text = picture("m", false, false), *again = picture("m", false, false);
    unsigned validity, old;
    if (sscanf(text, "validity %u", &validity) != 1 || sscanf(golden, "validity %u", &old) != 1 ||
        validity == old)
        return 8;
    if (lines_of(text, is, &next) != ALL || !same_picture(again, text))
        return 9;
    return 0;
}

static void another_validity(void)
{
    copy_folder("kept", "m");
    unlink("m/postern-folder");
    int result = apart(begun_anew, NULL);
    ok(result == 0, "the durable file is gone: a new UIDVALIDITY, all messages: %d", result);
    remove_folder("m");
}

static int goes_on(void *context)
{
    struct mail *mail;
    struct mailbox_changes c;
    size_t cut = *(size_t *)context;
    if (mail_open("m", "mx.test", &mail) != ST_OK)
        return 10;
    struct mailbox *box = box_of(mail, "INBOX", false);
    int fd = open(JOURNAL, O_RDWR | O_CREAT, 0600);
    if (!box || fd < 0 || ftruncate(fd, (off_t)cut) != 0)
        return 11;
    if (cut % 2 && pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, (off_t)cut / 2) != 8)
        return 12;
    if (mailbox_refresh(box, false, &c) != ST_OK)
        return 13;
    mailbox_changes_free(&c);
    for (size_t i = 0; i < box->count; i++)
        if (store_flags(box, i, FLAG_SEEN) != ST_OK)
            return 14;
    append_to(mail, "Subject: behind\r\n\r\n", FLAG_SEEN, NULL);
    mailbox_close(box);
    mail_close(mail);
    char *text = picture("m", false, false);
    size_t seen = 0;
    for (const char *p = text; (p = strstr(p, " 4000000 ")); p++)
        seen++;
    return seen == ALL + 1 && box_of(mail_open("m", "mx.test", &mail) == ST_OK ? mail : NULL, "INBOX", true)
               ? 0
               : 15;
}

static void under_a_session(void)
{
    struct file f = file_of("kept/postern-journal");
    size_t wrong = 0, worst_at = 0, step = (f.size / (long_run() ? 400 : 12) + 1) | 1;
    int worst = 0;
    for (size_t cut = 0; cut <= f.size; cut += step) {
        copy_folder("kept", "m");
        int result = apart(goes_on, &cut);
        if (result) {
            wrong++;
            worst = result > worst ? result : worst;
            worst_at = cut;
        }
        remove_folder("m");
    }
    ok(wrong == 0,
       "a journal that is cut under a session: what it then stores is there: %zu wrong, worst %d at %zu",
       wrong, worst, worst_at);
    free(f.bytes);
}

int main(void)
{
    scratch_in_memory("journal");
    bulk = BULK;
    int result = apart(make_folder, scratch);
    if (!ok(result == 0, "a folder whose session ended without a word: %d", result))
        return 1;
    rename("m", "kept");
    struct file f = file_of("kept/postern-journal");
    ok(f.size > 0, "it left a journal");
    free(f.bytes);
    copy_folder("kept", "m");
    golden = picture("m", false, false);
    remove_folder("m");
    copy_folder("kept", "m");
    unlink(JOURNAL);
    bare = picture("m", false, false);
    remove_folder("m");
    static struct line lines[ALL];
    uint32_t next;
    ok(lines_of(golden, lines, &next) == ALL && next >= ALL + 3, "all messages are there");
    without_index();
    worked_off();
    every_byte();
    under_a_session();
    older();
    another_validity();
    free(golden);
    free(bare);
    scratch_remove();
    return done_testing();
}
