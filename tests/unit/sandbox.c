/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From inside each role's sandbox: what must fail fails, what must work works. Each probe runs in a
 * child that has entered it. With SANDBOX=none in the environment, says so and checks nothing.
 */
#include "tap.h"

#include "net/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <unistd.h>

#define MANY_DESCRIPTORS 4096

static char dir[] = "/tmp/postern-sandbox-XXXXXX";
static char inside[64], outside[64], fifo[64], hard[64], moved[64], sub[64];
static pid_t bystander; /* of the same user, dumpable: what an attacker would like to open */

/* Each returns true if the attempt succeeded. */
static bool open_outside(void) { return open("/etc/passwd", O_RDONLY) >= 0 || open(outside, O_RDONLY) >= 0; }
static bool open_inside(void) { return open(inside, O_RDWR) >= 0; }
static bool create_inside(void) { return close(open(moved, O_CREAT | O_EXCL | O_WRONLY, 0600)) == 0 && unlink(moved) == 0; }
static bool rename_between(void)
{
    int fd = open(moved, O_CREAT | O_WRONLY, 0600);
    return fd >= 0 && rename(moved, sub) == 0 && unlink(sub) == 0;
}
static bool make_unix_socket(void) { return socket(AF_UNIX, SOCK_STREAM, 0) >= 0; }
static bool make_inet_socket(void) { return socket(AF_INET, SOCK_DGRAM, 0) >= 0; }
static bool make_raw_socket(void) { return socket(AF_NETLINK, SOCK_RAW, 0) >= 0 || socket(AF_PACKET, SOCK_RAW, 0) >= 0; }
static bool connect_out(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    return connect(3, (struct sockaddr *)&to, sizeof to) == 0 || errno != EPERM; /* the filter let it through */
}
static bool make_event_loop(void)
{
    int pair[2];
    return syscall(SYS_epoll_create1, 0) >= 0 || syscall(SYS_pipe2, pair, 0) == 0;
}
static bool execute(void)
{
    char *argv[] = { (char[]){ "true" }, NULL };
    execv("/bin/true", argv);
    return errno != EPERM && errno != EACCES;
}
static bool signal_other(void) { return kill(bystander, SIGTERM) == 0 || syscall(SYS_tgkill, bystander, bystander, SIGTERM) == 0; }
static bool trace_other(void) { return ptrace(PTRACE_ATTACH, bystander, 0, 0) == 0; }
static bool open_memory(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)bystander);
    return open(path, O_RDWR) >= 0 || syscall(SYS_process_vm_readv, bystander, NULL, 0, NULL, 0, 0) == 0 ||
           syscall(SYS_pidfd_open, bystander, 0) >= 0;
}
static bool open_own_memory(void) { return open("/proc/self/mem", O_RDWR) >= 0; }
static bool make_process(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid > 0;
}
static bool make_fifo(void) { return mkfifo(fifo, 0600) == 0; }
static bool make_link(void) { return link(inside, hard) == 0; }
static bool make_symlink(void) { return symlink("/etc/passwd", hard) == 0; }
static bool change_mode(void) { return chmod(inside, 0777) == 0; }
static bool become_dumpable(void) { return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0; }
static bool executable_memory(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}
static bool use_memory(void) { return mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED; }
static bool too_much_memory(void)
{
    return mmap(NULL, 1 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}
static bool watch_inside(void) { int fd = inotify_init1(0); return fd >= 0 && inotify_add_watch(fd, dir, IN_CREATE) >= 0; }
static bool use_new_namespace(void) { return syscall(SYS_unshare, 0x10000000) == 0; }
static bool clone_new_namespace(void)
{
    long pid = syscall(SYS_clone, 0x10000000 | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    return pid > 0 || syscall(SYS_clone3, NULL, 0) == 0 || (errno != EPERM && errno != ENOSYS);
}
static bool use_bpf(void) { return syscall(SYS_bpf, 0, NULL, 0) == 0 || (errno != EPERM && errno != ENOSYS); }
static int datagrams; /* a socket, connected: as to the journal */
static bool send_there(void) { return send(datagrams, "x", 1, MSG_DONTWAIT) == 1; }
static bool send_elsewhere(void)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    snprintf(to.sun_path, sizeof to.sun_path, "%s/elsewhere", dir);
    struct iovec part = { (char[]){ "x" }, 1 };
    struct msghdr h = { .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &part, .msg_iovlen = 1 };
    return sendto(datagrams, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to) == 1 ||
           sendmsg(datagrams, &h, MSG_DONTWAIT) == 1;
}
static bool ask_what_waits(void) { int n; return ioctl(datagrams, SIOCOUTQ, &n) == 0; }
static int bound(const char *name)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    snprintf(to.sun_path, sizeof to.sun_path, "%s/%s", dir, name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    unlink(to.sun_path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof to) != 0)
        abort();
    return fd;
}
/* One to send with, and two who hear, which stay open. */
static void make_datagrams(void)
{
    struct sockaddr_un to;
    socklen_t size = sizeof to;
    datagrams = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bound("elsewhere");
    if (getsockname(bound("there"), (struct sockaddr *)&to, &size) != 0 ||
        connect(datagrams, (struct sockaddr *)&to, size) != 0)
        abort();
}
static bool type_into_terminal(void) { return syscall(SYS_ioctl, 0, 0x5412, "x") == 0 || errno != EPERM; }

