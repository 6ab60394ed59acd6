/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One message to up to TRANSACTION_RECIPIENTS recipients of one host (RFC 5321 3.3).
 */
#ifndef POSTERN_QRUN_TRANSACTION_H
#define POSTERN_QRUN_TRANSACTION_H

#include "smtp.h"
#include "verbs.h"

struct transaction {
    char sender[ADDRESS_LIMIT + 4];
    int fd;        /* the queue's file */
    off_t content; /* where the message begins in it */
    uint64_t size;
    bool eight_bit;
    bool utf8;          /* it came with SMTPUTF8 */
    bool says_utf8;     /* MAIL says it too */
    bool require_tls;   /* the next server is told so (RFC 8689 2) */
    bool others;        /* another host may be tried */
    bool mail_deferred; /* the reply to MAIL was 4xx */
    bool converts;      /* to 7 bits, as the server takes no others */
    uint64_t wire_size; /* what it comes to then */
    enum mail_ret ret;
    char envid[ENVELOPE_ENVID_LIMIT + 1];
    size_t count;
    struct {
        char address[ADDRESS_LIMIT + 4];
        unsigned notify; /* NOTIFY_* */
        char orcpt[ENVELOPE_ORCPT_LIMIT + 1];
        char mark;          /* what became of it: D, R, L, F, T, or RESULT_AGAIN */
        bool skipped;       /* got its mark before anything was said, and isn't named */
        bool accepted;      /* RCPT was */
        bool beyond;        /* others were accepted, and it would have been one too many */
        struct reply reply; /* that said so; code 0: our own words */
    } recipients[TRANSACTION_RECIPIENTS];
};

/* Sends it; every recipient gets a mark and a reply. */
enum after transaction_run(struct smtp *s, struct transaction *t);
/* Who has no mark yet gets this one, and our own words. */
void transaction_refuse(struct transaction *t, const char *text, char mark);

#endif
