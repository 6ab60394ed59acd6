/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The setting `certificate DOMAIN CERTIFICATE KEY`, of which there may be many; see settings.h. For a domain
 * the last line wins.
 */
#include "base/settings_private.h"

#include <stdlib.h>
#include <string.h>

static const char wrong[] = "must be a host name and the files of its certificate and key, such as "
                            "mail.example.org mail.example.org.pem mail.example.org.key";

static void free_certificate(struct named_certificate *c)
{
    free(c->domain);
    free(c->certificate);
    free(c->key);
}

static void free_key_files(struct settings *s)
{
    for (size_t i = 0; s->key_files && i <= s->certificate_count; i++)
        free(s->key_files[i]);
    free(s->key_files);
    s->key_files = NULL;
}

void settings_free_certificates(struct settings *s)
{
    for (size_t i = 0; i < s->certificate_count; i++)
        free_certificate(&s->certificates[i]);
    free(s->certificates);
    s->certificates = NULL;
    free_key_files(s);
    s->certificate_count = 0;
}

struct span settings_next_word(struct span *rest)
{
    struct span word;
    *rest = span_trim(*rest);
    size_t n = 0;
    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
        n++;
    word = span_head(*rest, n);
    *rest = span_from(*rest, n);
    return word;
}

static char *lower(struct span text)
{
    char *copy = span_dup(text);
    for (char *p = copy; p && *p; p++)
        *p = ascii_lower(*p);
    return copy;
}

/* Its place: that of the one it replaces, or a new one. NULL: there are too many, or no memory. */
static struct named_certificate *find_place(struct settings *s, const char *domain)
{
    for (size_t i = 0; i < s->certificate_count; i++)
        if (strcmp(s->certificates[i].domain, domain) == 0) {
            free_certificate(&s->certificates[i]);
            return &s->certificates[i];
        }
    if (!s->certificates)
        s->certificates = calloc(SETTINGS_CERTIFICATES, sizeof *s->certificates);
    return s->certificates && s->certificate_count < SETTINGS_CERTIFICATES
               ? &s->certificates[s->certificate_count++]
               : NULL;
}

const char *settings_add_certificate(struct settings *s, struct span value)
{
    struct span domain = settings_next_word(&value), certificate = settings_next_word(&value),
                key = settings_next_word(&value);
    if (!domain.n) {
        settings_free_certificates(s);
        return NULL;
    }
    struct named_certificate c = { .domain = lower(domain) };
    const char *name = !c.domain ? "" : span_starts(domain, "*.") ? c.domain + 2 : c.domain;
    if (!*name || !settings_is_host_name(name) || !certificate.n || !key.n || span_trim(value).n) {
        free(c.domain);
        return wrong;
    }
    c.certificate = settings_path(s, certificate);
    c.key = settings_path(s, key);
    struct named_certificate *place = c.certificate && c.key ? find_place(s, c.domain) : NULL;
    if (!place) {
        free_certificate(&c);
        return "is one too many";
    }
    *place = c;
    return NULL;
}

void settings_print_certificates(const struct settings *s, const char *key, struct bytes *out)
{
    for (size_t i = 0; i < s->certificate_count; i++) {
        const struct named_certificate *c = &s->certificates[i];
        bytes_printf(out, "%s %s %s %s\n", key, c->domain, c->certificate, c->key);
    }
}

size_t settings_certificate_of(const struct settings *s, struct span name)
{
    struct span below = span_from(name, span_find(name, '.'));
    size_t wild = s->certificate_count;
    for (size_t i = 0; i < s->certificate_count; i++) {
        const char *domain = s->certificates[i].domain;
        if (span_ieq_str(name, domain))
            return i;
        if (domain[0] == '*' && below.n && below.n < name.n && span_ieq_str(below, domain + 1))
            wild = i;
    }
    return wild;
}

static const char *key_path(const struct settings *s, size_t which)
{
    return which ? s->certificates[which - 1].key : s->tls_key;
}

bool settings_resolve_keys(struct settings *s)
{
    bool changed = false;
    if (!s->key_files)
        s->key_files = calloc(s->certificate_count + 1, sizeof *s->key_files);
    for (size_t i = 0; s->key_files && i <= s->certificate_count; i++) {
        char *file = realpath(key_path(s, i), NULL), *before = s->key_files[i];
        changed = changed || !file != !before || (file && strcmp(file, before) != 0);
        free(before);
        s->key_files[i] = file;
    }
    return changed;
}

const char *settings_key_file(const struct settings *s, size_t which)
{
    return s->key_files && s->key_files[which] ? s->key_files[which] : key_path(s, which);
}
