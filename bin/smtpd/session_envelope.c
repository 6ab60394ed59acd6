/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * MAIL and RCPT: the envelope (RFC 5321 4.1.1.2, 4.1.1.3). The session judges their syntax, the guard
 * everything else.
 */
#include "extensions.h"
#include "session_milter.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/idna.h"
#include "store/sasl.h"
#include "text/smtp_path.h"

#include <stdio.h>
#include <string.h>

#define ARGUMENT_LOGGED 400 /* bytes of a MAIL or RCPT whose address is none */
#define KEYWORD_SHOWN 30

/* The log has what stood there: nothing else tells why somebody's mail doesn't come. */
static void reply_address(struct session *s, bool mail, struct span argument, const char *line)
{
    char text[LOG_VALUE_LIMIT];
    snprintf(text, sizeof text, "%s %.*s: %s", mail ? "MAIL" : "RCPT",
             SPAN_FMT(span_head(argument, ARGUMENT_LOGGED)), line);
    guard_log(s->serving->channel, "refused-address", span_of(text));
    reply_wrong(s, line);
}

/* Behind the line stands the parameter's keyword, if it is one (RFC 5321 4.1.2). */
static void reply_parameter(struct session *s, const char *line, struct span keyword)
{
    char text[128];
    size_t n = 0;
    while (n < keyword.n && (ascii_alpha(keyword.p[n]) || ascii_digit(keyword.p[n]) || keyword.p[n] == '-'))
        n++;
    bool shown = n && n == keyword.n && n <= KEYWORD_SHOWN;
    snprintf(text, sizeof text, "%s%s%.*s", line, shown ? ": " : "",
             SPAN_FMT(span_head(keyword, shown ? n : 0)));
    reply_wrong(s, text);
}

static void reply_path(struct session *s, enum smtp_path_result result, bool mail, struct span argument,
                       struct span wrong)
{
    switch (result) {
    case SMTP_PATH_ADDRESS:
        reply_address(s, mail, argument,
                      mail ? "501 5.1.7 This is no sender's address"
                           : "501 5.1.3 This is no recipient's address");
        break;
    case SMTP_PATH_TOO_LONG:
        reply_address(s, mail, argument,
                      mail ? "501 5.1.7 The address is too long" : "501 5.1.3 The address is too long");
        break;
    case SMTP_PATH_UTF8:
        reply_address(s, mail, argument,
                      mail ? "553 5.6.7 An address that isn't ASCII needs SMTPUTF8"
                           : "550 5.6.7 An address that isn't ASCII needs SMTPUTF8");
        break;
    case SMTP_PATH_VALUE:
        reply_parameter(s, "501 5.5.4 Wrong value of a parameter", wrong);
        break;
    case SMTP_PATH_UNKNOWN:
        reply_parameter(s, "555 5.5.4 Unknown parameter", wrong);
        break;
    default:
        reply_wrong(s, mail ? "501 5.5.4 Syntax: MAIL FROM:<address> [parameters]"
                            : "501 5.5.4 Syntax: RCPT TO:<address> [parameters]");
    }
}

/* Is its domain one of IDNA, where it isn't ASCII? */
static bool has_real_domain(const struct address *a)
{
    char domain[ADDRESS_DOMAIN_LIMIT + 1];
    return address_is_ascii(a) || idna_to_ascii(address_domain(a), domain);
}

static void put_path(struct message *m, const struct address *a)
{
    char path[sizeof a->text + 2];
    size_t n = strlen(a->text);
    path[0] = '<';
    memcpy(path + 1, a->text, n);
    path[n + 1] = '>';
    message_put(m, (struct span){ path, n + 2 });
}

/* `more` are further MAIL_* bits. */
static void put_mail(struct session *s, unsigned more)
{
    const struct smtp_path_mail *mail = &s->transaction.mail;
    const struct mail_options *o = &mail->options;
    message_start(s->message, VERB_MAIL);
    message_put_str(s->message, s->helo);
    put_path(s->message, &mail->sender);
    message_put_u64(s->message, (s->extended ? MAIL_EXTENDED : 0) | (mail->eight_bit ? MAIL_EIGHT_BIT : 0) |
                                    (o->smtputf8 ? MAIL_UTF8 : 0) | (o->require_tls ? MAIL_REQUIRE_TLS : 0) |
                                    more);
    message_put_u64(s->message, mail->size);
    message_put_u64(s->message, o->ret);
    message_put_str(s->message, o->envid);
    message_put_u64(s->message, (uint64_t)o->release);
}

