/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * libseccomp writes each role's filter twice, as a list and as a tree; the tree is what processes load, as
 * that is three times as fast. Here both are run, in this file's own machine, for every call's number and for
 * every argument near one that a rule names: they must decide the same.
 */
#include "tap.h"

#include "net/sandbox.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define CALLS 600 /* above the last number there is */
#define X32 0x40000000
#define VALUES 200
#define SCRATCH 16

/* What the program says of the call. */
static uint32_t decide(const struct sock_fprog *p, const struct seccomp_data *call)
{
    uint32_t a = 0, scratch[SCRATCH] = { 0 };
    for (size_t at = 0; at < p->len; at++) {
        const struct sock_filter *f = &p->filter[at];
        bool yes;
        switch (f->code) {
        case BPF_LD | BPF_W | BPF_ABS: memcpy(&a, (const char *)call + f->k, sizeof a); continue;
        case BPF_LD | BPF_MEM: a = scratch[f->k % SCRATCH]; continue;
        case BPF_ST: scratch[f->k % SCRATCH] = a; continue;
        case BPF_ALU | BPF_AND | BPF_K: a &= f->k; continue;
        case BPF_RET | BPF_K: return f->k;
        case BPF_JMP | BPF_JA: at += f->k; continue;
        case BPF_JMP | BPF_JEQ | BPF_K: yes = a == f->k; break;
        case BPF_JMP | BPF_JGE | BPF_K: yes = a >= f->k; break;
        case BPF_JMP | BPF_JGT | BPF_K: yes = a > f->k; break;
        case BPF_JMP | BPF_JSET | BPF_K: yes = (a & f->k) != 0; break;
        default: abort();
        }
        at += yes ? f->jt : f->jf;
    }
    abort();
}

static void add_value(uint64_t *values, size_t *count, uint64_t value)
{
    for (size_t i = 0; i < *count; i++)
        if (values[i] == value)
            return;
    if (*count == VALUES)
        abort();
    values[(*count)++] = value;
}

/* What the program compares arguments with, and what is near it. */
static size_t named_values(const struct sock_fprog *p, uint64_t values[VALUES])
{
    size_t count = 0;
    uint32_t loaded = 0;
    add_value(values, &count, 0);
    add_value(values, &count, UINT64_MAX);
    for (size_t i = 0; i < p->len; i++) {
        const struct sock_filter *f = &p->filter[i];
        if (BPF_CLASS(f->code) == BPF_LD)
            loaded = f->k;
        bool compares = BPF_CLASS(f->code) == BPF_JMP || BPF_CLASS(f->code) == BPF_ALU;
        if (!compares || loaded < offsetof(struct seccomp_data, args))
            continue;
        add_value(values, &count, f->k);
        add_value(values, &count, (uint64_t)f->k + 1);
        add_value(values, &count, f->k | 1ULL << 32);
    }
    return count;
}

/* How many calls of this number the two judge differently. */
static size_t differences(const struct sock_fprog *a, const struct sock_fprog *b, int call,
                          const uint64_t *values, size_t count)
{
    size_t wrong = 0;
    struct seccomp_data d = { .nr = call, .arch = AUDIT_ARCH_X86_64 };
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++) {
            d.args[0] = values[i];
            d.args[1] = values[k];
            d.args[2] = values[(i + k) % count];
            wrong += decide(a, &d) != decide(b, &d);
        }
    return wrong;
}

static void compare(enum sandbox_role role)
{
    struct sock_fprog list = { 0 }, tree = { 0 };
    uint64_t values[VALUES];
    size_t wrong = 0;
    if (!sandbox_program(role, SANDBOX_LINEAR, &list) || !sandbox_program(role, SANDBOX_TREE, &tree)) {
        ok(false, "role %d: filters are made", role);
        return;
    }
    size_t count = named_values(&list, values);
    for (int call = -1; call < CALLS; call++) {
        wrong += differences(&list, &tree, call, values, count);
        wrong += differences(&list, &tree, call | X32, values, 1);
    }
    ok(wrong == 0 && count > 10,
       "role %d: list and tree decide the same (%zu values of arguments, %zu differences)", role, count,
       wrong);
    struct seccomp_data foreign = { .nr = 1, .arch = AUDIT_ARCH_I386 };
    ok(decide(&tree, &foreign) == decide(&list, &foreign) && decide(&tree, &foreign) != SECCOMP_RET_ALLOW,
       "role %d: nothing for another architecture's calls", role);
    free(list.filter);
    free(tree.filter);
}

int main(void)
{
    for (int role = 0; role < SANDBOX_ROLES; role++)
        compare((enum sandbox_role)role);
    return done_testing();
}
