/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Hands over to be learned; see learn.h. Which folder is Junk, its special use says, or its name where it has
 * none.
 *
 * A message is copied before it is moved, as long as it is known where it is, and handed over once it has
 * been: what the server refused, nobody has said. No command waits for more than these copies, or fails for
 * them.
 */
#include "learn.h"

#include "base/files.h"
#include "base/log.h"
#include "store/queue.h"
#include "store/special_use.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct learning_copy {
    size_t index; /* in the source */
    bool there;   /* where it was to go */
    char name[LEARN_NAME_LIMIT];
};

static unsigned uses_of(struct imap *i, struct span folder)
{
    unsigned uses;
    return folder_uses(i->mail, folder, &uses) == ST_OK ? uses : 0;
}

/* `from` is empty for a message that comes from outside. */
static enum learn_kind kind_of(struct imap *i, struct span from, struct span to)
{
    if (!learn_is_set(i->settings))
        return LEARN_NOTHING;
    unsigned there = uses_of(i, to), here = from.n ? uses_of(i, from) : 0;
    enum learn_kind kind = LEARN_NOTHING;
    if (there & USE_JUNK && !(here & USE_JUNK))
        kind = LEARN_SPAM;
    else if (here & USE_JUNK && !(there & (USE_JUNK | USE_TRASH)))
        kind = LEARN_HAM;
    return learn_command(i->settings, kind)[0] ? kind : LEARN_NOTHING;
}

static bool start(struct imap *i, struct learning *l, struct span from, struct span to, size_t count)
{
    *l = (struct learning){ .kind = kind_of(i, from, to), .folder.dir = -1 };
    if (l->kind == LEARN_NOTHING || count == 0)
        return false;
    l->room = count < LEARN_FILES_LIMIT ? count : LEARN_FILES_LIMIT;
    l->copies = calloc(l->room, sizeof *l->copies);
    if (l->copies && learn_open(mail_dir(i->mail), &l->folder) == ST_OK)
        return true;
    l->left_out = strerror(errno);
    return false;
}

/* False: the others needn't be tried. */
static bool put(struct learning *l, struct mailbox *box, size_t index)
{
    int fd;
    struct stat st;
    if (l->count == l->room) {
        l->left_out = "too many at a time";
        return false;
    }
    if (mailbox_file(box, index, &fd) != ST_OK)
        return true;
    struct learning_copy *copy = &l->copies[l->count];
    enum status put =
        fstat(fd, &st) != 0 ? ST_TEMP : learn_put(&l->folder, fd, (uint64_t)st.st_size, l->kind, copy->name);
    int why = errno;
    file_close(fd);
    copy->index = index;
    l->count += put == ST_OK;
    if (put != ST_OK)
        l->left_out = put == ST_TEMP ? strerror(why)
                      : why == EFBIG ? "too large"
                                     : "too many wait to be learned";
    return put == ST_OK || (put == ST_PERM && why == EFBIG);
}

/* Those that are there wait from now on; the others are forgotten. */
static void hand_over(struct imap *i, struct learning *l)
{
    size_t there = 0;
    for (size_t n = 0; n < l->count; n++) {
        there += l->copies[n].there;
        (l->copies[n].there ? learn_publish : learn_drop)(&l->folder, l->copies[n].name);
    }
    if (there)
        queue_wake_learn(i->start->wake, i->start->account.text);
    if (l->left_out)
        log_event(LOG_NOTICE, "not-learned", "account", i->start->account.text, "as", learn_word(l->kind),
                  "why", l->left_out, NULL);
    learn_close(&l->folder);
    free(l->copies);
    l->copies = NULL;
}

void learning_begin(struct imap *i, struct learning *l, struct span folder, const size_t *indexes,
                    size_t count)
{
    if (start(i, l, span_of(i->box->folder), folder, count))
        for (size_t n = 0; n < count && put(l, i->box, indexes[n]); n++)
            ;
}

/* They are ascending. NULL: it wasn't copied. */
static struct learning_copy *copy_of(struct learning *l, size_t index)
{
    size_t low = 0, high = l->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->copies[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low < l->count && l->copies[low].index == index ? &l->copies[low] : NULL;
}

void learning_end(struct imap *i, struct learning *l, const size_t *indexes, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        struct learning_copy *copy = copy_of(l, indexes[n]);
        if (copy)
            copy->there = true;
    }
    hand_over(i, l);
}

void learning_appended(struct imap *i, struct span folder, uint32_t first, uint32_t count)
{
    struct learning l;
    struct mailbox *box = NULL;
    if (start(i, &l, SPAN(""), folder, count) && mailbox_open(i->mail, folder, true, &box) == ST_OK) {
        size_t end = mailbox_find(box, first + count);
        for (size_t n = mailbox_find(box, first); n < end && put(&l, box, n); n++)
            ;
        for (size_t n = 0; n < l.count; n++)
            l.copies[n].there = true;
        mailbox_close(box);
    }
    hand_over(i, &l);
}
