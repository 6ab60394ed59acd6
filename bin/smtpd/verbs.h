/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What smtpd's session may ask its guard, and the verdicts that come back.
 *
 *   verb     fields                                       in the reply, behind the verdict
 *   LOGIN    whom to be or "", name, password
 *   MAIL     helo, path with brackets, MAIL_* bits,       ORIGIN_* bits; with ORIGIN_FILTER the message's ID,
 *            SIZE=, RET=, ENVID=, release time            the client's name as DNS confirms it, and the login
 *                                                         or ""
 *   RCPT     path with brackets; NOTIFY_* bits and        the reply, where the verdict is of policy; 1, where
 *            ORCPT=, where either was said                nothing is refused for who sent it, else 0
 *   MAIL     with MAIL_AND_RCPT, those of RCPT behind     those of RCPT, and the ORIGIN_* bits
 *            its own
 *   AUTHOR   an address of From or Sender, without
 *            brackets
 *   DNS      a number of questions, each a name and       for each question a status and the answer's bytes:
 *            a type                                       see resolver_wait_raw() of net/resolver.h
 *   CHECKED  an outcome, the refusal or nothing, what
 *            SPF, DKIM, DMARC and ARC came to; for
 *            reports of DMARC, a line or nothing
 *   MILTER   a filter's place in the settings             a descriptor of its connection
 *   SENDER   path with brackets                           (of what filters want:)
 *   ADD      path with brackets
 *   REMOVE   path with brackets
 *   KEYS     SIGN_* use, a domain (SIGN_SENDER)           the domain, or "" where there are no keys that
 *                                                         may be used; whether it goes to another host; how
 *                                                         many keys; of each selector and enum
 *                                                         signature_algorithm
 *   SIGN     SIGN_* use, domain, selector, the hash       the signature
 *            (SIGN_SENDER) or what is hashed (SIGN_SEAL)
 *   PIECE    bytes of the message, CRLF
 *   FILE                                                  a descriptor to write the message to
 *   REFUSED  1 if it is too big, else 0; the reply        (no reply; of a message whose recipients were
 *                                                         accepted)
 *   COMMIT   TLS description, bits, fields to stand       the message's ID; LMTP: a verdict and an ID for
 *            before the message, its Message-ID or        each recipient that was accepted, in their order
 *            "", last bytes
 *
 * and those of SCRAM (store/sasl.h). MAIL begins a transaction, and it and a login forget the one before, so
 * RSET, EHLO and STARTTLS need not be told. The message comes as any number of PIECEs and the last bytes with
 * COMMIT, or in the file: the last of those that were given out.
 */
#ifndef POSTERN_SMTPD_VERBS_H
#define POSTERN_SMTPD_VERBS_H

#include "net/guard.h"

enum {
    VERB_LOGIN = GUARD_OWN,
    VERB_MAIL,
    VERB_RCPT,
    VERB_AUTHOR,
    VERB_PIECE,
    VERB_FILE,
    VERB_COMMIT,
    VERB_DNS,
    VERB_CHECKED,
    VERB_MILTER,
    VERB_SENDER,
    VERB_ADD,
    VERB_REMOVE,
    VERB_KEYS,
    VERB_SIGN,
    VERB_REFUSED,
};

/* CHECKED: what is to become of the message by what is known of who sent it. */
enum outcome {
    OUTCOME_ACCEPT,
    OUTCOME_JUNK,
    OUTCOME_REFUSE,
    OUTCOME_DEFER, /* unless it has come again for long enough */
    OUTCOMES,
};

