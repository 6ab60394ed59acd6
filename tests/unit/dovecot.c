/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Folders that Dovecot kept: UIDs, keywords and subscriptions are taken over; a broken list isn't.
 */
#include "store.h"

static struct mail *mail;

static bool has(const struct mailbox *box, size_t index, uint32_t uid, const char *base)
{
    return index < box->count && mailbox_uid(box, index) == uid && strstr(name_at(box, index), base);
}

/* A folder without a durable file of ours. */
static void create(const char *name)
{
    folder_create(mail, span_of(name));
    unlink(at("m/.%s/postern-folder", name));
}

static void taken_over(void)
{
    create("d");
    put_file("m/.d/dovecot-uidlist", "3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n"
                                     "7 :1000.M1P1.host,S=2,W=3\n"
                                     "12 W3 S2 :1001.M1P1.host\n"
                                     "25021 :1002.M1P1.host,S=2\n"
                                     "25030 :1005.M1P1.host\n"
                                     "x :bad\n9\n\n13 nocolon\n");
    put_file("m/.d/dovecot-keywords", "0 $Forwarded\n3 Junk\n99 no\nbad\n");
    put_file("m/.d/cur/1000.M1P1.host,S=2,W=3:2,Sa", "a\n");
    put_file("m/.d/cur/1001.M1P1.host:2,d", "b\n");
    put_file("m/.d/new/1002.M1P1.host,S=2", "c\n");
    put_file("m/.d/cur/0900.new.host:2,", "d\n");
    put_file("m/.d/cur/1005.M1P1.host:2,", "e\n");
    struct mailbox *box = open_folder(mail, "d", false);
    ok(box->uid_validity == 1275660208 && box->uid_next == 25024, "UIDVALIDITY and next UID: %u",
       box->uid_next);
    ok(box->count == 5 && has(box, 0, 7, "1000.M1P1") && has(box, 1, 12, "1001.M1P1") &&
           has(box, 2, 25021, "1002.M1P1"),
       "UIDs");
    ok(has(box, 3, 25022, "0900.new") && has(box, 4, 25023, "1005.M1P1"),
       "what isn't listed, or can't be, gets new ones");
    ok(strcmp(box->keywords[0], "$Forwarded") == 0 && strcmp(box->keywords[3], "Junk") == 0 &&
           !box->keywords[1] && mailbox_message(box, 0).flags == (FLAG_SEEN | 1) &&
           mailbox_message(box, 1).flags == 8,
       "keywords");
    ok(mailbox_message(box, 2).recent && !mailbox_message(box, 0).recent, "new mail is new");
    mailbox_close(box);
    put_file("m/.d/dovecot-uidlist", "3 V99 N1\n");
    box = open_folder(mail, "d", false);
    ok(box->uid_validity == 1275660208 && box->count == 5, "only once");
    mailbox_close(box);
}

static void lists(void)
{
    static const struct {
        const char *name, *list;
        uint32_t validity, uid; /* of 1000.h; validity 0: a new one */
    } rows[] = {
        { "the oldest version", "1 1234567 90\n80 1000.h:2,S\n", 1234567, 80 },
        { "no end of the last line", "3 V5 N9\n8 :1000.h", 5, 8 },
        { "empty", "", 0, 1 },
        { "another version", "4 V5 N9\n8 :1000.h\n", 0, 1 },
        { "no UIDVALIDITY", "3 N9\n8 :1000.h\n", 0, 1 },
        { "UIDVALIDITY 0", "3 V0 N9\n8 :1000.h\n", 0, 1 },
        { "a number too large", "3 V99999999999 N9\n8 :1000.h\n", 0, 1 },
        { "two with one UID", "3 V5 N9\n8 :1000.h\n8 :1001.h\n", 5, 8 },
        { "one with two UIDs", "3 V5 N9\n8 :1000.h\n8 :1000.h\n", 5, 8 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *folder = at("l%zu", i);
        create(folder);
        put_file(at("m/.%s/dovecot-uidlist", folder), rows[i].list);
        put_file(at("m/.%s/cur/1000.h:2,", folder), "x\n");
        put_file(at("m/.%s/cur/1001.h:2,", folder), "y\n");
        struct mailbox *box = open_folder(mail, folder, false);
        bool validity =
            rows[i].validity ? box->uid_validity == rows[i].validity : box->uid_validity > 1000000000;
        ok(box->count == 2 && validity && has(box, 0, rows[i].uid, "1000.h"), "%s", rows[i].name);
        mailbox_close(box);
    }
    create("f");
    mkfifo("m/.f/dovecot-uidlist", 0600);
    put_link("/etc/passwd", "m/.f/dovecot-keywords");
    struct mailbox *box = open_folder(mail, "f", false);
    ok(box->count == 0, "a FIFO for a list is none");
    mailbox_close(box);
}

int main(void)
{
    scratch_make("dovecot");
    if (mail_open("m", "mx.test", &mail) != ST_OK)
        return 1;
    taken_over();
    lists();
    mail_close(mail);
    scratch_remove();
    return done_testing();
}