/* Where nobody logs in, the guard takes every sender, and is told of him with the first recipient: it need
 * not be woken for each. Not where MAIL is what it begins to ask DNS by, nor where it is refused for its
 * size. */
static bool is_for_anybody(const struct session *s)
{
    const struct serving *v = s->serving;
    return !s->lmtp && v->peer.known && v->service->stands && v->service->stands(v) &&
           (v->warm || v->service->asks_dns(v, false) == DNS_NEVER) &&
           s->transaction.mail.size <= v->settings->message_size;
}

/* HOLDFOR becomes a time, and a time that is over is none. False: it is too far away. */
static bool settle_release(struct smtp_path_mail *mail)
{
    int64_t now = clock_now();
    if (mail->hold_for)
        mail->options.release = now + (int64_t)mail->hold_for;
    if (mail->options.release <= now)
        mail->options.release = 0;
    return mail->options.release <= now + SMTPD_RELEASE_LIMIT;
}

/* Says what is wrong with MAIL as it stands, or nothing. */
static bool is_good_mail(struct session *s, enum smtp_path_result result, struct span argument,
                         struct smtp_path_mail *mail)
{
    if (result == SMTP_PATH_OK && !has_real_domain(&mail->sender))
        result = SMTP_PATH_ADDRESS;
    if (result != SMTP_PATH_OK)
        reply_path(s, result, true, argument, mail->wrong);
    else if (mail->options.require_tls && !s->tls)
        reply(s, "530 5.7.10 REQUIRETLS needs TLS: STARTTLS first");
    else if (!settle_release(mail))
        reply_wrong(s, "501 5.5.4 It can't be held for so long");
    else
        return true;
    return false;
}

static void take_origin(struct session *s)
{
    uint64_t origin = 0;
    message_get_u64(s->message, &origin);
    s->transaction.origin = (unsigned)origin;
    s->transaction.untold = false;
}

/* The guard's verdict on MAIL. */
static enum verdict tell_mail(struct session *s)
{
    put_mail(s, 0);
    enum verdict v = ask(s);
    if (v == VERDICT_OK)
        take_origin(s);
    return v;
}

static void refuse_mail(struct session *s, enum verdict v)
{
    if (v == VERDICT_LOGIN_FIRST) {
        bool passwords = sasl_takes_passwords(s->serving->settings, s->tls);
        reply_wrong(s, passwords ? "530 5.7.0 Authentication required" : "530 5.7.0 STARTTLS and AUTH first");
    } else if (v == VERDICT_REFUSED) {
        reply(s, "550 5.7.1 This sender's address isn't yours");
    } else if (v == VERDICT_NO_RELAY) {
        reply(s, "550 5.7.1 No LMTP from here (networks)");
    } else if (v == VERDICT_TOO_BIG) {
        reply(s, TOO_BIG);
    } else {
        reply_trouble(s, v);
    }
}

void run_mail(void *session, struct span argument)
{
    struct session *s = session;
    struct smtp_path_mail *mail = &s->transaction.mail;
    /* REQUIRETLS isn't offered without TLS, but has a better answer there than that it is unknown. */
    unsigned offered = extensions_offered(s) | (s->extended ? OFFER_REQUIRE_TLS : 0);
    enum smtp_path_result result = smtp_path_read_mail(argument, offered, mail);
    if (!is_good_mail(s, result, argument, mail))
        return;
    s->transaction.untold = is_for_anybody(s);
    enum verdict v = s->transaction.untold ? VERDICT_OK : tell_mail(s);
    if (v != VERDICT_OK) {
        refuse_mail(s, v);
        return;
    }
    s->state = AT_MAIL;
    if (!(s->transaction.origin & ORIGIN_FILTER) || milters_mail(s, &mail->sender, argument))
        reply(s, "250 2.1.0 Sender OK");
    else
        forget_transaction(s);
}

