/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * smtpd's guard: decides who may send what to whom, from what it knows itself: the peer's address, the login
 * that it checked, the settings, and the tables of domains, accounts and aliases.
 *
 *     state   means                               timely verbs
 *     IDLE    no transaction
 *     SENDER  MAIL was accepted                   RCPT
 *     RCPTS   at least one recipient was too      RCPT AUTHOR PIECE FILE COMMIT
 *     BODY    pieces of the message have come     PIECE COMMIT
 *     FILE    the session has a file to write to  COMMIT
 *     any                                         LOGIN MAIL
 *
 * LOGIN, once, and MAIL forget the transaction before them. An answer to "does this user exist" is only given
 * where mail for that domain is taken at all. What can't be looked up is VERDICT_TABLES, never a refusal.
 */
#include "guard.h"
#include "base/files.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REFUSALS_LIMIT 50    /* senders and recipients: who asks on tries names, or means somebody else */
#define REFUSALS_LOGGED 200  /* of all refusals of a connection */
#define PASSWD_BUFFER 4096 /* a line of the user database */

enum { IDLE = 1, SENDER = 2, RCPTS = 4, BODY = 8, FILE_OUT = 16, ANY = 31 };

static void forget_envelope(struct envelope *e)
{
    targets_free(&e->targets);
    bytes_free(&e->body);
    *e = (struct envelope){ .recipients = 0 };
    bytes_init(&e->body, SMTPD_MEMORY_LIMIT + SMTPD_ADDED_LIMIT);
}

static enum guard_next reply(struct message *m, enum verdict v)
{
    message_start(m, 0);
    message_put_u64(m, v);
    return GUARD_REPLY;
}

static bool open_directory(struct smtp_guard *g)
{
    return g->directory || directory_open(g->settings, &g->directory) == ST_OK;
}

static void log_refusal(struct smtp_guard *g, const char *why, const struct address *recipient)
{
    const struct envelope *e = &g->envelope;
    if (g->refusals_logged++ >= REFUSALS_LOGGED)
        return;
    log_event(LOG_INFO, "refused", "peer", g->serving->peer.text, "login",
              g->login.done ? g->login.account.text : NULL, "from", e->sender.text, "to",
              recipient ? recipient->text : NULL, "why", why, NULL);
}

/* The reply to a sender or recipient; one refusal too many is the last reply. */
static enum guard_next reply_judged(struct smtp_guard *g, struct message *m, enum verdict v)
{
    bool refused = v == VERDICT_REFUSED || v == VERDICT_NO_RELAY || v == VERDICT_NO_USER;
    if (!refused || g->refusals++ < REFUSALS_LIMIT)
        return reply(m, v);
    reply(m, VERDICT_OVER);
    return GUARD_DONE;
}

/* --- who sends */

static bool is_submission(const struct smtp_guard *g)
{
    return serving_flag(g->serving, 's');
}

bool guard_by_user(const struct smtp_guard *g)
{
    const struct peer *peer = &g->serving->peer;
    return peer->local && (peer->named ? is_submission(g) : serving_flag(g->serving, 'u'));
}

static bool is_trusted_network(const struct smtp_guard *g)
{
    return !is_submission(g) && g->serving->peer.known &&
           settings_trusts(g->settings, &g->serving->peer.address);
}

static bool may_relay(const struct smtp_guard *g)
{
    return g->login.done || guard_by_user(g) || is_trusted_network(g);
}

static enum verdict verdict_of(enum status st)
{
    return st == ST_OK ? VERDICT_OK : st == ST_TEMP ? VERDICT_TABLES : VERDICT_REFUSED;
}

static enum guard_next run_login(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    struct span name, password;
    bool allowed = is_submission(g) && (g->key.given || g->settings->plaintext_login);
    if (!message_get(m, &name) || !message_get(m, &password) || !message_end(m) || !allowed ||
        g->login.done || name.n > LOGIN_NAME_LIMIT || password.n > LOGIN_PASSWORD_LIMIT)
        return GUARD_END;
    forget_envelope(&g->envelope);
    guard->state = IDLE;
    enum status st = login_check(&g->login, name, password);
    bool over = st == ST_PERM && errno == EACCES;
    if (st == ST_OK)
        log_event(LOG_INFO, "login", "peer", g->serving->peer.text, "login", g->login.account.text, NULL);
    else if (st == ST_PERM)
        log_event(LOG_NOTICE, "login-failed", "peer", g->serving->peer.text, NULL);
    explicit_bzero(m->data, m->len);
    reply(m, over ? VERDICT_OVER : verdict_of(st));
    return over ? GUARD_DONE : GUARD_REPLY;
}

