/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The seccomp filters of the sandboxes; see sandbox.h. The one file that includes libseccomp.
 *
 * Filters allow by list and answer EPERM to the rest, so that a C library that
 * tries something harmless and new is refused rather than killed. What each role
 * may call stands in the tables below; there is nothing else to read. The list, not the uid,
 * keeps processes apart: all run as one user, and none can trace, signal or open another.
 */
#include "net/sandbox_private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NEW_NAMESPACES                                                                                       \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |            \
     CLONE_NEWNET)
#define NOT_A_FORK (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | NEW_NAMESPACES)
#define THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)

#define ROLE(r) (1u << (r))
enum {
    ALL = ROLE(SANDBOX_SESSION) | ROLE(SANDBOX_GUARD) | ROLE(SANDBOX_MAILBOX) | ROLE(SANDBOX_RESOLVER) |
          ROLE(SANDBOX_SCHEDULER) | ROLE(SANDBOX_WAITING),
    ADDRESSES = ALL & ~ROLE(SANDBOX_MAILBOX), /* may send to others than the one a socket is connected to */
    FILES = ROLE(SANDBOX_GUARD) | ROLE(SANDBOX_MAILBOX) | ROLE(SANDBOX_SCHEDULER) |
            ROLE(SANDBOX_WAITING), /* use files below their paths */
    READS = FILES | ROLE(SANDBOX_RESOLVER),
    GUARD = ROLE(SANDBOX_GUARD) | ROLE(SANDBOX_SCHEDULER) | ROLE(SANDBOX_WAITING),
    MAILBOX = ROLE(SANDBOX_MAILBOX) | ROLE(SANDBOX_WAITING),
    NETWORK = ROLE(SANDBOX_RESOLVER) | ROLE(SANDBOX_SCHEDULER), /* a child may do no more than its parent */
    SCHEDULER = ROLE(SANDBOX_SCHEDULER),
    PARENT = ROLE(SANDBOX_SCHEDULER) | ROLE(SANDBOX_WAITING),
};

struct allowed {
    unsigned roles;
    int call;
};

