/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern import of an mbox. All its messages come into one folder at once or none does: they are written and
 * fsynced out of sight first, so that after a failure the whole can simply be done again. The file is mapped;
 * what comes by a pipe is put into an unlinked file of the spool before.
 */
#include "import.h"
#include "store/content.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define KEYWORDS 26
#define PIECE ((size_t)256 * 1024)

static bool put(void *append, struct span piece)
{
    return mailbox_append_write(append, piece) == ST_OK;
}

static uint32_t flags_of(unsigned flags)
{
    return (flags & MBOX_SEEN ? FLAG_SEEN : 0) | (flags & MBOX_ANSWERED ? FLAG_ANSWERED : 0) |
           (flags & MBOX_FLAGGED ? FLAG_FLAGGED : 0) | (flags & MBOX_DELETED ? FLAG_DELETED : 0) |
           (flags & MBOX_DRAFT ? (uint32_t)FLAG_DRAFT : 0);
}

static enum status end_message(struct mailbox_append *append, const struct mbox_message *message)
{
    char names[KEYWORDS][MAILBOX_KEYWORD_LIMIT + 1];
    const char *keywords[KEYWORDS + 1] = { NULL };
    struct span rest = message->keywords, word;
    size_t count = 0;
    while (rest.n && count < KEYWORDS) {
        span_cut(&rest, ' ', &word);
        if (span_trim(word).n && span_copy(span_trim(word), names[count], sizeof names[count])) {
            keywords[count] = names[count];
            count++;
        }
    }
    return mailbox_append_end(append, flags_of(message->flags), keywords, message->date);
}

static enum status add_all(struct import *i, struct span file, struct mbox *m, struct mailbox_append *append,
                           struct span folder, uint64_t *count)
{
    struct mbox_message message;
    enum status st = ST_OK;
    while (st == ST_OK && mbox_next(m, &message)) {
        if (message.internal)
            continue;
        st = mbox_read(m, &message, put, append) ? end_message(append, &message) : ST_TEMP;
        progress_show(&i->progress, folder, ++*count, file.n - m->rest.n, file.n);
    }
    return st;
}

static int take(struct import *i, struct span file)
{
    struct mbox m;
    struct mailbox_append *append;
    struct import_count count = { 0 };
    uint32_t validity, first;
    struct span folder = i->folder[0] ? span_of(i->folder) : SPAN("INBOX");
    if (!mbox_open(file, i->format, &m))
        return complain(EX_DATAERR, "%s: is no mbox: it doesn't begin with a line \"From SENDER DATE\"",
                        i->source);
    int result = import_make_folder(i, folder);
    if (result != EX_OK)
        return result;
    if (mailbox_append_begin(i->mail, NULL, folder, &append) != ST_OK)
        return import_failed("can't be written to", folder);
    enum status st = add_all(i, file, &m, append, folder, &count.messages);
    if (st == ST_OK && count.messages)
        st = mailbox_append_publish(append, &validity, &first);
    else
        mailbox_append_abort(append);
    progress_end(&i->progress);
    if (st != ST_OK)
        return import_failed("nothing was imported", folder);
    import_report(i, folder, &count);
    return EX_OK;
}

/* What comes by a pipe, in a file without a name; the descriptor, or -1. */
static int spooled(struct import *i)
{
    char *buffer = malloc(PIECE);
    ssize_t n = -1;
    int fd = open(i->a->s.spool, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    while (buffer && fd >= 0 && (n = read(i->fd, buffer, PIECE)) > 0)
        if (write(fd, buffer, (size_t)n) != n) {
            n = -1;
            break;
        }
    int saved = errno;
    free(buffer);
    if (fd >= 0 && n != 0) {
        close(fd);
        fd = -1;
    }
    errno = saved;
    return fd;
}

int import_mbox(struct import *i)
{
    struct stat info;
    int fd = i->fd, result;
    if (fstat(fd, &info) == 0 && !S_ISREG(info.st_mode))
        fd = spooled(i);
    if (fd < 0 || fstat(fd, &info) != 0)
        return complain(EX_IOERR, "%s: can't be read: %s", i->source, strerror(errno));
    size_t size = (size_t)info.st_size;
    void *base = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    if (base == MAP_FAILED)
        result = complain(EX_IOERR, "%s: can't be read: %s", i->source, strerror(errno));
    else
        result = take(i, (struct span){ size ? base : "", size });
    if (size && base != MAP_FAILED)
        munmap(base, size);
    if (fd != i->fd)
        close(fd);
    return result;
}
