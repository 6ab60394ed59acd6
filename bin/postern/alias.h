/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern alias: what its parts share.
 */
#ifndef POSTERN_ALIAS_H
#define POSTERN_ALIAS_H

#include "admin.h"
#include "text/aliases.h"

/* The entry of a name, in any case; alias_entry_free(e) in each case. EX_OK: *found says whether. */
int alias_find(struct admin *a, const struct bytes *text, const char *name, struct alias_entry *e,
               bool *found);
/* Warns of an alias that leads nowhere, now that it is compiled. */
void alias_try(struct admin *a, const char *name);

#endif
