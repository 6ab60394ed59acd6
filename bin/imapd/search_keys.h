/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A search's keys, made ready to be asked of messages; what search_find.c needs of search_keys.c.
 *
 * What a message is asked costs very different amounts, so the tree of keys is walked up to four times for
 * it, each time with more at hand. A key for which that isn't enough is UNKNOWN, and so is what depends on
 * it.
 *
 * Asking reads `struct searching`, which doesn't change meanwhile, and `struct looking`: nothing of the
 * mailbox. So threads can ask of different messages at once.
 */
#ifndef POSTERN_IMAPD_SEARCH_KEYS_H
#define POSTERN_IMAPD_SEARCH_KEYS_H

#include "match.h"
#include "search.h"
#include "store/mailbox_ids.h"

/* What is at hand: what the mailbox knows of every message; the header fields of the index; the file, its
 * header; its text. */
enum level { LEVEL_FACTS, LEVEL_SUMMARY, LEVEL_HEADER, LEVEL_TEXT };
enum verdict { NO, YES, UNKNOWN };

/* What some key asks for. */
enum { WANT_DATE = 1, WANT_SAVED = 2, WANT_SIZE = 4, WANT_EMAIL_ID = 8, WANT_SUMMARY = 16 };

/* Indexes [from, to). */
struct run {
    size_t from, to;
};

/* A key, made ready. */
struct asked {
    struct run *runs; /* of a set, ascending */
    size_t run_count;
    uint32_t bit; /* of a keyword, 0 if the folder has none of that name */
    struct unicode_needle needle;
};

struct searching {
    const struct search_key *keys;
    size_t count;
    struct asked *asked; /* as many */
    unsigned wants;      /* WANT_* */
    int64_t now;
};

/* The message at hand. */
struct looking {
    const struct searching *s;
    struct match *match; /* from LEVEL_SUMMARY on */
    enum level level;
    size_t index;
    struct mailbox_message m;
    int64_t date, saved;
    char email_id[EMAIL_ID_LIMIT + 1];
    struct span header, text; /* header: of the summary or the file, as the level says */
};

/* Makes the keys of `search` ready; they must outlive *s. Free with searching_free, also where this is false,
 * with a reply. */
bool searching_init(struct searching *s, struct imap *i, const struct search *search);
void searching_free(struct searching *s);

/* A message at LEVEL_FACTS. */
struct looking look_at(const struct searching *s, struct mailbox *box, struct match *match, size_t index);
/* All keys, with what is at hand. */
enum verdict judge(struct looking *l);
/* With the message's bytes at hand, all is known. */
bool judge_bytes(struct looking *l, struct span bytes);

#endif
