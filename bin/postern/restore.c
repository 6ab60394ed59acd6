/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern restore [--json] [--check | --replace] BACKUP              the whole server
 * postern restore [--json] [--to NAME] BACKUP ADDRESS [NAME]          an account, or a folder of it
 *
 * BACKUP is DIR/TIME, or DIR for the last one there.
 *
 * Brings back from a backup what isn't there; nothing that is there is overwritten, removed or doubled. What
 * comes back was read back and compared with the backup's list before it has its place, and is listed.
 * --check compares only, as `postern backup verify` does.
 */
#include "restore.h"

#include <string.h>
#include <sysexits.h>

struct options {
    bool check;
    const char *to;
};

static int check_options(const struct restore *r, const struct options *o)
{
    if (!r->source)
        return complain(EX_USAGE, "a backup is wanted, and behind it an address and a folder may be");
    if (o->to && !r->folder)
        return complain(EX_USAGE, "--to says where one folder goes; name that, too");
    if ((r->address && (r->replaces || o->check)) || (r->replaces && o->check))
        return complain(EX_USAGE, "%s is for a whole server, and by itself",
                        r->replaces ? "--replace" : "--check");
    return EX_OK;
}

static int read_options(struct restore *r, struct options *o, int argc, char **argv)
{
    const char **words[] = { &r->source, &r->address, &r->folder };
    size_t given = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--check") == 0)
            o->check = true;
        else if (strcmp(argv[i], "--replace") == 0)
            r->replaces = true;
        else if (strcmp(argv[i], "--to") == 0 && i + 1 < argc)
            o->to = argv[++i];
        else if (strcmp(argv[i], "--to") == 0)
            return complain(EX_USAGE, "--to: the folder is missing");
        else if (given < sizeof words / sizeof words[0])
            *words[given++] = argv[i];
        else
            return complain(EX_USAGE, "'%s' is too much: a backup, an address and a folder are all", argv[i]);
    }
    return check_options(r, o);
}

static int load(struct admin *a)
{
    struct bytes error;
    bytes_init(&error, 4096);
    int result =
        settings_load(a->file, &a->s, &error) == ST_OK ? EX_OK : complain(EX_CONFIG, "%s", bytes_str(&error));
    bytes_free(&error);
    return result;
}

static int one_account(struct restore *r, const struct options *o)
{
    struct address address;
    int result = r->folder ? import_folder_name(r->folder, r->from) : EX_OK;
    if (result == EX_OK && o->to)
        result = import_folder_name(o->to, r->to);
    if (result == EX_OK)
        result = import_is_account(r->a, r->address);
    if (result == EX_OK)
        result = edit_address(r->a, r->address, &address);
    if (result != EX_OK)
        return result;
    list_begin(r);
    result = restore_account(r, &address);
    int end = list_end(r);
    return result == EX_OK ? end : result;
}

int restore_command(struct admin *a, int argc, char **argv)
{
    struct restore r = { .a = a, .fd = -1 };
    struct options o = { 0 };
    int result = read_options(&r, &o, argc, argv);
    if (result != EX_OK)
        return result;
    progress_begin(&r.progress);
    bool whole = !r.address && !o.check;
    if (!whole)
        result = load(a);
    if (result == EX_OK && !whole)
        result = import_become_owner(a, true, &r.reads_all);
    if (result == EX_OK)
        result = restore_open(&r);
    if (result == EX_OK)
        result = whole ? restore_server(&r) : o.check ? backup_check(&r) : one_account(&r, &o);
    progress_end(&r.progress);
    restore_close(&r);
    return result;
}
