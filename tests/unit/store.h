/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the tests of Maildir, folders and mailbox share: a scratch directory, files put into it as another
 * program would, and a look at what is there.
 */
#ifndef POSTERN_TESTS_STORE_H
#define POSTERN_TESTS_STORE_H

#include "tap.h"

#include "store/mailbox.h"
#include "store/maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

static char scratch[64];

static int scratch_remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st, (void)type, (void)walk;
    return remove(path), 0;
}

UNUSED static void scratch_remove(void)
{
    nftw(scratch, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Makes the scratch directory and goes there. */
UNUSED static void scratch_make(const char *name)
{
    snprintf(scratch, sizeof scratch, "/tmp/postern-%s-XXXXXX", name);
    if (!mkdtemp(scratch) || chdir(scratch) != 0)
        abort();
}

/* A path, as with printf; overwritten by the sixteenth call after this. */
__attribute__((format(printf, 1, 2))) UNUSED static const char *at(const char *format, ...)
{
    static char paths[16][1200];
    static int next;
    va_list ap;
    char *to = paths[next++ % 16];
    va_start(ap, format);
    vsnprintf(to, sizeof paths[0], format, ap);
    va_end(ap);
    return to;
}

UNUSED static void put_link(const char *target, const char *path)
{
    if (symlink(target, path) != 0)
        abort();
}

UNUSED static void put_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        abort();
    close(fd);
}

/* The file's text; "" if it isn't there. Valid until the next call. */
UNUSED static const char *text_of(const char *path)
{
    static char text[65536];
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

/* How many files a directory holds; *name is one of them. */
UNUSED static size_t files_in(const char *path, char *name, size_t size)
{
    DIR *d = opendir(path);
    struct dirent *e;
    size_t n = 0;
    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.') {
            if (name)
                snprintf(name, size, "%s", e->d_name);
            n++;
        }
    if (d)
        closedir(d);
    return n;
}

/* The name of a message's file; overwritten by the fourth call after this. */
UNUSED static const char *name_at(const struct mailbox *box, size_t index)
{
    static char names[4][256];
    static int next;
    char *name = names[next++ % 4];
    mailbox_name(box, index, name);
    return name;
}

/* Opens a folder; without it there is no test. */
UNUSED static struct mailbox *open_folder(struct mail *mail, const char *folder, bool read_only)
{
    struct mailbox *box = NULL;
    enum status st = mailbox_open(mail, span_of(folder), read_only, &box);
    if (st != ST_OK) {
        ok(false, "open %s: %d %s", folder, st, strerror(errno));
        exit(1);
    }
    return box;
}

UNUSED static enum status deliver(const char *maildir, const char *folder, const char *message)
{
    struct maildir_delivery d;
    struct content c = { .memory = span_of(message), .fd = -1, .size = strlen(message) };
    enum status st = maildir_prepare(maildir, folder, "mx.test", &c, &d);
    if (st != ST_OK)
        return st;
    st = maildir_publish(&d);
    return st == ST_OK ? maildir_finish(&d) : st;
}

#endif
