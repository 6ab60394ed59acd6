/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * qrun [-c FILE] [-v] [ID...]: runs what is due in the queue, or these messages, and exits.
 *
 * Its own lock (spool/qrun.lock) keeps it single. A second one passes its wake-up on and exits; it looks
 * at the lock again after that, and the first looks at the FIFO again after letting go of the lock, so that
 * of any two one sees the work.
 */
#include "qrun.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/options.h"
#include "net/activation.h"
#include "net/dnssec.h"
#include "store/dmarc_results.h"
#include "store/tls_results.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define CHILD_MEMORY (256u << 20)
#define PATHS 11 /* three, and folders that aliases include files from */
#define SYSTEM_ROOTS "/etc/ssl/certs/ca-certificates.crt"
#define ROOTS_LIMIT (4u << 20)
#define FAREWELL_MS 500

struct options {
    const char *file;
    char **ids;
    size_t id_count;
    struct activation given;
};

static int usage(void)
{
    printf("usage: qrun [-c FILE] [-v] [ID...]\n"
           "Sends what is due in the queue, or these messages, and exits. See qrun(8).\n");
    return EX_OK;
}

/* -1 to go on, else the exit code. */
static int read_options(int argc, char **argv, struct options *o)
{
    int c;
    while ((c = getopt_long(argc, argv, ":c:v", options_words, NULL)) != -1) {
        if (c == OPTIONS_HELP)
            return usage();
        if (c == 'c')
            o->file = optarg;
        else if (c == 'v')
            log_verbose(true);
        else
            return options_wrong("qrun", c, argv);
    }
    o->ids = argv + optind;
    o->id_count = (size_t)(argc - optind);
    for (size_t i = 0; i < o->id_count; i++)
        if (!queue_id_valid(o->ids[i])) {
            fprintf(stderr, "qrun: %s: not a message's ID; `postern queue list` shows them\n", o->ids[i]);
            return EX_USAGE;
        }
    return -1;
}

static int fail(const struct bytes *error, int code)
{
    log_event(LOG_ERR, "cannot-start", "text", bytes_str(error), NULL);
    return code;
}

static int open_lock(const struct settings *s)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/qrun.lock", s->spool);
    return open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static void pass_on(const struct settings *s, const struct options *o)
{
    for (size_t i = 0; i < o->id_count; i++)
        queue_wake(s->spool, o->ids[i]);
    if (o->id_count == 0)
        queue_wake(s->spool, NULL);
}

