/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Taking over a folder that Dovecot kept, with its UIDs and keywords; and keeping it together with one.
 */
#ifndef POSTERN_STORE_DOVECOT_H
#define POSTERN_STORE_DOVECOT_H

#include "store/durable.h"

/* For a folder without a durable file, whose lock is held: reads dovecot-uidlist and dovecot-keywords, writes
 * the UIDs into the journal, on disk, and fills in uid_validity, uid_next and keywords of d. ST_NONE:
 * there is no list that could be used. */
enum status dovecot_take_over(int dir, struct durable *d);

/* Where Dovecot keeps the folder too (its lock is held): gives letters that have no meaning here the one they
 * have there, and there those that have none. True if d has new ones, to be written. A letter that means two
 * things keeps both. */
bool dovecot_share_keywords(int dir, struct durable *d);

#endif
