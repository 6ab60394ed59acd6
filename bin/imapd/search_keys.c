/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The tree of a search's keys (parse_search.c) asked of one message; see search_keys.h. A message whose file
 * is gone has no header and no text.
 */
#include "search_keys.h"

#include "base/clock.h"
#include "text/date.h"
#include "text/header.h"

#include <stdlib.h>

#define DAY 86400

static enum verdict verdict_of(bool matches)
{
    return matches ? YES : NO;
}

static bool is_member(const struct looking *l, size_t at)
{
    const struct asked *a = &l->s->asked[at];
    size_t low = 0, high = a->run_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (a->runs[middle].to <= l->index)
            low = middle + 1;
        else
            high = middle;
    }
    return low < a->run_count && a->runs[low].from <= l->index;
}

/* The day of the Date: field as its sender saw it (RFC 3501 6.4.4: "disregarding time and timezone"). */
static bool sent_day(struct span header, int64_t *day)
{
    struct header_field field;
    int64_t seconds;
    int zone;
    if (!header_find(header, "Date", &field) || !date_read(field.value, &seconds, &zone))
        return false;
    seconds += (int64_t)zone * 60;
    *day = seconds / DAY - (seconds % DAY < 0);
    return true;
}

static enum verdict judge_sent(const struct looking *l, const struct search_key *key)
{
    int64_t day, wanted = key->number / DAY - (key->number % DAY < 0);
    if (l->level < LEVEL_SUMMARY)
        return UNKNOWN;
    if (!sent_day(l->header, &day))
        return NO;
    return verdict_of(key->kind == SEARCH_SENTBEFORE ? day < wanted
                      : key->kind == SEARCH_SENTON   ? day == wanted
                                                     : day >= wanted);
}

static enum verdict judge_header(struct looking *l, size_t at)
{
    const struct search_key *key = &l->s->keys[at];
    if (l->level < (summary_has_field(key->field) ? LEVEL_SUMMARY : LEVEL_HEADER))
        return UNKNOWN;
    return verdict_of(match_header(l->match, l->header, key->field, &l->s->asked[at].needle));
}

static enum verdict judge_text(struct looking *l, size_t at)
{
    const struct unicode_needle *needle = &l->s->asked[at].needle;
    bool fields = l->s->keys[at].kind == SEARCH_TEXT;
    if (l->level < LEVEL_HEADER)
        return UNKNOWN;
    if (fields && match_any_header(l->match, l->header, needle))
        return YES;
    return l->level < LEVEL_TEXT ? UNKNOWN : verdict_of(match_body(l->match, l->text, fields, needle));
}

static enum verdict judge_key(struct looking *l, size_t at);

/* All keys below. */
static enum verdict judge_all(struct looking *l, const struct search_key *key)
{
    enum verdict all = YES;
    for (size_t child = key->child; child; child = l->s->keys[child].next) {
        enum verdict v = judge_key(l, child);
        if (v == NO)
            return NO;
        all = v == UNKNOWN ? UNKNOWN : all;
    }
    return all;
}

static enum verdict judge_or(struct looking *l, const struct search_key *key)
{
    enum verdict first = judge_key(l, key->child);
    if (first == YES)
        return YES;
    enum verdict second = judge_key(l, l->s->keys[key->child].next);
    return second == NO ? first : second;
}

static enum verdict judge_not(struct looking *l, const struct search_key *key)
{
    enum verdict v = judge_key(l, key->child);
    return v == UNKNOWN ? UNKNOWN : verdict_of(v == NO);
}

static bool date_matches(const struct looking *l, const struct search_key *key)
{
    bool saved = key->kind >= SEARCH_SAVEDBEFORE && key->kind <= SEARCH_SAVEDSINCE;
    int64_t date = saved ? l->saved : l->date;
    switch (key->kind) {
    case SEARCH_BEFORE:
    case SEARCH_SAVEDBEFORE:
        return date < key->number;
    case SEARCH_ON:
    case SEARCH_SAVEDON:
        return date >= key->number && date < key->number + DAY;
    case SEARCH_SINCE:
    case SEARCH_SAVEDSINCE:
        return date >= key->number;
    case SEARCH_OLDER:
        return date <= l->s->now - key->number;
    default: /* SEARCH_YOUNGER */
        return date >= l->s->now - key->number;
    }
}

