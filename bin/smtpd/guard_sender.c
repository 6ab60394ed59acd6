/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who sends: what smtpd's guard says to MAIL, and to the addresses of From and Sender fields.
 */
#include "guard_private.h"
#include "base/clock.h"
#include "base/log.h"
#include "text/xtext.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#define CLOCKS_APART 5     /* seconds between when the session and the guard look at the clock */
#define PASSWD_BUFFER 4096 /* a line of the user database */

bool guard_is_submission(const struct smtp_guard *g)
{
    return serving_flag(g->serving, 's') && !guard_is_lmtp(g);
}

bool guard_is_lmtp(const struct smtp_guard *g)
{
    return serving_flag(g->serving, 'l');
}

bool guard_by_user(const struct smtp_guard *g)
{
    const struct peer *peer = &g->serving->peer;
    return peer->local && !guard_is_lmtp(g) &&
           (peer->named ? guard_is_submission(g) : serving_flag(g->serving, 'u'));
}

static bool is_trusted_network(const struct smtp_guard *g)
{
    return !guard_is_submission(g) && g->serving->peer.known &&
           settings_trusts(g->settings, &g->serving->peer.address);
}

bool guard_may_relay(const struct smtp_guard *g)
{
    return !guard_is_lmtp(g) && (g->login.done || guard_by_user(g) || is_trusted_network(g));
}

enum verdict guard_verdict(enum status st)
{
    return st == ST_OK ? VERDICT_OK : st == ST_TEMP ? VERDICT_TABLES : VERDICT_REFUSED;
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
    if (guard_open_directory(g) && directory_first_domain(g->directory, &domain) == ST_OK) {
        v = VERDICT_REFUSED;
        if (local_account(uid, span_bytes(&domain), &account))
            v = address_same(&account, sender)
                    ? VERDICT_OK
                    : guard_verdict(directory_may_send_as(g->directory, &account, sender));
    }
    bytes_free(&domain);
    return v;
}

static enum verdict check_author(struct smtp_guard *g, const struct address *a)
{
    if (!guard_open_directory(g))
        return VERDICT_TABLES;
    return guard_verdict(directory_may_send_as(g->directory, &g->login.account, a));
}

/* By LMTP mail comes from a server that took it, and judged it, for us: from this machine, where the socket's
 * permissions or who starts us decide, or from the listed networks. */
static bool may_lmtp(const struct smtp_guard *g)
{
    return !g->serving->peer.known || is_trusted_network(g);
}

enum verdict guard_check_sender(struct smtp_guard *g, const struct address *sender)
{
    if (guard_is_lmtp(g))
        return may_lmtp(g) ? VERDICT_OK : VERDICT_NO_RELAY;
    if (guard_by_user(g))
        return check_local_sender(g, sender);
    if (g->login.done)
        return address_is_null(sender) ? VERDICT_OK : check_author(g, sender);
    return guard_is_submission(g) ? VERDICT_LOGIN_FIRST : VERDICT_OK;
}

/* A path that the session read, read again: nothing else may go into an envelope. */
bool guard_get_path(struct message *m, struct address *a)
{
    struct span path;
    return message_get(m, &path) && span_starts(path, "<") && address_path(&path, a) == ADDRESS_OK &&
           path.n == 0;
}

/* Everything else that MAIL said; only its path is judged elsewhere. `bits` are MAIL_*. */
static bool get_mail(struct message *m, struct envelope *e, uint64_t *bits)
{
    struct span envid;
    struct mail_options *o = &e->options;
    uint64_t ret, release;
    if (!message_get_u64(m, bits) || *bits > MAIL_BITS || !message_get_u64(m, &e->size) ||
        !message_get_u64(m, &ret) || ret > RET_HDRS || !message_get(m, &envid) ||
        !span_copy(envid, o->envid, sizeof o->envid) || !message_get_u64(m, &release) || release > INT64_MAX)
        return false;
    e->extended = *bits & MAIL_EXTENDED;
    e->eight_bit = *bits & MAIL_EIGHT_BIT;
    o->smtputf8 = *bits & MAIL_UTF8;
    o->require_tls = *bits & MAIL_REQUIRE_TLS;
    o->ret = (enum mail_ret)ret;
    o->release = (int64_t)release;
    return true;
}

