/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages that users moved into or out of Junk, handed to the commands of the settings `learn-spam` and
 * `learn-ham` behind the runner's socket (runner.c): one at a time for an account, a few accounts at a time,
 * in turns of a bounded number of messages, while mail goes its way.
 *
 * Which accounts: those that mailbox processes name on the wake-up FIFO, and each minute whichever has
 * something due. What they name is believed as far as "look there": it must be an account, and what is looked
 * at lies in its own Maildir (store/learn.h), which may be full of traps. An owner who makes more as fast as
 * it is taken away, or makes what can't be removed, comes to the end of his turn, and this run to the end of
 * what it learns.
 */
#include "qrun.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "store/learn.h"
#include "store/programs.h"
#include "store/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RUNNING_LIMIT 3     /* accounts at a time */
#define WAITING_LIMIT 1000  /* accounts; a later look finds the others */
#define TURN 50             /* messages of an account, before the next has its turn */
#define MESSAGES_LIMIT 5000 /* in one run of the program */
#define SWEEP_SECONDS 55    /* between looks at all accounts */
#define SWEEP_FILE "learn-looked"

struct learner {
    struct learner *next;
    struct address account;
    int dir; /* -1: it waits for its turn */
    int fd;  /* the connection; -1: the next message is to be begun */
    int64_t until;
    char id[QUEUE_ID_LIMIT]; /* of what is learned, for the log */
    size_t count, at;        /* items, and the one that is learned */
    bool fed, stuck;         /* a command was asked; what it was asked can't be removed or noted */
    struct learn_item items[TURN];
};

/* --- which accounts */

static void add(struct qrun *q, const struct address *account)
{
    size_t waiting = 0;
    struct learner **at = &q->learners;
    for (; *at; at = &(*at)->next, waiting++)
        if ((*at)->dir < 0 && strcmp((*at)->account.text, account->text) == 0)
            return;
    struct learner *l = waiting < WAITING_LIMIT && q->learned < MESSAGES_LIMIT ? malloc(sizeof *l) : NULL;
    if (!l)
        return;
    l->next = NULL;
    l->account = *account;
    l->dir = l->fd = -1;
    *at = l;
}

static int look(const struct qrun *q, const struct address *account)
{
    struct bytes maildir;
    bytes_init(&maildir, PATH_MAX - 1);
    int dir = settings_maildir(q->settings, address_local(account), address_domain(account), &maildir)
                  ? learn_look(bytes_str(&maildir))
                  : -1;
    bytes_free(&maildir);
    return dir;
}

void learning_wake(struct qrun *q, struct span account)
{
    struct address a, canonical;
    if (learn_is_set(q->settings) && address_parse(account, &a) == ADDRESS_OK &&
        directory_account(q->directory, &a, &canonical) == ST_OK)
        add(q, &canonical);
}

/* True once in so many seconds, whoever asks. */
static bool is_time(const struct settings *s)
{
    char path[PATH_MAX];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s/" SWEEP_FILE, s->spool);
    int fd =
        n > 0 && (size_t)n < sizeof path ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    if (fd >= 0) {
        file_close(fd);
        return true;
    }
    int64_t now = clock_now();
    bool past = stat(path, &st) == 0 && (st.st_mtim.tv_sec > now || now - st.st_mtim.tv_sec >= SWEEP_SECONDS);
    return past && utimensat(AT_FDCWD, path, NULL, 0) == 0;
}

static void sweep_account(struct qrun *q, const struct address *account)
{
    struct learn_item one;
    int dir = look(q, account);
    if (dir >= 0 && learn_due(dir, q->settings, clock_now(), &one, 1))
        add(q, account);
    file_close(dir);
}

void learning_sweep(struct qrun *q)
{
    char path[PATH_MAX];
    struct bytes text, domain;
    struct address a;
    if (!learn_is_set(q->settings) || !is_time(q->settings))
        return;
    bytes_init(&text, TABLE_TEXT_LIMIT);
    bytes_init(&domain, ADDRESS_DOMAIN_LIMIT);
    if (tables_path(q->settings, TABLE_ACCOUNTS, false, path, sizeof path) &&
        file_read(AT_FDCWD, path, &text) == ST_OK && directory_first_domain(q->directory, &domain) == ST_OK) {
        struct span rest = span_bytes(&text), line;
        while (span_cut(&rest, '\n', &line)) {
            struct span word = tables_first_word(span_trim(line));
            if (word.n && word.p[0] != '#' && tables_address(word, span_bytes(&domain), &a))
                sweep_account(q, &a);
        }
    }
    bytes_free(&text);
    bytes_free(&domain);
}

/* --- one account's turn */

static void take_out(struct qrun *q, struct learner *l)
{
    struct learner **at = &q->learners;
    while (*at && *at != l)
        at = &(*at)->next;
    if (*at)
        *at = l->next;
}

