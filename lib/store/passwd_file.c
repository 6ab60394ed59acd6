/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lines of passwd-files; see passwd_file.h. What each field means is Dovecot's documentation of passwd-file,
 * of its extra fields and of quota rules (storage counts in KiB where no unit is named).
 */
#include "store/passwd_file.h"

#include <string.h>

#define FIELDS 8
#define SHADOW_FIELDS 9
#define DAY 86400
#define DAYS_MOST 1000000
#define QUOTA_MOST (UINT64_MAX >> 1)

/* --- passwords */

static bool add_stored(struct passwd_entry *e, const char *scheme, struct span text)
{
    return bytes_printf(&e->stored, "{%s}%.*s", scheme, SPAN_FMT(text));
}

static bool is_none(struct span text)
{
    static const char *const none[] = { "", "x", "*", "!", "!!", "!*", "*LK*", "NP", "*NP*" };
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        if (span_eq_str(text, none[i]))
            return true;
    return false;
}

/* text[13] and the like: what stands before the bracket. */
static const char *part_type(struct span *text)
{
    static const struct {
        const char *end, *scheme;
    } types[] = { { "[13]", "CRYPT" }, { "[34]", "PLAIN-MD5" }, { "[56]", "DIGEST-MD5" } };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (text->n > 4 && span_eq_str(span_from(*text, text->n - 4), types[i].end)) {
            *text = span_head(*text, text->n - 4);
            return types[i].scheme;
        }
    return NULL;
}

static const char *read_password(struct span text, const char *scheme, struct passwd_entry *e)
{
    if (is_none(text))
        return NULL;
    if (text.p[0] == '{') {
        size_t end = span_find(text, '}');
        struct span hash = span_from(text, end + 1);
        if (end == text.n)
            return "has a '{' without a '}' before its password";
        bool by_crypt = span_ieq_str(span_head(text, end + 1), "{CRYPT}");
        if (!(by_crypt && is_none(hash)))
            bytes_add_span(&e->stored, text);
        return e->stored.failed ? "has too long a password" : NULL;
    }
    e->locked = text.p[0] == '!';
    while (text.n && text.p[0] == '!')
        text = span_from(text, 1);
    const char *type = part_type(&text);
    return add_stored(e, type ? type : e->shadow ? "CRYPT" : scheme, text) ? NULL : "has too long a password";
}

/* --- lines */

static bool is_number(struct span field)
{
    uint64_t value;
    return field.n == 0 || span_u64(field, UINT32_MAX, &value);
}

/* Nine fields, and the last seven are numbers: nothing that Dovecot has looks so. */
static bool is_shadow(struct span line, int64_t *expires)
{
    struct span field;
    uint64_t days;
    size_t count = 0;
    *expires = -1;
    for (; span_cut(&line, ':', &field); count++) {
        if (count >= 2 && !is_number(field))
            return false;
        if (count == 7 && field.n && span_u64(field, DAYS_MOST, &days))
            *expires = (int64_t)days * DAY;
    }
    return count == SHADOW_FIELDS;
}

const char *passwd_entry_read(struct span line, const char *scheme, struct passwd_entry *e)
{
    struct span field[FIELDS];
    *e = (struct passwd_entry){ .expires = -1 };
    bytes_init(&e->stored, PASSWD_STORED_LIMIT);
    if (span_find(line, '\0') < line.n)
        return "holds a NUL";
    struct span rest = line;
    for (size_t i = 0; i < FIELDS; i++) {
        field[i] = SPAN("");
        if (i + 1 < FIELDS)
            span_cut(&rest, ':', &field[i]);
        else if (rest.p)
            field[i] = rest;
    }
    e->name = field[0];
    int64_t expires;
    e->shadow = is_shadow(line, &expires);
    if (e->shadow) {
        e->expires = expires;
    } else {
        e->uid = field[2], e->gid = field[3], e->gecos = field[4];
        e->home = field[5], e->shell = field[6], e->extra = field[7];
    }
    return read_password(field[1], scheme, e);
}

void passwd_entry_free(struct passwd_entry *e)
{
    bytes_wipe(&e->stored);
}

/* --- limits */

/* "1G", or a number of `unit` bytes. 0 is no limit. */
static bool read_size(struct span text, uint64_t unit, uint64_t *bytes)
{
    static const char units[] = "bkmgt";
    uint64_t number;
    const char *found = text.n ? strchr(units, ascii_lower(text.p[text.n - 1])) : NULL;
    if (found && *found) {
        text = span_head(text, text.n - 1);
        unit = UINT64_C(1) << (10 * (found - units));
    }
    if (!span_u64(text, QUOTA_MOST / unit, &number))
        return false;
    *bytes = number * unit;
    return true;
}

/* Dovecot's "*:storage=1G:messages=5000". Rules for one folder, and those in per cent or of more than
 * another, aren't possible here. */
static bool read_rule(struct span rule, struct quota *quota)
{
    struct span folder, limit;
    struct quota q = *quota;
    if (!span_cut(&rule, ':', &folder) || !span_eq_str(folder, "*"))
        return false;
    while (span_cut(&rule, ':', &limit)) {
        struct span name, value = limit;
        span_cut(&value, '=', &name);
        bool good = span_ieq_str(name, "storage") ? read_size(value, 1024, &q.bytes)
                    : span_ieq_str(name, "bytes") ? read_size(value, 1, &q.bytes)
                                                  : span_ieq_str(name, "messages") &&
                                                        span_u64(value, QUOTA_MESSAGES_LIMIT, &q.messages);
        if (!good)
            return false;
    }
    *quota = q;
    return true;
}

/* --- extra fields */

static bool is_one_of(struct span name, const char *const *list)
{
    for (; *list; list++)
        if (span_eq_str(name, *list))
            return true;
    return false;
}

static bool is_off(struct span value)
{
    static const char *const off[] = { "n", "no", "N", "No", "NO", "0", "false", NULL };
    return is_one_of(value, off);
}

static bool sets_limits(struct span name, struct span value, struct quota *quota)
{
    if (span_eq_str(name, "userdb_quota_rule"))
        return read_rule(value, quota);
    if (span_eq_str(name, "userdb_quota_storage_size"))
        return read_size(value, 1, &quota->bytes);
    return span_eq_str(name, "userdb_quota_message_count") &&
           span_u64(value, QUOTA_MESSAGES_LIMIT, &quota->messages);
}

enum passwd_extra passwd_extra_read(struct span word, struct span *name, struct quota *quota)
{
    static const char *const honoured[] = { "nologin", "allow_nets", "scram", "app", NULL };
    /* whose mail lies elsewhere or under another name; or whom Dovecot lets in, or not, by other rules */
    static const char *const refused[] = { "proxy",          "proxy_maybe", "nopassword",  "user", "fail",
                                           "noauthenticate", "expired",     "delay_until", NULL };
    struct span value = word;
    span_cut(&value, '=', name);
    if (is_one_of(*name, honoured) || sets_limits(*name, value, quota))
        return PASSWD_HONOURED;
    return is_one_of(*name, refused) && !is_off(value) ? PASSWD_REFUSED : PASSWD_KEPT;
}
