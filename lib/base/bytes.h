/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Bytes: `span`, a view of bytes that somebody else owns, and `bytes`, a growing
 * buffer with a limit.
 *
 * A span may hold NUL and is not terminated; everything read from a network is a
 * span until it has been checked. A buffer's failure is sticky: once an append
 * went over the limit or memory ran out, further appends do nothing, and the one
 * check at the end sees it. That keeps the code that builds a reply free of checks.
 */
#ifndef POSTERN_BASE_BYTES_H
#define POSTERN_BASE_BYTES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *p;
    size_t n;
};

struct bytes {
    char *data; /* NULL while nothing was ever added; else always followed by a NUL that len doesn't count */
    size_t len;
    size_t room;  /* allocated, with that NUL; never more than limit + 1 */
    size_t limit; /* len never exceeds it */
    bool failed;  /* an append was refused; sticky until bytes_clear() */
};

/* A span of a string constant, for tables and tests. */
#define SPAN(literal) ((struct span){ (literal), sizeof(literal) - 1 })
/* For printf's "%.*s". Only for spans known to be shorter than INT_MAX. */
#define SPAN_FMT(s) (int)(s).n, (s).p

/* The short ones are here, to be inlined: the parsers of lib/text are made of them. */
/* Of a NUL-terminated string; NULL gives the empty span. */
static inline struct span span_of(const char *string)
{
    return (struct span){ string, string ? strlen(string) : 0 };
}
/* Valid until b changes. */
static inline struct span span_bytes(const struct bytes *b)
{
    return (struct span){ b->data ? b->data : "", b->len };
}
/* Without its first `at` bytes; empty past the end. */
static inline struct span span_from(struct span s, size_t at)
{
    if (at > s.n)
        at = s.n;
    return (struct span){ at ? s.p + at : s.p, s.n - at };
}
/* Its first n bytes at most. */
static inline struct span span_head(struct span s, size_t n)
{
    return (struct span){ s.p, n < s.n ? n : s.n };
}
struct span span_trim(struct span s); /* without blanks (SP HT CR LF) at either end */
bool span_eq(struct span a, struct span b);
bool span_eq_str(struct span a, const char *b);
/* Without regard to the case of ASCII letters, whatever the locale. */
bool span_ieq(struct span a, struct span b);
bool span_ieq_str(struct span a, const char *b);
bool span_starts(struct span s, const char *prefix);
bool span_istarts(struct span s, const char *prefix);
/* Index of the first `c`, or s.n if there is none. */
size_t span_find(struct span s, char c);
/* Cuts *rest at the first `c`: *head is what stood before it, *rest what stood behind. Without a `c`,
 * *head is everything and *rest is empty. False when *rest was empty (and p NULL) already. */
bool span_cut(struct span *rest, char c, struct span *head);
/* Decimal digits only, all of s, at most `max`. False for anything else. */
bool span_u64(struct span s, uint64_t max, uint64_t *value);
/* And back: n in decimal, at the end of `digits`. */
#define SPAN_U64_DIGITS 20
struct span span_decimal(uint64_t n, char digits[SPAN_U64_DIGITS]);
/* As span_u64() for hexadecimal digits, in lower case, sixteen at most. */
bool span_hex(struct span s, uint64_t max, uint64_t *value);
/* Below, equal to or above 0 as `a` comes before, is or comes after `b` in the order of bytes. */
int span_compare(struct span a, struct span b);
/* A copy ending in NUL, from malloc; NULL if memory runs out or s holds a NUL. */
char *span_dup(struct span s);
/* Copies into a fixed array with a NUL; false if it doesn't fit or s holds a NUL (to[0] is then NUL). */
bool span_copy(struct span s, char *to, size_t size);

char ascii_lower(char c);
bool ascii_alpha(char c);
bool ascii_digit(char c);

void bytes_init(struct bytes *b, size_t limit);
void bytes_clear(struct bytes *b); /* empty and not failed; keeps its memory */
void bytes_free(struct bytes *b);  /* frees the memory; b is then as after bytes_init */
void bytes_wipe(struct bytes *b);  /* overwrites, then frees: for secrets */
/* Makes room for n more. False, with `failed` set, over the limit or without memory. */
bool bytes_reserve(struct bytes *b, size_t n);
/* Each returns false, and sets `failed`, if not everything fits; then nothing of it was added. */
static inline bool bytes_add(struct bytes *b, const void *data, size_t n)
{
    if ((b->failed || n >= b->room - b->len) &&
        !bytes_reserve(b, n)) /* what room there is, is within the limit */
        return false;
    if (n)
        memcpy(b->data + b->len, data, n);
    b->len += n;
    b->data[b->len] = '\0';
    return true;
}
static inline bool bytes_add_span(struct bytes *b, struct span s)
{
    return bytes_add(b, s.p, s.n);
}
static inline bool bytes_add_str(struct bytes *b, const char *s)
{
    return bytes_add(b, s, strlen(s));
}
static inline bool bytes_add_char(struct bytes *b, char c)
{
    return bytes_add(b, &c, 1);
}
bool bytes_add_u64(struct bytes *b, uint64_t n); /* in decimal */
bool bytes_printf(struct bytes *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool bytes_vprintf(struct bytes *b, const char *format, va_list ap) __attribute__((format(printf, 2, 0)));
/* The contents as a string, "" when empty; owned by b, valid until it changes. */
const char *bytes_str(const struct bytes *b);

#endif