static enum verdict judge_key(struct looking *l, size_t at)
{
    const struct search_key *key = &l->s->keys[at];
    uint32_t bits = (uint32_t)key->number;
    switch (key->kind) {
    case SEARCH_AND:
        return judge_all(l, key);
    case SEARCH_OR:
        return judge_or(l, key);
    case SEARCH_NOT:
        return judge_not(l, key);
    case SEARCH_ALL:
        return YES;
    case SEARCH_FLAG:
        return verdict_of(l->m.flags & bits);
    case SEARCH_UNFLAG:
        return verdict_of(!(l->m.flags & bits));
    case SEARCH_KEYWORD:
        return verdict_of(l->m.flags & l->s->asked[at].bit);
    case SEARCH_UNKEYWORD:
        return verdict_of(!(l->m.flags & l->s->asked[at].bit));
    case SEARCH_RECENT:
        return verdict_of(l->m.recent);
    case SEARCH_OLD:
        return verdict_of(!l->m.recent);
    case SEARCH_NEW:
        return verdict_of(l->m.recent && !(l->m.flags & FLAG_SEEN));
    case SEARCH_BEFORE:
    case SEARCH_ON:
    case SEARCH_SINCE:
    case SEARCH_SAVEDBEFORE:
    case SEARCH_SAVEDON:
    case SEARCH_SAVEDSINCE:
    case SEARCH_OLDER:
    case SEARCH_YOUNGER:
        return verdict_of(date_matches(l, key));
    case SEARCH_EMAILID:
        return verdict_of(span_eq_str(key->text, l->email_id));
    case SEARCH_THREADID: /* no message has one (RFC 8474 5.2) */
        return NO;
    case SEARCH_LARGER:
        return verdict_of(l->m.wire_size > (uint64_t)key->number);
    case SEARCH_SMALLER:
        return verdict_of(l->m.wire_size < (uint64_t)key->number);
    case SEARCH_MODSEQ:
        return verdict_of(l->m.modseq >= (uint64_t)key->number);
    case SEARCH_SEQUENCE:
    case SEARCH_UID:
        return verdict_of(is_member(l, at));
    case SEARCH_SENTBEFORE:
    case SEARCH_SENTON:
    case SEARCH_SENTSINCE:
        return judge_sent(l, key);
    case SEARCH_HEADER:
        return judge_header(l, at);
    case SEARCH_BODY:
    case SEARCH_TEXT:
        return judge_text(l, at);
    }
    return NO;
}

struct looking look_at(const struct searching *s, struct mailbox *box, struct match *match, size_t index)
{
    struct looking l = { .s = s, .match = match, .index = index, .m = mailbox_message(box, index) };
    if (s->wants & WANT_DATE)
        l.date = mailbox_date(box, index);
    if (s->wants & WANT_SAVED)
        l.saved = mailbox_save_date(box, index);
    if (s->wants & WANT_EMAIL_ID)
        mailbox_email_id(box, index, l.email_id);
    if ((s->wants & WANT_SIZE) && l.m.wire_size == 0 &&
        mailbox_wire_size(box, index, &l.m.wire_size) != ST_OK)
        l.m.wire_size = l.m.size;
    return l;
}

enum verdict judge(struct looking *l)
{
    return judge_key(l, 0);
}

bool judge_bytes(struct looking *l, struct span bytes)
{
    l->text = bytes.p ? bytes : SPAN("");
    l->header = span_head(l->text, header_end(l->text));
    l->level = LEVEL_HEADER;
    enum verdict v = judge(l);
    if (v == UNKNOWN) {
        l->level = LEVEL_TEXT;
        v = judge(l);
    }
    return v == YES;
}

static bool no_memory(struct imap *i)
{
    reply(i, "NO [UNAVAILABLE] Out of memory");
    return false;
}

static unsigned wants_of(const struct search_key *key)
{
    switch (key->kind) {
    case SEARCH_BEFORE:
    case SEARCH_ON:
    case SEARCH_SINCE:
    case SEARCH_OLDER:
    case SEARCH_YOUNGER:
        return WANT_DATE;
    case SEARCH_SAVEDBEFORE:
    case SEARCH_SAVEDON:
    case SEARCH_SAVEDSINCE:
        return WANT_SAVED;
    case SEARCH_EMAILID:
        return WANT_EMAIL_ID;
    case SEARCH_LARGER:
    case SEARCH_SMALLER:
        return WANT_SIZE;
    case SEARCH_SENTBEFORE:
    case SEARCH_SENTON:
    case SEARCH_SENTSINCE:
        return WANT_SUMMARY;
    case SEARCH_HEADER:
        return summary_has_field(key->field) ? WANT_SUMMARY : 0;
    default:
        return 0;
    }
}

static bool ready_set(struct imap *i, const struct search_key *key, struct asked *a)
{
    size_t *indexes, count, runs = 0;
    if (key->kind != SEARCH_SEQUENCE && key->kind != SEARCH_UID)
        return true;
    if (!set_indexes(i, &key->set, key->kind == SEARCH_UID, &indexes, &count))
        return false;
    for (size_t n = 0; n < count; n++)
        runs += n == 0 || indexes[n] != indexes[n - 1] + 1;
    a->runs = malloc((runs + 1) * sizeof *a->runs);
    for (size_t n = 0; a->runs && n < count; n++) {
        if (n == 0 || indexes[n] != indexes[n - 1] + 1)
            a->runs[a->run_count++].from = indexes[n];
        a->runs[a->run_count - 1].to = indexes[n] + 1;
    }
    free(indexes);
    return a->runs || no_memory(i);
}

bool searching_init(struct searching *s, struct imap *i, const struct search *search)
{
    *s = (struct searching){ .keys = search->keys, .count = search->count, .now = clock_now() };
    s->asked = calloc(s->count, sizeof *s->asked);
    if (!s->asked)
        return no_memory(i);
    for (size_t n = 0; n < s->count; n++) {
        const struct search_key *key = &s->keys[n];
        struct asked *a = &s->asked[n];
        s->wants |= wants_of(key);
        if (!ready_set(i, key, a))
            return false;
        if (!unicode_needle_init(&a->needle, key->text))
            return no_memory(i);
        if ((key->kind == SEARCH_KEYWORD || key->kind == SEARCH_UNKEYWORD) &&
            mailbox_keyword(i->box, key->text, false, &a->bit) != ST_OK)
            a->bit = 0;
    }
    return true;
}

void searching_free(struct searching *s)
{
    for (size_t n = 0; s->asked && n < s->count; n++) {
        free(s->asked[n].runs);
        unicode_needle_free(&s->asked[n].needle);
    }
    free(s->asked);
}
