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
    ALWAYS = 2, /* also for postmaster */
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

static enum verdict check_refused(struct smtp_guard *g, const struct address *recipient, const char *kind,
                                  const char *who)
{
    struct bytes text;
    enum status st = open_refused(g);
    bytes_init(&text, REFUSED_TEXT_LIMIT);
    if (st == ST_OK && strcmp(kind, "client") == 0)
        st = refused_client(g->policy->refused, &g->serving->peer.address, &text);
    else if (st == ST_OK)
        st = refused_address(g->policy->refused, kind,
                             strcmp(kind, "to") == 0 ? recipient : &g->envelope.sender, &text);
    enum verdict v = refuse_listed(g, recipient, st, who, &text);
    bytes_free(&text);
    return v;
}

static enum verdict refused_recipient(struct smtp_guard *g, const struct address *recipient)
{
    return check_refused(g, recipient, "to", "refused recipient");
}

static enum verdict refused_sender(struct smtp_guard *g, const struct address *recipient)
{
    return check_refused(g, recipient, "from", "refused sender");
}

static enum verdict refused_peer(struct smtp_guard *g, const struct address *recipient)
{
    return g->serving->peer.known ? check_refused(g, recipient, "client", "refused client") : VERDICT_OK;
}

/* --- all checks */

static const struct check {
    enum verdict (*run)(struct smtp_guard *g, const struct address *recipient);
    unsigned flags;
} checks[] = {
    { refused_recipient, ALL | ALWAYS }, { refused_peer, ALWAYS },
    { refused_sender, ALWAYS },          { policy_greylist, 0 },
    { policy_rate, ALL | ALWAYS },
};

enum verdict policy_recipient(struct smtp_guard *g, const struct address *recipient)
{
    bool stranger = !guard_may_relay(g) && !guard_is_lmtp(g),
         postmaster = span_ieq_str(address_local(recipient), "postmaster");
    enum verdict v = VERDICT_OK;
    if (!g->policy && !(g->policy = calloc(1, sizeof *g->policy)))
        return VERDICT_FAILED;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0] && v == VERDICT_OK; i++)
        if ((stranger || checks[i].flags & ALL) && (!postmaster || checks[i].flags & ALWAYS))
            v = checks[i].run(g, recipient);
    return v;
}

void policy_end(struct smtp_guard *g)
{
    if (g->policy)
        refused_close(g->policy->refused);
    free(g->policy);
    g->policy = NULL;
}
