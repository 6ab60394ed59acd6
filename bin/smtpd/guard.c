/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * smtpd's guard: decides who may send what to whom, from what it knows itself: the peer's address, the login
 * that it checked, the settings, and the tables of domains, accounts and aliases. This file has its table of
 * verbs, the login, and what the others share:
 *
 *     guard_sender.c     MAIL and AUTHOR: who sends
 *     guard_recipient.c  RCPT: to whom
 *     guard_policy.c     what the settings have against it
 *     guard_dns.c        who sent it: what the session asks DNS about that, and finds
 *     guard_milter.c     MILTER, SENDER, ADD, REMOVE: what filters want
 *     guard_sign.c       KEYS, SIGN: by which domains its messages are signed
 *     guard_message.c    PIECE, FILE, COMMIT: the message; guard_commit.c puts it on disk
 *     guard_quota.c      whether a mailbox has room, and what has come into it
 *
 *     state   means                               timely verbs
 *     IDLE    no transaction
 *     SENDER  MAIL was accepted                   RCPT
 *     RCPTS   at least one recipient was too      RCPT AUTHOR DNS CHECKED SENDER ADD REMOVE KEYS
 *             (a filter may have removed them)            SIGN PIECE FILE COMMIT
 *     BODY    pieces of the message have come     DNS CHECKED PIECE COMMIT
 *     FILE    the session has a file to write to  FILE (another one) AUTHOR DNS CHECKED SENDER ADD
 *                                                         REMOVE KEYS SIGN COMMIT
 *     any                                         LOGIN, those of SCRAM, MAIL, MILTER
 *
 * A login, once, and MAIL forget the transaction before them. An answer to "does this user exist" is only
 * given where mail for that domain is taken at all. What can't be looked up is VERDICT_TABLES, never a
 * refusal.
 */
#include "guard_private.h"
#include "store/table.h"
#include "base/files.h"
#include "base/log.h"
#include "net/milters.h"
#include "store/dmarc_results.h"
#include "store/sasl.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define REFUSALS_LIMIT 50   /* senders and recipients: who asks on tries names, or means somebody else */
#define DELAYS_LIMIT 100   /* recipients that are to come again, each perhaps in the greylist */
#define REFUSALS_LOGGED 200 /* of all refusals of a connection */
#define LINES_LOGGED 500    /* about messages that aren't taken */
#define LOG_RECIPIENTS 900  /* bytes of recipients in a line of the log */
#define FOLDERS 8           /* outside of the settings' own, that aliases include files from */

void guard_forget_envelope(struct envelope *e)
{
    guard_lmtp_forget(e);
    targets_free(&e->targets);
    targets_free(&e->copies);
    guard_notice_forget(e);
    free(e->named);
    bytes_free(&e->body);
    bytes_free(&e->report);
    *e = (struct envelope){ .recipients = 0 };
    bytes_init(&e->body, SMTPD_MEMORY_LIMIT + SMTPD_ADDED_LIMIT);
    bytes_init(&e->report, DMARC_RESULTS_TEXT);
}

enum guard_next guard_reply(struct message *m, enum verdict v)
{
    message_start(m, 0);
    message_put_u64(m, v);
    return GUARD_REPLY;
}

/* A standing guard may have them from the connection before. */
bool guard_open_directory(struct smtp_guard *g)
{
    struct directory *kept = g->serving->kept;
    if (g->directory)
        return true;
    g->serving->kept = NULL;
    if (kept && directory_current(kept)) {
        g->directory = kept;
        return true;
    }
    directory_close(kept);
    return directory_open(g->settings, &g->directory) == ST_OK;
}

static void leave_directory(struct smtp_guard *g)
{
    if (g->directory && g->serving->standing)
        g->serving->kept = g->directory;
    else
        directory_close(g->directory);
}

bool guard_may_log_refusal(struct smtp_guard *g)
{
    return g->refusals_logged++ < REFUSALS_LOGGED;
}

bool guard_may_log_message(struct smtp_guard *g)
{
    return g->lines++ < LINES_LOGGED;
}

void guard_log_refusal(struct smtp_guard *g, const char *why, const char *setting,
                       const struct address *recipient)
{
    const struct envelope *e = &g->envelope;
    if (!guard_may_log_refusal(g))
        return;
    log_event(LOG_INFO, "refused", "peer", g->serving->peer.text, "login",
              g->login.done ? g->login.account.text : NULL, "from", e->sender.text, "to",
              recipient ? recipient->text : NULL, "why", why, "setting", setting, NULL);
}

void guard_show_targets(const struct envelope *e, struct bytes *to)
{
    bytes_init(to, LOG_RECIPIENTS);
    for (size_t i = 0; i < e->targets.count && !to->failed; i++)
        bytes_printf(to, "%s%s%s", i ? "," : "",
                     e->targets.list[i].local     ? ""
                     : e->targets.list[i].program ? "|"
                                                  : ">",
                     e->targets.list[i].address.text);
}