/* Others first, if there may be more. */
static void end_turn(struct qrun *q, struct learner *l)
{
    take_out(q, l);
    file_close(l->dir);
    file_close(l->fd);
    if (l->fed && !l->stuck)
        add(q, &l->account);
    free(l);
}

static void log_outcome(const struct learner *l, const char *event, int level, const char *said)
{
    const struct learn_item *item = &l->items[l->at];
    char tries[16];
    snprintf(tries, sizeof tries, "%u", item->tries + 1);
    log_event(level, event, "account", l->account.text, "as", learn_word(item->kind), "try", tries, "id",
              l->id, "said", said, NULL);
}

static void take_outcome(struct learner *l, bool learned, const char *said)
{
    const struct learn_item *item = &l->items[l->at];
    enum status st = learned ? learn_done(l->dir, item) : learn_again(l->dir, item);
    if (learned)
        log_outcome(l, "learned", LOG_INFO, said);
    else if (st == ST_PERM)
        log_outcome(l, "learning-given-up", LOG_WARNING, said);
    else
        log_outcome(l, "learning-deferred", LOG_NOTICE, said);
    l->stuck = l->stuck || st == ST_TEMP;
    l->fed = true;
    l->at++;
}

/* Nobody runs programs: neither this one nor any other, until the next look. */
static void nobody(struct qrun *q, struct learner *l)
{
    char why[QUEUE_REPLY_LIMIT];
    snprintf(why, sizeof why, "4.3.0 Nobody runs programs at %.200s (%s); enable postern-pipe.socket",
             q->settings->pipe_socket, strerror(errno));
    take_outcome(l, false, why);
    l->stuck = true;
    q->learned = MESSAGES_LIMIT;
}

static bool ask(struct qrun *q, struct learner *l, int file, uint64_t size)
{
    struct runner_request request = {
        .program = l->items[l->at].kind == LEARN_SPAM ? PROGRAM_LEARN_SPAM : PROGRAM_LEARN_HAM,
        .id = l->id,
        .sender = "",
        .to = l->account.text,
        .original = "",
        .fd = file,
        .size = size,
    };
    l->fd = runner_connect(q);
    l->until = runner_until(q);
    return l->fd >= 0 && runner_ask(q, l->fd, &request);
}

/* Begins the next message. False: there is none. */
static bool begin(struct qrun *q, struct learner *l)
{
    while (l->at < l->count && !l->stuck && q->learned < MESSAGES_LIMIT) {
        uint64_t size;
        const struct learn_item *item = &l->items[l->at];
        if (!learn_command(q->settings, item->kind)[0]) {
            learn_done(l->dir, item);
            l->at++;
            continue;
        }
        queue_new_id(l->id);
        int file = learn_file(l->dir, item, &size);
        if (file < 0) {
            log_outcome(l, "not-learned", LOG_NOTICE, "no file of a message");
            l->at++;
            continue;
        }
        q->learned++;
        bool asked = ask(q, l, file, size);
        file_close(file);
        if (asked)
            return true;
        nobody(q, l);
    }
    return false;
}

static bool begin_turn(struct qrun *q, struct learner *l)
{
    l->dir = look(q, &l->account);
    l->at = l->count = 0;
    l->fed = l->stuck = false;
    if (l->dir >= 0)
        l->count = learn_due(l->dir, q->settings, clock_now(), l->items, TURN);
    return begin(q, l);
}

static void answered(struct qrun *q, struct learner *l, bool learned, const char *said)
{
    file_close(l->fd);
    l->fd = -1;
    take_outcome(l, learned, said);
    if (!begin(q, l))
        end_turn(q, l);
}

void learning_look(struct qrun *q)
{
    size_t running = 0;
    int64_t now = clock_ms();
    for (struct learner *l = q->learners, *next; l; l = next) {
        next = l->next;
        if (l->fd >= 0 && now >= l->until)
            answered(q, l, false, "4.4.2 The program took too long, and its runner says nothing");
        else if (l->fd >= 0)
            running++;
        else if (running < RUNNING_LIMIT && begin_turn(q, l))
            running++;
        else if (running < RUNNING_LIMIT)
            end_turn(q, l);
    }
}

size_t learning_fds(const struct qrun *q, int *fds, size_t room)
{
    size_t n = 0;
    for (const struct learner *l = q->learners; l && n < room; l = l->next)
        if (l->fd >= 0)
            fds[n++] = l->fd;
    return n;
}

bool learning_input(struct qrun *q, int fd)
{
    char said[QUEUE_REPLY_LIMIT];
    struct learner *l = q->learners;
    while (l && l->fd != fd)
        l = l->next;
    if (!l)
        return false;
    char mark = runner_answer(q, fd, said);
    answered(q, l, mark == QUEUE_DONE, said);
    return true;
}
