/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * IMAP after login: the answer to the login itself, the loop that reads commands, and their table. Runs in
 * the mailbox process, confined to one user's mail.
 *
 * Behind every command that isn't COMMAND_SILENT, what other sessions changed is reported, then the tagged
 * reply sent. COMMAND_KEEP rows (FETCH, STORE, SEARCH and its kin; not their UID forms) report everything but
 * EXPUNGE (RFC 3501 7.4.1).
 */
#include "imapd.h"

#include "base/log.h"
#include "capabilities.h"
#include "net/deflate.h"
#include "qresync.h"

#include <errno.h>
#include <string.h>

/* Bytes of a refused LITERAL+ that are read; for more the connection ends. */
#define THROW_AWAY (256u << 20)

static bool no_argument(struct imap *i, struct span argument)
{
    if (argument.p) {
        i->bad++;
        reply(i, "BAD Too many arguments");
    }
    return argument.p == NULL;
}

static void add_capabilities(struct imap *i)
{
    unsigned state = CAPABLE_AFTER | (i->start->tls ? CAPABLE_TLS : 0) |
                     (deflate_is_on(i->conn) ? 0 : CAPABLE_COMPRESS);
    capabilities_write(state, i->settings->message_size, &i->line);
}

static void command_capability(void *imap, struct span argument)
{
    struct imap *i = imap;
    if (!no_argument(i, argument))
        return;
    bytes_add_str(&i->line, "* ");
    add_capabilities(i);
    bytes_add_str(&i->line, "\r\n");
    write_line(i);
    reply(i, "OK Done");
}

/* RFC 5161: what isn't known is passed over. */
static void command_enable(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct parser p;
    struct span name;
    unsigned asked = 0, bit;
    const char *known;
    parser_init(&p, argument, &i->text);
    do {
        if (!parse_atom(&p, &name))
            return reply_bad(i, &p);
        asked |= capability_enables(name);
    } while (parse_char(&p, ' '));
    if (!parse_end(&p))
        return reply_bad(i, &p);
    bytes_add_str(&i->line, "* ENABLED");
    for (size_t n = 0; (known = capability_enabled_name(n, &bit)); n++)
        if (asked & ~i->enabled & bit)
            bytes_printf(&i->line, " %s", known);
    bytes_add_str(&i->line, "\r\n");
    write_line(i);
    i->enabled |= asked;
    reply(i, "OK Done");
}

/* NOOP, and CHECK: everything is on disk already. */
static void command_noop(void *imap, struct span argument)
{
    if (no_argument(imap, argument))
        reply(imap, "OK Done");
}

static void command_logout(void *imap, struct span argument)
{
    struct imap *i = imap;
    if (!no_argument(i, argument))
        return;
    conn_write_str(i->conn, "* BYE Good bye\r\n");
    reply(i, "OK Done");
    i->done = true;
}

static void command_id(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct parser p;
    parser_init(&p, argument, &i->text);
    if (!parse_id(&p))
        return reply_bad(i, &p);
    conn_write_str(i->conn, "* ID (\"name\" \"Postern\")\r\n");
    reply(i, "OK Done");
}

static void command_namespace(void *imap, struct span argument)
{
    struct imap *i = imap;
    if (!no_argument(i, argument))
        return;
    conn_write_str(i->conn, "* NAMESPACE ((\"\" \".\")) NIL NIL\r\n");
    reply(i, "OK Done");
}

static void command_early(void *imap, struct span argument)
{
    struct imap *i = imap;
    (void)argument;
    i->bad++;
    reply(i, "BAD You have logged in already");
}

static void command_unknown(void *imap, struct span argument)
{
    struct imap *i = imap;
    (void)argument;
    i->bad++;
    reply(i, "BAD Unknown command");
}

static void command_uid(void *imap, struct span argument);

