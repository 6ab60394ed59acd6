/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * GDBM files as read-only tables, compiled as a whole from text (write new, fsync, rename),
 * opened without locking. The one file that includes gdbm.h is table.c.
 */
#ifndef POSTERN_STORE_TABLE_H
#define POSTERN_STORE_TABLE_H

#include "base/bytes.h"
#include "base/status.h"

struct table;

enum status table_open(const char *path, struct table **table);
void table_close(struct table *table);
/* Appends the value to *value. ST_NONE: no such key; ST_TEMP: could not look. */
enum status table_get(struct table *table, struct span key, struct bytes *value);

/* Building: a new file beside `path`, which table_build_finish renames over it. */
struct table_build;
enum status table_build_begin(const char *path, struct table_build **build);
enum status table_build_put(struct table_build *build, struct span key, struct span value);
enum status table_build_finish(struct table_build *build);
void table_build_abort(struct table_build *build);

#endif
