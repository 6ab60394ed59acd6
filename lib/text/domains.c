/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lines of the table `domains`; see domains.h.
 *
 * The value of a compiled entry is what stands behind the name in the text, in its shortest form: "",
 * "=TARGET", "relay", "relay all". So tables that were compiled when there were only domains of our own stay
 * good.
 */
#include "text/domains.h"

#include <string.h>

#define NAME_WRONG "is no domain name; one a line, such as example.org"
#define KIND_WRONG "can't stand behind a domain; what can: nothing, `= example.org`, `relay`, or `relay all`"

bool domain_name(struct span text, char to[ADDRESS_DOMAIN_LIMIT + 1])
{
    struct address a;
    struct bytes probe;
    bytes_init(&probe, ADDRESS_DOMAIN_LIMIT + 2);
    bytes_add_str(&probe, "x@");
    bool good = bytes_add_span(&probe, text) && address_parse(span_bytes(&probe), &a) == ADDRESS_OK &&
                address_domain(&a).n && address_domain(&a).p[0] != '[' &&
                span_copy(address_domain(&a), to, ADDRESS_DOMAIN_LIMIT + 1);
    bytes_free(&probe);
    return good;
}

static size_t word_end(struct span s)
{
    size_t n = 0;
    while (n < s.n && s.p[n] != ' ' && s.p[n] != '\t' && s.p[n] != '=')
        n++;
    return n;
}

/* What stands behind the name. */
static bool read_kind(struct span rest, struct domain_entry *e)
{
    e->target[0] = '\0';
    e->kind = DOMAIN_OURS;
    if (rest.n == 0)
        return true;
    e->kind = DOMAIN_ALIAS;
    if (rest.p[0] == '=')
        return domain_name(span_trim(span_from(rest, 1)), e->target);
    size_t n = word_end(rest);
    if (!span_ieq_str(span_head(rest, n), "relay"))
        return false;
    rest = span_trim(span_from(rest, n));
    e->kind = rest.n ? DOMAIN_RELAY_ALL : DOMAIN_RELAY;
    return rest.n == 0 || span_ieq_str(rest, "all");
}

const char *domain_entry_parse(struct span line, struct domain_entry *e)
{
    *e = (struct domain_entry){ .kind = DOMAIN_OURS };
    line = span_trim(line);
    size_t n = word_end(line);
    if (!domain_name(span_head(line, n), e->name))
        return NAME_WRONG;
    if (!read_kind(span_trim(span_from(line, n)), e))
        return KIND_WRONG;
    if (e->kind == DOMAIN_ALIAS && strcmp(e->name, e->target) == 0)
        return "can't be another name of itself";
    return NULL;
}

void domain_entry_value(const struct domain_entry *e, struct bytes *value)
{
    if (e->kind == DOMAIN_ALIAS)
        bytes_printf(value, "=%s", e->target);
    else
        bytes_add_str(value, e->kind == DOMAIN_RELAY       ? "relay"
                             : e->kind == DOMAIN_RELAY_ALL ? "relay all"
                                                           : "");
}

bool domain_entry_read(struct span name, struct span value, struct domain_entry *e)
{
    *e = (struct domain_entry){ .kind = DOMAIN_OURS };
    return span_copy(name, e->name, sizeof e->name) && read_kind(value, e);
}