enum verdict {
    VERDICT_OK,
    VERDICT_REFUSED,     /* LOGIN: wrong; MAIL, AUTHOR: not an address of this account */
    VERDICT_OVER,        /* one guess (LOGIN) or one refusal too many; the guard is gone */
    VERDICT_LOGIN_FIRST, /* MAIL */
    VERDICT_NO_RELAY,    /* RCPT: not our domain, and no permission to relay; MAIL: LMTP from afar */
    VERDICT_NO_USER,     /* RCPT; LOGIN: right, of a master user, and there is no such account */
    VERDICT_TOO_MANY,    /* RCPT: by the setting `recipients` */
    VERDICT_ALIAS,       /* RCPT: its aliases loop */
    VERDICT_TABLES,      /* our tables can't be read */
    VERDICT_DISK_FULL,
    VERDICT_FAILED, /* anything else of ours */
    VERDICT_FULL,   /* RCPT, COMMIT: over the account's quota */
    VERDICT_POLICY, /* RCPT: refused by a setting; a field with the reply follows. CHECKED: so be it */
    VERDICT_DELAYED, /* the same, for now */
    VERDICT_NO_BOUNCE, /* RCPT: a rewritten sender (store/srs.h) takes bounces only, with a hash of ours */
    VERDICT_SPENT, /* RCPT, DNS: too many questions to DNS for one connection; the guard is gone */
    VERDICT_DISABLED, /* LOGIN: right, and the account is disabled */
    VERDICT_LIMITED,  /* LOGIN: too many have failed */
    VERDICT_TOO_BIG,  /* MAIL: it says so */
    VERDICT_ALIASES,  /* RCPT: its aliases lead to too many */
    VERDICT_INCLUDE,  /* RCPT: a file that its alias includes can't be read */
    VERDICT_TOO_FAR,  /* RCPT: leads to more than a message may go to */
};

/* MAIL: what it said. */
enum {
    MAIL_EXTENDED = 1, /* EHLO was said, not HELO */
    MAIL_EIGHT_BIT = 2,
    MAIL_UTF8 = 4,
    MAIL_REQUIRE_TLS = 8,
    MAIL_AND_RCPT = 16, /* the first RCPT too: the guard wasn't woken for MAIL alone */
    MAIL_BITS = 31,
};

/* MAIL: what the session has to do for this sender's messages. */
enum {
    ORIGIN_COMPLETE = 1, /* they begin here: add the fields that are missing */
    ORIGIN_AUTHORS = 2,  /* ask for each address of From and Sender */
    ORIGIN_CHECK = 4,    /* a stranger's: check who sent them, which may ask DNS */
    ORIGIN_CLAIMS = 8,   /* what claims to be our own result of such checks isn't */
    ORIGIN_FILTER = 16,  /* ask the filters */
    ORIGIN_KEYLESS = 32, /* there are no keys to sign by the domain of MAIL's path: no KEYS for that */
};

/* KEYS, SIGN: what for; guard_sign.c. */
enum {
    SIGN_SENDER = 0, /* a DKIM-Signature by the sender's domain */
    SIGN_SEAL = 1,   /* an ARC set by the domain of a recipient whose mail is sent on. What is hashed is a
                        header in   relaxed form, the field that gets the signature last */
};

/* COMMIT */
enum {
    COMMIT_FILE = 1,      /* the message is in the file */
    COMMIT_EIGHT_BIT = 2, /* bytes above 127 were seen */
    COMMIT_JUNK = 4,      /* mailboxes here file it as junk */
    COMMIT_SEVEN_BIT = 8, /* there are none, whatever MAIL said */
    COMMIT_BITS = 15,
};

#define SMTPD_HELO_LIMIT 255
#define SMTPD_RELEASE_LIMIT (30 * 86400) /* seconds ahead that a message's release may lie (RFC 4865) */
#define SMTPD_POLICY_LIMIT 512 /* the reply of a refusal by policy, with its NUL */
/* Bytes of a message that are kept in memory; what is larger goes to a file. */
#define SMTPD_MEMORY_LIMIT 1048576
#define SMTPD_LMTP_RECIPIENTS 1000 /* a message: their verdicts go in one packet */
#define SMTPD_ADDED_LIMIT 4096  /* bytes of the fields that the session adds to a message */
#define SMTPD_FIELDS_LIMIT 16384 /* and of those that it has put before it, below our trace fields */
#define SMTPD_QUESTIONS_LIMIT 400 /* to DNS, for one message */
#define SMTPD_RESULT_LIMIT 800 /* bytes of what SPF, or another of them, came to */
#define SMTPD_FILTERED_LIMIT 262144 /* bytes by which filters may make a message larger */
#define SMTPD_FILTER_ADDS 100 /* recipients that filters may add to a message */
#define SMTPD_FILES_LIMIT 64  /* files given out for one message */
#define SMTPD_SIGNATURES_LIMIT 8 /* of a message */
#define SMTPD_AUTHORS_LIMIT 100 /* addresses in From and Sender fields */
#define SMTPD_RECEIVED_LIMIT 50 /* Received fields: above it a message runs in a loop */

#endif
