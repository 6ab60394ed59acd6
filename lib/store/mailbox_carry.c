/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What goes along with a message into another folder: its flags, keywords under that folder's letters, sizes,
 * EMAILID.
 */
#include "store/mailbox_ids.h"
#include "store/mailbox_private.h"

#include <errno.h>

enum status carry_keywords(const struct mailbox *box, const size_t *indexes, size_t count, struct place *to,
                           uint32_t *bits)
{
    const char *names[MAILBOX_KEYWORDS];
    uint32_t translated[MAILBOX_KEYWORDS] = { 0 }, used = 0;
    int letters[MAILBOX_KEYWORDS];
    size_t named = 0;
    for (size_t i = 0; i < count; i++)
        used |= mailbox_message(box, indexes[i]).flags;
    for (int i = 0; i < MAILBOX_KEYWORDS; i++)
        if (used >> i & 1 && box->keywords[i]) {
            letters[named] = i;
            names[named++] = box->keywords[i];
        }
    enum status st = place_keywords(to, names, named, translated);
    for (size_t i = 0; i < named; i++)
        bits[letters[i]] = translated[i];
    return st;
}

bool carry_name(const struct mailbox *box, size_t index, const struct place *to, const uint32_t *bits,
                uint32_t uid, uint64_t size, const char *base, char *name)
{
    struct mailbox_message m = mailbox_message(box, index);
    struct filename none = { 0 };
    char email_id[EMAIL_ID_LIMIT + 1];
    mailbox_email_id(box, index, email_id);
    struct filename_new n = { .size = size,
                              .wire = size == m.size ? m.wire_size : 0,
                              .validity = to->durable.uid_validity,
                              .uid = uid,
                              .info = true,
                              .flags = m.flags & FLAG_SYSTEM,
                              .copy = true,
                              .email_id = email_id };
    for (int i = 0; i < MAILBOX_KEYWORDS; i++)
        if (m.flags >> i & 1)
            n.flags |= bits[i];
    n.keywords = n.flags & ~FLAG_SYSTEM;
    errno = ENAMETOOLONG;
    return filename_write(span_of(base), &none, &n, name);
}
