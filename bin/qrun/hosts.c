/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The memory of dead hosts; see hosts.h. spool/hosts is text, a line each:
 *
 *     192.0.2.1 1763759545 3      the address, until when it is left alone, how often in a row it failed
 *
 * At most HOSTS_LIMIT are kept; the one whose time ends first makes room. The first time is three quarters of
 * retry-first, so that the message that found it dead asks again; then twice that each time, up to DEAD_MOST.
 * How often it failed is forgotten FORGET seconds after. A file that isn't right is passed over: it is only a
 * memory.
 */
#include "hosts.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS_LIMIT 1000
#define DEAD_MOST 900
#define FORGET 3600
#define FILE_LIMIT 131072

struct host {
    char address[INET6_ADDRSTRLEN];
    int64_t until; /* clock_now() */
    unsigned failures;
};

struct hosts {
    char path[PATH_MAX];
    int64_t first;
    bool changed;
    size_t count;
    struct host list[HOSTS_LIMIT];
};

static bool is_address(const char *text)
{
    unsigned char parsed[16];
    return inet_pton(AF_INET, text, parsed) == 1 || inet_pton(AF_INET6, text, parsed) == 1;
}

static void read_line(struct hosts *h, struct span line, int64_t now)
{
    struct host one = { .failures = 0 };
    struct span address, until;
    uint64_t time, failures;
    bool good = h->count < HOSTS_LIMIT && span_cut(&line, ' ', &address) && span_cut(&line, ' ', &until) &&
                span_copy(address, one.address, sizeof one.address) && is_address(one.address) &&
                span_u64(until, INT64_MAX, &time) && span_u64(line, 1000000, &failures);
    if (!good || (int64_t)time + FORGET < now || (int64_t)time > now + DEAD_MOST)
        return;
    one.until = (int64_t)time;
    one.failures = (unsigned)failures;
    h->list[h->count++] = one;
}

struct hosts *hosts_open(const struct settings *s)
{
    struct hosts *h = calloc(1, sizeof *h);
    struct bytes text;
    struct span rest, line;
    if (!h || snprintf(h->path, sizeof h->path, "%s/hosts", s->spool) >= (int)sizeof h->path) {
        free(h);
        return NULL;
    }
    h->first = (int64_t)(s->retry_first * 3 / 4);
    bytes_init(&text, FILE_LIMIT);
    if (file_read(AT_FDCWD, h->path, &text) == ST_OK)
        for (rest = span_bytes(&text); span_cut(&rest, '\n', &line);)
            read_line(h, line, clock_now());
    bytes_free(&text);
    return h;
}

void hosts_close(struct hosts *h)
{
    struct bytes text;
    if (h && h->changed) {
        bytes_init(&text, FILE_LIMIT);
        for (size_t i = 0; i < h->count; i++)
            bytes_printf(&text, "%s %" PRId64 " %u\n", h->list[i].address, h->list[i].until,
                         h->list[i].failures);
        if (text.failed || file_replace(AT_FDCWD, h->path, span_bytes(&text), 0600) != ST_OK)
            log_event(LOG_ERR, "hosts-not-written", "file", h->path, "text", strerror(errno), NULL);
        bytes_free(&text);
    }
    free(h);
}

static struct host *find(const struct hosts *h, const char *address)
{
    for (size_t i = 0; h && i < h->count; i++)
        if (strcmp(h->list[i].address, address) == 0)
            return (struct host *)(uintptr_t)&h->list[i];
    return NULL;
}

int64_t hosts_dead(const struct hosts *h, const char *address)
{
    const struct host *one = find(h, address);
    int64_t left = one ? one->until - clock_now() : 0;
    return left > 0 ? left : 0;
}

/* A new entry, in place of the one whose time ends first where there is no room. */
static struct host *new_entry(struct hosts *h, const char *address)
{
    struct host *one = &h->list[0];
    if (h->count < HOSTS_LIMIT)
        one = &h->list[h->count++];
    else
        for (size_t i = 1; i < h->count; i++)
            if (h->list[i].until < one->until)
                one = &h->list[i];
    *one = (struct host){ .until = 0 };
    snprintf(one->address, sizeof one->address, "%s", address);
    return one;
}

void hosts_failed(struct hosts *h, const char *address)
{
    int64_t now = clock_now(), wait;
    if (!h || !is_address(address))
        return;
    struct host *one = find(h, address);
    if (one && one->until > now) /* several found out at the same time */
        return;
    if (!one)
        one = new_entry(h, address);
    wait = h->first;
    for (unsigned i = 0; i < one->failures && wait < DEAD_MOST; i++)
        wait *= 2;
    one->failures++;
    one->until = now + (wait < DEAD_MOST ? wait : DEAD_MOST);
    h->changed = true;
}

void hosts_worked(struct hosts *h, const char *address)
{
    struct host *one = find(h, address);
    if (!one)
        return;
    *one = h->list[--h->count];
    h->changed = true;
}
