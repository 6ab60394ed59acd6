/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Quotas, as smtpd's guard keeps them: looked at by RCPT and once more by COMMIT, which then knows the size,
 * and counted when the message is on disk and its sender has the answer. Connections that come at the same
 * time may each find the room that only one of them has, and so exceed a quota, as in every server that
 * takes no lock for it: what is held is right all the same (store/quota.h).
 */
#include "guard_private.h"

#include <limits.h>

bool guard_has_room(const struct smtp_guard *g, const struct address *account, uint64_t size)
{
    struct quota q;
    struct bytes path;
    bytes_init(&path, PATH_MAX);
    bool room = directory_quota(g->directory, g->settings, account, &q) != ST_OK || !quota_limited(&q) ||
                !settings_maildir(g->settings, address_local(account), address_domain(account), &path) ||
                quota_room_at(bytes_str(&path), &q, size) == ST_OK;
    bytes_free(&path);
    return room;
}

void guard_count(const struct smtp_guard *g, const struct address *account, uint64_t size)
{
    struct bytes path;
    bytes_init(&path, PATH_MAX);
    if (settings_maildir(g->settings, address_local(account), address_domain(account), &path))
        quota_add_at(bytes_str(&path), (int64_t)size, 1);
    bytes_free(&path);
}
