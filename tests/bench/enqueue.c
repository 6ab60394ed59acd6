/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * enqueue SPOOL COUNT DOMAINS OCTETS: puts COUNT messages of so many octets into the queue, one recipient
 * each, in turn at d0.test to dN.test. Nothing is woken. They are written as smtpd writes them, but not
 * waited for one by one.
 */
#include "bench.h"

#include "store/queue.h"

#include <string.h>

static size_t number(const char *text)
{
    return (size_t)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    static const char head[] = "From: <alice@example.test>\r\nTo: <someone@d.test>\r\nSubject: bench\r\n\r\n";
    if (argc != 5)
        return 64;
    size_t count = number(argv[2]), domains = number(argv[3]), octets = number(argv[4]);
    char *text = malloc(octets + 128);
    if (!text || domains == 0)
        bench_die("enqueue");
    size_t length = (size_t)snprintf(text, octets + 128, "%s", head);
    while (length + 72 <= octets)
        length += (size_t)snprintf(text + length, 128, "%070zu\r\n", length);
    for (size_t i = 0; i < count; i++) {
        struct address to = { .local_length = 4 };
        snprintf(to.text, sizeof to.text, "user@d%zu.test", i % domains);
        struct queue_envelope e = { .sender = "alice@example.test", .recipients = &to, .recipient_count = 1 };
        struct content c = { .memory = { text, length }, .fd = -1, .size = length };
        struct queue_new new;
        if (queue_prepare(argv[1], NULL, &e, &c, &new) != ST_OK || queue_publish(&new) != ST_OK ||
            queue_finish(&new) != ST_OK)
            bench_die("enqueue");
    }
    free(text);
    return 0;
}
