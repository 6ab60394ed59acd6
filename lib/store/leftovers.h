/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a crash, of ours or of another Maildir program, left behind, and nobody needs.
 */
#ifndef POSTERN_STORE_LEFTOVERS_H
#define POSTERN_STORE_LEFTOVERS_H

#include "store/folders.h"

/* Removes the files in a folder's tmp/ that nobody has touched for 36 hours, as Maildir asks of who reads
 * it. */
void leftovers_clear_tmp(int folder);
/* That of each folder; in folders and Maildir, temporary files that were to replace one of Postern's; folders
 * whose removal was interrupted. ST_TEMP with errno where the folders can't be listed. */
enum status leftovers_clear(struct mail *mail);

#endif