static bool lock_or_pass_on(const struct settings *s, const struct options *o, int lock)
{
    if (flock(lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    pass_on(s, o);
    return flock(lock, LOCK_EX | LOCK_NB) == 0;
}

static bool something_waits(int wake)
{
    struct pollfd p = { .fd = wake, .events = POLLIN };
    return wake >= 0 && poll(&p, 1, 0) > 0;
}

static enum status prepare_boxes(struct qrun *q, struct sandbox **own, struct bytes *error)
{
    const struct settings *s = q->settings;
    struct bytes mail;
    bytes_init(&mail, PATH_MAX);
    settings_mail_root(s, &mail);
    const char *folders[PATHS - 3];
    size_t count = directory_folders(s, folders, PATHS - 3);
    struct sandbox_path paths[PATHS] = { { s->spool, SANDBOX_READ | SANDBOX_WRITE },
                                         { bytes_str(&mail), SANDBOX_READ | SANDBOX_WRITE },
                                         { s->directory, SANDBOX_READ } };
    for (size_t i = 0; i < count; i++)
        paths[3 + i] = (struct sandbox_path){ folders[i], SANDBOX_READ };
    enum status st =
        sandbox_prepare(SANDBOX_RESOLVER, s->sandbox, NULL, 0, CHILD_MEMORY, &q->connector_box, error);
    if (st == ST_OK)
        st = sandbox_prepare(SANDBOX_SESSION, s->sandbox, NULL, 0, CHILD_MEMORY, &q->sender_box, error);
    if (st == ST_OK)
        st = sandbox_prepare(SANDBOX_SCHEDULER, s->sandbox, paths, 3 + count, 0, own, error);
    bytes_free(&mail);
    if (st == ST_OK) { /* its own sandbox comes first, where none can be compiled any more */
        sandbox_compile(q->connector_box);
        sandbox_compile(q->sender_box);
    }
    return st;
}

static bool limit_files(void)
{
    struct rlimit now;
    if (getrlimit(RLIMIT_NOFILE, &now) != 0)
        return false;
    if (now.rlim_max > QRUN_FILES)
        now.rlim_max = QRUN_FILES;
    now.rlim_cur = now.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &now) == 0;
}

/* What certificates and DNS answers are verified by. What the settings name must be there; what the system
 * has may be missing: then nothing is verified. */
static int read_trust(struct qrun *q, struct bytes *error)
{
    const char *file = q->settings->ca_file[0] ? q->settings->ca_file : SYSTEM_ROOTS;
    bytes_init(&q->anchors, DNSSEC_ANCHORS_LIMIT);
    bytes_init(&q->roots, ROOTS_LIMIT);
    enum status st = dnssec_read_anchors(q->settings->trust_anchor, &q->anchors, error);
    if (st != ST_OK && (st != ST_NONE || q->settings->trust_anchor[0]))
        return fail(error, EX_CONFIG);
    st = file_read(AT_FDCWD, file, &q->roots);
    if (st != ST_OK && (st != ST_NONE || q->settings->ca_file[0])) {
        bytes_printf(error, "ca-file: %s: %s", file, st == ST_PERM ? "larger than 4 MiB" : strerror(errno));
        return fail(error, EX_CONFIG);
    }
    return EX_OK;
}

/* With the lock: everything that needs more than the sandbox allows, then the sandbox. */
static int prepare(struct qrun *q, struct bytes *error)
{
    struct sandbox *own;
    if (!limit_files()) {
        bytes_printf(error, "cannot limit open files: %s", strerror(errno));
        return fail(error, EX_OSERR);
    }
    if (dns_resolver_init(&q->resolver, q->settings->resolver, error) != ST_OK)
        return fail(error, EX_CONFIG);
    int trust = read_trust(q, error);
    if (trust != EX_OK)
        return trust;
    qrun_recall_dnssec(q);
    if (directory_open(q->settings, &q->directory) != ST_OK) {
        bytes_printf(error, "%s: the tables of domains, accounts and aliases can't be read: %s",
                     q->settings->directory, strerror(errno));
        return fail(error, EX_TEMPFAIL);
    }
    if (routes_open(q->settings, &q->routes) != ST_OK) { /* without it mail would go elsewhere */
        bytes_printf(error, "%s/routes can't be read", q->settings->directory);
        return fail(error, EX_TEMPFAIL);
    }
    if (prepare_boxes(q, &own, error) != ST_OK)
        return fail(error, EX_OSERR);
    bool entered = sandbox_enter(own);
    sandbox_free(own);
    if (!entered) {
        bytes_add_str(error, "the kernel refused the sandbox");
        return fail(error, EX_OSERR);
    }
    return EX_OK;
}

/* The last senders say QUIT; they die with us. */
static void let_children_end(void)
{
    int64_t until = clock_ms() + FAREWELL_MS;
    while (clock_ms() < until && (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD))
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

/* Sweeping costs a look at every due directory: now and then is enough. */
static void run(struct qrun *q, const struct options *o, int lock)
{
    if (random_u64() % 64 == 0) {
        queue_sweep(q->queue_dir);
        queue_recall(q->queue_dir, job_longest_wait(q->settings));
        tls_results_sweep(q->settings->spool, clock_now());
        dmarc_results_sweep(q->settings->spool, clock_now());
    }
    for (size_t i = 0; i < 2; i++)
        q->secret[i] = random_u64();
    q->hosts = hosts_open(q->settings);
    q->next_scan = clock_ms() + (o->id_count ? INT32_MAX : 0);
    for (size_t i = 0; i < o->id_count; i++)
        line_add(&q->forced, o->ids[i], true);
    for (;;) {
        scheduler_run(q);
        hosts_close(q->hosts);
        q->hosts = NULL;
        flock(lock, LOCK_UN);
        if (something_waits(q->wake) && flock(lock, LOCK_EX | LOCK_NB) == 0) {
            q->hosts = hosts_open(q->settings);
            continue;
        }
        let_children_end();
        return;
    }
}

static int start(const struct settings *s, const struct options *o)
{
    static struct qrun q; /* large, and zero */
    struct bytes error;
    bytes_init(&error, 4096);
    q.settings = s;
    if (sandbox_drop_root(s->spool, &error) != ST_OK)
        return fail(&error, EX_NOPERM);
    umask(077);
    q.wake = wake_open(s, &o->given); /* before the lock: whoever finds it taken can write here */
    int lock = open_lock(s);
    if (lock < 0 || queue_open(s->spool, &q.queue_dir) != ST_OK) {
        bytes_printf(&error, "%s: %s", s->spool, strerror(errno));
        return fail(&error, EX_TEMPFAIL);
    }
    if (!lock_or_pass_on(s, o, lock))
        return EX_OK;
    int code = prepare(&q, &error);
    if (code == EX_OK)
        run(&q, o, lock);
    bytes_free(&error);
    return code;
}

int main(int argc, char **argv)
{
    struct options o = { 0 };
    struct settings s;
    struct bytes error;
    sandbox_first();
    bool known = activation_get(&o.given);
    log_open("qrun");
    int code = read_options(argc, argv, &o);
    if (code >= 0)
        return code;
    bytes_init(&error, 4096);
    if (!known) {
        bytes_add_str(&error, o.given.error);
        return fail(&error, EX_OSFILE);
    }
    activation_alone(&o.given);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN); /* nobody waits for children: their channel says when they are gone */
    enum status st = settings_load(o.file, &s, &error);
    if (st != ST_OK)
        return fail(&error, st == ST_PERM ? EX_CONFIG : EX_TEMPFAIL);
    code = start(&s, &o);
    settings_free(&s);
    log_settle();
    return code;
}