static bool have_many_descriptors(void) { return fcntl(0, F_DUPFD_CLOEXEC, MANY_DESCRIPTORS) >= 0; }

#define SESSION (1 << SANDBOX_SESSION)
#define GUARD (1 << SANDBOX_GUARD)
#define MAILBOX (1 << SANDBOX_MAILBOX)
#define RESOLVER (1 << SANDBOX_RESOLVER)
#define SCHEDULER (1 << SANDBOX_SCHEDULER)
#define WAITING (1 << SANDBOX_WAITING)

static const struct probe {
    const char *name;
    bool (*attempt)(void);
    int works_in; /* fails in all other roles */
} probes[] = {
    { "open a file outside", open_outside, 0 },
    { "open a file inside its paths", open_inside, GUARD | MAILBOX | SCHEDULER | WAITING },
    { "create a file inside", create_inside, GUARD | MAILBOX | SCHEDULER | WAITING },
    { "rename between folders inside", rename_between, GUARD | MAILBOX | SCHEDULER | WAITING },
    { "socket (unix)", make_unix_socket, SCHEDULER },
    { "socket (inet)", make_inet_socket, RESOLVER | SCHEDULER },
    { "socket (netlink, packet)", make_raw_socket, 0 },
    { "connect", connect_out, RESOLVER | SCHEDULER },
    { "make an event loop", make_event_loop, RESOLVER | SCHEDULER },
    { "execve", execute, 0 },
    { "kill another process of the same user", signal_other, 0 },
    { "ptrace it", trace_other, 0 },
    { "open its memory", open_memory, 0 },
    { "open one's own memory", open_own_memory, 0 },
    { "fork", make_process, SCHEDULER | WAITING },
    { "make a FIFO", make_fifo, 0 },
    { "make a hard link", make_link, GUARD | SCHEDULER | WAITING },
    { "make a symbolic link", make_symlink, 0 },
    { "chmod", change_mode, 0 },
    { "become dumpable", become_dumpable, 0 },
    { "get executable memory", executable_memory, 0 },
    { "get memory", use_memory, SESSION | GUARD | MAILBOX | RESOLVER | SCHEDULER | WAITING },
    { "get more memory than its limit", too_much_memory, 0 },
    { "have more descriptors than its limit", have_many_descriptors, 0 },
    { "watch a folder", watch_inside, MAILBOX | WAITING },
    { "make a namespace", use_new_namespace, 0 },
    { "make a namespace by clone", clone_new_namespace, 0 },
    { "use bpf", use_bpf, 0 },
    { "type into a terminal", type_into_terminal, 0 },
    { "ask what a socket has still to send", ask_what_waits, GUARD | MAILBOX | SCHEDULER | WAITING },
    { "send where a socket is connected", send_there, SESSION | GUARD | MAILBOX | RESOLVER | SCHEDULER | WAITING },
    { "send elsewhere by it", send_elsewhere, SESSION | GUARD | RESOLVER | SCHEDULER | WAITING },
};

