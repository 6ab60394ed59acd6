/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads MTA-STS records and policies; see mta_sts.h. The functions follow the grammars of RFC 8461 3.1 and
 * 3.2, a row of the table of keys for each field of a policy.
 */
#include "text/mta_sts.h"

#define VERSION "STSv1"
#define NAME_LIMIT 32 /* of a field */
#define LABEL_LIMIT 63
#define MAX_AGE_DIGITS 10

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct span trim_blanks(struct span s)
{
    while (s.n && is_blank(s.p[0]))
        s = span_from(s, 1);
    while (s.n && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* sts-ext-name and sts-policy-ext-name. */
static bool is_field_name(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        bool plain = ascii_alpha(s.p[i]) || ascii_digit(s.p[i]);
        if (!plain && (i == 0 || !(s.p[i] == '_' || s.p[i] == '-' || s.p[i] == '.')))
            return false;
    }
    return s.n > 0 && s.n <= NAME_LIMIT;
}

/* --- the record */

static bool is_id(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]))
            return false;
    return s.n > 0 && s.n < STS_ID_LIMIT;
}

static bool is_record_value(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x21 || s.p[i] > 0x7e || s.p[i] == ';' || s.p[i] == '=')
            return false;
    return s.n > 0;
}

enum status sts_record_read(struct span text, char id[STS_ID_LIMIT])
{
    struct span rest = text, field, name;
    id[0] = '\0';
    if (!span_starts(text, "v=" VERSION))
        return ST_NONE;
    span_cut(&rest, ';', &field);
    if (!span_eq_str(trim_blanks(field), "v=" VERSION))
        return span_starts(field, "v=" VERSION " ") ? ST_PERM : ST_NONE;
    while (span_cut(&rest, ';', &field)) {
        struct span value = trim_blanks(field);
        if (value.n == 0 && rest.n == 0)
            break; /* behind the last delimiter */
        if (!span_cut(&value, '=', &name))
            return ST_PERM;
        bool is_the_id = span_eq_str(name, "id");
        if (is_the_id ? !is_id(value) : !is_field_name(name) || !is_record_value(value))
            return ST_PERM;
        if (is_the_id && id[0] == '\0')
            span_copy(value, id, STS_ID_LIMIT);
    }
    return id[0] ? ST_OK : ST_PERM;
}

/* --- the policy */

struct reading {
    struct sts_policy *policy;
    unsigned seen; /* bits by row of `keys` */
};

static bool read_version(struct sts_policy *p, struct span value)
{
    (void)p;
    return span_eq_str(value, VERSION);
}

static const char *const mode_words[] = { "none", "testing", "enforce" };

static bool read_mode(struct sts_policy *p, struct span value)
{
    for (unsigned i = 0; i <= STS_MODE_ENFORCE; i++)
        if (span_eq_str(value, mode_words[i])) {
            p->mode = (enum sts_mode)i;
            return true;
        }
    return false;
}

static bool read_max_age(struct sts_policy *p, struct span value)
{
    if (value.n > MAX_AGE_DIGITS || !span_u64(value, UINT64_MAX, &p->max_age))
        return false;
    if (p->max_age > STS_MAX_AGE)
        p->max_age = STS_MAX_AGE;
    return true;
}

/* Labels of letters, digits, hyphens and underscores. */
static bool is_host(struct span s)
{
    struct span label;
    if (s.n == 0)
        return false;
    while (span_cut(&s, '.', &label)) {
        if (label.n == 0 || label.n > LABEL_LIMIT || label.p[0] == '-')
            return false;
        for (size_t i = 0; i < label.n; i++)
            if (!ascii_alpha(label.p[i]) && !ascii_digit(label.p[i]) && label.p[i] != '-' &&
                label.p[i] != '_')
                return false;
    }
    return true;
}

static struct span without_final_dot(struct span s)
{
    return s.n && s.p[s.n - 1] == '.' ? span_head(s, s.n - 1) : s;
}

static bool read_mx(struct sts_policy *p, struct span value)
{
    value = without_final_dot(value);
    if (p->count == STS_PATTERNS || value.n >= STS_PATTERN_LIMIT ||
        !is_host(span_starts(value, "*.") ? span_from(value, 2) : value))
        return false;
    char *to = p->mx[p->count++];
    for (size_t i = 0; i < value.n; i++)
        to[i] = ascii_lower(value.p[i]);
    to[value.n] = '\0';
    return true;
}

static const struct {
    const char *name;
    bool (*read)(struct sts_policy *p, struct span value);
    bool many; /* else only the first counts */
} keys[] = {
    { "version", read_version, false },
    { "mode", read_mode, false },
    { "max_age", read_max_age, false },
    { "mx", read_mx, true },
};
#define KEYS (sizeof keys / sizeof keys[0])
#define NEEDED 7u /* the first three */

/* sts-policy-ext-value: printable, or UTF-8 (whose bytes are let pass). */
static bool is_policy_value(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
            return false;
    return s.n > 0;
}

static bool read_field(struct reading *r, struct span line)
{
    struct span name, value = line;
    if (span_find(line, ':') == line.n || !span_cut(&value, ':', &name))
        return false;
    value = trim_blanks(value);
    for (size_t i = 0; i < KEYS; i++) {
        if (!span_eq_str(name, keys[i].name))
            continue;
        if (r->seen & 1u << i && !keys[i].many)
            return true;
        r->seen |= 1u << i;
        return keys[i].read(r->policy, value);
    }
    return is_field_name(name) && is_policy_value(value);
}

enum status sts_policy_read(struct span text, struct sts_policy *policy)
{
    struct reading r = { .policy = policy };
    struct span line;
    policy->mode = STS_MODE_NONE;
    policy->max_age = 0;
    policy->count = 0;
    if (text.n > STS_TEXT_LIMIT)
        return ST_PERM;
    while (span_cut(&text, '\n', &line)) {
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        if (trim_blanks(line).n && !read_field(&r, line))
            return ST_PERM;
    }
    bool whole = (r.seen & NEEDED) == NEEDED && (policy->count || policy->mode == STS_MODE_NONE);
    return whole ? ST_OK : ST_PERM;
}

bool sts_policy_print(const struct sts_policy *policy, struct bytes *out)
{
    bytes_printf(out, "version: " VERSION "\nmode: %s\n", mode_words[policy->mode]);
    for (size_t i = 0; i < policy->count; i++)
        bytes_printf(out, "mx: %s\n", policy->mx[i]);
    bytes_add_str(out, "max_age: ");
    bytes_add_u64(out, policy->max_age);
    return bytes_add_char(out, '\n');
}

bool sts_policy_covers(const struct sts_policy *policy, const char *host)
{
    struct span name = without_final_dot(span_of(host));
    size_t first = span_find(name, '.');
    for (size_t i = 0; i < policy->count; i++) {
        const char *mx = policy->mx[i];
        if (span_starts(span_of(mx), "*."))
            if (first && first < name.n && span_ieq_str(span_from(name, first + 1), mx + 2))
                return true;
        if (span_ieq_str(name, mx))
            return true;
    }
    return false;
}
