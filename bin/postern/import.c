/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern import [--folder NAME] [--format FORMAT] ADDRESS SOURCE
 *
 * Reads what others kept into an account. As root the source is opened before the command becomes the
 * server's owner, so that it may lie where only root can read; of a Maildir, whose files are opened one by
 * one, the right to read is kept. Limits of the account's quota aren't asked for: who moves in brings
 * everything along.
 */
#include "import.h"
#include "base/files.h"
#include "net/sandbox.h"
#include "store/directory.h"
#include "text/utf7.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

int import_failed(const char *what, struct span folder)
{
    return complain(EX_IOERR, "folder %.*s: %s: %s", SPAN_FMT(folder), what, strerror(errno));
}

int import_folder_name(const char *given, char name[FOLDER_NAME_LIMIT + 1])
{
    struct bytes text;
    bytes_init(&text, FOLDER_NAME_LIMIT);
    bool good =
        utf7_from_utf8(span_of(given), &text) && span_copy(span_bytes(&text), name, FOLDER_NAME_LIMIT + 1);
    struct span n = span_bytes(&text);
    if (good && folder_is_inbox(n))
        memcpy(name, "INBOX", sizeof "INBOX");
    else
        good = good && folder_name_makeable(n);
    bytes_free(&text);
    return good ? EX_OK
                : complain(EX_DATAERR, "%s: can't be a folder's name; one looks like Work.2026", given);
}

int import_make_folder(struct import *i, struct span folder)
{
    enum status st = folder_is_inbox(folder) ? ST_OK : folder_exists(i->mail, folder);
    if (st == ST_NONE) {
        st = folder_create(i->mail, folder);
        if (st == ST_OK && i->subscribes)
            st = folder_subscribe(i->mail, folder, true);
    }
    return st == ST_OK ? EX_OK : import_failed("can't be made", folder);
}

void say_folder(struct span folder)
{
    struct bytes name;
    bytes_init(&name, 4 * FOLDER_NAME_LIMIT);
    say_word(utf7_to_utf8(folder, &name) ? span_bytes(&name) : folder);
    bytes_free(&name);
}

void json_folder(const char *before, struct span folder)
{
    struct bytes name;
    bytes_init(&name, 4 * FOLDER_NAME_LIMIT);
    json_pair(before, "folder", utf7_to_utf8(folder, &name) ? span_bytes(&name) : folder);
    bytes_free(&name);
}

void import_report(const struct import *i, struct span folder, const struct import_count *count)
{
    if (i->a->json) {
        json_folder("{", folder);
        printf(",\"imported\":%llu,\"present\":%llu,\"uids-kept\":%s}\n",
               (unsigned long long)count->messages, (unsigned long long)count->present,
               count->kept ? "true" : "false");
        return;
    }
    say_folder(folder);
    printf(" imported %llu present %llu uids %s\n", (unsigned long long)count->messages,
           (unsigned long long)count->present, count->kept ? "kept" : "new");
}

void import_tell_boot(struct mail *mail)
{
    struct bytes text;
    char boot[40] = "";
    bytes_init(&text, sizeof boot);
    if (file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", &text) == ST_OK &&
        span_copy(span_trim(span_bytes(&text)), boot, sizeof boot))
        mail_set_boot(mail, boot);
    bytes_free(&text);
}

static int find_account(struct admin *a, const char *text, struct address *account)
{
    struct quota q;
    int result = edit_address(a, text, account);
    if (result != EX_OK)
        return result;
    enum status st = directory_quota_of(&a->s, account, &q);
    if (st == ST_NONE)
        return complain(EX_NOUSER, "%s: is no account here; `postern user list` shows them", account->text);
    return st == ST_OK ? EX_OK
                       : complain(EX_TEMPFAIL, "%s: can't be looked up: %s", account->text, strerror(errno));
}

int import_is_account(struct admin *a, const char *address)
{
    struct address account;
    return find_account(a, address, &account);
}

