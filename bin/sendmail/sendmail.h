/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sendmail(8) interface: what programs and cron call to send mail.
 *
 *     sendmail.c  options and what to do
 *     message.c   the message from standard input, made fit for SMTP
 *     submit.c    handing it to smtpd
 *     relay.c     -bs: the caller speaks SMTP itself
 */
#ifndef POSTERN_SENDMAIL_SENDMAIL_H
#define POSTERN_SENDMAIL_SENDMAIL_H

#include "base/settings.h"
#include "text/address.h"

#define SUBMIT_SOCKET "/run/postern/submit"

#define RELAY_UNAVAILABLE "421 4.3.0 Mail can't be handed in now, try again later\r"

enum delivery { PENDING, ACCEPTED, REFUSED };

struct recipient {
    struct address address;
    enum delivery state;
};

struct job {
    struct settings settings;
    const char *settings_file;             /* -c or -C; NULL */
    char domain[ADDRESS_DOMAIN_LIMIT + 1]; /* what an address without one means */
    char user[ADDRESS_LOCAL_LIMIT + 1];    /* who calls */
    const char *sender_text;               /* -f; NULL */
    const char *full_name;                 /* -F, or from the user database; NULL */
    struct address sender;
    bool dots;        /* -i: a dot alone doesn't end the message */
    bool from_header; /* -t */
    struct recipient *recipients;
    size_t recipient_count;
    struct bytes message; /* CRLF, not dot-stuffed */
    bool eight_bit;
};

/* Says what is wrong, on standard error, and returns `code`. */
int complain(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds it as a recipient, once. */
bool add_recipient(struct job *job, struct span text);

/* Reads standard input into job->message: line ends made CRLF, a missing From added, Bcc taken out, with -t
 * their recipients added. A sysexits code. */
int message_read(struct job *job);

/* Hands the message to smtpd, through SUBMIT_SOCKET or by starting it. A sysexits code: EX_OK only when smtpd
 * has it for every recipient. */
int submit(struct job *job);

/* Connects to smtpd as submit() does, for a caller who speaks SMTP on standard input and output. EX_OK when
 * either side has ended; else a 421 was said. */
int relay(struct job *job);

/* A connection to an smtpd that takes its mail for the caller's, or -1. */
int reach_smtpd(const struct job *job);

/* Runs a program of Postern's in place of this one, found beside this or where both are installed. Returns
 * only if that fails: a sysexits code. */
int run_program(const char *name, char *const argv[]);

#endif
