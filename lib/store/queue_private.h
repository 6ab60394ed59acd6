/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of the queue share among themselves: where things lie below the
 * queue's directory, and the limits of what is read back. The states are in queue.c.
 */
#ifndef POSTERN_STORE_QUEUE_PRIVATE_H
#define POSTERN_STORE_QUEUE_PRIVATE_H

#include "store/queue.h"

#define QUEUE_TMP "tmp"
#define QUEUE_DEFERRED "deferred"
#define QUEUE_PATH_LIMIT 128             /* "deferred/DUE/ID.why" and room */
#define QUEUE_ENVELOPE_LIMIT (16u << 20) /* bytes of an envelope */
#define QUEUE_RECIPIENTS_LIMIT 50000     /* of one message */
#define QUEUE_WHY_LIMIT (32u << 20)      /* bytes of an ID.why */
#define QUEUE_DUE_STEP 128               /* seconds: due times are multiples of this at most */
#define QUEUE_MAGIC "postern-queue 1"

/* Where the message lies: "ID", or "deferred/DUE/ID". ST_NONE if nowhere. */
enum status queue_find(int queue_dir, const char *id, char path[QUEUE_PATH_LIMIT]);
/* The same, looking under the due time `near` first (0: unknown): most often it still is where it was
 * seen. */
enum status queue_find_near(int queue_dir, const char *id, int64_t near, char path[QUEUE_PATH_LIMIT]);
/* Pure, for fuzzing: the envelope (with at least its empty line) of a file of that size; ST_TEMP only without
 * memory. Fills *m. */
enum status queue_read_envelope(struct span text, uint64_t file_size, struct queue_message *m);
/* The lines of an envelope for what MAIL said beside the sender, and the one below a recipient's for what
 * RCPT did; nothing where nothing was said. False: an option holds what no line can. */
bool queue_write_options(const struct mail_options *o, struct bytes *out);
bool queue_write_recipient_options(const struct rcpt_options *o, struct bytes *out);
/* Reads them back: the lines at the start of *rest, and `line` without its first space. False: wrong. */
bool queue_read_options(struct span *rest, struct mail_options *o);
bool queue_read_recipient_options(struct span line, struct rcpt_options *o);
/* An ID.why into m, as far as it can be read. */
void queue_read_why(struct span text, struct queue_message *m);
/* The due times (seconds, ascending) that have a directory, in a list that the caller frees. */
enum status queue_due_times(int queue_dir, int64_t **times, size_t *count);
/* The directory of a due time, relative to the queue's. */
void queue_due_path(int64_t due, char path[QUEUE_PATH_LIMIT]);

#endif
