/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sandbox of every process; see sandbox.h. The one file that includes libseccomp.
 *
 * Filters allow by list and answer EPERM to the rest, so that a C library that
 * tries something harmless and new is refused rather than killed. What each role
 * may call stands in the tables below; there is nothing else to read. The list, not the uid,
 * keeps processes apart: all run as one user, and none can trace, signal or open another.
 *
 * Considered and refused: killing on the first wrong call (a new libc would end connections); namespaces
 * (they cost a connection 33 ms); RLIMIT_NPROC (it counts a whole uid).
 */
#include "net/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef __has_feature /* clang's; gcc has a macro instead */
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SANITIZED 1 /* the sanitizer's own calls are allowed too, to report what it finds */
#else
#define SANITIZED 0
#endif

#define LANDLOCK_ABI_NEEDED 2
#define SESSION_SECONDS 3600 /* of processor time: some hundred gigabytes of TLS */
#define NEW_NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define NOT_A_FORK (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | NEW_NAMESPACES)
#define THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)

/* Rights that headers of Debian 12 don't name yet. */
#define ACCESS_FS_TRUNCATE (1ULL << 14)  /* ABI 3 */
#define ACCESS_FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */

struct sandbox {
    enum sandbox_role role;
    enum sandbox_mode mode;
    struct sock_fprog filter;
    int landlock_abi; /* 0: not there */
    int rules;        /* a Landlock ruleset, or -1 */
    uint64_t memory_limit;
};

/* --- seccomp: what each role may call */

#define ROLE(r) (1u << (r))
enum {
    ALL = ROLE(SANDBOX_SESSION) | ROLE(SANDBOX_GUARD) | ROLE(SANDBOX_MAILBOX) | ROLE(SANDBOX_RESOLVER) |
          ROLE(SANDBOX_SCHEDULER) | ROLE(SANDBOX_WAITING),
    ADDRESSES = ALL & ~ROLE(SANDBOX_MAILBOX), /* what they send may go elsewhere than where a socket is connected */
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
    { ADDRESSES, S(sendto) }, { ALL, S(recvmsg) }, { ADDRESSES, S(sendmsg) }, { ALL, S(shutdown) }, { ALL, S(poll) },
    { ALL, S(ppoll) }, { ALL, S(copy_file_range) }, { ALL, S(close_range) },
    /* memory, time, random, exit */
    { ALL, S(brk) }, { ALL, S(munmap) }, { ALL, S(mremap) }, { ALL, S(madvise) }, { ALL, S(futex) },
    { ALL, S(clock_gettime) }, { ALL, S(gettimeofday) }, { ALL, S(time) }, { ALL, S(getrandom) },
    { ALL, S(getpid) }, { ALL, S(gettid) }, { ALL, S(exit) }, { ALL, S(exit_group) }, { ALL, S(rt_sigreturn) },
    { ALL, S(rt_sigprocmask) }, { ALL, S(rt_sigaction) }, { ALL, S(sigaltstack) }, { ALL, S(restart_syscall) },
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
    { NETWORK, S(setsockopt) }, { NETWORK, S(getsockopt) }, { NETWORK, S(recvmmsg) }, { NETWORK, S(sendmmsg) },
    /* what libunbound's event loop makes for itself */
    { NETWORK, S(epoll_create1) }, { NETWORK, S(epoll_ctl) }, { NETWORK, S(epoll_wait) }, { NETWORK, S(epoll_pwait) },
    { NETWORK, S(pipe2) },
#if SANITIZED
    { ALL, S(sched_getaffinity) }, { ALL, S(openat) }, { ALL, S(readlink) }, { ALL, S(mprotect) }, { ALL, S(mmap) },
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

/* fork(2), but no thread and no new namespace; and of prctl(2) what takes rights away. That it isn't dumpable a child has
 * from its parent. */
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
            err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, S(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    }
    for (size_t i = 0; i < sizeof file_controls / sizeof file_controls[0] && !err; i++)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, S(fcntl), 1, SCMP_A1(SCMP_CMP_EQ, (unsigned)file_controls[i], 0));
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

bool sandbox_program(enum sandbox_role role, enum sandbox_order order, struct sock_fprog *program)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int fd = memfd_create("filter", MFD_CLOEXEC);
    bool ok = ctx && fd >= 0 && seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, order) == 0 &&
              add_rules(ctx, role) == 0 && seccomp_export_bpf(ctx, fd) == 0 && read_program(fd, program);
    if (ctx)
        seccomp_release(ctx);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* Whether the kernel knows them at all. */
static bool has_filters(void)
{
    uint32_t action = SECCOMP_RET_ERRNO;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

/* --- Landlock */

static uint64_t read_rights(void)
{
    return LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
}

static uint64_t write_rights(int abi)
{
    return LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
           LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER |
           (abi >= 3 ? ACCESS_FS_TRUNCATE : 0);
}

static uint64_t all_rights(int abi)
{
    return read_rights() | write_rights(abi) | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
           LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
           LANDLOCK_ACCESS_FS_MAKE_SYM | (abi >= 5 ? ACCESS_FS_IOCTL_DEV : 0);
}

/* Network rights (ABI 4) are left to seccomp, which gives sockets to nobody but the resolver. */
static bool add_path(int rules, int abi, const struct sandbox_path *p)
{
    struct stat st;
    int no_link = p->access & SANDBOX_NO_LINK ? O_NOFOLLOW : 0;
    struct landlock_path_beneath_attr rule = { .parent_fd = open(p->path, O_PATH | O_CLOEXEC | no_link) };
    if (rule.parent_fd < 0)
        return errno == ENOENT || errno == ENOTDIR;
    bool ok = fstat(rule.parent_fd, &st) == 0;
    if (ok && S_ISLNK(st.st_mode)) {
        close(rule.parent_fd);
        return true;
    }
    rule.allowed_access = (p->access & SANDBOX_READ ? read_rights() : 0) |
                          (p->access & SANDBOX_WRITE ? write_rights(abi) : 0);
    if (ok && !S_ISDIR(st.st_mode))
        rule.allowed_access &= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                               (abi >= 3 ? ACCESS_FS_TRUNCATE : 0);
    ok = ok && (rule.allowed_access == 0 ||
                syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0);
    close(rule.parent_fd);
    return ok;
}

static int make_rules(int abi, const struct sandbox_path *paths, size_t count)
{
    struct landlock_ruleset_attr attr = { .handled_access_fs = all_rights(abi) };
    int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    for (size_t i = 0; i < count && rules >= 0; i++)
        if (!add_path(rules, abi, &paths[i])) {
            close(rules);
            return -1;
        }
    return rules;
}

static int landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi < LANDLOCK_ABI_NEEDED ? 0 : (int)abi;
}