#define S(name) SCMP_SYS(name)
static const struct allowed calls[] = {
    /* what one has */
    { ALL, S(read) }, { ALL, S(write) }, { ALL, S(readv) }, { ALL, S(writev) }, { ALL, S(pread64) },
    { ALL, S(pwrite64) }, { ALL, S(lseek) }, { ALL, S(close) }, { ALL, S(fstat) }, { ALL, S(recvfrom) },
    { ADDRESSES, S(sendto) }, { ALL, S(recvmsg) }, { ADDRESSES, S(sendmsg) }, { ALL, S(shutdown) },
    { ALL, S(poll) }, { ALL, S(ppoll) }, { ALL, S(copy_file_range) }, { ALL, S(close_range) },
    /* memory, time, random, exit */
    { ALL, S(brk) }, { ALL, S(munmap) }, { ALL, S(mremap) }, { ALL, S(madvise) }, { ALL, S(futex) },
    { ALL, S(clock_gettime) }, { ALL, S(gettimeofday) }, { ALL, S(time) }, { ALL, S(getrandom) },
    { ALL, S(getpid) }, { ALL, S(gettid) }, { ALL, S(exit) }, { ALL, S(exit_group) },
    { ALL, S(rt_sigreturn) },
    { ALL, S(rt_sigprocmask) }, { ALL, S(rt_sigaction) }, { ALL, S(sigaltstack) },
    { ALL, S(restart_syscall) },
    { ALL, S(sched_yield) }, { ALL, S(sysinfo) },
    /* files below one's paths (Landlock has the paths) */
    { READS, S(openat) }, { READS, S(openat2) }, { READS, S(newfstatat) }, { READS, S(statx) },
    { READS, S(stat) }, { READS, S(lstat) }, { READS, S(access) }, { READS, S(faccessat) },
    { READS, S(faccessat2) }, { READS, S(getdents64) }, { READS, S(readlink) }, { READS, S(readlinkat) },
    { READS, S(uname) }, { READS, S(getuid) }, { READS, S(geteuid) }, { READS, S(getgid) },
    { READS, S(getegid) }, { READS, S(getcwd) }, { READS, S(nanosleep) }, { READS, S(clock_nanosleep) },
    { READS, S(dup) }, { READS, S(fadvise64) }, { READS, S(sendfile) },
    { FILES, S(fsync) }, { FILES, S(fdatasync) }, { FILES, S(ftruncate) }, { FILES, S(fallocate) },
    { FILES, S(flock) }, { FILES, S(mkdir) }, { FILES, S(mkdirat) }, { FILES, S(unlink) },
    { FILES, S(unlinkat) }, { FILES, S(rmdir) }, { FILES, S(rename) }, { FILES, S(renameat) },
    { FILES, S(renameat2) }, { FILES, S(utimensat) }, { FILES, S(fchmod) }, { FILES, S(syncfs) },
    { FILES, S(sync_file_range) }, { FILES, S(pwritev) }, { FILES, S(preadv) }, { FILES, S(fstatfs) },
    { GUARD, S(link) }, { GUARD, S(linkat) },
    { MAILBOX, S(sched_getaffinity) },
    { MAILBOX, S(inotify_init1) }, { MAILBOX, S(inotify_add_watch) }, { MAILBOX, S(inotify_rm_watch) },
    /* processes of one's own: waiting for them, not making them */
    { FILES | NETWORK, S(wait4) }, { FILES | NETWORK, S(waitid) }, { FILES | NETWORK, S(set_robust_list) },
    { FILES | NETWORK, S(set_tid_address) }, { FILES | NETWORK, S(rseq) },
    /* a mailbox process enters a second Landlock layer once it knows its user */
    { MAILBOX, S(landlock_create_ruleset) }, { MAILBOX, S(landlock_add_rule) },
    { MAILBOX | PARENT, S(landlock_restrict_self) },
    /* children, and their way into their own sandboxes */
    { SCHEDULER, S(socketpair) },
    { PARENT, S(prlimit64) }, { PARENT, S(seccomp) }, { PARENT, S(getppid) },
    /* the network */
    { NETWORK, S(connect) }, { NETWORK, S(bind) }, { NETWORK, S(getsockname) }, { NETWORK, S(getpeername) },
    { NETWORK, S(setsockopt) }, { NETWORK, S(getsockopt) }, { NETWORK, S(recvmmsg) },
    { NETWORK, S(sendmmsg) },
    /* what libunbound's event loop makes for itself */
    { NETWORK, S(epoll_create1) }, { NETWORK, S(epoll_ctl) }, { NETWORK, S(epoll_wait) },
    { NETWORK, S(epoll_pwait) },
    { NETWORK, S(pipe2) },
#if SANITIZED
    { ALL, S(sched_getaffinity) }, { ALL, S(openat) }, { ALL, S(readlink) }, { ALL, S(mprotect) },
    { ALL, S(mmap) },
    { ALL, S(getuid) }, { ALL, S(geteuid) }, { ALL, S(prlimit64) }, { ALL, S(tgkill) }, { ALL, S(prctl) },
#endif
};

static const int file_controls[] = { F_GETFD, F_SETFD,  F_GETFL,      F_SETFL,      F_GETLK,
                                     F_SETLK, F_SETLKW, F_OFD_GETLK,  F_OFD_SETLK,  F_OFD_SETLKW,
                                     F_DUPFD_CLOEXEC };

static int allow_socket_families(scmp_filter_ctx ctx, enum sandbox_role role)
{
    static const unsigned families[] = { AF_INET, AF_INET6 };
    int err = 0;
    for (size_t i = 0; i < 2 && !err; i++)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, S(socket), 1, SCMP_A0(SCMP_CMP_EQ, families[i], 0));
    if (!err && role == SANDBOX_SCHEDULER) /* to who runs programs */
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, S(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
    return err;
}

/* fork(2), but no thread and no new namespace; and of prctl(2) what takes rights away. That it isn't dumpable
 * a child has from its parent. */
