/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern upkeep: one account. Its mail is looked at in a process of its own, which is confined to it before
 * it reads the first byte, as imapd's mailbox process is: what a mailbox's owner made there reaches nothing
 * else. One that takes longer than ACCOUNT_MS is ended, and goes on at the next run; who holds a lock keeps
 * the others waiting for seconds only.
 */
#include "upkeep.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "import.h"
#include "store/directory.h"
#include "store/leftovers.h"
#include "store/quota_warning.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define MEMORY (512u << 20)
#define ACCOUNT_MS 600000

struct work {
    struct upkeep *u;
    const struct address *account;
    const char *maildir;
    struct quota quota;
    struct mail *mail;
};

static int failed(const struct work *w, const char *what, const char *folder)
{
    int why = errno;
    log_event(LOG_ERR, "upkeep-failed", "user", w->account->text, "at", what, "folder", folder, "why",
              strerror(why), NULL);
    errno = why;
    return EX_TEMPFAIL;
}

/* --- in the account's own process */

static void report(const struct work *w, const char *folder, const struct expired *e)
{
    char messages[24], bytes[24];
    snprintf(messages, sizeof messages, "%" PRIu64, e->messages);
    snprintf(bytes, sizeof bytes, "%" PRIu64, e->bytes);
    if (!w->u->only_say) {
        log_event(LOG_INFO, "mail-expired", "user", w->account->text, "folder", folder, "messages", messages,
                  "bytes", bytes, NULL); /* `expired` is the queue's, and counts as a failure */
        return;
    }
    say_word(span_of(w->account->text));
    putchar(' ');
    say_folder(span_of(folder));
    printf(" messages %s bytes %s\n", messages, bytes);
}

static int expire_one(struct work *w, const char *folder)
{
    uint64_t seconds;
    struct expired e = { 0, 0 };
    enum status st = expire_time(w->mail, &w->u->rules, span_of(folder), &seconds);
    if (st == ST_OK && seconds && seconds < INT64_MAX / 2)
        st = expire_folder(w->mail, span_of(folder), clock_now() - (int64_t)seconds, w->u->only_say, &e);
    int why = errno;
    if (e.messages)
        report(w, folder, &e);
    errno = why;
    return st == ST_TEMP || st == ST_PERM ? failed(w, "expire", folder) : EX_OK;
}

/* A lock is waited for once: who holds one for so long may hold those of all folders. */
static int expire_all(struct work *w)
{
    struct folder_list list;
    int result = EX_OK;
    if (!w->u->rules.count)
        return EX_OK;
    if (folders_list(w->mail, &list) != ST_OK)
        return failed(w, "folders", NULL);
    bool waits = false;
    for (size_t i = 0; i < list.count && !waits; i++)
        if (list.folders[i].exists && expire_one(w, list.folders[i].name) != EX_OK) {
            waits = errno == EWOULDBLOCK;
            result = EX_TEMPFAIL;
        }
    folders_free(&list);
    return result;
}

/* What expired is no reason to warn. */
static int work(struct work *w)
{
    const struct quota_warning warning = { &w->u->a->s, w->account, w->maildir, w->mail, w->quota };
    bool warned;
    int result = w->u->expires ? expire_all(w) : EX_OK;
    if (w->u->only_say)
        return result;
    if (w->u->expires && leftovers_clear(w->mail) != ST_OK)
        result = failed(w, "leftovers", NULL);
    if (quota_warning_run(&warning, &warned) != ST_OK)
        result = failed(w, "quota-warning", NULL);
    return result;
}

/* Until it is confined it opens the Maildir, and reads nothing of it. */
static int run(struct work *w)
{
    const struct sandbox_path mail = { w->maildir, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_NO_LINK };
    if (mail_open(w->maildir, w->u->a->s.hostname, &w->mail) != ST_OK)
        return failed(w, "open", NULL);
    import_tell_boot(w->mail);
    errno = EPERM;
    if (!sandbox_enter(w->u->box) || !sandbox_confine(w->u->box, &mail, 1))
        return failed(w, "sandbox", NULL);
    int result = work(w);
    mail_close(w->mail);
    return result;
}

/* --- outside */

/* Its exit status; EX_TEMPFAIL if it had to be ended. */
static int await(const struct work *w, pid_t pid)
{
    int how = 0, fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int64_t until = clock_ms() + ACCOUNT_MS;
    int ready = 1;
    while (fd >= 0 && (ready = poll(&p, 1, (int)(until > clock_ms() ? until - clock_ms() : 0))) < 0 &&
           errno == EINTR)
        ;
    file_close(fd);
    if (ready == 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &how, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(how))
        return WEXITSTATUS(how);
    errno = ready == 0 ? ETIME : EINTR;
    return failed(w, "process", NULL);
}

static int start(struct work *w)
{
    pid_t parent = getpid();
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        return failed(w, "fork", NULL);
    if (pid > 0)
        return await(w, pid);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int result = getppid() == parent ? run(w) : EX_TEMPFAIL;
    if (fflush(stdout) != 0)
        result = EX_IOERR;
    log_settle();
    _exit(result);
}

/* An account that never got mail has no Maildir, and none is made for it. */
static bool has_mail(const char *maildir)
{
    int fd = open(maildir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool missing = fd < 0 && errno == ENOENT;
    file_close(fd);
    return !missing;
}

/* Has a run anything to do there? */
static bool is_wanted(const struct work *w)
{
    return w->u->expires || (!w->u->only_say && w->u->a->s.quota_warnings.count && quota_limited(&w->quota));
}

int upkeep_account(struct upkeep *u, const struct address *account)
{
    struct bytes path;
    struct work w = { .u = u, .account = account };
    int result = EX_OK;
    bytes_init(&path, PATH_MAX - 1);
    enum status st = directory_quota_of(&u->a->s, account, &w.quota);
    if (st == ST_OK && !settings_maildir(&u->a->s, address_local(account), address_domain(account), &path))
        st = ST_TEMP;
    w.maildir = bytes_str(&path);
    if (st == ST_TEMP)
        result = failed(&w, "look-up", NULL);
    else if (st == ST_OK && is_wanted(&w) && has_mail(w.maildir))
        result = start(&w);
    bytes_free(&path);
    return result;
}

int upkeep_prepare(struct upkeep *u)
{
    struct bytes root, error;
    bytes_init(&root, PATH_MAX);
    bytes_init(&error, 4096);
    settings_mail_root(&u->a->s, &root);
    const struct sandbox_path mail = { bytes_str(&root), SANDBOX_READ | SANDBOX_WRITE };
    int result = EX_OK;
    if (sandbox_prepare(SANDBOX_MAILBOX, u->a->s.sandbox, &mail, 1, MEMORY, &u->box, &error) == ST_OK)
        sandbox_compile(u->box);
    else
        result = complain(EX_CONFIG, "%s", bytes_str(&error));
    bytes_free(&error);
    bytes_free(&root);
    return result;
}
