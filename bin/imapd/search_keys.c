/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which messages a search is about: its tree of keys (parse_search.c) asked of one message after the other.
 *
 * What a message is asked costs very different amounts, so the tree is walked up to four times for it, each
 * time with more at hand: what the mailbox knows of every message; the header fields of the index; the file,
 * its header; its text. A key for which that isn't enough is UNKNOWN, and so is what depends on it. The first
 * walk is done for all messages, so that the index is told which summaries will be wanted, and a file is opened
 * only where a text is what decides. A message whose file is gone has no text; a file that can't be read fails
 * the search, for "not there" would be a guess.
 *
 * Walking needs nothing but `struct searching`, which doesn't change meanwhile, and what `struct looking` holds.
 */
#include "search.h"

#include "base/clock.h"
#include "match.h"
#include "store/mailbox_ids.h"
#include "text/date.h"
#include "text/header.h"

#include <stdlib.h>

#define DAY 86400

/* What is at hand. */
enum level { LEVEL_FACTS, LEVEL_SUMMARY, LEVEL_HEADER, LEVEL_TEXT };
enum verdict { NO, YES, UNKNOWN };

/* Indexes [from, to). */
struct run {
    size_t from, to;
};

/* A key, made ready to be asked. */
struct asked {
    struct run *runs; /* of a set, ascending */
    size_t run_count;
    uint32_t bit; /* of a keyword, 0 if the folder has none of that name */
    struct unicode_needle needle;
};

struct searching {
    struct imap *i;
    const struct search_key *keys;
    size_t count;
    struct asked *asked; /* as many */
    int64_t now;
    bool summaries; /* some key may be answered by a summary */
};

/* The message at hand. */
struct looking {
    const struct searching *s;
    struct match *match;
    enum level level;
    size_t index;
    struct mailbox_message m;
    struct span header, text; /* header: of the summary or the file, as the level says */
};

static enum verdict verdict_of(bool matches)
{
    return matches ? YES : NO;
}

