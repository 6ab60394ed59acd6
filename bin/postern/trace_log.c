/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where postern trace's lines come from, and how one is cut into an event's fields (lib/base/log.c writes
 * them).
 *
 * The journal is read by journalctl(1): libsystemd's own functions would bring its decompression libraries
 * into a program that starts for every small command, and do no more. Only what runs in our slice is read, or
 * logs as mail (under inetd, by syslog): lines of others that look like ours may be in a journal.
 */
#include "trace.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

bool event_next(struct span *rest, struct span *name, struct bytes *value)
{
    *rest = span_trim(*rest);
    bytes_clear(value);
    size_t equals = span_find(*rest, '=');
    if (equals == rest->n)
        return false;
    *name = span_head(*rest, equals);
    *rest = span_from(*rest, equals + 1);
    if (!rest->n || rest->p[0] != '"') {
        size_t end = span_find(*rest, ' ');
        bytes_add_span(value, span_head(*rest, end));
        *rest = span_from(*rest, end);
        return true;
    }
    size_t at = 1;
    while (at < rest->n && rest->p[at] != '"') {
        uint64_t byte;
        struct span left = span_from(*rest, at);
        if (left.p[0] == '\\' && left.n >= 4 && left.p[1] == 'x' &&
            span_hex(span_head(span_from(left, 2), 2), 0xff, &byte)) {
            bytes_add_char(value, (char)byte);
            at += 4;
            continue;
        }
        at += left.p[0] == '\\' && left.n >= 2;
        bytes_add_char(value, rest->p[at++]);
    }
    *rest = span_from(*rest, at + 1);
    return true;
}

bool event_field(const struct event *e, const char *name, struct bytes *value)
{
    struct span rest = span_of(e->text), found;
    while (event_next(&rest, &found, value))
        if (span_eq_str(found, name))
            return true;
    bytes_clear(value);
    return false;
}

/* Of "2026-11-26T13:26:36.123456+01:00"; without a zone it is local. */
static int64_t iso_time(struct span word)
{
    struct tm tm = { .tm_isdst = -1 };
    char text[64], sign = 0;
    int hours = 0, minutes = 0;
    const char *rest = span_copy(word, text, sizeof text) ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    if (!rest)
        return 0;
    if (*rest == '.' || *rest == ',')
        rest += 1 + strspn(rest + 1, "0123456789");
    if (*rest == 'Z')
        return timegm(&tm);
    if (sscanf(rest, "%c%2d%*[:]%2d", &sign, &hours, &minutes) < 3 &&
        sscanf(rest, "%c%2d%2d", &sign, &hours, &minutes) < 2)
        return mktime(&tm);
    return timegm(&tm) - (sign == '-' ? -60 : 60) * (60 * hours + minutes);
}

/* Of "Nov 26 13:25:34": the last time that it was so, give or take a day. */
static int64_t syslog_time(const char *text)
{
    time_t now = time(NULL);
    struct tm tm, today;
    if (!localtime_r(&now, &today))
        return 0;
    for (int ago = 0; ago < 2; ago++) {
        tm = (struct tm){ .tm_year = today.tm_year - ago, .tm_isdst = -1 };
        if (!strptime(text, "%b %d %H:%M:%S", &tm))
            return 0;
        int64_t t = mktime(&tm);
        if (t <= now + 86400)
            return t;
    }
    return 0;
}

/* The time at the start of a line: seconds and a fraction, ISO 8601, or "Nov 26 13:25:34". */
static int64_t read_time(struct span line, char to[TRACE_TIME_LIMIT])
{
    struct span word = span_head(line, span_find(line, ' '));
    struct span seconds = span_head(word, span_find(word, '.'));
    uint64_t value;
    struct tm tm;
    time_t t;
    to[0] = '\0';
    if (seconds.n > 8 && seconds.n < word.n && span_u64(seconds, INT64_MAX, &value)) {
        t = (time_t)value;
        if (localtime_r(&t, &tm))
            strftime(to, TRACE_TIME_LIMIT, "%Y-%m-%d %H:%M:%S", &tm);
        return t;
    } else if (word.n >= 19 && word.p[4] == '-' && word.p[10] == 'T') {
        span_copy(span_head(word, 19), to, TRACE_TIME_LIMIT);
        to[10] = ' ';
        return iso_time(word);
    } else if (line.n > 15 && line.p[3] == ' ' && line.p[6] == ' ' && line.p[9] == ':' && line.p[12] == ':') {
        span_copy(span_head(line, 15), to, TRACE_TIME_LIMIT);
        return syslog_time(to);
    }
    return 0;
}

/* "... smtpd[123]: " before the event. */
static void read_program(struct span before, char *to, size_t size)
{
    before = span_trim(before);
    size_t end = before.n;
    while (end && before.p[end - 1] != '[')
        end--;
    size_t start = end ? end - 1 : 0;
    while (start && before.p[start - 1] != ' ' && before.p[start - 1] != '>')
        start--;
    if (!end || !span_copy(span_head(span_from(before, start), end - 1 - start), to, size))
        to[0] = '\0';
}

bool event_read(struct span line, struct event *e)
{
    static const char mark[] = ": event=";
    const char *at = memmem(line.p, line.n, mark, sizeof mark - 1);
    *e = (struct event){ .text = NULL };
    if (!at)
        return false;
    e->at = read_time(line, e->time);
    read_program(span_head(line, (size_t)(at - line.p)), e->program, sizeof e->program);
    e->text = span_dup(span_from(line, (size_t)(at - line.p) + 2));
    return e->text != NULL;
}

static pid_t journal_pid;

static FILE *open_journal(const char *since)
{
    int ends[2];
    if (pipe(ends) != 0 || (journal_pid = fork()) < 0) {
        complain(EX_OSERR, "journalctl can't be started: %s", strerror(errno));
        return NULL;
    }
    if (journal_pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execlp("journalctl", "journalctl", "--quiet", "--no-pager", "--output=short-unix", "--since", since,
               "_SYSTEMD_SLICE=postern.slice", "+", "SYSLOG_FACILITY=2", (char *)NULL);
        _exit(complain(EX_UNAVAILABLE, "journalctl: %s; --file FILE reads a log file", strerror(errno)));
    }
    close(ends[1]);
    return fdopen(ends[0], "r");
}

FILE *trace_open(const char *file, const char *since, bool *journal)
{
    *journal = !file;
    if (!file)
        return open_journal(since);
    FILE *f = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
    if (!f)
        complain(EX_NOINPUT, "%s: %s", file, strerror(errno));
    return f;
}

int trace_close(FILE *f, bool journal)
{
    int how = 0;
    bool bad = ferror(f) != 0;
    if (f != stdin)
        fclose(f);
    if (journal && waitpid(journal_pid, &how, 0) == journal_pid && WIFEXITED(how))
        return WEXITSTATUS(how) == 0                ? EX_OK
               : WEXITSTATUS(how) == EX_UNAVAILABLE ? EX_UNAVAILABLE
                                                    : EX_NOINPUT;
    return bad || how ? complain(EX_IOERR, "the log can't be read") : EX_OK;
}
