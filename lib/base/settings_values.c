/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The types that a setting's value may have: how a value is read, written and freed; see settings_private.h.
 * To add a type: a value of enum setting_type, its functions, and a row of `types`. Types of which a file may
 * have several lines, and that have syntax of their own, are files beside this one.
 */
#include "base/settings_private.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NETWORKS_LIMIT 256

static const char no_memory[] = "out of memory";

static void *member(const struct settings *s, const struct setting_key *k)
{
    return (char *)(uintptr_t)s + k->offset;
}

/* --- text */

static const char *set_string(struct settings *s, const struct setting_key *k, const char *value)
{
    char **to = member(s, k);
    char *copy = strdup(value);
    if (!copy)
        return no_memory;
    free(*to);
    *to = copy;
    return NULL;
}

static void print_string(const struct settings *s, const struct setting_key *k, struct bytes *out)
{
    bytes_add_str(out, *(char *const *)member(s, k));
}

static void free_string(struct settings *s, const struct setting_key *k)
{
    free(*(char **)member(s, k));
}

char *settings_path(const struct settings *s, struct span value)
{
    char *path = NULL;
    if (span_starts(value, "/"))
        return span_dup(value);
    return asprintf(&path, "%s/%.*s", s->directory, SPAN_FMT(value)) < 0 ? NULL : path;
}

static const char *set_path(struct settings *s, const struct setting_key *k, const char *value)
{
    if (!value[0])
        return "needs a path";
    char *path = settings_path(s, span_of(value));
    const char *wrong = path ? set_string(s, k, path) : no_memory;
    free(path);
    return wrong;
}

/* A path, or nothing. */
static const char *set_file(struct settings *s, const struct setting_key *k, const char *value)
{
    return value[0] ? set_path(s, k, value) : set_string(s, k, value);
}

bool settings_is_host_name(const char *value)
{
    size_t label = 0;
    for (const char *p = value; *p; p++) {
        if (*p == '.' ? label == 0 : !(ascii_alpha(*p) || ascii_digit(*p) || *p == '-'))
            return false;
        label = *p == '.' ? 0 : label + 1;
        if (label > 63)
            return false;
    }
    return strlen(value) <= 253;
}

static const char *set_name(struct settings *s, const struct setting_key *k, const char *value)
{
    return settings_is_host_name(value) ? set_string(s, k, value)
                                        : "must be a host name, such as mail.example.org";
}

/* Of host names with a dot; also none. */
static bool is_domain_list(const char *value)
{
    struct span rest = span_of(value), word;
    bool good = true;
    while (good && span_cut(&rest, ' ', &word)) {
        char *name = span_dup(word);
        good = name && (!word.n || (settings_is_host_name(name) && strchr(name, '.')));
        free(name);
    }
    return good;
}

static const char *set_domains(struct settings *s, const struct setting_key *k, const char *value)
{
    return is_domain_list(value)
               ? set_string(s, k, value)
               : "must be domains with blanks between, such as lists.example.org example.net";
}

/* Of addresses without a prefix; also none. */
static bool is_address_list(const char *value)
{
    struct span rest = span_of(value), word;
    struct network one;
    bool good = true;
    while (good && span_cut(&rest, ' ', &word))
        good = !word.n || (span_find(word, '/') == word.n && settings_parse_network(word, &one));
    return good;
}

static const char *set_addresses(struct settings *s, const struct setting_key *k, const char *value)
{
    return is_address_list(value)
               ? set_string(s, k, value)
               : "must be IP addresses with blanks between, such as 192.0.2.25 2001:db8::25";
}

/* --- numbers */

/* A number with an optional unit: the letter's place in `units` picks its factor. */
static bool parse_scaled(const char *value, const char *units, const uint64_t *factors, uint64_t *to)
{
    struct span digits = span_of(value);
    uint64_t factor = 1, number;
    if (digits.n && !ascii_digit(digits.p[digits.n - 1])) {
        const char *unit = strchr(units, ascii_lower(digits.p[digits.n - 1]));
        if (!unit)
            return false;
        factor = factors[unit - units];
        digits.n--;
    }
    if (!span_u64(digits, INT64_MAX / factor, &number))
        return false;
    *to = number * factor;
    return true;
}

bool settings_parse_size(const char *value, uint64_t *to)
{
    static const uint64_t factors[] = { 1024, 1048576, 1073741824, UINT64_C(1099511627776) };
    return parse_scaled(value, "kmgt", factors, to);
}

bool settings_parse_seconds(const char *value, uint64_t *to)
{
    static const uint64_t factors[] = { 1, 60, 3600, 86400 };
    return parse_scaled(value, "smhd", factors, to);
}

static const char *set_size(struct settings *s, const struct setting_key *k, const char *value)
{
    return settings_parse_size(value, member(s, k)) ? NULL
                                                    : "must be a number of bytes, K, M, G or T, such as 50M";
}

static const char *set_some_size(struct settings *s, const struct setting_key *k, const char *value)
{
    const char *wrong = set_size(s, k, value);
    if (wrong || *(uint64_t *)member(s, k))
        return wrong;
    return "must be a size that something fits into, such as 50M; there is none for no limit";
}

