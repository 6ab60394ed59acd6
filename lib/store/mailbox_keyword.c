/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Keywords: letters in file names, which the folder's durable file gives their meaning.
 */
#include "store/mailbox_private.h"
#include "base/files.h"
#include "store/dovecot.h"

#include <errno.h>
#include <string.h>

uint32_t mailbox_named(const struct mailbox *box)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < MAILBOX_KEYWORDS; i++)
        bits |= box->keywords[i] ? 1U << i : 0;
    return bits;
}

enum status mailbox_adopt(struct mailbox *box, const struct durable *d, bool *new_keyword)
{
    if (box->uid_validity && box->uid_validity != d->uid_validity) {
        errno = ESTALE;
        return ST_TEMP;
    }
    box->uid_validity = d->uid_validity;
    memcpy(box->mailbox_id, d->mailbox_id, sizeof box->mailbox_id);
    for (size_t i = 0; i < MAILBOX_KEYWORDS; i++) {
        if (box->keywords[i] || !d->keywords[i])
            continue;
        box->keywords[i] = strdup(d->keywords[i]);
        if (!box->keywords[i])
            return ST_TEMP;
        *new_keyword = true;
    }
    return ST_OK;
}

static enum status make_keyword(struct mailbox *box, struct durable *d, struct span name, int *letter)
{
    struct mailbox_private *p = mailbox_private(box);
    bool added;
    *letter = durable_keyword(d, name);
    if (*letter >= 0)
        return ST_OK;
    enum status st = durable_add_keyword(d, name, p->index.header.letters, letter);
    if (st == ST_OK)
        st = durable_write(p->dir, d);
    if (st == ST_OK)
        dovecot_share_keywords(p->dir, d);
    return st == ST_OK ? mailbox_adopt(box, d, &added) : st;
}

enum status mailbox_keyword(struct mailbox *box, struct span name, bool make, uint32_t *bit)
{
    struct durable d;
    for (int i = 0; i < MAILBOX_KEYWORDS; i++)
        if (box->keywords[i] && span_ieq_str(name, box->keywords[i])) {
            *bit = 1U << i;
            return ST_OK;
        }
    *bit = 0;
    if (!make)
        return ST_NONE;
    int letter = 0, lock = mailbox_lock(box, &d);
    if (lock < 0)
        return ST_TEMP;
    enum status st = make_keyword(box, &d, name, &letter);
    if (st == ST_OK)
        *bit = 1U << letter;
    mailbox_unlock(lock, &d);
    return st;
}
