/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which messages a search is about. All are asked what the mailbox knows of them; those for which that
 * decides nothing, what the index's header fields say, after it was told which will be wanted; and files are
 * opened only where that isn't enough either. Files are looked into on all processors.
 *
 * A file that can't be read fails the search, for "not there" would be a guess; one that is gone has no text.
 */
#include "search_keys.h"

#include "base/clock.h"
#include "base/parallel.h"

#include <stdlib.h>

#define READINGS 1024 /* files that are looked into before the client is thought of again */
#define PIECE 64      /* of them, by one thread at a time */
#define TELL_MS 10000 /* how often a client that waits is told how far this is */

/* A message whose file is to be looked into. */
struct reading {
    size_t at; /* in `found` */
    struct looking l;
    struct mailbox_spot spot;
    bool there, done, matches; /* there: spot is; done: matches is */
};

/* The messages that are left, ascending, and what is known of each: enum verdict. */
struct finding {
    struct imap *i;
    struct searching s;
    size_t *found;
    unsigned char *verdicts;
    size_t count;
    int64_t told; /* when the client heard of this last, by clock_ms() */
    struct reading *readings;
    size_t reading_count;
    size_t done;                   /* of `found`, up to these readings */
    bool failed[READINGS / PIECE]; /* its pieces: memory */
};

static bool fail(struct imap *i, const char *why)
{
    reply(i, "NO [UNAVAILABLE] %s", why);
    return false;
}

static void judge_facts(struct finding *f)
{
    for (size_t n = 0; n < f->i->box->count; n++) {
        struct looking l = look_at(&f->s, f->i->box, NULL, n);
        enum verdict v = judge(&l);
        if (v != NO) {
            f->verdicts[f->count] = (unsigned char)v;
            f->found[f->count++] = n;
        }
    }
}

/* Takes out those that don't match. */
static void drop_misses(struct finding *f)
{
    size_t kept = 0;
    for (size_t n = 0; n < f->count; n++)
        if (f->verdicts[n] != NO) {
            f->found[kept] = f->found[n];
            f->verdicts[kept++] = f->verdicts[n];
        }
    f->count = kept;
}

static size_t count_unknown(const struct finding *f)
{
    size_t unknown = 0;
    for (size_t n = 0; n < f->count; n++)
        unknown += f->verdicts[n] == UNKNOWN;
    return unknown;
}

static void expect_unknown(const struct finding *f, size_t unknown)
{
    size_t count = 0, *indexes = malloc(unknown * sizeof *indexes);
    for (size_t n = 0; indexes && n < f->count; n++)
        if (f->verdicts[n] == UNKNOWN)
            indexes[count++] = f->found[n];
    if (indexes)
        mailbox_expect(f->i->box, indexes, count);
    free(indexes);
}

/* A search may take minutes, and neither side should take the other for gone. */
static void tell_progress(struct finding *f, size_t done)
{
    int64_t now = clock_ms();
    if (now - f->told < TELL_MS)
        return;
    f->told = now;
    conn_printf(f->i->conn, "* OK Searched %zu%% of the mailbox\r\n", 100 * done / f->count);
    conn_flush(f->i->conn);
}

static enum status judge_summary(struct finding *f, struct match *match, size_t n)
{
    struct summary summary; /* last of what is asked of the mailbox, as it lasts until something else is */
    struct looking l = look_at(&f->s, f->i->box, match, f->found[n]);
    enum status st = mailbox_summary(f->i->box, f->found[n], &summary);
    if (st != ST_OK) /* gone: what is asked of its file is answered without one */
        return st == ST_NONE ? ST_OK : st;
    l.level = LEVEL_SUMMARY;
    l.header = summary.header;
    f->verdicts[n] = (unsigned char)judge(&l);
    return match->failed ? ST_TEMP : ST_OK;
}

static enum status judge_summaries(struct finding *f)
{
    struct match match;
    size_t unknown = count_unknown(f);
    if (unknown == 0 || !(f->s.wants & WANT_SUMMARY))
        return ST_OK;
    expect_unknown(f, unknown);
    enum status st = match_init(&match) ? ST_OK : ST_TEMP;
    for (size_t n = 0; st == ST_OK && n < f->count && !conn_is_gone(f->i->conn); n++)
        if (f->verdicts[n] == UNKNOWN) {
            st = judge_summary(f, &match, n);
            tell_progress(f, n);
        }
    match_free(&match);
    drop_misses(f);
    return st;
}

