/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of settings and its reader and printer; see settings.h. To add a key:
 * a member in struct settings, a row below, a paragraph in postern.conf.5.
 */
#include "base/settings_private.h"
#include "base/files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SETTINGS_FILE_LIMIT 65536
#define NETWORKS_LIMIT 256

enum type {
    TYPE_STRING,
    TYPE_NAME,
    TYPE_PATH,
    TYPE_FILE,
    TYPE_SIZE,
    TYPE_SECONDS,
    TYPE_NUMBER,
    TYPE_COUNT,
    TYPE_PORT,
    TYPE_YESNO,
    TYPE_NETWORKS,
    TYPE_CERTIFICATES,
    TYPE_MILTERS,
    TYPE_EXPIRIES,
    TYPE_WARNINGS,
    TYPE_ZONES,
    TYPE_DOMAINS,
    TYPE_ADDRESSES,
    /* words: */ TYPE_SANDBOX,
    TYPE_HELO,
    TYPE_REVERSE,
    TYPE_DOMAIN,
    TYPE_DMARC
};

struct key {
    const char *name;
    enum type type;
    size_t offset;
    const char *standard; /* the default, as it would be written */
};

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

#define AT(member) offsetof(struct settings, member)

static const struct key keys[] = {
    { "hostname", TYPE_NAME, AT(hostname), "" },
    { "addresses", TYPE_ADDRESSES, AT(addresses), "" },
    { "mail", TYPE_PATH, AT(mail), "/var/mail/postern/%d/%u" },
    { "spool", TYPE_PATH, AT(spool), "/var/spool/postern" },
    { "tls-certificate", TYPE_PATH, AT(tls_certificate), "cert.pem" },
    { "tls-key", TYPE_PATH, AT(tls_key), "key.pem" },
    { "certificate", TYPE_CERTIFICATES, AT(certificates), "" },
    { "networks", TYPE_NETWORKS, AT(networks), "" },
    { "message-size", TYPE_SIZE, AT(message_size), "50M" },
    { "recipients", TYPE_NUMBER, AT(recipients), "1000" },
    { "quota-storage", TYPE_SIZE, AT(quota_storage), "0" },
    { "quota-messages", TYPE_COUNT, AT(quota_messages), "0" },
    { "quota-warning", TYPE_WARNINGS, AT(quota_warnings), "80 95" },
    { "expire", TYPE_EXPIRIES, AT(expiries), "" },
    { "recipient-delimiter", TYPE_STRING, AT(recipient_delimiter), "+" },
    { "alias-directories", TYPE_STRING, AT(alias_directories), "" },
    { "srs", TYPE_YESNO, AT(srs), "yes" },
    { "pipe-socket", TYPE_PATH, AT(pipe_socket), "/run/postern/pipe" },
    { "pipe-timeout", TYPE_SECONDS, AT(pipe_timeout), "15m" },
    { "learn-spam", TYPE_STRING, AT(learn_spam), "" },
    { "learn-ham", TYPE_STRING, AT(learn_ham), "" },
    { "resolver", TYPE_STRING, AT(resolver), "" },
    { "smtp-port", TYPE_PORT, AT(smtp_port), "25" },
    { "https-port", TYPE_PORT, AT(https_port), "443" },
    { "ca-file", TYPE_FILE, AT(ca_file), "" },
    { "trust-anchor", TYPE_FILE, AT(trust_anchor), "" },
    { "dnssec-exempt", TYPE_STRING, AT(dnssec_exempt), "" },
    { "idle-exit", TYPE_SECONDS, AT(idle_exit), "60s" },
    { "timeout", TYPE_SECONDS, AT(timeout), "5m" },
    { "connections", TYPE_NUMBER, AT(connections), "500" },
    { "connections-per-source", TYPE_NUMBER, AT(connections_per_source), "50" },
    { "connection-rate", TYPE_COUNT, AT(connection_rate), "0" },
    { "login-failures", TYPE_COUNT, AT(login_failures), "20" },
    { "messages-per-source", TYPE_COUNT, AT(messages_per_source), "0" },
    { "messages-per-account", TYPE_COUNT, AT(messages_per_account), "1000" },
    { "greylist", TYPE_SECONDS, AT(greylist), "0" },
    { "dns-block", TYPE_ZONES, AT(dns_block), "" },
    { "dns-allow", TYPE_ZONES, AT(dns_allow), "" },
    { "domain-block", TYPE_ZONES, AT(domain_block), "" },
    { "helo-check", TYPE_HELO, AT(helo_check), "own" },
    { "reverse-dns", TYPE_REVERSE, AT(reverse_dns), "off" },
    { "sender-domain", TYPE_DOMAIN, AT(sender_domain), "off" },
    { "dmarc", TYPE_DMARC, AT(dmarc), "junk" },
    { "spf", TYPE_DOMAIN, AT(spf), "mark" },
    { "arc-trust", TYPE_DOMAINS, AT(arc_trust), "" },
    { "dns-defer", TYPE_SECONDS, AT(dns_defer), "1h" },
    { "milter", TYPE_MILTERS, AT(milters), "" },
    { "retry-first", TYPE_SECONDS, AT(retry_first), "1m" },
    { "retry-max", TYPE_SECONDS, AT(retry_max), "4h" },
    { "queue-lifetime", TYPE_SECONDS, AT(queue_lifetime), "5d" },
    { "delay-notice", TYPE_SECONDS, AT(delay_notice), "4h" },
    { "bounce-size", TYPE_SIZE, AT(bounce_size), "50K" },
    { "destinations", TYPE_NUMBER, AT(destinations), "20" },
    { "destination-connections", TYPE_NUMBER, AT(destination_connections), "10" },
    { "destination-rate", TYPE_COUNT, AT(destination_rate), "0" },
    { "plaintext-login", TYPE_YESNO, AT(plaintext_login), "no" },
    { "scram", TYPE_YESNO, AT(scram), "yes" },
    { "sandbox", TYPE_SANDBOX, AT(sandbox), "require" },
};
#define KEYS (sizeof keys / sizeof keys[0])

