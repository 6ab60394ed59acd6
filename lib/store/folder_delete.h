/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The second half of removing a folder: clearing what was renamed out of sight.
 */
#ifndef POSTERN_STORE_FOLDER_DELETE_H
#define POSTERN_STORE_FOLDER_DELETE_H

#define FOLDER_DELETED_PREFIX "postern-deleted."

/* Removes every directory of the Maildir whose name begins so. What can't be removed stays, out of sight. */
void folders_clear_deleted(int maildir);

#endif
