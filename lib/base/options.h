/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a program says of options that it hasn't: one line on standard error that names what is wrong and
 * where help is, and EX_USAGE. `--help` itself goes to standard output, with 0.
 *
 * For getopt_long(3) with `options_words`, whose letter for --help is OPTIONS_HELP, and letters that begin
 * with a colon ("+:c:v"), so that getopt says nothing itself.
 */
#ifndef POSTERN_BASE_OPTIONS_H
#define POSTERN_BASE_OPTIONS_H

#include <getopt.h>

#define OPTIONS_HELP 1
extern const struct option options_words[];

/* Of what getopt_long() returned, '?' or ':'. EX_USAGE. */
int options_wrong(const char *program, int letter, char *const argv[]);
/* Of an argument that is one too much. EX_USAGE. */
int options_too_much(const char *program, const char *argument);

#endif
