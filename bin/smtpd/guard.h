/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What smtpd's guard keeps of a connection and of the message that is coming in. guard.c decides,
 * guard_commit.c puts an accepted message on disk.
 */
#ifndef POSTERN_SMTPD_GUARD_H
#define POSTERN_SMTPD_GUARD_H

#include "net/serve.h"
#include "store/directory.h"
#include "store/login.h"
#include "store/queue.h"
#include "text/fields.h"
#include "verbs.h"

#define TARGETS_LIMIT 10000 /* mailboxes and outside addresses that one message goes to, aliases expanded */
/* Mailboxes served at once: two descriptors each, of 1024. The mail of others goes through the queue. */
#define LOCAL_LIMIT 480

/* Names of domains, as DNS has them. */
#define SIGN_DOMAINS 4
struct sign_domains {
    unsigned count;
    char names[SIGN_DOMAINS][ADDRESS_DOMAIN_LIMIT + 1];
};

struct envelope {
    char helo[SMTPD_HELO_LIMIT + 1]; /* as the client said it: shown, and never believed */
    bool extended;                   /* by EHLO */
    struct address sender;
    bool eight_bit;
    struct mail_options options;
    uint64_t size;            /* as MAIL said it; 0: it didn't */
    size_t recipients;        /* RCPT commands accepted */
    struct address recipient; /* the first of them */
    struct targets targets;   /* what they expand to, each once; LMTP: see guard_lmtp.c */
    struct targets copies;    /* who gets one, unseen: guard_copies.c */
    size_t copied;            /* so many of `targets`, the last, are copies */
    struct lmtp_recipient *each;
    struct asked *asked;      /* guard_notice.c */
    struct merged *merged;    /* guard_notice.c */
    unsigned authors;         /* addresses asked for */
    unsigned questions;       /* to DNS, from the session */
    bool checked;             /* the session said what it found */
    struct bytes report;      /* of that, what reports of DMARC need; empty: nobody asks for it */
    struct named *named;      /* guard_milter.c: the recipients, where a filter may take some away */
    unsigned wished;          /* recipients that filters wanted */
    char id[QUEUE_ID_LIMIT];  /* the message's, where filters were told it; else "" */
    char message_id[MESSAGE_ID_LIMIT + 1]; /* as the session says; for the log */
    struct sign_domains writes;   /* of which the sender may write; guard_sign.c */
    struct sign_domains forwards; /* of recipients whose mail is sent on to other hosts */
    unsigned signatures;          /* given */
    struct bytes body;        /* pieces received so far */
    struct span added;        /* fields that the session wants before the message; in its request to commit */
};

struct smtp_guard {
    struct serving *serving;
    const struct settings *settings;
    struct tls_key key;
    struct login login;
    struct directory *directory; /* opened when first needed */
    struct table *copies; /* opened when first needed */
    bool no_copies;       /* there is no such table */
    struct envelope envelope;
    int *milters;      /* serving's */
    int files[3];      /* that the session writes large messages to, one after the other; -1: none yet */
    unsigned files_out; /* given out for this message: the next is for what the session makes of the last */
    struct signer *signer; /* guard_sign.c: keys, opened when first needed */
    struct policy *policy;         /* guard_policy.c; made when first needed */
    char said[SMTPD_POLICY_LIMIT]; /* its last refusal, as a reply */
    unsigned questions;            /* to DNS, from the session */
    unsigned refusals;             /* of senders and recipients */
    unsigned delays;               /* of recipients, by policy */
    unsigned refusals_logged;
    unsigned lines; /* in the log, about what the session said of messages, since one was taken */
};

/* Is the client a user of this machine, whom the kernel vouches for? With -s on a socket that has a name, and
 * with -u, for which sendmail(8) vouches, on a pair. Any other pair may be how a relay started us, with a
 * stranger behind it. */
bool guard_by_user(const struct smtp_guard *g);

/* LMTP (RFC 2033), not SMTP. */
bool guard_is_lmtp(const struct smtp_guard *g);

/* Does a message of so many bytes (0: not known) fit into the account's quota? Also true where that can't be
 * looked at. */
bool guard_has_room(const struct smtp_guard *g, const struct address *account, uint64_t size);
/* A file of that size has come into the account's Maildir. */
void guard_count(const struct smtp_guard *g, const struct address *account, uint64_t size);

/* Delivers the envelope's message: `content` without trace. `tls`: the session's description of it, shown in
 * Received and never believed beyond it. Writes everything, publishes everything, and
 * returns VERDICT_OK with the message's ID only when all of it is on disk; else nothing of it is left, but
 * see guard_commit.c for the one exception.
 *
 * *left is for guard_commit_end(), whatever came back: it has what is to be done yet and needn't be waited
 * for. `g` with its envelope, and `id`, must stay until then. */
struct commit;
enum verdict guard_commit(const struct smtp_guard *g, struct span tls, struct content *content,
                          char id[QUEUE_ID_LIMIT], struct commit **left);
/* Wakes the queue, counts for quotas, closes, frees, and then says in the log that the message was accepted.
 * NULL is nothing to do. */
void guard_commit_end(struct commit *left);

/* `guard`, `guard_paths` and `asks_dns` of smtpd's struct service. */
int guard_run(struct serving *serving);
/* `stands` of struct service: on the ports that users log in to, and where filters are told of each
 * connection, no guard does. */
bool guard_stands(const struct serving *serving);
enum dns_need policy_asks_dns(const struct serving *serving, bool any); /* guard_policy.c */
unsigned guard_milter_uses(const struct serving *serving); /* guard_milter.c */
size_t guard_paths(const struct settings *s, struct sandbox_path *paths, size_t room);

#endif
