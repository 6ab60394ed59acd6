/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A message as it stands once it has been judged, in memory or in its file, for who signs or seals it before
 * it is handed over.
 */
#ifndef POSTERN_SMTPD_SESSION_VIEW_H
#define POSTERN_SMTPD_SESSION_VIEW_H

#include "incoming.h"

struct message_view {
    struct span header, body; /* header: with the empty line behind it, and without in->added */
    void *map;
    size_t length; /* of the map */
};

/* False: it can't be read now. Good until the message changes, or view_close(), which is to be called
 * whatever it returned. */
bool view_open(struct incoming *in, struct message_view *v);
void view_close(struct message_view *v);

#endif
