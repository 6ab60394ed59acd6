/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * STORE (RFC 3501 6.4.6).
 */
#include "imapd.h"

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

static size_t keyword_count(const struct mailbox *box)
{
    size_t count = 0;
    for (size_t n = 0; n < MAILBOX_KEYWORDS; n++)
        count += box->keywords[n] != NULL;
    return count;
}

/* .SILENT hides what the client asked for, not what somebody else did meanwhile: it must know how the flags
 * stand. */
static void report(struct imap *i, const size_t *indexes, size_t count, const unsigned char *results,
                   bool silent)
{
    for (size_t n = 0; n < count && !conn_is_gone(i->conn); n++)
        if (results[n] == FLAGS_MERGED || (results[n] == FLAGS_STORED && !silent))
            write_flags(i, indexes[n]);
}

static void store_indexes(struct imap *i, const size_t *indexes, size_t count, const struct flags_store *store,
                          bool silent)
{
    unsigned char *results = calloc(count + 1, 1);
    if (!results)
        return reply(i, "NO [UNAVAILABLE] Out of memory");
    enum status st = mailbox_store(i->box, indexes, count, store, results);
    int error = errno;
    report(i, indexes, count, results, silent);
    free(results);
    errno = error;
    if (st == ST_NONE)
        reply(i, "NO [EXPUNGEISSUED] Some of these messages are gone");
    else if (st != ST_OK)
        reply_failed(i, st);
    else
        reply(i, "OK Done");
}

static void store_all(struct imap *i, const struct set *set, enum store_mode mode, bool silent,
                      const struct flag_list *flags)
{
    static const enum flags_change changes[] = {
        [STORE_SET] = FLAGS_SET, [STORE_ADD] = FLAGS_ADD, [STORE_REMOVE] = FLAGS_REMOVE
    };
    struct flags_store store = { .change = changes[mode], .unchanged_since = UINT64_MAX };
    size_t *indexes, count, known = keyword_count(i->box);
    if (i->box->read_only)
        return reply(i, "NO [READ-ONLY] The mailbox was opened by EXAMINE");
    if (!set_indexes(i, set, i->uid, &indexes, &count))
        return;
    if (flag_bits(i, flags, mode != STORE_REMOVE, &store.flags)) {
        if (keyword_count(i->box) != known)
            write_flags_of_folder(i);
        store_indexes(i, indexes, count, &store, silent);
    }
    free(indexes);
}

void command_store(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct parser p;
    struct set set = { 0 };
    enum store_mode mode;
    bool silent;
    struct flag_list flags;
    parser_init(&p, argument, &i->text);
    if (parse_set(&p, &set) && parse_space(&p) && parse_store(&p, &mode, &silent, &flags))
        store_all(i, &set, mode, silent, &flags);
    else
        reply_bad(i, &p);
    set_free(&set);
}
