/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The message as it comes to smtpd's guard: all of it with COMMIT, in pieces before it, or in a file that the
 * session was given to write to.
 */
#include "guard_private.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES (sizeof((struct smtp_guard *)NULL)->files / sizeof(int))

enum guard_next guard_piece(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    struct span piece;
    if (!message_get(m, &piece) || !message_end(m) || piece.n > CHANNEL_PIECE)
        return GUARD_END;
    guard->state = GUARD_BODY;
    bytes_add_span(&g->envelope.body, piece); /* if memory runs out, COMMIT says so */
    return GUARD_SILENT;
}

/* Three files a connection, emptied for the next message: a session that keeps its descriptors keeps the
 * space of three messages. */
static bool open_file(struct smtp_guard *g, int *file)
{
    char path[PATH_MAX];
    if (*file >= 0)
        return ftruncate(*file, 0) == 0 && lseek(*file, 0, SEEK_SET) == 0;
    int n = snprintf(path, sizeof path, "%s/tmp", g->settings->spool);
    if (n < 0 || (size_t)n >= sizeof path)
        return false;
    *file = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (*file < 0 && errno == ENOENT && mkdir(path, 0700) == 0)
        *file = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return *file >= 0;
}

enum guard_next guard_file(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    if (guard->state == GUARD_RCPTS)
        g->files_out = 0;
    if (!message_end(m) || g->files_out >= (guard_filters(g) ? SMTPD_FILES_LIMIT : FILES))
        return GUARD_END;
    int *file = &g->files[g->files_out % FILES];
    int copy = open_file(g, file) ? fcntl(*file, F_DUPFD_CLOEXEC, 0) : -1;
    if (copy < 0) {
        int why = errno;
        log_event(LOG_ERR, "no-temporary-file", "directory", g->settings->spool, "why", strerror(why), NULL);
        return guard_reply(m, why == ENOSPC || why == EDQUOT ? VERDICT_DISK_FULL : VERDICT_FAILED);
    }
    g->files_out++;
    guard->state = GUARD_FILE_OUT;
    guard_reply(m, VERDICT_OK);
    m->fd = copy;
    return GUARD_REPLY;
}

/* The message as it came: in the last file, in pieces, or all of it with COMMIT. */
static enum verdict gather(struct smtp_guard *g, struct span last, bool in_file, struct content *c)
{
    struct envelope *e = &g->envelope;
    struct stat st;
    *c = (struct content){ .fd = -1 };
    if (in_file) {
        int file = g->files[(g->files_out - 1) % FILES];
        if (fstat(file, &st) != 0)
            return VERDICT_FAILED;
        c->fd = file;
        c->size = (uint64_t)st.st_size;
    } else {
        c->memory = last;
        if (e->body.len || e->body.failed) {
            if (!bytes_add_span(&e->body, last))
                return VERDICT_FAILED;
            c->memory = span_bytes(&e->body);
        }
        c->size = c->memory.n;
    }
    return VERDICT_OK;
}

/* What a message may have become since MAIL and its own size were judged. */
static uint64_t largest(const struct smtp_guard *g)
{
    return g->settings->message_size + SMTPD_ADDED_LIMIT + (guard_filters(g) ? SMTPD_FILTERED_LIMIT : 0);
}

/* What the session found wrong with the message: only the log hears of it. */
enum guard_next guard_refused(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    struct envelope *e = &g->envelope;
    char said[SMTPD_POLICY_LIMIT];
    uint64_t too_big;
    struct bytes to;
    if (!message_get_u64(m, &too_big) || too_big > 1 || !message_get_str(m, said, sizeof said) ||
        !message_end(m))
        return GUARD_END;
    if (!guard_may_log_message(g))
        return GUARD_SILENT;
    guard_show_targets(e, &to);
    log_event(LOG_INFO, "refused", "peer", g->serving->peer.text, "login",
              g->login.done ? g->login.account.text : NULL, "from", e->sender.text, "to",
              to.len ? bytes_str(&to) : e->recipient.text, "why", too_big ? "too big" : "malformed",
              "setting", too_big ? "message-size" : NULL, "reply", said, NULL);
    bytes_free(&to);
    return GUARD_SILENT;
}

/* The answer is said as soon as it is true, and before all that it doesn't depend on. */
static void commit(struct guard *guard, struct span tls, struct content *c, enum verdict so_far,
                   struct message *m)
{
    struct smtp_guard *g = guard->program;
    char id[QUEUE_ID_LIMIT] = "";
    struct commit *left = NULL;
    enum verdict v = so_far;
    if (v == VERDICT_OK)
        v = guard_copies_join(&g->envelope) ? guard_commit(g, tls, c, id, &left) : VERDICT_FAILED;
    if (v == VERDICT_OK)
        guard_notice_passed_on(g, id, c);
    guard_reply(m, v); /* only now: tls and what came last lie in it */
    message_put_str(m, id);
    guard_answer(guard, m);
    if (v == VERDICT_OK) {
        guard_record_dmarc(g);
        g->lines = 0;
    }
    guard_commit_end(left);
}

enum guard_next guard_finish(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    struct content content;
    struct span tls, last;
    uint64_t bits;
    if (!message_get(m, &tls) || !message_get_u64(m, &bits) || bits > COMMIT_BITS ||
        !message_get(m, &g->envelope.added) || g->envelope.added.n > SMTPD_FIELDS_LIMIT ||
        !fields_whole(g->envelope.added) ||
        !message_get_str(m, g->envelope.message_id, sizeof g->envelope.message_id) ||
        !message_get(m, &last) || !message_end(m))
        return GUARD_END;
    bool in_file = bits & COMMIT_FILE;
    if (in_file != (guard->state == GUARD_FILE_OUT) || (in_file && last.n) || !g->envelope.recipients)
        return GUARD_END;
    g->envelope.options.junk = bits & COMMIT_JUNK;
    if (bits & (COMMIT_EIGHT_BIT | COMMIT_SEVEN_BIT))
        g->envelope.eight_bit = bits & COMMIT_EIGHT_BIT;
    enum verdict v = gather(g, last, in_file, &content);
    if (v == VERDICT_OK && content.size > largest(g))
        return GUARD_END;
    if (guard_is_lmtp(g))
        guard_lmtp_commit(guard, v, tls, &content, m);
    else
        commit(guard, tls, &content, v, m);
    guard_forget_envelope(&g->envelope);
    guard->state = GUARD_IDLE;
    return GUARD_SILENT;
}
