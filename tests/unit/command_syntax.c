/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What can be read from the arguments that a command's help has: which words can come next, and what is no
 * option.
 */
#include "tap.h"

#include "../../bin/postern/command.h"

#include <string.h>

const struct command commands[] = { { .word = NULL } };

static const struct {
    const char *arguments, *given; /* parted by blanks */
    const char *next;              /* words that can stand behind these, parted by commas */
} rows[] = {
    { "", "", "" },
    { "", "x", "" },
    { "A B [C]", "", "A" },
    { "A B [C]", "x", "B" },
    { "A B [C]", "x y", "C" },
    { "A B [C]", "x y z", "" },
    { "[A [B]] C", "", "A,C" },
    { "[A [B]] C", "x", "B,C" },
    { "A...", "x y z", "A" },
    { "[A...]", "", "A" },
    { "A... | all | FILTER...", "", "A,all" },
    { "A... | all | FILTER...", "all", "" },
    { "A... | all | FILTER...", "x", "A" },
    { "A... | all | FILTER...", "--domain x", "A,all" },
    { "D [= O | relay [all]]", "x", "=,relay" },
    { "D [= O | relay [all]]", "x =", "O" },
    { "D [= O | relay [all]]", "x relay", "all" },
    { "D [= O | relay [all]]", "x relay all", "" },
    { "all|from|to [WHO] T...", "", "all|from|to" },
    { "all|from|to [WHO] T...", "from", "WHO,T" },
    { "all|from|to [WHO] T...", "from x", "T" },
    { "all|from|to [WHO] T...", "elsewhere", "" },
    { "[--since TIME] [--file FILE] ID | ADDRESS", "", "ID,ADDRESS" },
    { "[--since TIME] [--file FILE] ID | ADDRESS", "--file x", "ID,ADDRESS" },
    { "[--since TIME] [--file FILE] ID | ADDRESS", "--file=x", "ID,ADDRESS" },
    { "[--since TIME] [--file FILE] ID | ADDRESS", "x --file y", "" },
    { "[--json | --list] [CHECK...]", "--json x", "CHECK" },
    { "add|remove A N | list [A]", "", "add|remove,list" },
    { "add|remove A N | list [A]", "remove x", "N" },
    { "add|remove A N | list [A]", "list", "A" },
};

/* Cuts text at its blanks, in place. */
static int cut(char *text, char *words[16])
{
    int count = 0;
    for (char *word = strtok(text, " "); word && count < 16; word = strtok(NULL, " "))
        words[count++] = word;
    return count;
}

static void next_words(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct syntax s;
        char given[200], next[200] = "", *words[16];
        snprintf(given, sizeof given, "%s", rows[i].given);
        bool good = syntax_read(rows[i].arguments, &s);
        uint32_t can = syntax_next(&s, cut(given, words), words);
        for (size_t w = 0; w < s.word_count; w++)
            if (can & (uint32_t)1 << w)
                snprintf(next + strlen(next), sizeof next - strlen(next), "%s%.*s", next[0] ? "," : "",
                         SPAN_FMT(s.words[w]));
        ok(good && strcmp(next, rows[i].next) == 0, "behind '%s' of '%s': %s", rows[i].given,
           rows[i].arguments, next);
    }
}

static const struct {
    const char *arguments;
    int least;
    const char *given, *wrong; /* wrong NULL: all is well */
} options[] = {
    { "[--json] [A]", 0, "--json x", NULL },
    { "[--json] [A]", 0, "x --jsons", "--jsons" },
    { "[--json] [A]", 0, "--js", "--js" },
    { "[--since TIME] A", 1, "--since --yesterday x", NULL },
    { "[--since TIME] A", 1, "--since=x --file y", "--file" },
    { "A", 1, "-a", NULL },
    { "A", 1, "--a@example.org", NULL },
    { "A", 1, "--", "--" },
    { "FILTER...", 0, "--sender x --domain=y --to z", "--to" },
    { "A [TEXT...]", 1, "x --no", NULL },
    { "A [TEXT...]", 1, "--no x", "--no" },
};

static void wrong_options(void)
{
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        const struct command c = { .arguments = options[i].arguments, .least = options[i].least };
        char given[200], *words[16];
        snprintf(given, sizeof given, "%s", options[i].given);
        const char *wrong = syntax_wrong_option(&c, cut(given, words), words);
        const char *want = options[i].wrong;
        ok(want ? wrong && strcmp(wrong, want) == 0 : !wrong, "'%s' of '%s': %s is no option",
           options[i].given, options[i].arguments, wrong ? wrong : "nothing");
    }
}

static void not_a_syntax(void)
{
    static const char *const bad[] = {
        "[A", "A]", "[A [B]", "]", "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z A B C D E F G H I J K"
    };
    struct syntax s;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ok(!syntax_read(bad[i], &s), "'%.20s' is none", bad[i]);
}

int main(void)
{
    next_words();
    wrong_options();
    not_a_syntax();
    return done_testing();
}