/* --- making and entering */

enum status sandbox_prepare(enum sandbox_role role, enum sandbox_mode mode, const struct sandbox_path *paths,
                            size_t count, uint64_t memory_limit, struct sandbox **out, struct bytes *error)
{
    struct sandbox *box = calloc(1, sizeof *box);
    if (!box) {
        bytes_add_str(error, "out of memory");
        return ST_TEMP;
    }
    *box = (struct sandbox){ .role = role, .mode = mode, .rules = -1, .memory_limit = memory_limit };
    *out = box;
    if (mode == SANDBOX_NONE)
        return ST_OK;
    box->landlock_abi = landlock_abi();
    if (box->landlock_abi)
        box->rules = make_rules(box->landlock_abi, paths, count);
    bool filters = has_filters();
    if (mode == SANDBOX_REQUIRE && (box->rules < 0 || !filters)) {
        bytes_printf(error, "the kernel has no %s; update it, or set `sandbox try` in postern.conf",
                     filters ? "Landlock (ABI 2 or later)" : "seccomp filters");
        sandbox_free(box);
        *out = NULL;
        return ST_PERM;
    }
    return ST_OK;
}

void sandbox_compile(struct sandbox *box)
{
    if (box->mode != SANDBOX_NONE && !box->filter.len)
        sandbox_program(box->role, SANDBOX_TREE, &box->filter);
}

void sandbox_leave(struct sandbox *box)
{
    if (box && box->rules >= 0) {
        close(box->rules);
        box->rules = -1;
    }
}

void sandbox_free(struct sandbox *box)
{
    if (!box)
        return;
    sandbox_leave(box);
    free(box->filter.filter);
    free(box);
}

static void limit(int what, rlim_t most)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)what, &now) == 0 && (now.rlim_max == RLIM_INFINITY || now.rlim_max > most)) {
        struct rlimit less = { most, most };
        setrlimit((__rlimit_resource_t)what, &less);
    }
}

static rlim_t file_limit(enum sandbox_role role)
{
    return role == SANDBOX_SESSION ? 64 : ROLE(role) & GUARD ? 4096 : 512;
}

static bool enter_rules(int rules)
{
    return rules >= 0 && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
}

bool sandbox_enter(struct sandbox *box)
{
    sandbox_first();
    if (box->mode == SANDBOX_NONE)
        return true;
    sandbox_compile(box);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NOFILE, file_limit(box->role));
    if (box->role == SANDBOX_SESSION)
        limit(RLIMIT_CPU, SESSION_SECONDS);
    if (box->memory_limit && !SANITIZED)
        limit(RLIMIT_DATA, box->memory_limit);
    bool confined = enter_rules(box->rules);
    sandbox_leave(box);
    bool filtered = box->filter.len && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &box->filter) == 0;
    return (confined && filtered) || box->mode != SANDBOX_REQUIRE;
}

bool sandbox_confine(const struct sandbox *box, const struct sandbox_path *paths, size_t count)
{
    if (box->mode == SANDBOX_NONE || !box->landlock_abi)
        return box->mode != SANDBOX_REQUIRE;
    int rules = make_rules(box->landlock_abi, paths, count);
    bool confined = enter_rules(rules);
    if (rules >= 0)
        close(rules);
    return confined || box->mode != SANDBOX_REQUIRE;
}

void sandbox_first(void)
{
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* --- root */

static bool no_way_back(void)
{
    return setuid(0) != 0 && seteuid(0) != 0 && setgid(0) != 0 && getuid() != 0 && geteuid() != 0;
}

enum status sandbox_drop_root(const char *spool, struct bytes *error)
{
    struct stat st;
    if (getuid() != 0 && geteuid() != 0)
        return ST_OK;
    if (stat(spool, &st) != 0) {
        bytes_printf(error, "%s: %s; `postern setup` makes it", spool, strerror(errno));
        return ST_TEMP;
    }
    if (st.st_uid == 0) {
        bytes_printf(error, "%s belongs to root, and Postern doesn't run as root; give it to the user postern: "
                            "chown -R postern: %s", spool, spool);
        return ST_PERM;
    }
    const struct passwd *user = getpwuid(st.st_uid);
    gid_t group = user ? user->pw_gid : st.st_gid;
    bool ok = (user ? initgroups(user->pw_name, group) : setgroups(0, NULL)) == 0 && setgid(group) == 0 &&
              setuid(st.st_uid) == 0 && no_way_back();
    if (!ok)
        bytes_printf(error, "could not become the owner of %s: %s", spool, strerror(errno));
    return ok ? ST_OK : ST_TEMP;
}
