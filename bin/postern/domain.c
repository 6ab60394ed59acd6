/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern domain add|remove, relay add|remove, and postern tables.
 */
#include "admin.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* DOMAIN [= OTHER | relay [all]], as the line that the table gets for it. */
static int domain_arguments(int argc, char **argv, struct domain_entry *e, struct bytes *line)
{
    bytes_init(line, 1024);
    for (int i = 0; i < argc; i++)
        bytes_printf(line, "%s%s", i ? " " : "", argv[i]);
    if (span_find(span_bytes(line), '\n') < line->len || span_find(span_bytes(line), '#') < line->len)
        return complain(EX_DATAERR, "'%s': is no domain", bytes_str(line));
    const char *why = tables_domain_entry(span_bytes(line), e);
    if (line->failed || why)
        return complain(EX_DATAERR, "'%s': %s", bytes_str(line), line->failed ? "is too long" : why);
    bytes_clear(line);
    bytes_add_str(line, e->name);
    if (e->kind == DOMAIN_ALIAS)
        bytes_printf(line, " = %s", e->target);
    else if (e->kind != DOMAIN_OURS)
        bytes_add_str(line, e->kind == DOMAIN_RELAY ? " relay" : " relay all");
    return EX_OK;
}

static int add_locked(struct admin *a, const char *domain, const char *new)
{
    struct bytes text;
    struct span line;
    int result = edit_read(a, TABLE_DOMAINS, &text);
    bool there = result == EX_OK && edit_find(a, TABLE_DOMAINS, &text, domain, &line);
    if (there)
        result = complain(EX_DATAERR, "%s: is a domain of this server already", domain);
    if (result == EX_OK) {
        edit_append(&text, new);
        result = edit_write(a, TABLE_DOMAINS, &text);
    }
    bytes_free(&text);
    return result == EX_OK ? edit_compile_all(a) : result;
}

/* How many accounts a domain has. */
static int count_accounts(struct admin *a, const char *domain, unsigned *count)
{
    struct bytes text, first;
    struct span rest, line;
    struct address account;
    int result = edit_read(a, TABLE_ACCOUNTS, &text);
    if (result == EX_OK)
        result = edit_first_domain(a, &first);
    else
        bytes_init(&first, 0);
    *count = 0;
    for (rest = span_bytes(&text); result == EX_OK && edit_next(&rest, &line);)
        if (tables_address(tables_first_word(line), span_bytes(&first), &account) &&
            span_eq_str(address_domain(&account), domain))
            ++*count;
    bytes_free(&first);
    bytes_free(&text);
    return result;
}

static int remove_locked(struct admin *a, const char *domain, const char *ignored)
{
    (void)ignored;
    struct bytes text;
    struct span line;
    unsigned accounts = 0;
    int result = edit_read(a, TABLE_DOMAINS, &text);
    if (result == EX_OK && !edit_find(a, TABLE_DOMAINS, &text, domain, &line))
        result =
            complain(EX_NOHOST, "%s: is no domain of this server; `postern domain list` shows them", domain);
    if (result == EX_OK)
        result = count_accounts(a, domain, &accounts);
    if (result == EX_OK && accounts)
        result = complain(EX_DATAERR, "%s: has %u account%s; remove %s first (postern user remove)", domain,
                          accounts, accounts == 1 ? "" : "s", accounts == 1 ? "it" : "them");
    if (result == EX_OK) {
        edit_replace(&text, line, SPAN(""));
        result = edit_write(a, TABLE_DOMAINS, &text);
    }
    bytes_free(&text);
    return result == EX_OK ? edit_compile_all(a) : result;
}

/* Runs add_locked or remove_locked for the arguments, under the lock. */
static int change(struct admin *a, int argc, char **argv,
                  int (*locked)(struct admin *a, const char *domain, const char *line),
                  struct domain_entry *e)
{
    struct bytes line;
    int result = domain_arguments(argc, argv, e, &line);
    if (result == EX_OK)
        result = edit_lock(a);
    if (result == EX_OK) {
        result = locked(a, e->name, bytes_str(&line));
        edit_unlock(a);
    }
    bytes_free(&line);
    return result;
}

