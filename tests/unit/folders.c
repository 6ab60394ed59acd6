/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Folders: names, trees, removal, renaming, subscriptions, and what a hostile owner may have planted.
 */
#include "store.h"
#include "store/special_use.h"

#include <sys/wait.h>

static const struct {
    const char *name;
    bool valid;
} names[] = {
    { "Sent", true },
    { "a.b.c", true },
    { "with space", true },
    { "Entw&APw-rfe", true },
    { "inbox", true },
    { "INBOX.x", true },
    { "", false },
    { ".", false },
    { "..", false },
    { ".a", false },
    { "a.", false },
    { "a..b", false },
    { "a/b", false },
    { "../x", false },
    { "a\nb", false },
    { "a\tb", false },
    { "Entw\xc3\xbcrfe", false },
    { "a\x7f", false },
    { "a&b", false },
};

static const struct {
    const char *name;
    bool makeable;
} new_names[] = {
    { "Sent", true },      { "Entw&APw-rfe", true }, { "a&AAo-", false },  { "a&AH8-", false },
    { "a&AIU-b", false }, { "a&ICg-", false },     { "a&ICk-", false }, { "a..b", false },
};

static bool has(const struct folder_list *l, const char *name, bool exists, bool children, bool subscribed)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->folders[i].name, name) == 0)
            return l->folders[i].exists == exists && l->folders[i].has_children == children &&
                   l->folders[i].subscribed == subscribed;
    return false;
}

static struct folder_list list_of(struct mail *m)
{
    struct folder_list l;
    if (folders_list(m, &l) != ST_OK)
        abort();
    return l;
}

static enum status create(struct mail *m, const char *name)
{
    return folder_create(m, span_of(name));
}

static enum status exists(struct mail *m, const char *name)
{
    return folder_exists(m, span_of(name));
}

static enum status move(struct mail *m, const char *from, const char *to)
{
    return folder_rename(m, span_of(from), span_of(to));
}

static void valid_names(void)
{
    char path[FOLDER_NAME_LIMIT + 2], longest[FOLDER_NAME_LIMIT + 2];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        ok(folder_name_valid(span_of(names[i].name)) == names[i].valid, "row %zu is %s name", i,
           names[i].valid ? "a" : "no");
    for (size_t i = 0; i < sizeof new_names / sizeof new_names[0]; i++)
        ok(folder_name_makeable(span_of(new_names[i].name)) == new_names[i].makeable, "new name %zu is %s", i,
           new_names[i].makeable ? "taken" : "refused");
    memset(longest, 'a', sizeof longest);
    ok(folder_name_valid((struct span){ longest, FOLDER_NAME_LIMIT }) &&
           !folder_name_valid((struct span){ longest, FOLDER_NAME_LIMIT + 1 }),
       "the longest name");
    ok(folder_path(SPAN("iNbOx"), path, sizeof path) && strcmp(path, ".") == 0, "INBOX in any case");
    ok(folder_path(SPAN("a.b"), path, sizeof path) && strcmp(path, ".a.b") == 0, "a folder's path");
    ok(!folder_path(SPAN("../x"), path, sizeof path), "no path for what is no name");
}

