/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A command's arguments, as its help has them, read as the regular expression that they are: for each word
 * the set of those that can follow (Glushkov's construction), options left out. See command.h.
 */
#include "command.h"

#include <ctype.h>
#include <string.h>

/* What stands in a part: the words it can begin and end with, and whether it can be empty. */
struct part {
    uint32_t first, last;
    bool empty;
};

static const struct part nothing = { .empty = true };

static struct part read_alternatives(struct syntax *s, struct span *rest, bool *ok);

/* The next word, bracket or bar; empty at the end. */
static struct span next_token(struct span *rest)
{
    size_t n = 0;
    *rest = span_trim(*rest);
    while (n < rest->n && !strchr(" []", rest->p[n]))
        n++;
    struct span token = span_head(*rest, n ? n : 1);
    *rest = span_from(*rest, token.n);
    return token;
}

static struct span peek(struct span rest)
{
    return next_token(&rest);
}

static void add_option(struct syntax *s, struct span name, struct span value, bool *ok)
{
    if (s->option_count < SYNTAX_OPTIONS)
        s->options[s->option_count++] = (struct syntax_option){ name, value };
    else
        *ok = false;
}

static struct part read_option(struct syntax *s, struct span name, struct span *rest, bool *ok)
{
    struct span value = peek(*rest);
    bool has_value = value.n && syntax_is_name(value);
    add_option(s, name, has_value ? next_token(rest) : SPAN(""), ok);
    return nothing;
}

static struct part add_filters(struct syntax *s, bool *ok)
{
    add_option(s, SPAN("--sender"), SPAN("ADDRESS"), ok);
    add_option(s, SPAN("--recipient"), SPAN("ADDRESS"), ok);
    add_option(s, SPAN("--domain"), SPAN("DOMAIN"), ok);
    return nothing;
}

static struct part add_word(struct syntax *s, struct span word, bool *ok)
{
    bool more = word.n > 3 && span_eq_str(span_from(word, word.n - 3), "...");
    if (span_eq_str(word, "FILTER..."))
        return add_filters(s, ok);
    if (s->word_count == SYNTAX_WORDS) {
        *ok = false;
        return nothing;
    }
    uint32_t bit = (uint32_t)1 << s->word_count;
    s->follow[s->word_count] = more ? bit : 0;
    s->words[s->word_count++] = more ? span_head(word, word.n - 3) : word;
    return (struct part){ .first = bit, .last = bit };
}

static struct part read_item(struct syntax *s, struct span *rest, bool *ok)
{
    struct span token = next_token(rest);
    if (span_starts(token, "-"))
        return read_option(s, token, rest, ok);
    if (!span_eq_str(token, "["))
        return add_word(s, token, ok);
    struct part inner = read_alternatives(s, rest, ok);
    *ok = span_eq_str(next_token(rest), "]") && *ok;
    inner.empty = true;
    return inner;
}

static struct part read_sequence(struct syntax *s, struct span *rest, bool *ok)
{
    struct part all = nothing;
    for (struct span t = peek(*rest); t.n && !span_eq_str(t, "]") && !span_eq_str(t, "|"); t = peek(*rest)) {
        struct part next = read_item(s, rest, ok);
        for (size_t i = 0; i < s->word_count; i++)
            if (all.last & (uint32_t)1 << i)
                s->follow[i] |= next.first;
        all.first |= all.empty ? next.first : 0;
        all.last = next.last | (next.empty ? all.last : 0);
        all.empty = all.empty && next.empty;
    }
    return all;
}

static struct part read_alternatives(struct syntax *s, struct span *rest, bool *ok)
{
    struct part all = read_sequence(s, rest, ok);
    while (span_eq_str(peek(*rest), "|")) {
        next_token(rest);
        struct part next = read_sequence(s, rest, ok);
        all = (struct part){ all.first | next.first, all.last | next.last, all.empty || next.empty };
    }
    return all;
}

bool syntax_read(const char *arguments, struct syntax *s)
{
    struct span rest = span_of(arguments);
    bool ok = true;
    *s = (struct syntax){ .option_count = 0 };
    s->first = read_alternatives(s, &rest, &ok).first;
    return ok && span_trim(rest).n == 0;
}

const struct syntax_option *syntax_option(const struct syntax *s, const char *argument)
{
    struct span name = span_head(span_of(argument), span_find(span_of(argument), '='));
    for (size_t i = 0; i < s->option_count; i++)
        if (span_eq(s->options[i].name, name))
            return &s->options[i];
    return NULL;
}

bool syntax_is_name(struct span word)
{
    return word.n && isupper((unsigned char)word.p[0]);
}

/* Is the argument this word, or one of those between bars? */
static bool is_word(struct span word, const char *argument)
{
    struct span one;
    while (span_cut(&word, '|', &one))
        if (span_eq_str(one, argument))
            return true;
    return false;
}

uint32_t syntax_next(const struct syntax *s, int argc, char **argv)
{
    uint32_t state = s->first;
    for (int i = 0; i < argc; i++) {
        const struct syntax_option *o = syntax_option(s, argv[i]);
        uint32_t exact = 0, any = 0, next = 0;
        if (o) {
            i += o->value.n && !strchr(argv[i], '=');
            continue;
        }
        for (size_t w = 0; w < s->word_count; w++) {
            uint32_t bit = state & (uint32_t)1 << w;
            exact |= is_word(s->words[w], argv[i]) ? bit : 0;
            any |= syntax_is_name(s->words[w]) ? bit : 0;
        }
        for (size_t w = 0; w < s->word_count; w++)
            next |= (exact ? exact : any) & (uint32_t)1 << w ? s->follow[w] : 0;
        state = next;
    }
    return state;
}

const char *syntax_wrong_option(const struct command *c, int argc, char **argv)
{
    struct syntax s;
    if (!syntax_read(c->arguments, &s))
        return NULL;
    bool text = strstr(c->arguments, "TEXT") != NULL;
    for (int i = 0; i < argc && !(text && i >= c->least); i++) {
        const struct syntax_option *o = syntax_option(&s, argv[i]);
        if (!o && strncmp(argv[i], "--", 2) == 0 && !strchr(argv[i], '@'))
            return argv[i];
        i += o && o->value.n && !strchr(argv[i], '=');
    }
    return NULL;
}

const struct command *command_find(int argc, char **argv)
{
    const struct command *found = NULL;
    for (const struct command *c = commands; argc > 0 && c->word; c++) {
        if (strcmp(c->word, argv[0]) != 0 || (c->second && (argc < 2 || strcmp(c->second, argv[1]) != 0)))
            continue;
        if (!found || c->second)
            found = c;
    }
    return found;
}
