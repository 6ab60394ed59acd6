/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * QUOTA (RFC 9208) with STORAGE and MESSAGE: GETQUOTA and GETQUOTAROOT, SETQUOTA refused, and what APPEND,
 * COPY and MOVE ask before they add mail.
 *
 * An account with limits is one quota root, named as with Dovecot, that all its mailboxes belong to; without
 * limits there is none. A MOVE adds nothing, so it is never refused. STORAGE is in units of 1024 octets.
 */
#include "imapd.h"

#include "store/quota.h"

#define QUOTA_ROOT "User quota"

/* Of 1024 octets, rounded up: a limit of less isn't none. */
static unsigned long long units(uint64_t bytes)
{
    return bytes / 1024 + (bytes % 1024 > 0);
}

static void write_quota(struct imap *i)
{
    const struct quota *q = &i->start->quota;
    struct quota_used u;
    enum status st = quota_look(mail_dir(i->mail), q, 0, &u);
    if (st != ST_OK)
        return reply_failed(i, st);
    bytes_add_str(&i->line, "* QUOTA \"" QUOTA_ROOT "\" (");
    if (q->bytes)
        bytes_printf(&i->line, "STORAGE %llu %llu", units(u.bytes), units(q->bytes));
    if (q->messages)
        bytes_printf(&i->line, "%sMESSAGE %llu %llu", q->bytes ? " " : "", (unsigned long long)u.messages,
                     (unsigned long long)q->messages);
    bytes_add_str(&i->line, ")\r\n");
    write_line(i);
    reply(i, "OK Done");
}

void command_getquota(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct parser p;
    struct span root;
    parser_init(&p, argument, &i->text);
    if (!parse_astring(&p, &root) || !parse_end(&p))
        return reply_bad(i, &p);
    if (!quota_limited(&i->start->quota) || !span_eq_str(root, QUOTA_ROOT))
        return reply(i, "NO [NONEXISTENT] No such quota root");
    write_quota(i);
}

/* The mailbox need not exist. */
void command_getquotaroot(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct parser p;
    struct span name, folder;
    bool limited = quota_limited(&i->start->quota);
    parser_init(&p, argument, &i->text);
    if (!parse_astring(&p, &name) || !parse_end(&p))
        return reply_bad(i, &p);
    if (!folder_argument(i, name, &folder))
        return;
    bytes_add_str(&i->line, "* QUOTAROOT ");
    add_mailbox(i, folder);
    bytes_add_str(&i->line, limited ? " \"" QUOTA_ROOT "\"\r\n" : "\r\n");
    write_line(i);
    if (limited)
        write_quota(i);
    else
        reply(i, "OK No quota");
}

/* The syntax is looked at, so that a client that is wrong hears so. */
void command_setquota(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct parser p;
    struct span s;
    uint64_t number;
    parser_init(&p, argument, &i->text);
    bool good = parse_astring(&p, &s) && parse_space(&p);
    if (good && !parse_char(&p, '('))
        good = parse_fail(&p, "List of limits expected");
    for (bool first = true; good && !parse_char(&p, ')'); first = false)
        good = (first || parse_space(&p)) && parse_atom(&p, &s) && parse_space(&p) &&
               parse_number64(&p, &number);
    if (!good || !parse_end(&p))
        return reply_bad(i, &p);
    reply(i, "NO [NOPERM] The administrator sets the limits");
}

bool quota_allows(struct imap *i, uint64_t bytes, uint64_t messages)
{
    if (quota_room(mail_dir(i->mail), &i->start->quota, 0, 0, bytes, messages) == ST_OK)
        return true;
    reply(i, "NO [OVERQUOTA] There is no room for this in the quota");
    return false;
}
