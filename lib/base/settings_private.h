/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What settings.c, settings_certificates.c, settings_milters.c and settings_upkeep.c share.
 */
#ifndef POSTERN_BASE_SETTINGS_PRIVATE_H
#define POSTERN_BASE_SETTINGS_PRIVATE_H

#include "base/settings.h"

/* The path, absolute: relative ones are below the settings' folder. To be freed; NULL without memory. */
char *settings_path(const struct settings *s, struct span value);
bool settings_is_host_name(const char *value);
/* A time in s, m, h or d. False for anything else. */
bool settings_parse_seconds(const char *value, uint64_t *to);
/* The next of several words; empty at the end. */
struct span settings_next_word(struct span *rest);

/* A line "DOMAIN CERTIFICATE KEY": one more, or another one for that domain; an empty value: none so far. NULL,
 * or what the value should have been. */
const char *settings_add_certificate(struct settings *s, struct span value);
void settings_free_certificates(struct settings *s);
/* A line for each. */
void settings_print_certificates(const struct settings *s, const char *key, struct bytes *out);

/* The same for a line "ADDRESS [timeout=TIME] [down=WORD] [for=WORD]"; an address that stands there already keeps its place
 * and gets the new values. */
const char *settings_add_milter(struct settings *s, struct span value);
void settings_free_milters(struct settings *s);
void settings_print_milters(const struct settings *s, const char *key, struct bytes *out);

/* The same for a line "FOLDER TIME"; "FOLDER off": none for it; an empty value, or "off" alone: none so far. */
const char *settings_add_expiry(struct settings *s, struct span value);
void settings_free_expiries(struct settings *s);
void settings_print_expiries(const struct settings *s, const char *key, struct bytes *out);

/* "80 95", or "off". NULL, or what the value should have been. */
const char *settings_set_warnings(struct quota_warnings *w, struct span value);
void settings_print_warnings(const struct quota_warnings *w, struct bytes *out);

#endif
