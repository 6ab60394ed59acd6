/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What inotify says of an opened mailbox's directories.
 *
 * Events come in the order of the changes and none is left out, or the kernel says so: then everything has to
 * be looked at. Names are only gathered here; what they mean is seen when the index is brought up to date,
 * for an event may be this process's own, another Postern's (the index explains both), or another program's.
 * The folder's own directory is watched for changes that only index and journal know of.
 */
#include "store/mailbox_private.h"
#include "base/files.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define MESSAGES (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR)
#define FOLDER (IN_MODIFY | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR)
#define TOUCHED_LIMIT 20000 /* with more a scan is quicker */
#define LONGEST ((ssize_t)(sizeof(struct inotify_event) + NAME_MAX + 1)) /* an event */

static int watch_directory(struct mailbox *box, int dir, uint32_t mask)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", dir);
    return dir < 0 ? -1 : inotify_add_watch(box->watch, path, mask);
}

void mailbox_watch(struct mailbox *box)
{
    struct mailbox_private *p = mailbox_private(box);
    p->new_watch = p->cur_watch = p->dir_watch = -1;
    box->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (box->watch < 0)
        return;
    p->new_watch = watch_directory(box, p->new_dir, MESSAGES);
    p->cur_watch = watch_directory(box, p->cur_dir, MESSAGES);
    p->dir_watch = watch_directory(box, p->dir, FOLDER);
    if (p->cur_watch >= 0 && p->dir_watch >= 0 && (p->new_watch >= 0 || p->new_dir < 0))
        return;
    file_close(box->watch);
    box->watch = -1;
}

static void add_touched(struct mailbox_private *p, const char *name, bool in_new, bool came)
{
    if (p->touched.count >= TOUCHED_LIMIT || !scan_add(&p->touched, name, in_new))
        p->events_lost = true;
    else
        p->touched.items[p->touched.count - 1].came = came;
}

static void take_event(struct mailbox_private *p, const struct inotify_event *e)
{
    bool in_new = e->wd == p->new_watch;
    if (e->mask & (IN_Q_OVERFLOW | IN_IGNORED | IN_UNMOUNT))
        p->events_lost = true;
    else if ((in_new || e->wd == p->cur_watch) && e->len && e->name[0] != '.' && !(e->mask & IN_ISDIR))
        add_touched(p, e->name, in_new, e->mask & (IN_CREATE | IN_MOVED_TO));
}

bool mailbox_drain(struct mailbox *box)
{
    struct mailbox_private *p = mailbox_private(box);
    _Alignas(struct inotify_event) char events[4096];
    bool any = false;
    ssize_t room = sizeof events, n = room;
    /* Where another event had room, there was none. */
    while (box->watch >= 0 && room - n < LONGEST && (n = read(box->watch, events, sizeof events)) > 0) {
        any = true;
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *e = (const void *)(events + at);
            take_event(p, e);
            at += (ssize_t)(sizeof *e + e->len);
        }
    }
    return any;
}

void mailbox_forget_events(struct mailbox *box)
{
    struct mailbox_private *p = mailbox_private(box);
    mailbox_drain(box);
    scan_clear(&p->touched);
    p->events_lost = false;
}
