/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the fuzz targets of whole mailbox sessions share: a Maildir in memory that is made anew now and then,
 * and removed at the end.
 */
#ifndef POSTERN_TESTS_FUZZ_MAILDIR_H
#define POSTERN_TESTS_FUZZ_MAILDIR_H

#include "fuzz.h"

#include "base/files.h"
#include "store/folders.h"

#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

static char fuzz_maildir[64]; /* the Maildir; "" until the first fuzz_maildir_fresh() */

static int fuzz_maildir_remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st, (void)type, (void)walk;
    return remove(path), 0;
}

static void fuzz_maildir_remove(void)
{
    nftw(fuzz_maildir, fuzz_maildir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* An empty Maildir at `fuzz_maildir`, opened; the caller closes. */
static struct mail *fuzz_maildir_fresh(void)
{
    struct mail *mail;
    if (fuzz_maildir[0]) {
        fuzz_maildir_remove();
    } else {
        snprintf(fuzz_maildir, sizeof fuzz_maildir, "%s/postern-fuzz-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        HOLDS(mkdtemp(fuzz_maildir) != NULL);
        atexit(fuzz_maildir_remove);
    }
    HOLDS(mail_open(fuzz_maildir, "fuzz.test", &mail) == ST_OK);
    return mail;
}

/* A message in new/. */
__attribute__((unused)) static void fuzz_maildir_put(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/new/%s", fuzz_maildir, name);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    HOLDS(fd >= 0 && file_write(fd, span_of(text)) == ST_OK);
    close(fd);
}

#endif
