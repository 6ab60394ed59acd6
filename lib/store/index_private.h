/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What index.c and index_write.c share; nobody else includes this.
 */
#ifndef POSTERN_STORE_INDEX_PRIVATE_H
#define POSTERN_STORE_INDEX_PRIVATE_H

#include "store/index.h"

#include <stddef.h>

#define INDEX_MAGIC "postern-index 1\n"
#define INDEX_RECORDS_AT 4096

uint32_t index_record_sum(const struct index_record *r);
uint32_t index_header_sum(const struct index_header *h);
/* Where in the file the parts begin. */
size_t index_bits_at(const struct index_header *h);
size_t index_names_at(const struct index_header *h);

/* What is written but not in the file yet. */
bool index_waiting_record(const struct index *ix, uint32_t n, struct index_record *r);
const char *index_waiting_name(const struct index *ix, const struct index_record *r);
const unsigned char *index_waiting_bits(const struct index *ix);
void index_forget_writing(struct index *ix);

#endif
