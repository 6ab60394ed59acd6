/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern complete: what its parts share. complete.c finds the place of the word and collects candidates;
 * complete_words.c knows where those of an argument come from.
 */
#ifndef POSTERN_COMPLETE_H
#define POSTERN_COMPLETE_H

#include "command.h"

struct completion {
    struct admin *a;
    bool loaded; /* the settings are, and root is the owner of the spool */
    const struct command *command;
    int argc; /* its arguments before the word */
    char **argv;
    struct span word; /* that is to be completed */
    bool files;       /* file names are meant, too */
    struct bytes out; /* the candidates, a line each */
    size_t count;
    char common[1024]; /* what all candidates begin with */
};

/* A candidate, if it begins with the word and can be printed. */
void completion_offer(struct completion *c, struct span candidate);
/* Several, parted by a character. */
void completion_offer_words(struct completion *c, struct span words, char between);
void completion_offer_commands(struct completion *c);
/* Those that stand behind a command's first word. */
void completion_offer_seconds(struct completion *c, const char *word);

/* --- complete_words.c */
/* What a name of the command's arguments, such as ADDRESS, stands for. False: it isn't known there. */
bool completion_offer_named(struct completion *c, struct span name);

#endif
