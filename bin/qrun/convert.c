/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Conversion; see convert.h and text/seven_bit.h, which does it. The message stays in its file, mapped: the
 * sender's memory doesn't grow with it. It is gone through twice: before MAIL, to know that it can be done
 * and what size it comes to, and when it is sent.
 */
#include "convert.h"

#include "text/seven_bit.h"

#include <sys/mman.h>
#include <unistd.h>

struct map {
    char *base;
    size_t length;
    struct span message;
};

static bool map_message(const struct transaction *t, struct map *m)
{
    off_t page = sysconf(_SC_PAGESIZE), start = t->content / page * page;
    size_t before = (size_t)(t->content - start);
    m->length = before + (size_t)t->size;
    m->base = mmap(NULL, m->length ? m->length : 1, PROT_READ, MAP_PRIVATE, t->fd, start);
    if (m->base == MAP_FAILED)
        return false;
    m->message = (struct span){ m->base + before, (size_t)t->size };
    return true;
}

static enum seven_bit convert(const struct transaction *t, bool (*put)(void *to, struct span piece), void *to)
{
    struct map m;
    if (!map_message(t, &m))
        return SEVEN_BIT_FAILED;
    enum seven_bit fault = seven_bit_write(m.message, put, to);
    munmap(m.base, m.length ? m.length : 1);
    return fault;
}

static bool count(void *to, struct span piece)
{
    *(uint64_t *)to += piece.n;
    return true;
}

bool convert_prepare(const struct smtp *s, struct transaction *t)
{
    uint64_t size = 0;
    t->wire_size = t->size;
    if (!t->eight_bit || s->ehlo.eight_bit || t->says_utf8)
        return true;
    enum seven_bit fault = convert(t, count, &size);
    if (fault == SEVEN_BIT_OK) {
        t->converts = true;
        t->wire_size = size;
        return true;
    }
    transaction_refuse(t, seven_bit_why(fault), fault == SEVEN_BIT_FAILED ? QUEUE_TODO : QUEUE_FAILED);
    return false;
}

bool convert_send(const struct transaction *t, bool (*put)(void *to, struct span piece), void *to)
{
    return convert(t, put, to) == SEVEN_BIT_OK;
}
