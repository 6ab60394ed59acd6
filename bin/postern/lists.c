/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The tables as lists: domain, relay, bcc, user, alias, refuse and route list. An entry is a line, as the
 * table has it, with what isn't printable escaped, and no heading; or for programs an object a line, with
 * what the line means.
 */
#include "admin.h"
#include "store/secrets.h"
#include "text/aliases.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static int list(struct admin *a, enum table_name name, void (*json)(struct span line))
{
    struct bytes text;
    struct span rest, line;
    int result = edit_read(a, name, &text);
    for (rest = span_bytes(&text); result == EX_OK && edit_next(&rest, &line);) {
        if (a->json) {
            json(line);
            continue;
        }
        say_text(line);
        putchar('\n');
    }
    bytes_free(&text);
    return result;
}

/* The first word, and *line is what is behind it. */
static struct span take_word(struct span *line)
{
    struct span word = tables_first_word(*line);
    *line = span_trim(span_from(*line, word.n));
    return word;
}

static struct span or_null(struct span text)
{
    return text.n ? text : (struct span){ NULL, 0 };
}

static void json_domain(struct span line)
{
    static const char *const kinds[] = { "ours", "alias", "relay", "relay-all" };
    struct domain_entry e;
    if (tables_domain_entry(line, &e)) /* what no server has read yet */
        json_line((struct json_member[]){ { "domain", tables_first_word(line) } }, 1);
    else
        json_line((struct json_member[]){ { "domain", span_of(e.name) },
                                          { "kind", span_of(kinds[e.kind]) },
                                          { "target", or_null(span_of(e.target)) } },
                  3);
}

int domain_list(struct admin *a, int argc, char **argv)
{
    (void)argc, (void)argv;
    return list(a, TABLE_DOMAINS, json_domain);
}

static void json_relay(struct span line)
{
    json_line((struct json_member[]){ { "recipient", line } }, 1);
}

int relay_list(struct admin *a, int argc, char **argv)
{
    (void)argc, (void)argv;
    return list(a, TABLE_RELAY, json_relay);
}

static void json_bcc(struct span line)
{
    struct span of = take_word(&line);
    json_pair("{", "of", of);
    json_pair(",", "who", span_ieq_str(of, "all") ? (struct span){ NULL, 0 } : take_word(&line));
    json_words(",", "targets", line);
    puts("}");
}

int bcc_list(struct admin *a, int argc, char **argv)
{
    (void)argc, (void)argv;
    return list(a, TABLE_BCC, json_bcc);
}

static void json_refused(struct span line)
{
    struct span what = take_word(&line), who = take_word(&line);
    json_line((struct json_member[]){ { "what", what }, { "who", who }, { "text", or_null(line) } }, 3);
}

int refuse_list(struct admin *a, int argc, char **argv)
{
    (void)argc, (void)argv;
    return list(a, TABLE_REFUSED, json_refused);
}

static void json_route(struct span line)
{
    json_pair("{", "who", take_word(&line));
    json_pair(",", "where", take_word(&line));
    json_words(",", "options", line);
    puts("}");
}

int route_list(struct admin *a, int argc, char **argv)
{
    (void)argc, (void)argv;
    return list(a, TABLE_ROUTES, json_route);
}

/* --- aliases --- */

static void put_alias(const struct admin *a, const struct alias_entry *e)
{
    struct span rest = span_bytes(&e->value);
    struct bytes target;
    const char *why, *between = "";
    if (!a->json) {
        say_text(span_bytes(&e->name));
        fputs(": ", stdout);
        say_text(rest);
        putchar('\n');
        return;
    }
    bytes_init(&target, ALIASES_VALUE_LIMIT);
    json_pair("{", "name", span_bytes(&e->name));
    fputs(",\"targets\":[", stdout);
    for (; alias_target_next(&rest, &target, &why); between = ",") {
        fputs(between, stdout);
        json_string(span_bytes(&target));
    }
    puts("]}");
    bytes_free(&target);
}

int alias_list(struct admin *a, int argc, char **argv)
{
    struct bytes text;
    struct alias_reader reader;
    struct alias_entry e;
    const char *why = NULL;
    (void)argc, (void)argv;
    int result = edit_read(a, TABLE_ALIASES, &text);
    alias_entry_init(&e);
    alias_reader_init(&reader, span_bytes(&text));
    while (result == EX_OK && alias_next(&reader, &e, &why))
        put_alias(a, &e);
    if (result == EX_OK && why)
        result = complain(EX_DATAERR, "%s/aliases:%u: %s", a->s.directory, e.line, why);
    alias_entry_free(&e);
    bytes_free(&text);
    return result;
}

/* --- accounts --- */

struct accounts {
    struct bytes domain;
    void *disabled; /* tsearch(3): addresses */
};

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static bool is_disabled(struct span line)
{
    struct span field[SECRETS_FIELDS], word;
    bool disabled = false;
    secrets_fields(line, field);
    while (secrets_next(&field[SECRETS_FIELDS - 1], &word))
        disabled |= span_eq_str(word, SECRETS_NOLOGIN) || span_starts(word, SECRETS_NOLOGIN "=");
    return disabled;
}

/* Whose line in secrets says so. */
static int find_disabled(struct admin *a, struct accounts *all)
{
    struct bytes text;
    struct span rest, line;
    struct address account;
    int result = edit_read(a, TABLE_SECRETS, &text);
    for (rest = span_bytes(&text); result == EX_OK && edit_next(&rest, &line);) {
        if (!is_disabled(line) || !tables_address(span_head(line, span_find(line, ':')),
                                                  span_bytes(&all->domain), &account))
            continue;
        char *copy = strdup(account.text);
        if (!copy || !tsearch(copy, &all->disabled, by_text))
            result = complain(EX_OSERR, "out of memory");
    }
    bytes_wipe(&text);
    return result;
}

static void put_account(const struct admin *a, const struct accounts *all, struct span line)
{
    struct span limits = line, word = take_word(&limits);
    struct address account;
    bool good = tables_address(word, span_bytes(&all->domain), &account);
    struct span address = good ? span_of(account.text) : word;
    if (!a->json) {
        say_text(address);
        putchar('\n');
        return;
    }
    bool disabled = good && tfind(account.text, &all->disabled, by_text);
    json_pair("{", "account", address);
    printf(",\"disabled\":%s", disabled ? "true" : "false");
    json_words(",", "limits", limits);
    puts("}");
}

int user_list(struct admin *a, int argc, char **argv)
{
    struct accounts all = { .disabled = NULL };
    struct bytes text;
    struct span rest, line;
    (void)argc, (void)argv;
    int result = edit_read(a, TABLE_ACCOUNTS, &text);
    int status = edit_first_domain(a, &all.domain);
    result = result == EX_OK ? status : result;
    if (result == EX_OK && a->json)
        result = find_disabled(a, &all);
    for (rest = span_bytes(&text); result == EX_OK && edit_next(&rest, &line);)
        put_account(a, &all, line);
    tdestroy(all.disabled, free);
    bytes_free(&all.domain);
    bytes_free(&text);
    return result;
}
