/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Paths and mailboxes of the envelope; see address.h. The grammar is RFC 5321 4.1.2 with two liberties: a
 * domain's label may hold an underscore, as names of hosts in the wild do, and the dots of a local part may
 * stand anywhere (`a..b@x.test`, `a.@x.test`), as telephone companies gave addresses out. UTF-8 may stand
 * wherever RFC 6531 3.3 lets it, but for control characters; whether a domain's label is one of IDNA is for
 * net/idna.h to say.
 *
 * A mailbox has one text form: the local part loses quotes that it doesn't need and gets those
 * that it does, so `"joe"@X.test` and `joe@x.test` compare equal, and `a..b@x.test` is `"a..b"@x.test`, in
 * which form every server takes it.
 */
#include "text/address.h"
#include "text/lexical.h"
#include "text/utf8.h"

#include <arpa/inet.h>
#include <string.h>

#define LABEL_LIMIT 63

static bool is_utf8_byte(char c)
{
    return c & 0x80;
}

static bool is_atom_byte(char c)
{
    return lexical_atom_char(c) || is_utf8_byte(c);
}

/* Well-formed, and without the controls U+0080 to U+009F and the ends of lines U+2028 and U+2029. */
static bool is_good_utf8(struct span s)
{
    uint32_t c;
    for (s = span_from(s, utf8_ascii_run(s)); s.n;) {
        size_t n = utf8_read(s, &c);
        if (n == 0 || (c >= 0x80 && c < 0xa0) || c == 0x2028 || c == 0x2029)
            return false;
        s = span_from(s, n);
    }
    return true;
}

/* Is it atoms with single dots between (RFC 5321 Dot-string)? */
static bool is_dot_string(struct span s)
{
    bool atom = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.' ? !atom : !is_atom_byte(s.p[i]))
            return false;
        atom = s.p[i] != '.';
    }
    return atom;
}

/* A sender that was rewritten (store/srs.h) holds another address in its local part. */
static size_t local_limit(struct span local)
{
    bool rewritten = local.n > 5 && (span_istarts(local, "SRS0") || span_istarts(local, "SRS1")) &&
                     (local.p[4] == '=' || local.p[4] == '+' || local.p[4] == '-');
    return rewritten ? ADDRESS_LIMIT : ADDRESS_LOCAL_LIMIT;
}

/* Reads a local part at *text and appends its text form. */
static enum address_result read_local(struct span *text, struct bytes *to)
{
    char room[ADDRESS_LIMIT + 1];
    size_t n = 0, i = 0;
    bool quoted = text->n && text->p[0] == '"';
    if (quoted) {
        for (i = 1; i < text->n && text->p[i] != '"'; i++) {
            if (text->p[i] == '\\')
                i++;
            if (i >= text->n || ((text->p[i] < ' ' || text->p[i] > '~') && !is_utf8_byte(text->p[i])))
                return ADDRESS_SYNTAX;
            if (n < sizeof room)
                room[n++] = text->p[i];
        }
        if (i++ >= text->n)
            return ADDRESS_SYNTAX;
    } else {
        for (; i < text->n && (is_atom_byte(text->p[i]) || text->p[i] == '.'); i++)
            if (n < sizeof room)
                room[n++] = text->p[i];
    }
    *text = span_from(*text, i);
    if (n == sizeof room)
        return ADDRESS_TOO_LONG;
    struct span local = { room, n };
    bool plain = is_dot_string(local);
    if (n == 0 && !quoted)
        return ADDRESS_SYNTAX;
    if (!plain)
        bytes_add_char(to, '"');
    for (i = 0; i < n; i++) {
        if (room[i] == '"' || room[i] == '\\')
            bytes_add_char(to, '\\');
        bytes_add_char(to, room[i]);
    }
    if (!plain)
        bytes_add_char(to, '"');
    return to->len > local_limit(local) ? ADDRESS_TOO_LONG : ADDRESS_OK;
}

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 4.1.3) at *text. */
static enum address_result read_literal(struct span *text, struct bytes *to)
{
    char address[INET6_ADDRSTRLEN + 8];
    struct in6_addr binary;
    size_t end = span_find(*text, ']');
    if (end == text->n)
        return ADDRESS_SYNTAX;
    struct span inside = span_from(span_head(*text, end), 1);
    bool v6 = span_istarts(inside, "IPv6:");
    if (!span_copy(v6 ? span_from(inside, 5) : inside, address, sizeof address) ||
        inet_pton(v6 ? AF_INET6 : AF_INET, address, &binary) != 1)
        return ADDRESS_SYNTAX;
    for (size_t i = 0; i <= end; i++)
        bytes_add_char(to, ascii_lower(text->p[i]));
    *text = span_from(*text, end + 1);
    return ADDRESS_OK;
}

/* Reads a domain at *text and appends it in lower case. */
static enum address_result read_domain(struct span *text, struct bytes *to)
{
    enum address_result result = ADDRESS_OK;
    size_t label = 0, i = 0; /* ASCII counts: what else there is becomes longer or shorter */
    char before = '.';
    if (text->n && text->p[0] == '[')
        return read_literal(text, to);
    for (; i < text->n; i++) {
        char c = ascii_lower(text->p[i]);
        if (c == '.' || c == '-') {
            if (before == '.' || (c == '.' && before == '-'))
                return ADDRESS_SYNTAX;
        } else if (!ascii_alpha(c) && !ascii_digit(c) && c != '_' && !is_utf8_byte(c)) {
            break;
        }
        label = c == '.' ? 0 : label + !is_utf8_byte(c);
        if (label > LABEL_LIMIT || i >= ADDRESS_DOMAIN_LIMIT)
            result = ADDRESS_TOO_LONG;
        else
            bytes_add_char(to, c);
        before = c;
    }
    *text = span_from(*text, i);
    return before == '.' || before == '-' ? ADDRESS_SYNTAX : result;
}

