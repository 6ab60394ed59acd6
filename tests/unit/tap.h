/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TAP for unit tests: ok(condition, "name %d", ...) a check, done_testing() at the end of main.
 */
#ifndef POSTERN_TESTS_TAP_H
#define POSTERN_TESTS_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int tap_count, tap_failed;

__attribute__((format(printf, 2, 3), unused)) static bool ok(bool condition, const char *format, ...)
{
    va_list ap;
    printf("%sok %d - ", condition ? "" : "not ", ++tap_count);
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
    printf("\n");
    fflush(stdout);
    tap_failed += !condition;
    return condition;
}

__attribute__((unused)) static int done_testing(void)
{
    printf("1..%d\n", tap_count);
    return tap_failed != 0;
}

#endif
