/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What settings.c and settings_certificates.c share.
 */
#ifndef POSTERN_BASE_SETTINGS_PRIVATE_H
#define POSTERN_BASE_SETTINGS_PRIVATE_H

#include "base/settings.h"

/* The path, absolute: relative ones are below the settings' folder. To be freed; NULL without memory. */
char *settings_path(const struct settings *s, struct span value);
bool settings_is_host_name(const char *value);

/* A line "DOMAIN CERTIFICATE KEY": one more, or another one for that domain; an empty value: none so far. NULL,
 * or what the value should have been. */
const char *settings_add_certificate(struct settings *s, struct span value);
void settings_free_certificates(struct settings *s);
/* A line for each. */
void settings_print_certificates(const struct settings *s, const char *key, struct bytes *out);

#endif