/* Mail from there is signed, where there is such. */
static int make_keys(struct admin *a, const struct domain_entry *e)
{
    bool made = false;
    if (e->kind != DOMAIN_OURS && e->kind != DOMAIN_ALIAS)
        return EX_OK;
    int result = edit_lock(a);
    if (result != EX_OK)
        return result;
    result = dkim_make_first(a, e->name, &made);
    edit_unlock(a);
    if (made && result == EX_OK)
        printf("Mail from %s is signed from now on: `postern dns %s` shows the records to publish.\n",
               e->name, e->name);
    return result;
}

int domain_add(struct admin *a, int argc, char **argv)
{
    struct domain_entry e;
    int result = change(a, argc, argv, add_locked, &e);
    if (result == EX_OK)
        result = make_keys(a, &e);
    if (result == EX_OK && e.kind == DOMAIN_RELAY)
        printf("Mail for %s is taken for recipients that `postern relay add` has named, and sent on.\n",
               e.name);
    return result;
}

int domain_remove(struct admin *a, int argc, char **argv)
{
    struct domain_entry e;
    return change(a, argc, argv, remove_locked, &e);
}

/* user@domain or @domain, in lower case. */
static int recipient_argument(const char *text, char to[ADDRESS_LIMIT + 4])
{
    struct address a;
    char domain[ADDRESS_DOMAIN_LIMIT + 1];
    bool all = text[0] == '@' && tables_domain(span_of(text + 1), domain);
    if (!all && (!strchr(text, '@') || !tables_address(span_of(text), SPAN(""), &a)))
        return complain(EX_DATAERR,
                        "%s: is no recipient; one looks like user@example.com, or @example.com for all",
                        text);
    if (all)
        snprintf(to, ADDRESS_LIMIT + 4, "@%s", domain);
    else
        snprintf(to, ADDRESS_LIMIT + 4, "%s", a.text);
    return EX_OK;
}

/* Mail for those of a domain that isn't relayed is refused, or delivered here. */
static void warn_domain(struct admin *a, const char *recipient)
{
    struct domain_entry e;
    bool there;
    const char *domain = strrchr(recipient, '@') + 1;
    int result = edit_domain(a, span_of(domain), &there, &e);
    if (result == EX_OK && (!there || (e.kind != DOMAIN_RELAY && e.kind != DOMAIN_RELAY_ALL)))
        complain(EX_OK, "warning: mail for %s isn't relayed until `postern domain add %s relay`%s", domain,
                 domain, there ? ", for which it must be removed first" : "");
}

static int change_recipients(struct admin *a, int argc, char **argv, bool add)
{
    struct bytes text;
    struct span line;
    char recipient[ADDRESS_LIMIT + 4];
    int result = edit_read(a, TABLE_RELAY, &text);
    for (int i = 0; result == EX_OK && i < argc; i++) {
        result = recipient_argument(argv[i], recipient);
        bool there = result == EX_OK && edit_find(a, TABLE_RELAY, &text, recipient, &line);
        if (result == EX_OK && add && !there)
            edit_append(&text, recipient);
        else if (there && !add)
            edit_replace(&text, line, SPAN(""));
        else if (result == EX_OK && !add)
            result = complain(EX_NOUSER, "%s: is no recipient for whom mail is relayed", recipient);
    }
    if (result == EX_OK)
        result = edit_write(a, TABLE_RELAY, &text);
    for (int i = 0; result == EX_OK && add && i < argc; i++)
        if (recipient_argument(argv[i], recipient) == EX_OK)
            warn_domain(a, recipient);
    bytes_free(&text);
    return result;
}

static int change_relay(struct admin *a, int argc, char **argv, bool add)
{
    int result = edit_lock(a);
    if (result != EX_OK)
        return result;
    result = change_recipients(a, argc, argv, add);
    edit_unlock(a);
    return result;
}

int relay_add(struct admin *a, int argc, char **argv)
{
    return change_relay(a, argc, argv, true);
}

int relay_remove(struct admin *a, int argc, char **argv)
{
    return change_relay(a, argc, argv, false);
}

int tables_command(struct admin *a, int argc, char **argv)
{
    (void)argc, (void)argv;
    int result = edit_lock(a);
    if (result != EX_OK)
        return result;
    result = edit_compile_all(a);
    if (result == EX_OK)
        alias_say_count(a);
    edit_unlock(a);
    if (result == EX_OK)
        user_warn_scram(a);
    return result;
}
