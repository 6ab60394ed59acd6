/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Policy: what the settings and the table `refused` have against a message that may otherwise come in; see
 * guard_policy.h. Every refusal is a reply to RCPT, so that the log has sender and recipient of what was
 * refused, and names the setting in both. It counts among a connection's refusals, where it is for good.
 *
 * A stranger is who neither logged in, nor is a user of this machine, nor comes from `networks`, nor speaks
 * LMTP, as then another server has met the client. To a domain's postmaster strangers may always write (RFC
 * 5321 4.5.1), as whom else should one ask that is refused; only the table `refused` and rates concern that
 * too.
 *
 * Where something can't be looked up, mail is taken, with a line in the log: except that a table that is
 * there and can't be read answers 421, as every table does.
 */
#include "guard_policy.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_LIMIT 400 /* of a reply */

enum {
    ALL = 1,    /* asked of everybody */
    ALWAYS = 2, /* also for postmaster, and of those that a list allows */
};

/* --- replies */

static void log_finding(struct smtp_guard *g, const struct address *recipient, const struct finding *f)
{
    if (!guard_may_log_refusal(g))
        return;
    log_event(LOG_INFO, "refused", "peer", g->serving->peer.text, "login",
              g->login.done ? g->login.account.text : NULL, "helo", g->envelope.helo, "from",
              g->envelope.sender.text, "to", recipient->text, "why", f->why, "setting", f->setting, "list",
              f->list, "reply", g->said, NULL);
}

enum verdict policy_refuse(struct smtp_guard *g, const struct address *recipient, const struct finding *f,
                           const char *code, const char *text)
{
    if (g->policy->spent && code[0] != '5')
        return VERDICT_SPENT;
    snprintf(g->said, sizeof g->said, "%s %.*s (%s)", code, TEXT_LIMIT, text, f->setting);
    for (char *p = g->said; *p; p++)
        if (*p < ' ' || *p == 127)
            *p = '?';
    log_finding(g, recipient, f);
    return code[0] == '5' ? VERDICT_POLICY : VERDICT_DELAYED;
}

/* --- the table `refused` */

static enum status open_refused(struct smtp_guard *g)
{
    struct policy *p = g->policy;
    if (!p->refused_opened)
        p->refused_state = refused_open(g->settings, &p->refused);
    p->refused_opened = true;
    return p->refused_state;
}

static enum verdict refuse_listed(struct smtp_guard *g, const struct address *recipient, enum status st,
                                  const char *who, const struct bytes *own)
{
    char text[TEXT_LIMIT];
    const struct finding f = { .setting = "refused", .why = who };
    if (st == ST_NONE)
        return VERDICT_OK;
    if (st != ST_OK)
        return VERDICT_TABLES;
    snprintf(text, sizeof text, "%s", own->len ? bytes_str(own) : "Not taken here");
    return policy_refuse(g, recipient, &f, "550 5.7.1", text);
}

/* `a`: who may stand there as `kind`; NULL: the client. */
static enum verdict check_refused(struct smtp_guard *g, const struct address *recipient, const char *kind,
                                  const struct address *a, const char *who)
{
    struct bytes text;
    enum status st = open_refused(g);
    bytes_init(&text, REFUSED_TEXT_LIMIT);
    if (st == ST_OK && !a)
        st = refused_client(g->policy->refused, &g->serving->peer.address, &text);
    else if (st == ST_OK)
        st = refused_address(g->policy->refused, kind, a, g->settings->recipient_delimiter, &text);
    enum verdict v = refuse_listed(g, recipient, st, who, &text);
    bytes_free(&text);
    return v;
}

static enum verdict refused_recipient(struct smtp_guard *g, const struct address *recipient)
{
    struct address meant;
    enum verdict v = check_refused(g, recipient, "to", recipient, "refused recipient");
    if (v != VERDICT_OK || g->policy->refused_state != ST_OK)
        return v;
    enum status st = directory_renamed(g->directory, recipient, &meant);
    if (st == ST_OK)
        return check_refused(g, recipient, "to", &meant, "refused recipient");
    return st == ST_NONE ? VERDICT_OK : VERDICT_TABLES;
}

static enum verdict refused_sender(struct smtp_guard *g, const struct address *recipient)
{
    return check_refused(g, recipient, "from", &g->envelope.sender, "refused sender");
}

static enum verdict refused_peer(struct smtp_guard *g, const struct address *recipient)
{
    return g->serving->peer.known ? check_refused(g, recipient, "client", NULL, "refused client")
                                  : VERDICT_OK;
}

/* --- all checks */

