/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What an operation came to, in the four answers a mail server can act on.
 *
 * The difference between "not there" and "could not look" decides whether mail
 * is refused for ever or kept for later, so the two never share a value: a
 * failure to look is ST_TEMP, and an errno nobody thought of is ST_TEMP too. No
 * mail bounces for a fault of our own.
 */
#ifndef POSTERN_BASE_STATUS_H
#define POSTERN_BASE_STATUS_H

enum status {
    ST_OK,   /* done */
    ST_NONE, /* looked, and it is not there */
    ST_TEMP, /* try again later */
    ST_PERM, /* it will never work */
};

/* The status of a failed system call. ENOENT and ENOTDIR are ST_NONE, names that can't exist
 * (ENAMETOOLONG, EILSEQ, ELOOP) are ST_PERM, everything else is ST_TEMP. */
enum status status_of_errno(int err);

/* The worse of two: ST_OK < ST_NONE < ST_PERM < ST_TEMP. TEMP outranks PERM so that of several results
 * one that may still succeed is never given up. */
enum status status_worse(enum status a, enum status b);

#endif
