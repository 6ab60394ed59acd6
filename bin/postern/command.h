/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of commands, and what can be read from it: a command's arguments, as they are printed by --help,
 * also say which options it has, and what the next argument can be. So what is refused as no option, and
 * what the shell completes, is what the help says.
 *
 *     --word         an option, which may stand anywhere; --word VALUE: with a value
 *     [...]          may be left out         A | B   one of these, each of which goes to the bracket or end
 *     WORD           whatever; WORD...: and more of it
 *     word, a|b, =   just that, or one of these
 *     FILTER...      the options --sender ADDRESS, --recipient ADDRESS and --domain DOMAIN
 */
#ifndef POSTERN_COMMAND_H
#define POSTERN_COMMAND_H

#include "admin.h"

enum {
    NO_SETTINGS = 1, /* they aren't loaded, and root stays root */
    KEEP_ROOT = 2,   /* loaded, but root stays root */
    JSON = 4,        /* --json is taken out of its arguments, and in admin's json then */
    HIDDEN = 8       /* not for people: neither help nor completion has it */
};

struct command {
    const char *word, *second; /* second NULL: there is none */
    const char *arguments, *help;
    int least, most; /* arguments, without --json where that is taken out */
    int flags;
    int (*run)(struct admin *a, int argc, char **argv);
};
/* The last row has no word. */
extern const struct command commands[];

/* --- command.c --- */
/* The command of these words, with two words where there is such; NULL: there is none. */
const struct command *command_find(int argc, char **argv);

#define SYNTAX_WORDS 32
#define SYNTAX_OPTIONS 16

struct syntax_option {
    struct span name, value; /* "--since", "TIME"; value empty: it has none */
};
struct syntax {
    struct syntax_option options[SYNTAX_OPTIONS];
    size_t option_count;
    struct span words[SYNTAX_WORDS]; /* "ID", "from|to|client": without brackets and dots */
    size_t word_count;
    uint32_t first;                /* a bit for each word that an argument list can begin with */
    uint32_t follow[SYNTAX_WORDS]; /* which can stand behind this one */
};

/* Reads a command's arguments. False: there are more than fit, or a bracket is missing. */
bool syntax_read(const char *arguments, struct syntax *s);
/* The option that an argument names, also with "=value" behind it; NULL: there is no such option. */
const struct syntax_option *syntax_option(const struct syntax *s, const char *argument);
/* Does it stand for whatever, as ID does, or for itself? */
bool syntax_is_name(struct span word);
/* Which words can stand at the place behind these arguments (a bit each), options left out. */
uint32_t syntax_next(const struct syntax *s, int argc, char **argv);
/* The first argument that begins as an option does (--) and isn't one of the command's; NULL: all is well.
 * Names may begin with one minus, an address and free TEXT with any number. */
const char *syntax_wrong_option(const struct command *c, int argc, char **argv);

#endif
