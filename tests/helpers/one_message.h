/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A mailbox's calls for one message, for tests that change one after the other.
 */
#ifndef POSTERN_TESTS_ONE_MESSAGE_H
#define POSTERN_TESTS_ONE_MESSAGE_H

#include "store/mailbox.h"

/* mailbox_store() of one message, to exactly these flags. */
__attribute__((unused)) static enum status store_flags(struct mailbox *box, size_t index, uint32_t flags)
{
    struct flags_store store = { .change = FLAGS_SET, .flags = flags, .unchanged_since = UINT64_MAX };
    unsigned char result;
    return mailbox_store(box, &index, 1, &store, &result);
}

/* mailbox_append_end() and mailbox_append_publish() of the only message. Frees `append` whatever it answers. */
__attribute__((unused)) static enum status finish_append(struct mailbox_append *append, uint32_t system_flags,
                                                         const char *const *keywords, int64_t date,
                                                         uint32_t *uid_validity, uint32_t *uid)
{
    enum status st = mailbox_append_end(append, system_flags, keywords, date);
    if (st == ST_OK)
        return mailbox_append_publish(append, uid_validity, uid);
    mailbox_append_abort(append);
    return st;
}

#endif