static const struct check {
    enum verdict (*run)(struct smtp_guard *g, const struct address *recipient);
    unsigned flags;
} checks[] = {
    { refused_recipient, ALL | ALWAYS },
    { refused_peer, ALWAYS },
    { refused_sender, ALWAYS },
    { policy_helo, 0 },
    { policy_dns_block, 0 },
    { policy_reverse_dns, 0 },
    { policy_sender_domain, 0 },
    { policy_domain_block, 0 },
    { policy_greylist, 0 },
    { policy_rate, ALL | ALWAYS }, /* the last one: who is to come again doesn't count twice */
};

bool guard_is_stranger(const struct smtp_guard *g)
{
    return !guard_may_relay(g) && !guard_is_lmtp(g);
}

static bool make_policy(struct smtp_guard *g)
{
    return g->policy || (g->policy = calloc(1, sizeof *g->policy));
}

/* What couldn't be asked for is not to pass as what isn't listed. */
static enum verdict run(struct smtp_guard *g, const struct check *c, const struct address *recipient)
{
    enum verdict v = c->run(g, recipient);
    return v == VERDICT_OK && g->policy->spent ? VERDICT_SPENT : v;
}

bool policy_exempts(struct smtp_guard *g, const struct address *recipient)
{
    return span_ieq_str(address_local(recipient), "postmaster") || policy_client_allowed(g);
}

enum verdict policy_recipient(struct smtp_guard *g, const struct address *recipient)
{
    bool stranger = guard_is_stranger(g);
    enum verdict v = VERDICT_OK;
    if (!make_policy(g))
        return VERDICT_FAILED;
    if (g->envelope.recipients == 0)
        g->policy->marks[0] = '\0';
    for (size_t i = 0; i < sizeof checks / sizeof checks[0] && v == VERDICT_OK; i++) {
        const struct check *c = &checks[i];
        if (!stranger && !(c->flags & ALL))
            continue;
        if (!(c->flags & ALWAYS) && policy_exempts(g, recipient))
            continue;
        v = run(g, c, recipient);
    }
    return v;
}

/* --- the message's head */

enum verdict policy_mark(struct smtp_guard *g, const struct finding *f)
{
    char mark[128], *marks = g->policy->marks;
    size_t used = strlen(marks);
    snprintf(mark, sizeof mark, "%s (%s)", f->setting, f->why);
    if (strstr(marks, mark))
        return VERDICT_OK;
    snprintf(marks + used, sizeof g->policy->marks - used, "%s%s", used ? ", " : "", mark);
    if (guard_may_log_refusal(g))
        log_event(LOG_INFO, "marked", "peer", g->serving->peer.text, "helo", g->envelope.helo, "from",
                  g->envelope.sender.text, "why", f->why, "setting", f->setting, NULL);
    return VERDICT_OK;
}

const char *policy_marks(const struct smtp_guard *g)
{
    return g->policy ? g->policy->marks : "";
}

bool policy_iprev(const struct smtp_guard *g, enum trust_result *result, const char **name)
{
    static const enum trust_result results[] = {
        [REVERSE_TEMP] = TRUST_TEMPERROR,
        [REVERSE_NONE] = TRUST_PERMERROR,
        [REVERSE_UNCONFIRMED] = TRUST_FAIL,
        [REVERSE_CONFIRMED] = TRUST_PASS,
    };
    if (!g->policy || g->policy->reverse == REVERSE_NOT_ASKED)
        return false;
    *result = results[g->policy->reverse];
    *name = g->policy->reverse_name;
    return true;
}

const char *policy_reverse_name(const struct smtp_guard *g)
{
    if (!g->policy || g->policy->reverse == REVERSE_NOT_ASKED)
        return NULL;
    return g->policy->reverse == REVERSE_CONFIRMED ? g->policy->reverse_name : "";
}

/* --- beginning and end */

enum dns_need policy_asks_dns(const struct serving *s, bool any)
{
    const struct settings *set = s->settings;
    bool checking = any ? set->spf != SPF_OFF || set->dmarc != DMARC_OFF : guard_may_check(s);
    bool on = set->dns_block.count || set->dns_allow.count || set->domain_block.count ||
              set->helo_check == HELO_MARK || set->helo_check == HELO_STRICT ||
              set->reverse_dns != REVERSE_OFF || set->sender_domain != DOMAIN_OFF;
    enum dns_need need = on ? DNS_AT_ONCE : checking ? DNS_ON_REQUEST : DNS_NEVER;
    if (serving_flag(s, 's') || serving_flag(s, 'l'))
        return DNS_NEVER;
    return any || (s->peer.known && !settings_trusts(set, &s->peer.address)) ? need : DNS_NEVER;
}

void policy_begin(struct smtp_guard *g)
{
    if (g->serving->resolver >= 0 && make_policy(g))
        policy_client_ask(g);
}

void policy_end(struct smtp_guard *g)
{
    g->serving->dns_awaited = g->policy && g->policy->client_asked && !g->policy->client_known;
    if (g->policy)
        refused_close(g->policy->refused);
    free(g->policy);
    g->policy = NULL;
}
