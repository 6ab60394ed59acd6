/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The page that can't be read is replaced by an empty one and the instruction runs again; see fault.h. Only
 * calls that a signal handler may make. Anything else that raises SIGBUS ends the process as ever.
 */
#include "base/fault.h"

#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

#define PAGE ((uintptr_t)4096) /* no page is smaller; of a larger one the whole is replaced */

static void replace_page(int number, siginfo_t *info, void *context)
{
    (void)context;
    void *page = (void *)((uintptr_t)info->si_addr & ~(PAGE - 1));
    if (info->si_code != BUS_ADRERR ||
        mmap(page, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        signal(number, SIG_DFL);
}

void fault_reads_zeros(void)
{
    struct sigaction action = { .sa_sigaction = replace_page, .sa_flags = SA_SIGINFO };
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
