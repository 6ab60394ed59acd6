/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Special uses; see special_use.h. Finding out is one small file a folder, so it is done for the folders that
 * are shown, and for all only where a use is given away.
 */
#include "store/special_use.h"
#include "base/files.h"
#include "store/durable.h"

#include <errno.h>

static const struct {
    unsigned use;
    const char *attribute, *name;
} table[] = {
    { USE_DRAFTS, "\\Drafts", "Drafts" },    { USE_SENT, "\\Sent", "Sent" },
    { USE_JUNK, "\\Junk", "Junk" },          { USE_TRASH, "\\Trash", "Trash" },
    { USE_ARCHIVE, "\\Archive", "Archive" },
};

#define ROWS (sizeof table / sizeof table[0])

unsigned use_of_attribute(struct span attribute)
{
    for (size_t i = 0; i < ROWS; i++)
        if (span_ieq_str(attribute, table[i].attribute))
            return table[i].use;
    return 0;
}

void use_add_attributes(struct bytes *b, unsigned uses)
{
    for (size_t i = 0; i < ROWS; i++)
        if (uses & table[i].use)
            bytes_printf(b, " %s", table[i].attribute);
}

unsigned use_of_name(struct span name)
{
    for (size_t i = 0; i < ROWS; i++)
        if (span_eq_str(name, table[i].name))
            return table[i].use;
    return 0;
}

const char *use_standard_folder(size_t n)
{
    return n < ROWS ? table[n].name : NULL;
}

enum status folder_uses(struct mail *mail, struct span name, unsigned *uses)
{
    char path[FOLDER_NAME_LIMIT + 2];
    struct durable d;
    *uses = 0;
    if (!folder_path(name, path, sizeof path))
        return ST_OK;
    enum status st = durable_read_at(mail_dir(mail), path, &d);
    if (st == ST_OK && d.uses_known)
        *uses = d.uses;
    else if (st == ST_OK || st == ST_NONE)
        *uses = use_of_name(name);
    durable_free(&d);
    return st == ST_NONE ? ST_OK : st;
}

enum status folder_uses_taken(struct mail *mail, unsigned uses, struct span except)
{
    struct folder_list list;
    unsigned has = 0;
    enum status st = uses ? folders_list(mail, &list) : ST_NONE;
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < list.count && st != ST_TEMP && !(has & uses); i++) {
        struct span name = span_of(list.folders[i].name);
        if (list.folders[i].exists && !span_eq(name, except))
            st = folder_uses(mail, name, &has);
    }
    int saved = errno;
    folders_free(&list);
    errno = saved;
    return st == ST_TEMP ? ST_TEMP : has & uses ? ST_OK : ST_NONE;
}

/* A level above others has nothing that says what it is for. */
static enum status pin(struct mail *mail, struct span name, unsigned uses)
{
    int dir;
    struct durable d = { 0 };
    enum status st = folder_open(mail, name, &dir);
    if (st != ST_OK)
        return st == ST_NONE ? ST_OK : st;
    int lock = folder_lock(dir);
    st = lock < 0 ? ST_TEMP : durable_open(mail, dir, &d);
    if (st == ST_OK && !(d.uses_known && d.uses == uses)) {
        d.uses_known = true;
        d.uses = uses;
        st = durable_write(dir, &d);
    }
    int saved = errno;
    durable_free(&d);
    file_close(lock);
    file_close(dir);
    errno = saved;
    return st;
}

enum status folder_uses_settle(struct mail *mail, struct span from, struct span to)
{
    unsigned has, gets = use_of_name(to);
    enum status st = folder_uses(mail, from, &has);
    if (st == ST_OK && has)
        return pin(mail, from, has);
    if (st == ST_OK && gets) {
        st = folder_uses_taken(mail, gets, from);
        return st == ST_OK ? pin(mail, from, 0) : st == ST_NONE ? ST_OK : st;
    }
    return st;
}
