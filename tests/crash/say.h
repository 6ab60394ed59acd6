/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lines said at once and by write(2) itself, so that the shim sees when.
 */
#ifndef POSTERN_TESTS_CRASH_SAY_H
#define POSTERN_TESTS_CRASH_SAY_H

#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((format(printf, 1, 2), unused)) static void say(const char *format, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof line || write(STDOUT_FILENO, line, (size_t)n) != n)
        exit(74);
}

__attribute__((unused)) static void need(enum status st, const char *what)
{
    if (st == ST_OK)
        return;
    say("failed %s\n", what);
    exit(75);
}

#endif
