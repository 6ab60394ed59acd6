/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * POP3 after login, RFC 1939's TRANSACTION and UPDATE states, in the mailbox process's sandbox.
 *
 * The INBOX is read once, at login; what comes later has no number in this session (RFC 1939 4). DELE only
 * marks: files are removed at QUIT and nowhere else, so whoever hangs up or falls silent deletes nothing. A
 * message that was fetched whole is marked \Seen at QUIT too, for those who read the same mail by IMAP. The
 * unique-id is made of UID and UIDVALIDITY as Dovecot's default is: an account moved from there downloads
 * nothing twice.
 *
 * A second session on the same mail is refused by a lock that is held until QUIT is answered.
 */
#include "pop3.h"
#include "base/log.h"
#include "store/mailbox.h"
#include "wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define IDLE_MS 600000 /* RFC 1939 3: at least ten minutes */

struct drop_message {
    uint64_t size; /* as sent, without dot-stuffing */
    bool deleted, retrieved;
};

struct maildrop {
    struct pop3 pop3;
    struct mailbox_start *start;
    struct mail *mail;
    struct mailbox *box;
    struct drop_message *messages; /* number n is [n - 1], as in the mailbox */
    size_t retrieved, removed;     /* for the log */
};

/* --- the messages */

/* The message that a command's argument names, by its index; else the refusal has been said. */
static bool named_message(struct maildrop *d, struct span argument, size_t *index)
{
    uint64_t n = 0;
    argument = span_trim(argument);
    if (!span_u64(argument, UINT64_MAX, &n))
        pop3_wrong(&d->pop3, argument.n ? "a message's number has only digits" : "which message?");
    else if (n == 0 || n > d->box->count)
        pop3_err(&d->pop3, "there is no such message, only %zu", d->box->count);
    else if (d->messages[n - 1].deleted)
        pop3_err(&d->pop3, "this message is marked as deleted");
    else
        return *index = n - 1, true;
    return false;
}

static void count_messages(const struct maildrop *d, size_t *count, uint64_t *octets)
{
    *count = 0;
    *octets = 0;
    for (size_t i = 0; i < d->box->count; i++)
        if (!d->messages[i].deleted) {
            ++*count;
            *octets += d->messages[i].size;
        }
}

static void do_stat(void *self, struct span argument)
{
    struct maildrop *d = self;
    size_t count;
    uint64_t octets;
    (void)argument;
    count_messages(d, &count, &octets);
    pop3_ok(&d->pop3, "%zu %" PRIu64, count, octets);
}

static void do_list(void *self, struct span argument)
{
    struct maildrop *d = self;
    size_t index, count;
    uint64_t octets;
    if (span_trim(argument).n) {
        if (named_message(d, argument, &index))
            pop3_ok(&d->pop3, "%zu %" PRIu64, index + 1, d->messages[index].size);
        return;
    }
    count_messages(d, &count, &octets);
    pop3_ok(&d->pop3, "%zu messages, %" PRIu64 " octets", count, octets);
    for (size_t i = 0; i < d->box->count; i++)
        if (!d->messages[i].deleted)
            conn_printf(d->pop3.conn, "%zu %" PRIu64 "\r\n", i + 1, d->messages[i].size);
    conn_write_str(d->pop3.conn, ".\r\n");
}

static void unique_id(const struct maildrop *d, size_t index, char id[17])
{
    snprintf(id, 17, "%08" PRIx32 "%08" PRIx32, mailbox_uid(d->box, index), d->box->uid_validity);
}

static void do_uidl(void *self, struct span argument)
{
    struct maildrop *d = self;
    size_t index;
    char id[17];
    if (span_trim(argument).n) {
        if (named_message(d, argument, &index)) {
            unique_id(d, index, id);
            pop3_ok(&d->pop3, "%zu %s", index + 1, id);
        }
        return;
    }
    pop3_ok(&d->pop3, "unique-ids follow");
    for (size_t i = 0; i < d->box->count; i++)
        if (!d->messages[i].deleted) {
            unique_id(d, i, id);
            conn_printf(d->pop3.conn, "%zu %s\r\n", i + 1, id);
        }
    conn_write_str(d->pop3.conn, ".\r\n");
}