static const char *set_seconds(struct settings *s, const struct setting_key *k, const char *value)
{
    return settings_parse_seconds(value, member(s, k)) ? NULL : "must be a time in s, m, h or d, such as 5m";
}

static const char *set_number(struct settings *s, const struct setting_key *k, const char *value)
{
    uint64_t *number = member(s, k);
    return span_u64(span_of(value), 1000000, number) && *number ? NULL : "must be a number from 1 to 1000000";
}

static const char *set_count(struct settings *s, const struct setting_key *k, const char *value)
{
    bool good = span_u64(span_of(value), UINT64_C(1000000000000), member(s, k));
    return good ? NULL : "must be a number; 0 is none";
}

static const char *set_port(struct settings *s, const struct setting_key *k, const char *value)
{
    uint64_t *number = member(s, k);
    return span_u64(span_of(value), 65535, number) && *number ? NULL : "must be a port from 1 to 65535";
}

static void print_number(const struct settings *s, const struct setting_key *k, struct bytes *out)
{
    bytes_printf(out, "%" PRIu64, *(const uint64_t *)member(s, k));
}

/* --- words */

static const char *set_yes_no(struct settings *s, const struct setting_key *k, const char *value)
{
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        return "must be yes or no";
    *(bool *)member(s, k) = value[0] == 'y';
    return NULL;
}

static void print_yes_no(const struct settings *s, const struct setting_key *k, struct bytes *out)
{
    bytes_add_str(out, *(const bool *)member(s, k) ? "yes" : "no");
}

/* What a value of a type from TYPE_SANDBOX on may be, in the order of its enum. */
static const struct {
    const char *list[6];
    const char *wrong;
} words[] = {
    { { "require", "try", "none" }, "must be require, try or none" },
    { { "off", "own", "mark", "refuse", "strict" }, "must be off, own, mark, refuse or strict" },
    { { "off", "mark", "refuse", "strict" }, "must be off, mark, refuse or strict" },
    { { "off", "mark", "refuse" }, "must be off, mark or refuse" },
    { { "off", "mark", "junk", "refuse" }, "must be off, mark, junk or refuse" },
};

static const char *set_word(struct settings *s, const struct setting_key *k, const char *value)
{
    const char *const *list = words[k->type - TYPE_SANDBOX].list;
    for (int i = 0; list[i]; i++)
        if (strcmp(value, list[i]) == 0) {
            *(int *)member(s, k) = i;
            return NULL;
        }
    return words[k->type - TYPE_SANDBOX].wrong;
}

static void print_word(const struct settings *s, const struct setting_key *k, struct bytes *out)
{
    bytes_add_str(out, words[k->type - TYPE_SANDBOX].list[*(const int *)member(s, k)]);
}

/* --- networks and zones */

bool settings_parse_network(struct span word, struct network *net)
{
    char text[INET6_ADDRSTRLEN];
    struct span address;
    uint64_t prefix;
    bool has_prefix = span_find(word, '/') < word.n;
    if (!span_cut(&word, '/', &address) || !span_copy(address, text, sizeof text))
        return false;
    struct in_addr v4;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        prefix = 32;
        if (has_prefix && !span_u64(word, 32, &prefix))
            return false;
        net->address = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
        memcpy(net->address.s6_addr + 12, &v4, 4);
        net->prefix = 96 + (unsigned)prefix;
        return true;
    }
    if (inet_pton(AF_INET6, text, &net->address) != 1)
        return false;
    prefix = 128;
    if (has_prefix && !span_u64(word, 128, &prefix))
        return false;
    net->prefix = (unsigned)prefix;
    return true;
}

static const char *set_networks(struct settings *s, const struct setting_key *k, const char *value)
{
    static const char wrong[] = "must be addresses with a prefix, such as 10.0.0.0/8 ::1";
    struct span rest = span_of(value), word;
    struct network list[NETWORKS_LIMIT];
    size_t count = 0;
    (void)k;
    while (span_cut(&rest, ' ', &word)) {
        word = span_trim(word);
        if (word.n == 0)
            continue;
        if (count == NETWORKS_LIMIT || !settings_parse_network(word, &list[count]))
            return wrong;
        count++;
    }
    struct network *copy = malloc((count + 1) * sizeof *copy);
    if (!copy)
        return no_memory;
    memcpy(copy, list, count * sizeof *copy);
    free(s->networks);
    s->networks = copy;
    s->network_count = count;
    return NULL;
}

static void print_networks(const struct settings *s, const struct setting_key *k, struct bytes *out)
{
    (void)k;
    char text[INET6_ADDRSTRLEN];
    for (size_t i = 0; i < s->network_count; i++) {
        const struct network *net = &s->networks[i];
        bool v4 = IN6_IS_ADDR_V4MAPPED(&net->address) && net->prefix >= 96;
        if (v4)
            inet_ntop(AF_INET, net->address.s6_addr + 12, text, sizeof text);
        else
            inet_ntop(AF_INET6, &net->address, text, sizeof text);
        bytes_printf(out, "%s%s/%u", i ? " " : "", text, v4 ? net->prefix - 96 : net->prefix);
    }
}

