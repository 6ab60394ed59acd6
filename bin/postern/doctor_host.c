/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern doctor: the machine. Its kernel, its disks, its clock.
 */
#include "doctor.h"
#include "base/files.h"
#include "net/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>

#define INSTANCES 1024 /* IMAP's IDLE takes one a connection */
#define SESSION_MEMORY ((uint64_t)1 << 30)
#define MIB ((uint64_t)1 << 20)
/* Room that is little, and none: in hundredths of the disk, and below so many MiB. */
enum { ROOM_LITTLE = 10, ROOM_LITTLE_MIB = 5120, ROOM_NONE = 2, ROOM_NONE_MIB = 64 };

void doctor_sandbox(struct doctor *d)
{
    struct sandbox *box = NULL;
    struct bytes error;
    enum sandbox_mode mode = d->a->s.sandbox;
    bytes_init(&error, 4096);
    enum status st = sandbox_prepare(SANDBOX_SESSION, SANDBOX_REQUIRE, NULL, 0, SESSION_MEMORY, &box, &error);
    if (st == ST_OK)
        sandbox_free(box);
    if (st != ST_OK)
        doctor_found_as(d, mode == SANDBOX_REQUIRE ? d->severity : SEVERITY_WARNING,
                        "run a kernel with Landlock and seccomp, such as Debian 12's", "%s",
                        bytes_str(&error));
    else if (mode != SANDBOX_REQUIRE)
        doctor_found_as(
            d, SEVERITY_WARNING, "remove it from the settings: this kernel has all that is needed",
            "sandbox %s: connections may run outside of the sandbox", mode == SANDBOX_TRY ? "try" : "none");
    bytes_free(&error);
}

void doctor_inotify(struct doctor *d)
{
    char path[PATH_MAX];
    struct bytes text;
    uint64_t instances;
    bytes_init(&text, 64);
    snprintf(path, sizeof path, "%s/sys/fs/inotify/max_user_instances", d->proc);
    if (file_read(AT_FDCWD, path, &text) != ST_OK)
        doctor_found(d, "run a kernel with inotify", "%s: %s: IMAP's IDLE tells late of new mail", path,
                     strerror(errno));
    else if (span_u64(span_trim(span_bytes(&text)), UINT64_MAX, &instances) && instances < INSTANCES)
        doctor_found(d, "sysctl --system reads the file that Postern installed for it",
                     "fs.inotify.max_user_instances is %" PRIu64
                     ", %d would do: IMAP's IDLE tells late of new mail",
                     instances, INSTANCES);
    bytes_free(&text);
}

/* --- disks --- */

static bool place(const struct doctor *d, int which, struct bytes *path)
{
    bytes_clear(path);
    switch (which) {
    case 0:
        return settings_mail_root(&d->a->s, path);
    case 1:
        return bytes_add_str(path, d->a->s.spool);
    default:
        return false;
    }
}

/* What is left of `all`: nothing is told of it, little, or none. */
static void tell(struct doctor *d, const char *path, const char *what, uint64_t left, uint64_t all,
                 bool little, bool none)
{
    if (!little && !none)
        return;
    doctor_found_as(d, none ? SEVERITY_ERROR : d->severity,
                    none ? "make room, or mail is refused" : "make room before mail is refused",
                    "%s: %" PRIu64 " %s of %" PRIu64 " are left", path, left, what, all);
}

static void each_disk(struct doctor *d,
                      void (*look)(struct doctor *d, const char *path, const struct statvfs *v))
{
    struct bytes path;
    struct statvfs v;
    struct stat info;
    dev_t seen = 0;
    bytes_init(&path, PATH_MAX);
    for (int i = 0; place(d, i, &path); i++) {
        if (stat(bytes_str(&path), &info) != 0 || statvfs(bytes_str(&path), &v) != 0)
            doctor_found_as(d, SEVERITY_ERROR, "postern setup makes it again", "%s: %s", bytes_str(&path),
                            strerror(errno));
        else if (i == 0 || info.st_dev != seen)
            look(d, bytes_str(&path), &v);
        seen = info.st_dev;
    }
    bytes_free(&path);
}

static void look_bytes(struct doctor *d, const char *path, const struct statvfs *v)
{
    uint64_t left = v->f_bavail * v->f_frsize, all = v->f_blocks * v->f_frsize;
    tell(d, path, "MiB", left / MIB, all / MIB,
         left < all / 100 * ROOM_LITTLE && left / MIB < ROOM_LITTLE_MIB,
         left < all / 100 * ROOM_NONE || left / MIB < ROOM_NONE_MIB);
}

static void look_inodes(struct doctor *d, const char *path, const struct statvfs *v)
{
    if (v->f_files) /* some file systems have no such limit */
        tell(d, path, "inodes", v->f_favail, v->f_files, v->f_favail < v->f_files / 100 * ROOM_LITTLE,
             v->f_favail < v->f_files / 100 * ROOM_NONE || v->f_favail < 100);
}

void doctor_disk(struct doctor *d)
{
    each_disk(d, look_bytes);
}

void doctor_inodes(struct doctor *d)
{
    each_disk(d, look_inodes);
}

/* --- the clock --- */

void doctor_clock(struct doctor *d)
{
    struct timex t = { .modes = 0 };
    int state = adjtimex(&t);
    if (state < 0)
        doctor_found_as(d, SEVERITY_NOTE, "look yourself: timedatectl",
                        "the kernel doesn't tell about its clock: %s", strerror(errno));
    else if (state == TIME_ERROR || t.status & STA_UNSYNC)
        doctor_found(
            d, "timedatectl set-ntp true, or install chrony",
            "nothing keeps the clock right: certificates, signatures and one-time logins depend on it");
}
