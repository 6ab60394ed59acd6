/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages into threads: ORDEREDSUBJECT and REFERENCES (RFC 5256 3). Takes what header fields say, a message
 * at a time, and writes the threads as IMAP wants them.
 *
 * Everything may be hostile: Message-IDs that form circles, threads as deep as there are messages, References
 * of megabytes. Time is that of sorting the messages, memory about 100 bytes for each, nothing recurses.
 */
#ifndef POSTERN_TEXT_THREAD_H
#define POSTERN_TEXT_THREAD_H

#include "base/bytes.h"

#define THREAD_AVERAGE 16 /* for each message, on average: where there are more, only parents are linked */

struct thread_message {
    uint32_t number; /* what is written of it; not 0, and ascending */
    int64_t date;    /* the sent date */
    /* Raw values of fields; empty where absent. For threads_by_subject() they aren't needed. */
    struct span message_id, in_reply_to, references;
    struct span subject; /* the base subject in a form in which equal ones are equal (UNICODE_CASEMAP) */
    bool reply;          /* subject_base() said so */
};

struct threads;
/* For `count` messages at most; `key` is random. NULL without memory. */
struct threads *threads_new(size_t count, const uint64_t key[2]);
void threads_free(struct threads *t);
bool threads_add(struct threads *t, const struct thread_message *m); /* false without memory */

/* After the last message, one of them, once. False without memory. */
bool threads_by_subject(struct threads *t);
bool threads_by_references(struct threads *t);

/* Appends the next threads, as `(2)(3 6 (4 23)(44 7 96))`, until there are `enough` bytes or more. False when
 * the last was written, with this call or before. */
bool threads_write(struct threads *t, size_t enough, struct bytes *out);

#endif
