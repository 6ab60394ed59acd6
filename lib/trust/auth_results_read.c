/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads Authentication-Results (RFC 8601 2.2), and tells those that claim to be ours; see auth_results.h.
 *
 * What servers in use write is read too: values with '/' and '=' in them though they aren't quoted, words
 * with a value that aren't properties ("action=none"; passed over), an empty result at the end. Where a field
 * goes against the grammar otherwise, reading ends there.
 */
#include "net/idna.h"
#include "text/lexical.h"
#include "trust/auth_results.h"

#define INSTANCE_LIMIT 999
#define VERSION_LIMIT 999999

static bool at(const struct auth_results_reader *r, char c)
{
    return r->rest.n && r->rest.p[0] == c;
}

/* Takes c, and blanks and comments around it. */
static bool take(struct auth_results_reader *r, char c)
{
    r->rest = lexical_skip(r->rest);
    if (!at(r, c))
        return false;
    r->rest = lexical_skip(span_from(r->rest, 1));
    return true;
}

static bool is_keyword_char(char c)
{
    return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_';
}

/* In lower case. */
static bool take_keyword(struct auth_results_reader *r, char word[AUTH_RESULTS_WORD_LIMIT])
{
    size_t n = 0;
    while (n < r->rest.n && is_keyword_char(r->rest.p[n]))
        n++;
    if (n == 0 || !span_copy(span_head(r->rest, n), word, AUTH_RESULTS_WORD_LIMIT))
        return false;
    for (size_t i = 0; i < n; i++)
        word[i] = ascii_lower(word[i]);
    r->rest = lexical_skip(span_from(r->rest, n));
    return true;
}

static bool take_number(struct auth_results_reader *r, unsigned limit, unsigned *number)
{
    uint64_t value;
    size_t n = 0;
    while (n < r->rest.n && ascii_digit(r->rest.p[n]))
        n++;
    if (!span_u64(span_head(r->rest, n), limit, &value))
        return false;
    *number = (unsigned)value;
    r->rest = lexical_skip(span_from(r->rest, n));
    return true;
}

/* A value up to a blank, a comment or a ';' outside of quotes, cut to its room. False if there is none, or a
 * quote without end. */
static bool take_value(struct auth_results_reader *r, char value[AUTH_RESULTS_VALUE_LIMIT + 1])
{
    struct bytes text;
    bytes_init(&text, AUTH_RESULTS_VALUE_LIMIT);
    bool good = r->rest.n && !at(r, ';');
    while (good && r->rest.n && !lexical_blank(r->rest.p[0]) && !at(r, ';') && !at(r, '(')) {
        if (at(r, '"')) {
            good = lexical_quoted(&r->rest, &text);
        } else {
            lexical_put(&text, r->rest.p[0]);
            r->rest = span_from(r->rest, 1);
        }
    }
    good = good && span_copy(span_bytes(&text), value, AUTH_RESULTS_VALUE_LIMIT + 1);
    bytes_free(&text);
    r->rest = lexical_skip(r->rest);
    return good;
}

/* --- what stands in front of the results */

static bool is_id_char(char c)
{
    return lexical_token_char(c) || (unsigned char)c >= 0x80;
}

static bool take_id(struct auth_results_reader *r, struct bytes *id)
{
    if (at(r, '"'))
        return lexical_quoted(&r->rest, id);
    size_t n = 0;
    while (n < r->rest.n && is_id_char(r->rest.p[n]))
        n++;
    bytes_add_span(id, span_head(r->rest, n));
    r->rest = span_from(r->rest, n);
    return n > 0;
}

static bool take_instance(struct auth_results_reader *r, unsigned *instance)
{
    char word[AUTH_RESULTS_WORD_LIMIT];
    r->rest = lexical_skip(r->rest);
    return take_keyword(r, word) && strcmp(word, "i") == 0 && take(r, '=') &&
           take_number(r, INSTANCE_LIMIT, instance) && take(r, ';');
}

