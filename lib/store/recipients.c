/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Recipients of a queue file from targets; see recipients.h.
 */
#include "store/recipients.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static bool grow(struct recipients *r)
{
    size_t room = r->room ? 2 * r->room : 16;
    struct address *list = reallocarray(r->list, room, sizeof *list);
    if (list)
        r->list = list;
    struct rcpt_options **options = list ? reallocarray(r->options, room, sizeof *options) : NULL;
    if (!options)
        return false;
    r->options = options;
    r->room = room;
    return true;
}

void recipients_add(struct recipients *r, const struct settings *s, const struct target *t)
{
    r->failed = r->failed || (r->count == r->room && !grow(r));
    if (r->failed)
        return;
    struct rcpt_options *o = NULL;
    if (t->program || t->forwarded || t->account || t->options) {
        o = calloc(1, sizeof *o);
        r->failed = !o;
    }
    if (o) {
        if (t->options)
            *o = *t->options;
        o->account = t->account;
        o->forwarded = t->forwarded;
        snprintf(o->program, sizeof o->program, "%s", t->program ? t->program : "");
    }
    target_address(t, s, &r->list[r->count]);
    r->options[r->count++] = o;
}

bool recipients_put(const struct recipients *r, struct queue_envelope *e)
{
    if (r->failed || r->count == 0) {
        errno = ENOMEM;
        return false;
    }
    e->recipients = r->list;
    e->recipient_count = r->count;
    e->recipient_options = (const struct rcpt_options *const *)r->options;
    return true;
}

void recipients_free(struct recipients *r)
{
    for (size_t i = 0; i < r->count; i++)
        free(r->options[i]);
    free(r->options);
    free(r->list);
    *r = (struct recipients){ .count = 0 };
}
