/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A message goes through the filters, one after the other, each as the ones before it left it; see
 * session_milter.h.
 *
 * What a filter wants to have changed is only kept while it speaks, and done when its last answer accepts the
 * message: of one that fails in the middle nothing is done. Bounds: EDITS_LIMIT bytes and EDITS_COUNT wishes
 * of one filter, a body of message-size, SMTPD_FILTERED_LIMIT bytes more than the message had. What the
 * envelope may become is the guard's to decide; a wish that it refuses is in its log, and the message goes on
 * without it.
 *
 * Spam is what a filter says: a field X-Spam or X-Spam-Flag that it adds and that begins with "Yes", and
 * quarantine. What the message brought along says nothing.
 */
#include "session_milter.h"
#include "session_milter_text.h"
#include "base/clock.h"
#include "text/header.h"
#include "text/header_list.h"

#include <stdio.h>

#define EDITS_LIMIT 524288
#define EDITS_COUNT 5000
/* For all filters, at a message's end: clients wait ten minutes (RFC 5321 4.5.3.2.6). */
#define TOGETHER_MS 540000
#define NAME_LIMIT 1024 /* bytes of a field's name that a filter gets */
#define BATCH 65536     /* bytes of packets that have no answer, sent together */

struct run {
    struct milters *all;
    struct milter *m;
    struct milter_text *text;
    struct bytes edits; /* its packets, as they came, but for bodies */
    size_t edit_count;
    struct milter_body body;
    bool replaces;
};

/* --- telling */

/* What m->out ends with has been put there for `command`. */
static enum milter_outcome send_on(struct run *r, char command)
{
    if (milter_answers(&r->m->options, command) || r->m->out.len < BATCH)
        return milter_ask(r->all, r->m, command);
    milter_give_time(r->all, r->m, 1);
    return milter_flush(r->all, r->m) ? MILTER_GO_ON : milter_without(r->all, r->m);
}

/* libmilter takes no more than MILTER_CHUNK bytes in a packet, and hangs up: a longer field is cut, which a
 * sender can't use to get past a filter, then. */
static enum milter_outcome tell_field(struct run *r, const struct header_field *field)
{
    struct bytes value;
    bytes_init(&value, field->value.n);
    bool leading_space = r->m->options.steps & MILTER_STEP_LEADING_SPACE;
    milter_value(field->value, leading_space, &value);
    struct span name = span_head(field->name, NAME_LIMIT);
    const struct span strings[] = { name, span_head(span_bytes(&value), MILTER_CHUNK - name.n - 2) };
    milter_put_strings(&r->m->out, MILTER_HEADER, strings, 2);
    bytes_free(&value);
    return send_on(r, MILTER_HEADER);
}

static enum milter_outcome tell_header(struct run *r)
{
    struct header_field field;
    struct span rest = span_bytes(&r->text->header);
    enum milter_outcome outcome = MILTER_GO_ON;
    while (outcome == MILTER_GO_ON && milter_listens(r->m, MILTER_HEADER) && header_next(&rest, &field))
        outcome = tell_field(r, &field);
    if (outcome != MILTER_GO_ON || !milter_listens(r->m, MILTER_HEADER_END))
        return outcome;
    milter_put_macros(r->all, r->m, MILTER_HEADER_END);
    milter_put_command(&r->m->out, MILTER_HEADER_END);
    return send_on(r, MILTER_HEADER_END);
}

/* One piece of the body; *skip: it has seen enough. */
static enum milter_outcome tell_piece(struct run *r, struct span piece, bool *skip)
{
    struct milter_packet p;
    char code;
    struct span data;
    milter_begin(&p, &r->m->out, MILTER_BODY);
    milter_put_bytes(&p, piece);
    milter_finish(&p);
    if (!milter_answers(&r->m->options, MILTER_BODY))
        return send_on(r, MILTER_BODY);
    if (!milter_hear(r->all, r->m, &code, &data))
        return milter_without(r->all, r->m);
    *skip = code == MILTER_SKIP;
    return *skip ? MILTER_GO_ON : milter_decide(r->all, r->m, MILTER_BODY, code, data);
}

static enum milter_outcome tell_body(struct run *r)
{
    struct span rest = r->text->body;
    enum milter_outcome outcome = MILTER_GO_ON;
    bool skip = false;
    while (rest.n && outcome == MILTER_GO_ON && !skip && milter_listens(r->m, MILTER_BODY)) {
        outcome = tell_piece(r, span_head(rest, MILTER_CHUNK), &skip);
        rest = span_from(rest, MILTER_CHUNK);
    }
    return outcome;
}

