/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The mapping from errno to status, and from status to exit code. See status.h.
 */
#include "base/status.h"

#include <errno.h>

enum status status_of_errno(int err)
{
    switch (err) {
    case 0:
        return ST_OK;
    case ENOENT:
    case ENOTDIR:
        return ST_NONE;
    case ENAMETOOLONG:
    case EILSEQ:
    case ELOOP:
        return ST_PERM;
    default:
        return ST_TEMP;
    }
}

enum status status_worse(enum status a, enum status b)
{
    static const int rank[] = { [ST_OK] = 0, [ST_NONE] = 1, [ST_PERM] = 2, [ST_TEMP] = 3 };
    return rank[a] >= rank[b] ? a : b;
}