static const char *const role_names[] = { "session", "guard", "mailbox", "resolver", "scheduler", "waiting" };

/* 1 the attempt worked, 0 it failed, 2 the sandbox could not be entered. */
static int attempt(struct sandbox *box, const struct probe *p, bool as_is)
{
    int how;
    pid_t pid = fork();
    if (pid == 0)
        _exit((as_is ? sandbox_enter_as_is(box) : sandbox_enter(box)) ? p->attempt() : 2);
    waitpid(pid, &how, 0);
    return WIFEXITED(how) ? WEXITSTATUS(how) : 3;
}

/* `ready`: made so before, as by a warm listener. */
static void probe_role(enum sandbox_role role, bool ready)
{
    struct sandbox_path path = { dir, SANDBOX_READ | SANDBOX_WRITE };
    struct sandbox *box;
    struct bytes error;
    bytes_init(&error, 1024);
    bool files = (1 << role) & (GUARD | MAILBOX | SCHEDULER | WAITING);
    if (!ok(sandbox_prepare(role, SANDBOX_REQUIRE, &path, files, 256 << 20, &box, &error) == ST_OK,
            "%s: prepared%s %s", role_names[role], ready ? ", and made ready" : "", bytes_str(&error)))
        return;
    if (ready)
        sandbox_make_ready(box);
    for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++) {
        bool works = probes[i].works_in & 1 << role;
        int got = attempt(box, &probes[i], ready);
        ok(got == works, "%s: %s %s (%d)", role_names[role], probes[i].name, works ? "works" : "fails", got);
        unlink(hard);
        unlink(fifo);
    }
    sandbox_free(box);
    bytes_free(&error);
}

/* After login: only one user's folder, though all were in reach before. */
static void confine(void)
{
    struct sandbox_path all = { dir, SANDBOX_READ | SANDBOX_WRITE }, own = { NULL, SANDBOX_READ | SANDBOX_WRITE };
    struct sandbox *box;
    struct bytes error;
    char mine[64], theirs[64], file[128];
    bytes_init(&error, 1024);
    snprintf(mine, sizeof mine, "%s/mine", dir);
    snprintf(theirs, sizeof theirs, "%s/theirs", dir);
    snprintf(file, sizeof file, "%s/mail", mine);
    mkdir(mine, 0700);
    mkdir(theirs, 0700);
    own.path = mine;
    sandbox_prepare(SANDBOX_MAILBOX, SANDBOX_REQUIRE, &all, 1, 0, &box, &error);
    int how;
    pid_t pid = fork();
    if (pid == 0) {
        if (!sandbox_enter(box) || !sandbox_confine(box, &own, 1))
            _exit(10);
        _exit((open(file, O_CREAT | O_RDWR, 0600) < 0) | (open(theirs, O_RDONLY) >= 0) << 1 | (open(inside, O_RDONLY) >= 0) << 2);
    }
    waitpid(pid, &how, 0);
    ok(WIFEXITED(how) && WEXITSTATUS(how) == 0, "a confined mailbox process reaches its user's mail and nobody else's (%x)", how);
    unlink(file);
    rmdir(mine);
    rmdir(theirs);
    sandbox_free(box);
    bytes_free(&error);
}

/* 0 if, in `box`, it is as narrow as a guard or a mailbox process, and can do that one's work. */
static int narrowed(struct sandbox *box, bool guard)
{
    bool wrong[] = { !sandbox_enter(box), make_process(), !create_inside(), make_link() != guard,
                     watch_inside() == guard, become_dumpable(), too_much_memory() };
    int bits = 0;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        bits |= wrong[i] << i;
    return bits;
}

