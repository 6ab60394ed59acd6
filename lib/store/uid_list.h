/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The UIDs that Dovecot and Courier keep in a file of each folder, by the part of a message's file name that
 * never changes. Nothing here touches a file.
 */
#ifndef POSTERN_STORE_UID_LIST_H
#define POSTERN_STORE_UID_LIST_H

#include "base/bytes.h"
#include "base/status.h"

struct uid_list_item {
    struct span base; /* into the text */
    uint32_t uid;     /* 1 to next - 1 */
};
struct uid_list {
    uint32_t validity, next;
    struct uid_list_item *items; /* by base */
    size_t count;
};

/* Reads it; the text must live as long as the list. ST_NONE: it is no such list. ST_TEMP: no memory. Free it
 * in every case. */
enum status uid_list_read(struct span text, struct uid_list *l);
/* The UID of the file with that base (struct filename), or 0. */
uint32_t uid_list_find(const struct uid_list *l, struct span base);
void uid_list_free(struct uid_list *l);

#endif
