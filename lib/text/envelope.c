/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Options of an envelope that are carried on; see envelope.h.
 */
#include "text/envelope.h"
#include "text/xtext.h"

#include <string.h>

static void set_orcpt(struct span alias, char to[ENVELOPE_ORCPT_LIMIT + 1])
{
    struct bytes value;
    bytes_init(&value, ENVELOPE_ORCPT_LIMIT);
    if (!orcpt_make(alias, &value) || !span_copy(span_bytes(&value), to, ENVELOPE_ORCPT_LIMIT + 1))
        to[0] = '\0';
    bytes_free(&value);
}

void rcpt_options_but_success(struct rcpt_options *o)
{
    if (!(o->notify & NOTIFY_SUCCESS))
        return;
    o->notify &= ~(unsigned)NOTIFY_SUCCESS;
    if (!o->notify)
        o->notify = NOTIFY_NEVER;
}

void rcpt_options_behind_alias(const struct rcpt_options *said, struct span alias, bool several,
                               struct rcpt_options *to)
{
    *to = said ? *said : (struct rcpt_options){ 0 };
    if (!to->orcpt[0])
        set_orcpt(alias, to->orcpt);
    if (several)
        rcpt_options_but_success(to);
}

bool rcpt_wants(const struct rcpt_options *o, unsigned what)
{
    unsigned notify = o && o->notify ? o->notify : NOTIFY_FAILURE | NOTIFY_DELAY;
    return (notify & what) != 0;
}

void rcpt_options_both(const struct rcpt_options *first, const struct rcpt_options *second,
                       struct rcpt_options *to)
{
    static const struct rcpt_options nothing = { .notify = 0 };
    const struct rcpt_options *a = first ? first : &nothing, *b = second ? second : &nothing;
    const unsigned unsaid = NOTIFY_FAILURE | NOTIFY_DELAY;
    bool never = a->notify == NOTIFY_NEVER || b->notify == NOTIFY_NEVER;
    if (never && a->notify != b->notify) {
        *to = b->notify == NOTIFY_NEVER ? *a : *b;
        return;
    }
    bool hears = rcpt_wants(a, NOTIFY_FAILURE) || !rcpt_wants(b, NOTIFY_FAILURE);
    *to = hears && a->orcpt[0] ? *a : *b;
    if (a->notify != b->notify)
        to->notify = (a->notify ? a->notify : unsaid) | (b->notify ? b->notify : unsaid);
}

void notify_write(unsigned notify, struct bytes *out)
{
    static const char *const words[] = { "NEVER", "SUCCESS", "FAILURE", "DELAY" };
    const char *before = "";
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (notify & 1u << i) {
            bytes_printf(out, "%s%s", before, words[i]);
            before = ",";
        }
}
