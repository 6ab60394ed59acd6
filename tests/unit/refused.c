/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table `refused`: its lines, good and wrong, and who is found in it.
 */
#include "store.h"

#include "base/files.h"
#include "store/refused.h"
#include "store/tables.h"

#include <arpa/inet.h>

static const struct {
    const char *line, *key; /* key NULL: wrong */
    const char *text;
} lines[] = {
    { "from bad@far.test", "from bad@far.test", "" },
    { "from\tBad@FAR.test \t Their  text ", "from bad@far.test", "Their  text" },
    { "FROM far.test x", "from far.test", "x" },
    { "to .far.test", "to .far.test", "" },
    { "from <>", "from ", "" },
    { "client 192.0.2.1", "client 00000000000000000000ffffc0000201/128", "" },
    { "client 192.0.2.77/24 no", "client 00000000000000000000ffffc0000200/120", "no" },
    { "client 2001:db8::1/33", "client 20010db8000000000000000000000000/33", "" },
    { "client ::/0", "client 00000000000000000000000000000000/0", "" },
    { "client 10.0.0.0/33", NULL, "" },
    { "client far.test", NULL, "" },
    { "client", NULL, "" },
    { "from", NULL, "" },
    { "from a@b@c", NULL, "" },
    { "from @", NULL, "" },
    { "from .", NULL, "" },
    { "from a..b", NULL, "" },
    { "sender a@b.test", NULL, "" },
    { "a@b.test", NULL, "" },
    { "from a@b.test caf\xc3\xa9", NULL, "" },
    { "from a@b.test x\x01y", NULL, "" },
    { "", NULL, "" },
};

static void each_line(void)
{
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct refused_entry e;
        const char *why = refused_read(span_of(lines[i].line), &e);
        bool good =
            !why == (lines[i].key != NULL) &&
            (why || (span_eq_str(span_bytes(&e.key), lines[i].key) && span_eq_str(e.text, lines[i].text)));
        ok(good, "line %zu: %s", i, why ? why : bytes_str(&e.key));
        refused_entry_free(&e);
    }
    char longer[300] = "from a@b.test ";
    struct refused_entry e;
    memset(longer + strlen(longer), 'x', 201);
    ok(refused_read(span_of(longer), &e) != NULL, "a text of 201 letters");
    refused_entry_free(&e);
    longer[strlen(longer) - 1] = '\0';
    ok(refused_read(span_of(longer), &e) == NULL, "one of 200");
    refused_entry_free(&e);
}

static const char table[] = "# who is refused\n"
                            "from bad@far.test\nfrom worse.test Go away\nfrom .sub.test\nfrom <>\n"
                            "to old@here.test Moved\n"
                            "client 192.0.2.0/24\nclient 192.0.2.7 you\nclient 2001:db8::/32 six\n";

static const struct {
    const char *kind, *who;
    const char *text; /* NULL: not refused */
} rows[] = {
    { "from", "bad@far.test", "" },         { "from", "BAD@far.test", "" },
    { "from", "good@far.test", NULL },      { "from", "any@worse.test", "Go away" },
    { "from", "any@not.worse.test", NULL }, { "from", "any@sub.test", NULL },
    { "from", "any@a.sub.test", "" },       { "from", "any@a.b.c.sub.test", "" },
    { "from", "any@xsub.test", NULL },      { "from", "", "" },
    { "to", "old@here.test", "Moved" },     { "to", "bad@far.test", NULL },
    { "from", "old@here.test", NULL },      { "client", "192.0.2.9", "" },
    { "client", "192.0.2.7", "you" },       { "client", "192.0.3.7", NULL },
    { "client", "2001:db8:1::1", "six" },   { "client", "2001:db9::1", NULL },
};

static enum status find(struct refused *r, const char *kind, const char *who, struct bytes *text)
{
    struct address a = { 0 };
    struct in6_addr client;
    char v6[64];
    if (strcmp(kind, "client") == 0) {
        snprintf(v6, sizeof v6, strchr(who, ':') ? "%s" : "::ffff:%s", who);
        if (inet_pton(AF_INET6, v6, &client) != 1)
            abort();
        return refused_client(r, &client, text);
    }
    if (who[0] && address_parse(span_of(who), &a) != ADDRESS_OK)
        abort();
    return refused_address(r, kind, &a, "+", text);
}

static void each_row(const struct settings *s)
{
    struct refused *r;
    struct bytes text;
    bytes_init(&text, 1000);
    if (!ok(refused_open(s, &r) == ST_OK, "it is opened"))
        return;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bytes_clear(&text);
        enum status st = find(r, rows[i].kind, rows[i].who, &text);
        ok(rows[i].text ? st == ST_OK && strcmp(bytes_str(&text), rows[i].text) == 0 : st == ST_NONE,
           "%s %s: %s", rows[i].kind, rows[i].who, rows[i].text ? "refused" : "not refused");
    }
    refused_close(r);
    bytes_free(&text);
}

int main(void)
{
    struct settings s;
    struct refused *r;
    struct bytes error;
    bytes_init(&error, 1000);
    scratch_make("refused");
    if (file_replace(AT_FDCWD, "postern.conf", SPAN("spool spool\n"), 0600) != ST_OK ||
        settings_load("postern.conf", &s, &error) != ST_OK)
        abort();
    each_line();
    ok(refused_open(&s, &r) == ST_NONE && !r, "without a text nobody is refused");
    file_replace(AT_FDCWD, "refused", span_of(table), 0600);
    ok(refused_open(&s, &r) == ST_TEMP, "a text without its table can't be read");
    ok(tables_compile(&s, TABLE_REFUSED, &error) == ST_OK, "it is compiled %s", bytes_str(&error));
    each_row(&s);
    ok(tables_check(&s, TABLE_REFUSED, SPAN("from x.test\nclient nobody\n"), &error) == ST_PERM &&
           strstr(bytes_str(&error), "refused:2: client nobody: is no address or network"),
       "a mistake is named: %s", bytes_str(&error));
    settings_free(&s);
    bytes_free(&error);
    scratch_remove();
    return done_testing();
}