/* The account that a user of this machine would be: name@domain. */
static bool local_account(unsigned uid, struct span domain, struct address *account)
{
    struct passwd entry, *found = NULL;
    char buffer[PASSWD_BUFFER], text[ADDRESS_LIMIT + 1];
    if (getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) != 0 || !found)
        return false;
    int n = snprintf(text, sizeof text, "%s@%.*s", entry.pw_name, SPAN_FMT(domain));
    return n > 0 && (size_t)n < sizeof text && address_parse(span_of(text), account) == ADDRESS_OK;
}

/* A user of this machine sends as name@hostname, or as what the account name@FIRST-DOMAIN may; root and the
 * owner of the spool as anybody. */
static enum verdict check_local_sender(struct smtp_guard *g, const struct address *sender)
{
    unsigned uid = g->serving->peer.uid;
    struct address account;
    struct bytes domain;
    if (uid == 0 || uid == geteuid() || address_is_null(sender))
        return VERDICT_OK;
    if (local_account(uid, span_of(g->settings->hostname), &account) && address_same(&account, sender))
        return VERDICT_OK;
    bytes_init(&domain, ADDRESS_DOMAIN_LIMIT);
    enum verdict v = VERDICT_TABLES;
    if (open_directory(g) && directory_first_domain(g->directory, &domain) == ST_OK) {
        v = VERDICT_REFUSED;
        if (local_account(uid, span_bytes(&domain), &account))
            v = address_same(&account, sender)
                    ? VERDICT_OK
                    : verdict_of(directory_may_send_as(g->directory, &account, sender));
    }
    bytes_free(&domain);
    return v;
}

static enum verdict check_author(struct smtp_guard *g, const struct address *a)
{
    if (!open_directory(g))
        return VERDICT_TABLES;
    return verdict_of(directory_may_send_as(g->directory, &g->login.account, a));
}

static enum verdict check_sender(struct smtp_guard *g, const struct address *sender)
{
    if (guard_by_user(g))
        return check_local_sender(g, sender);
    if (g->login.done)
        return address_is_null(sender) ? VERDICT_OK : check_author(g, sender);
    return is_submission(g) ? VERDICT_LOGIN_FIRST : VERDICT_OK;
}

/* A path that the session read, read again: nothing else may go into an envelope. */
static bool get_path(struct message *m, struct address *a)
{
    struct span path;
    return message_get(m, &path) && address_path(&path, a) == ADDRESS_OK && path.n == 0;
}

static enum guard_next run_mail(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    struct address sender;
    uint64_t eight_bit, size;
    forget_envelope(&g->envelope);
    guard->state = IDLE;
    if (!get_path(m, &sender) || !message_get_u64(m, &eight_bit) || !message_get_u64(m, &size) || !message_end(m))
        return GUARD_END;
    g->envelope.sender = sender;
    g->envelope.eight_bit = eight_bit != 0;
    g->envelope.size = size;
    enum verdict v = check_sender(g, &sender);
    if (v == VERDICT_OK)
        guard->state = SENDER;
    else if (v == VERDICT_REFUSED)
        log_refusal(g, "not a sender address of this account", NULL);
    enum guard_next next = reply_judged(g, m, v);
    message_put_u64(m, (may_relay(g) ? ORIGIN_COMPLETE : 0) | (g->login.done ? ORIGIN_AUTHORS : 0));
    return next;
}

static enum guard_next run_author(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    struct span text;
    struct address author;
    if (!message_get(m, &text) || !message_end(m) || !g->login.done ||
        g->envelope.authors++ >= SMTPD_AUTHORS_LIMIT)
        return GUARD_END;
    enum verdict v = address_parse(text, &author) == ADDRESS_OK ? check_author(g, &author) : VERDICT_REFUSED;
    if (v == VERDICT_REFUSED)
        log_refusal(g, "From or Sender is not an address of this account", NULL);
    return reply_judged(g, m, v);
}

/* --- to whom */

