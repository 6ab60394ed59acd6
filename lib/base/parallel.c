/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Work shared by a counter; see parallel.h. Making a thread costs some ten microseconds, so that callers hand
 * over a hundred messages at a time rather than keep a pool, which a short-lived process would have to clear
 * away.
 */
#include "base/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define STACK ((size_t)512 * 1024)

struct sharing {
    atomic_size_t next;
    size_t count;
    void (*work)(void *context, size_t n);
    void *context;
};

static void *take_part(void *argument)
{
    struct sharing *s = argument;
    size_t n;
    while ((n = atomic_fetch_add(&s->next, 1)) < s->count)
        s->work(s->context, n);
    return NULL;
}

static size_t helpers_for(size_t count)
{
    cpu_set_t set;
    size_t processors = sched_getaffinity(0, sizeof set, &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
    size_t most = processors < PARALLEL_THREADS ? processors : PARALLEL_THREADS;
    return (count < most ? count : most) - 1;
}

void parallel_run(size_t count, void (*work)(void *context, size_t n), void *context)
{
    struct sharing s = { .count = count, .work = work, .context = context };
    pthread_t threads[PARALLEL_THREADS];
    size_t made = 0, wanted = count > 1 ? helpers_for(count) : 0;
    pthread_attr_t attributes;
    if (wanted && pthread_attr_init(&attributes) == 0) {
        pthread_attr_setstacksize(&attributes, STACK);
        while (made < wanted && pthread_create(&threads[made], &attributes, take_part, &s) == 0)
            made++;
        pthread_attr_destroy(&attributes);
    }
    take_part(&s);
    for (size_t i = 0; i < made; i++)
        pthread_join(threads[i], NULL);
}