/* The reply to a recipient who is refused, which may be what the guard says of its policy, in its own words;
 * NULL: there is some trouble. */
static const char *rcpt_refusal(struct session *s, enum verdict v, char policy[SMTPD_POLICY_LIMIT])
{
    switch (v) {
    case VERDICT_NO_RELAY:
        return s->submission ? "530 5.7.0 Authentication required" : "550 5.7.1 Relaying denied (networks)";
    case VERDICT_NO_BOUNCE:
        return "550 5.7.1 This address takes bounces only, of mail that was sent on from here lately (srs)";
    case VERDICT_NO_USER:
        return "550 5.1.1 No such user here";
    case VERDICT_TOO_MANY:
        return "452 4.5.3 Too many recipients for one message (recipients)";
    case VERDICT_TOO_FAR:
        return "452 4.5.3 Too many recipients for one message";
    case VERDICT_ALIAS:
        return "451 4.3.5 The aliases of this address go round in a circle";
    case VERDICT_ALIASES:
        return "451 4.3.5 The aliases of this address lead to too many";
    case VERDICT_INCLUDE:
        return "451 4.3.5 The list behind this address can't be read now";
    case VERDICT_POLICY:
    case VERDICT_DELAYED:
        return message_get_str(s->message, policy, SMTPD_POLICY_LIMIT) ? policy : NULL;
    default:
        return NULL;
    }
}

/* The guard has it, and a filter doesn't want it. */
static void take_back(struct session *s, const struct address *recipient)
{
    message_start(s->message, VERB_REMOVE);
    put_path(s->message, recipient);
    enum verdict v = ask(s);
    if (v != VERDICT_OK && !s->ended)
        reply_last(s, "421 4.3.0 Internal error, try again later");
}

/* `refusable`: need not take whatever a stranger sends. */
static void accept_rcpt(struct session *s, const struct smtp_path_rcpt *rcpt, struct span argument,
                        bool refusable)
{
    if (!milters_rcpt(s, &rcpt->recipient, argument)) {
        if (!s->ended)
            take_back(s, &rcpt->recipient);
        return;
    }
    s->state = AT_RCPT;
    s->transaction.accepted++;
    s->transaction.refusable = s->transaction.refusable || refusable;
    s->transaction.orcpt = s->transaction.orcpt || rcpt->options.orcpt[0];
    reply(s, "250 2.1.5 Recipient OK");
}

/* With MAIL, where the guard wasn't told of that yet. */
static void put_rcpt(struct session *s, const struct smtp_path_rcpt *rcpt)
{
    if (s->transaction.untold)
        put_mail(s, MAIL_AND_RCPT);
    else
        message_start(s->message, VERB_RCPT);
    put_path(s->message, &rcpt->recipient);
    if (rcpt->options.notify || rcpt->options.orcpt[0]) {
        message_put_u64(s->message, rcpt->options.notify);
        message_put_str(s->message, rcpt->options.orcpt);
    }
}

void run_rcpt(void *session, struct span argument)
{
    struct session *s = session;
    struct smtp_path_rcpt rcpt;
    char policy[SMTPD_POLICY_LIMIT];
    uint64_t exempts;
    enum smtp_path_result result =
        smtp_path_read_rcpt(argument, extensions_offered(s), s->transaction.mail.options.smtputf8, &rcpt);
    if (result == SMTP_PATH_OK && !has_real_domain(&rcpt.recipient))
        result = SMTP_PATH_ADDRESS;
    if (result != SMTP_PATH_OK) {
        reply_path(s, result, false, argument, rcpt.wrong);
        return;
    }
    put_rcpt(s, &rcpt);
    enum verdict v = ask(s);
    bool exempt = v == VERDICT_OK && message_get_u64(s->message, &exempts) && exempts;
    const char *refusal = v == VERDICT_OK ? NULL : rcpt_refusal(s, v, policy);
    if (s->transaction.untold)
        take_origin(s);
    if (v == VERDICT_OK) {
        accept_rcpt(s, &rcpt, argument, !exempt);
    } else if (refusal) {
        milters_rcpt_refused(s, &rcpt.recipient, argument, refusal);
        reply(s, refusal);
    } else {
        reply_trouble(s, v);
    }
}
