/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern upkeep [--due] [--dry-run] [ADDRESS...]: what has to be done now and then, as there is no daemon to
 * do it. A timer or cron starts it every few minutes with --due: who fills his mailbox is to hear of it soon,
 * which costs a look at one small file for each account that has a quota. Expiry, and clearing away what
 * crashes left, are done once an hour then; when that was last stands in the spool's file `upkeep`. What the
 * queue and what is recorded for reports leave behind, qrun sees to.
 *
 * One runs at a time. Ended at any moment, it loses nothing, and the next run goes on.
 */
#include "upkeep.h"
#include "base/clock.h"
#include "base/files.h"
#include "store/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define STATE_FILE "upkeep"
#define LOCK_FILE "upkeep.lock"
#define LOCK_MS 60000
#define EXPIRE_EVERY 3540 /* seconds: an hour, less what a timer may be early */
#define STATE_LIMIT 256

static bool spool_path(const struct settings *s, const char *name, char path[PATH_MAX])
{
    return (size_t)snprintf(path, PATH_MAX, "%s/%s", s->spool, name) < PATH_MAX;
}

/* The descriptor to close, or -1 after complaining; with --due it waits for nobody, and says nothing. */
static int take_lock(const struct upkeep *u, int *result)
{
    char path[PATH_MAX];
    int fd = spool_path(&u->a->s, LOCK_FILE, path)
                 ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)
                 : -1;
    if (fd < 0) {
        *result = complain(EX_CANTCREAT, "%s/" LOCK_FILE ": %s", u->a->s.spool, strerror(errno));
    } else if (file_lock(fd, u->only_due ? 0 : LOCK_MS) != ST_OK) {
        *result = u->only_due ? EX_OK
                              : complain(EX_TEMPFAIL,
                                         "%s: another upkeep has been running for a minute; try again", path);
        file_close(fd);
        fd = -1;
    }
    return fd;
}

int64_t upkeep_last(const struct settings *s)
{
    char path[PATH_MAX];
    struct bytes text;
    uint64_t last = 0;
    bytes_init(&text, STATE_LIMIT);
    if (spool_path(s, STATE_FILE, path) && file_read(AT_FDCWD, path, &text) == ST_OK)
        span_u64(span_trim(span_bytes(&text)), INT64_MAX, &last);
    bytes_free(&text);
    return (int64_t)last;
}

/* A time that is still to come was written by a clock that was wrong. */
static bool is_due(const struct upkeep *u)
{
    int64_t last = upkeep_last(&u->a->s), now = clock_now();
    return last > now || now - last >= EXPIRE_EVERY;
}

static int remember(const struct upkeep *u)
{
    char path[PATH_MAX], text[32];
    int n = snprintf(text, sizeof text, "%" PRId64 "\n", clock_now());
    if (spool_path(&u->a->s, STATE_FILE, path) &&
        file_replace(AT_FDCWD, path, (struct span){ text, (size_t)n }, 0600) == ST_OK)
        return EX_OK;
    return complain(EX_CANTCREAT, "%s: %s", path, strerror(errno));
}

/* One that failed is no reason to leave the others alone. */
static int each_account(struct upkeep *u)
{
    struct bytes text, domain;
    struct span rest, line;
    struct address account;
    int result = edit_read(u->a, TABLE_ACCOUNTS, &text);
    if (result == EX_OK && (result = edit_first_domain(u->a, &domain)) == EX_OK) {
        for (rest = span_bytes(&text); edit_next(&rest, &line);) {
            int one = tables_address(tables_first_word(line), span_bytes(&domain), &account)
                          ? upkeep_account(u, &account)
                          : EX_OK;
            result = result == EX_OK ? one : result;
        }
        bytes_free(&domain);
    }
    bytes_free(&text);
    return result;
}

static int these_accounts(struct upkeep *u, int argc, char **argv)
{
    struct quota q;
    struct address account;
    int result = EX_OK;
    for (int i = 0; i < argc; i++) {
        int one = edit_address(u->a, argv[i], &account);
        if (one == EX_OK && directory_quota_of(&u->a->s, &account, &q) == ST_NONE)
            one = complain(EX_NOUSER, "%s: is no account here; `postern user list` shows them", account.text);
        if (one == EX_OK)
            one = upkeep_account(u, &account);
        result = result == EX_OK ? one : result;
    }
    return result;
}

static int run(struct upkeep *u, int argc, char **argv)
{
    u->expires = !u->only_due || is_due(u);
    int result = upkeep_prepare(u);
    if (result == EX_OK)
        result = argc ? these_accounts(u, argc, argv) : each_account(u);
    if (u->expires && !argc && !u->only_say) {
        int written = remember(u); /* whatever failed will fail once an hour, and not every time */
        result = result == EX_OK ? written : result;
    }
    sandbox_free(u->box);
    return result;
}

int upkeep_command(struct admin *a, int argc, char **argv)
{
    struct upkeep u = { .a = a };
    const char *wrong = "";
    int result = EX_OK;
    for (; argc && argv[0][0] == '-'; argc--, argv++) {
        u.only_due = u.only_due || strcmp(argv[0], "--due") == 0;
        u.only_say = u.only_say || strcmp(argv[0], "--dry-run") == 0;
        if (strcmp(argv[0], "--due") != 0 && strcmp(argv[0], "--dry-run") != 0)
            return complain(EX_USAGE, "%s: no such option; see `postern upkeep --help`", argv[0]);
    }
    switch (expire_rules_read(&a->s, &u.rules, &wrong)) {
    case ST_OK:
        break;
    case ST_PERM:
        return complain(EX_CONFIG, "%s: expire %s: that can't be a folder's name", a->s.file, wrong);
    default:
        return complain(EX_OSERR, "out of memory");
    }
    int lock = take_lock(&u, &result);
    if (lock >= 0)
        result = run(&u, argc, argv);
    file_close(lock);
    expire_rules_free(&u.rules);
    return result;
}
