/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern complete WORD...: what the last word of a command line can become, one candidate a line, for the
 * shell's completion (bash-completion.sh). A line that begins with a tab says that files are meant.
 *
 * Commands, options and words come from the table of commands, so nothing of it can go stale; arguments come
 * from the texts of the tables, the queue's file names and the keys. Nothing is ever complained of: who may
 * not read these gets no candidates. A thousand of them at most; of more, what they have in common. What
 * can't be printed isn't offered, and quoting is the shell's.
 */
#include "complete.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define MOST 1000

/* --- candidates --- */

static bool is_printable(struct span text)
{
    while (text.n) {
        size_t n = text.p[0] == ' ' ? 0 : text_character(text);
        if (n == 0)
            return false;
        text = span_from(text, n);
    }
    return true;
}

void completion_offer(struct completion *c, struct span candidate)
{
    if (candidate.n <= c->word.n && !span_eq(candidate, c->word))
        return;
    if (!span_eq(span_head(candidate, c->word.n), c->word) || !is_printable(candidate))
        return;
    if (c->count++ == 0)
        span_copy(span_head(candidate, sizeof c->common - 1), c->common, sizeof c->common);
    size_t same = 0;
    while (same < candidate.n && c->common[same] == candidate.p[same] && c->common[same])
        same++;
    c->common[same] = '\0';
    if (c->count <= MOST) {
        bytes_add_span(&c->out, candidate);
        bytes_add_char(&c->out, '\n');
    }
}

void completion_offer_words(struct completion *c, struct span words, char between)
{
    struct span one;
    while (span_cut(&words, between, &one))
        completion_offer(c, one);
}

static void finish(const struct completion *c)
{
    if (c->files)
        puts("\tfiles");
    if (c->count <= MOST)
        fwrite(bytes_str(&c->out), 1, c->out.len, stdout);
    else if (strlen(c->common) > c->word.n)
        puts(c->common);
}

void completion_offer_commands(struct completion *c)
{
    const char *last = "";
    for (const struct command *k = commands; k->word; last = k++->word)
        if (strcmp(k->word, last) != 0 && !(k->flags & HIDDEN))
            completion_offer(c, span_of(k->word));
}

void completion_offer_seconds(struct completion *c, const char *word)
{
    for (const struct command *k = commands; k->word; k++)
        if (k->second && strcmp(k->word, word) == 0 && !(k->flags & HIDDEN))
            completion_offer(c, span_of(k->second));
}

/* --- the place of the word --- */

static void offer_options(struct completion *c, const struct syntax *s)
{
    for (size_t i = 0; i < s->option_count; i++) {
        bool given = false;
        for (int j = 0; j < c->argc; j++)
            given = given || syntax_option(s, c->argv[j]) == &s->options[i];
        if (!given)
            completion_offer(c, s->options[i].name);
    }
    completion_offer(c, SPAN("--help"));
}

/* Behind the command's words. */
static void offer_argument(struct completion *c)
{
    struct syntax s;
    if (!syntax_read(c->command->arguments, &s))
        return;
    const struct syntax_option *before = c->argc ? syntax_option(&s, c->argv[c->argc - 1]) : NULL;
    if (before && before->value.n && !strchr(c->argv[c->argc - 1], '=')) {
        completion_offer_named(c, before->value);
        return;
    }
    if (span_starts(c->word, "-")) {
        offer_options(c, &s);
        return;
    }
    uint32_t next = syntax_next(&s, c->argc, c->argv);
    for (size_t i = 0; i < s.word_count; i++) {
        if (!(next & (uint32_t)1 << i))
            continue;
        if (syntax_is_name(s.words[i]))
            completion_offer_named(c, s.words[i]);
        else
            completion_offer_words(c, s.words[i], '|');
    }
    if (!next && s.option_count)
        offer_options(c, &s);
}

/* The options before the command: how many words they are. -1: the word is the file of -c. */
static int read_options(struct completion *c, int count, char **words)
{
    int at = 0;
    while (at < count && words[at][0] == '-') {
        bool file = strcmp(words[at], "-c") == 0;
        if (file && at + 1 >= count)
            return -1;
        if (file)
            c->a->file = words[at + 1];
        at += file ? 2 : 1;
    }
    return at;
}

static void complete(struct completion *c, int count, char **words)
{
    int at = read_options(c, count, words);
    if (at < 0) {
        c->files = true;
    } else if (at == count && span_starts(c->word, "-")) {
        completion_offer_words(c, SPAN("-c --help --version"), ' ');
    } else if (at == count) {
        completion_offer_commands(c);
    } else {
        if (at + 1 == count)
            completion_offer_seconds(c, words[at]);
        bool seconds = c->count > 0;
        c->command = command_find(count - at, words + at);
        if (!c->command || seconds) {
            if (seconds)
                completion_offer(c, SPAN("--help"));
            return;
        }
        at += c->command->second ? 2 : 1;
        c->argc = count - at;
        c->argv = words + at;
        offer_argument(c);
    }
}

/* Every name of the table that has no row in kinds, for the tests. */
static void print_unknown(struct completion *c)
{
    for (c->command = commands; c->command->word; c->command++) {
        struct syntax s;
        bool ok = syntax_read(c->command->arguments, &s);
        if (!ok)
            printf("%s %s\n", c->command->word, c->command->arguments);
        for (size_t i = 0; i < s.word_count; i++)
            if (syntax_is_name(s.words[i]) && !completion_offer_named(c, s.words[i]))
                printf("%s %.*s\n", c->command->word, SPAN_FMT(s.words[i]));
        for (size_t i = 0; i < s.option_count; i++)
            if (s.options[i].value.n && !completion_offer_named(c, s.options[i].value))
                printf("%s %.*s\n", c->command->word, SPAN_FMT(s.options[i].value));
    }
}

int complete_command(struct admin *a, int argc, char **argv)
{
    struct completion c = { .a = a };
    bool check = argc == 1 && strcmp(argv[0], "--check") == 0;
    if (!freopen("/dev/null", "w", stderr) || (argc < 2 && !check))
        return EX_USAGE;
    bytes_init(&c.out, TABLE_TEXT_LIMIT);
    if (check) {
        print_unknown(&c);
    } else {
        c.word = span_of(argv[argc - 1]);
        complete(&c, argc - 2, argv + 1); /* behind -- */
        finish(&c);
    }
    bytes_free(&c.out);
    return EX_OK;
}