static const struct command table[] = {
    { "FETCH", STATE_SELECTED, COMMAND_KEEP, command_fetch },
    { "STORE", STATE_SELECTED, COMMAND_KEEP, command_store },
    { "SEARCH", STATE_SELECTED, COMMAND_KEEP, command_search },
    { "SORT", STATE_SELECTED, COMMAND_KEEP, command_sort },
    { "THREAD", STATE_SELECTED, COMMAND_KEEP, command_thread },
    { "UID", STATE_SELECTED, 0, command_uid },
    { "COPY", STATE_SELECTED, 0, command_copy },
    { "MOVE", STATE_SELECTED, 0, command_move },
    { "EXPUNGE", STATE_SELECTED, 0, command_expunge },
    { "CHECK", STATE_SELECTED, 0, command_noop },
    { "CLOSE", STATE_SELECTED, COMMAND_SILENT, command_close },
    { "UNSELECT", STATE_SELECTED, COMMAND_SILENT, command_unselect },
    { "NOOP", STATE_ANY, 0, command_noop },
    { "IDLE", STATE_ANY, 0, command_idle },
    { "COMPRESS", STATE_ANY, 0, command_compress },
    { "SELECT", STATE_ANY, COMMAND_SILENT, command_select },
    { "EXAMINE", STATE_ANY, COMMAND_SILENT, command_examine },
    { "STATUS", STATE_ANY, 0, command_status },
    { "LIST", STATE_ANY, 0, command_list },
    { "LSUB", STATE_ANY, 0, command_lsub },
    { "APPEND", STATE_ANY, 0, command_append },
    { "CREATE", STATE_ANY, 0, command_create },
    { "DELETE", STATE_ANY, 0, command_delete },
    { "RENAME", STATE_ANY, 0, command_rename },
    { "SUBSCRIBE", STATE_ANY, 0, command_subscribe },
    { "UNSUBSCRIBE", STATE_ANY, 0, command_unsubscribe },
    { "GETQUOTA", STATE_ANY, 0, command_getquota },
    { "GETQUOTAROOT", STATE_ANY, 0, command_getquotaroot },
    { "SETQUOTA", STATE_ANY, 0, command_setquota },
    { "CAPABILITY", STATE_ANY, 0, command_capability },
    { "ENABLE", STATE_USER, 0, command_enable },
    { "NAMESPACE", STATE_ANY, 0, command_namespace },
    { "ID", STATE_ANY, 0, command_id },
    { "LOGOUT", STATE_ANY, COMMAND_SILENT, command_logout },
    { "LOGIN", STATE_NONE, 0, command_early },
    { "AUTHENTICATE", STATE_NONE, 0, command_early },
    { "STARTTLS", STATE_NONE, 0, command_early },
    { NULL, STATE_ANY, 0, command_unknown },
};

static const struct command uid_table[] = {
    { "FETCH", STATE_SELECTED, 0, command_fetch },   { "STORE", STATE_SELECTED, 0, command_store },
    { "SEARCH", STATE_SELECTED, 0, command_search }, { "SORT", STATE_SELECTED, 0, command_sort },
    { "THREAD", STATE_SELECTED, 0, command_thread }, { "COPY", STATE_SELECTED, 0, command_copy },
    { "MOVE", STATE_SELECTED, 0, command_move },     { "EXPUNGE", STATE_SELECTED, 0, command_expunge },
    { NULL, STATE_ANY, 0, command_unknown },
};

static void command_uid(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct span rest;
    i->uid = true;
    command_find(uid_table, argument, &rest)->run(i, rest);
}

static void run_row(struct imap *i, const struct command *row, struct span argument)
{
    if (row->states & (i->box ? STATE_SELECTED : STATE_USER))
        return row->run(i, argument);
    if (row->states == STATE_NONE)
        return command_early(i, argument);
    i->bad++;
    reply(i, row->states == STATE_USER ? "BAD That comes before a mailbox is selected"
                                       : "BAD Select a mailbox first");
}

/* The tag and the row of what has been read. NULL: there is no tag. */
static const struct command *find_row(struct imap *i, struct span *argument)
{
    struct parser p;
    struct span tag;
    i->tag[0] = 0;
    parser_init(&p, span_bytes(&i->reader.text), &i->text);
    if (!parse_tag(&p, &tag) || !parse_space(&p))
        return NULL;
    span_copy(tag, i->tag, sizeof i->tag);
    return command_find(table, span_from(p.in, p.at), argument);
}

