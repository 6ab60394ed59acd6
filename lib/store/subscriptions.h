/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The account's file of subscribed folders: names as on disk, one a line. The two formats that
 * Dovecot writes are read; what is written is the older one, which both understand.
 */
#ifndef POSTERN_STORE_SUBSCRIPTIONS_H
#define POSTERN_STORE_SUBSCRIPTIONS_H

#include "store/folders.h"

/* Each name, ended by a newline, appended to *out. Nothing if there is no file. */
enum status subscriptions_read(struct mail *mail, struct bytes *out);

/* The same of such a file's text. */
void subscriptions_parse(struct span text, struct bytes *out);

#endif