static void life(struct mail *m)
{
    struct folder_list l = list_of(m);
    ok(l.count == 1 && has(&l, "INBOX", true, false, false), "a new account has INBOX");
    folders_free(&l);
    ok(folders_make_standard(m) == ST_OK && folders_make_standard(m) == ST_OK, "standard folders, twice");
    l = list_of(m);
    ok(l.count == 6 && strcmp(l.folders[0].name, "INBOX") == 0 && strcmp(l.folders[1].name, "Archive") == 0 &&
           has(&l, "Trash", true, false, true),
       "are listed in order, subscribed");
    folders_free(&l);
    ok(create(m, "a.b.c") == ST_OK && exists(m, "a.b.c") == ST_OK && exists(m, "a.b") == ST_NONE,
       "a folder below none");
    ok(create(m, "a.b.c") == ST_PERM && errno == EEXIST, "exists already");
    ok(create(m, "inbox") == ST_PERM && errno == EEXIST, "INBOX exists already");
    ok(create(m, "a/b") == ST_PERM && errno == EINVAL, "no such name");
    l = list_of(m);
    ok(has(&l, "a", false, true, false) && has(&l, "a.b", false, true, false) &&
           has(&l, "a.b.c", true, false, false),
       "missing parents are listed");
    folders_free(&l);
    ok(folder_delete(m, SPAN("a.b")) == ST_NONE, "what isn't there can't be removed");
    ok(folder_delete(m, SPAN("Inbox")) == ST_PERM && exists(m, "INBOX") == ST_OK, "INBOX can't be removed");
    deliver("m", "a.b.c", "x\r\n");
    ok(folder_delete(m, SPAN("a.b.c")) == ST_OK && exists(m, "a.b.c") == ST_NONE, "removed");
    mkdir("m/postern-deleted.crash", 0700);
    create(m, "x");
    /* cur, new, tmp, subscriptions, the lock, the counter */
    ok(folder_delete(m, SPAN("x")) == ST_OK && files_in("m", NULL, 0) == 6,
       "with all files, and those of a crash before");
}

static unsigned uses(struct mail *m, const char *name)
{
    unsigned u = 99;
    return folder_uses(m, span_of(name), &u) == ST_OK ? u : 99;
}

static void special_uses(void)
{
    struct mail *m = NULL;
    char id[FOLDER_ID_SIZE], other[FOLDER_ID_SIZE];
    mail_open("u", "mx.test", &m);
    folders_make_standard(m);
    ok(uses(m, "Junk") == USE_JUNK && uses(m, "INBOX") == 0 && uses(m, "none") == 0, "a use by name");
    ok(folder_create_for(m, SPAN("Bin"), USE_TRASH, id) == ST_PERM && errno == EBUSY &&
           exists(m, "Bin") == ST_NONE,
       "a use that is taken");
    folder_delete(m, SPAN("Trash"));
    ok(folder_create_for(m, SPAN("Bin"), USE_TRASH, id) == ST_OK && uses(m, "Bin") == USE_TRASH && id[0],
       "and is free again");
    ok(folder_create_for(m, SPAN("Trash"), FOLDER_USES_BY_NAME, other) == ST_OK && uses(m, "Trash") == 0 &&
           strcmp(id, other) != 0,
       "a name alone takes it from nobody");
    ok(move(m, "Bin", "Trash.old") == ST_OK && uses(m, "Trash.old") == USE_TRASH, "RENAME keeps a use");
    ok(move(m, "Junk", "Spam") == ST_OK && uses(m, "Spam") == USE_JUNK, "one that came by name too");
    ok(create(m, "x") == ST_OK && move(m, "x", "Junk") == ST_OK && uses(m, "Junk") == 0,
       "and gives none that is taken");
    ok(create(m, "y") == ST_OK && folder_delete(m, SPAN("Archive")) == ST_OK &&
           move(m, "y", "Archive") == ST_OK && uses(m, "Archive") == USE_ARCHIVE,
       "but one that is free");
    ok(create(m, "Sent.x") == ST_OK && folder_delete(m, SPAN("Sent")) == ST_OK &&
           move(m, "Sent", "S") == ST_OK && exists(m, "S.x") == ST_OK,
       "a level above others is renamed, whatever its name stands for");
    mkdir("u/.z", 0700);
    mkdir("u/.z/cur", 0700);
    put_file("u/.z/postern-folder", "postern-folder 1\nuidnext 0000000001\nuidvalidity 7\nmailboxid F1\n"
                                    "specialuse \\Sent \\Newer\n");
    ok(uses(m, "z") == 0, "a use of a newer Postern isn't half understood");
    put_file("u/.z/postern-folder", "postern-folder 1\nuidnext 0000000001\nuidvalidity 7\nmailboxid F1\n"
                                    "specialuse\n");
    ok(move(m, "z", "Drafts2") == ST_OK && uses(m, "Drafts2") == 0, "none is a use as well");
    mail_close(m);
}

