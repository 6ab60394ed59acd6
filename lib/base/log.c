/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * logfmt to standard error or syslog; see log.h. A line is one write(2), so lines of
 * several processes don't mix.
 */
#include "base/log.h"
#include "base/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_LINE_LIMIT 8192
#define SESSION_ROOM 64 /* at the end of a line that is full */

static struct {
    const char *program;
    bool to_syslog;
    bool prefix; /* the journal reads "<6>" as the level */
    bool verbose;
    char session[LOG_SESSION_LENGTH + 1];
} log_state = { .program = "postern" };

void log_open(const char *program)
{
    struct stat out, in;
    log_state.program = program;
    bool have = fstat(STDERR_FILENO, &out) == 0;
    bool journal = getenv("JOURNAL_STREAM") != NULL;
    log_state.prefix = journal;
    /* Under inetd the client is our standard error. systemd's journal socket is none of fd 0. */
    bool is_client = have && fstat(STDIN_FILENO, &in) == 0 && S_ISSOCK(out.st_mode) &&
                     in.st_ino == out.st_ino && in.st_dev == out.st_dev;
    log_state.to_syslog = !have || is_client;
    if (log_state.to_syslog)
        openlog(program, LOG_PID | LOG_NDELAY, LOG_MAIL);
}

void log_leave(void)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    closelog();
    log_state.to_syslog = false;
    if (null < 0) {
        close(STDERR_FILENO);
        return;
    }
    dup2(null, STDERR_FILENO);
    if (null != STDERR_FILENO)
        close(null);
}

void log_begin_session(void)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint64_t random = random_u64();
    for (size_t i = 0; i < LOG_SESSION_LENGTH; i++, random >>= 5)
        log_state.session[i] = digits[random & 31];
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

static void emit(int level, const struct bytes *line)
{
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

/* A line that is full was cut, but says whose it is. */
static void add_session(struct bytes *line)
{
    if (!log_state.session[0])
        return;
    line->limit += SESSION_ROOM;
    line->failed = false;
    add_value(line, "session", span_of(log_state.session));
}

void log_event(int level, const char *event, ...)
{
    if (level == LOG_DEBUG && !log_state.verbose)
        return;
    struct bytes line;
    bytes_init(&line, LOG_LINE_LIMIT);
    add_value(&line, "event", span_of(event));
    va_list ap;
    va_start(ap, event);
    for (const char *name; (name = va_arg(ap, const char *)) != NULL;) {
        const char *value = va_arg(ap, const char *);
        if (value)
            add_value(&line, name, span_of(value));
    }
    va_end(ap);
    add_session(&line);
    emit(level, &line);
    bytes_free(&line);
}

void log_trace(char direction, struct span text)
{
    if (!log_state.verbose)
        return;
    struct bytes line;
    bytes_init(&line, LOG_LINE_LIMIT);
    bytes_printf(&line, "%c: ", direction);
    add_escaped(&line, span_head(text, LOG_VALUE_LIMIT));
    emit(LOG_DEBUG, &line);
    bytes_free(&line);
}
