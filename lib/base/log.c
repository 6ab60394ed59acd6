/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * logfmt to standard error or syslog, or to the journal with fields; see log.h. A line is one write(2) or
 * datagram, so lines of several processes don't mix.
 */
#include "base/log.h"
#include "base/clock.h"
#include "base/log_journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_LINE_LIMIT 8192
#define RECENT_MS 10
#define SESSION_ROOM 64 /* at the end of a line that is full */

static struct {
    const char *program;
    bool to_syslog;
    bool prefix; /* the journal reads "<6>" as the level */
    int journal; /* a socket to it, or -1 */
    ino_t journal_is;
    int64_t sent; /* clock_ms() of the last event there */
    int null; /* what takes its place, or -1 */
    bool verbose;
    char session[LOG_SESSION_LENGTH + 1];
} log_state = { .program = "postern", .journal = -1, .null = -1 };

static void open_journal(void)
{
    struct stat socket;
    log_state.journal = journal_open();
    if (log_state.journal >= 0 && fstat(log_state.journal, &socket) == 0)
        log_state.journal_is = socket.st_ino;
}

/* Who closes all descriptors but some closes ours, and another may have its number by now. */
static bool has_journal(void)
{
    struct stat now;
    return log_state.journal >= 0 && fstat(log_state.journal, &now) == 0 && S_ISSOCK(now.st_mode) &&
           now.st_ino == log_state.journal_is;
}

static void close_journal(void)
{
    if (has_journal())
        close(log_state.journal);
    log_state.journal = -1;
}

void log_open(const char *program)
{
    struct stat out, in;
    log_state.program = program;
    bool have = fstat(STDERR_FILENO, &out) == 0;
    log_state.prefix = have && journal_is(&out);
    if (log_state.prefix)
        open_journal();
    /* Under inetd the client is our standard error. systemd's journal socket is none of fd 0. */
    bool is_client = have && fstat(STDIN_FILENO, &in) == 0 && S_ISSOCK(out.st_mode) &&
                     in.st_ino == out.st_ino && in.st_dev == out.st_dev;
    log_state.to_syslog = !have || is_client;
    if (log_state.to_syslog)
        openlog(program, LOG_PID | LOG_NDELAY, LOG_MAIL);
}

void log_to_system(void)
{
    if (!has_journal())
        open_journal();
    if (has_journal() || log_state.to_syslog)
        return;
    log_state.to_syslog = true;
    openlog(log_state.program, LOG_PID | LOG_NDELAY, LOG_MAIL);
}

void log_prepare_leave(void)
{
    if (log_state.null < 0)
        log_state.null = open("/dev/null", O_WRONLY | O_CLOEXEC);
}

void log_leave(void)
{
    log_prepare_leave();
    int null = log_state.null;
    log_state.null = -1;
    if (log_state.to_syslog)
        closelog();
    log_state.to_syslog = false;
    close_journal();
    if (null < 0) {
        close(STDERR_FILENO);
        return;
    }
    dup2(null, STDERR_FILENO);
    if (null != STDERR_FILENO)
        close(null);
}

void log_make_session(char id[LOG_SESSION_LENGTH + 1])
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint64_t random = random_u64();
    for (size_t i = 0; i < LOG_SESSION_LENGTH; i++, random >>= 5)
        id[i] = digits[random & 31];
    id[LOG_SESSION_LENGTH] = '\0';
}

void log_join_session(const char *id)
{
    span_copy(span_of(id), log_state.session, sizeof log_state.session);
}

void log_begin_session(void)
{
    log_make_session(log_state.session);
    if (has_journal()) { /* one of its own: another connection's events don't hold up this one's */
        close_journal();
        open_journal();
    }
}

void log_settle(void)
{
    if (has_journal())
        journal_settle(log_state.journal, log_state.sent && clock_ms() - log_state.sent < RECENT_MS);
}

const char *log_session_id(void)
{
    return log_state.session;
}

void log_verbose(bool on)
{
    log_state.verbose = on;
}

bool log_is_verbose(void)
{
    return log_state.verbose;
}

/* `fields` are for the journal. */
static void emit(int level, const struct bytes *line, const struct bytes *fields)
{
    if (has_journal() &&
        journal_send(log_state.journal, level, log_state.program, span_bytes(line), span_bytes(fields))) {
        log_state.sent = clock_ms();
        return;
    }
    if (log_state.to_syslog) {
        syslog(level, "%s", bytes_str(line));
        return;
    }
    char whole[LOG_LINE_LIMIT + 128];
    int n = snprintf(whole, sizeof whole, "%.*s%s[%ld]: %s\n", log_state.prefix ? 3 : 0,
                     (char[]){ '<', (char)('0' + level), '>', '\0' }, log_state.program, (long)getpid(),
                     bytes_str(line));
    if (n > 0 && write(STDERR_FILENO, whole, (size_t)n < sizeof whole ? (size_t)n : sizeof whole - 1) < 0)
        return; /* nowhere left to say it */
}

static bool is_plain(struct span v)
{
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return v.n != 0;
}

static void add_escaped(struct bytes *out, struct span v)
{
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];
        if (c == '"' || c == '\\')
            bytes_printf(out, "\\%c", c);
        else if (c < ' ' || c >= 0x7f)
            bytes_printf(out, "\\x%02x", c);
        else
            bytes_add_char(out, (char)c);
    }
}

static void add_value(struct bytes *out, const char *name, struct span value)
{
    struct span shown = span_head(value, LOG_VALUE_LIMIT);
    bytes_printf(out, "%s%s=", out->len ? " " : "", name);
    if (is_plain(shown) && shown.n == value.n) {
        bytes_add_span(out, shown);
        return;
    }
    bytes_add_char(out, '"');
    add_escaped(out, shown);
    bytes_add_str(out, shown.n < value.n ? "...\"" : "\"");
}

/* One pair, to both. */
static void add_pair(struct bytes *line, struct bytes *fields, const char *name, struct span value)
{
    add_value(line, name, value);
    if (log_state.journal >= 0)
        journal_add(fields, name, value);
}

/* A line that is full was cut, but says whose it is. */
static void add_session(struct bytes *line, struct bytes *fields)
{
    if (!log_state.session[0])
        return;
    line->limit += SESSION_ROOM;
    line->failed = false;
    add_pair(line, fields, "session", span_of(log_state.session));
}

void log_event(int level, const char *event, ...)
{
    if (level == LOG_DEBUG && !log_state.verbose)
        return;
    struct bytes line, fields;
    bytes_init(&line, LOG_LINE_LIMIT);
    bytes_init(&fields, LOG_LINE_LIMIT);
    add_pair(&line, &fields, "event", span_of(event));
    va_list ap;
    va_start(ap, event);
    for (const char *name; (name = va_arg(ap, const char *)) != NULL;) {
        const char *value = va_arg(ap, const char *);
        if (value)
            add_pair(&line, &fields, name, span_of(value));
    }
    va_end(ap);
    add_session(&line, &fields);
    emit(level, &line, &fields);
    bytes_free(&line);
    bytes_free(&fields);
}

void log_trace(char direction, struct span text)
{
    if (!log_state.verbose)
        return;
    struct bytes line, fields;
    bytes_init(&line, LOG_LINE_LIMIT);
    bytes_init(&fields, LOG_LINE_LIMIT);
    bytes_printf(&line, "%c: ", direction);
    add_escaped(&line, span_head(text, LOG_VALUE_LIMIT));
    if (log_state.session[0])
        journal_add(&fields, "session", span_of(log_state.session));
    emit(LOG_DEBUG, &line, &fields);
    bytes_free(&line);
    bytes_free(&fields);
}