/* One refusal too many? */
static bool is_over(struct smtp_guard *g, enum verdict v)
{
    switch (v) {
    case VERDICT_REFUSED:
    case VERDICT_NO_RELAY:
    case VERDICT_NO_USER:
    case VERDICT_NO_BOUNCE:
    case VERDICT_POLICY:
        return g->refusals++ >= REFUSALS_LIMIT;
    case VERDICT_DELAYED:
        return g->delays++ >= DELAYS_LIMIT;
    default:
        return false;
    }
}

/* The reply to a sender or recipient; one refusal too many is the last reply. */
enum guard_next guard_reply_judged(struct smtp_guard *g, struct message *m, enum verdict v)
{
    if (is_over(g, v))
        v = VERDICT_OVER;
    guard_reply(m, v);
    return v == VERDICT_OVER || v == VERDICT_SPENT ? GUARD_DONE : GUARD_REPLY;
}

static const struct guard_verb verbs[] = {
    { VERB_LOGIN, GUARD_ANY, "login", guard_login },
    { SASL_FIRST, GUARD_ANY, "scram-first", guard_scram_first },
    { SASL_FINAL, GUARD_ANY, "scram-final", guard_scram_final },
    { SASL_ENTER, GUARD_ANY, "scram-enter", guard_scram_enter },
    { VERB_MAIL, GUARD_ANY, "mail", guard_mail },
    { VERB_RCPT, GUARD_SENDER | GUARD_RCPTS, "rcpt", guard_rcpt },
    { VERB_AUTHOR, GUARD_RCPTS | GUARD_FILE_OUT, "author", guard_author },
    { VERB_DNS, GUARD_RCPTS | GUARD_BODY | GUARD_FILE_OUT, "dns", guard_dns },
    { VERB_CHECKED, GUARD_RCPTS | GUARD_BODY | GUARD_FILE_OUT, "checked", guard_checked },
    { VERB_MILTER, GUARD_ANY, "milter", guard_milter },
    { VERB_SENDER, GUARD_RCPTS | GUARD_FILE_OUT, "sender", guard_filter_sender },
    { VERB_ADD, GUARD_RCPTS | GUARD_FILE_OUT, "add", guard_filter_add },
    { VERB_REMOVE, GUARD_RCPTS | GUARD_FILE_OUT, "remove", guard_filter_remove },
    { VERB_KEYS, GUARD_RCPTS | GUARD_FILE_OUT, "keys", guard_sign_keys },
    { VERB_SIGN, GUARD_RCPTS | GUARD_FILE_OUT, "sign", guard_sign_hash },
    { VERB_PIECE, GUARD_RCPTS | GUARD_BODY, "piece", guard_piece },
    { VERB_FILE, GUARD_RCPTS | GUARD_FILE_OUT, "file", guard_file },
    { VERB_REFUSED, GUARD_RCPTS | GUARD_BODY | GUARD_FILE_OUT, "refused", guard_refused },
    { VERB_COMMIT, GUARD_RCPTS | GUARD_BODY | GUARD_FILE_OUT, "commit", guard_finish },
    { 0, 0, NULL, NULL },
};

bool guard_stands(const struct serving *s)
{
    return !serving_flag(s, 's') && !serving_flag(s, 'u') &&
           !milters_wanted(s->settings, guard_milter_uses(s));
}

int guard_run(struct serving *serving)
{
    struct smtp_guard g = { .serving = serving,
                            .settings = serving->settings,
                            .files = { -1, -1, -1 },
                            .milters = serving->milters };
    struct guard guard = {
        .channel = serving->channel,
        .state = GUARD_IDLE,
        .program = &g,
        .peer = serving->peer.text,
        .key = &g.key,
    };
    tls_key_init(&g.key, serving->settings);
    login_init(&g.login, serving->settings, &serving->peer);
    g.login.service = serving->service->name;
    guard_forget_envelope(&g.envelope);
    policy_begin(&g);
    guard_loop(&guard, verbs);
    login_forget(&g.login);
    guard_forget_envelope(&g.envelope);
    policy_end(&g);
    guard_sign_end(&g);
    for (size_t i = 0; i < sizeof g.files / sizeof g.files[0]; i++)
        file_close(g.files[i]);
    leave_directory(&g);
    table_close(g.copies);
    tls_key_free(&g.key);
    return 0;
}

size_t guard_paths(const struct settings *s, struct sandbox_path *paths, size_t room)
{
    struct bytes mail;
    size_t n = 0;
    bytes_init(&mail, PATH_MAX);
    const char *root =
        settings_mail_root(s, &mail) ? span_dup(span_bytes(&mail)) : NULL; /* lives as long as the process */
    bytes_free(&mail);
    const struct sandbox_path wanted[] = {
        { s->directory, SANDBOX_READ },         { s->spool, SANDBOX_READ | SANDBOX_WRITE },
        { root, SANDBOX_READ | SANDBOX_WRITE }, { "/etc/passwd", SANDBOX_READ },
        { "/etc/nsswitch.conf", SANDBOX_READ }, /* who a local user is */
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0] && n < room; i++)
        if (wanted[i].path)
            paths[n++] = wanted[i];
    const char *folders[FOLDERS];
    size_t count = directory_folders(s, folders, FOLDERS);
    for (size_t i = 0; i < count && n < room; i++)
        paths[n++] = (struct sandbox_path){ folders[i], SANDBOX_READ };
    return n;
}
