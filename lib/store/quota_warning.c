/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Warnings of a mailbox that fills; see quota_warning.h. The file `postern-quota` in the Maildir, read and
 * replaced under the account's lock:
 *
 *     postern-quota 1
 *     warned 80 0                        threshold that was told of: of bytes, of messages; 0: none
 *     warning 06613211d582a7-a0ac...     the ID of a warning that is being delivered
 *
 * The ID is on disk before its message, whose file is named after it, and `warned` rises when that is on
 * disk. So whoever finds an ID looks whether its message is there: a crash between any two calls repeats no
 * warning and loses none, unless the owner moved the message to another folder in just that moment. Without
 * the file nothing was told yet.
 *
 * Considered: having each delivery look whether it crossed a threshold. It would have to read for every
 * message what it now only adds a line to, and imapd's COPY and APPEND would have to as well; looking every
 * few minutes is soon enough for who has weeks.
 */
#include "store/quota_warning.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "store/maildir.h"
#include "store/queue.h"
#include "text/date.h"
#include "text/trace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STATE_FILE "postern-quota"
#define STATE_FORMAT "postern-quota 1\n"
#define STATE_LIMIT 4096
#define TEXT_LIMIT 16384
#define LOCKED_PATIENCE 1000 /* milliseconds that counting may take while the account is locked */

struct state {
    unsigned bytes, messages; /* thresholds that were told of */
    char id[QUEUE_ID_LIMIT];  /* "": none is on its way */
};

unsigned quota_warning_level(const struct quota_warnings *w, uint64_t used, uint64_t limit)
{
    unsigned level = 0;
    for (size_t i = 0; i < w->count && limit; i++) {
        uint64_t percent = w->percent[i],
                 threshold = limit / 100 * percent + (limit % 100 * percent + 99) / 100;
        if (used >= threshold)
            level = w->percent[i];
    }
    return level;
}

/* --- what was told */

static void read_line(struct state *s, struct span line)
{
    struct span word;
    uint64_t bytes, messages;
    span_cut(&line, ' ', &word);
    if (span_eq_str(word, "warning")) {
        if (!span_copy(line, s->id, sizeof s->id) || !queue_id_valid(s->id))
            s->id[0] = '\0';
    } else if (span_eq_str(word, "warned") && span_cut(&line, ' ', &word) && span_u64(word, 100, &bytes) &&
               span_u64(line, 100, &messages)) {
        s->bytes = (unsigned)bytes;
        s->messages = (unsigned)messages;
    }
}

/* What says something else was written by nobody of ours: nothing was told. */
static void read_text(struct span text, struct state *s)
{
    struct span line;
    *s = (struct state){ 0, 0, "" };
    if (span_starts(text, STATE_FORMAT))
        while (span_cut(&text, '\n', &line))
            read_line(s, line);
}

static enum status read_state(struct mail *mail, struct state *s)
{
    struct bytes text;
    bytes_init(&text, STATE_LIMIT);
    enum status st = file_read_beneath(mail_dir(mail), STATE_FILE, &text);
    read_text(st == ST_OK ? span_bytes(&text) : SPAN(""), s);
    bytes_free(&text);
    return st == ST_TEMP ? ST_TEMP : ST_OK;
}

static enum status write_state(struct mail *mail, const struct state *s)
{
    char text[128 + QUEUE_ID_LIMIT];
    int n = snprintf(text, sizeof text, STATE_FORMAT "warned %u %u\n", s->bytes, s->messages);
    if (s->id[0])
        n += snprintf(text + n, sizeof text - (size_t)n, "warning %s\n", s->id);
    return file_replace(mail_dir(mail), STATE_FILE, (struct span){ text, (size_t)n }, 0600);
}

/* --- the message */

static unsigned percent_of(uint64_t used, uint64_t limit)
{
    double percent = limit ? (double)used * 100 / (double)limit : 0;
    return percent > 9999 ? 9999 : (unsigned)percent;
}

/* "812.5 MiB" */
static void write_size(uint64_t bytes, struct bytes *text)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
    double size = (double)bytes / 1024;
    size_t unit = 0;
    for (; size >= 1024 && unit + 1 < sizeof units / sizeof units[0]; unit++)
        size /= 1024;
    bytes_printf(text, "%.1f %s", size, units[unit]);
}

static void write_header(const struct quota_warning *w, const char *id, unsigned percent, struct bytes *text)
{
    struct span domain = address_domain(w->account);
    bytes_add_str(text, "Return-Path: <>\r\n");
    trace_delivered_to(w->account, 0, "", text);
    bytes_add_str(text, "Date: ");
    date_write(clock_now(), text);
    bytes_printf(
        text,
        "\r\nFrom: Postmaster <postmaster@%.*s>\r\nTo: %s\r\nMessage-ID: <%s@%s>\r\n"
        "Subject: Your mailbox is %s: %u%%\r\nAuto-Submitted: auto-generated\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\n",
        SPAN_FMT(domain), w->account->text, id, w->settings->hostname, percent >= 100 ? "full" : "filling up",
        percent);
}

