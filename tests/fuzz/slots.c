/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A file of slots that somebody else wrote, its checksums right or wrong: it opens, what is got of it lies
 * within its time, and what is set is found. And the words of policy that are parsed: zones of lists, lines
 * of the table `refused`, and what a resolver that was taken over says.
 */
#include "fuzz.h"

#include "../../lib/net/resolver.c"
#include "../../lib/store/slots.c"

#include "base/zones.h"
#include "store/refused.h"

#include <sys/mman.h>

#define NOW 1800000000

static int file = -1;
static char path[64];

static void write_file(struct span content, bool right)
{
    struct header h = { .count = 16 };
    if (file < 0) {
        file = memfd_create("slots", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    HOLDS(ftruncate(file, 0) == 0 &&
          pwrite(file, content.p, content.n, right ? BUCKET_BYTES : 0) == (ssize_t)content.n);
    if (!right)
        return;
    memcpy(h.magic, magic, sizeof magic);
    h.sum = sum_header(&h);
    HOLDS(ftruncate(file, size_of(16)) == 0 && pwrite(file, &h, sizeof h, 0) == sizeof h);
    for (off_t at = BUCKET_BYTES; at < size_of(16); at += (off_t)sizeof(struct record)) {
        struct record r;
        HOLDS(pread(file, &r, sizeof r, at) == sizeof r);
        r.sum = sum_record(&r);
        HOLDS(pwrite(file, &r, sizeof r, at) == sizeof r);
    }
}

static void use_slots(struct span content, bool right)
{
    struct header h;
    static const char *const names[] = { "", "a", "b", "0123456789" };
    write_file(content, right);
    struct slots s = { .fd = file, .locked = -1 };
    HOLDS(prepare(file, 16, &h) && h.count == 16);
    s.header = h;
    for (size_t i = 0; i < 4; i++) {
        struct slot slot, again;
        HOLDS(slots_get(&s, span_of(names[i]), NOW, &slot) == ST_OK);
        HOLDS(slot.at >= BUCKET_BYTES && slot.at + (off_t)sizeof(struct record) <= size_of(16));
        HOLDS(slot.expires == 0 ||
              (slot.expires > NOW && slot.expires <= NOW + SLOTS_LIFETIME + FUTURE_SLACK));
        slot.value[0]++;
        slot.expires = NOW + 60;
        HOLDS(slots_set(&s, &slot, NOW) == ST_OK);
        HOLDS(slots_get(&s, span_of(names[i]), NOW, &again) == ST_OK);
        slots_release(&s);
        HOLDS(again.expires == NOW + 60 && again.value[0] == slot.value[0]);
    }
}

static void wrong_slots(struct span content)
{
    use_slots(content, false);
}

static void forged_slots(struct span content)
{
    use_slots(span_head(content, 16 * sizeof(struct record)), true);
}

static void zones(struct span text)
{
    struct zones z = { .count = 0 };
    char *copy = span_dup(text);
    if (copy && zones_parse(copy, &z)) {
        HOLDS(z.count <= ZONES_LIMIT);
        struct in6_addr a = { .s6_addr = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 2 } };
        for (size_t i = 0; i < z.count; i++) {
            HOLDS(z.list[i].name[0] && strlen(z.list[i].name) <= ZONE_NAME_LIMIT);
            zone_counts(&z.list[i], &a);
        }
        zones_free(&z);
    }
    free(copy);
}

static void refused_line(struct span text)
{
    struct refused_entry e;
    if (!refused_read(text, &e)) {
        HOLDS(e.key.len && !e.key.failed && e.text.n <= REFUSED_TEXT_LIMIT && fuzz_within(e.text, text));
        HOLDS(!e.is_client || e.prefix <= 128);
    }
    refused_entry_free(&e);
}

static void resolver_says(struct span packet)
{
    struct message *m = malloc(sizeof *m);
    struct resolver_answer a;
    HOLDS(m);
    message_start(m, RESOLVER_ANSWERS);
    m->len = packet.n < sizeof m->data ? packet.n : sizeof m->data;
    memcpy(m->data, packet.p, m->len);
    while (get_answer(m, &a)) {
        HOLDS(a.count <= RESOLVER_RECORDS && (a.status == ST_OK) == (a.count > 0));
        for (size_t i = 0; i < a.count; i++)
            HOLDS(memchr(a.records[i].text, '\0', sizeof a.records[i].text));
    }
    free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const what[])(struct span) = { wrong_slots, forged_slots, zones, refused_line,
                                                 resolver_says };
    if (size)
        what[data[0] % 5](fuzz_span(data + 1, size - 1));
    return 0;
}