static uint64_t wire_size(struct looking *l)
{
    if (l->m.wire_size == 0 && mailbox_wire_size(l->s->i->box, l->index, &l->m.wire_size) != ST_OK)
        l->m.wire_size = l->m.size;
    return l->m.wire_size;
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

static enum verdict judge(struct looking *l, size_t at);

/* All keys below. */
static enum verdict judge_all(struct looking *l, const struct search_key *key)
{
    enum verdict all = YES;
    for (size_t child = key->child; child; child = l->s->keys[child].next) {
        enum verdict v = judge(l, child);
        if (v == NO)
            return NO;
        all = v == UNKNOWN ? UNKNOWN : all;
    }
    return all;
}

static enum verdict judge_or(struct looking *l, const struct search_key *key)
{
    enum verdict first = judge(l, key->child);
    if (first == YES)
        return YES;
    enum verdict second = judge(l, l->s->keys[key->child].next);
    return second == NO ? first : second;
}

static enum verdict judge_not(struct looking *l, const struct search_key *key)
{
    enum verdict v = judge(l, key->child);
    return v == UNKNOWN ? UNKNOWN : verdict_of(v == NO);
}

static bool date_matches(const struct looking *l, const struct search_key *key)
{
    bool saved = key->kind >= SEARCH_SAVEDBEFORE && key->kind <= SEARCH_SAVEDSINCE;
    int64_t date = saved ? mailbox_save_date(l->s->i->box, l->index) : mailbox_date(l->s->i->box, l->index);
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

static bool email_id_matches(const struct looking *l, const struct search_key *key)
{
    char id[EMAIL_ID_LIMIT + 1];
    mailbox_email_id(l->s->i->box, l->index, id);
    return span_eq_str(key->text, id);
}

static enum verdict judge(struct looking *l, size_t at)
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
        return verdict_of(email_id_matches(l, key));
    case SEARCH_THREADID: /* no message has one (RFC 8474 5.2) */
        return NO;
    case SEARCH_LARGER:
        return verdict_of(wire_size(l) > (uint64_t)key->number);
    case SEARCH_SMALLER:
        return verdict_of(wire_size(l) < (uint64_t)key->number);
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

static struct looking look_at(const struct searching *s, struct match *match, size_t index)
{
    return (struct looking){ .s = s, .match = match, .index = index, .m = mailbox_message(s->i->box, index) };
}

/* With the message's bytes at hand, all is known. */
static bool judge_bytes(struct looking *l, struct span bytes)
{
    l->text = bytes.p ? bytes : SPAN("");
    l->header = span_head(l->text, header_end(l->text));
    l->level = LEVEL_HEADER;
    enum verdict v = judge(l, 0);
    if (v == UNKNOWN) {
        l->level = LEVEL_TEXT;
        v = judge(l, 0);
    }
    return v == YES;
}

static enum status judge_summary(struct looking *l, enum verdict *v)
{
    struct summary summary;
    enum status st = mailbox_summary(l->s->i->box, l->index, &summary);
    if (st != ST_OK)
        return st;
    l->level = LEVEL_SUMMARY;
    l->header = summary.header;
    *v = judge(l, 0);
    return ST_OK;
}

/* A message that the facts don't decide on. */
static enum status decide(const struct searching *s, struct match *match, size_t index, bool *matches)
{
    struct looking l = look_at(s, match, index);
    struct mailbox_map map;
    enum verdict v = UNKNOWN;
    enum status st = s->summaries ? judge_summary(&l, &v) : ST_OK;
    *matches = v == YES;
    if (st == ST_OK && v != UNKNOWN)
        return ST_OK;
    if (st == ST_OK)
        st = mailbox_map(s->i->box, index, &map);
    if (st == ST_NONE) {
        *matches = judge_bytes(&l, SPAN(""));
        return ST_OK;
    }
    if (st == ST_OK) {
        *matches = judge_bytes(&l, map.bytes);
        mailbox_unmap(&map);
    }
    return st;
}

static bool fail(struct imap *i, const char *why)
{
    reply(i, "NO [UNAVAILABLE] %s", why);
    return false;
}

/* Asks those that are left, and keeps those that match. */
static bool decide_rest(const struct searching *s, const unsigned char *first, size_t *found, size_t *count)
{
    struct match match;
    size_t kept = 0;
    enum status st = ST_OK;
    if (!match_init(&match))
        st = ST_TEMP;
    for (size_t n = 0; n < *count && st == ST_OK && !conn_is_gone(s->i->conn); n++) {
        bool matches = first[n] == YES;
        if (!matches)
            st = decide(s, &match, found[n], &matches);
        if (matches)
            found[kept++] = found[n];
    }
    bool looked = st == ST_OK && !match.failed;
    match_free(&match);
    *count = kept;
    return looked || fail(s->i, "Not all messages could be read");
}

static void expect_unknown(const struct searching *s, const unsigned char *first, const size_t *found,
                           size_t count)
{
    size_t unknown = 0, *indexes = malloc((count + 1) * sizeof *indexes);
    for (size_t n = 0; indexes && n < count; n++)
        if (first[n] == UNKNOWN)
            indexes[unknown++] = found[n];
    if (unknown > 0 && s->summaries)
        mailbox_expect(s->i->box, indexes, unknown);
    free(indexes);
}

static bool find(const struct searching *s, size_t *found, size_t *count)
{
    size_t total = s->i->box->count;
    unsigned char *first = malloc(total + 1); /* what the facts say of found[n] */
    *count = 0;
    if (!first)
        return fail(s->i, "Out of memory");
    for (size_t n = 0; n < total; n++) {
        struct looking l = look_at(s, NULL, n);
        enum verdict v = judge(&l, 0);
        if (v != NO) {
            first[*count] = (unsigned char)v;
            found[(*count)++] = n;
        }
    }
    expect_unknown(s, first, found, *count);
    bool good = decide_rest(s, first, found, count);
    free(first);
    return good;
}

static bool wants_summary(const struct search_key *key)
{
    return key->kind == SEARCH_SENTBEFORE || key->kind == SEARCH_SENTON || key->kind == SEARCH_SENTSINCE ||
           (key->kind == SEARCH_HEADER && summary_has_field(key->field));
}

static bool ready_set(struct imap *i, const struct search_key *key, struct asked *a)
{
    size_t *indexes, count, runs = 0;
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
    return a->runs || fail(i, "Out of memory");
}

/* False with a reply. */
static bool make_ready(struct searching *s)
{
    for (size_t n = 0; n < s->count; n++) {
        const struct search_key *key = &s->keys[n];
        struct asked *a = &s->asked[n];
        s->summaries |= wants_summary(key);
        if ((key->kind == SEARCH_SEQUENCE || key->kind == SEARCH_UID) && !ready_set(s->i, key, a))
            return false;
        if (!unicode_needle_init(&a->needle, key->text))
            return fail(s->i, "Out of memory");
        if ((key->kind == SEARCH_KEYWORD || key->kind == SEARCH_UNKEYWORD) &&
            mailbox_keyword(s->i->box, key->text, false, &a->bit) != ST_OK)
            a->bit = 0;
    }
    return true;
}

bool search_messages(struct imap *i, const struct search *search, size_t **found, size_t *count)
{
    struct searching s = { .i = i, .keys = search->keys, .count = search->count, .now = clock_now() };
    s.asked = calloc(s.count, sizeof *s.asked);
    *found = malloc((i->box->count + 1) * sizeof **found);
    bool good = (s.asked && *found) || fail(i, "Out of memory");
    good = good && make_ready(&s) && find(&s, *found, count);
    for (size_t n = 0; s.asked && n < s.count; n++) {
        free(s.asked[n].runs);
        unicode_needle_free(&s.asked[n].needle);
    }
    free(s.asked);
    if (!good) {
        free(*found);
        *found = NULL;
    }
    return good;
}