/* --- what it wants changed */

static bool is_wish(char code)
{
    static const char codes[] = { MILTER_ADD_HEADER,  MILTER_INSERT_HEADER, MILTER_CHANGE_HEADER,
                                  MILTER_CHANGE_FROM, MILTER_ADD_RCPT,      MILTER_ADD_RCPT_ESMTP,
                                  MILTER_DELETE_RCPT, MILTER_QUARANTINE };
    return code && memchr(codes, code, sizeof codes);
}

/* Of the form that it must have. */
static bool is_good_wish(char code, struct span data)
{
    uint32_t index;
    struct span name, value;
    if (code == MILTER_ADD_HEADER)
        return milter_read_header(data, false, &index, &name, &value);
    if (code == MILTER_INSERT_HEADER || code == MILTER_CHANGE_HEADER)
        return milter_read_header(data, true, &index, &name, &value);
    return milter_read_string(data, &name);
}

static bool keep_wish(struct run *r, char code, struct span data)
{
    struct milter_packet p;
    milter_begin(&p, &r->edits, code);
    milter_put_bytes(&p, data);
    return is_good_wish(code, data) && milter_finish(&p) && ++r->edit_count <= EDITS_COUNT;
}

static bool keep_body(struct run *r, struct span data)
{
    if (!r->replaces)
        milter_body_begin(&r->body, r->text);
    r->replaces = true;
    return milter_body_add(&r->body, data);
}

/* An address with or without brackets, for the guard. */
static enum verdict ask_path(struct session *s, unsigned verb, struct span text)
{
    struct address a;
    char path[ADDRESS_LIMIT + 8];
    text = span_trim(text);
    enum address_result result = span_starts(text, "<") ? address_path(&text, &a) : address_parse(text, &a);
    if (result != ADDRESS_OK || (verb != VERB_SENDER && address_is_null(&a)) ||
        (!s->transaction.mail.options.smtputf8 && !address_is_ascii(&a)))
        return VERDICT_REFUSED;
    snprintf(path, sizeof path, "<%s>", a.text);
    message_start(s->message, verb);
    message_put_str(s->message, path);
    return ask(s);
}

static void change_envelope(struct run *r, char code, struct span text)
{
    struct session *s = r->all->session;
    unsigned verb = code == MILTER_CHANGE_FROM   ? VERB_SENDER
                    : code == MILTER_DELETE_RCPT ? VERB_REMOVE
                                                 : VERB_ADD;
    enum verdict v = ask_path(s, verb, text);
    while (v == VERDICT_OK && verb == VERB_REMOVE && s->transaction.accepted) { /* as often as it was named */
        s->transaction.accepted--;
        v = ask_path(s, verb, text);
    }
    if (v == VERDICT_OK && verb == VERB_ADD)
        s->transaction.accepted++;
    else if (v == VERDICT_OVER ||
             (verb == VERB_REMOVE && v != VERDICT_OK && v != VERDICT_NO_USER && v != VERDICT_REFUSED))
        r->text->in->trouble = v;
}

static void judge_field(struct run *r, struct span name, struct span value)
{
    if ((span_ieq_str(name, "X-Spam") || span_ieq_str(name, "X-Spam-Flag")) &&
        span_istarts(span_trim(value), "yes"))
        r->all->junk = true;
}

static bool has_eight_bit(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] > 127)
            return true;
    return false;
}

static void change_header(struct run *r, struct header_list *l, char code, struct span data)
{
    uint32_t index;
    struct span name, value;
    bool leading_space = r->m->options.steps & MILTER_STEP_LEADING_SPACE;
    milter_read_header(data, code != MILTER_ADD_HEADER, &index, &name, &value);
    judge_field(r, name, value);
    if (has_eight_bit(value))
        r->text->in->reader.found |= SMTP_DATA_EIGHT_BIT;
    if (code == MILTER_CHANGE_HEADER)
        header_list_change(l, index, name, value, leading_space);
    else if (code == MILTER_INSERT_HEADER)
        header_list_insert(l, index, name, value, leading_space);
    else
        header_list_add(l, name, value, leading_space);
    r->text->changed = true;
}

