/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages of the queue as JSON, one object a line, for programs. Times are seconds since 1970. It is only
 * ever written, from our own structures (json.c).
 */
#include "queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define HEADER_LIMIT 65536

static void put_notify(unsigned notify)
{
    static const char *const words[] = { "never", "success", "failure", "delay" };
    const char *before = "";
    fputs(",\"notify\":[", stdout);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (notify & 1u << i) {
            printf("%s\"%s\"", before, words[i]);
            before = ",";
        }
    putchar(']');
}

static void put_recipient(const struct queue_message *m, size_t i)
{
    const struct queue_recipient *r = &m->recipients[i];
    json_pair(i ? ",{" : "{", "address", span_of(r->address.text));
    json_pair(",", "state", span_of(queue_mark_word(r->mark)));
    if (m->replies[i])
        json_pair(",", "reply", span_of(m->replies[i]));
    if (r->options && r->options->notify)
        put_notify(r->options->notify);
    if (r->options && r->options->orcpt[0])
        json_pair(",", "orcpt", span_of(r->options->orcpt));
    if (r->options && r->options->program[0])
        json_pair(",", "program", span_of(r->options->program));
    putchar('}');
}

/* To the empty line, or as much of it as the limit allows. */
static int put_header(const struct queue_message *m)
{
    static char text[HEADER_LIMIT];
    ssize_t n = pread(m->fd, text, sizeof text, m->content);
    if (n < 0)
        return complain(EX_IOERR, "%s: %s", m->id, strerror(errno));
    const char *end = memmem(text, (size_t)n, "\r\n\r\n", 4);
    fputs(",\"header\":", stdout);
    json_string((struct span){ text, end ? (size_t)(end - text) + 2 : (size_t)n });
    return EX_OK;
}

int queue_json(const struct queue_message *m, bool header)
{
    const struct mail_options *o = &m->options;
    int result = EX_OK;
    json_pair("{", "id", span_of(m->id));
    printf(",\"queued\":%" PRId64 ",\"size\":%" PRIu64 ",\"attempts\":%u,\"next\":%" PRId64, m->queued,
           m->size, m->attempts, queue_next(m));
    printf(",\"body\":\"%s\",\"smtputf8\":%s,\"requiretls\":%s", m->eight_bit ? "8bit" : "7bit",
           o->smtputf8 ? "true" : "false", o->require_tls ? "true" : "false");
    if (o->ret != RET_UNSAID)
        json_pair(",", "ret", span_of(o->ret == RET_FULL ? "full" : "headers"));
    if (o->envid[0])
        json_pair(",", "envid", span_of(o->envid));
    if (o->release)
        printf(",\"release\":%" PRId64, o->release);
    if (o->junk)
        json_pair(",", "folder", span_of("junk"));
    json_pair(",", "sender", span_of(m->sender));
    fputs(",\"recipients\":[", stdout);
    for (size_t i = 0; i < m->recipient_count; i++)
        put_recipient(m, i);
    putchar(']');
    if (header)
        result = put_header(m);
    puts("}");
    return result;
}