static int allow_children(scmp_filter_ctx ctx)
{
    static const unsigned options[] = { PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS };
    int err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, S(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, NOT_A_FORK, 0));
    for (size_t i = 0; i < 2 && !err; i++)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, S(prctl), 1, SCMP_A0(SCMP_CMP_EQ, options[i], 0));
    return err;
}

/* Threads of one's own process, and no other. clone3(2) hides its flags in memory: libc goes without it. */
static int allow_threads(scmp_filter_ctx ctx)
{
    int err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, S(clone), 1,
                               SCMP_A0(SCMP_CMP_MASKED_EQ, THREAD | NEW_NAMESPACES, THREAD));
    return err ? err : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), S(clone3), 0);
}

/* Calls that are allowed for some arguments only. */
static int add_conditional(scmp_filter_ctx ctx, enum sandbox_role role)
{
    int err = 0;
    if (!SANITIZED) {
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, S(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
        if (!err)
            err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, S(mprotect), 1,
                                   SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    }
    for (size_t i = 0; i < sizeof file_controls / sizeof file_controls[0] && !err; i++)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, S(fcntl), 1,
                               SCMP_A1(SCMP_CMP_EQ, (unsigned)file_controls[i], 0));
    if (!err && ROLE(role) & NETWORK)
        err = allow_socket_families(ctx, role);
    if (!err && ROLE(role) & MAILBOX)
        err = allow_threads(ctx);
    if (!err && ROLE(role) & FILES) /* how much of a log has not been read yet */
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, S(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, SIOCOUTQ, 0));
    if (!err && !(ROLE(role) & ADDRESSES)) /* it has one of datagrams, to the journal */
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, S(sendto), 1, SCMP_A4(SCMP_CMP_EQ, 0, 0));
    return err || !(ROLE(role) & PARENT) ? err : allow_children(ctx);
}

static int add_rules(scmp_filter_ctx ctx, enum sandbox_role role)
{
    int err = 0;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0] && !err; i++)
        if (calls[i].roles & ROLE(role))
            err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i].call, 0);
    return err ? err : add_conditional(ctx, role);
}

/* libseccomp writes a program only to a descriptor: through a memory file into memory. */
static bool read_program(int fd, struct sock_fprog *filter)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size <= 0 || st.st_size % (off_t)sizeof(struct sock_filter) != 0)
        return false;
    filter->filter = malloc((size_t)st.st_size);
    if (!filter->filter || pread(fd, filter->filter, (size_t)st.st_size, 0) != st.st_size)
        return false;
    filter->len = (unsigned short)((size_t)st.st_size / sizeof(struct sock_filter));
    return true;
}

static bool write_program(enum sandbox_role role, enum sandbox_order order, int fd)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    bool ok = ctx && seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, order) == 0 &&
              add_rules(ctx, role) == 0 && seccomp_export_bpf(ctx, fd) == 0;
    if (ctx)
        seccomp_release(ctx);
    return ok;
}

static bool write_apart(enum sandbox_role role, enum sandbox_order order, int fd)
{
    int how;
    pid_t pid = fork();
    if (pid == 0)
        _exit(write_program(role, order, fd) ? 0 : 1);
    return pid > 0 && waitpid(pid, &how, 0) == pid && how == 0;
}

static bool make_program(bool write(enum sandbox_role, enum sandbox_order, int), enum sandbox_role role,
                         enum sandbox_order order, struct sock_fprog *program)
{
    int fd = memfd_create("filter", MFD_CLOEXEC);
    bool ok = fd >= 0 && write(role, order, fd) && read_program(fd, program);
    if (fd >= 0)
        close(fd);
    return ok;
}

bool sandbox_program(enum sandbox_role role, enum sandbox_order order, struct sock_fprog *program)
{
    return make_program(write_program, role, order, program);
}

bool sandbox_program_apart(enum sandbox_role role, struct sock_fprog *program)
{
    return make_program(write_apart, role, SANDBOX_TREE, program);
}
