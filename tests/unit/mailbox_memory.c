/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sessions whose index couldn't be written and is in their memory, beside others: no UID is given twice,
 * and as soon as there is an index on disk they go on with that, so that they see what only it tells.
 */
#include "store.h"
#include "../helpers/one_message.h"

#include "store/index.h"

static struct mail *mail;

static void refresh(struct mailbox *box, struct mailbox_changes *c)
{
    enum status st = mailbox_refresh(box, false, c);
    if (st != ST_OK)
        ok(false, "refresh %s: %d %s", box->folder, st, strerror(errno));
}

static uint32_t highest(struct mailbox *box)
{
    return box->count ? mailbox_uid(box, box->count - 1) : 0;
}

/* A directory stands where the index would be begun. */
static struct mailbox *open_in_memory(const char *folder)
{
    mkdir(at("m/.%s/" INDEX_FILE ".new", folder), 0700);
    struct mailbox *box = open_folder(mail, folder, false);
    rmdir(at("m/.%s/" INDEX_FILE ".new", folder));
    ok(access(at("m/.%s/" INDEX_FILE, folder), F_OK) != 0, "an index in memory");
    return box;
}

/* A message comes, is seen by this session and expunged by it: its UID. */
static uint32_t come_and_go(struct mailbox *box)
{
    struct mailbox_changes c;
    deliver("m", box->folder, "come\r\n");
    refresh(box, &c);
    mailbox_changes_free(&c);
    uint32_t uid = highest(box);
    mailbox_expunge(box, (size_t[]){ box->count - 1 }, 1, &c);
    mailbox_changes_free(&c);
    return uid;
}

/* `box` is the next to give a UID. */
static void gives_another(struct mailbox *box, uint32_t uid, const char *name)
{
    struct mailbox_changes c;
    deliver("m", box->folder, "next\r\n");
    refresh(box, &c);
    ok(c.added && highest(box) > uid, "%s: %u is given after %u", name, highest(box), uid);
    mailbox_changes_free(&c);
}

static void fill(const char *folder, int count)
{
    folder_create(mail, span_of(folder));
    for (int i = 0; i < count; i++)
        put_file(at("m/.%s/cur/%d.M1P1.host:2,", folder, 1000 + i), "x\n");
}

static void uids(void)
{
    fill("uids", 3);
    struct mailbox *box = open_in_memory("uids"), *other = open_folder(mail, "uids", false);
    ok(access("m/.uids/" INDEX_FILE, F_OK) == 0, "another has one on disk");
    gives_another(box, come_and_go(other), "after one who has an index on disk");
    gives_another(other, come_and_go(box), "the other way round");
    mailbox_close(other);
    mailbox_close(box);

    fill("both", 3);
    box = open_in_memory("both");
    other = open_in_memory("both");
    gives_another(box, come_and_go(other), "both in memory");
    gives_another(other, come_and_go(box), "both in memory, the other way round");
    mailbox_close(other);
    mailbox_close(box);
}

/* Flags of so many messages are in journal and index long before they are in names. */
static void flags(void)
{
    enum { MANY = 600 };
    static size_t indexes[MANY];
    static unsigned char results[MANY];
    struct flags_store seen = { .change = FLAGS_ADD, .flags = FLAG_SEEN, .unchanged_since = UINT64_MAX };
    struct mailbox_changes c;
    fill("flags", MANY);
    struct mailbox *box = open_in_memory("flags"), *other = open_folder(mail, "flags", false);
    for (size_t i = 0; i < MANY; i++)
        indexes[i] = i;
    ok(mailbox_store(other, indexes, MANY, &seen, results) == ST_OK && mailbox_has_work(other),
       "another session flags many");
    refresh(box, &c);
    ok(c.changed_count == MANY && mailbox_message(box, MANY - 1).flags == FLAG_SEEN,
       "which is told: %zu", c.changed_count);
    mailbox_changes_free(&c);
    uint64_t modseq = box->modseq;
    refresh(other, &c);
    mailbox_changes_free(&c);
    ok(other->modseq == modseq, "under the mod-sequence that it has for all: %llu",
       (unsigned long long)modseq);
    mailbox_close(other);
    mailbox_close(box);
}

int main(void)
{
    scratch_make("memory");
    if (mail_open("m", "mx.test", &mail) != ST_OK)
        return 1;
    uids();
    flags();
    mail_close(mail);
    scratch_remove();
    return done_testing();
}