static void subscriptions(struct mail *m)
{
    ok(folder_subscribe(m, SPAN("gone"), true) == ST_OK && folder_subscribe(m, SPAN("inbox"), true) == ST_OK,
       "subscribe");
    struct folder_list l = list_of(m);
    ok(has(&l, "gone", false, false, true) && has(&l, "INBOX", true, false, true),
       "subscribed names need not exist");
    folders_free(&l);
    ok(folder_subscribe(m, SPAN("gone"), false) == ST_OK && folder_subscribe(m, SPAN("gone"), false) == ST_OK,
       "unsubscribe, twice");
    l = list_of(m);
    ok(!has(&l, "gone", false, false, true), "is forgotten");
    folders_free(&l);
    put_file("m/subscriptions", "V\t2\n\nINBOX\nx\ty\nbad/name\n");
    l = list_of(m);
    ok(has(&l, "x.y", false, false, true) && has(&l, "INBOX", true, false, true), "Dovecot's newer file");
    folders_free(&l);
    put_file("m/subscriptions", "");
    for (int i = 0; i < 4; i++)
        if (fork() == 0) {
            struct mail *mine;
            mail_open("m", "mx.test", &mine);
            for (int k = 0; k < 20; k++)
                if (folder_subscribe(mine, span_of(at("f%d-%d", i, k)), true) != ST_OK)
                    _exit(1);
            _exit(0);
        }
    int status, bad = 0;
    while (wait(&status) > 0)
        bad += status != 0;
    l = list_of(m);
    size_t n = 0;
    for (size_t i = 0; i < l.count; i++)
        n += l.folders[i].subscribed;
    ok(bad == 0 && n == 80, "four processes subscribe at once: %zu", n);
    folders_free(&l);
    unlink("m/subscriptions");
}

static void renaming(struct mail *m)
{
    create(m, "p");
    create(m, "p.q");
    create(m, "p.q.r");
    create(m, "pq");
    deliver("m", "p.q.r", "deep\r\n");
    ok(move(m, "p", "n.m") == ST_OK && exists(m, "p") == ST_NONE && exists(m, "n.m.q.r") == ST_OK &&
           exists(m, "pq") == ST_OK && files_in("m/.n.m.q.r/new", NULL, 0) == 1,
       "a tree is renamed");
    ok(move(m, "none", "other") == ST_NONE, "nothing to rename");
    ok(move(m, "n.m", "pq") == ST_PERM && errno == EEXIST && exists(m, "n.m.q") == ST_OK, "over another");
    ok(move(m, "n.m", "n.m.x") == ST_PERM && errno == EINVAL, "below itself");
    ok(move(m, "n.m", "inbox") == ST_PERM && errno == EEXIST, "to INBOX");
    create(m, "z.q");
    ok(move(m, "n.m", "z") == ST_PERM && errno == EEXIST && exists(m, "n.m") == ST_OK &&
           exists(m, "z") == ST_NONE,
       "a folder of the tree is in the way: nothing moves");
    ok(move(m, "n", "k") == ST_OK && exists(m, "k.m.q") == ST_OK, "a parent that is none itself");
    char longest[FOLDER_NAME_LIMIT + 1];
    memset(longest, 'l', sizeof longest);
    ok(folder_rename(m, SPAN("k"), (struct span){ longest, FOLDER_NAME_LIMIT }) == ST_PERM &&
           exists(m, "k.m.q.r") == ST_OK,
       "a child's name would be too long: nothing moves");
}

