/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * GDBM files as read-only tables, compiled as a whole from text (write new, fsync, rename),
 * opened without locking. The one file that includes gdbm.h is table.c.
 *
 * A damaged file is ST_TEMP: neither a crash, nor a wrong value, nor "no such key". How
 * the records are laid out for that stands atop table.c.
 */
#ifndef POSTERN_STORE_TABLE_H
#define POSTERN_STORE_TABLE_H

#include "base/bytes.h"
#include "base/status.h"

#include <sys/types.h>

struct table;

/* What a table was compiled from: enough to see cheaply, and then surely, whether the text has changed
 * since. */
struct table_source {
    int64_t mtime_ns; /* of the text's file, when it was read */
    uint64_t size;    /* bytes */
    uint64_t digest;  /* table_digest() of the text */
};

/* Opens for reading. ST_NONE: there is no such file; ST_TEMP: could not, or it is damaged. */
enum status table_open(const char *path, struct table **table);
void table_close(struct table *table);
/* Is it still the file at `path`, and none that has taken its place since? */
bool table_is_at(const struct table *table, const char *path);
/* Appends the value to *value. ST_NONE: no such key; ST_TEMP: could not look. */
enum status table_get(struct table *table, struct span key, struct bytes *value);
/* Valid while the table is open. */
const struct table_source *table_source(const struct table *table);
/* Not a cryptographic one: it finds accidents, and edits. */
uint64_t table_digest(struct span contents);

/* Building: in memory, then into a new file beside `path` (always of the same name: one builder at a time,
 * see store/tables.h), which table_build_finish syncs and renames over it. Of equal keys the first counts.
 * begin and put fail with ST_TEMP for want of memory; finish and abort free the build, and nothing is left
 * behind when they fail. */
struct table_build;
enum status table_build_begin(const char *path, struct table_build **build);
enum status table_build_put(struct table_build *build, struct span key, struct span value);
/* Who may read the file, beside its owner; only he unless this is called. */
void table_build_mode(struct table_build *build, mode_t mode);
/* source may be NULL. */
void table_build_source(struct table_build *build, const struct table_source *source);
enum status table_build_finish(struct table_build *build);
void table_build_abort(struct table_build *build);

#endif
