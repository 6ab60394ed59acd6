/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who fills his mailbox hears of it by mail, before mail to him is refused: when what it holds has come to
 * one of the setting quota-warning's per cent of its quota, in bytes or messages, a message lies in its
 * INBOX. Once: the next comes at a higher threshold, or at this one when the mailbox had been below it
 * meanwhile. The message itself may exceed the quota.
 *
 * What was said is remembered in the Maildir. Its owner may write that file as he likes, and gains or loses
 * only warnings.
 */
#ifndef POSTERN_STORE_QUOTA_WARNING_H
#define POSTERN_STORE_QUOTA_WARNING_H

#include "base/settings.h"
#include "store/folders.h"
#include "store/quota.h"
#include "text/address.h"

struct quota_warning {
    const struct settings *settings;
    const struct address *account;
    const char *maildir; /* the path of `mail` */
    struct mail *mail;
    struct quota quota; /* of the account */
};

/* The highest threshold that is reached; 0: none, or there is no limit. */
unsigned quota_warning_level(const struct quota_warnings *w, uint64_t used, uint64_t limit);

/* Looks, and warns where it is time: *warned says whether. Others that do the same meanwhile wait. After a
 * crash, or a failure, the next call goes on where it was. ST_TEMP with errno. */
enum status quota_warning_run(const struct quota_warning *w, bool *warned);

#endif
