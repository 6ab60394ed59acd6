/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern doctor: who listens, and whether mail can leave.
 *
 * systemd is asked through systemctl(1), where it is and has units of ours; who else listens is read from
 * /proc/net and the descriptors of processes, which as another user than root only tells of one's own. What
 * can't be seen is no finding.
 */
#include "doctor.h"
#include "base/files.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNITS_LIMIT ((size_t)1 << 20)
#define CONNECT_MS 10000
#define LISTENERS 64

/* --- units --- */

/* What systemctl says of our units, or of their files. False: it isn't there, or there is no systemd. */
static bool ask_systemctl(const char *what, struct bytes *text)
{
    int ends[2], how = 0;
    char buffer[4096];
    ssize_t n;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(ends[1], STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execlp("systemctl", "systemctl", what, "--all", "--plain", "--no-legend", "--no-pager", "postern*",
               (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    while (pid > 0 && (n = read(ends[0], buffer, sizeof buffer)) > 0)
        bytes_add(text, buffer, (size_t)n);
    close(ends[0]);
    return pid > 0 && waitpid(pid, &how, 0) == pid && how == 0;
}

/* The next word of a line. */
static struct span word(struct span *line)
{
    struct span w;
    *line = span_trim(*line);
    size_t n = span_find(*line, ' ');
    w = span_head(*line, n);
    *line = span_from(*line, n);
    return w;
}

/* Is the unit's word in column `column` (0 is its name) this one? */
static bool unit_is(struct span units, const char *name, int column, const char *state)
{
    struct span line;
    while (span_cut(&units, '\n', &line)) {
        if (!span_eq_str(word(&line), name))
            continue;
        for (int i = 1; i < column; i++)
            word(&line);
        return span_eq_str(word(&line), state);
    }
    return false;
}

static void tell_failed(struct doctor *d, struct span units)
{
    struct span line;
    while (span_cut(&units, '\n', &line)) {
        struct span name = word(&line);
        word(&line);
        if (span_eq_str(word(&line), "failed"))
            doctor_found(d, "journalctl -u says why; systemctl reset-failed when it is mended",
                         "%.*s has failed", SPAN_FMT(name));
    }
}

/* Of each pair one is enough. */
static const struct wanted {
    const char *unit, *warm, *loss;
    enum severity severity;
} wanted[] = {
    { "postern-smtp.socket", "postern-smtp-warm.socket", "no mail comes in", SEVERITY_ERROR },
    { "postern-qrun.timer", "postern-qrun.timer", "mail that waits isn't tried again", SEVERITY_ERROR },
    { "postern-qrun.socket", "postern-qrun.socket", "mail leaves late", SEVERITY_WARNING },
    { "postern-submissions.socket", "postern-submissions-warm.socket", "mail programs can't send on port 465",
      SEVERITY_WARNING },
    { "postern-imaps.socket", "postern-imaps-warm.socket", "mail programs can't read on port 993",
      SEVERITY_WARNING },
    { "postern-submit.socket", "postern-submit.socket", "mail of this machine's programs isn't taken",
      SEVERITY_WARNING },
};

static void check_unit(struct doctor *d, const struct wanted *w, struct span units, struct span files)
{
    bool cold = unit_is(units, w->unit, 2, "active"), warm = unit_is(units, w->warm, 2, "active");
    const char *open = cold ? w->unit : w->warm;
    if (!cold && !warm)
        doctor_found_as(d, w->severity, "systemctl enable --now postern.target opens what most servers want",
                        "%s isn't active: %s", w->unit, w->loss);
    else if (!unit_is(files, open, 1, "enabled"))
        doctor_found_as(d, SEVERITY_WARNING, "systemctl enable it",
                        "%s isn't enabled: when the machine starts anew, %s", open, w->loss);
}

void doctor_units(struct doctor *d)
{
    struct bytes units, files;
    bytes_init(&units, UNITS_LIMIT);
    bytes_init(&files, UNITS_LIMIT);
    if (ask_systemctl("list-unit-files", &files) && files.len && ask_systemctl("list-units", &units)) {
        tell_failed(d, span_bytes(&units));
        for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
            check_unit(d, &wanted[i], span_bytes(&units), span_bytes(&files));
    }
    bytes_free(&files);
    bytes_free(&units);
}

/* --- who listens --- */

struct listener {
    unsigned port;
    uint64_t inode;
    char program[256]; /* "": who it is can't be seen */
};

static const unsigned our_ports[] = { 25, 465, 587, 143, 993, 110, 995 };

static bool is_our_port(unsigned port)
{
    for (size_t i = 0; i < sizeof our_ports / sizeof our_ports[0]; i++)
        if (our_ports[i] == port)
            return true;
    return false;
}

/* The lines of net/tcp or net/tcp6 in state 0A, LISTEN. */
static void read_listeners(const char *proc, const char *file, struct listener *list, size_t *count)
{
    char path[PATH_MAX], line[512];
    unsigned port, state;
    uint64_t inode;
    snprintf(path, sizeof path, "%s/net/%s", proc, file);
    FILE *f = fopen(path, "re");
    while (f && *count < LISTENERS && fgets(line, sizeof line, f))
        if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*u %" SCNu64, &port,
                   &state, &inode) == 3 &&
            state == 0x0a && is_our_port(port))
            list[(*count)++] = (struct listener){ port, inode, "" };
    if (f)
        fclose(f);
}

static bool read_link(char *to, size_t size, const char *proc, const char *pid, const char *name)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s/%s", proc, pid, name) >= (int)sizeof path)
        return false;
    ssize_t n = readlink(path, to, size - 1);
    to[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* Which of them does this process hold? */
static void see_process(const char *proc, const char *pid, struct listener *list, size_t count)
{
    char path[PATH_MAX], target[PATH_MAX], name[300];
    uint64_t inode;
    snprintf(path, sizeof path, "%s/%s/fd", proc, pid);
    DIR *fds = opendir(path);
    for (struct dirent *e; fds && (e = readdir(fds));) {
        snprintf(name, sizeof name, "fd/%s", e->d_name);
        if (!read_link(target, sizeof target, proc, pid, name) ||
            sscanf(target, "socket:[%" SCNu64 "]", &inode) != 1)
            continue;
        for (size_t i = 0; i < count; i++)
            if (list[i].inode == inode && !list[i].program[0] &&
                read_link(target, sizeof target, proc, pid, "exe"))
                snprintf(list[i].program, sizeof list[i].program, "%.255s", target);
    }
    if (fds)
        closedir(fds);
}

/* systemd and those that start a handler for each connection; and our own handlers, from where this program
 * is. */
static bool is_starter(const char *program)
{
    static const char *const starters[] = { "systemd",   "systemd-socket-activate", "inetd", "xinetd",
                                            "tcpserver", "inetutils-inetd" };
    static const char *const handlers[] = { "smtpd", "imapd", "pop3d" };
    char self[PATH_MAX];
    const char *base = strrchr(program, '/') ? strrchr(program, '/') + 1 : program;
    for (size_t i = 0; i < sizeof starters / sizeof starters[0]; i++)
        if (strcmp(base, starters[i]) == 0)
            return true;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    size_t folder = slash ? (size_t)(slash - self) : 0;
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (strcmp(base, handlers[i]) == 0)
            return strstr(program, "/libexec/postern/") || (folder && strncmp(program, self, folder) == 0);
    return false;
}

bool doctor_listens(const struct doctor *d, unsigned port)
{
    struct listener list[LISTENERS];
    size_t count = 0;
    bool found = false;
    read_listeners(d->proc, "tcp", list, &count);
    read_listeners(d->proc, "tcp6", list, &count);
    for (size_t i = 0; i < count; i++)
        found = found || list[i].port == port;
    return found;
}

void doctor_ports(struct doctor *d)
{
    struct listener list[LISTENERS];
    size_t count = 0;
    read_listeners(d->proc, "tcp", list, &count);
    read_listeners(d->proc, "tcp6", list, &count);
    DIR *all = count ? opendir(d->proc) : NULL;
    for (struct dirent *e; all && (e = readdir(all));)
        if (isdigit((unsigned char)e->d_name[0]))
            see_process(d->proc, e->d_name, list, count);
    if (all)
        closedir(all);
    for (size_t i = 0; i < count; i++)
        if (list[i].program[0] && !is_starter(list[i].program))
            doctor_found(d, "stop and disable it: only one can have the port", "port %u is held by %s",
                         list[i].port, list[i].program);
}

/* --- out --- */

static bool has_route_for_all(struct doctor *d)
{
    struct bytes text;
    struct span rest, line;
    bool all = false;
    bool read = edit_read(d->a, TABLE_ROUTES, &text) == 0;
    for (rest = span_bytes(&text); read && edit_next(&rest, &line);)
        all = all || span_eq_str(tables_first_word(line), "*");
    bytes_free(&text);
    return all;
}

int doctor_connect(const struct in6_addr *address, uint64_t port)
{
    struct sockaddr_in6 to = { .sin6_family = AF_INET6,
                               .sin6_addr = *address,
                               .sin6_port = htons((uint16_t)port) };
    struct pollfd p = { .fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
                        .events = POLLOUT };
    int failed = 0;
    socklen_t size = sizeof failed;
    if (p.fd < 0)
        return -1;
    if (connect(p.fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
        failed = errno;
    else if (poll(&p, 1, CONNECT_MS) != 1)
        failed = ETIMEDOUT;
    else
        getsockopt(p.fd, SOL_SOCKET, SO_ERROR, &failed, &size);
    if (failed == 0)
        return p.fd;
    close(p.fd);
    errno = failed;
    return -1;
}

/* The greeting of a server: "220 ...". errno where there is none. */
static bool greets(const struct in6_addr *address, uint64_t port)
{
    char text[4] = "";
    struct pollfd p = { .fd = doctor_connect(address, port), .events = POLLIN };
    if (p.fd < 0)
        return false;
    bool ok = poll(&p, 1, CONNECT_MS) == 1 && read(p.fd, text, 3) == 3 && strcmp(text, "220") == 0;
    close(p.fd);
    errno = ok ? 0 : EPROTO;
    return ok;
}

void doctor_port_out(struct doctor *d)
{
    struct dns_answer answer;
    if (!d->asks || has_route_for_all(d))
        return;
    enum status st = dns_ask(&d->resolver, d->outside, DNS_A, &answer);
    if (st != ST_OK)
        doctor_found_as(d, SEVERITY_WARNING, "try another: --outside HOST",
                        "%s has no address now, so port 25 wasn't tried", d->outside);
    else if (!greets(&answer.records[0].address, d->a->s.smtp_port))
        doctor_found(d,
                     "ask your provider to open it, or send by another server: postern route add '*' "
                     "smtp:[HOST]:587 auth",
                     "port %" PRIu64 " of %s can't be reached: %s", d->a->s.smtp_port, d->outside,
                     strerror(errno));
    dns_answer_free(&answer);
}
