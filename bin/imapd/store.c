/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * STORE (RFC 3501 6.4.6), also on condition that a message hasn't changed (UNCHANGEDSINCE, RFC 7162 3.1.3).
 *
 * All messages are changed by one call of the store and then answered for, so that 100,000 of them cost what
 * the store costs.
 */
#include "qresync.h"

#include <errno.h>
#include <stdlib.h>

/* Flags and keywords as bits; keywords that the folder hasn't are made, unless they are to be removed. */
static bool flag_bits(struct imap *i, const struct flag_list *flags, bool make, uint32_t *bits)
{
    *bits = flags->system;
    for (size_t n = 0; n < flags->keyword_count; n++) {
        uint32_t bit = 0;
        enum status st = mailbox_keyword(i->box, flags->keywords[n], make, &bit);
        if (st == ST_PERM)
            reply(i, "NO [LIMIT] No more keywords in this mailbox");
        else if (st == ST_TEMP)
            reply_failed(i, st);
        if (st == ST_PERM || st == ST_TEMP)
            return false;
        *bits |= bit;
    }
    return true;
}

/* One STORE. */
struct storing {
    struct imap *i;
    const size_t *indexes;
    size_t count;
    bool silent;
    struct store_modifiers modifiers;
    uint64_t before; /* the highest mod-sequence of these messages before it */
    unsigned char *results;
};

/* .SILENT hides what the client asked for, not what somebody else did meanwhile: it must know how the flags
 * stand. A client that wants mod-sequences is told the new ones all the same, and by an UNCHANGEDSINCE all of
 * them (RFC 7162 3.1.3). One that failed it is told why, unless the change is news that comes below. */
static void report_one(const struct storing *s, size_t n)
{
    struct imap *i = s->i;
    size_t index = s->indexes[n];
    uint64_t modseq = mailbox_message(i->box, index).modseq;
    enum flags_result result = s->results[n];
    if (result == FLAGS_MERGED || (result == FLAGS_STORED && !s->silent))
        write_flags(i, index);
    else if (result == FLAGS_STORED && modseq_wanted(i) && (s->modifiers.unchanged || modseq > s->before))
        write_modseq(i, index);
    else if (result == FLAGS_MODIFIED && modseq > s->modifiers.unchanged_since)
        write_flags(i, index);
}

/* ` [MODIFIED 7,9]`: those that failed UNCHANGEDSINCE, or nothing. */
static bool add_modified(const struct storing *s, struct bytes *b)
{
    uint32_t *failed = malloc((s->count + 1) * sizeof *failed);
    size_t count = 0;
    for (size_t n = 0; failed && n < s->count; n++)
        if (s->results[n] == FLAGS_MODIFIED)
            failed[count++] = s->i->uid ? mailbox_uid(s->i->box, s->indexes[n]) : (uint32_t)s->indexes[n] + 1;
    if (count > 0) {
        bytes_add_str(b, " [MODIFIED ");
        add_uids(b, failed, count);
        bytes_add_char(b, ']');
    }
    bool good = failed != NULL;
    free(failed);
    return good;
}

static void reply_stored(const struct storing *s, enum status st)
{
    struct imap *i = s->i;
    struct bytes *b = &i->reply;
    if (st != ST_OK && st != ST_NONE)
        return reply_failed(i, st);
    reply(i, st == ST_OK ? "OK" : "NO");
    size_t before = b->len;
    if (!add_modified(s, b))
        return reply(i, "NO [UNAVAILABLE] Out of memory");
    if (st == ST_NONE)
        bytes_add_str(b, b->len > before ? " And others are gone"
                                         : " [EXPUNGEISSUED] Some of these messages are gone");
    else
        bytes_add_str(b, b->len > before ? " Conditional STORE failed" : " Done");
}

static uint64_t highest_modseq(const struct storing *s)
{
    uint64_t highest = 0;
    for (size_t n = 0; n < s->count; n++) {
        uint64_t modseq = mailbox_message(s->i->box, s->indexes[n]).modseq;
        highest = modseq > highest ? modseq : highest;
    }
    return highest;
}

static void store_indexes(struct storing *s, const struct flags_store *store)
{
    struct imap *i = s->i;
    s->results = calloc(s->count + 1, 1);
    if (!s->results)
        return reply(i, "NO [UNAVAILABLE] Out of memory");
    if (modseq_wanted(i))
        s->before = highest_modseq(s);
    enum status st = mailbox_store(i->box, s->indexes, s->count, store, s->results);
    int error = errno;
    tell_keywords(i); /* another session's that came to light */
    for (size_t n = 0; n < s->count && !conn_is_gone(i->conn); n++)
        report_one(s, n);
    errno = error;
    reply_stored(s, st);
    free(s->results);
}

static void store_all(struct storing *s, const struct set *set, enum store_mode mode,
                      const struct flag_list *flags)
{
    static const enum flags_change changes[] = {
        [STORE_SET] = FLAGS_SET, [STORE_ADD] = FLAGS_ADD, [STORE_REMOVE] = FLAGS_REMOVE
    };
    struct imap *i = s->i;
    struct flags_store store = { .change = changes[mode], .unchanged_since = s->modifiers.unchanged_since };
    size_t *indexes;
    if (i->box->read_only)
        return reply(i, "NO [READ-ONLY] The mailbox was opened by EXAMINE");
    if (!set_indexes(i, set, i->uid, &indexes, &s->count))
        return;
    s->indexes = indexes;
    if (flag_bits(i, flags, mode != STORE_REMOVE, &store.flags)) {
        tell_keywords(i);
        store_indexes(s, &store);
    }
    free(indexes);
}

void command_store(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct parser p;
    struct set set = { 0 };
    struct storing s = { .i = i };
    enum store_mode mode;
    struct flag_list flags;
    parser_init(&p, argument, &i->text);
    if (!parse_set(&p, &set) || !parse_space(&p) || !parse_store_modifiers(&p, &s.modifiers) ||
        !parse_store(&p, &mode, &s.silent, &flags))
        reply_bad(i, &p);
    else if (!s.modifiers.unchanged || condstore_use(i))
        store_all(&s, &set, mode, &flags);
    set_free(&set);
}