static void change(struct run *r, struct header_list *l, char code, struct span data)
{
    struct span text;
    switch (code) {
    case MILTER_ADD_HEADER:
    case MILTER_INSERT_HEADER:
    case MILTER_CHANGE_HEADER:
        change_header(r, l, code, data);
        break;
    case MILTER_QUARANTINE:
        r->all->junk = true;
        break;
    default:
        if (milter_read_string(data, &text))
            change_envelope(r, code, text);
    }
}

/* Does what it wants. */
static void change_all(struct run *r)
{
    struct milter_text *t = r->text;
    struct span rest = span_bytes(&r->edits), data;
    struct header_list l;
    struct bytes header;
    size_t used;
    char code;
    bytes_init(&header, t->header.limit);
    header_list_read(span_bytes(&t->header), &l);
    while (t->in->trouble == VERDICT_OK && milter_take(rest, &used, &code, &data) == MILTER_PACKET) {
        change(r, &l, code, data);
        rest = span_from(rest, used);
    }
    if (!header_list_write(&l, &header))
        t->in->trouble = VERDICT_FAILED;
    header_list_free(&l);
    bytes_free(&t->header);
    t->header = header;
    if (r->replaces && milter_body_take(&r->body))
        t->parted = true;
    r->replaces = false;
}

/* --- the end */

static enum milter_outcome end_wrongly(struct run *r)
{
    milter_fail(r->all, r->m, "it wants what can't be, or too much");
    return milter_without(r->all, r->m);
}

static enum milter_outcome tell_end(struct run *r)
{
    char code;
    struct span data;
    milter_put_macros(r->all, r->m, MILTER_END);
    milter_put_command(&r->m->out, MILTER_END);
    milter_give_time(r->all, r->m, MILTER_WORK_TIMES);
    if (!milter_flush(r->all, r->m))
        return milter_without(r->all, r->m);
    for (;;) {
        if (!milter_receive(r->all, r->m, &code, &data))
            return milter_without(r->all, r->m);
        if (code == MILTER_PROGRESS)
            milter_give_time(r->all, r->m, MILTER_WORK_TIMES);
        else if (is_wish(code) ? !keep_wish(r, code, data)
                               : code == MILTER_REPLACE_BODY && !keep_body(r, data))
            return end_wrongly(r);
        else if (!is_wish(code) && code != MILTER_REPLACE_BODY)
            break;
    }
    r->m->in_message = false;
    enum milter_outcome outcome = milter_decide(r->all, r->m, MILTER_END, code, data);
    if (outcome == MILTER_GO_ON && r->m->state == MILTER_OPEN)
        change_all(r);
    return outcome;
}

static enum milter_outcome run_one(struct run *r)
{
    enum milter_outcome outcome = tell_header(r);
    if (outcome == MILTER_GO_ON)
        outcome = tell_body(r);
    if (outcome == MILTER_GO_ON && milter_listens(r->m, MILTER_END))
        outcome = tell_end(r);
    if (r->replaces)
        milter_body_drop(&r->body);
    return outcome;
}

static enum milter_outcome run_all(struct milters *all, struct milter_text *text)
{
    enum milter_outcome outcome = all->dropped ? MILTER_DROPPED : MILTER_GO_ON;
    for (size_t i = 0; i < all->count && outcome == MILTER_GO_ON && text->in->trouble == VERDICT_OK; i++) {
        struct run r = { .all = all, .m = &all->list[i], .text = text };
        bytes_init(&r.edits, EDITS_LIMIT);
        if (milter_is_missed(r.m))
            outcome = milter_without(all, r.m);
        else if (milter_listens(r.m, MILTER_END))
            outcome = run_one(&r);
        bytes_free(&r.edits);
    }
    return outcome;
}

void milters_message(struct incoming *in)
{
    struct session *s = in->session;
    struct milters *all = s->milters;
    struct milter_text text;
    if (!all)
        return;
    all->until = clock_ms() + TOGETHER_MS;
    enum milter_outcome outcome = MILTER_GO_ON;
    if (milter_text_begin(in, &text))
        outcome = run_all(all, &text);
    else
        in->trouble = VERDICT_FAILED;
    if (outcome == MILTER_GO_ON)
        milter_text_finish(&text);
    milter_text_free(&text);
    all->until = 0;
    in->by_filter = outcome == MILTER_REFUSED;
    in->dropped = outcome == MILTER_DROPPED || s->transaction.accepted == 0;
    in->junk = in->junk || all->junk;
    if (outcome == MILTER_REFUSED)
        in->refusal = bytes_str(&all->reply);
}
