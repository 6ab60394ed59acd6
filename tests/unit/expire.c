/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Expiry: which folders a setting means, which messages are old, what stays whatever a mailbox's owner put
 * there, and that what goes goes as EXPUNGE lets it go: with a mod-sequence, and off the quota.
 */
#include "store.h"

#include "base/clock.h"
#include "store/expire.h"
#include "store/quota.h"
#include "store/special_use.h"

#define DAY 86400

static struct mail *mail;

static bool read_rules(const char *const *folders, size_t count, struct expire_rules *rules)
{
    struct expiry_setting list[8];
    struct settings s = { .expiries = list, .expiry_count = count };
    const char *wrong;
    for (size_t i = 0; i < count; i++)
        list[i] = (struct expiry_setting){ (char *)(uintptr_t)folders[i], (i + 1) * 100 };
    return expire_rules_read(&s, rules, &wrong) == ST_OK;
}

static uint64_t time_of(const char *folder, const char *const *folders, size_t count)
{
    struct expire_rules rules;
    uint64_t seconds = 0;
    if (!read_rules(folders, count, &rules) || expire_time(mail, &rules, span_of(folder), &seconds) != ST_OK)
        seconds = UINT64_MAX;
    expire_rules_free(&rules);
    return seconds;
}

/* Bin has the use \Trash, Junk was said to be for nothing, Archive for Sent. */
static void which_folders(void)
{
    static const struct {
        const char *name, *rules[3];
        const char *folder;
        uint64_t seconds;
    } rows[] = {
        { "a folder by its name", { "Lists" }, "Lists", 100 },
        { "no other", { "Lists" }, "Lists.x", 0 },
        { "in no other case", { "lists" }, "Lists", 0 },
        { "a name beyond ASCII, decomposed", { "Entwu\xcc\x88rfe" }, "Entw&APw-rfe", 100 },
        { "with blanks", { "Deleted Items" }, "Deleted Items", 100 },
        { "INBOX, in any case", { "inbox" }, "INBOX", 100 },
        { "below it", { "Lists.*" }, "Lists.x", 100 },
        { "far below it", { "Lists.*" }, "Lists.x.y", 100 },
        { "and not itself", { "Lists.*" }, "Lists", 0 },
        { "nor what only begins so", { "Lists.*" }, "Listsx.y", 0 },
        { "the folder that is for trash", { "Trash" }, "Bin", 100 },
        { "by its use alone", { "\\Trash" }, "Bin", 100 },
        { "in any case", { "\\trash" }, "Bin", 100 },
        { "below the folder for trash", { "Trash.*" }, "Bin.old", 100 },
        { "a folder of the name that is for nothing", { "Junk" }, "Junk", 100 },
        { "not by its use", { "\\Junk" }, "Junk", 0 },
        { "a folder of the name that is for something else", { "Archive" }, "Archive", 0 },
        { "but by that", { "Sent" }, "Archive", 100 },
        { "by its name alone, as nobody said what it is for", { "Drafts" }, "Drafts", 100 },
        { "INBOX is never for trash", { "Trash", "\\Trash" }, "INBOX", 0 },
        { "the longest time counts", { "Bin", "Trash", "Lists" }, "Bin", 200 },
        { "and none where none is meant", { "a", "b", "c" }, "Bin", 0 },
    };
    static const char *const folders[] = { "Lists",   "Lists.x", "Lists.x.y",    "Listsx.y",
                                           "Bin.old", "Drafts",  "Entw&APw-rfe", "Deleted Items" };
    char id[FOLDER_ID_SIZE];
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        folder_create(mail, span_of(folders[i]));
    folder_create_for(mail, SPAN("Bin"), USE_TRASH, id);
    folder_create_for(mail, SPAN("Junk"), 0, id);
    folder_create_for(mail, SPAN("Archive"), USE_SENT, id);
    put_file("m/postern-folder",
             "postern-folder 1\nuidnext 1\nmodseq 1\nuidvalidity 5\nmailboxid x\nspecialuse \\Trash\n");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t count = 0;
        while (count < 3 && rows[i].rules[count])
            count++;
        uint64_t seconds = time_of(rows[i].folder, rows[i].rules, count);
        ok(seconds == rows[i].seconds, "%s: %llu", rows[i].name, (unsigned long long)seconds);
    }
    static const char *const none[] = { "a..b", "", ".*", "a\xff", ".a" };
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        struct expire_rules rules;
        ok(!read_rules(&none[i], 1, &rules) && rules.count == 0, "no folder's name: %zu", i);
    }
}

static size_t in(const char *folder)
{
    return files_in(at("m/.%s/new", folder), NULL, 0) + files_in(at("m/.%s/cur", folder), NULL, 0);
}

static void put(const char *folder, const char *part, const char *name)
{
    put_file(at("m/.%s/%s/%s", folder, part, name), "Subject: x\n\ny\n");
}

/* A name of `days` ago. */
static const char *aged(int days, const char *rest)
{
    return at("%lld%s", (long long)clock_now() - (long long)days * DAY, rest);
}

