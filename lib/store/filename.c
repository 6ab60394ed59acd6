/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * File names of messages; see filename.h.
 */
#include "store/filename.h"
#include "store/mailbox.h"

#include <string.h>

/* In the order in which they stand in a name. */
static const struct {
    char letter;
    uint32_t flag;
} system_flags[] = {
    { 'D', FLAG_DRAFT }, { 'F', FLAG_FLAGGED }, { 'R', FLAG_ANSWERED },
    { 'S', FLAG_SEEN },  { 'T', FLAG_DELETED },
};

static uint32_t flag_of(char letter)
{
    if (letter >= 'a' && letter <= 'z')
        return 1U << (letter - 'a');
    for (size_t i = 0; i < sizeof system_flags / sizeof system_flags[0]; i++)
        if (system_flags[i].letter == letter)
            return system_flags[i].flag;
    return 0;
}

uint32_t filename_flags(struct span letters)
{
    uint32_t flags = 0;
    for (size_t i = 0; i < letters.n; i++)
        flags |= flag_of(letters.p[i]);
    return flags;
}

void filename_letters(uint32_t flags, char to[FILENAME_LETTERS + 1])
{
    for (size_t i = 0; i < sizeof system_flags / sizeof system_flags[0]; i++)
        if (flags & system_flags[i].flag)
            *to++ = system_flags[i].letter;
    for (uint32_t left = flags & ~FLAG_SYSTEM; left; left &= left - 1)
        *to++ = (char)('a' + __builtin_ctz(left));
    *to = '\0';
}

static void parse_uid(struct span value, struct filename *f)
{
    struct span validity;
    uint64_t v, u;
    if (span_cut(&value, '.', &validity) && validity.n <= 8 && value.n <= 8 &&
        span_hex(validity, UINT32_MAX, &v) && span_hex(value, UINT32_MAX, &u) && v && u) {
        f->validity = (uint32_t)v;
        f->uid = (uint32_t)u;
    }
}

/* Letters, digits, '_' and '-' (RFC 8474 7, objectid). */
static bool is_objectid(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '_' && s.p[i] != '-')
            return false;
    return s.n > 0 && s.n <= EMAIL_ID_LIMIT;
}

static void parse_field(struct span field, struct filename *f)
{
    struct span value = span_from(field, 2);
    if (field.n < 3 || field.p[1] != '=')
        return;
    if (field.p[0] == 'S' && !f->size)
        span_u64(value, INT64_MAX, &f->size);
    else if (field.p[0] == 'W' && !f->wire)
        span_u64(value, INT64_MAX, &f->wire);
    else if (field.p[0] == 'P' && !f->uid)
        parse_uid(value, f);
    else if (field.p[0] == 'E' && !f->email_id.n && is_objectid(value))
        f->email_id = value;
}

static void parse_info(struct span info, struct filename *f)
{
    if (!span_starts(info, "2,"))
        return;
    f->info = true;
    info = span_from(info, 2);
    size_t end = span_find(info, ',');
    f->letters = span_head(info, end);
    f->more = span_from(info, end);
    f->flags = filename_flags(f->letters);
}

void filename_parse(struct span name, struct filename *f)
{
    *f = (struct filename){ 0 };
    size_t colon = span_find(name, ':');
    struct span left = span_head(name, colon), field;
    size_t comma = span_find(left, ',');
    f->base = span_head(left, comma);
    f->fields = span_from(left, comma);
    struct span rest = span_from(f->fields, 1);
    while (rest.n && span_cut(&rest, ',', &field))
        parse_field(field, f);
    if (colon < name.n)
        parse_info(span_from(name, colon + 1), f);
}

uint64_t filename_time(const struct filename *f)
{
    uint64_t seconds;
    return span_u64(span_head(f->base, span_find(f->base, '.')), INT64_MAX, &seconds) ? seconds : 0;
}

static void write_fields(const struct filename *f, const struct filename_new *n, struct bytes *to)
{
    if (n->size)
        bytes_printf(to, ",S=%llu", (unsigned long long)n->size);
    if (n->wire)
        bytes_printf(to, ",W=%llu", (unsigned long long)n->wire);
    if (n->uid)
        bytes_printf(to, ",P=%x.%x", (unsigned)n->validity, (unsigned)n->uid);
    if (n->email_id)
        bytes_printf(to, ",E=%s", n->email_id);
    struct span rest = span_from(f->fields, 1), field;
    while (rest.n && span_cut(&rest, ',', &field)) {
        bool ours = field.n >= 2 && field.p[1] == '=' && memchr("SWPE", field.p[0], n->email_id ? 4 : 3);
        bool follows = !n->copy || span_starts(field, "E=");
        if (ours || !follows)
            continue;
        bytes_add_char(to, ',');
        bytes_add_span(to, field);
    }
}

/* Upper case before lower case: info is in the order of ASCII. */
static void write_info(const struct filename *f, const struct filename_new *n, struct bytes *to)
{
    bytes_add_str(to, ":2,");
    for (char c = 'A'; c <= 'z'; c++) {
        uint32_t flag = flag_of(c);
        bool known = flag & (FLAG_SYSTEM | n->keywords);
        bool kept = !known && !n->copy && ascii_alpha(c) && span_find(f->letters, c) < f->letters.n;
        if ((known && n->flags & flag) || kept)
            bytes_add_char(to, c);
    }
    if (!n->copy)
        bytes_add_span(to, f->more);
}

bool filename_write(struct span base, const struct filename *f, const struct filename_new *n, char *to)
{
    struct bytes name;
    bytes_init(&name, FILENAME_LIMIT);
    bytes_add_span(&name, base);
    write_fields(f, n, &name);
    if (n->info || f->info || n->flags)
        write_info(f, n, &name);
    bool fits = !name.failed && span_copy(span_bytes(&name), to, FILENAME_LIMIT + 1);
    bytes_free(&name);
    return fits;
}