static void free_networks(struct settings *s, const struct setting_key *k)
{
    (void)k;
    free(s->networks);
}

static const char *set_zones(struct settings *s, const struct setting_key *k, const char *value)
{
    static const char wrong[] = "must be at most 8 zones, with a filter where not all answers count, such as "
                                "zen.example.org=127.0.0.2-11";
    return zones_parse(value, member(s, k)) ? NULL : wrong;
}

static void print_zones(const struct settings *s, const struct setting_key *k, struct bytes *out)
{
    bytes_add_str(out, ((const struct zones *)member(s, k))->text);
}

static void free_zones(struct settings *s, const struct setting_key *k)
{
    zones_free(member(s, k));
}

/* --- what other files read */

static const char *set_certificate(struct settings *s, const struct setting_key *k, const char *value)
{
    (void)k;
    return settings_add_certificate(s, span_of(value));
}

static const char *set_milter(struct settings *s, const struct setting_key *k, const char *value)
{
    (void)k;
    return settings_add_milter(s, span_of(value));
}

static const char *set_expiry(struct settings *s, const struct setting_key *k, const char *value)
{
    (void)k;
    return settings_add_expiry(s, span_of(value));
}

static const char *set_warnings(struct settings *s, const struct setting_key *k, const char *value)
{
    return settings_set_warnings(member(s, k), span_of(value));
}

static void print_warnings(const struct settings *s, const struct setting_key *k, struct bytes *out)
{
    settings_print_warnings(member(s, k), out);
}

static void free_certificates(struct settings *s, const struct setting_key *k)
{
    (void)k;
    settings_free_certificates(s);
}

static void free_milters(struct settings *s, const struct setting_key *k)
{
    (void)k;
    settings_free_milters(s);
}

static void free_expiries(struct settings *s, const struct setting_key *k)
{
    (void)k;
    settings_free_expiries(s);
}

/* --- types */

static const struct type {
    const char *(*set)(struct settings *s, const struct setting_key *k, const char *value);
    /* The value; NULL where it is printed by lines. */
    void (*print)(const struct settings *s, const struct setting_key *k, struct bytes *out);
    /* A line for each value there is; NULL where there is always one. */
    void (*print_lines)(const struct settings *s, const char *name, struct bytes *out);
    void (*free)(struct settings *s, const struct setting_key *k); /* NULL: nothing is to be freed */
} types[] = {
    [TYPE_STRING] = { set_string, print_string, NULL, free_string },
    [TYPE_NAME] = { set_name, print_string, NULL, free_string },
    [TYPE_PATH] = { set_path, print_string, NULL, free_string },
    [TYPE_FILE] = { set_file, print_string, NULL, free_string },
    [TYPE_SIZE] = { set_size, print_number, NULL, NULL },
    [TYPE_SOME_SIZE] = { set_some_size, print_number, NULL, NULL },
    [TYPE_SECONDS] = { set_seconds, print_number, NULL, NULL },
    [TYPE_NUMBER] = { set_number, print_number, NULL, NULL },
    [TYPE_COUNT] = { set_count, print_number, NULL, NULL },
    [TYPE_PORT] = { set_port, print_number, NULL, NULL },
    [TYPE_YESNO] = { set_yes_no, print_yes_no, NULL, NULL },
    [TYPE_NETWORKS] = { set_networks, print_networks, NULL, free_networks },
    [TYPE_CERTIFICATES] = { set_certificate, NULL, settings_print_certificates, free_certificates },
    [TYPE_MILTERS] = { set_milter, NULL, settings_print_milters, free_milters },
    [TYPE_EXPIRIES] = { set_expiry, NULL, settings_print_expiries, free_expiries },
    [TYPE_WARNINGS] = { set_warnings, print_warnings, NULL, NULL },
    [TYPE_ZONES] = { set_zones, print_zones, NULL, free_zones },
    [TYPE_DOMAINS] = { set_domains, print_string, NULL, free_string },
    [TYPE_ADDRESSES] = { set_addresses, print_string, NULL, free_string },
    [TYPE_SANDBOX] = { set_word, print_word, NULL, NULL },
    [TYPE_HELO] = { set_word, print_word, NULL, NULL },
    [TYPE_REVERSE] = { set_word, print_word, NULL, NULL },
    [TYPE_DOMAIN] = { set_word, print_word, NULL, NULL },
    [TYPE_DMARC] = { set_word, print_word, NULL, NULL },
};

const char *settings_set(struct settings *s, const struct setting_key *k, const char *value)
{
    return types[k->type].set(s, k, value);
}

void settings_print_key(const struct settings *s, const struct setting_key *k, struct bytes *out)
{
    const struct type *type = &types[k->type];
    size_t before = out->len;
    if (type->print_lines)
        type->print_lines(s, k->name, out);
    if (out->len > before)
        return;
    bytes_printf(out, "%s ", k->name);
    if (type->print)
        type->print(s, k, out);
    bytes_add_char(out, '\n');
}

void settings_free_key(struct settings *s, const struct setting_key *k)
{
    if (types[k->type].free)
        types[k->type].free(s, k);
}
