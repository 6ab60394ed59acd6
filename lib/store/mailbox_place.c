/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A folder that messages are put into. They are written and fsynced in tmp/ without a lock; only
 * giving UIDs and renaming into cur/ happens under it, so that a large copy keeps nobody waiting.
 */
#include "store/mailbox_private.h"
#include "base/files.h"
#include "store/dovecot.h"
#include "store/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum status place_open(struct mail *mail, struct span folder, struct place *p)
{
    *p = (struct place){ .mail = mail, .dir = -1, .tmp_dir = -1, .cur_dir = -1, .lock = -1 };
    enum status st = folder_open(mail, folder, &p->dir);
    if (st != ST_OK)
        return st;
    p->tmp_dir = file_open_beneath(p->dir, "tmp", O_RDONLY | O_DIRECTORY, 0);
    if (p->tmp_dir < 0 && errno == ENOENT && mkdirat(p->dir, "tmp", 0700) == 0)
        p->tmp_dir = file_open_beneath(p->dir, "tmp", O_RDONLY | O_DIRECTORY, 0);
    p->cur_dir = p->tmp_dir < 0 ? -1 : file_open_beneath(p->dir, "cur", O_RDONLY | O_DIRECTORY, 0);
    if (p->cur_dir >= 0)
        return ST_OK;
    place_close(p);
    return ST_TEMP;
}

void place_unlock(struct place *p)
{
    int saved = errno;
    durable_free(&p->durable);
    file_close(p->lock);
    p->lock = -1;
    errno = saved;
}

void place_close(struct place *p)
{
    int saved = errno;
    place_unlock(p);
    file_close(p->cur_dir);
    file_close(p->tmp_dir);
    file_close(p->dir);
    *p = (struct place){ .dir = -1, .tmp_dir = -1, .cur_dir = -1, .lock = -1 };
    errno = saved;
}

enum status place_lock(struct place *p)
{
    p->lock = folder_lock(p->dir);
    return p->lock < 0 ? ST_TEMP : durable_open(p->mail, p->dir, &p->durable);
}

enum status place_uids(struct place *p, size_t count, uint32_t *first)
{
    return durable_take_uids(p->dir, mail_boot(p->mail), &p->durable, count, first);
}

int place_file(struct place *p, char *name, size_t size)
{
    maildir_unique(mail_hostname(p->mail), name, size);
    return openat(p->tmp_dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

enum status place_keywords(struct place *p, const char *const *names, size_t count, uint32_t *bits)
{
    bool added = false;
    for (size_t i = 0; i < count; i++) {
        int letter = durable_keyword(&p->durable, span_of(names[i]));
        if (letter < 0) {
            enum status made = durable_add_keyword(&p->durable, span_of(names[i]), 0, &letter);
            if (made == ST_TEMP)
                return made;
            added |= made == ST_OK;
        }
        bits[i] = letter < 0 ? 0 : 1U << letter;
    }
    enum status st = added ? durable_write(p->dir, &p->durable) : ST_OK;
    if (added && st == ST_OK)
        dovecot_share_keywords(p->dir, &p->durable);
    return st;
}

enum status place_publish(struct place *p, const char *temporary, const char *name)
{
    return renameat(p->tmp_dir, temporary, p->cur_dir, name) == 0 ? ST_OK : ST_TEMP;
}
