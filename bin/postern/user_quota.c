/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern user quota ADDRESS [storage=SIZE] [messages=NUMBER] | default
 *
 * Limits stand behind the address in accounts; setting them replaces those that were there. Nothing of the
 * mail is touched: a mailbox that is larger stays so, and takes no more.
 */
#include "admin.h"
#include "store/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static int no_account(const char *account)
{
    return complain(EX_NOUSER, "%s: is no account here; `postern user list` shows them", account);
}

static void show_line(const char *name, uint64_t used, uint64_t limit)
{
    printf("%s %llu", name, (unsigned long long)used);
    if (limit)
        printf(" of %llu, %.0f%%\n", (unsigned long long)limit, (double)used * 100 / (double)limit);
    else
        printf(", no limit\n");
}

static void show_json(const char *before, const char *name, uint64_t used, uint64_t limit)
{
    printf("%s\"%s\":%llu,\"%s-limit\":", before, name, (unsigned long long)used, name);
    if (limit)
        printf("%llu", (unsigned long long)limit);
    else
        fputs("null", stdout);
}

static int show(struct admin *a, const struct address *account)
{
    struct quota q;
    struct quota_used used;
    struct bytes path;
    enum status st = directory_quota_of(&a->s, account, &q);
    if (st == ST_NONE)
        return no_account(account->text);
    bytes_init(&path, 4096);
    int dir = -1;
    if (st == ST_OK && settings_maildir(&a->s, address_local(account), address_domain(account), &path))
        dir = open(bytes_str(&path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int result = EX_OK;
    if (dir < 0 || quota_look(dir, &q, 0, &used) != ST_OK) {
        result = complain(EX_NOINPUT, "%s: can't be counted: %s", bytes_str(&path), strerror(errno));
    } else if (a->json) {
        json_pair("{", "account", span_of(account->text));
        show_json(",", "bytes", used.bytes, q.bytes);
        show_json(",", "messages", used.messages, q.messages);
        puts("}");
    } else {
        show_line("storage", used.bytes, q.bytes);
        show_line("messages", used.messages, q.messages);
    }
    if (dir >= 0)
        close(dir);
    bytes_free(&path);
    return result;
}

/* The words of the command as quota_parse() takes them. */
static int read_limits(int argc, char **argv, struct bytes *limits)
{
    struct quota q;
    bytes_init(limits, 256);
    if (argc == 1 && strcmp(argv[0], "default") == 0)
        return EX_OK;
    for (int i = 0; i < argc; i++)
        bytes_printf(limits, " %s", argv[i]);
    if (limits->failed || !quota_parse(span_bytes(limits), &q))
        return complain(
            EX_DATAERR,
            "limits look like storage=2G messages=50000 (0 is no limit), or are the word default");
    return EX_OK;
}

static int set_locked(struct admin *a, const struct address *account, struct span limits)
{
    struct bytes text, with;
    struct span line;
    int result = edit_read(a, TABLE_ACCOUNTS, &text);
    if (result == EX_OK && !edit_find(a, TABLE_ACCOUNTS, &text, account->text, &line)) {
        result = no_account(account->text);
    } else if (result == EX_OK) {
        bytes_init(&with, line.n + 512);
        bytes_add_span(&with, tables_first_word(span_trim(line)));
        bytes_add_span(&with, limits);
        bytes_add_char(&with, '\n');
        edit_replace(&text, line, span_bytes(&with));
        bytes_free(&with);
        result = edit_write(a, TABLE_ACCOUNTS, &text);
    }
    bytes_free(&text);
    return result;
}

int user_quota(struct admin *a, int argc, char **argv)
{
    struct address account;
    struct bytes limits;
    int result = edit_address(a, argv[0], &account);
    if (result != EX_OK)
        return result;
    if (argc == 1)
        return show(a, &account);
    result = read_limits(argc - 1, argv + 1, &limits);
    if (result == EX_OK)
        result = edit_lock(a);
    if (result == EX_OK) {
        result = set_locked(a, &account, span_bytes(&limits));
        edit_unlock(a);
    }
    bytes_free(&limits);
    return result;
}
