/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern domain add|remove|list, and postern tables.
 */
#include "admin.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* The argument as a domain in lower case, by the parser that reads it later. */
static int domain_argument(const char *text, struct bytes *domain)
{
    char probe[ADDRESS_LIMIT + 4];
    struct address a;
    bytes_init(domain, ADDRESS_DOMAIN_LIMIT);
    int n = snprintf(probe, sizeof probe, "x@%s", text);
    if (n < 0 || (size_t)n >= sizeof probe || !tables_address(span_of(probe), SPAN(""), &a) ||
        address_domain(&a).p[0] == '[')
        return complain(EX_DATAERR, "%s: is no domain name; one looks like example.org", text);
    bytes_add_span(domain, address_domain(&a));
    return EX_OK;
}

static int add_locked(struct admin *a, const char *domain)
{
    struct bytes text;
    struct span line;
    int result = edit_read(a, TABLE_DOMAINS, &text);
    bool there = result == EX_OK && edit_find(a, TABLE_DOMAINS, &text, domain, &line);
    if (there)
        result = complain(EX_DATAERR, "%s: is a domain of this server already", domain);
    if (result == EX_OK) {
        edit_append(&text, domain);
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

static int remove_locked(struct admin *a, const char *domain)
{
    struct bytes text;
    struct span line;
    unsigned accounts = 0;
    int result = edit_read(a, TABLE_DOMAINS, &text);
    if (result == EX_OK && !edit_find(a, TABLE_DOMAINS, &text, domain, &line))
        result = complain(EX_NOHOST, "%s: is no domain of this server", domain);
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

/* Runs add_locked or remove_locked for the argument, under the lock. */
static int change(struct admin *a, const char *argument, int (*locked)(struct admin *a, const char *domain))
{
    struct bytes domain;
    int result = domain_argument(argument, &domain);
    if (result == EX_OK)
        result = edit_lock(a);
    if (result == EX_OK) {
        result = locked(a, bytes_str(&domain));
        edit_unlock(a);
    }
    bytes_free(&domain);
    return result;
}

int domain_add(struct admin *a, int argc, char **argv)
{
    (void)argc;
    return change(a, argv[0], add_locked);
}

int domain_remove(struct admin *a, int argc, char **argv)
{
    (void)argc;
    return change(a, argv[0], remove_locked);
}

int domain_list(struct admin *a, int argc, char **argv)
{
    struct bytes text;
    struct span rest, line;
    (void)argc, (void)argv;
    int result = edit_read(a, TABLE_DOMAINS, &text);
    for (rest = span_bytes(&text); result == EX_OK && edit_next(&rest, &line);) {
        say_text(line);
        putchar('\n');
    }
    bytes_free(&text);
    return result;
}

int tables_command(struct admin *a, int argc, char **argv)
{
    (void)argc, (void)argv;
    int result = edit_lock(a);
    if (result != EX_OK)
        return result;
    result = edit_compile_all(a);
    edit_unlock(a);
    if (result == EX_OK)
        user_warn_scram(a);
    return result;
}
