/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What an argument can be, for postern complete: the names that stand in the table of commands, and where
 * candidates for them come from. Anything that isn't there or may not be read gives none.
 */
#include "complete.h"
#include "dkim.h"
#include "doctor.h"
#include "net/sandbox.h"
#include "store/queue.h"
#include "text/aliases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* The settings, as the owner of the spool; false: nobody lets us. */
static bool load(struct completion *c)
{
    struct bytes error;
    bytes_init(&error, 4096);
    if (!c->loaded)
        c->loaded = settings_load(c->a->file, &c->a->s, &error) == ST_OK &&
                    sandbox_drop_root(c->a->s.spool, &error) == ST_OK;
    bytes_free(&error);
    return c->loaded;
}

/* A table's lines, of which `take` makes candidates. */
static void each_line(struct completion *c, enum table_name name,
                      void (*take)(struct completion *c, struct span line))
{
    struct bytes text;
    struct span rest, line;
    if (!load(c) || edit_read(c->a, name, &text) != EX_OK)
        return;
    for (rest = span_bytes(&text); edit_next(&rest, &line);)
        take(c, line);
    bytes_free(&text);
}

static void take_first(struct completion *c, struct span line)
{
    completion_offer(c, tables_first_word(line));
}

static void domains(struct completion *c)
{
    each_line(c, TABLE_DOMAINS, take_first);
}

/* Behind an @, the domain. */
static void take_domain(struct completion *c, struct span line, bool relayed)
{
    char address[1024];
    struct domain_entry e;
    size_t local = span_find(c->word, '@');
    if (local == c->word.n || tables_domain_entry(line, &e) ||
        (e.kind == DOMAIN_RELAY || e.kind == DOMAIN_RELAY_ALL) != relayed)
        return;
    struct span domain = tables_first_word(line);
    if ((size_t)snprintf(address, sizeof address, "%.*s@%.*s", (int)local, c->word.p, SPAN_FMT(domain)) <
        sizeof address)
        completion_offer(c, span_of(address));
}

static void take_own_domain(struct completion *c, struct span line)
{
    take_domain(c, line, false);
}

static void take_relayed_domain(struct completion *c, struct span line)
{
    take_domain(c, line, true);
}

static void new_address(struct completion *c)
{
    each_line(c, TABLE_DOMAINS, take_own_domain);
}

static void accounts(struct completion *c)
{
    each_line(c, TABLE_ACCOUNTS, take_first);
    if (c->count == 0)
        new_address(c);
}

static void alias_names(struct completion *c)
{
    struct bytes text;
    struct alias_reader reader;
    struct alias_entry e;
    const char *why;
    if (!load(c) || edit_read(c->a, TABLE_ALIASES, &text) != EX_OK)
        return;
    alias_entry_init(&e);
    alias_reader_init(&reader, span_bytes(&text));
    while (alias_next(&reader, &e, &why))
        completion_offer(c, span_bytes(&e.name));
    alias_entry_free(&e);
    bytes_free(&text);
}

static void targets(struct completion *c)
{
    accounts(c);
    alias_names(c);
}

static void relayed(struct completion *c)
{
    each_line(c, TABLE_RELAY, take_first);
    each_line(c, TABLE_DOMAINS, take_relayed_domain);
}

/* The second word of a line, where the first is the argument before: "from WHO". */
static void take_second(struct completion *c, struct span line)
{
    struct span first = tables_first_word(line);
    if (c->argc > 0 && span_eq_str(first, c->argv[c->argc - 1]))
        completion_offer(c, tables_first_word(span_trim(span_from(line, first.n))));
}

static void refused(struct completion *c)
{
    each_line(c, TABLE_REFUSED, take_second);
}

static void copied(struct completion *c)
{
    each_line(c, TABLE_BCC, take_second);
}

static void routed(struct completion *c)
{
    each_line(c, TABLE_ROUTES, take_first);
}

static void queue_ids(struct completion *c)
{
    struct queue_place *places = NULL;
    size_t count = 0;
    int dir;
    if (!load(c) || queue_open(c->a->s.spool, &dir) != ST_OK)
        return;
    if (queue_list(dir, false, &places, &count) == ST_OK)
        for (size_t i = 0; i < count; i++)
            completion_offer(c, span_of(places[i].id));
    free(places);
    close(dir);
}

static void selectors(struct completion *c)
{
    struct dkim_keys keys;
    int at = 0;
    while (at < c->argc && c->argv[at][0] == '-')
        at++;
    if (at == c->argc || !load(c) || dkim_keys_find(&c->a->s, c->argv[at], &keys) != ST_OK)
        return;
    for (size_t i = 0; i < keys.count; i++)
        completion_offer(c, span_of(keys.list[i].selector));
}

