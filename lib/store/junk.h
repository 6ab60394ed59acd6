/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where an account's junk is filed: into the folder that has the special use \Junk, or the one called Junk.
 */
#ifndef POSTERN_STORE_JUNK_H
#define POSTERN_STORE_JUNK_H

#include "store/folders.h"

/* The folder's name (for maildir_prepare()). Where there is none, Junk is made, with that use, and
 * subscribed. Anything but ST_OK, with errno: it can't be told, or made. */
enum status junk_folder(const char *maildir, const char *hostname, char name[FOLDER_NAME_LIMIT + 1]);

#endif
