/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * EMAILID and SAVEDATE from names; see mailbox_ids.h. Names and the folder's MAILBOXID may have been made by
 * anybody, so what couldn't be an objectid isn't taken for one.
 */
#include "store/mailbox_ids.h"

#include <stdio.h>

void email_id_derive(const char *mailbox_id, uint32_t validity, uint32_t uid, char id[EMAIL_ID_LIMIT + 1])
{
    snprintf(id, EMAIL_ID_LIMIT + 1, "M%.39s-%x-%x", mailbox_id, (unsigned)validity, (unsigned)uid);
    for (char *at = id; *at; at++)
        if (!ascii_alpha(*at) && !ascii_digit(*at) && *at != '-')
            *at = '_';
}

void email_id_of(struct span name, const char *mailbox_id, uint32_t validity, uint32_t uid,
                 char id[EMAIL_ID_LIMIT + 1])
{
    struct filename f;
    filename_parse(name, &f);
    if (f.email_id.n == 0 || !span_copy(f.email_id, id, EMAIL_ID_LIMIT + 1))
        email_id_derive(mailbox_id, validity, uid, id);
}

void mailbox_email_id(const struct mailbox *box, size_t index, char id[EMAIL_ID_LIMIT + 1])
{
    char name[256];
    mailbox_name(box, index, name);
    email_id_of(span_of(name), box->mailbox_id, box->uid_validity, mailbox_uid(box, index), id);
}

int64_t mailbox_save_date(struct mailbox *box, size_t index)
{
    char name[256];
    struct filename f;
    mailbox_name(box, index, name);
    filename_parse(span_of(name), &f);
    uint64_t seconds = filename_time(&f);
    return seconds ? (int64_t)seconds : mailbox_date(box, index);
}
