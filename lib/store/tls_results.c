/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Appends lines to a day's file; see tls_results.h. What comes from outside is printable ASCII by the time it
 * is written: anything else, quotes and backslashes become '?'.
 */
#include "store/tls_results.h"
#include "base/bytes.h"
#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLDER "tls-results"
#define LINE_LIMIT 32768
#define DAY 86400

static const char *const policies[] = { "no-policy-found", "sts", "tlsa" };
static const char *const results[TLS_RESULTS] = {
    [TLS_RESULT_SUCCESS] = "success",
    [TLS_RESULT_NO_STARTTLS] = "starttls-not-supported",
    [TLS_RESULT_HOST_MISMATCH] = "certificate-host-mismatch",
    [TLS_RESULT_EXPIRED] = "certificate-expired",
    [TLS_RESULT_NOT_TRUSTED] = "certificate-not-trusted",
    [TLS_RESULT_VALIDATION] = "validation-failure",
    [TLS_RESULT_TLSA_INVALID] = "tlsa-invalid",
    [TLS_RESULT_DNSSEC_INVALID] = "dnssec-invalid",
    [TLS_RESULT_DANE_REQUIRED] = "dane-required",
    [TLS_RESULT_FETCH_ERROR] = "sts-policy-fetch-error",
    [TLS_RESULT_POLICY_INVALID] = "sts-policy-invalid",
    [TLS_RESULT_WEBPKI_INVALID] = "sts-webpki-invalid",
};

const char *tls_policy_name(enum tls_policy policy)
{
    return policies[policy];
}

const char *tls_result_name(enum tls_result result)
{
    return results[result];
}

static void add_pair(struct bytes *line, const char *name, const char *value, bool quoted)
{
    if (!value || !value[0])
        return;
    bytes_printf(line, "%s%s=%s", line->len ? " " : "", name, quoted ? "\"" : "");
    for (const char *p = value; *p; p++) {
        bool plain = *p > ' ' && *p < 0x7f && *p != '"' && *p != '\\';
        bytes_add_char(line, plain || (quoted && *p == ' ') ? *p : '?');
    }
    if (quoted)
        bytes_add_char(line, '"');
}

static bool day_name(int64_t at, char to[16])
{
    time_t t = (time_t)at;
    struct tm tm;
    return gmtime_r(&t, &tm) && strftime(to, 16, "%Y-%m-%d", &tm) > 0;
}

static int open_day(const char *spool, int64_t at)
{
    char path[PATH_MAX], day[16];
    if (!day_name(at, day)) {
        errno = EINVAL;
        return -1;
    }
    if (snprintf(path, sizeof path, "%s/" FOLDER "/%s", spool, day) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s/" FOLDER, spool);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return -1;
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static enum status append(const char *spool, int64_t at, struct bytes *line)
{
    struct stat st;
    bytes_add_char(line, '\n');
    int fd = line->failed ? -1 : open_day(spool, at);
    if (fd < 0)
        return ST_TEMP;
    enum status status = fstat(fd, &st) != 0 ? ST_TEMP : ST_OK;
    if (status == ST_OK && st.st_size + (off_t)line->len > (off_t)TLS_RESULTS_LIMIT)
        status = ST_PERM;
    if (status == ST_OK)
        status = file_write(fd, span_bytes(line));
    file_close(fd);
    return status;
}

enum status tls_results_add(const char *spool, const struct tls_session *s)
{
    struct bytes line;
    bytes_init(&line, LINE_LIMIT);
    bytes_printf(&line, "at=%lld", (long long)s->at);
    add_pair(&line, "domain", s->domain, false);
    add_pair(&line, "policy", policies[s->policy], false);
    add_pair(&line, "mx", s->mx, false);
    add_pair(&line, "from", s->from, false);
    add_pair(&line, "to", s->to, false);
    add_pair(&line, "result", results[s->result], false);
    add_pair(&line, "text", s->text, true);
    enum status st = append(spool, s->at, &line);
    bytes_free(&line);
    return st;
}

enum status tls_results_policy(const char *spool, int64_t at, const char *domain, enum tls_policy policy,
                               const char *text)
{
    struct bytes line;
    bytes_init(&line, LINE_LIMIT);
    bytes_add_str(&line, "policy");
    add_pair(&line, "domain", domain, false);
    add_pair(&line, "policy", policies[policy], false);
    add_pair(&line, "text", text, true);
    enum status st = append(spool, at, &line);
    bytes_free(&line);
    return st;
}

void tls_results_sweep(const char *spool, int64_t now)
{
    char folder[PATH_MAX], oldest[16];
    const struct dirent *entry;
    snprintf(folder, sizeof folder, "%s/" FOLDER, spool);
    DIR *dir = day_name(now - (int64_t)TLS_RESULTS_DAYS * DAY, oldest) ? opendir(folder) : NULL;
    if (!dir)
        return;
    while ((entry = readdir(dir)) != NULL)
        if (ascii_digit(entry->d_name[0]) && strcmp(entry->d_name, oldest) < 0)
            unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
}