/* Mailboxes for which a process hasn't descriptors enough are reached like outside addresses: by the queue,
 * and from there here again. */
static void bound_local(struct targets *t)
{
    size_t count = 0;
    for (size_t i = 0; i < t->count; i++)
        if (t->list[i].local && ++count > LOCAL_LIMIT)
            t->list[i].local = false;
}

static bool add_outside(struct targets *t, const struct address *a)
{
    for (size_t i = 0; i < t->count; i++)
        if (address_same(&t->list[i].address, a))
            return true;
    struct target *list = realloc(t->list, (t->count + 1) * sizeof *list);
    if (!list)
        return false;
    t->list = list;
    t->list[t->count++] = (struct target){ .address = *a, .local = false };
    return true;
}

static enum verdict expand(struct smtp_guard *g, const struct address *a)
{
    struct envelope *e = &g->envelope;
    if (!open_directory(g))
        return VERDICT_TABLES;
    enum status st = directory_expand(g->directory, a, &e->targets);
    int why = errno;
    if (st == ST_OK)
        return VERDICT_OK;
    if (st == ST_NONE)
        return VERDICT_NO_USER;
    if (st == ST_PERM && why == EREMOTE) {
        if (!may_relay(g))
            return VERDICT_NO_RELAY;
        return add_outside(&e->targets, a) ? VERDICT_OK : VERDICT_FAILED;
    }
    return st == ST_PERM ? VERDICT_ALIAS : VERDICT_TABLES;
}

/* A recipient that is a mailbox is refused if that is full, even if it has copies sent elsewhere: 552, as
 * Postfix and Dovecot do. Of an alias' other mailboxes one that is full keeps the message from nobody else:
 * COMMIT looks again. */
static bool is_full(const struct smtp_guard *g, const struct address *a, size_t before)
{
    const struct targets *t = &g->envelope.targets;
    struct address own;
    bool has_own = directory_account(g->directory, a, &own) == ST_OK;
    for (size_t i = before; i < t->count; i++) {
        bool meant = t->count == before + 1 || (has_own && address_same(&t->list[i].address, &own));
        if (meant && t->list[i].local && !guard_has_room(g, &t->list[i].address, g->envelope.size))
            return true;
    }
    return false;
}

static enum verdict add_recipient(struct smtp_guard *g, const struct address *a)
{
    struct envelope *e = &g->envelope;
    size_t before = e->targets.count;
    if (e->recipients >= g->settings->recipients)
        return VERDICT_TOO_MANY;
    enum verdict v = expand(g, a);
    if (v == VERDICT_OK && e->targets.count > TARGETS_LIMIT)
        v = VERDICT_TOO_MANY;
    if (v == VERDICT_OK && is_full(g, a, before))
        v = VERDICT_FULL;
    if (v != VERDICT_OK) {
        e->targets.count = before;
        return v;
    }
    bound_local(&e->targets);
    if (e->recipients++ == 0)
        e->recipient = *a;
    return VERDICT_OK;
}

static enum guard_next run_rcpt(struct guard *guard, struct message *m)
{
    static const char *const why[] = {
        [VERDICT_NO_RELAY] = "relaying denied",     [VERDICT_NO_USER] = "no such user",
        [VERDICT_TOO_MANY] = "too many recipients", [VERDICT_ALIAS] = "aliases loop or are too many",
        [VERDICT_TABLES] = "tables can't be read",  [VERDICT_FAILED] = "out of memory",
        [VERDICT_FULL] = "over quota",
    };
    struct smtp_guard *g = guard->program;
    struct address recipient;
    if (!get_path(m, &recipient) || !message_end(m))
        return GUARD_END;
    enum verdict v = add_recipient(g, &recipient);
    if (v == VERDICT_OK)
        guard->state = RCPTS;
    else
        log_refusal(g, why[v], &recipient);
    return reply_judged(g, m, v);
}

/* --- the message */

static enum guard_next run_piece(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    struct span piece;
    if (!message_get(m, &piece) || !message_end(m) || piece.n > CHANNEL_PIECE)
        return GUARD_END;
    guard->state = BODY;
    bytes_add_span(&g->envelope.body, piece); /* if memory runs out, COMMIT says so */
    return GUARD_SILENT;
}

/* One file a connection, emptied for the next message: a session that keeps its descriptors keeps the space
 * of one message. */
