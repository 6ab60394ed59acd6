/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The arguments of MAIL and RCPT (RFC 5321 4.1.1.2, 4.1.1.3): path and parameters.
 */
#ifndef POSTERN_TEXT_SMTP_PATH_H
#define POSTERN_TEXT_SMTP_PATH_H

#include "text/address.h"
#include "text/envelope.h"

enum smtp_path_result {
    SMTP_PATH_OK,
    SMTP_PATH_SYNTAX,   /* no "FROM:" or "TO:", or something between path and parameters */
    SMTP_PATH_ADDRESS,  /* what stands there is no path, or not one for this command */
    SMTP_PATH_TOO_LONG, /* local part or domain over its limit */
    SMTP_PATH_VALUE,    /* a parameter's value is wrong, or it stands there twice */
    SMTP_PATH_UNKNOWN,  /* a parameter that isn't known */
};

struct smtp_path_mail {
    struct address sender;
    uint64_t size;  /* SIZE= (RFC 1870), 0 if not said */
    bool eight_bit; /* BODY=8BITMIME (RFC 6152) */
    struct mail_options options;
};

/* `argument` is what follows "MAIL ". AUTH= (RFC 4954 5) is read, and ignored, only where `auth` says that
 * AUTH is offered. Spaces behind the colon, which the standard forbids and many programs send, are tolerated.
 */
enum smtp_path_result smtp_path_read_mail(struct span argument, bool auth, struct smtp_path_mail *mail);
/* `argument` is what follows "RCPT ". <Postmaster> is a recipient, <> is none. There are no parameters. */
enum smtp_path_result smtp_path_read_rcpt(struct span argument, struct address *recipient);

#endif
