/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The settings of `postern upkeep`: `expire FOLDER TIME`, of which there may be many, and `quota-warning
 * PERCENT ...`; see settings.h. For a folder the last line wins. A folder's name may hold blanks: its time is
 * the last word. The words of both are written as they are read.
 */
#include "base/settings_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER_LIMIT 720 /* bytes in UTF-8; what can be a folder's name is shorter */

static const char wrong_expiry[] =
    "must be a folder and the time that its mail stays, such as Trash 30d, or Trash off";
static const char wrong_warning[] =
    "must be off, or per cent of a quota in ascending order, from 1 to 100 and 8 at most, such as 80 95";

void settings_free_expiries(struct settings *s)
{
    for (size_t i = 0; i < s->expiry_count; i++)
        free(s->expiries[i].folder);
    free(s->expiries);
    s->expiries = NULL;
    s->expiry_count = 0;
}

static void forget_expiry(struct settings *s, struct span folder)
{
    for (size_t i = 0; i < s->expiry_count; i++)
        if (span_eq_str(folder, s->expiries[i].folder)) {
            free(s->expiries[i].folder);
            s->expiry_count--;
            memmove(&s->expiries[i], &s->expiries[i + 1], (s->expiry_count - i) * sizeof s->expiries[0]);
            return;
        }
}

static const char *add_expiry(struct settings *s, struct span folder, uint64_t seconds)
{
    if (!s->expiries)
        s->expiries = calloc(SETTINGS_EXPIRIES, sizeof *s->expiries);
    char *copy = s->expiries && s->expiry_count < SETTINGS_EXPIRIES ? span_dup(folder) : NULL;
    if (!copy)
        return "is one too many";
    s->expiries[s->expiry_count++] = (struct expiry_setting){ copy, seconds };
    return NULL;
}

const char *settings_add_expiry(struct settings *s, struct span value)
{
    char time[32];
    uint64_t seconds = 0;
    value = span_trim(value);
    size_t n = value.n;
    while (n && value.p[n - 1] != ' ' && value.p[n - 1] != '\t')
        n--;
    struct span folder = span_trim(span_head(value, n)), last = span_from(value, n);
    bool off = span_eq_str(last, "off");
    if (!value.n || (off && !folder.n)) {
        settings_free_expiries(s);
        return NULL;
    }
    if (!folder.n || folder.n > FOLDER_LIMIT || span_find(folder, '/') < folder.n ||
        !span_copy(last, time, sizeof time) ||
        (!off && (!settings_parse_seconds(time, &seconds) || !seconds)))
        return wrong_expiry;
    forget_expiry(s, folder);
    return off ? NULL : add_expiry(s, folder, seconds);
}

void settings_print_expiries(const struct settings *s, const char *key, struct bytes *out)
{
    for (size_t i = 0; i < s->expiry_count; i++)
        bytes_printf(out, "%s %s %" PRIu64 "\n", key, s->expiries[i].folder, s->expiries[i].seconds);
}

const char *settings_set_warnings(struct quota_warnings *w, struct span value)
{
    struct quota_warnings new = { .count = 0 };
    struct span word;
    uint64_t percent, last = 0;
    bool off = span_eq_str(span_trim(value), "off");
    while (!off && (word = settings_next_word(&value)).n) {
        if (new.count == QUOTA_WARNINGS || !span_u64(word, 100, &percent) || percent <= last)
            return wrong_warning;
        new.percent[new.count++] = (unsigned)percent;
        last = percent;
    }
    if (!off && !new.count)
        return wrong_warning;
    *w = new;
    return NULL;
}

void settings_print_warnings(const struct quota_warnings *w, struct bytes *out)
{
    if (!w->count)
        bytes_add_str(out, "off");
    for (size_t i = 0; i < w->count; i++)
        bytes_printf(out, "%s%u", i ? " " : "", w->percent[i]);
}
