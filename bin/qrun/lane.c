/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which lane a message takes (security.h). A message whose envelope has REQUIRETLS is one that must not go
 * without, whatever its header says (RFC 8689 5).
 */
#include "qrun.h"

#include "text/header.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define HEADER_LIMIT 65536 /* further down nobody looks */

static bool says_no(struct span header)
{
    struct header_field field;
    return header_find(header, "TLS-Required", &field) && span_ieq_str(span_trim(field.value), "no");
}

enum lane lane_of(const struct queue_message *m)
{
    size_t size = m->size < HEADER_LIMIT ? (size_t)m->size : HEADER_LIMIT;
    enum lane lane = LANE_NORMAL;
    if (m->options.require_tls)
        return LANE_REQUIRE;
    char *text = malloc(size + 1);
    ssize_t n;
    do
        n = text ? pread(m->fd, text, size, m->content) : -1;
    while (n < 0 && text && errno == EINTR);
    if (n > 0) {
        struct span all = { text, (size_t)n };
        if (says_no(span_head(all, header_end(all))))
            lane = LANE_FREE;
    }
    free(text);
    return lane;
}
