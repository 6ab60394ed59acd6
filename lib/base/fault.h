/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Files that another program cuts short while they are mapped: reading behind their new end would end the
 * process by SIGBUS.
 */
#ifndef POSTERN_BASE_FAULT_H
#define POSTERN_BASE_FAULT_H

/* From now on a page of a mapped file that is no longer there reads as zeros. Whoever maps a file checks what
 * he reads, so that zeros are found to be damage. For the whole process; calling it again does nothing. */
void fault_reads_zeros(void);

#endif
