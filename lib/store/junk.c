/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The folder for junk; see junk.h. The folder called Junk is looked at first, which is one small file; all of
 * them only where that isn't the one, as its owner gave the use to another.
 */
#include "store/junk.h"
#include "store/special_use.h"

#include <errno.h>

#define JUNK SPAN("Junk")
#define LOCK_WAIT_MS 500 /* INBOX will do: others wait for this delivery */

static bool is_for_junk(struct mail *mail, struct span name)
{
    unsigned uses;
    return folder_exists(mail, name) == ST_OK && folder_uses(mail, name, &uses) == ST_OK && uses & USE_JUNK;
}

/* ST_NONE: no folder has the use. */
static enum status find(struct mail *mail, char name[FOLDER_NAME_LIMIT + 1])
{
    struct folder_list list;
    if (is_for_junk(mail, JUNK))
        return span_copy(JUNK, name, FOLDER_NAME_LIMIT + 1) ? ST_OK : ST_PERM;
    enum status st = folders_list(mail, &list);
    if (st != ST_OK)
        return st;
    st = ST_NONE;
    for (size_t i = 0; i < list.count && st == ST_NONE; i++) {
        struct span each = span_of(list.folders[i].name);
        if (list.folders[i].exists && is_for_junk(mail, each) && span_copy(each, name, FOLDER_NAME_LIMIT + 1))
            st = ST_OK;
    }
    folders_free(&list);
    return st;
}

/* A folder of that name which its owner said is for something else is taken all the same. */
static enum status make(struct mail *mail, char name[FOLDER_NAME_LIMIT + 1])
{
    char id[FOLDER_ID_SIZE];
    span_copy(JUNK, name, FOLDER_NAME_LIMIT + 1);
    enum status st = folder_create_for(mail, JUNK, USE_JUNK, id);
    if (st == ST_PERM && errno == EEXIST)
        return ST_OK;
    return st == ST_OK ? folder_subscribe(mail, JUNK, true) : st;
}

enum status junk_folder(const char *maildir, const char *hostname, char name[FOLDER_NAME_LIMIT + 1])
{
    struct mail *mail;
    enum status st = mail_open(maildir, hostname, &mail);
    if (st != ST_OK)
        return st;
    mail_set_wait(mail, LOCK_WAIT_MS);
    st = find(mail, name);
    if (st == ST_NONE)
        st = make(mail, name);
    int saved = errno;
    mail_close(mail);
    errno = saved;
    return st;
}