static void finish_command(struct imap *i, unsigned flags)
{
    if (i->box && !(flags & COMMAND_SILENT) && !i->done)
        sync_mailbox(i, flags & COMMAND_KEEP);
    if (i->box && !i->done)
        modseq_settle(i);
    i->uid = false;
    conn_printf(i->conn, "%s ", i->tag[0] ? i->tag : "*");
    conn_write_span(i->conn,
                    i->reply.failed ? SPAN("NO [UNAVAILABLE] Out of memory") : span_bytes(&i->reply));
    conn_write_str(i->conn, "\r\n");
    if (i->behind_reply)
        i->behind_reply(i);
    i->behind_reply = NULL;
    if (i->bad >= BAD_LIMIT && !i->done) {
        conn_write_str(i->conn, "* BYE Too many wrong commands\r\n");
        i->done = true;
    }
}

static void run_command(struct imap *i, bool append)
{
    struct span argument;
    const struct command *row = find_row(i, &argument);
    reply(i, "OK Done");
    if (!row) {
        i->bad++;
        reply(i, "BAD Missing or bad tag");
        return finish_command(i, COMMAND_SILENT);
    }
    if (append)
        append_message(i, argument);
    else
        run_row(i, row, argument);
    finish_command(i, row->flags);
}

static void refuse(struct imap *i)
{
    struct span argument;
    find_row(i, &argument);
    i->bad++;
    reply(i, "BAD %s", i->reader.error);
    finish_command(i, COMMAND_SILENT);
}

static void step(struct imap *i)
{
    work_while_silent(i);
    enum read_result result = reader_command(&i->reader);
    switch (result) {
    case READ_COMMAND:
    case READ_APPEND:
        return run_command(i, result == READ_APPEND);
    case READ_BAD:
        return refuse(i);
    case READ_END:
        conn_printf(i->conn, "* BYE %s\r\n", i->reader.error);
        break;
    case READ_TIMEOUT:
        conn_write_str(i->conn, "* BYE Silent for too long\r\n");
        break;
    case READ_GONE:
        break;
    }
    i->done = true;
}

/* The tagged answer to the login, which the session left to us. */
static bool greet(struct imap *i)
{
    const char *tag = i->start->context;
    if (mail_open(i->start->maildir, i->settings->hostname, &i->mail) != ST_OK) {
        log_event(LOG_ERR, "mailbox-unavailable", "account", i->start->account.text, "maildir",
                  i->start->maildir, "error", strerror(errno), NULL);
        conn_printf(i->conn, "%s NO [UNAVAILABLE] Your mailbox can't be opened now\r\n", tag);
        conn_write_str(i->conn, "* BYE Try again later\r\n");
        return false;
    }
    mail_set_boot(i->mail, i->start->serving->boot);
    bytes_printf(&i->line, "%s OK [", tag);
    add_capabilities(i);
    bytes_add_str(&i->line, "] Logged in\r\n");
    write_line(i);
    return true;
}

void imap_mailbox(struct mailbox_start *start)
{
    struct imap i = { .start = start, .settings = start->serving->settings, .conn = start->conn };
    bytes_init(&i.text, LITERALS_LIMIT + 8 * (size_t)CONN_BUFFER);
    bytes_init(&i.line, LINE_LIMIT);
    bytes_init(&i.reply, REPLY_LIMIT);
    conn_deadlines(i.conn, IDLE_MS, 0);
    if (reader_init(&i.reader, i.conn, LITERALS_LIMIT, THROW_AWAY, true) && greet(&i))
        while (!i.done && !conn_is_gone(i.conn))
            step(&i);
    conn_flush(i.conn);
    close_mailbox(&i);
    if (i.mail)
        mail_close(i.mail);
    reader_free(&i.reader);
    bytes_free(&i.text);
    bytes_free(&i.line);
    bytes_free(&i.reply);
}
