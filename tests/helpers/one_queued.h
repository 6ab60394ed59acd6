/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Changes of one queued message, on disk at once, for tests that make one after the other.
 */
#ifndef POSTERN_TESTS_ONE_QUEUED_H
#define POSTERN_TESTS_ONE_QUEUED_H

#include "store/queue.h"

__attribute__((unused)) static enum status defer_queued(int queue_dir, struct queue_message *m)
{
    struct queue_changes now = { 0 };
    enum status st = queue_defer_later(queue_dir, m, &now), synced = queue_sync(queue_dir, &now);
    return st == ST_OK ? synced : st;
}

__attribute__((unused)) static enum status remove_queued(int queue_dir, struct queue_message *m)
{
    struct queue_changes now = { 0 };
    enum status st = queue_remove_later(queue_dir, m, &now), synced = queue_sync(queue_dir, &now);
    return st == ST_OK ? synced : st;
}

#endif
