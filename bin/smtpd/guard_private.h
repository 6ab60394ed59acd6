/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of smtpd's guard share. A function for a verb reads its request from `m` and leaves the
 * reply there.
 */
#ifndef POSTERN_SMTPD_GUARD_PRIVATE_H
#define POSTERN_SMTPD_GUARD_PRIVATE_H

#include "guard.h"
#include "trust/result.h"

/* Where a transaction stands, see guard.c. */
enum {
    GUARD_IDLE = 1,
    GUARD_SENDER = 2,
    GUARD_RCPTS = 4,
    GUARD_BODY = 8,
    GUARD_FILE_OUT = 16,
    GUARD_ANY = 31,
};

/* --- guard.c */
void guard_forget_envelope(struct envelope *e);
/* Starts a reply with its verdict. */
enum guard_next guard_reply(struct message *m, enum verdict v);
/* The reply to a sender or recipient; one refusal too many is the last reply. */
enum guard_next guard_reply_judged(struct smtp_guard *g, struct message *m, enum verdict v);
/* The tables, opened when first needed. False: they can't be read. */
bool guard_open_directory(struct smtp_guard *g);
/* May one more be logged? So many of a connection. */
bool guard_may_log_refusal(struct smtp_guard *g);
/* One more about a message that isn't there yet? So many until one is taken: who says much sends nothing. */
bool guard_may_log_message(struct smtp_guard *g);
/* A refusal, in the log. `setting`: by which, or NULL; `recipient` may be NULL. */
void guard_log_refusal(struct smtp_guard *g, const char *why, const char *setting,
                       const struct address *recipient);
/* The envelope's recipients as the log has them, cut: '>' before those that go to the queue, '|' before
 * programs. */
void guard_show_targets(const struct envelope *e, struct bytes *to);

/* --- guard_login.c */
enum guard_next guard_login(struct guard *guard, struct message *m);
enum guard_next guard_scram_first(struct guard *guard, struct message *m);
enum guard_next guard_scram_final(struct guard *guard, struct message *m);
enum guard_next guard_scram_enter(struct guard *guard, struct message *m);

/* --- guard_sender.c */
bool guard_is_submission(const struct smtp_guard *g);
/* May the client send to other domains: by login, as a user of this machine, or by its network? */
bool guard_may_relay(const struct smtp_guard *g);
enum verdict guard_verdict(enum status st);
/* May this client send as this address? */
enum verdict guard_check_sender(struct smtp_guard *g, const struct address *sender);
/* A path that the session read, read again: nothing else may go into an envelope. False: it is none. */
bool guard_get_path(struct message *m, struct address *a);
enum guard_next guard_mail(struct guard *guard, struct message *m);
enum guard_next guard_author(struct guard *guard, struct message *m);

/* --- guard_recipient.c */
/* Puts what the address means into *found, which is empty, and which the caller frees. */
enum verdict guard_expand(struct smtp_guard *g, const struct address *a, struct targets *found);
/* Moves what a RCPT was found to mean to the envelope's targets, with what it asked to be told. *changes:
 * some were there already, and something else is said of them now. */
enum verdict guard_join(struct envelope *e, const struct address *a, const struct rcpt_options *o,
                        struct targets *found, bool *changes);
/* Adds a recipient, one that a filter wants or one of the client's, whom policy may refuse. */
enum verdict guard_add_recipient(struct smtp_guard *g, const struct address *a, const struct rcpt_options *o,
                                 bool by_filter);
enum guard_next guard_rcpt(struct guard *guard, struct message *m);

/* --- guard_lmtp.c: a recipient is a delivery of its own */
/* What the recipient was expanded to becomes its own; or is forgotten, where that is too much. */
enum verdict guard_lmtp_keep(struct envelope *e, const struct address *recipient);
void guard_lmtp_forget(struct envelope *e);
/* Delivers to one after the other, and answers with a verdict and an ID for each. `so_far`: what kept the
 * message from being gathered. */
void guard_lmtp_commit(struct guard *guard, enum verdict so_far, struct span tls, struct content *c,
                       struct message *m);

/* --- guard_sign.c: signatures by domains */
void sign_domains_add(struct sign_domains *d, struct span domain);
/* Are there no keys of that domain? False also where it can't be told without letting those of another go. */
bool guard_sign_keyless(struct smtp_guard *g, struct span domain);
enum guard_next guard_sign_keys(struct guard *guard, struct message *m);
enum guard_next guard_sign_hash(struct guard *guard, struct message *m);
void guard_sign_end(struct smtp_guard *g);