/* In this thread alone, where the file isn't where it was. */
static enum status judge_lost(struct finding *f, struct match *match, struct reading *r)
{
    struct mailbox_map map;
    enum status st = mailbox_map(f->i->box, r->l.index, &map);
    r->l.match = match;
    r->matches = judge_bytes(&r->l, st == ST_OK ? map.bytes : SPAN(""));
    if (st == ST_OK)
        mailbox_unmap(&map);
    return st == ST_NONE ? ST_OK : st;
}

/* A piece of work: PIECE readings, or those that are left. */
static void judge_piece(void *finding, size_t piece)
{
    struct finding *f = finding;
    struct match match;
    bool good = match_init(&match);
    for (size_t n = piece * PIECE; good && n < (piece + 1) * PIECE && n < f->reading_count; n++) {
        struct reading *r = &f->readings[n];
        struct mailbox_map map;
        if (!r->there || !mailbox_map_spot(&r->spot, &map))
            continue;
        r->l.match = &match;
        r->matches = judge_bytes(&r->l, map.bytes);
        r->done = true;
        mailbox_unmap(&map);
    }
    f->failed[piece] = !good || match.failed;
    match_free(&match);
}

/* The next messages that files must be opened for; f->done moves behind them. */
static void gather_readings(struct finding *f)
{
    f->reading_count = 0;
    for (; f->done < f->count && f->reading_count < READINGS; f->done++) {
        if (f->verdicts[f->done] != UNKNOWN)
            continue;
        struct reading *r = &f->readings[f->reading_count++];
        r->at = f->done;
        r->l = look_at(&f->s, f->i->box, NULL, f->found[f->done]);
        r->there = mailbox_spot(f->i->box, f->found[f->done], &r->spot);
        r->done = false;
    }
}

static enum status judge_readings(struct finding *f, struct match *match)
{
    enum status st = ST_OK;
    size_t pieces = (f->reading_count + PIECE - 1) / PIECE;
    parallel_run(pieces, judge_piece, f);
    for (size_t piece = 0; piece < pieces; piece++)
        if (f->failed[piece])
            return ST_TEMP;
    for (size_t n = 0; st == ST_OK && n < f->reading_count; n++) {
        struct reading *r = &f->readings[n];
        if (!r->done)
            st = judge_lost(f, match, r);
        f->verdicts[r->at] = r->matches ? YES : NO;
    }
    return st == ST_OK && match->failed ? ST_TEMP : st;
}

static enum status judge_files(struct finding *f)
{
    struct match match;
    if (count_unknown(f) == 0)
        return ST_OK;
    f->readings = malloc(READINGS * sizeof *f->readings);
    enum status st = match_init(&match) && f->readings ? ST_OK : ST_TEMP;
    while (f->done < f->count && st == ST_OK && !conn_is_gone(f->i->conn)) {
        tell_progress(f, f->done);
        gather_readings(f);
        st = judge_readings(f, &match);
    }
    match_free(&match);
    free(f->readings);
    drop_misses(f);
    return st;
}

static bool find(struct finding *f)
{
    judge_facts(f);
    enum status st = judge_summaries(f);
    if (st == ST_OK)
        st = judge_files(f);
    return st == ST_OK || fail(f->i, "Not all messages could be read");
}

bool search_messages(struct imap *i, const struct search *search, size_t **found, size_t *count)
{
    struct finding f = { .i = i, .told = clock_ms() };
    f.found = malloc((i->box->count + 1) * sizeof *f.found);
    f.verdicts = malloc(i->box->count + 1);
    bool good = (f.found && f.verdicts) || fail(i, "Out of memory");
    good = good && searching_init(&f.s, i, search) && find(&f);
    searching_free(&f.s);
    free(f.verdicts);
    *found = good ? f.found : NULL;
    *count = good ? f.count : 0;
    if (!good)
        free(f.found);
    return good;
}