/* Who waits becomes the mailbox process and makes the guard, and neither keeps what it took. */
static void become(void)
{
    static const enum sandbox_role roles[] = { SANDBOX_WAITING, SANDBOX_GUARD, SANDBOX_MAILBOX };
    struct sandbox_path path = { dir, SANDBOX_READ | SANDBOX_WRITE };
    struct sandbox *boxes[3];
    struct bytes error;
    int how;
    bytes_init(&error, 1024);
    for (size_t i = 0; i < 3; i++)
        if (sandbox_prepare(roles[i], SANDBOX_REQUIRE, &path, 1, 256 << 20, &boxes[i], &error) == ST_OK)
            sandbox_compile(boxes[i]);
        else
            abort();
    pid_t pid = fork();
    if (pid == 0) {
        if (!sandbox_enter(boxes[0]))
            _exit(128);
        pid_t guard = fork();
        if (guard == 0)
            _exit(narrowed(boxes[1], true));
        if (guard < 0 || waitpid(guard, &how, 0) != guard || how != 0)
            _exit(129);
        unlink(hard);
        _exit(narrowed(boxes[2], false));
    }
    waitpid(pid, &how, 0);
    ok(how == 0, "one that waits makes a guard and becomes a mailbox process, each in its own sandbox (%x)", how);
    unlink(hard);
    for (size_t i = 0; i < 3; i++)
        sandbox_free(boxes[i]);
    bytes_free(&error);
}

/* So that a sandbox's is lower, where we may. */
static void raise_limit(void)
{
    struct rlimit most;
    if (getrlimit(RLIMIT_NOFILE, &most) == 0 && most.rlim_cur < most.rlim_max) {
        most.rlim_cur = most.rlim_max;
        setrlimit(RLIMIT_NOFILE, &most);
    }
}

static void make_places(void)
{
    if (!mkdtemp(dir))
        abort();
    snprintf(inside, sizeof inside, "%s/inside", dir);
    snprintf(outside, sizeof outside, "%s.outside", dir);
    snprintf(fifo, sizeof fifo, "%s/fifo", dir);
    snprintf(hard, sizeof hard, "%s/hard", dir);
    snprintf(moved, sizeof moved, "%s/moved", dir);
    snprintf(sub, sizeof sub, "%s/sub", dir);
    mkdir(sub, 0700);
    snprintf(sub, sizeof sub, "%s/sub/moved", dir);
    close(open(inside, O_CREAT | O_WRONLY, 0600));
    close(open(outside, O_CREAT | O_WRONLY, 0600));
}

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SANITIZED 1 /* the filter then has what the sanitizer calls, too */
#else
#define SANITIZED 0
#endif

int main(void)
{
    const char *without = getenv("SANDBOX");
    if (SANITIZED) {
        printf("1..0 # SKIP a sanitizer's calls are allowed in this build\n");
        return 0;
    }
    if (without && strcmp(without, "none") == 0) {
        printf("1..0 # SKIP told SANDBOX=none\n");
        return 0;
    }
    make_places();
    make_datagrams();
    bystander = fork();
    if (bystander == 0)
        for (;;)
            pause();
    raise_limit();
    for (enum sandbox_role role = 0; role < SANDBOX_ROLES; role++)
        probe_role(role, false);
    make_datagrams(); /* nobody has read the others */
    for (enum sandbox_role role = 0; role < SANDBOX_ROLES; role++) /* these after those: it does to us what sandbox_first() does */
        probe_role(role, true);
    confine();
    become();
    ok(kill(bystander, 0) == 0 && waitpid(bystander, NULL, WNOHANG) == 0, "the bystander lived through all of it");
    kill(bystander, SIGKILL);
    waitpid(bystander, NULL, 0);
    unlink(inside);
    unlink(outside);
    snprintf(sub, sizeof sub, "%s/there", dir);
    unlink(sub);
    snprintf(sub, sizeof sub, "%s/elsewhere", dir);
    unlink(sub);
    snprintf(sub, sizeof sub, "%s/sub", dir);
    rmdir(sub);
    rmdir(dir);
    return done_testing();
}