static bool open_file(struct smtp_guard *g)
{
    char path[PATH_MAX];
    if (g->file >= 0)
        return ftruncate(g->file, 0) == 0 && lseek(g->file, 0, SEEK_SET) == 0;
    int n = snprintf(path, sizeof path, "%s/tmp", g->settings->spool);
    if (n < 0 || (size_t)n >= sizeof path)
        return false;
    g->file = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (g->file < 0 && errno == ENOENT && mkdir(path, 0700) == 0)
        g->file = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return g->file >= 0;
}

static enum guard_next run_file(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    if (!message_end(m))
        return GUARD_END;
    int copy = open_file(g) ? fcntl(g->file, F_DUPFD_CLOEXEC, 0) : -1;
    if (copy < 0) {
        int why = errno;
        log_event(LOG_ERR, "no-temporary-file", "directory", g->settings->spool, "why", strerror(why), NULL);
        return reply(m, why == ENOSPC || why == EDQUOT ? VERDICT_DISK_FULL : VERDICT_FAILED);
    }
    guard->state = FILE_OUT;
    reply(m, VERDICT_OK);
    m->fd = copy;
    return GUARD_REPLY;
}

/* The message as it came: in the file, in pieces, or all of it with COMMIT. */
static enum verdict gather(struct smtp_guard *g, struct span last, bool in_file, struct content *c)
{
    struct envelope *e = &g->envelope;
    struct stat st;
    *c = (struct content){ .fd = -1 };
    if (in_file) {
        if (fstat(g->file, &st) != 0)
            return VERDICT_FAILED;
        c->fd = g->file;
        c->size = (uint64_t)st.st_size;
    } else {
        c->memory = last;
        if (e->body.len || e->body.failed) {
            if (!bytes_add_span(&e->body, last))
                return VERDICT_FAILED;
            c->memory = span_bytes(&e->body);
        }
        c->size = c->memory.n;
    }
    return VERDICT_OK;
}

static enum guard_next run_commit(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    struct said said;
    struct content content;
    struct span last;
    uint64_t bits;
    char id[QUEUE_ID_LIMIT] = "";
    if (!message_get(m, &said.helo) || !message_get(m, &said.tls) || !message_get_u64(m, &bits) ||
        !message_get(m, &last) || !message_end(m))
        return GUARD_END;
    bool in_file = bits & COMMIT_FILE;
    if (in_file != (guard->state == FILE_OUT) || (in_file && last.n))
        return GUARD_END;
    said.extended = bits & COMMIT_EXTENDED;
    if (bits & COMMIT_EIGHT_BIT)
        g->envelope.eight_bit = true;
    enum verdict v = gather(g, last, in_file, &content);
    if (v == VERDICT_OK && content.size > g->settings->message_size + SMTPD_ADDED_LIMIT)
        return GUARD_END;
    if (v == VERDICT_OK)
        v = guard_commit(g, &said, &content, id);
    forget_envelope(&g->envelope);
    guard->state = IDLE;
    reply(m, v);
    message_put_str(m, id);
    return GUARD_REPLY;
}

static const struct guard_verb verbs[] = {
    { VERB_LOGIN, ANY, "login", run_login },
    { VERB_MAIL, ANY, "mail", run_mail },
    { VERB_RCPT, SENDER | RCPTS, "rcpt", run_rcpt },
    { VERB_AUTHOR, RCPTS, "author", run_author },
    { VERB_PIECE, RCPTS | BODY, "piece", run_piece },
    { VERB_FILE, RCPTS, "file", run_file },
    { VERB_COMMIT, RCPTS | BODY | FILE_OUT, "commit", run_commit },
    { 0, 0, NULL, NULL },
};

int guard_run(struct serving *serving)
{
    struct smtp_guard g = { .serving = serving, .settings = serving->settings, .file = -1 };
    struct guard guard = {
        .channel = serving->channel,
        .state = IDLE,
        .program = &g,
        .peer = serving->peer.text,
        .key = &g.key,
    };
    tls_key_init(&g.key, serving->settings->tls_key);
    login_init(&g.login, serving->settings);
    forget_envelope(&g.envelope);
    guard_loop(&guard, verbs);
    forget_envelope(&g.envelope);
    file_close(g.file);
    if (g.directory)
        directory_close(g.directory);
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
    return n;
}
