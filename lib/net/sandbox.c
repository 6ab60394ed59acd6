/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sandbox of every process; see sandbox.h. What each may call: sandbox_filter.c.
 *
 * Considered and refused: killing on the first wrong call (a new libc would end connections); namespaces
 * (they cost a connection 33 ms); RLIMIT_NPROC (it counts a whole uid).
 */
#include "net/sandbox_private.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <linux/filter.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LANDLOCK_ABI_NEEDED 2
#define SESSION_SECONDS 3600 /* of processor time: some hundred gigabytes of TLS */

/* Rights that headers of Debian 12 don't name yet. */
#define ACCESS_FS_TRUNCATE (1ULL << 14)  /* ABI 3 */
#define ACCESS_FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */

#define LIMITS 4

struct limit {
    int what; /* RLIMIT_* */
    rlim_t most;
};

struct sandbox {
    enum sandbox_role role;
    enum sandbox_mode mode;
    struct sock_fprog filter;
    int landlock_abi; /* 0: not there */
    int rules;        /* a Landlock ruleset, or -1 */
    uint64_t memory_limit;
    bool ready; /* who made it ready has all of the following, and has done what sandbox_first() does */
    struct limit limits[LIMITS]; /* those that aren't as low already */
    size_t limit_count;
};

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

static rlim_t file_limit(enum sandbox_role role)
{
    switch (role) {
    case SANDBOX_SESSION:
        return 64;
    case SANDBOX_GUARD:
    case SANDBOX_SCHEDULER:
    case SANDBOX_WAITING:
        return 4096;
    default:
        return 512;
    }
}

static void add_limit(struct sandbox *box, int what, rlim_t most)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)what, &now) == 0 &&
        (now.rlim_max == RLIM_INFINITY || now.rlim_max > most))
        box->limits[box->limit_count++] = (struct limit){ what, most };
}

static void find_limits(struct sandbox *box)
{
    box->limit_count = 0;
    add_limit(box, RLIMIT_CORE, 0);
    add_limit(box, RLIMIT_NOFILE, file_limit(box->role));
    if (box->role == SANDBOX_SESSION)
        add_limit(box, RLIMIT_CPU, SESSION_SECONDS);
    if (box->memory_limit && !SANITIZED)
        add_limit(box, RLIMIT_DATA, box->memory_limit);
}

void sandbox_make_ready(struct sandbox *box)
{
    sandbox_first();
    if (box->mode == SANDBOX_NONE || box->filter.len || sandbox_program_apart(box->role, &box->filter)) {
        find_limits(box);
        box->ready = true;
    }
}

static bool enter_rules(int rules)
{
    return rules >= 0 && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
}

bool sandbox_enter_as_is(const struct sandbox *box)
{
    struct sandbox own = *box;
    if (!own.ready) {
        sandbox_first();
        sandbox_compile(&own);
        find_limits(&own);
    }
    if (own.mode == SANDBOX_NONE)
        return true;
    for (size_t i = 0; i < own.limit_count; i++) {
        struct rlimit less = { own.limits[i].most, own.limits[i].most };
        setrlimit((__rlimit_resource_t)own.limits[i].what, &less);
    }
    bool confined = enter_rules(own.rules);
    bool filtered = own.filter.len && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &own.filter) == 0;
    if (!box->filter.len)
        free(own.filter.filter);
    return (confined && filtered) || own.mode != SANDBOX_REQUIRE;
}

bool sandbox_enter(struct sandbox *box)
{
    bool entered = sandbox_enter_as_is(box);
    sandbox_leave(box);
    return entered;
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
        bytes_printf(error,
                     "%s belongs to root, and Postern doesn't run as root; give it to the user postern: "
                     "chown -R postern: %s",
                     spool, spool);
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