static void hostile(struct mail *m)
{
    put_link("/tmp", "m/.link");
    mkfifo("m/.fifo", 0600);
    put_file("m/.file", "x");
    mkdir("m/.nocur", 0700);
    mkdir("m/.linkcur", 0700);
    put_link("../cur", "m/.linkcur/cur");
    mkdir(at("m/.%.*s", 250,
             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
             "aaaaaaaaaaaaaaaaaaaaaaaa"
             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
             "aaaaaaaaaaaaaaaaaaaaaaaa"),
          0700);
    mkdir("m/.new\nline", 0700);
    mkdir("m/.\xff\xfe", 0700);
    mkdir("m/.inbox", 0700);
    mkdir("m/.inbox/cur", 0700);
    static const char *const odd[] = { "link", "fifo", "file", "nocur", "linkcur", "new\nline", "\xff\xfe" };
    struct folder_list l = list_of(m);
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        ok(exists(m, odd[i]) == ST_NONE && !has(&l, odd[i], true, false, false), "not a folder: %zu", i);
    ok(!has(&l, "inbox", true, false, false), "a second INBOX isn't listed");
    folders_free(&l);
    ok(create(m, "link") == ST_PERM && errno == EEXIST && create(m, "fifo") == ST_PERM &&
           create(m, "file") == ST_PERM,
       "they are in the way");
    ok(create(m, "nocur") == ST_OK && exists(m, "nocur") == ST_OK, "a half-made folder is completed");
    put_link("/etc/passwd", "m/subscriptions");
    l = list_of(m);
    ok(l.count > 1, "a link for the subscriptions is none");
    folders_free(&l);
    ok(folder_subscribe(m, SPAN("x"), true) == ST_OK && strcmp(text_of("m/subscriptions"), "x\n") == 0 &&
           strlen(text_of("/etc/passwd")) > 4,
       "and is replaced, not followed");
    unlink("m/subscriptions");
    mkfifo("m/subscriptions", 0600);
    ok(folder_subscribe(m, SPAN("x"), true) == ST_OK, "a FIFO is replaced");
    unlink("m/subscriptions");
    mkdir("m/subscriptions", 0700);
    l = list_of(m);
    ok(folder_subscribe(m, SPAN("x"), true) == ST_TEMP, "a directory can't be");
    folders_free(&l);
    mkfifo("m/postern-pop3.lock", 0600);
    ok(mail_lock_pop3(m) == ST_TEMP, "a FIFO for a lock");
    unlink("m/postern-pop3.lock");
}

static void pop3_lock(struct mail *m)
{
    struct mail *other;
    mail_open("m", "mx.test", &other);
    ok(mail_lock_pop3(m) == ST_OK && mail_lock_pop3(m) == ST_OK, "the POP3 lock");
    ok(mail_lock_pop3(other) == ST_TEMP, "for one only");
    mail_close(m);
    ok(mail_lock_pop3(other) == ST_OK, "free again");
    mail_close(other);
}

static void validity(void)
{
    uint32_t a = 0, b = 0, c = 0;
    struct mail *m = NULL;
    mail_open("v", "mx.test", &m);
    ok(mail_next_validity(m, &a) == ST_OK && mail_next_validity(m, &b) == ST_OK && b > a,
       "UIDVALIDITY rises");
    put_file("v/postern-account", "garbage");
    ok(mail_next_validity(m, &c) == ST_OK && c >= a, "also without its counter");
    put_file("v/postern-account", "postern-account 1\nuidvalidity 4000000000\n");
    ok(mail_next_validity(m, &c) == ST_OK && c == 4000000001, "and never below what was given");
    mail_close(m);
}

int main(void)
{
    struct mail *m = NULL;
    scratch_make("folders");
    valid_names();
    ok(mail_open("m", "mx.test", &m) == ST_OK && strcmp(mail_hostname(m), "mx.test") == 0,
       "a Maildir is made");
    life(m);
    special_uses();
    subscriptions(m);
    renaming(m);
    hostile(m);
    validity();
    pop3_lock(m);
    scratch_remove();
    return done_testing();
}
