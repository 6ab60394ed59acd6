/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A struct security on its way between processes, and the records in it; see security.h. The scheduler only
 * passes it on, but what comes from a connector is checked here once.
 */
#include "security.h"

#define LENGTH 2

const char *protection_name(enum protection p)
{
    static const char *const names[PROTECTIONS] = { "none", "encrypted", "sts", "pkix", "dane" };
    return names[p];
}

bool security_add_tlsa(struct security *s, struct span record)
{
    if (record.n > UINT16_MAX || record.n + LENGTH > sizeof s->tlsa - s->tlsa_size)
        return false;
    unsigned char *to = s->tlsa + s->tlsa_size;
    to[0] = (unsigned char)(record.n >> 8);
    to[1] = (unsigned char)record.n;
    memcpy(to + LENGTH, record.p, record.n);
    s->tlsa_size += LENGTH + record.n;
    return true;
}

size_t security_tlsa(const struct security *s, struct span records[TLSA_LIMIT])
{
    size_t count = 0, at = 0;
    while (count < TLSA_LIMIT && s->tlsa_size - at >= LENGTH) {
        size_t n = (size_t)s->tlsa[at] << 8 | s->tlsa[at + 1];
        if (n > s->tlsa_size - at - LENGTH)
            break;
        records[count++] = (struct span){ (const char *)s->tlsa + at + LENGTH, n };
        at += LENGTH + n;
    }
    return count;
}

void security_put(struct message *m, const struct security *s)
{
    message_put_u64(m, s->need);
    message_put_u64(m, s->policy);
    message_put_u64(m, s->require_tls);
    message_put_str(m, s->name);
    message_put_str(m, s->other);
    message_put(m, (struct span){ (const char *)s->tlsa, s->tlsa_size });
}

bool security_get(struct message *m, struct security *s)
{
    uint64_t need, policy, require;
    struct span tlsa;
    message_get_u64(m, &need);
    message_get_u64(m, &policy);
    message_get_u64(m, &require);
    message_get_str(m, s->name, sizeof s->name);
    message_get_str(m, s->other, sizeof s->other);
    message_get(m, &tlsa);
    if (m->bad || need >= SECURITY_NEEDS || policy > TLS_POLICY_TLSA || tlsa.n > sizeof s->tlsa)
        return false;
    s->need = (enum security_need)need;
    s->policy = (enum tls_policy)policy;
    s->require_tls = require;
    s->tlsa_size = tlsa.n;
    memcpy(s->tlsa, tlsa.p, tlsa.n);
    return true;
}
