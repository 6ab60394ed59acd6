/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One line about a wrong option; see options.h.
 */
#include "base/options.h"

#include <stdio.h>
#include <sysexits.h>

const struct option options_words[] = { { "help", no_argument, NULL, OPTIONS_HELP }, { NULL, 0, NULL, 0 } };

int options_wrong(const char *program, int letter, char *const argv[])
{
    char short_name[3] = { '-', (char)optopt, '\0' };
    /* Of a word getopt_long() knows no letter, or one of ours, and has gone on to the next. */
    const char *name = optopt == 0 || optopt == OPTIONS_HELP ? argv[optind - 1] : short_name;
    fprintf(stderr, "%s: %s: %s; `%s --help` shows the options\n", program, name,
            letter == ':' ? "its value is missing" : "no such option", program);
    return EX_USAGE;
}

int options_too_much(const char *program, const char *argument)
{
    fprintf(stderr, "%s: '%s' is too much; `%s --help` shows what there is\n", program, argument, program);
    return EX_USAGE;
}
