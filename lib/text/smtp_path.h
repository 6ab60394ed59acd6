/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The arguments of MAIL and RCPT (RFC 5321 4.1.1.2, 4.1.1.3): path and parameters, each of which belongs to
 * an extension. What isn't offered isn't known.
 */
#ifndef POSTERN_TEXT_SMTP_PATH_H
#define POSTERN_TEXT_SMTP_PATH_H

#include "text/address.h"
#include "text/envelope.h"

/* Extensions that bring parameters. SIZE and 8BITMIME are always there. */
enum {
    OFFER_AUTH = 1,           /* AUTH (RFC 4954 5), which is ignored */
    OFFER_UTF8 = 2,           /* SMTPUTF8 (RFC 6531) */
    OFFER_DSN = 4,            /* RET, ENVID; NOTIFY, ORCPT (RFC 3461) */
    OFFER_BINARY = 8,         /* BODY=BINARYMIME (RFC 3030) */
    OFFER_REQUIRE_TLS = 16,   /* REQUIRETLS (RFC 8689) */
    OFFER_FUTURERELEASE = 32, /* HOLDFOR, HOLDUNTIL (RFC 4865) */
};

enum smtp_path_result {
    SMTP_PATH_OK,
    SMTP_PATH_SYNTAX,   /* no "FROM:" or "TO:", or something between path and parameters */
    SMTP_PATH_ADDRESS,  /* what stands there is no path, or not one for this command */
    SMTP_PATH_TOO_LONG, /* local part or domain over its limit */
    SMTP_PATH_UTF8,     /* the address isn't ASCII, and MAIL didn't say SMTPUTF8 */
    SMTP_PATH_VALUE,    /* a parameter's value is wrong, or it stands there twice */
    SMTP_PATH_UNKNOWN,  /* a parameter that isn't known */
};

struct smtp_path_mail {
    struct address sender;
    uint64_t size;     /* SIZE= (RFC 1870), 0 if not said */
    bool eight_bit;    /* BODY=8BITMIME (RFC 6152), or BINARYMIME */
    bool binary;       /* BODY=BINARYMIME */
    uint64_t hold_for; /* HOLDFOR=, seconds; HOLDUNTIL= is in `options` already */
    struct mail_options options;
    struct span wrong; /* SMTP_PATH_VALUE, SMTP_PATH_UNKNOWN: the parameter's keyword, within the argument */
};

struct smtp_path_rcpt {
    struct address recipient;
    struct rcpt_options options;
    struct span wrong; /* as above */
};

/* `argument` is what follows "MAIL ", `offered` has OFFER_* bits. Spaces behind the colon and an address
 * without brackets, which the standard forbids and many programs send, are tolerated. */
enum smtp_path_result smtp_path_read_mail(struct span argument, unsigned offered,
                                          struct smtp_path_mail *mail);
/* `argument` is what follows "RCPT "; `utf8`: MAIL said SMTPUTF8. <Postmaster> is a recipient, <> is none. */
enum smtp_path_result smtp_path_read_rcpt(struct span argument, unsigned offered, bool utf8,
                                          struct smtp_path_rcpt *rcpt);

#endif
