/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of the settings share.
 */
#ifndef POSTERN_BASE_SETTINGS_PRIVATE_H
#define POSTERN_BASE_SETTINGS_PRIVATE_H

#include "base/settings.h"

/* --- settings_values.c */
enum setting_type {
    TYPE_STRING,
    TYPE_NAME, /* a host name */
    TYPE_PATH,
    TYPE_FILE, /* a path, or nothing */
    TYPE_SIZE, /* uint64_t from here on */
    TYPE_SOME_SIZE, /* but not 0 */
    TYPE_SECONDS,
    TYPE_NUMBER, /* from 1 on */
    TYPE_COUNT,  /* from 0 on */
    TYPE_PORT,
    TYPE_YESNO,
    TYPE_NETWORKS,
    TYPE_CERTIFICATES,
    TYPE_MILTERS,
    TYPE_EXPIRIES,
    TYPE_WARNINGS,
    TYPE_ZONES,
    TYPE_DOMAINS,
    TYPE_ADDRESSES,
    TYPE_SANDBOX, /* from here on words, an enum each */
    TYPE_HELO,
    TYPE_REVERSE,
    TYPE_DOMAIN,
    TYPE_DMARC,
};

struct setting_key {
    const char *name;
    enum setting_type type;
    size_t offset;        /* of its member in struct settings */
    const char *standard; /* the default, as it would be written */
};

/* Sets it to the value as it is written. NULL, or what the value should have been. */
const char *settings_set(struct settings *s, const struct setting_key *k, const char *value);
/* Its line, or lines, in the format that is read. */
void settings_print_key(const struct settings *s, const struct setting_key *k, struct bytes *out);
/* Frees its member, which is then not to be used. */
void settings_free_key(struct settings *s, const struct setting_key *k);

/* The path, absolute: relative ones are below the settings' folder. To be freed; NULL without memory. */
char *settings_path(const struct settings *s, struct span value);
bool settings_is_host_name(const char *value);
/* A time in s, m, h or d. False for anything else. */
bool settings_parse_seconds(const char *value, uint64_t *to);
/* The next of several words; empty at the end. */
struct span settings_next_word(struct span *rest);

/* --- settings_certificates.c */
/* A line "DOMAIN CERTIFICATE KEY": one more, or another one for that domain; an empty value: none so far.
 * NULL, or what the value should have been. */
const char *settings_add_certificate(struct settings *s, struct span value);
void settings_free_certificates(struct settings *s);
/* A line `KEY VALUE` for each. */
void settings_print_certificates(const struct settings *s, const char *key, struct bytes *out);

/* --- settings_milters.c */
/* The same for a line "ADDRESS [timeout=TIME] [down=WORD] [for=WORD]"; an address that stands there already
 * keeps its place and gets the new values. */
const char *settings_add_milter(struct settings *s, struct span value);
void settings_free_milters(struct settings *s);
void settings_print_milters(const struct settings *s, const char *key, struct bytes *out);

/* --- settings_upkeep.c */
/* The same for a line "FOLDER TIME"; "FOLDER off": none for it; an empty value, or "off" alone: none so
 * far. */
const char *settings_add_expiry(struct settings *s, struct span value);
void settings_free_expiries(struct settings *s);
void settings_print_expiries(const struct settings *s, const char *key, struct bytes *out);

/* "80 95", or "off". NULL, or what the value should have been. */
const char *settings_set_warnings(struct quota_warnings *w, struct span value);
void settings_print_warnings(const struct quota_warnings *w, struct bytes *out);

#endif