/* --- guard_policy.c: what the settings say beside who may send where */
/* VERDICT_OK; VERDICT_POLICY or VERDICT_DELAYED, with the reply in g->said and a line in the log;
 * VERDICT_TABLES; VERDICT_SPENT, where DNS has been asked too much to ask on. For a recipient that is
 * accepted otherwise. */
enum verdict policy_recipient(struct smtp_guard *g, const struct address *recipient);
/* Does a stranger's message for this recipient, who was accepted, come in whatever is found of who sent
 * it? */
bool policy_exempts(struct smtp_guard *g, const struct address *recipient);
/* For Received and the message's head: the client's name as DNS confirms it, "" where it doesn't, NULL where
 * it wasn't asked; and what was marked, or "". */
const char *policy_reverse_name(const struct smtp_guard *g);
const char *policy_marks(const struct smtp_guard *g);
/* The same as a result (RFC 8601 2.7.3), and the name it is about, "" for none. False: nobody asked. */
bool policy_iprev(const struct smtp_guard *g, enum trust_result *result, const char **name);
/* When the connection begins: sends the first questions to DNS. */
void policy_begin(struct smtp_guard *g);
void policy_end(struct smtp_guard *g);

/* Neither logged in, nor a user of this machine, nor from `networks`, nor by LMTP. */
bool guard_is_stranger(const struct smtp_guard *g);

/* --- guard_dns.c: for a session that checks who sent a message */
/* Does it, for this client? Not for one at our own address: that is this machine. */
bool guard_checks(const struct smtp_guard *g);
/* By its address, and the settings, before anything is known but these. */
bool guard_may_check(const struct serving *s);
enum guard_next guard_dns(struct guard *guard, struct message *m);
enum guard_next guard_checked(struct guard *guard, struct message *m);
/* The message was taken, or is refused for good: what its author's domain wants to know of it is recorded. */
void guard_record_dmarc(struct smtp_guard *g);

/* --- guard_milter.c: what filters are told of, and what they want */
bool guard_filters(const struct smtp_guard *g);
/* Room to keep one more recipient. False: no memory. */
bool guard_filter_room(struct envelope *e);
/* With that room, keeps one that was accepted: what it led to are the targets and copies from these places
 * on; and whether it changed what is said of those before. */
void guard_filter_keep(struct envelope *e, const struct address *a, const struct rcpt_options *o,
                       size_t targets, size_t copies, bool changes);
/* Behind ORIGIN_* in the reply to MAIL. */
void guard_filter_tell(struct smtp_guard *g, struct message *m);
enum guard_next guard_milter(struct guard *guard, struct message *m);
enum guard_next guard_filter_sender(struct guard *guard, struct message *m);
enum guard_next guard_filter_add(struct guard *guard, struct message *m);
enum guard_next guard_filter_remove(struct guard *guard, struct message *m);

/* --- guard_notice.c: what RCPT asked to be told */
/* Keeps a RCPT's options for the targets it was expanded to, which are about to be joined with the envelope's
 * (targets_places()): *found then has what is asked of each by all. *changes as of guard_join(). False: no
 * memory. */
bool guard_notice_keep(struct envelope *e, const struct address *a, const struct rcpt_options *o,
                       struct targets *found, const size_t *places, bool *changes);
/* LMTP: a later recipient leads to a target that has its copy from an earlier one. What it wants to hear is
 * asked of that too, but for success, of which it is told when its own turn comes. False: no memory. */
bool guard_notice_join(struct envelope *e, struct target *t, const struct rcpt_options *later);
void guard_notice_forget(struct envelope *e);
/* Queues the reports of success that are wanted for message `id`: of the mailboxes that have it, and then of
 * what was passed on. What fails is logged. */
void guard_notice_delivered(const struct smtp_guard *g, const char *id, const struct target *const *targets,
                            size_t count, const struct content *c);
void guard_notice_passed_on(const struct smtp_guard *g, const char *id, const struct content *c);

/* --- guard_message.c */
enum guard_next guard_piece(struct guard *guard, struct message *m);
enum guard_next guard_file(struct guard *guard, struct message *m);
enum guard_next guard_refused(struct guard *guard, struct message *m);
enum guard_next guard_finish(struct guard *guard, struct message *m);

/* --- guard_recipient.c */
/* Mailboxes for which a process hasn't descriptors enough are left to the queue. */
void guard_bound_local(struct targets *t);

/* --- guard_copies.c */
/* Gathers who gets a copy because of this recipient, and with the first one because of the sender. False:
 * can't tell now. */
bool guard_copies_recipient(struct smtp_guard *g, const struct address *recipient);
/* Puts the copies behind the envelope's targets. False: no memory. */
bool guard_copies_join(struct envelope *e);

#endif
