/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What IMAP does with a mailbox, each thing said once it is promised; and a look at what is there.
 *
 *     session work MAILDIR     says what replies would promise
 *     session look MAILDIR     says what is there, from a fresh opening that checks every size
 *
 * Lines are "FOLDER validity N", "FOLDER is MAILBOXID", "FOLDER for USES", "FOLDER has UID TEXT", "FOLDER
 * gone UID", "FOLDER uidnext N". TEXT is the message's last line.
 */
#include "say.h"
#include "../helpers/one_message.h"

#include "store/mailbox.h"
#include "store/maildir.h"
#include "store/special_use.h"

#include <stdlib.h>
#include <string.h>

#define INBOX SPAN("INBOX")
#define ARCHIVE SPAN("Archive")
#define JUNK SPAN("Junk")

/* Its last line, which is all that tells it from others. */
static void read_text(struct mailbox *box, size_t i, char *to, size_t room)
{
    struct mailbox_map map;
    need(mailbox_map(box, i, &map), "map");
    size_t end = map.bytes.n ? map.bytes.n - 1 : 0, line = end;
    while (line > 0 && map.bytes.p[line - 1] != '\n')
        line--;
    need(span_copy(span_head(span_from(map.bytes, line), end - line), to, room) ? ST_OK : ST_PERM, "text");
    mailbox_unmap(&map);
}

static void say_message(struct mailbox *box, size_t i)
{
    struct mailbox_map map;
    uint64_t wire;
    need(mailbox_map(box, i, &map), "map");
    need(mailbox_wire_size(box, i, &wire), "size");
    struct span text = map.bytes;
    size_t line = text.n ? text.n - 1 : 0;
    while (line > 0 && text.p[line - 1] != '\n')
        line--;
    if (mailbox_message(box, i).size != text.n || wire != lf_wire_size(text) || !text.n ||
        text.p[text.n - 1] != '\n')
        say("damaged %u\n", mailbox_uid(box, i));
    say("%s has %u %.*s", box->folder, mailbox_uid(box, i), SPAN_FMT(span_from(text, line)));
    mailbox_unmap(&map);
}

static void say_box(struct mailbox *box)
{
    say("%s validity %u\n", box->folder, box->uid_validity);
    for (size_t i = 0; i < box->count; i++)
        say_message(box, i);
}

static void append(struct mail *mail, struct span folder, const char *text)
{
    struct mailbox_append *a;
    uint32_t validity, uid;
    static const char *const keywords[] = { "$Crash", NULL };
    need(mailbox_append_begin(mail, NULL, folder, &a), "begin");
    mailbox_append_write(a, SPAN("Subject: x\r\n\r\n"));
    mailbox_append_write(a, span_of(text));
    mailbox_append_write(a, SPAN("\r\n"));
    need(finish_append(a, FLAG_SEEN, keywords, 1000000000, &validity, &uid), "append");
    say("%.*s has %u %s\n", SPAN_FMT(folder), uid, text);
}

static void end_message(struct mailbox_append *a)
{
    enum status st = mailbox_append_end(a, 0, NULL, 0);
    if (st != ST_OK)
        mailbox_append_abort(a);
    need(st, "append");
}

/* All or none, unless the process ends among them: then nothing was said. */
static void append_two(struct mail *mail, struct mailbox *box, struct span folder, const char *one,
                       const char *other)
{
    struct mailbox_append *a;
    uint32_t validity, uid;
    need(mailbox_append_begin(mail, box, folder, &a), "begin");
    mailbox_append_write(a, span_of(one));
    mailbox_append_write(a, SPAN("\r\n"));
    end_message(a);
    mailbox_append_write(a, span_of(other));
    mailbox_append_write(a, SPAN("\r\n"));
    end_message(a);
    need(mailbox_append_publish(a, &validity, &uid), "append");
    say("%.*s has %u %s\n", SPAN_FMT(folder), uid, one);
    say("%.*s has %u %s\n", SPAN_FMT(folder), uid + 1, other);
}

static void work(struct mail *mail)
{
    struct mailbox *box;
    struct mailbox_changes c;
    uint32_t bit, validity, *uids;
    need(mailbox_open(mail, INBOX, false, &box), "open");
    say_box(box);
    need(box->count == 2 ? ST_OK : ST_TEMP, "count");
    append(mail, INBOX, "appended");
    need(mailbox_refresh(box, false, &c), "refresh");
    mailbox_changes_free(&c);
    need(box->count == 3 ? ST_OK : ST_TEMP, "count");
    need(mailbox_keyword(box, SPAN("kept"), true, &bit), "keyword");
    need(store_flags(box, 0, FLAG_SEEN | bit), "flags");
    char id[FOLDER_ID_SIZE];
    need(folder_create_for(mail, ARCHIVE, USE_TRASH, id), "create");
    say("Archive is %s\n", id);
    char texts[2][40]; /* where a file couldn't be renamed at first, the order isn't that of their names */
    read_text(box, 0, texts[0], sizeof texts[0]);
    read_text(box, 2, texts[1], sizeof texts[1]);
    need(mailbox_copy(box, (size_t[]){ 0, 2 }, 2, ARCHIVE, &validity, &uids), "copy");
    say("Archive validity %u\nArchive has %u %s\nArchive has %u %s\n", validity, uids[0], texts[0], uids[1],
        texts[1]);
    free(uids);
    enum status st = mailbox_expunge(box, (size_t[]){ 0, 2 }, 2, &c);
    for (size_t i = 0; i < c.expunged_count && st == ST_OK; i++)
        say("INBOX gone %u\n", c.expunged[i]);
    mailbox_changes_free(&c);
    need(st, "expunge");
    append_two(mail, box, INBOX, "first", "last");
    mailbox_close(box);
    say("done\n");
}

static void look(struct mail *mail, struct span folder)
{
    struct mailbox *box;
    if (folder_exists(mail, folder) == ST_NONE)
        return;
    need(mailbox_open(mail, folder, false, &box), "open");
    say_box(box);
    say("%s uidnext %u\n", box->folder, box->uid_next);
    unsigned uses;
    need(folder_uses(mail, folder, &uses), "uses");
    say("%s is %s\n%s for %u\n", box->folder, box->mailbox_id, box->folder, uses);
    mailbox_close(box);
}

int main(int argc, char **argv)
{
    struct mail *mail;
    if (argc != 3)
        return 64;
    need(mail_open(argv[2], "mx.test", &mail), "mail");
    if (strcmp(argv[1], "work") == 0) {
        work(mail);
    } else {
        look(mail, INBOX);
        look(mail, ARCHIVE);
        look(mail, JUNK);
    }
    mail_close(mail);
    return 0;
}
