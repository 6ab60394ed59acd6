/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Writes Authentication-Results; see auth_results.h. A field is made of words, and a line is folded before a
 * word that would go past LINE_WISH. A comment is as many words as it has; a quoted value is one, whatever is
 * in it, since folding inside of it isn't every reader's.
 */
#include "trust/auth_results.h"
#include "text/lexical.h"

#include <stdio.h>

#define LINE_WISH 77 /* and a ';' may follow */
#define FOLD "\r\n\t"
#define TAB 8

/* One word behind what was written; a blank or a fold between. */
static void add_word(struct auth_results *w, struct span word, bool new_line)
{
    bool fold = new_line || w->column + 1 + word.n > LINE_WISH;
    bytes_add_str(w->out, fold ? FOLD : " ");
    bytes_add_span(w->out, word);
    w->column = (fold ? TAB : w->column + 1) + word.n;
}

static bool is_token(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!lexical_token_char(s.p[i]))
            return false;
    return s.n > 0;
}

/* Words of such characters with single dots between. */
static bool is_dotted(struct span s, bool (*may)(char c))
{
    char before = '.';
    for (size_t i = 0; i < s.n; before = s.p[i++])
        if (s.p[i] == '.' ? before == '.' : !may(s.p[i]))
            return false;
    return before != '.';
}

static bool is_domain_char(char c)
{
    return ascii_alpha(c) || ascii_digit(c) || c == '-';
}

static bool is_atom_char(char c)
{
    return c > ' ' && lexical_atom_char(c);
}

/* [[local-part] "@"] domain-name (RFC 8601 2.2), without quoting. */
static bool is_mailbox(struct span s)
{
    size_t at = span_find(s, '@');
    return at < s.n && (at == 0 || is_dotted(span_head(s, at), is_atom_char)) &&
           is_dotted(span_from(s, at + 1), is_domain_char);
}

static char printable(char c)
{
    return c >= ' ' && c <= '~' ? c : '?';
}

static void add_quoted(struct bytes *word, struct span s)
{
    bytes_add_char(word, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            bytes_add_char(word, '\\');
        bytes_add_char(word, printable(s.p[i]));
    }
    bytes_add_char(word, '"');
}

/* Only a property's value may be an address without quotes. */
static void add_value(struct bytes *word, const char *value, bool of_property)
{
    struct span s = span_head(span_of(value), AUTH_RESULTS_VALUE_LIMIT);
    if (is_token(s) || (of_property && is_mailbox(s)))
        bytes_add_span(word, s);
    else
        add_quoted(word, s);
}

/* "NAME=VALUE" as one word, which has its room. */
static void add_pair(struct auth_results *w, const char *name, const char *value, bool of_property)
{
    struct bytes word;
    if (!value || !value[0])
        return;
    bytes_init(&word, 2 * AUTH_RESULTS_VALUE_LIMIT + 2 * AUTH_RESULTS_WORD_LIMIT + 4);
    bytes_add_str(&word, name);
    bytes_add_char(&word, '=');
    add_value(&word, value, of_property);
    w->out->failed |= word.failed;
    add_word(w, span_bytes(&word), false);
    bytes_free(&word);
}

void auth_results_start(struct auth_results *w, struct bytes *out, const char *authserv_id, unsigned instance)
{
    struct bytes word;
    *w = (struct auth_results){ .out = out };
    size_t before = out->len;
    bytes_init(&word, 2 * AUTH_RESULTS_VALUE_LIMIT + 2);
    add_value(&word, authserv_id, false);
    bytes_add_str(out, instance ? "ARC-Authentication-Results:" : "Authentication-Results:");
    if (instance)
        bytes_printf(out, " i=%u;", instance);
    w->column = out->len - before;
    out->failed |= word.failed;
    add_word(w, span_bytes(&word), false);
    bytes_free(&word);
}

void auth_results_method(struct auth_results *w, const char *method, const char *result)
{
    char word[2 * AUTH_RESULTS_WORD_LIMIT];
    snprintf(word, sizeof word, "%s=%s", method, result);
    bytes_add_char(w->out, ';');
    add_word(w, span_of(word), true);
    w->count++;
}

void auth_results_comment(struct auth_results *w, const char *text)
{
    struct span rest = span_trim(span_head(span_of(text), AUTH_RESULTS_VALUE_LIMIT)), word;
    struct bytes out;
    if (rest.n == 0)
        return;
    bytes_init(&out, AUTH_RESULTS_VALUE_LIMIT + 2);
    for (bool first = true; span_cut(&rest, ' ', &word); first = false) {
        bytes_clear(&out);
        if (first)
            bytes_add_char(&out, '(');
        for (size_t i = 0; i < word.n; i++)
            bytes_add_char(&out, strchr("()\\", word.p[i]) ? '?' : printable(word.p[i]));
        if (!rest.p)
            bytes_add_char(&out, ')');
        add_word(w, span_bytes(&out), false);
        while (rest.n && rest.p[0] == ' ')
            rest = span_from(rest, 1);
    }
    w->out->failed |= out.failed;
    bytes_free(&out);
}

void auth_results_reason(struct auth_results *w, const char *text)
{
    add_pair(w, "reason", text, false);
}

void auth_results_property(struct auth_results *w, const char *type, const char *name, const char *value)
{
    char full[2 * AUTH_RESULTS_WORD_LIMIT];
    snprintf(full, sizeof full, "%s.%s", type, name);
    add_pair(w, full, value, true);
}

bool auth_results_end(struct auth_results *w)
{
    if (w->count == 0)
        bytes_add_str(w->out, "; none");
    return bytes_add_str(w->out, "\r\n");
}
