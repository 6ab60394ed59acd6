/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A folder whose owner wrote index, cache and journal himself. The input is a list of edits to valid ones
 * (or, from a byte 0xff on, one file's bytes as they are); a session then opens the folder, reads everything,
 * stores, expunges, appends, refreshes and closes, and another opens it after that. Whatever they are: UIDs
 * ascend, every message can be asked for everything, and what was stored is there.
 */
#include "maildir.h"
#include "../helpers/one_message.h"

/* What must be so for whoever can't forge checksums. */
#ifdef FORGED
#define RIGHT(condition) ((void)(condition))
#else
#define RIGHT(condition) HOLDS(condition)
#endif

#include "store/mailbox.h"

#include <string.h>
#include <sys/stat.h>

enum { FILES = 3, MESSAGES = 4, FILE_LIMIT = 1 << 16, EDITS = 64 };

struct file {
    const char *name;
    char bytes[FILE_LIMIT];
    size_t size;
};

static struct file valid[FILES] = { { .name = "postern-index" },
                                    { .name = "postern-cache" },
                                    { .name = "postern-journal" } };
static struct file made[FILES];
static struct timespec times[2][2]; /* of cur and new, when the valid ones were written */
static const char *const parts[] = { "cur", "new" };

static const char *path_in(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", fuzz_maildir, name);
    return path;
}

static void write_file(const char *name, const char *bytes, size_t size)
{
    int fd = open(path_in(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    HOLDS(fd >= 0 && file_write(fd, (struct span){ bytes, size }) == ST_OK);
    close(fd);
}

static void write_text(const char *name, const char *text)
{
    write_file(name, text, strlen(text));
}

static struct mail *folder(void)
{
    struct mail *mail = fuzz_maildir_fresh();
    write_text(
        "postern-folder",
        "postern-folder 1\nuidnext 0000000020\nuidvalidity 1000000\nmailboxid 3f1c0d2be1a94c77b0a1d2c3\n"
        "keyword a $A\nkeyword c C\n");
    write_text("cur/1000.a,S=17,W=19,P=f4240.1:2,S", "Subject: one\n\n1\n\n");
    write_text("cur/1001.b,P=f4240.3:2,Fac", "Subject: two\n\n");
    write_text("cur/1002.c:2,",
               "From: a@b.test\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\n--x--\n");
    write_text("cur/1003.d,P=f4240.7:2,T", "Subject: four\n\n");
    return mail;
}

/* Everything that can be asked. */
static void ask(struct mailbox *box)
{
    RIGHT(box->uid_validity && box->count <= MESSAGES + 1);
    for (size_t i = 0; i < box->count; i++) {
        struct mailbox_message m = mailbox_message(box, i);
        struct summary s;
        struct mailbox_map map;
        char name[256];
        uint64_t size;
        RIGHT(m.uid && m.uid == mailbox_uid(box, i));
        RIGHT(m.uid < box->uid_next);
        RIGHT(mailbox_find(box, m.uid) == i);
        RIGHT(i == 0 || mailbox_uid(box, i - 1) < m.uid);
        mailbox_name(box, i, name);
        HOLDS(!strchr(name, '/'));
        mailbox_date(box, i);
        mailbox_wire_size(box, i, &size);
        volatile char last = 0;
        if (mailbox_summary(box, i, &s) == ST_OK) {
            const struct span all[] = { s.envelope, s.body_structure, s.body, s.header };
            for (size_t k = 0; k < 4; k++)
                for (size_t n = 0; n < all[k].n; n++)
                    last = (char)(last + all[k].p[n]);
        }
        if (mailbox_map(box, i, &map) == ST_OK)
            mailbox_unmap(&map);
    }
}

static void session(struct mail *mail)
{
    struct mailbox *box;
    struct mailbox_changes c;
    struct mailbox_append *a;
    uint32_t bit, validity, uid, *gone;
    size_t count, indexes[] = { 0, 1, 2 };
    unsigned char results[3];
    struct flags_store store = { FLAGS_ADD, FLAG_ANSWERED, UINT64_MAX };
    HOLDS(mailbox_open(mail, SPAN("INBOX"), false, &box) == ST_OK);
    ask(box);
    RIGHT(box->count == MESSAGES);
    if (box->count < 3) {
        mailbox_close(box);
        return;
    }
    RIGHT(mailbox_refresh(box, true, &c) == ST_OK); /* takes none away */
    mailbox_changes_free(&c);
    if (mailbox_keyword(box, SPAN("New"), true, &bit) == ST_OK)
        store.flags |= bit;
    RIGHT(mailbox_store(box, indexes, 3, &store, results) == ST_OK);
    if (mailbox_expunged_since(box, 1, &gone, &count) == ST_OK)
        free(gone);
    RIGHT(mailbox_expunge(box, indexes, 1, &c) == ST_OK);
    mailbox_changes_free(&c);
    HOLDS(mailbox_append_begin(mail, box, SPAN("INBOX"), &a) == ST_OK);
    mailbox_append_write(a, SPAN("Subject: new\r\n\r\n"));
    RIGHT(finish_append(a, 0, NULL, 0, &validity, &uid) == ST_OK && uid >= 20);
    RIGHT(mailbox_refresh(box, false, &c) == ST_OK);
    mailbox_changes_free(&c);
    ask(box);
    mailbox_close(box);
    HOLDS(mailbox_open(mail, SPAN("INBOX"), false, &box) == ST_OK);
    RIGHT(box->count == MESSAGES);
    ask(box);
    RIGHT(box->count && (mailbox_message(box, 0).flags & store.flags) == store.flags);
    mailbox_close(box);
}

/* The valid ones: of a session that ended as it should, and the journal of one that didn't. */
static void learn(void)
{
    struct mail *mail = folder();
    struct mailbox *box;
    struct stat st;
    HOLDS(mailbox_open(mail, SPAN("INBOX"), false, &box) == ST_OK);
    store_flags(box, 1, FLAG_FLAGGED | FLAG_SEEN | 1);
    ask(box);
    for (size_t i = 0; i < FILES; i++) {
        if (i == 2)
            mailbox_close(box);
        int fd = open(path_in(valid[i == 0 ? 2 : i - 1].name), O_RDONLY);
        struct file *f = &valid[i == 0 ? 2 : i - 1];
        ssize_t n = fd < 0 ? 0 : read(fd, f->bytes, sizeof f->bytes);
        f->size = n < 0 ? 0 : (size_t)n;
        if (fd >= 0)
            close(fd);
    }
    for (size_t i = 0; i < 2; i++) {
        HOLDS(stat(path_in(parts[i]), &st) == 0);
        times[i][0] = st.st_atim;
        times[i][1] = st.st_mtim;
    }
    mail_close(mail);
}

static uint64_t take(const uint8_t **data, size_t *size, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n && *size; i++, ++*data, --*size)
        value = value << 8 | **data;
    return value;
}

static void edit(struct file *f, unsigned how, size_t at, uint64_t value)
{
    size_t n = how < 4 ? (size_t)1 << how : 0;
    at = f->size ? at % f->size : 0;
    if (n && n <= f->size - at)
        memcpy(f->bytes + at, &value, n);
    else if (how == 4)
        f->size = at;
    else if (how == 5 && f->size + value % 512 <= FILE_LIMIT) { /* longer */
        memset(f->bytes + f->size, (int)at, value % 512);
        f->size += value % 512;
    } else if (how == 6 && f->size) { /* one part over another */
        size_t from = value % f->size, length = (f->size - (from > at ? from : at)) % 256;
        memmove(f->bytes + at, f->bytes + from, length);
    } else if (how == 7) {
        f->size = 0;
    }
}

static void make(const uint8_t *data, size_t size)
{
    memcpy(made, valid, sizeof made);
    for (int i = 0; i < EDITS && size; i++) {
        uint8_t what = *data++;
        size--;
        struct file *f = &made[what % FILES];
        if (what == 0xff) {
            f->size = size < FILE_LIMIT ? size : FILE_LIMIT;
            memcpy(f->bytes, data, f->size);
            break;
        }
        size_t at = (size_t)take(&data, &size, 2);
        uint64_t value = take(&data, &size, what / FILES % 8 < 4 ? (size_t)1 << (what / FILES % 8) : 2);
        edit(f, what / FILES % 8, at, value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!fuzz_maildir[0])
        learn();
    make(data, size);
    struct mail *mail = folder();
    for (size_t i = 0; i < FILES; i++)
        if (made[i].size || valid[i].size)
            write_file(made[i].name, made[i].bytes, made[i].size);
    for (size_t i = 0; i < 2; i++)
        utimensat(AT_FDCWD, path_in(parts[i]), times[i], 0);
    session(mail);
    mail_close(mail);
    return 0;
}
