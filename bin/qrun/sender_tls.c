/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * STARTTLS and what comes of it; see sender_tls.h.
 *
 *     need       no STARTTLS, or refused   handshake fails        certificate wrong
 *     nothing    plain                     again without TLS      nobody looks
 *     tls        refused                   refused                nobody looks
 *     testing    plain, told               again without, told    goes on, told
 *     others     refused                   refused                refused
 */
#include "sender_tls.h"

#include "net/tls.h"
#include "net/tls_verify.h"

#include <stdarg.h>
#include <stdio.h>

#define TLS_MS 60000
#define TLS_RATE 20 /* bytes a second that a handshake must bring */

static bool is_strict(const struct sender_start *start)
{
    return start->security->need != NEED_NOTHING && start->security->need != NEED_TESTING;
}

/* What asks for it, in words. */
static const char *who_asks(const struct security *security)
{
    if (security->require_tls)
        return "the message's REQUIRETLS";
    return security->policy == TLS_POLICY_TLSA  ? "DANE"
           : security->policy == TLS_POLICY_STS ? "the domain's MTA-STS policy"
                                                : "the route";
}

static void note(struct secured *to, enum tls_result result, const char *text)
{
    to->result = result;
    snprintf(to->text, sizeof to->text, "%s", text);
}

/* In place of a reply; the connection may still be good for QUIT. */
__attribute__((format(printf, 3, 4))) static bool refuse(struct smtp *s, struct secured *to,
                                                         const char *format, ...)
{
    va_list ap;
    bool gone = s->gone;
    char text[REPLY_TEXT_LIMIT];
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    smtp_lost(s, text);
    s->gone = gone;
    if (to->refusal == REFUSED_HOST)
        to->refusal = REFUSED_POLICY;
    return false;
}

/* Without it a message that requires TLS will never get there (RFC 8689 4.2.1). */
static bool no_starttls(struct smtp *s, const struct sender_start *start, struct secured *to)
{
    note(to, TLS_RESULT_NO_STARTTLS, "STARTTLS isn't offered");
    if (!is_strict(start))
        return true;
    bool require = start->security->require_tls;
    if (require)
        to->refusal = REFUSED_UNFIT;
    return refuse(s, to, "%s STARTTLS isn't offered, and %s asks for it", require ? "5.7.10" : "4.7.10",
                  who_asks(start->security));
}

static bool handshake(struct smtp *s, const struct sender_start *start, struct secured *to)
{
    int64_t wait = s->timeout_ms < TLS_MS ? s->timeout_ms : TLS_MS;
    conn_deadlines(s->conn, (int)wait, TLS_RATE);
    conn_begin(s->conn);
    if (tls_connect(s->conn, start->security->name))
        return true;
    smtp_lost(s, "4.7.5 The TLS handshake failed");
    note(to, TLS_RESULT_VALIDATION, "the TLS handshake failed");
    to->refusal = is_strict(start) ? REFUSED_POLICY : REFUSED_TLS;
    return false;
}

static enum tls_verdict verify(struct smtp *s, const struct sender_start *start)
{
    const struct security *security = start->security;
    struct span chain[TLS_CHAIN_LIMIT], records[TLSA_LIMIT];
    struct tlsa usable[TLSA_LIMIT];
    size_t count = tls_peer_chain(s->conn, chain);
    if (security->need != NEED_DANE)
        return tls_verify_roots(chain, count, start->roots, security->name);
    const char *const names[] = { security->name, security->other };
    size_t n = tlsa_select(records, security_tlsa(security, records), usable);
    return tls_verify_tlsa(chain, count, usable, n, names, 2);
}

static enum tls_result result_of(enum tls_verdict verdict)
{
    switch (verdict) {
    case TLS_VERIFIED:
        return TLS_RESULT_SUCCESS;
    case TLS_EXPIRED:
        return TLS_RESULT_EXPIRED;
    case TLS_WRONG_NAME:
        return TLS_RESULT_HOST_MISMATCH;
    case TLS_UNTRUSTED:
        return TLS_RESULT_NOT_TRUSTED;
    case TLS_NO_MATCH:
        break;
    }
    return TLS_RESULT_VALIDATION;
}

/* Is the certificate what it must be? Else *to says what isn't right. */
static bool check(struct smtp *s, const struct sender_start *start, struct secured *to)
{
    static const enum protection gained[SECURITY_NEEDS] = {
        [NEED_TESTING] = VERIFIED_STS,
        [NEED_STS] = VERIFIED_STS,
        [NEED_PKIX] = VERIFIED_PKIX,
        [NEED_DANE] = VERIFIED_DANE,
    };
    enum security_need need = start->security->need;
    to->protection = ENCRYPTED;
    if (need == NEED_NOTHING || need == NEED_TLS)
        return true;
    enum tls_verdict verdict = verify(s, start);
    if (verdict == TLS_VERIFIED) {
        to->protection = gained[need];
        return true;
    }
    note(to, result_of(verdict), tls_verdict_text(verdict));
    if (!is_strict(start))
        return true;
    return refuse(s, to, "4.7.5 TLS isn't verified, as %s asks: %s", who_asks(start->security),
                  tls_verdict_text(verdict));
}

bool sender_secure_first(struct smtp *s, const struct sender_start *start, struct secured *to)
{
    return handshake(s, start, to) && check(s, start, to);
}

bool sender_secure(struct smtp *s, const struct sender_start *start, struct secured *to)
{
    if (start->no_tls && !is_strict(start))
        return true; /* that was told when it broke */
    if (!s->ehlo.starttls)
        return no_starttls(s, start, to);
    smtp_command(s, "STARTTLS");
    if (!smtp_reply(s, SMTP_COMMAND_MS, false)) {
        note(to, TLS_RESULT_VALIDATION, "the connection broke at STARTTLS");
        to->refusal = is_strict(start) ? REFUSED_POLICY : REFUSED_TLS;
        return false;
    }
    if (s->reply.code != 220) { /* it changed its mind: go on in plain, where that will do */
        note(to, TLS_RESULT_NO_STARTTLS, "STARTTLS is refused");
        if (!s->gone && !is_strict(start))
            return true;
        to->refusal = is_strict(start) ? REFUSED_POLICY : REFUSED_TLS;
        return s->gone ? false
                       : refuse(s, to, "4.7.10 STARTTLS is refused, and %s asks for it",
                                who_asks(start->security));
    }
    if (!handshake(s, start, to) || !check(s, start, to) || !say_hello(s, start->settings->hostname))
        return false;
    if (!start->security->require_tls || s->ehlo.require_tls)
        return true;
    to->refusal = REFUSED_UNFIT;
    return refuse(s, to, "5.7.30 REQUIRETLS: the server doesn't offer it");
}
