/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where the tables lie, and opening them; see tables.h. Compiling is tables_compile.c.
 *
 * Whether the text has changed is looked at for each opening, so it costs one stat where nothing did: only if
 * time or size differ from those that the table was compiled from is the text read, and only a different
 * digest counts.
 */
#include "store/tables.h"
#include "base/files.h"
#include "base/log.h"
#include "net/idna.h"
#include "text/domains.h"
#include "text/unicode.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *const words[TABLES] = { "domains", "accounts", "aliases", "secrets", "relay-recipients",
                                           "refused", "routes",   "bcc",     "masters" };

const char *tables_word(enum table_name name)
{
    return words[name];
}

bool tables_path(const struct settings *s, enum table_name name, bool compiled, char *to, size_t size)
{
    int n = snprintf(to, size, "%s/%s%s", s->directory, words[name], compiled ? ".gdbm" : "");
    return n > 0 && (size_t)n < size;
}

enum status tables_fresh(const struct settings *s, enum table_name name, const struct table *table)
{
    char path[PATH_MAX];
    struct stat now;
    const struct table_source *was = table_source(table);
    if (!tables_path(s, name, false, path, sizeof path))
        return ST_TEMP;
    if (stat(path, &now) != 0)
        return errno == ENOENT ? (was->size == 0 ? ST_OK : ST_NONE) : ST_TEMP;
    if ((uint64_t)now.st_size != was->size)
        return ST_NONE;
    if ((int64_t)now.st_mtim.tv_sec * 1000000000 + now.st_mtim.tv_nsec == was->mtime_ns)
        return ST_OK;
    struct bytes text;
    bytes_init(&text, TABLE_TEXT_LIMIT);
    enum status st = file_read(AT_FDCWD, path, &text) == ST_OK ? ST_OK : ST_TEMP;
    if (st == ST_OK && table_digest(span_bytes(&text)) != was->digest)
        st = ST_NONE;
    bytes_wipe(&text);
    return st;
}

enum status tables_open(const struct settings *s, enum table_name name, struct table **table)
{
    char path[PATH_MAX];
    *table = NULL;
    if (!tables_path(s, name, true, path, sizeof path))
        return ST_TEMP;
    enum status st = table_open(path, table);
    if (st != ST_OK) {
        log_event(LOG_ERR, "table-unusable", "file", path, "reason",
                  errno == EBADMSG ? "it is damaged" : strerror(errno), "do", "run postern tables", NULL);
        return ST_TEMP;
    }
    if (tables_fresh(s, name, *table) == ST_NONE)
        log_event(LOG_WARNING, "table-outdated", "file", path, "reason", "its text was changed since", "do",
                  "run postern tables", NULL);
    return ST_OK;
}

bool tables_current(const struct settings *s, enum table_name name, const struct table *table)
{
    char path[PATH_MAX];
    return tables_path(s, name, true, path, sizeof path) && table_is_at(table, path) &&
           tables_fresh(s, name, table) == ST_OK;
}

struct span tables_first_word(struct span line)
{
    size_t n = span_find(line, ' '), tab = span_find(line, '\t');
    return span_head(line, n < tab ? n : tab);
}

bool tables_master(struct span name, char to[TABLE_MASTER_LIMIT + 1])
{
    if (name.n == 0 || !span_copy(name, to, TABLE_MASTER_LIMIT + 1))
        return false;
    for (char *p = to; *p; p++) {
        if (!ascii_alpha(*p) && !ascii_digit(*p) && !strchr("._-@", *p))
            return false;
        *p = ascii_lower(*p);
    }
    return true;
}

bool tables_secret(enum table_name name)
{
    return name == TABLE_SECRETS || name == TABLE_MASTERS;
}

bool tables_domain(struct span text, char to[ADDRESS_DOMAIN_LIMIT + 1])
{
    char name[ADDRESS_DOMAIN_LIMIT + 1];
    return domain_name(text, name) && idna_to_ascii(span_of(name), to);
}

const char *tables_domain_entry(struct span line, struct domain_entry *e)
{
    struct domain_entry parsed;
    const char *why = domain_entry_parse(line, &parsed);
    *e = parsed;
    if (why)
        return why;
    if (!idna_to_ascii(span_of(parsed.name), e->name) || !idna_to_ascii(span_of(parsed.target), e->target))
        return "is no internationalised domain name (IDNA2008)";
    return strcmp(e->name, e->target) == 0 ? "can't be another name of itself" : NULL;
}

void tables_first_domain(struct span text, struct bytes *domain)
{
    struct span line;
    struct domain_entry e;
    while (span_cut(&text, '\n', &line)) {
        line = span_trim(line);
        if (line.n && line.p[0] != '#' && !tables_domain_entry(line, &e) && e.kind == DOMAIN_OURS) {
            bytes_add_str(domain, e.name);
            return;
        }
    }
}

/* A local part with more than ASCII, folded. */
static bool fold_local(struct address *a)
{
    struct bytes folded;
    struct address to;
    bytes_init(&folded, ADDRESS_LIMIT);
    bool good = unicode_fold_nfc(address_local(a), &folded) && bytes_add_char(&folded, '@') &&
                bytes_add_span(&folded, address_domain(a)) &&
                address_parse(span_bytes(&folded), &to) == ADDRESS_OK;
    if (good)
        *a = to;
    bytes_free(&folded);
    return good;
}

bool tables_address(struct span text, struct span first_domain, struct address *a)
{
    char with_domain[ADDRESS_LIMIT + 4];
    text = span_trim(text);
    if (text.n == 0 || text.n > ADDRESS_LIMIT)
        return false;
    if (span_find(text, '@') == text.n) {
        int n =
            snprintf(with_domain, sizeof with_domain, "%.*s@%.*s", SPAN_FMT(text), SPAN_FMT(first_domain));
        if (n < 0 || (size_t)n >= sizeof with_domain)
            return false;
        text = span_of(with_domain);
    }
    if (address_parse(text, a) != ADDRESS_OK || address_is_null(a) || address_domain(a).n == 0)
        return false;
    if (!address_is_ascii(a))
        return idna_address(a) && fold_local(a);
    for (char *p = a->text; *p; p++)
        *p = ascii_lower(*p);
    return true;
}