static void which_messages(void)
{
    struct expired e;
    int64_t before = clock_now() - 30 * DAY;
    folder_create(mail, SPAN("Old"));
    put("Old", "cur", aged(31, ".M1P1.host:2,S"));
    put("Old", "cur", aged(31, ".M2P1.host:2,F"));
    put("Old", "new", aged(400, ".M3P1.host,S=14,W=17"));
    put("Old", "cur", aged(29, ".M4P1.host:2,ST"));
    put("Old", "new", aged(-5000, ".M5P1.host"));
    put("Old", "cur", "1.host:2,S");
    put("Old", "cur", "0000000000788918399.x.host:2,S");
    put("Old", "cur", "mail.eml:2,S");
    put("Old", "cur", "99999999999999999999999.M6.host:2,S");
    put("Old", "cur", "-5.M7.host:2,S");
    ok(expire_folder(mail, SPAN("Old"), before, true, &e) == ST_OK && e.messages == 3 && e.bytes == 42 &&
           in("Old") == 10,
       "three would go: %llu", (unsigned long long)e.messages);
    ok(files_in("m/.Old/new", NULL, 0) == 2, "looking leaves new messages new");
    ok(expire_folder(mail, SPAN("Old"), before, false, &e) == ST_OK && e.messages == 3 && e.bytes == 42 &&
           in("Old") == 7,
       "they go; what is younger, and what doesn't say when it came, stays: %zu", in("Old"));
    ok(expire_folder(mail, SPAN("Old"), before, false, &e) == ST_OK && e.messages == 0 && in("Old") == 7,
       "and nothing else");
    ok(expire_folder(mail, SPAN("None"), before, false, &e) == ST_NONE, "a folder that isn't there");
}

static void as_expunge(void)
{
    struct mailbox *box;
    struct mailbox_changes c;
    struct expired e;
    struct quota q = { 1000000, 1000 };
    struct quota_used used;
    uint32_t *uids = NULL;
    size_t count = 0;
    folder_create(mail, SPAN("Seen"));
    for (int i = 0; i < 2500; i++)
        put("Seen", "cur", aged(i % 5 == 0 ? 1 : 40, at(".M%dP2.host,S=14:2,S", i)));
    ok(mailbox_open(mail, SPAN("Seen"), false, &box) == ST_OK && box->count == 2500,
       "a session has a folder open");
    uint64_t modseq = box->modseq;
    quota_look(mail_dir(mail), &q, 0, &used);
    uint64_t had = used.messages;
    ok(expire_folder(mail, SPAN("Seen"), clock_now() - 30 * DAY, false, &e) == ST_OK && e.messages == 2000,
       "of 2500 in several batches 2000 go: %llu", (unsigned long long)e.messages);
    ok(mailbox_refresh(box, false, &c) == ST_OK && c.expunged_count == 2000 && box->count == 500 &&
           c.changed_count == 0,
       "it hears of each: %zu", c.expunged_count);
    mailbox_changes_free(&c);
    bool right = true;
    for (size_t i = 0; i < box->count; i++)
        right = right && (strstr(name_at(box, i), "0P2.host") || strstr(name_at(box, i), "5P2.host"));
    ok(right, "what is left are those that were young");
    ok(mailbox_expunged_since(box, modseq, &uids, &count) == ST_OK && count == 2000,
       "QRESYNC tells of them: %zu", count);
    free(uids);
    mailbox_close(box);
    quota_look(mail_dir(mail), &q, 0, &used);
    ok(used.messages == had - 2000, "and the quota has fallen: %llu of %llu",
       (unsigned long long)used.messages, (unsigned long long)had);
}

static void hostile(void)
{
    struct expired e;
    static const char *const rules[] = { "Out", "Trap" };
    mkdir("outside", 0700);
    mkdir("outside/cur", 0700);
    mkdir("outside/new", 0700);
    put_file(at("outside/cur/%s", aged(99, ".M1.host:2,S")), "x\n");
    put_link("../outside", "m/.Out");
    ok(time_of("Out", rules, 1) == 100 && expire_folder(mail, SPAN("Out"), clock_now(), false, &e) == ST_NONE,
       "a folder that is a link elsewhere isn't one");
    folder_create(mail, SPAN("Trap"));
    put_file("secret", "secret\n");
    mkfifo(at("m/.Trap/cur/%s", aged(99, ".fifo:2,")), 0600);
    mkdir(at("m/.Trap/cur/%s", aged(99, ".dir:2,")), 0700);
    put_file(at("m/.Trap/cur/%s/inside", aged(99, ".dir:2,")), "x\n");
    put_link("../../../secret", at("m/.Trap/cur/%s", aged(99, ".link:2,")));
    put("Trap", "cur", aged(99, ".real:2,"));
    alarm(60);
    ok(expire_folder(mail, SPAN("Trap"), clock_now() - DAY, false, &e) == ST_OK && e.messages == 1,
       "only messages go");
    ok(files_in("m/.Trap/cur", NULL, 0) == 3 && files_in("outside/cur", NULL, 0) == 1 &&
           text_of("secret")[0] == 's',
       "nothing else was touched");
    rmdir("m/.Trap/new");
    remove("m/.Trap/postern.lock");
    mkfifo("m/.Trap/postern.lock", 0600);
    put("Trap", "cur", aged(99, ".more:2,"));
    ok(expire_folder(mail, SPAN("Trap"), clock_now() - DAY, false, &e) == ST_TEMP && e.messages == 0,
       "a FIFO for the lock holds nobody up");
}

int main(void)
{
    scratch_make("expire");
    if (mail_open("m", "mx.test", &mail) != ST_OK)
        return 1;
    which_folders();
    which_messages();
    as_expunge();
    hostile();
    mail_close(mail);
    if (chdir("/") == 0)
        scratch_remove();
    return done_testing();
}