/* RETR and TOP. */
static void send_message(struct maildrop *d, size_t index, uint64_t lines)
{
    int fd;
    switch (mailbox_file(d->box, index, &fd)) {
    case ST_OK:
        break;
    case ST_NONE:
        pop3_err(&d->pop3, "this message is gone: another program has removed it");
        return;
    default:
        pop3_err(&d->pop3, "[SYS/TEMP] this message can't be read now");
        return;
    }
    if (lines == WIRE_ALL)
        pop3_ok(&d->pop3, "%" PRIu64 " octets", d->messages[index].size);
    else
        pop3_ok(&d->pop3, "the top of it follows");
    if (wire_send(d->pop3.conn, fd, lines)) {
        d->retrieved++;
        d->messages[index].retrieved |= lines == WIRE_ALL;
    } else {
        conn_abandon(d->pop3.conn);
        d->pop3.over = true;
    }
    close(fd);
}

static void do_retr(void *self, struct span argument)
{
    struct maildrop *d = self;
    size_t index;
    if (named_message(d, argument, &index))
        send_message(d, index, WIRE_ALL);
}

static void do_top(void *self, struct span argument)
{
    struct maildrop *d = self;
    struct span rest = span_trim(argument), number;
    uint64_t lines;
    size_t index;
    span_cut(&rest, ' ', &number);
    if (!span_u64(span_trim(rest), WIRE_ALL - 1, &lines))
        pop3_wrong(&d->pop3, "TOP needs a message's number and a number of lines");
    else if (named_message(d, number, &index))
        send_message(d, index, lines);
}

static void do_dele(void *self, struct span argument)
{
    struct maildrop *d = self;
    size_t index;
    if (!named_message(d, argument, &index))
        return;
    d->messages[index].deleted = true;
    pop3_ok(&d->pop3, "message %zu will be removed at QUIT", index + 1);
}

static void do_rset(void *self, struct span argument)
{
    struct maildrop *d = self;
    (void)argument;
    for (size_t i = 0; i < d->box->count; i++)
        d->messages[i].deleted = false;
    do_stat(d, SPAN(""));
}

static void do_noop(void *self, struct span argument)
{
    struct maildrop *d = self;
    (void)argument;
    pop3_ok(&d->pop3, "nothing done");
}

static void do_capa(void *self, struct span argument)
{
    struct maildrop *d = self;
    (void)argument;
    pop3_capabilities(&d->pop3, d->start->serving->settings, d->start->tls, false);
}

/* --- QUIT: the UPDATE state */

static enum status remove_deleted(struct maildrop *d)
{
    struct mailbox_changes gone = { 0 };
    size_t *indexes = calloc(d->box->count + 1, sizeof *indexes), count = 0;
    if (!indexes)
        return ST_TEMP;
    for (size_t i = 0; i < d->box->count; i++)
        if (d->messages[i].deleted)
            indexes[count++] = i;
    enum status st = count ? mailbox_expunge(d->box, indexes, count, &gone) : ST_OK;
    d->removed = gone.expunged_count;
    mailbox_changes_free(&gone);
    free(indexes);
    return st;
}

/* All at once: one by one, each change would be looked up among all messages by the next. */
static void mark_seen(struct maildrop *d)
{
    const struct flags_store seen = { .change = FLAGS_ADD,
                                      .flags = FLAG_SEEN,
                                      .unchanged_since = UINT64_MAX };
    size_t *indexes = calloc(d->box->count + 1, sizeof *indexes), count = 0;
    unsigned char *results = calloc(d->box->count + 1, sizeof *results);
    for (size_t i = 0; indexes && results && i < d->box->count; i++)
        if (d->messages[i].retrieved && !d->messages[i].deleted &&
            !(mailbox_message(d->box, i).flags & FLAG_SEEN))
            indexes[count++] = i;
    if (count)
        mailbox_store(d->box, indexes, count, &seen, results);
    free(indexes);
    free(results);
}