int import_account(struct admin *a, const char *address, struct mail **mail)
{
    struct address account;
    struct bytes path;
    int result = find_account(a, address, &account);
    if (result != EX_OK)
        return result;
    bytes_init(&path, 4096);
    bool good = settings_maildir(&a->s, address_local(&account), address_domain(&account), &path) &&
                mail_open(bytes_str(&path), a->s.hostname, mail) == ST_OK;
    if (good)
        import_tell_boot(*mail);
    else
        result = complain(EX_IOERR, "%s: its mail can't be opened: %s", account.text, strerror(errno));
    bytes_free(&path);
    return result;
}

/* "-" is standard input. As root no link is followed: the source may lie where its user could make one. */
static int open_source(struct import *i)
{
    struct stat info;
    int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | (geteuid() == 0 ? O_NOFOLLOW : 0);
    i->fd = strcmp(i->source, "-") == 0 ? dup(STDIN_FILENO) : open(i->source, flags);
    if (i->fd < 0 || fstat(i->fd, &info) != 0)
        return complain(EX_NOINPUT, "%s: can't be read: %s", i->source, strerror(errno));
    return EX_OK;
}

/* Of all that root may do, keeps nothing but reading: a Maildir's files are opened one by one. */
static bool keep_reading(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2] = { { 0 } };
    data[0].effective = data[0].permitted = 1U << CAP_DAC_READ_SEARCH;
    return syscall(SYS_capset, &header, data) == 0;
}

static bool drop_all(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2] = { { 0 } };
    return syscall(SYS_capset, &header, data) == 0;
}

int import_keep_reading(bool was_root, bool *reads_all)
{
    *reads_all = was_root && keep_reading();
    if (was_root && !*reads_all && !drop_all())
        return complain(EX_NOPERM, "can't give up what root may do: %s", strerror(errno));
    return EX_OK;
}

int import_become_owner(struct admin *a, bool tree, bool *reads_all)
{
    struct bytes error;
    bytes_init(&error, 4096);
    int result = EX_OK;
    bool root = geteuid() == 0;
    *reads_all = false;
    if (root && tree)
        prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    if (sandbox_drop_root(a->s.spool, &error) != ST_OK)
        result = complain(EX_NOPERM, "%s", bytes_str(&error));
    else if (tree)
        result = import_keep_reading(root, reads_all);
    bytes_free(&error);
    return result;
}

static bool is_directory(int fd)
{
    struct stat info;
    return fd >= 0 && fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
}

static int read_options(struct import *i, int *argc, char ***argv)
{
    int result = EX_OK;
    for (; result == EX_OK && *argc > 2 && (*argv)[0][0] == '-'; *argc -= 2, *argv += 2) {
        const char *option = (*argv)[0], *value = (*argv)[1];
        if (strcmp(option, "--folder") == 0)
            result = import_folder_name(value, i->folder);
        else if (strcmp(option, "--format") != 0)
            result = complain(EX_USAGE, "%s: no such option", option);
        else if (!(i->format_given = mbox_format_of(span_of(value), &i->format)))
            result = complain(EX_USAGE, "%s: is no format; these are: mboxo mboxrd mboxcl mboxcl2", value);
    }
    if (result == EX_OK && *argc != 2)
        result = complain(EX_USAGE, "an address and a source are wanted, behind the options");
    return result;
}

int import_command(struct admin *a, int argc, char **argv)
{
    struct import i = { .a = a, .fd = -1, .subscribes = true };
    int result = read_options(&i, &argc, &argv);
    if (result != EX_OK)
        return result;
    i.source = argv[1];
    progress_begin(&i.progress);
    result = open_source(&i);
    if (result == EX_OK)
        result = import_become_owner(a, is_directory(i.fd), &i.reads_all);
    if (result == EX_OK)
        result = import_account(a, argv[0], &i.mail);
    if (result == EX_OK)
        result = is_directory(i.fd) ? import_tree(&i) : import_mbox(&i);
    mail_close(i.mail);
    file_close(i.fd);
    return result;
}