static void write_text(const struct quota_warning *w, const char *id, const struct quota_used *used,
                       struct bytes *text)
{
    const struct quota *q = &w->quota;
    unsigned bytes = percent_of(used->bytes, q->bytes), messages = percent_of(used->messages, q->messages);
    unsigned most = bytes > messages ? bytes : messages;
    write_header(w, id, most, text);
    bytes_printf(text, "Your mailbox %s %s.\r\n\r\n", w->account->text,
                 most >= 100 ? "is full" : "is filling up");
    if (q->bytes) {
        bytes_add_str(text, "    It holds ");
        write_size(used->bytes, text);
        bytes_add_str(text, " of the ");
        write_size(q->bytes, text);
        bytes_printf(text, " that it may hold: %u%%\r\n", bytes);
    }
    if (q->messages)
        bytes_printf(text, "    It has %llu of the %llu messages that it may have: %u%%\r\n",
                     (unsigned long long)used->messages, (unsigned long long)q->messages, messages);
    bytes_printf(text,
                 "\r\n%s refused and goes back to its senders.\r\n"
                 "To make room, delete what you no longer need, and empty the folders for trash\r\n"
                 "and junk: what lies there counts too. If that doesn't help, ask the postmaster,\r\n"
                 "to whom an answer to this message goes.\r\n",
                 most >= 100 ? "New mail to you is" : "When it is full, new mail to you is");
}

static enum status deliver(const struct quota_warning *w, const char *id, struct span text)
{
    const struct content c = { .memory = text, .fd = -1, .size = text.n };
    struct maildir_delivery d;
    enum status st = maildir_prepare(w->maildir, NULL, w->settings->hostname, &c, &d);
    if (st != ST_OK)
        return ST_TEMP;
    maildir_name_after(&d, id, w->settings->hostname);
    if (maildir_publish(&d) != ST_OK) {
        maildir_abort(&d);
        return ST_TEMP;
    }
    if (maildir_sync(&d) != ST_OK) { /* the next run would find it, and take it for what a crash left */
        maildir_withdraw(&d);
        return ST_TEMP;
    }
    maildir_close(&d);
    quota_add(mail_dir(w->mail), (int64_t)d.size, 1);
    return ST_OK;
}

static void log_warning(const struct quota_warning *w, const char *id, const struct quota_used *used)
{
    char storage[16], messages[16];
    snprintf(storage, sizeof storage, "%u%%", percent_of(used->bytes, w->quota.bytes));
    snprintf(messages, sizeof messages, "%u%%", percent_of(used->messages, w->quota.messages));
    log_event(LOG_NOTICE, "quota-warning", "id", id, "user", w->account->text, "storage",
              w->quota.bytes ? storage : NULL, "messages", w->quota.messages ? messages : NULL, NULL);
}

/* Under the ID of `s`, which is on disk. */
static enum status warn(const struct quota_warning *w, const struct state *s, const struct quota_used *used)
{
    struct bytes text;
    bytes_init(&text, TEXT_LIMIT);
    write_text(w, s->id, used, &text);
    errno = ENOMEM;
    enum status st = text.failed ? ST_TEMP : deliver(w, s->id, span_bytes(&text));
    if (st == ST_OK)
        log_warning(w, s->id, used);
    bytes_free(&text);
    return st;
}

/* --- both */

/* A warning that a crash interrupted: it was delivered, or nothing is on its way. Told of is then what would
 * be told of now. */
static enum status settle(const struct quota_warning *w, struct state *s, const struct state *now)
{
    if (!s->id[0])
        return ST_OK;
    enum status st = maildir_holds(w->maildir, NULL, s->id, w->settings->hostname);
    if (st == ST_OK) {
        *s = *now;
        st = write_state(w->mail, s);
    }
    return st == ST_NONE ? ST_OK : st;
}

static enum status run_locked(const struct quota_warning *w, bool *warned)
{
    const struct quota_warnings *at = &w->settings->quota_warnings;
    struct quota_used used;
    struct state s;
    enum status st = quota_look(mail_dir(w->mail), &w->quota, LOCKED_PATIENCE, &used);
    if (st == ST_OK)
        st = read_state(w->mail, &s);
    if (st != ST_OK)
        return st;
    const struct state now = { quota_warning_level(at, used.bytes, w->quota.bytes),
                               quota_warning_level(at, used.messages, w->quota.messages), "" };
    st = settle(w, &s, &now);
    if (st != ST_OK || (!s.id[0] && s.bytes == now.bytes && s.messages == now.messages))
        return st;
    if (now.bytes > s.bytes || now.messages > s.messages) {
        if (!s.id[0])
            queue_new_id(s.id);
        st = write_state(w->mail, &s);
        if (st == ST_OK)
            st = warn(w, &s, &used);
        *warned = st == ST_OK;
    }
    return st == ST_OK ? write_state(w->mail, &now) : st;
}

enum status quota_warning_run(const struct quota_warning *w, bool *warned)
{
    struct quota_used used;
    *warned = false;
    /* A file that is there counts again once there is a limit. */
    if (!w->settings->quota_warnings.count || !quota_limited(&w->quota))
        return ST_OK;
    /* Without the lock, as it may have to be counted. */
    enum status st = quota_look(mail_dir(w->mail), &w->quota, 0, &used);
    int lock = st == ST_OK ? mail_lock(w->mail) : -1;
    if (lock < 0)
        return ST_TEMP;
    st = run_locked(w, warned);
    file_close(lock);
    return st;
}