static void do_quit(void *self, struct span argument)
{
    struct maildrop *d = self;
    (void)argument;
    mark_seen(d);
    /* From here on indexes and messages[] no longer match. */
    enum status st = remove_deleted(d);
    mail_unlock_pop3(d->mail); /* RFC 1939 6: whoever hears the answer may come again at once */
    if (st == ST_OK)
        pop3_ok(&d->pop3, "goodbye");
    else
        pop3_err(&d->pop3, "[SYS/TEMP] some messages marked as deleted were not removed");
    d->pop3.over = true;
}

/* --- from login to the end */

static const struct command maildrop_commands[] = {
    { "STAT", POP3_TRANSACTION, POP3_NO_ARGUMENT, do_stat },
    { "LIST", POP3_TRANSACTION, 0, do_list },
    { "UIDL", POP3_TRANSACTION, 0, do_uidl },
    { "RETR", POP3_TRANSACTION, 0, do_retr },
    { "TOP", POP3_TRANSACTION, 0, do_top },
    { "DELE", POP3_TRANSACTION, 0, do_dele },
    { "RSET", POP3_TRANSACTION, POP3_NO_ARGUMENT, do_rset },
    { "NOOP", POP3_TRANSACTION, POP3_NO_ARGUMENT, do_noop },
    { "CAPA", POP3_TRANSACTION, POP3_NO_ARGUMENT, do_capa },
    { "QUIT", POP3_TRANSACTION, POP3_NO_ARGUMENT, do_quit },
    { "USER", 0, 0, NULL },
    { "PASS", 0, 0, NULL },
    { "AUTH", 0, 0, NULL },
    { "STLS", 0, 0, NULL },
    { "UTF8", 0, 0, NULL },
    { NULL, 0, 0, NULL },
};

/* Locks and reads the INBOX. False, and the refusal has been said, if that can't be done. */
static bool open_drop(struct maildrop *d)
{
    enum status st = mail_open(d->start->maildir, d->start->serving->settings->hostname, &d->mail);
    if (st == ST_OK)
        mail_set_boot(d->mail, d->start->serving->boot);
    if (st == ST_OK && (st = mail_lock_pop3(d->mail)) != ST_OK && errno == EWOULDBLOCK) {
        pop3_err(&d->pop3, "[IN-USE] another POP3 session has this mailbox open");
        return false;
    }
    if (st == ST_OK)
        st = mailbox_open(d->mail, SPAN("INBOX"), false, &d->box);
    if (st == ST_OK && !(d->messages = calloc(d->box->count + 1, sizeof *d->messages)))
        st = ST_TEMP;
    for (size_t i = 0; st == ST_OK && i < d->box->count; i++)
        if (mailbox_wire_size(d->box, i, &d->messages[i].size) != ST_OK)
            d->messages[i].size = mailbox_message(d->box, i).size;
    if (st == ST_OK)
        return true;
    log_event(LOG_ERR, "mailbox-unreadable", "account", d->start->account.text, NULL);
    pop3_err(&d->pop3, "[SYS/TEMP] the mailbox can't be opened now");
    return false;
}

static void log_session(const struct maildrop *d)
{
    char retrieved[24], removed[24];
    snprintf(retrieved, sizeof retrieved, "%zu", d->retrieved);
    snprintf(removed, sizeof removed, "%zu", d->removed);
    log_event(LOG_INFO, "session", "account", d->start->account.text, "peer", d->start->serving->peer.text,
              "retrieved", retrieved, "removed", removed, NULL);
}

void maildrop_run(struct mailbox_start *start)
{
    struct maildrop d = {
        .pop3 = { .conn = start->conn,
                  .table = maildrop_commands,
                  .untimely = "not after login",
                  .state = POP3_TRANSACTION },
        .start = start,
    };
    size_t count;
    uint64_t octets;
    conn_deadlines(start->conn, IDLE_MS, 0);
    if (open_drop(&d)) {
        count_messages(&d, &count, &octets);
        pop3_ok(&d.pop3, "%zu messages, %" PRIu64 " octets", count, octets);
        pop3_serve(&d.pop3, &d);
        log_session(&d);
    }
    conn_flush(start->conn);
    free(d.messages);
    if (d.box)
        mailbox_close(d.box);
    if (d.mail)
        mail_close(d.mail);
}