bool auth_results_open(struct span value, char *id, size_t room, unsigned *version, unsigned *instance,
                       struct auth_results_reader *reader)
{
    struct bytes text;
    *reader = (struct auth_results_reader){ .rest = value };
    *version = 1;
    if (room)
        id[0] = '\0';
    if (instance && !take_instance(reader, instance))
        return false;
    reader->rest = lexical_skip(reader->rest);
    bytes_init(&text, room); /* more than `id` takes, so that none is cut */
    bool good = take_id(reader, &text) && text.len < room &&
                span_copy(span_trim(span_bytes(&text)), id, room) && id[0];
    bytes_free(&text);
    reader->rest = lexical_skip(reader->rest);
    if (good && reader->rest.n && ascii_digit(reader->rest.p[0]))
        good = take_number(reader, VERSION_LIMIT, version);
    return good && (reader->rest.n == 0 || at(reader, ';'));
}

/* --- a result */

/* "reason=VALUE", "TYPE.NAME=VALUE", or another word with a value, which is passed over. */
static bool take_property(struct auth_results_reader *r, struct auth_result *result)
{
    struct auth_property property;
    char value[AUTH_RESULTS_VALUE_LIMIT + 1];
    if (!take_keyword(r, property.type))
        return false;
    bool dotted = take(r, '.');
    if (dotted && !take_keyword(r, property.name))
        return false;
    if (!take(r, '=') || !take_value(r, dotted ? property.value : value))
        return false;
    if (dotted && result->count < AUTH_RESULTS_PROPERTIES)
        result->properties[result->count++] = property;
    else if (!dotted && strcmp(property.type, "reason") == 0)
        memcpy(result->reason, value, sizeof result->reason);
    return true;
}

static bool take_result(struct auth_results_reader *r, struct auth_result *result)
{
    if (!take_keyword(r, result->method))
        return false;
    if (take(r, '/') && !take_number(r, VERSION_LIMIT, &result->version))
        return false;
    if (strcmp(result->method, "none") == 0 && (r->rest.n == 0 || at(r, ';')))
        return true;
    if (!take(r, '=') || !take_keyword(r, result->result))
        return false;
    while (r->rest.n && !at(r, ';'))
        if (!take_property(r, result))
            return false;
    return true;
}

bool auth_results_next(struct auth_results_reader *reader, struct auth_result *result)
{
    for (;;) {
        result->method[0] = result->result[0] = result->reason[0] = '\0';
        result->version = 1;
        result->count = 0;
        if (reader->bad || (reader->rest = lexical_skip(reader->rest)).n == 0)
            return false;
        reader->bad = !take(reader, ';');
        if (reader->bad || reader->rest.n == 0)
            return false;
        if (at(reader, ';'))
            continue;
        reader->bad = !take_result(reader, result);
        if (reader->bad || result->result[0])
            return !reader->bad;
    }
}

const char *auth_result_property(const struct auth_result *result, const char *type, const char *name)
{
    for (size_t i = 0; i < result->count; i++)
        if (strcmp(result->properties[i].type, type) == 0 && strcmp(result->properties[i].name, name) == 0)
            return result->properties[i].value;
    return NULL;
}

/* --- ours? */

/* As A-labels, without a final dot; as it is where it is no domain. */
static void plain_id(const char *id, char to[ADDRESS_DOMAIN_LIMIT + 1])
{
    struct span s = span_head(span_of(id), ADDRESS_DOMAIN_LIMIT);
    if (s.n > 1 && s.p[s.n - 1] == '.')
        s.n--;
    if (!idna_to_ascii(s, to))
        span_copy(s, to, ADDRESS_DOMAIN_LIMIT + 1);
}

bool auth_results_claims(struct span value, const char *authserv_id)
{
    struct auth_results_reader reader;
    char id[ADDRESS_DOMAIN_LIMIT + 2], theirs[ADDRESS_DOMAIN_LIMIT + 1], ours[ADDRESS_DOMAIN_LIMIT + 1];
    unsigned version;
    if (!auth_results_open(value, id, sizeof id, &version, NULL, &reader))
        return true;
    plain_id(id, theirs);
    plain_id(authserv_id, ours);
    return span_ieq_str(span_of(theirs), ours);
}
