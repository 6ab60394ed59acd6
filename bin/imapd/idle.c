/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * IDLE (RFC 2177): waits for DONE, and says what changes meanwhile.
 *
 * The folder is watched by inotify; without it (the instances of a uid run out) it is looked at every few
 * seconds. A word every two minutes keeps address translators from forgetting the connection, and finds a
 * dead one.
 *
 * Whoever waits holds no memory that it doesn't use: what a SORT or the first SELECT of a large folder took
 * goes back, before each wait.
 */
#include "qresync.h"

#include "base/clock.h"

#include <malloc.h>

#define IDLE_POLL_MS 5000
#define IDLE_WATCHED_POLL_MS 60000 /* with inotify, which a network file system may leave silent */
#define IDLE_WORD_MS (2 * 60 * 1000)
#define SILENT_MS 20 /* after which there is time for what waits */
#define IDLE_REST 5 /* times as long as the last look took, nothing is looked at: mail may come in a stream  \
                     */
#define IDLE_REST_MS 5000 /* but no longer than this */

void work_while_silent(struct imap *i)
{
    while (i->box && mailbox_has_work(i->box) && !(conn_wait(i->conn, -1, SILENT_MS) & CONN_INPUT))
        if (!mailbox_work(i->box))
            break;
}

/* Reports what changed, and rests. True: the client sent something. */
static bool look(struct imap *i)
{
    int64_t start = clock_ms();
    sync_mailbox(i, false);
    if (!i->done)
        modseq_settle_untagged(i);
    int64_t rest = (clock_ms() - start) * IDLE_REST;
    return !i->done && conn_wait(i->conn, -1, (int)(rest < IDLE_REST_MS ? rest : IDLE_REST_MS)) & CONN_INPUT;
}

/* Waits for the client's next input, reporting changes. False: silent for half an hour, or the mailbox is
 * gone. */
static bool wait_for_input(struct imap *i)
{
    int64_t end = clock_ms() + IDLE_MS, word = clock_ms() + IDLE_WORD_MS;
    while (!i->done && clock_ms() < end) {
        int watch = i->box ? i->box->watch : -1;
        int ms = !i->box ? IDLE_WORD_MS : watch < 0 ? IDLE_POLL_MS : IDLE_WATCHED_POLL_MS;
        conn_flush(i->conn);
        work_while_silent(i);
        malloc_trim(0);
        if (conn_wait(i->conn, watch, ms) & CONN_INPUT)
            return true;
        if (i->box && look(i))
            return true;
        if (clock_ms() >= word) {
            conn_write_str(i->conn, "* OK Still here\r\n");
            word = clock_ms() + IDLE_WORD_MS;
        }
        if (!conn_flush(i->conn))
            return true;
    }
    return false;
}

void command_idle(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct span line;
    if (argument.p) {
        i->bad++;
        return reply(i, "BAD Too many arguments");
    }
    conn_write_str(i->conn, "+ Idling\r\n");
    if (i->box)
        sync_mailbox(i, false);
    if (!wait_for_input(i)) {
        if (!i->done)
            conn_write_str(i->conn, "* BYE Silent for too long\r\n");
        i->done = true;
        return reply(i, "OK Idled");
    }
    enum conn_result got = conn_line(i->conn, READER_LINE, &line);
    if (got == CONN_GONE || got == CONN_TIMEOUT) {
        i->done = true;
        return;
    }
    if (got == CONN_OK && span_ieq_str(line, "DONE"))
        return reply(i, "OK Idled");
    i->bad++;
    reply(i, "BAD DONE expected");
}