static void *member(const struct settings *s, const struct key *k)
{
    return (char *)(uintptr_t)s + k->offset;
}

static bool set_string(struct settings *s, const struct key *k, const char *value)
{
    char **to = member(s, k);
    char *copy = strdup(value);
    if (!copy)
        return false;
    free(*to);
    *to = copy;
    return true;
}

char *settings_path(const struct settings *s, struct span value)
{
    char *path = NULL;
    if (span_starts(value, "/"))
        return span_dup(value);
    return asprintf(&path, "%s/%.*s", s->directory, SPAN_FMT(value)) < 0 ? NULL : path;
}

static bool set_path(struct settings *s, const struct key *k, const char *value)
{
    char *path = settings_path(s, span_of(value));
    bool ok = path && set_string(s, k, path);
    free(path);
    return ok;
}

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

static bool parse_networks(struct settings *s, const char *value)
{
    struct span rest = span_of(value), word;
    struct network list[NETWORKS_LIMIT];
    size_t count = 0;
    while (span_cut(&rest, ' ', &word)) {
        word = span_trim(word);
        if (word.n == 0)
            continue;
        if (count == NETWORKS_LIMIT || !settings_parse_network(word, &list[count]))
            return false;
        count++;
    }
    struct network *copy = malloc((count + 1) * sizeof *copy);
    if (!copy)
        return false;
    memcpy(copy, list, count * sizeof *copy);
    free(s->networks);
    s->networks = copy;
    s->network_count = count;
    return true;
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

static const char *set_word(struct settings *s, const struct key *k, const char *value)
{
    const char *const *list = words[k->type - TYPE_SANDBOX].list;
    for (int i = 0; list[i]; i++)
        if (strcmp(value, list[i]) == 0) {
            *(int *)member(s, k) = i;
            return NULL;
        }
    return words[k->type - TYPE_SANDBOX].wrong;
}

/* NULL, or what the value should have been. */
static const char *set(struct settings *s, const struct key *k, const char *value)
{
    uint64_t *number = member(s, k);
    switch (k->type) {
    case TYPE_STRING:
        return set_string(s, k, value) ? NULL : "out of memory";
    case TYPE_NAME:
        if (!settings_is_host_name(value))
            return "must be a host name, such as mail.example.org";
        return set_string(s, k, value) ? NULL : "out of memory";
    case TYPE_DOMAINS:
        if (!is_domain_list(value))
            return "must be domains with blanks between, such as lists.example.org example.net";
        return set_string(s, k, value) ? NULL : "out of memory";
    case TYPE_ADDRESSES:
        if (!is_address_list(value))
            return "must be IP addresses with blanks between, such as 192.0.2.25 2001:db8::25";
        return set_string(s, k, value) ? NULL : "out of memory";
    case TYPE_PATH:
        if (!value[0])
            return "needs a path";
        return set_path(s, k, value) ? NULL : "out of memory";
    case TYPE_FILE: /* a path, or nothing */
        return (value[0] ? set_path(s, k, value) : set_string(s, k, value)) ? NULL : "out of memory";
    case TYPE_SIZE:
        return settings_parse_size(value, number) ? NULL
                                                  : "must be a number of bytes, K, M, G or T, such as 50M";
    case TYPE_SECONDS:
        return settings_parse_seconds(value, number) ? NULL : "must be a time in s, m, h or d, such as 5m";
    case TYPE_NUMBER:
        return span_u64(span_of(value), 1000000, number) && *number ? NULL
                                                                    : "must be a number from 1 to 1000000";
    case TYPE_COUNT:
        return span_u64(span_of(value), UINT64_C(1000000000000), number) ? NULL
                                                                         : "must be a number; 0 is none";
    case TYPE_PORT:
        return span_u64(span_of(value), 65535, number) && *number ? NULL : "must be a port from 1 to 65535";
    case TYPE_NETWORKS:
        return parse_networks(s, value) ? NULL : "must be addresses with a prefix, such as 10.0.0.0/8 ::1";
    case TYPE_CERTIFICATES:
        return settings_add_certificate(s, span_of(value));
    case TYPE_MILTERS:
        return settings_add_milter(s, span_of(value));
    case TYPE_EXPIRIES:
        return settings_add_expiry(s, span_of(value));
    case TYPE_WARNINGS:
        return settings_set_warnings(member(s, k), span_of(value));
    case TYPE_YESNO:
        if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
            return "must be yes or no";
        *(bool *)member(s, k) = value[0] == 'y';
        return NULL;
    case TYPE_ZONES:
        return zones_parse(value, member(s, k))
                   ? NULL
                   : "must be at most 8 zones, with a filter where not all answers count, such as "
                     "zen.example.org=127.0.0.2-11";
    case TYPE_SANDBOX:
    case TYPE_HELO:
    case TYPE_REVERSE:
    case TYPE_DOMAIN:
    case TYPE_DMARC:
        return set_word(s, k, value);
    }
    return "has no such type";
}

static const struct key *find_key(struct span name)
{
    for (size_t i = 0; i < KEYS; i++)
        if (span_eq_str(name, keys[i].name))
            return &keys[i];
    return NULL;
}

static bool set_line(struct settings *s, unsigned number, struct span line, struct bytes *error)
{
    line = span_trim(line);
    if (line.n == 0 || line.p[0] == '#')
        return true;
    size_t end = 0;
    while (end < line.n && line.p[end] != ' ' && line.p[end] != '\t')
        end++;
    struct span name = span_head(line, end);
    const struct key *k = find_key(name);
    if (!k) {
        bytes_printf(error, "%s:%u: %.*s: no such setting; `postern config` lists them", s->file, number,
                     SPAN_FMT(span_head(name, 64)));
        return false;
    }
    char *value = span_dup(span_trim(span_from(line, end)));
    const char *wrong = value ? set(s, k, value) : "holds a NUL";
    if (wrong)
        bytes_printf(error, "%s:%u: %s: %s", s->file, number, k->name, wrong);
    free(value);
    return !wrong;
}

static bool set_defaults(struct settings *s)
{
    for (size_t i = 0; i < KEYS; i++)
        if (set(s, &keys[i], keys[i].standard))
            return false;
    char name[256] = "localhost";
    gethostname(name, sizeof name - 1);
    return set_string(s, find_key(SPAN("hostname")), name);
}

/* Fills s->file and s->directory with absolute paths. */
static bool set_place(struct settings *s, const char *file)
{
    char *here = file[0] == '/' ? strdup("") : getcwd(NULL, 0);
    if (!here || asprintf(&s->file, "%s%s%s", here, here[0] ? "/" : "", file) < 0) {
        s->file = NULL;
        free(here);
        return false;
    }
    free(here);
    const char *slash = strrchr(s->file, '/');
    s->directory = strndup(s->file, slash == s->file ? 1 : (size_t)(slash - s->file));
    return s->directory != NULL;
}

enum status settings_load(const char *file, struct settings *s, struct bytes *error)
{
    struct bytes text;
    bytes_init(&text, SETTINGS_FILE_LIMIT);
    *s = (struct settings){ 0 };
    enum status st = ST_TEMP;
    if (!set_place(s, file ? file : SETTINGS_DEFAULT_FILE) || !set_defaults(s)) {
        bytes_add_str(error, "out of memory");
        goto failed;
    }
    st = file_read(AT_FDCWD, s->file, &text);
    if (st != ST_OK) {
        bytes_printf(error, "%s: %s%s", s->file, st == ST_PERM ? "larger than 64 KiB" : strerror(errno),
                     st == ST_NONE ? "; `postern setup` writes it" : "");
        goto failed;
    }
    struct span rest = span_bytes(&text), line;
    for (unsigned number = 1; span_cut(&rest, '\n', &line); number++)
        if (!set_line(s, number, line, error)) {
            st = ST_PERM;
            goto failed;
        }
    bytes_free(&text);
    return ST_OK;
failed:
    bytes_free(&text);
    settings_free(s);
    return st;
}

void settings_free(struct settings *s)
{
    for (size_t i = 0; i < KEYS; i++)
        if (keys[i].type == TYPE_STRING || keys[i].type == TYPE_NAME || keys[i].type == TYPE_PATH ||
            keys[i].type == TYPE_FILE || keys[i].type == TYPE_DOMAINS || keys[i].type == TYPE_ADDRESSES)
            free(*(char **)member(s, &keys[i]));
    settings_free_certificates(s);
    settings_free_milters(s);
    settings_free_expiries(s);
    for (size_t i = 0; i < KEYS; i++)
        if (keys[i].type == TYPE_ZONES)
            zones_free(member(s, &keys[i]));
    free(s->networks);
    free(s->file);
    free(s->directory);
    *s = (struct settings){ 0 };
}

static void print_networks(const struct settings *s, struct bytes *out)
{
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

void settings_print(const struct settings *s, struct bytes *out)
{
    for (size_t i = 0; i < KEYS; i++) {
        const void *at = member(s, &keys[i]);
        if (keys[i].type == TYPE_CERTIFICATES && s->certificate_count) {
            settings_print_certificates(s, keys[i].name, out);
            continue;
        }
        if (keys[i].type == TYPE_MILTERS && s->milter_count) {
            settings_print_milters(s, keys[i].name, out);
            continue;
        }
        if (keys[i].type == TYPE_EXPIRIES && s->expiry_count) {
            settings_print_expiries(s, keys[i].name, out);
            continue;
        }
        bytes_printf(out, "%s ", keys[i].name);
        switch (keys[i].type) {
        case TYPE_STRING:
        case TYPE_NAME:
        case TYPE_PATH:
        case TYPE_FILE:
        case TYPE_DOMAINS:
        case TYPE_ADDRESSES:
            bytes_add_str(out, *(char *const *)at);
            break;
        case TYPE_SIZE:
        case TYPE_SECONDS:
        case TYPE_NUMBER:
        case TYPE_COUNT:
        case TYPE_PORT:
            bytes_printf(out, "%" PRIu64, *(const uint64_t *)at);
            break;
        case TYPE_YESNO:
            bytes_add_str(out, *(const bool *)at ? "yes" : "no");
            break;
        case TYPE_NETWORKS:
            print_networks(s, out);
            break;
        case TYPE_CERTIFICATES:
        case TYPE_MILTERS:
        case TYPE_EXPIRIES:
            break;
        case TYPE_WARNINGS:
            settings_print_warnings(at, out);
            break;
        case TYPE_ZONES:
            bytes_add_str(out, ((const struct zones *)at)->text);
            break;
        case TYPE_SANDBOX:
        case TYPE_HELO:
        case TYPE_REVERSE:
        case TYPE_DOMAIN:
        case TYPE_DMARC:
            bytes_add_str(out, words[keys[i].type - TYPE_SANDBOX].list[*(const int *)at]);
            break;
        }
        bytes_add_char(out, '\n');
    }
}