static enum address_result finish(struct bytes *text, size_t local_length, enum address_result result,
                                  struct address *a)
{
    if (result == ADDRESS_OK && text->failed)
        result = ADDRESS_TOO_LONG;
    if (result == ADDRESS_OK && !is_good_utf8(span_bytes(text)))
        result = ADDRESS_SYNTAX;
    if (result != ADDRESS_OK || !span_copy(span_bytes(text), a->text, sizeof a->text))
        local_length = 0, a->text[0] = '\0';
    a->local_length = local_length;
    bytes_free(text);
    return result;
}

/* Reads a mailbox at *text, or with `postmaster` that word alone. */
static enum address_result read_mailbox(struct span *text, bool postmaster, struct address *a)
{
    struct bytes to;
    bytes_init(&to, sizeof a->text - 1);
    enum address_result local = read_local(text, &to), domain = ADDRESS_OK;
    if (local == ADDRESS_SYNTAX)
        return finish(&to, 0, local, a);
    size_t local_length = to.len;
    if (text->n && text->p[0] == '@') {
        *text = span_from(*text, 1);
        bytes_add_char(&to, '@');
        domain = read_domain(text, &to);
    } else if (!postmaster || !span_ieq_str(span_bytes(&to), "postmaster")) {
        domain = ADDRESS_SYNTAX;
    }
    return finish(&to, local_length, domain == ADDRESS_OK ? local : domain, a);
}

/* Passes over a source route `@a,@b:` (RFC 5321 C). */
static bool skip_route(struct span *text)
{
    struct bytes ignored;
    bytes_init(&ignored, ADDRESS_DOMAIN_LIMIT + 1);
    bool good = true;
    while (good && text->n && text->p[0] == '@') {
        *text = span_from(*text, 1);
        bytes_clear(&ignored);
        good = read_domain(text, &ignored) == ADDRESS_OK && text->n;
        good = good && (text->p[0] == ',' || text->p[0] == ':');
        bool last = good && text->p[0] == ':';
        *text = span_from(*text, good);
        if (last)
            break;
        good = good && text->n && text->p[0] == '@';
    }
    bytes_free(&ignored);
    return good;
}

/* A mailbox without brackets, at `rest`: it reaches up to a blank, where parameters follow, or to the end. */
static enum address_result read_bare(struct span *text, struct span rest, struct address *a)
{
    enum address_result result = read_mailbox(&rest, true, a);
    if (result != ADDRESS_SYNTAX && rest.n && rest.p[0] != ' ')
        result = ADDRESS_SYNTAX;
    if (result == ADDRESS_OK)
        *text = rest;
    else
        *a = (struct address){ .local_length = 0 };
    return result;
}

enum address_result address_path(struct span *text, struct address *a)
{
    struct span rest = *text;
    *a = (struct address){ .local_length = 0 };
    while (rest.n && rest.p[0] == ' ')
        rest = span_from(rest, 1);
    if (rest.n == 0 || rest.p[0] != '<')
        return read_bare(text, rest, a);
    rest = span_from(rest, 1);
    if (rest.n && rest.p[0] == '>') {
        *text = span_from(rest, 1);
        return ADDRESS_OK;
    }
    bool routed = rest.n && rest.p[0] == '@';
    if (!skip_route(&rest))
        return ADDRESS_SYNTAX;
    enum address_result result = read_mailbox(&rest, !routed, a);
    if (result != ADDRESS_SYNTAX && (rest.n == 0 || rest.p[0] != '>'))
        result = ADDRESS_SYNTAX;
    if (result == ADDRESS_OK)
        *text = span_from(rest, 1);
    else
        *a = (struct address){ .local_length = 0 };
    return result;
}

enum address_result address_parse(struct span text, struct address *a)
{
    enum address_result result = read_mailbox(&text, false, a);
    if (result != ADDRESS_SYNTAX && text.n)
        result = ADDRESS_SYNTAX;
    if (result != ADDRESS_OK)
        *a = (struct address){ .local_length = 0 };
    return result;
}

struct span address_local(const struct address *a)
{
    return (struct span){ a->text, a->local_length };
}

struct span address_unquoted(const struct address *a)
{
    struct span local = address_local(a);
    bool quoted = local.n > 2 && local.p[0] == '"';
    for (size_t i = 1; quoted && i + 1 < local.n; i++)
        quoted = is_atom_byte(local.p[i]) || local.p[i] == '.';
    return quoted ? (struct span){ local.p + 1, local.n - 2 } : local;
}

struct span address_domain(const struct address *a)
{
    struct span after = span_from(span_of(a->text), a->local_length);
    return after.n ? span_from(after, 1) : after;
}

bool address_is_null(const struct address *a)
{
    return a->text[0] == '\0';
}

bool address_is_ascii(const struct address *a)
{
    return utf8_ascii_run(span_of(a->text)) == strlen(a->text);
}

bool address_same(const struct address *a, const struct address *b)
{
    return span_ieq(span_of(a->text), span_of(b->text));
}

bool address_part(const struct address *a, const char *delimiters, struct address *base, char *detail)
{
    struct span local = address_local(a), domain = address_domain(a);
    size_t n = strcspn(a->text, delimiters);
    if (!delimiters[0] || n == 0 || n >= local.n || local.p[0] == '"')
        return false;
    *base = (struct address){ .local_length = n };
    memcpy(base->text, a->text, n);
    base->text[n] = '@';
    memcpy(base->text + n + 1, domain.p, domain.n);
    return span_copy(span_from(local, n + 1), detail, ADDRESS_LOCAL_LIMIT + 1);
}
