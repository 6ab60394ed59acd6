/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Login and hand-over, for the three processes that take part; see handover.h.
 *
 * Whether the client's side is encrypted is not the session's word: the guard knows it from the
 * signature it gave to the handshake. A session that breaks off in the middle leaves
 * the mailbox process with a closed relay, which ends it.
 */
#include "store/handover.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "net/channel.h"
#include "net/guard.h"
#include "store/directory.h"
#include "store/learn.h"
#include "store/maildir.h"
#include "store/queue.h"
#include "store/sasl.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

enum { VERB_LOGIN = GUARD_OWN, VERB_START };
enum { STATE_LOGIN = 1 };

#define LEFTOVER_MS 10000 /* the session gets this long to give away what it had read */
#define RELAY_PIECE 16384

/* --- session */

static enum sasl_result ask_login(const struct serving *s, struct message *m, struct span as,
                                  struct span name, struct span password, struct span context)
{
    uint64_t says;
    message_start(m, VERB_LOGIN);
    message_put(m, as);
    message_put(m, name);
    message_put(m, password);
    message_put(m, context);
    bool fits = !m->bad, sent = channel_send(s->channel, m);
    explicit_bzero(m->data, m->len); /* as far as it was written to: all of it is 72 KiB */
    if (!fits)
        return SASL_WRONG;
    if (!sent || !channel_receive(s->channel, m, -1) || !message_get_u64(m, &says) || !message_end(m))
        return SASL_OVER;
    return sasl_judged(says);
}

enum sasl_result handover_login(const struct sasl *s, struct span as, struct span name, struct span password)
{
    struct message *m = malloc(sizeof *m);
    if (!m)
        return SASL_TEMP;
    bool fits = as.n <= LOGIN_NAME_LIMIT && name.n <= LOGIN_NAME_LIMIT &&
                password.n <= LOGIN_PASSWORD_LIMIT && s->context.n <= HANDOVER_CONTEXT;
    enum sasl_result result = fits ? ask_login(s->serving, m, as, name, password, s->context)
                                   : ask_login(s->serving, m, SPAN(""), SPAN(""), SPAN(""), SPAN(""));
    free(m);
    return result;
}

