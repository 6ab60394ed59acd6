/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads TLSA records; see tlsa.h.
 */
#include "net/tlsa.h"

#define HEAD 3
#define SHA256_SIZE 32
#define SHA512_SIZE 64

static bool read_record(struct span record, struct tlsa *t)
{
    if (record.n <= HEAD)
        return false;
    const unsigned char *head = (const unsigned char *)record.p;
    *t = (struct tlsa){ head[0], head[1], head[2], span_from(record, HEAD) };
    if ((t->usage != TLSA_TA && t->usage != TLSA_EE) || t->selector > TLSA_KEY)
        return false;
    return t->matching == TLSA_FULL || (t->matching == TLSA_SHA256 && t->data.n == SHA256_SIZE) ||
           (t->matching == TLSA_SHA512 && t->data.n == SHA512_SIZE);
}

static bool is_outdone(const struct tlsa *t, const struct tlsa *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (t->matching == TLSA_SHA256 && all[i].matching == TLSA_SHA512 && all[i].usage == t->usage &&
            all[i].selector == t->selector)
            return true;
    return false;
}

size_t tlsa_select(const struct span *records, size_t count, struct tlsa usable[TLSA_LIMIT])
{
    struct tlsa all[TLSA_LIMIT];
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < count && n < TLSA_LIMIT; i++)
        n += read_record(records[i], &all[n]);
    for (size_t i = 0; i < n; i++)
        if (!is_outdone(&all[i], all, n))
            usable[kept++] = all[i];
    return kept;
}

bool tlsa_print(struct span record, struct bytes *out)
{
    const unsigned char *p = (const unsigned char *)record.p;
    if (record.n < HEAD)
        return false;
    bytes_printf(out, "%u %u %u ", p[0], p[1], p[2]);
    for (size_t i = HEAD; i < record.n; i++)
        bytes_printf(out, "%02x", p[i]);
    return !out->failed;
}
