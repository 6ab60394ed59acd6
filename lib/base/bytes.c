/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Views and growing buffers; see bytes.h. Buffers grow by doubling and never past
 * their limit.
 */
#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_FIRST_ROOM 64

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span span_trim(struct span s)
{
    while (s.n && is_blank(s.p[0]))
        s = span_from(s, 1);
    while (s.n && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool span_eq(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool span_eq_str(struct span a, const char *b)
{
    return span_eq(a, span_of(b));
}

char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool ascii_alpha(char c)
{
    c = ascii_lower(c);
    return c >= 'a' && c <= 'z';
}

bool ascii_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool span_ieq(struct span a, struct span b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    return true;
}

bool span_ieq_str(struct span a, const char *b)
{
    return span_ieq(a, span_of(b));
}

bool span_starts(struct span s, const char *prefix)
{
    struct span p = span_of(prefix);
    return s.n >= p.n && span_eq(span_head(s, p.n), p);
}

bool span_istarts(struct span s, const char *prefix)
{
    struct span p = span_of(prefix);
    return s.n >= p.n && span_ieq(span_head(s, p.n), p);
}

size_t span_find(struct span s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

bool span_cut(struct span *rest, char c, struct span *head)
{
    if (!rest->p)
        return false;
    size_t at = span_find(*rest, c);
    *head = span_head(*rest, at);
    *rest = at < rest->n ? span_from(*rest, at + 1) : (struct span){ NULL, 0 };
    return true;
}

bool span_hex(struct span s, uint64_t max, uint64_t *value)
{
    uint64_t v = 0;
    if (s.n == 0 || s.n > 16)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!ascii_digit(c) && !(c >= 'a' && c <= 'f'))
            return false;
        v = v << 4 | (uint64_t)(ascii_digit(c) ? c - '0' : c - 'a' + 10);
    }
    *value = v;
    return v <= max;
}

int span_compare(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

bool span_u64(struct span s, uint64_t max, uint64_t *value)
{
    uint64_t v = 0;
    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_digit(s.p[i]))
            return false;
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        if (digit > max || v > (max - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *value = v;
    return true;
}

char *span_dup(struct span s)
{
    if (span_find(s, '\0') < s.n)
        return NULL;
    char *copy = malloc(s.n + 1);
    if (!copy)
        return NULL;
    if (s.n)
        memcpy(copy, s.p, s.n);
    copy[s.n] = '\0';
    return copy;
}

bool span_copy(struct span s, char *to, size_t size)
{
    if (s.n >= size || span_find(s, '\0') < s.n) {
        to[0] = '\0';
        return false;
    }
    if (s.n)
        memcpy(to, s.p, s.n);
    to[s.n] = '\0';
    return true;
}

void bytes_init(struct bytes *b, size_t limit)
{
    *b = (struct bytes){ .limit = limit };
}

void bytes_clear(struct bytes *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

void bytes_free(struct bytes *b)
{
    free(b->data);
    bytes_init(b, b->limit);
}

void bytes_wipe(struct bytes *b)
{
    if (b->data)
        explicit_bzero(b->data, b->room);
    bytes_free(b);
}

bool bytes_reserve(struct bytes *b, size_t n)
{
    if (b->failed)
        return false;
    if (n > b->limit || b->len > b->limit - n) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + n + 1;
    if (need <= b->room)
        return true;
    size_t room = b->room ? b->room : BYTES_FIRST_ROOM;
    while (room < need)
        room = room > SIZE_MAX / 2 ? need : room * 2;
    if (room - 1 > b->limit)
        room = b->limit + 1;
    char *data = realloc(b->data, room);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->room = room;
    return true;
}

struct span span_decimal(uint64_t n, char digits[SPAN_U64_DIGITS])
{
    size_t at = SPAN_U64_DIGITS;
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return (struct span){ digits + at, SPAN_U64_DIGITS - at };
}

bool bytes_add_u64(struct bytes *b, uint64_t n)
{
    char digits[SPAN_U64_DIGITS];
    return bytes_add_span(b, span_decimal(n, digits));
}

bool bytes_vprintf(struct bytes *b, const char *format, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (n < 0) {
        b->failed = true;
        return false;
    }
    if (!bytes_reserve(b, (size_t)n))
        return false;
    vsnprintf(b->data + b->len, (size_t)n + 1, format, ap);
    b->len += (size_t)n;
    return true;
}

bool bytes_printf(struct bytes *b, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    bool ok = bytes_vprintf(b, format, ap);
    va_end(ap);
    return ok;
}

const char *bytes_str(const struct bytes *b)
{
    return b->data ? b->data : "";
}
