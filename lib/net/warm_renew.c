/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How a warm listener executes itself anew, because a file that it uses has changed or a child died by a
 * signal; see warm.h. Process id, children and socket stay the same. What it knows of its children goes along
 * in a memory file, whose descriptor POSTERN_WARM_CHILDREN names. The program that reads it may be another
 * version. Lines:
 *
 *     child PID ADDRESS           a connection and where it comes from; "-" where that isn't known
 *     session PID ID              that connection's session, as the log names it
 *     ending PID MS               that connection's session is killed in so many milliseconds
 *     guard PID CHANNEL SESSION   a standing guard that serves: the channel's descriptor, its session or 0
 */
#include "net/warm_private.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LINES_LIMIT (1u << 20)

/* --- what has changed */

static void watch(struct warm *w, const char *path)
{
    struct watched *f = &w->files[w->watched++];
    f->path = path ? path : "";
    if (stat(f->path, &f->seen) != 0)
        f->seen = (struct stat){ 0 };
}

static bool has_changed(const struct watched *w)
{
    struct stat now;
    if (!w->path[0] || stat(w->path, &now) != 0)
        return false; /* it is being replaced just now, and looked at again at the next connection */
    return now.st_ino != w->seen.st_ino || now.st_dev != w->seen.st_dev || now.st_size != w->seen.st_size ||
           now.st_mtim.tv_sec != w->seen.st_mtim.tv_sec || now.st_mtim.tv_nsec != w->seen.st_mtim.tv_nsec;
}

/* Where the program lies. Behind the path of a file that has been replaced since, the kernel says that it is
 * deleted. */
static void find_program(struct warm *w)
{
    static const char gone[] = " (deleted)";
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path);
    if (n > (ssize_t)sizeof gone && memcmp(path + n - (sizeof gone - 1), gone, sizeof gone - 1) == 0)
        n -= sizeof gone - 1;
    free(w->program);
    w->program = n > 0 ? span_dup((struct span){ path, (size_t)n }) : NULL;
}

/* Keys too, as a guard's sandbox lets it open only those that were there when the sandbox was made. Without
 * memory nothing is watched. */
void warm_watch(struct warm *w)
{
    find_program(w);
    const struct settings *s = &w->handler->settings;
    const char *file = w->handler->serving.settings_file;
    w->watched = 0;
    if (!w->files)
        w->files = calloc(4 + 2 * s->certificate_count, sizeof *w->files);
    if (!w->files)
        return;
    watch(w, w->program);
    stat("/proc/self/exe", &w->files[0].seen); /* what runs, not what lies there by now */
    watch(w, file ? file : SETTINGS_DEFAULT_FILE);
    watch(w, s->tls_certificate);
    watch(w, s->tls_key);
    for (size_t i = 0; i < s->certificate_count; i++) {
        watch(w, s->certificates[i].certificate);
        watch(w, s->certificates[i].key);
    }
}

bool warm_must_renew(const struct warm *w)
{
    for (size_t i = 0; i < w->watched; i++)
        if (has_changed(&w->files[i]))
            return true;
    return w->renew;
}

/* --- its children */

static void list_children(const struct warm *w, struct bytes *to)
{
    char address[INET6_ADDRSTRLEN];
    for (size_t i = 0; i < w->count; i++) {
        const struct child *c = &w->children[i];
        bool named = c->known && inet_ntop(AF_INET6, &c->from, address, sizeof address);
        int64_t left = c->kill_at - clock_ms();
        bytes_printf(to, "child %d %s\n", (int)c->pid, named ? address : "-");
        if (c->id[0])
            bytes_printf(to, "session %d %s\n", (int)c->pid, c->id);
        if (c->kill_at)
            bytes_printf(to, "ending %d %d\n", (int)c->pid, left > 0 ? (int)left : 0);
    }
    warm_guards_hand_on(w, to);
}

/* The memory file's descriptor, or -1. */
static int hand_on_children(const struct warm *w)
{
    char number[16];
    struct bytes lines;
    int fd = memfd_create("children", 0); /* kept across exec */
    if (fd < 0)
        return fd;
    bytes_init(&lines, LINES_LIMIT);
    list_children(w, &lines);
    if (!lines.failed && file_write(fd, span_bytes(&lines)) == ST_OK) {
        snprintf(number, sizeof number, "%d", fd);
        setenv(WARM_CHILDREN, number, 1);
    }
    bytes_free(&lines);
    return fd;
}

static bool get_number(struct span *line, pid_t *number)
{
    struct span word;
    uint64_t value;
    if (!span_cut(line, ' ', &word) || !span_u64(word, INT_MAX, &value))
        return false;
    *number = (pid_t)value;
    return true;
}

static void take_line(struct warm *w, struct span line)
{
    struct span word;
    char address[INET6_ADDRSTRLEN];
    struct child child = { .pid = 0 };
    pid_t control, session, ms;
    if (!span_cut(&line, ' ', &word) || !get_number(&line, &child.pid))
        return;
    struct child *known = warm_child(w, child.pid);
    if (span_eq_str(word, "child")) {
        child.known =
            span_copy(line, address, sizeof address) && inet_pton(AF_INET6, address, &child.from) == 1;
        warm_remember(w, &child);
    } else if (span_eq_str(word, "guard") && get_number(&line, &control) && get_number(&line, &session)) {
        warm_guards_take(w, child.pid, control, session);
    } else if (known && span_eq_str(word, "session")) {
        if (!span_copy(line, known->id, sizeof known->id))
            known->id[0] = '\0';
    } else if (known && span_eq_str(word, "ending") && get_number(&line, &ms)) {
        known->kill_at = clock_ms() + ms;
    }
}

void warm_take_children(struct warm *w)
{
    char path[64];
    struct bytes lines;
    struct span rest, line;
    const char *number = getenv(WARM_CHILDREN);
    if (!number)
        return;
    int fd = atoi(number);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    bytes_init(&lines, LINES_LIMIT);
    if (file_read(AT_FDCWD, path, &lines) == ST_OK)
        for (rest = span_bytes(&lines); span_cut(&rest, '\n', &line);)
            take_line(w, line);
    bytes_free(&lines);
    close(fd);
    unsetenv(WARM_CHILDREN);
}

void warm_renew(struct warm *w)
{
    log_event(LOG_INFO, "renewed", "why", w->renew ? "a child died" : "files changed", NULL);
    w->renew = false;
    int children = hand_on_children(w);
    fcntl(w->listening, F_SETFD, 0);
    if (w->program)
        execv(w->program, w->argv);
    log_event(LOG_ERR, "exec-failed", "file", w->program, "why", strerror(errno), NULL);
    fcntl(w->listening, F_SETFD, FD_CLOEXEC);
    unsetenv(WARM_CHILDREN);
    if (children >= 0)
        close(children);
    warm_guards_keep(w);
    warm_watch(w);
}
