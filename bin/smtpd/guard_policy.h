/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of smtpd's policy share. Each check is a function that is asked at RCPT, when everything
 * else about the recipient is right, and has nothing to say (VERDICT_OK) or refuses:
 *
 *     guard_policy.c         the table of checks, in their order; refused senders, recipients and clients
 *     guard_policy_counts.c  rates, and the greylist
 *     guard_policy_client.c  what DNS says of the client: lists, and its reverse name
 *     guard_policy_names.c   the name in HELO, the sender's domain, and lists of domains
 */
#ifndef POSTERN_SMTPD_GUARD_POLICY_H
#define POSTERN_SMTPD_GUARD_POLICY_H

#include "guard_private.h"
#include "net/resolver.h"
#include "store/refused.h"

#define POLICY_MARKS_LIMIT 256

/* What the client's reverse name came to. */
enum reverse_state { REVERSE_NOT_ASKED, REVERSE_TEMP, REVERSE_NONE, REVERSE_UNCONFIRMED, REVERSE_CONFIRMED };

struct policy {
    struct refused *refused;
    enum status refused_state; /* of opening it; ST_NONE: there is none */
    bool refused_opened;
    bool greylist_passed; /* the source did, on this connection */
    unsigned questions;   /* asked of DNS so far */
    bool spent;           /* no more questions are left */
    /* of the client; guard_policy_client.c */
    bool client_asked, client_known;
    const struct zone *allowed, *blocked; /* by which list, or NULL */
    char blocked_text[RESOLVER_TEXT_LIMIT + 1];
    enum reverse_state reverse;
    char reverse_name[DNS_NAME_LIMIT];
    /* of the names; guard_policy_names.c */
    char helo[DNS_NAME_LIMIT], domain[DNS_NAME_LIMIT]; /* for which these hold; "" where it isn't asked for */
    bool names_known;
    enum status helo_status, domain_status; /* ST_NONE: there is no such host, or nobody takes mail there */
    bool null_mx;                           /* the domain takes no mail (RFC 7505) */
    const struct zone *listed;              /* one of the names is */
    const char *listed_name;
    char marks[POLICY_MARKS_LIMIT]; /* what was only marked, for the message's head */
};

/* What is refused by which setting, for the log and, with the reply's text, for the client. */
struct finding {
    const char *setting, *why;
    const char *list; /* of several, which; or NULL */
};
/* The reply is "CODE TEXT (setting)"; whatever isn't printable in it becomes '?'. Codes 5xx are
 * VERDICT_POLICY, others VERDICT_DELAYED; or VERDICT_SPENT, as it might be otherwise with more questions. */
enum verdict policy_refuse(struct smtp_guard *g, const struct address *recipient, const struct finding *f,
                           const char *code, const char *text);
/* Notes it for the message's head, and the log; VERDICT_OK. */
enum verdict policy_mark(struct smtp_guard *g, const struct finding *f);

/* Asks up to DNS_QUERIES questions and waits. All are ST_TEMP where they can't be asked; and where too many
 * were, which is the last recipient's verdict then. */
void policy_ask(struct smtp_guard *g, const struct dns_query *queries, size_t count,
                struct resolver_answer *answers);
/* Raw answers, put behind what `to` holds as resolver_wait_raw() does. Those who ask count for themselves. */
void policy_ask_raw(struct smtp_guard *g, const struct dns_query *queries, size_t count, struct message *to);
/* Sets a question: `front`, a dot and `behind` (or front alone, where behind is ""). False if that is too
 * long. */
bool policy_question(struct dns_query *q, const char *front, const char *behind, enum dns_type type);
/* The text that goes with a listing, or "". */
void policy_ask_text(struct smtp_guard *g, const char *front, const struct zone *z,
                     char text[RESOLVER_TEXT_LIMIT + 1]);
/* Does this answer of a list count? */
bool policy_is_listed(const struct zone *z, const struct resolver_answer *a);

/* --- guard_policy_client.c */
/* What has to be asked about every stranger is asked now, and waited for when it is needed. */
void policy_client_ask(struct smtp_guard *g);
bool policy_client_allowed(struct smtp_guard *g);
enum verdict policy_dns_block(struct smtp_guard *g, const struct address *recipient);
enum verdict policy_reverse_dns(struct smtp_guard *g, const struct address *recipient);

/* --- guard_policy_names.c */
/* An IP address, IPv4 as a mapped one; and a literal, [192.0.2.1] or [IPv6:2001:db8::1] (RFC 5321 4.1.3). */
bool policy_read_ip(struct span text, struct in6_addr *a);
bool policy_read_literal(struct span text, struct in6_addr *a);
enum verdict policy_helo(struct smtp_guard *g, const struct address *recipient);
enum verdict policy_sender_domain(struct smtp_guard *g, const struct address *recipient);
enum verdict policy_domain_block(struct smtp_guard *g, const struct address *recipient);

/* --- guard_policy_counts.c */
/* Is what this sender sends from this network still to come again, because DNS can't tell? For `dns-defer`
 * from the first time on. Fails open. */
bool policy_defers(struct smtp_guard *g);
enum verdict policy_greylist(struct smtp_guard *g, const struct address *recipient);
enum verdict policy_rate(struct smtp_guard *g, const struct address *recipient);

#endif
