/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The setting `milter ADDRESS [timeout=TIME] [down=accept|defer|refuse] [for=in|submission|all]`, of which
 * there may be several: filters are asked in the order of their lines; see settings.h. Addresses are those of
 * Postfix, unix:PATH and inet:HOST:PORT, an IPv6 address in brackets.
 */
#include "base/settings_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT 30

static const char wrong_address[] =
    "must begin with a filter's address, such as unix:/run/rspamd/milter.sock or "
    "inet:127.0.0.1:11332";
static const char wrong_option[] =
    "takes timeout=30s, down=accept, defer or refuse, and for=in, submission or all";

static const char *const down_words[] = { "defer", "accept", "refuse" };
static const char *const use_words[] = { "", "in", "submission", "all" };

static void free_milter(struct milter_setting *m)
{
    free(m->address);
    free(m->path);
    free(m->host);
    free(m->port);
}

void settings_free_milters(struct settings *s)
{
    for (size_t i = 0; i < s->milter_count; i++)
        free_milter(&s->milters[i]);
    free(s->milters);
    s->milters = NULL;
    s->milter_count = 0;
}

/* "HOST:PORT" or "[V6]:PORT". */
static bool set_inet(struct milter_setting *m, struct span text)
{
    size_t colon = text.n;
    uint64_t port;
    while (colon && text.p[colon - 1] != ':')
        colon--;
    if (!colon || !span_u64(span_from(text, colon), 65535, &port) || !port)
        return false;
    struct span host = span_head(text, colon - 1);
    bool bracketed = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    struct network net;
    if (bracketed)
        host = span_head(span_from(host, 1), host.n - 2);
    m->host = span_dup(host);
    m->port = span_dup(span_from(text, colon));
    if (!m->host || !m->port || !host.n)
        return false;
    bool address = span_find(host, '/') == host.n && settings_parse_network(host, &net);
    return bracketed ? address && span_find(host, ':') < host.n
                     : settings_is_host_name(m->host) && span_find(host, ':') == host.n;
}

static bool set_address(const struct settings *s, struct milter_setting *m, struct span text)
{
    if (span_starts(text, "unix:") && text.n > 5) {
        m->path = settings_path(s, span_from(text, 5));
        return m->path && asprintf(&m->address, "unix:%s", m->path) > 0;
    }
    m->address = span_dup(text);
    return m->address && span_starts(text, "inet:") && set_inet(m, span_from(text, 5));
}

/* The place of a word in a list, -1 if it isn't there. */
static int find_word(struct span word, const char *const *list, int count)
{
    for (int i = 0; i < count; i++)
        if (list[i][0] && span_eq_str(word, list[i]))
            return i;
    return -1;
}

static bool set_option(struct milter_setting *m, struct span word)
{
    struct span name;
    char value[32];
    int at;
    span_cut(&word, '=', &name);
    if (span_eq_str(name, "timeout"))
        return span_copy(word, value, sizeof value) && settings_parse_seconds(value, &m->timeout) &&
               m->timeout && m->timeout <= 3600;
    if (span_eq_str(name, "down")) {
        at = find_word(word, down_words, 3);
        m->down = (enum milter_down)at;
        return at >= 0;
    }
    at = span_eq_str(name, "for") ? find_word(word, use_words, 4) : -1;
    m->uses = (unsigned)at;
    return at >= 0;
}

/* Its place: that of the one with the same address, or a new one. NULL: there are too many, or no memory. */
static struct milter_setting *find_place(struct settings *s, const char *address)
{
    for (size_t i = 0; i < s->milter_count; i++)
        if (strcmp(s->milters[i].address, address) == 0) {
            free_milter(&s->milters[i]);
            return &s->milters[i];
        }
    if (!s->milters)
        s->milters = calloc(SETTINGS_MILTERS, sizeof *s->milters);
    return s->milters && s->milter_count < SETTINGS_MILTERS ? &s->milters[s->milter_count++] : NULL;
}

const char *settings_add_milter(struct settings *s, struct span value)
{
    struct span address = settings_next_word(&value), word;
    struct milter_setting m = { .timeout = TIMEOUT, .uses = MILTER_FOR_ALL };
    const char *wrong = NULL;
    if (!address.n) {
        settings_free_milters(s);
        return NULL;
    }
    if (!set_address(s, &m, address))
        wrong = wrong_address;
    while (!wrong && (word = settings_next_word(&value)).n)
        wrong = set_option(&m, word) ? NULL : wrong_option;
    struct milter_setting *place = wrong ? NULL : find_place(s, m.address);
    if (!place) {
        free_milter(&m);
        return wrong ? wrong : "is one too many";
    }
    *place = m;
    return NULL;
}

void settings_print_milters(const struct settings *s, const char *key, struct bytes *out)
{
    for (size_t i = 0; i < s->milter_count; i++) {
        const struct milter_setting *m = &s->milters[i];
        bytes_printf(out, "%s %s timeout=%llu down=%s for=%s\n", key, m->address,
                     (unsigned long long)m->timeout, down_words[m->down], use_words[m->uses]);
    }
}
