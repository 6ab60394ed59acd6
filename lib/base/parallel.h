/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Independent pieces of work on all processors, one call at a time: threads are made for the call and have
 * ended when it returns.
 */
#ifndef POSTERN_BASE_PARALLEL_H
#define POSTERN_BASE_PARALLEL_H

#include <stddef.h>

/* Calls work(context, n) for every n below `count`, each once, in any order, in this thread and in as many
 * others as there are further processors (PARALLEL_THREADS at most). Where none can be made, this thread does
 * all. `work` must not touch what another n touches. */
#define PARALLEL_THREADS 4
void parallel_run(size_t count, void (*work)(void *context, size_t n), void *context);

#endif