static void give_away(struct serving *s)
{
    struct span rest = conn_pending(s->conn);
    while (rest.n) {
        ssize_t n = send(s->relay, rest.p, rest.n, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return;
        if (n > 0)
            rest = span_from(rest, (size_t)n);
    }
}

/* Client to mailbox, as far as it goes without waiting. False: the mailbox process is gone. */
static bool push_input(struct serving *s)
{
    struct span have;
    while ((have = conn_pending(s->conn)).n) {
        ssize_t n = send(s->relay, have.p, have.n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            conn_take(s->conn, (size_t)n);
    }
    return true;
}

/* Mailbox to client. False: nothing more will come. */
static bool pull_output(struct serving *s)
{
    char piece[RELAY_PIECE];
    for (;;) {
        ssize_t n = recv(s->relay, piece, sizeof piece, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return conn_flush(s->conn);
        if (n <= 0)
            return false;
        conn_write(s->conn, piece, (size_t)n);
    }
}

/* One turn: waits until either side has something, and moves it. */
static bool relay_once(struct serving *s, bool *client_open)
{
    bool waiting = conn_pending(s->conn).n != 0;
    struct pollfd p[2] = {
        { .fd = *client_open && !waiting ? conn_read_fd(s->conn) : -1, .events = POLLIN },
        { .fd = s->relay, .events = (short)(POLLIN | (waiting ? POLLOUT : 0)) },
    };
    if (poll(p, 2, -1) < 0 && errno != EINTR)
        return false;
    if (p[1].revents & (POLLIN | POLLHUP | POLLERR) && !pull_output(s))
        return false;
    do {
        if (p[0].revents && !conn_try(s->conn))
            *client_open = false;
        if (!push_input(s))
            return false;
    } while (*client_open && conn_pending(s->conn).n == 0 &&
             conn_layer(s->conn)->pending(conn_layer(s->conn)->state) && p[0].revents);
    if (!*client_open && conn_pending(s->conn).n == 0)
        shutdown(s->relay, SHUT_WR);
    return true;
}

void handover_session(struct serving *s)
{
    close(s->channel);
    conn_flush(s->conn);
    if (!conn_layer(s->conn)) {
        s->handed_over = true;
        give_away(s);
        return;
    }
    bool client_open = true;
    if (push_input(s))
        while (relay_once(s, &client_open))
            ;
}

/* --- guard */

struct gate {
    struct login login;
    struct serving *serving;
};

/* What the mailbox process may wake the queue runner by: it can open nothing of the spool. */
static int wake_for(const struct serving *s)
{
    return s->service->learns && learn_is_set(s->settings) ? queue_wake_open(s->settings->spool) : -1;
}

/* Tells the mailbox process who it is. */
static bool name_user(struct gate *gate, bool tls, struct span context, struct message *m)
{
    struct bytes maildir;
    const struct address *a = &gate->login.account;
    bytes_init(&maildir, PATH_MAX - 1);
    struct quota quota;
    bool ok = settings_maildir(gate->serving->settings, address_local(a), address_domain(a), &maildir) &&
              directory_quota_of(gate->serving->settings, a, &quota) == ST_OK;
    message_start(m, VERB_START);
    message_put_str(m, a->text);
    message_put(m, span_bytes(&maildir));
    message_put_u64(m, ok ? quota.bytes : 0);
    message_put_u64(m, ok ? quota.messages : 0);
    message_put_u64(m, tls);
    message_put(m, context);
    m->fd = wake_for(gate->serving);
    ok = ok && channel_send(gate->serving->control, m);
    file_close(m->fd);
    bytes_free(&maildir);
    return ok;
}

static enum guard_next run_login(struct guard *g, struct message *m)
{
    struct span as, name, password, context;
    struct gate *gate = g->program;
    if (!message_get(m, &as) || !message_get(m, &name) || !message_get(m, &password) ||
        !message_get(m, &context) || !message_end(m) || context.n > HANDOVER_CONTEXT ||
        gate->login.tries >= LOGIN_TRIES || (!sasl_guard_tls(g) && !gate->serving->settings->plaintext_login))
        return GUARD_END;
    char copy[HANDOVER_CONTEXT];
    enum status st = login_check(&gate->login, as, name, password);
    int why = errno;
    if (st == ST_PERM && why == EACCES)
        return GUARD_END;
    if (st == ST_OK) {
        memcpy(copy, context.p, context.n);
        sasl_guard_done(g, &gate->login, "PLAIN");
        if (!name_user(gate, sasl_guard_tls(g), (struct span){ copy, context.n }, m))
            st = ST_TEMP;
    } else if (login_says(st, why) == st) {
        sasl_guard_failed(g, as, name, "PLAIN");
    }
    message_start(m, 0);
    message_put_u64(m, login_says(st, why));
    return st == ST_OK ? GUARD_DONE : GUARD_REPLY;
}

static enum guard_next run_scram_first(struct guard *g, struct message *m)
{
    struct gate *gate = g->program;
    return sasl_guard_first(g, &gate->login, gate->serving, m);
}

static enum guard_next run_scram_final(struct guard *g, struct message *m)
{
    struct gate *gate = g->program;
    return sasl_guard_final(g, &gate->login, m);
}

static enum guard_next run_scram_enter(struct guard *g, struct message *m)
{
    struct gate *gate = g->program;
    struct bytes context;
    bytes_init(&context, HANDOVER_CONTEXT);
    enum guard_next next = GUARD_END;
    if (sasl_guard_enter(g, &gate->login, m, &context)) {
        bool named = name_user(gate, sasl_guard_tls(g), span_bytes(&context), m);
        message_start(m, 0);
        message_put_u64(m, named ? ST_OK : ST_TEMP);
        message_put_str(m, "");
        next = named ? GUARD_DONE : GUARD_REPLY;
    }
    bytes_free(&context);
    return next;
}

static const struct guard_verb verbs[] = {
    { VERB_LOGIN, STATE_LOGIN, "login", run_login },
    { SASL_FIRST, STATE_LOGIN, "scram-first", run_scram_first },
    { SASL_FINAL, STATE_LOGIN, "scram-final", run_scram_final },
    { SASL_ENTER, STATE_LOGIN, "scram-enter", run_scram_enter },
    { 0, 0, NULL, NULL },
};

int handover_guard(struct serving *s)
{
    struct tls_key key;
    struct gate gate = { .serving = s };
    struct guard g = { .channel = s->channel,
                       .state = STATE_LOGIN,
                       .program = &gate,
                       .peer = s->peer.text,
                       .key = s->tls ? &key : NULL };
    tls_key_init(&key, s->settings);
    login_init(&gate.login, s->settings, &s->peer);
    gate.login.service = s->service->name;
    guard_loop(&g, verbs);
    login_forget(&gate.login);
    tls_key_free(&key);
    return EX_OK;
}

size_t handover_guard_paths(const struct settings *s, struct sandbox_path *paths, size_t room)
{
    (void)room;
    paths[0] = (struct sandbox_path){ s->directory, SANDBOX_READ };
    paths[1] = (struct sandbox_path){ s->spool, SANDBOX_READ | SANDBOX_WRITE };
    return 2;
}

/* --- mailbox process */

/* What the session had read when it gave the client away: until it closes the relay. */
static bool take_leftover(int relay, struct bytes *rest)
{
    int64_t until = clock_ms() + LEFTOVER_MS;
    struct pollfd p = { .fd = relay, .events = POLLIN };
    for (;;) {
        int64_t left = until - clock_ms();
        if (left <= 0 || poll(&p, 1, (int)left) == 0 || !bytes_reserve(rest, RELAY_PIECE))
            return false;
        ssize_t n = recv(relay, rest->data + rest->len, RELAY_PIECE, MSG_DONTWAIT);
        if (n == 0)
            return true;
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return false;
        if (n > 0)
            rest->len += (size_t)n;
    }
}

static struct conn *plain_conn(struct serving *s)
{
    struct bytes rest;
    bytes_init(&rest, CONN_BUFFER + RELAY_PIECE);
    struct conn *c = take_leftover(s->relay, &rest) ? conn_new(s->client_in, s->client_out) : NULL;
    close(s->relay);
    s->relay = -1;
    if (c && !conn_unread(c, span_bytes(&rest))) {
        conn_free(c);
        c = NULL;
    }
    bytes_free(&rest); /* commands behind the login */
    return c;
}

static struct conn *relayed_conn(struct serving *s)
{
    close(s->client_in);
    if (s->client_out != s->client_in)
        close(s->client_out);
    return conn_new(s->relay, s->relay);
}

static bool read_start(struct message *m, struct mailbox_start *start)
{
    uint64_t tls;
    struct span context;
    char account[ADDRESS_LIMIT + 4];
    if (m->verb != VERB_START || !message_get_str(m, account, sizeof account) ||
        !message_get_str(m, start->maildir, sizeof start->maildir) ||
        !message_get_u64(m, &start->quota.bytes) || !message_get_u64(m, &start->quota.messages) ||
        !message_get_u64(m, &tls) || !message_get(m, &context) || !message_end(m) ||
        context.n > HANDOVER_CONTEXT)
        return false;
    start->wake = m->fd;
    memcpy(start->context, context.p, context.n);
    start->context_length = context.n;
    start->tls = tls != 0;
    return address_parse(span_of(account), &start->account) == ADDRESS_OK;
}

/* The Maildir must be there for its Landlock rule; until now all mail is in reach, but nothing is read. */
static bool enter_mail(struct serving *s, const char *maildir)
{
    struct sandbox_path mail = { maildir, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_NO_LINK };
    bool there = maildir_create(maildir) == ST_OK;
    int why = errno;
    if (there && sandbox_confine(s->mailbox_box, &mail, 1))
        return true;
    log_event(LOG_ERR, "mailbox-unusable", "maildir", maildir, "why", there ? "no Landlock" : strerror(why),
              NULL);
    return false;
}

static void serve_mailbox(struct mailbox_start *start, bool usable)
{
    const struct service *service = start->serving->service;
    conn_trace(start->conn, log_is_verbose());
    if (usable)
        service->mailbox(start);
    else
        conn_write_str(start->conn, service->unavailable);
    conn_flush(start->conn);
    conn_free(start->conn);
}

bool handover_await(struct serving *s)
{
    bool served = false;
    struct mailbox_start *start = calloc(1, sizeof *start);
    struct message *m = malloc(sizeof *m); /* not cleared: its 72 KiB would be touched, at every connection */
    bool named = start && m && channel_receive(s->control, m, -1) && read_start(m, start);
    free(m);
    close(s->control);
    s->control = -1;
    if (named) {
        bool usable = enter_mail(s, start->maildir);
        start->serving = s;
        start->conn = start->tls ? relayed_conn(s) : plain_conn(s);
        served = start->conn != NULL;
        if (served)
            serve_mailbox(start, usable);
    }
    free(start);
    return served;
}
