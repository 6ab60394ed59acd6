/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An account's opened Maildir: its descriptor, and the two locks that belong to the account
 * rather than to a folder, and its counter of UIDVALIDITY, a small text file. The counter is never behind the
 * clock, so that it goes on rising even where the file was lost. Lock files are empty and stay; flock(2) on
 * them ends with the process, so that none is ever left behind.
 */
#include "base/clock.h"
#include "base/files.h"
#include "store/folders.h"
#include "store/mailbox.h"
#include "store/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOCK_FILE "postern-account.lock"
#define POP3_LOCK_FILE "postern-pop3.lock"
#define COUNTER_FILE "postern-account"
#define COUNTER_FORMAT "postern-account 1\nuidvalidity "
#define COUNTER_LIMIT 4096
#define LOCK_WAIT_MS 10000
#define POP3_WAIT_MS 500 /* for a session that is just ending */

struct mail {
    int dir;
    int pop3_lock;
    int lock_wait; /* ms */
    char *hostname;
    char boot[40];
};

enum status mail_open(const char *maildir, const char *hostname, struct mail **mail)
{
    *mail = NULL;
    int dir = open(maildir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0 && errno == ENOENT && maildir_create(maildir) == ST_OK)
        dir = open(maildir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return ST_TEMP;
    struct mail *m = calloc(1, sizeof *m);
    char *copy = strdup(hostname);
    if (!m || !copy || (faccessat(dir, "cur", F_OK, 0) != 0 && folder_make_parts(dir) != ST_OK)) {
        int saved = errno;
        free(m);
        free(copy);
        close(dir);
        errno = saved;
        return ST_TEMP;
    }
    *m = (struct mail){ .dir = dir, .pop3_lock = -1, .lock_wait = LOCK_WAIT_MS, .hostname = copy };
    *mail = m;
    return ST_OK;
}

void mail_close(struct mail *mail)
{
    if (!mail)
        return;
    file_close(mail->pop3_lock);
    file_close(mail->dir);
    free(mail->hostname);
    free(mail);
}

int mail_dir(const struct mail *mail)
{
    return mail->dir;
}

const char *mail_hostname(const struct mail *mail)
{
    return mail->hostname;
}

void mail_set_boot(struct mail *mail, const char *boot)
{
    snprintf(mail->boot, sizeof mail->boot, "%s", boot);
}

const char *mail_boot(const struct mail *mail)
{
    return mail->boot;
}

void mail_set_wait(struct mail *mail, int ms)
{
    mail->lock_wait = ms;
}

static int take_lock(struct mail *mail, const char *name, int ms)
{
    int fd = file_open_beneath(mail->dir, name, O_RDWR | O_CREAT, 0600);
    if (fd >= 0 && file_lock(fd, ms) != ST_OK) {
        file_close(fd);
        fd = -1;
    }
    return fd;
}

int mail_lock(struct mail *mail)
{
    return take_lock(mail, LOCK_FILE, mail->lock_wait);
}

/* The last value given; 0 where there is none. A file that says something else is no counter: it is
 * replaced. */
static enum status read_counter(struct mail *mail, uint64_t *last)
{
    struct bytes file;
    bytes_init(&file, COUNTER_LIMIT);
    enum status st = file_read_beneath(mail->dir, COUNTER_FILE, &file);
    struct span text = span_bytes(&file);
    *last = 0;
    if (st == ST_OK && span_starts(text, COUNTER_FORMAT))
        span_u64(span_trim(span_from(text, strlen(COUNTER_FORMAT))), UINT32_MAX, last);
    bytes_free(&file);
    return st == ST_TEMP ? ST_TEMP : ST_OK;
}

enum status mail_next_validity(struct mail *mail, uint32_t *validity)
{
    uint64_t last;
    char text[64];
    int lock = mail_lock(mail);
    if (lock < 0)
        return ST_TEMP;
    enum status st = read_counter(mail, &last);
    uint64_t now = (uint64_t)clock_now();
    uint64_t next = last + 1 > now ? last + 1 : now;
    if (st == ST_OK && next > UINT32_MAX) {
        st = ST_TEMP;
        errno = EOVERFLOW;
    }
    if (st == ST_OK) {
        snprintf(text, sizeof text, COUNTER_FORMAT "%llu\n", (unsigned long long)next);
        st = file_replace(mail->dir, COUNTER_FILE, span_of(text), 0600);
    }
    file_close(lock);
    *validity = (uint32_t)next;
    return st;
}

enum status mail_lock_pop3(struct mail *mail)
{
    if (mail->pop3_lock < 0)
        mail->pop3_lock = take_lock(mail, POP3_LOCK_FILE, POP3_WAIT_MS);
    return mail->pop3_lock >= 0 ? ST_OK : ST_TEMP;
}

void mail_unlock_pop3(struct mail *mail)
{
    file_close(mail->pop3_lock);
    mail->pop3_lock = -1;
}
