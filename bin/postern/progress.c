/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How far long work is: one line on standard error, drawn over itself, and wiped at the end. Where that isn't
 * a terminal nothing is said, so that logs and pipes stay clean.
 */
#include "import.h"
#include "base/clock.h"
#include "text/utf7.h"

#include <stdio.h>

#define PAUSE_MS 100
#define GRACE_MS 300 /* what takes no longer shows no part */
#define NAME_LIMIT 40 /* bytes of a folder's name that are shown */

void progress_begin(struct progress *p)
{
    *p = (struct progress){ .shown = terminal_progress() };
}

static void put_name(struct span folder)
{
    struct bytes name, shown;
    bytes_init(&name, 4 * FOLDER_NAME_LIMIT);
    bytes_init(&shown, 16 * FOLDER_NAME_LIMIT);
    if (!utf7_to_utf8(folder, &name)) {
        bytes_clear(&name);
        bytes_add_span(&name, folder);
    }
    struct span rest = span_bytes(&name);
    while (rest.n && shown.len < NAME_LIMIT) {
        size_t n = text_character(rest);
        text_escape(span_head(rest, n ? n : 1), false, &shown);
        rest = span_from(rest, n ? n : 1);
    }
    fprintf(stderr, "%s%s", bytes_str(&shown), rest.n ? "~" : "");
    bytes_free(&name);
    bytes_free(&shown);
}

void progress_show(struct progress *p, struct span folder, uint64_t messages, uint64_t part, uint64_t whole)
{
    if (!p->shown || clock_ms() < p->next)
        return;
    p->next = clock_ms() + PAUSE_MS;
    p->drawn = true;
    fputs("\r\033[K", stderr);
    put_name(folder);
    fprintf(stderr, ": %llu messages", (unsigned long long)messages);
    if (whole)
        fprintf(stderr, ", %.0f%%", (double)part * 100 / (double)whole);
    fflush(stderr);
}

void progress_part(struct progress *p, const char *what, uint64_t part, uint64_t whole)
{
    if (p->next == 0)
        p->next = clock_ms() + GRACE_MS;
    if (!p->shown || clock_ms() < p->next)
        return;
    p->next = clock_ms() + PAUSE_MS;
    p->drawn = true;
    fprintf(stderr, "\r\033[K%s: %.0f%%", what, (double)part * 100 / (double)whole);
    fflush(stderr);
}

void progress_end(struct progress *p)
{
    if (p->drawn)
        fputs("\r\033[K", stderr);
    p->drawn = false;
}