static void checks(struct completion *c)
{
    for (size_t i = 0; doctor_check(i); i++)
        completion_offer(c, span_of(doctor_check(i)));
}

static void setting_keys(struct completion *c)
{
    struct bytes text;
    struct span rest, line, last = SPAN("");
    bytes_init(&text, 1 << 20);
    if (load(c))
        settings_print(&c->a->s, &text);
    for (rest = span_bytes(&text); edit_next(&rest, &line); last = tables_first_word(line))
        if (!span_eq(tables_first_word(line), last))
            completion_offer(c, tables_first_word(line));
    bytes_free(&text);
}

static void helped_words(struct completion *c)
{
    if (c->argc > 0)
        completion_offer_seconds(c, c->argv[0]);
}

static void this_host(struct completion *c)
{
    char name[256];
    if (gethostname(name, sizeof name) == 0)
        completion_offer(c, span_head(span_of(name), sizeof name - 1));
}

static void files(struct completion *c)
{
    c->files = true;
}

/* What the names in the table of commands stand for. The first row that fits: command and second word NULL
 * are all of them. Words are parted by blanks. What has neither function nor words is only known. */
static const struct {
    const char *command, *second, *name;
    void (*offer)(struct completion *c);
    const char *words;
} kinds[] = {
    { "setup", NULL, "HOSTNAME", this_host, NULL },
    { "setup", NULL, NULL, NULL, NULL },
    { "domain", "add", "DOMAIN", NULL, NULL },
    { "user", "add", "ADDRESS", new_address, NULL },
    { "alias", "add", "NAME", alias_names, NULL },
    { "alias", "remove", "NAME", alias_names, NULL },
    { "relay", NULL, "RECIPIENT", relayed, NULL },
    { "bcc", NULL, "WHO", copied, NULL },
    { "bcc", NULL, "TARGET", accounts, NULL },
    { "refuse", NULL, "WHO", refused, NULL },
    { "route", NULL, "WHO", routed, NULL },
    { "route", NULL, "WHERE", NULL, "smtp: smtp:[ smtps:[ lmtp:[ lmtp:unix: direct" },
    { "route", NULL, "OPTION", NULL, "auth tls=may tls=none tls=encrypt tls=verify" },
    { "import", NULL, "FORMAT", NULL, "mboxo mboxrd mboxcl mboxcl2" },
    { "export", NULL, "TARGET", files, NULL },
    { "backup", NULL, "N", NULL, NULL },
    { "help", NULL, "COMMAND", completion_offer_commands, NULL },
    { "help", NULL, "WORD", helped_words, NULL },
    { NULL, NULL, "ADDRESS", accounts, NULL },
    { NULL, NULL, "BACKUP", files, NULL },
    { NULL, NULL, "CERTIFICATE", files, NULL },
    { NULL, NULL, "CHECK", checks, NULL },
    { NULL, NULL, "DIR", files, NULL },
    { NULL, NULL, "DOMAIN", domains, NULL },
    { NULL, NULL, "FILE", files, NULL },
    { NULL, NULL, "FOLDER", files, NULL },
    { NULL, NULL, "HOST", NULL, NULL },
    { NULL, NULL, "ID", queue_ids, NULL },
    { "certificate", NULL, "KEY", files, NULL },
    { NULL, NULL, "KEY", setting_keys, NULL },
    { NULL, NULL, "LIMIT", NULL, "storage= messages= default" },
    { NULL, NULL, "MESSAGE-ID", NULL, NULL },
    { NULL, NULL, "NAME", NULL, NULL },
    { NULL, NULL, "OTHER", domains, NULL },
    { NULL, NULL, "SCHEME", NULL,
      "CRYPT SHA512-CRYPT SHA256-CRYPT MD5-CRYPT BLF-CRYPT PLAIN SSHA SSHA256 SSHA512 "
      "SMD5 SHA256 SHA512 PLAIN-MD5" },
    { NULL, NULL, "SELECTOR", selectors, NULL },
    { NULL, NULL, "SOURCE", files, NULL },
    { NULL, NULL, "TARGET", targets, NULL },
    { NULL, NULL, "TEXT", NULL, NULL },
    { NULL, NULL, "TIME", NULL, "today yesterday" },
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static bool is_meant(const char *name, const char *word)
{
    return !name || (word && strcmp(name, word) == 0);
}

bool completion_offer_named(struct completion *c, struct span name)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (!is_meant(kinds[i].command, c->command->word) || !is_meant(kinds[i].second, c->command->second) ||
            (kinds[i].name && !span_eq_str(name, kinds[i].name)))
            continue;
        if (kinds[i].offer)
            kinds[i].offer(c);
        if (kinds[i].words)
            completion_offer_words(c, span_of(kinds[i].words), ' ');
        return true;
    }
    return false;
}
