/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads DMARC policy records (RFC 9989 4.7, 4.8); see dmarc.h. A row for each tag. Unknown tags, tags that
 * can't be read and tags that were there before are passed over; what makes a record unfit as a whole is in
 * settle() (4.10.1).
 */
#include "trust/dmarc.h"

#define VERSION "DMARC1"

/* What was found while reading. */
struct reading {
    struct dmarc_record *record;
    unsigned seen;  /* rows of the table */
    bool p, broken; /* a valid p; sp or np that can't be read */
};

const char *dmarc_policy_name(enum dmarc_policy policy)
{
    static const char *const names[] = { "none", "quarantine", "reject" };
    return names[policy];
}

static bool read_policy(struct span value, enum dmarc_policy *policy)
{
    for (*policy = DMARC_POLICY_NONE; *policy <= DMARC_POLICY_REJECT; (*policy)++)
        if (span_ieq_str(value, dmarc_policy_name(*policy)))
            return true;
    *policy = DMARC_POLICY_NONE;
    return false;
}

/* One of the letters in `letters`, in any case; else what it was. */
static char read_letter(struct span value, const char *letters, char was)
{
    char c = value.n == 1 ? ascii_lower(value.p[0]) : '\0';
    return c && strchr(letters, c) ? c : was;
}

static void tag_p(struct reading *r, struct span value)
{
    r->p = read_policy(value, &r->record->p);
}

static void tag_sp(struct reading *r, struct span value)
{
    r->record->has_sp = read_policy(value, &r->record->sp);
    r->broken |= !r->record->has_sp;
}

static void tag_np(struct reading *r, struct span value)
{
    r->record->has_np = read_policy(value, &r->record->np);
    r->broken |= !r->record->has_np;
}

static void tag_adkim(struct reading *r, struct span value)
{
    r->record->strict_dkim = read_letter(value, "rs", 'r') == 's';
}

static void tag_aspf(struct reading *r, struct span value)
{
    r->record->strict_spf = read_letter(value, "rs", 'r') == 's';
}

static void tag_t(struct reading *r, struct span value)
{
    r->record->testing = read_letter(value, "yn", 'n') == 'y';
}

static void tag_psd(struct reading *r, struct span value)
{
    r->record->psd = read_letter(value, "ynu", 'u');
}

/* Letters of "01ds" with colons between, each once, not both of 0 and 1. */
static void tag_fo(struct reading *r, struct span value)
{
    char options[sizeof r->record->fo] = "";
    size_t n = 0;
    struct span option;
    while (span_cut(&value, ':', &option)) {
        char c = read_letter(span_trim(option), "01ds", '\0');
        bool both = (c == '0' && strchr(options, '1')) || (c == '1' && strchr(options, '0'));
        if (!c || strchr(options, c) || both)
            return;
        if (n)
            options[n++] = ':';
        options[n++] = c;
        options[n] = '\0';
    }
    if (n)
        memcpy(r->record->fo, options, sizeof options);
}

static bool is_uri_char(char c)
{
    return ascii_alpha(c) || ascii_digit(c) || (c && strchr("-._~:/?#[]@$&'()*+;=%", c));
}

/* RFC 3986, as far as it keeps anything else out; a "mailto:" needs an address. */
static bool is_uri(struct span uri)
{
    size_t colon = span_find(uri, ':'), at = span_find(uri, '@');
    if (colon == 0 || colon + 1 >= uri.n || !ascii_alpha(uri.p[0]))
        return false;
    for (size_t i = 0; i < uri.n; i++)
        if (i < colon ? !ascii_alpha(uri.p[i]) && !ascii_digit(uri.p[i]) && !strchr("+-.", uri.p[i])
                      : !is_uri_char(uri.p[i]))
            return false;
    return !span_istarts(uri, "mailto:") || (at > sizeof "mailto:" - 1 && at + 1 < uri.n);
}

/* The valid ones of a list of URIs, to `out` as far as they fit whole. */
static void read_uris(struct span value, struct bytes *out)
{
    struct span uri;
    while (span_cut(&value, ',', &uri)) {
        uri = span_trim(uri);
        uri = span_trim(span_head(uri, span_find(uri, '!')));
        if (!is_uri(uri) || out->len + uri.n + 1 > out->limit)
            continue;
        if (out->len)
            bytes_add_char(out, ',');
        bytes_add_span(out, uri);
    }
}

static void tag_rua(struct reading *r, struct span value)
{
    struct bytes uris;
    bytes_init(&uris, sizeof r->record->rua - 1);
    read_uris(value, &uris);
    span_copy(span_bytes(&uris), r->record->rua, sizeof r->record->rua);
    bytes_free(&uris);
}

static void tag_ruf(struct reading *r, struct span value)
{
    struct bytes uris;
    bytes_init(&uris, DMARC_RUA_LIMIT);
    read_uris(value, &uris);
    r->record->failure_reports = uris.len > 0;
    bytes_free(&uris);
}

static const struct {
    const char *name;
    void (*read)(struct reading *r, struct span value);
} tags[] = {
    { "p", tag_p }, { "sp", tag_sp },   { "np", tag_np }, { "adkim", tag_adkim }, { "aspf", tag_aspf },
    { "t", tag_t }, { "psd", tag_psd }, { "fo", tag_fo }, { "rua", tag_rua },     { "ruf", tag_ruf },
};

static bool is_value(struct span value)
{
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] < ' ' || value.p[i] > '~')
            return false;
    return value.n > 0;
}

static void read_tag(struct reading *r, struct span text)
{
    struct span name, value = text;
    if (!span_cut(&value, '=', &name))
        return;
    name = span_trim(name);
    value = span_trim(value);
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        if (!span_ieq_str(name, tags[i].name) || r->seen & 1u << i)
            continue;
        r->seen |= 1u << i;
        tags[i].read(r, is_value(value) ? value : SPAN(""));
    }
}

/* The first tag has to be "v", with this very value. */
static bool is_version(struct span tag)
{
    struct span name, value = tag;
    return span_cut(&value, '=', &name) && span_ieq_str(span_trim(name), "v") &&
           span_eq_str(span_trim(value), VERSION);
}

/* A record without a valid p, or whose sp or np can't be read, is as if it said p=none where it asks for
 * reports, and else is for no message (4.10.1). */
static enum status settle(const struct reading *r)
{
    struct dmarc_record *record = r->record;
    if (!record->failure_reports)
        memcpy(record->fo, "0", 2);
    record->repaired = !r->p || r->broken;
    if (record->repaired) {
        record->p = DMARC_POLICY_NONE;
        record->has_sp = record->has_np = false;
    }
    if (!record->has_sp)
        record->sp = record->p;
    if (!record->has_np)
        record->np = record->sp;
    return record->repaired && !record->rua[0] ? ST_PERM : ST_OK;
}

enum status dmarc_record_parse(struct span text, struct dmarc_record *record)
{
    struct reading r = { .record = record };
    struct span rest = text, tag;
    *record = (struct dmarc_record){ .psd = 'u', .fo = "0" };
    if (!span_cut(&rest, ';', &tag) || !is_version(tag))
        return ST_NONE;
    while (span_cut(&rest, ';', &tag))
        read_tag(&r, tag);
    return settle(&r);
}