/* What no session says that knows the rules. */
static bool may_say(const struct smtp_guard *g, const struct envelope *e)
{
    const struct mail_options *o = &e->options;
    bool released = !o->release || (guard_is_submission(g) &&
                                    o->release <= clock_now() + SMTPD_RELEASE_LIMIT + CLOCKS_APART);
    return (o->smtputf8 || address_is_ascii(&e->sender)) && (!o->require_tls || g->key.given) && released &&
           xtext_valid(span_of(o->envid));
}

/* ORIGIN_* for a transaction whose sender may be that. */
static uint64_t find_origin(struct smtp_guard *g)
{
    bool complete = guard_may_relay(g),
         keyless = complete && guard_sign_keyless(g, address_domain(&g->envelope.sender));
    return (complete ? ORIGIN_COMPLETE : 0) | (keyless ? ORIGIN_KEYLESS : 0) |
           (g->login.done ? ORIGIN_AUTHORS : 0) | (guard_checks(g) ? ORIGIN_CHECK : 0) |
           (is_trusted_network(g) || guard_is_lmtp(g) ? 0 : ORIGIN_CLAIMS) |
           (guard_filters(g) ? ORIGIN_FILTER : 0);
}

/* May that be the sender? */
static enum verdict begin_transaction(struct guard *guard)
{
    struct smtp_guard *g = guard->program;
    struct envelope *e = &g->envelope;
    enum verdict v = guard_check_sender(g, &e->sender);
    if (v == VERDICT_OK && e->size > g->settings->message_size)
        v = VERDICT_TOO_BIG;
    if (v == VERDICT_OK) {
        guard->state = GUARD_SENDER;
        sign_domains_add(&e->writes, address_domain(&e->sender));
    } else if (v == VERDICT_REFUSED) {
        guard_log_refusal(g, "not a sender address of this account", NULL, NULL);
    } else if (v == VERDICT_NO_RELAY) {
        guard_log_refusal(g, "LMTP from an address that is not in networks", "networks", NULL);
    } else if (v == VERDICT_TOO_BIG) {
        guard_log_refusal(g, "too big", "message-size", NULL);
    }
    return v;
}

enum guard_next guard_mail(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    struct envelope *e = &g->envelope;
    struct span helo;
    uint64_t bits;
    guard_forget_envelope(e);
    guard->state = GUARD_IDLE;
    if (!message_get(m, &helo) || !span_copy(helo, e->helo, sizeof e->helo) ||
        !guard_get_path(m, &e->sender) || !get_mail(m, e, &bits) || !may_say(g, e))
        return GUARD_END;
    bool rcpt = bits & MAIL_AND_RCPT;
    if (rcpt == message_end(m))
        return GUARD_END;
    enum verdict v = begin_transaction(guard);
    enum guard_next next = rcpt && v == VERDICT_OK ? guard_rcpt(guard, m) : guard_reply_judged(g, m, v);
    if (next != GUARD_END)
        message_put_u64(m, find_origin(g));
    if (!rcpt && v == VERDICT_OK && guard_filters(g))
        guard_filter_tell(g, m);
    return next;
}

enum guard_next guard_author(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    struct span text;
    struct address author;
    if (!message_get(m, &text) || !message_end(m) || !g->login.done ||
        g->envelope.authors++ >= SMTPD_AUTHORS_LIMIT)
        return GUARD_END;
    enum verdict v = address_parse(text, &author) == ADDRESS_OK ? check_author(g, &author) : VERDICT_REFUSED;
    if (v == VERDICT_OK)
        sign_domains_add(&g->envelope.writes, address_domain(&author));
    else if (v == VERDICT_REFUSED)
        guard_log_refusal(g, "From or Sender is not an address of this account", NULL, NULL);
    return guard_reply_judged(g, m, v);
}
