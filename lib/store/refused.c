/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading the table `refused` and looking things up in it; see refused.h. An address is looked for as it is,
 * then without its detail, then its domain, then each domain above with a dot in front: at most as many
 * look-ups as it has labels, and three. A client is looked for in each length of prefix that the table has.
 *
 * Almost every server has no such table: then a connection costs one stat more than it did.
 */
#include "store/refused.h"
#include "net/idna.h"
#include "store/tables.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LABELS_LIMIT 127
#define PREFIXES_LIMIT 1024 /* bytes of the list of prefix lengths: all of them */

struct refused {
    struct table *table;
};

/* --- lines */

static void add_lower(struct bytes *to, struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        bytes_add_char(to, ascii_lower(text.p[i]));
}

/* Its A-labels, in *ascii. */
static bool is_domain(struct span name, char ascii[ADDRESS_DOMAIN_LIMIT + 1])
{
    struct address a;
    char probe[ADDRESS_LIMIT + 4];
    int n = snprintf(probe, sizeof probe, "x@%.*s", SPAN_FMT(span_head(name, ADDRESS_LIMIT)));
    return name.n && name.n <= ADDRESS_DOMAIN_LIMIT && n > 0 && (size_t)n < sizeof probe &&
           address_parse(span_of(probe), &a) == ADDRESS_OK && idna_to_ascii(address_domain(&a), ascii);
}

static const char *read_address(struct span what, struct refused_entry *e)
{
    struct address a;
    char ascii[ADDRESS_DOMAIN_LIMIT + 1];
    if (span_eq_str(what, "<>"))
        return NULL; /* the key is the kind alone */
    if (span_find(what, '@') < what.n) {
        if (address_parse(what, &a) != ADDRESS_OK || address_is_null(&a) || !idna_address(&a))
            return "is no address; one looks like user@example.net";
        add_lower(&e->key, span_of(a.text));
        return NULL;
    }
    bool below = what.n && what.p[0] == '.';
    if (!is_domain(below ? span_from(what, 1) : what, ascii))
        return "is no address or domain; they look like user@example.net, example.net or .example.net";
    bytes_printf(&e->key, "%s%s", below ? "." : "", ascii);
    return NULL;
}

static void add_network(struct bytes *key, const struct in6_addr *address, unsigned prefix)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned left = prefix > 8 * i ? prefix - 8 * i : 0;
        unsigned mask = left >= 8 ? 0xff : 0xff00u >> left & 0xff;
        bytes_printf(key, "%02x", address->s6_addr[i] & mask);
    }
    bytes_printf(key, "/%u", prefix);
}

static const char *read_client(struct span what, struct refused_entry *e)
{
    struct network net;
    if (!settings_parse_network(what, &net))
        return "is no address or network; they look like 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32";
    e->is_client = true;
    e->prefix = net.prefix;
    add_network(&e->key, &net.address, net.prefix);
    return NULL;
}

static bool is_text(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < ' ' || text.p[i] == 127)
            return false;
    return text.n <= REFUSED_TEXT_LIMIT;
}

static struct span cut_word(struct span *rest)
{
    struct span word = tables_first_word(*rest);
    *rest = span_trim(span_from(*rest, word.n));
    return word;
}

const char *refused_read(struct span line, struct refused_entry *e)
{
    static const struct {
        const char *kind;
        const char *(*read)(struct span what, struct refused_entry *e);
    } kinds[] = { { "from", read_address }, { "to", read_address }, { "client", read_client } };
    *e = (struct refused_entry){ .is_client = false };
    bytes_init(&e->key, REFUSED_KEY_LIMIT);
    struct span rest = span_trim(line), kind = cut_word(&rest), what = cut_word(&rest);
    e->text = rest;
    if (!is_text(rest))
        return "has a text that is longer than 200 characters, or not plain ASCII";
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (span_ieq_str(kind, kinds[i].kind) && what.n) {
            bytes_printf(&e->key, "%s ", kinds[i].kind);
            return kinds[i].read(what, e);
        }
    return "must be `from`, `to` or `client`, and who that is";
}

void refused_entry_free(struct refused_entry *e)
{
    bytes_free(&e->key);
}

/* --- look-ups */

enum status refused_open(const struct settings *s, struct refused **r)
{
    char path[PATH_MAX];
    struct stat st;
    *r = NULL;
    if (!tables_path(s, TABLE_REFUSED, false, path, sizeof path))
        return ST_TEMP;
    if (stat(path, &st) != 0)
        return errno == ENOENT ? ST_NONE : ST_TEMP;
    struct refused *new = calloc(1, sizeof *new);
    if (!new || tables_open(s, TABLE_REFUSED, &new->table) != ST_OK) {
        free(new);
        return ST_TEMP;
    }
    *r = new;
    return ST_OK;
}

void refused_close(struct refused *r)
{
    if (r)
        table_close(r->table);
    free(r);
}

static enum status look(struct refused *r, const char *kind, struct span what, struct bytes *text)
{
    struct bytes key;
    bytes_init(&key, REFUSED_KEY_LIMIT);
    bytes_printf(&key, "%s ", kind);
    add_lower(&key, what);
    enum status st = key.failed ? ST_NONE : table_get(r->table, span_bytes(&key), text);
    bytes_free(&key);
    return st;
}

enum status refused_address(struct refused *r, const char *kind, const struct address *as_said,
                            const char *delimiters, struct bytes *text)
{
    struct address plain = *as_said, *a = &plain, base;
    char detail[ADDRESS_LOCAL_LIMIT + 1];
    idna_address(a); /* what has no A-labels is looked for as it is */
    struct span domain = address_domain(a);
    enum status st = look(r, kind, address_is_null(a) ? SPAN("") : span_of(a->text), text);
    if (st == ST_NONE && address_part(a, delimiters, &base, detail))
        st = look(r, kind, span_of(base.text), text);
    if (st != ST_NONE || domain.n == 0)
        return st;
    st = look(r, kind, domain, text);
    for (int i = 0; st == ST_NONE && i < LABELS_LIMIT; i++) {
        size_t dot = span_find(domain, '.');
        if (dot == domain.n)
            break;
        st = look(r, kind, span_from(domain, dot), text);
        domain = span_from(domain, dot + 1);
    }
    return st;
}

enum status refused_client(struct refused *r, const struct in6_addr *client, struct bytes *text)
{
    struct bytes prefixes, key;
    struct span rest, word;
    uint64_t prefix;
    bytes_init(&prefixes, PREFIXES_LIMIT);
    bytes_init(&key, REFUSED_KEY_LIMIT);
    enum status st = table_get(r->table, SPAN(REFUSED_PREFIXES), &prefixes);
    rest = span_bytes(&prefixes);
    bool any = st == ST_OK;
    st = any ? ST_NONE : st;
    while (any && st == ST_NONE && span_cut(&rest, ' ', &word)) {
        if (!span_u64(word, 128, &prefix))
            continue;
        bytes_clear(&key);
        bytes_add_str(&key, "client ");
        add_network(&key, client, (unsigned)prefix);
        st = table_get(r->table, span_bytes(&key), text);
    }
    bytes_free(&key);
    bytes_free(&prefixes);
    return st;
}
