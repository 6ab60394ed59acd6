/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Looking at a message where it lies; see session_view.h.
 */
#include "session_view.h"
#include "text/fields.h"
#include "text/header.h"

#include <sys/mman.h>
#include <unistd.h>

/* Where fields were added the whole header is brought into in->head, so that it is one piece. */
static bool view_memory(struct incoming *in, struct message_view *v)
{
    struct span all = span_bytes(&in->memory);
    size_t header = fields_begin(all) ? header_end(all) : 0;
    if (in->head_length == 0 && in->head.len == 0) {
        v->header = span_head(all, header);
        v->body = span_from(all, header);
        return !in->head.failed;
    }
    if (in->head_length == 0 && header) {
        in->head_length = header;
        bytes_add(&in->head, all.p, header);
    }
    v->header = span_bytes(&in->head);
    v->body = span_from(all, in->head_length);
    return !in->head.failed;
}

static bool view_file(const struct incoming *in, struct message_view *v)
{
    off_t size = lseek(in->file, 0, SEEK_END); /* where it is already */
    if (size <= 0)
        return false;
    v->length = (size_t)size;
    v->map = mmap(NULL, v->length, PROT_READ, MAP_PRIVATE, in->file, 0);
    if (v->map == MAP_FAILED)
        return false;
    struct span all = { v->map, v->length };
    v->header = span_head(all, header_end(all));
    v->body = span_from(all, v->header.n);
    return true;
}

bool view_open(struct incoming *in, struct message_view *v)
{
    *v = (struct message_view){ .map = MAP_FAILED };
    return in->file >= 0 ? view_file(in, v) : view_memory(in, v);
}

void view_close(struct message_view *v)
{
    if (v->map != MAP_FAILED)
        munmap(v->map, v->length);
    v->map = MAP_FAILED;
}
