/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What smtpd and qrun do with the queue, each thing said once it is promised; and a look at what is there.
 *
 *     enqueue work SPOOL     "queued ID", "ID marked T D", "ID attempts 1", "removed ID", "done"
 *     enqueue look SPOOL     for every message that can be read whole, "queued ID", "ID marked MARKS" and
 *                            "ID attempts N"; for every other "damaged ID"
 */
#include "../helpers/one_queued.h"
#include "say.h"

#include "base/clock.h"
#include "store/queue.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct content message = {
    .trace = { "Received: x\r\n", 13 }, .memory = { "Subject: y\r\n\r\nlast\r\n", 20 }, .fd = -1, .size = 20
};

static void add(const char *spool, char id[QUEUE_ID_LIMIT])
{
    struct address to[2];
    struct queue_new q;
    if (address_parse(SPAN("a@outside.test"), &to[0]) != ADDRESS_OK ||
        address_parse(SPAN("b@outside.test"), &to[1]) != ADDRESS_OK)
        abort();
    struct queue_envelope e = { .sender = "s@sender.test", .recipients = to, .recipient_count = 2 };
    need(queue_prepare(spool, NULL, &e, &message, &q), "prepare");
    if (queue_publish(&q) != ST_OK) {
        queue_abort(&q);
        need(ST_TEMP, "publish");
    }
    strcpy(id, q.id);
    need(queue_finish(&q), "finish");
    say("queued %s\n", id);
}

static void work(const char *spool)
{
    char first[QUEUE_ID_LIMIT], second[QUEUE_ID_LIMIT];
    struct queue_message m;
    int dir;
    add(spool, first);
    add(spool, second);
    need(queue_open(spool, &dir), "open");
    need(queue_read(dir, first, true, &m), "read");
    need(queue_mark(&m, 1, QUEUE_DONE), "mark");
    say("%s marked TD\n", first);
    m.attempts = 1;
    m.next_attempt = clock_now() + 1000;
    need(defer_queued(dir, &m), "defer");
    say("%s attempts 1\n", first);
    queue_message_free(&m);
    need(queue_read(dir, second, true, &m), "read");
    need(remove_queued(dir, &m), "remove");
    say("removed %s\n", second);
    queue_message_free(&m);
    say("done\n");
}

static void look_at(int dir, const char *id)
{
    struct queue_message m;
    char text[64];
    enum status st = queue_read(dir, id, true, &m);
    size_t size = message.trace.n + message.memory.n;
    bool whole = st == ST_OK && m.size == size && m.recipient_count == 2 &&
                 pread(m.fd, text, sizeof text, m.content) == (ssize_t)size &&
                 memcmp(text, message.trace.p, message.trace.n) == 0 &&
                 memcmp(text + message.trace.n, message.memory.p, message.memory.n) == 0;
    if (whole)
        say("queued %s\n%s marked %c%c\n%s attempts %u\n", id, id, m.recipients[0].mark, m.recipients[1].mark,
            id, m.attempts);
    else
        say("damaged %s\n", id);
    if (st == ST_OK)
        queue_message_free(&m);
}

static void look(const char *spool)
{
    int dir;
    struct queue_place *places;
    size_t count;
    need(queue_open(spool, &dir), "open");
    need(queue_list(dir, false, &places, &count), "list");
    for (size_t i = 0; i < count; i++)
        look_at(dir, places[i].id);
    free(places);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 64;
    if (strcmp(argv[1], "work") == 0)
        work(argv[2]);
    else
        look(argv[2]);
    return 0;
}
