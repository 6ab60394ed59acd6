/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Routes: the lines of their table, good and wrong, which of them a recipient has, and the file with their
 * logins.
 */
#include "store.h"

#include "base/files.h"
#include "store/routes.h"
#include "store/tables.h"

#define LITERAL6 "smtp:[IPv6:2001:db8::1]"

static const struct {
    const char *line, *who, *hop; /* hop: as it is written again; NULL: wrong */
} lines[] = {
    { "* smtp:[Mail.Isp.Example]:587 tls=verify auth", "*", "smtp:[mail.isp.example]:587 tls=verify auth" },
    { "* smtp:[mail.isp.example]:587 auth", "*", "smtp:[mail.isp.example]:587 tls=verify auth" },
    { "* smtp:[mail.isp.example] auth tls=none", "*", "smtp:[mail.isp.example] tls=none auth" },
    { "Example.ORG\tgate.example.net", "example.org", "smtp:gate.example.net" },
    { ".example.org gate.example.net:25", ".example.org", "smtp:gate.example.net:25" },
    { "example.org smtp:[192.0.2.1]:2525", "example.org", "smtp:[192.0.2.1]:2525" },
    { "example.org [2001:db8::1]", "example.org", LITERAL6 },
    { "example.org [IPv6:2001:db8::1]:26", "example.org", LITERAL6 ":26" },
    { "example.org smtps:mail.example", "example.org", "smtps:mail.example tls=encrypt" },
    { "example.org smtps:mail.example auth", "example.org", "smtps:mail.example tls=verify auth" },
    { "example.org lmtp:unix:/run/lists/Lmtp", "example.org", "lmtp:unix:/run/lists/Lmtp" },
    { "example.org lmtp:box.example:24 tls=encrypt", "example.org", "lmtp:[box.example]:24 tls=encrypt" },
    { "user@Example.org direct", "user@example.org", "direct" },
    { "* DIRECT", "*", "direct" },
    { "example.org", NULL, NULL },
    { "example.org smtp:", NULL, NULL },
    { "example.org smtp:[", NULL, NULL },
    { "example.org smtp:[]", NULL, NULL },
    { "example.org smtp:[a.example", NULL, NULL },
    { "example.org smtp:[a.example]587", NULL, NULL },
    { "example.org smtp:a.example:0", NULL, NULL },
    { "example.org smtp:a.example:65536", NULL, NULL },
    { "example.org smtp:a.example:x", NULL, NULL },
    { "example.org smtp:a@b.example", NULL, NULL },
    { "example.org uucp:a.example", NULL, NULL },
    { "example.org smtp:unix:/run/x", NULL, NULL },
    { "example.org lmtp:unix:run/x", NULL, NULL },
    { "example.org lmtp:unix:/", NULL, NULL },
    { "example.org lmtp:unix:/run/x tls=verify", NULL, NULL },
    { "example.org lmtp:unix:/run/x auth", NULL, NULL },
    { "example.org a.example tls=strong", NULL, NULL },
    { "example.org a.example tls=", NULL, NULL },
    { "example.org a.example secret", NULL, NULL },
    { "example.org smtps:a.example tls=none", NULL, NULL },
    { "example.org [192.0.2.1] auth", NULL, NULL },
    { "example.org direct auth", NULL, NULL },
    { "example.org direct tls=none", NULL, NULL },
    { ". a.example", NULL, NULL },
    { "a..b a.example", NULL, NULL },
    { "*.example.org a.example", NULL, NULL },
    { "@example.org a.example", NULL, NULL },
    { "", NULL, NULL },
};

static void each_line(void)
{
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct bytes who, text;
        struct hop h, again;
        bytes_init(&who, ADDRESS_LIMIT);
        bytes_init(&text, HOP_TEXT_LIMIT);
        const char *why = hop_line(span_of(lines[i].line), &who, &h);
        if (!why)
            hop_write(&h, &text);
        bool good = !why == (lines[i].hop != NULL);
        if (!why && good)
            good = strcmp(bytes_str(&who), lines[i].who) == 0 &&
                   strcmp(bytes_str(&text), lines[i].hop) == 0 && !hop_read(span_bytes(&text), &again) &&
                   memcmp(&h, &again, sizeof h) == 0;
        ok(good, "%s: %s", lines[i].line, why ? why : bytes_str(&text));
        bytes_free(&who);
        bytes_free(&text);
    }
    char path[200] = "x lmtp:unix:/";
    struct bytes who;
    struct hop h;
    bytes_init(&who, ADDRESS_LIMIT);
    memset(path + strlen(path), 'p', 106);
    ok(!hop_line(span_of(path), &who, &h), "a path of 107 bytes");
    path[strlen(path)] = 'p';
    ok(hop_line(span_of(path), &who, &h) != NULL, "one of 108 is none for a socket");
    bytes_free(&who);
}

static const char table[] = "# where to\n"
                            "boss@far.test direct\nfar.test smtp:[one.test]\n.far.test smtp:[two.test]\n"
                            ".deep.far.test smtp:[three.test]\n* smtp:[hub.test]:587 auth\n";

static const struct {
    const char *to, *hop;
} rows[] = {
    { "any@far.test", "smtp:[one.test]" },
    { "ANY@far.test", "smtp:[one.test]" },
    { "Boss@far.test", "direct" },
    { "any@a.far.test", "smtp:[two.test]" },
    { "any@a.b.far.test", "smtp:[two.test]" },
    { "any@deep.far.test", "smtp:[two.test]" },
    { "any@x.deep.far.test", "smtp:[three.test]" },
    { "any@notfar.test", "smtp:[hub.test]:587 tls=verify auth" },
    { "any@[192.0.2.1]", "smtp:[hub.test]:587 tls=verify auth" },
};

static void each_row(struct routes *r)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct address a;
        struct bytes text;
        struct hop h;
        bytes_init(&text, HOP_TEXT_LIMIT);
        if (address_parse(span_of(rows[i].to), &a) != ADDRESS_OK)
            abort();
        enum status st = routes_find(r, &a, &h);
        hop_write(&h, &text);
        ok(st == ST_OK && strcmp(bytes_str(&text), rows[i].hop) == 0, "%s: %s", rows[i].to, bytes_str(&text));
        bytes_free(&text);
    }
}

static const char secrets[] =
    "# logins\n[hub.test]:587 alice  a secret: with blanks \nhub.test bob other\nshort.test carol\n"
    "[192.0.2.1] dave x\n";

static const struct {
    const char *hop, *login; /* NULL: none */
} logins[] = {
    { "smtp:[hub.test]:587 auth", "alice/a secret: with blanks" },
    { "smtp:[hub.test] auth", "bob/other" },
    { "smtps:hub.test:465 auth", "bob/other" },
    { "smtp:[192.0.2.1]:26 auth tls=encrypt", "dave/x" },
    { "smtp:[192.0.2.2] auth tls=encrypt", NULL },
    { "smtp:[b.test] auth", NULL },
};

static void each_login(const struct settings *s)
{
    struct route_login login;
    struct bytes why;
    struct hop h;
    bytes_init(&why, 1000);
    for (size_t i = 0; i < sizeof logins / sizeof logins[0]; i++) {
        char got[1000];
        hop_read(span_of(logins[i].hop), &h);
        enum status st = routes_login(s, &h, &login, &why);
        snprintf(got, sizeof got, "%s/%s", login.name, login.password);
        ok(logins[i].login ? st == ST_OK && strcmp(got, logins[i].login) == 0 : st == ST_NONE,
           "the login for %s", logins[i].hop);
    }
    hop_read(SPAN("smtp:short.test auth"), &h);
    ok(routes_login(s, &h, &login, &why) == ST_TEMP && strstr(bytes_str(&why), "host, name, password"),
       "half a line: %s", bytes_str(&why));
    hop_read(SPAN("smtp:hub.test auth"), &h);
    static const mode_t modes[] = { 0640, 0604, 0620, 0660 };
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        chmod("route-secrets", modes[i]);
        bytes_clear(&why);
        ok(routes_login(s, &h, &login, &why) == ST_TEMP && strstr(bytes_str(&why), "mode 0600"),
           "not with mode %o", modes[i]);
    }
    chmod("route-secrets", 0600);
    ok(rename("route-secrets", "elsewhere") == 0 && symlink("elsewhere", "route-secrets") == 0 &&
           routes_login(s, &h, &login, &why) == ST_TEMP,
       "and not by a symbolic link");
    unlink("route-secrets");
    ok(routes_login(s, &h, &login, &why) == ST_NONE, "without the file there is none");
    bytes_free(&why);
}

int main(void)
{
    struct settings s;
    struct routes *r;
    struct bytes error;
    struct address a;
    struct hop h;
    bytes_init(&error, 1000);
    scratch_make("routes");
    if (file_replace(AT_FDCWD, "postern.conf", SPAN("spool spool\n"), 0600) != ST_OK ||
        settings_load("postern.conf", &s, &error) != ST_OK ||
        address_parse(SPAN("a@b.test"), &a) != ADDRESS_OK)
        abort();
    each_line();
    ok(routes_open(&s, &r) == ST_OK && !r && routes_find(r, &a, &h) == ST_OK && h.direct,
       "without a text all mail is direct");
    file_replace(AT_FDCWD, "routes", span_of(table), 0600);
    ok(routes_open(&s, &r) == ST_TEMP, "a text without its table can't be read");
    ok(tables_compile(&s, TABLE_ROUTES, &error) == ST_OK, "it is compiled %s", bytes_str(&error));
    if (ok(routes_open(&s, &r) == ST_OK && r, "and opened"))
        each_row(r);
    routes_close(r);
    ok(tables_check(&s, TABLE_ROUTES, SPAN("x.test direct\ny.test fish:z\n"), &error) == ST_PERM &&
           strstr(bytes_str(&error), "routes:2: y.test fish:z: is no place"),
       "a mistake is named: %s", bytes_str(&error));
    file_replace(AT_FDCWD, "route-secrets", span_of(secrets), 0600);
    each_login(&s);
    settings_free(&s);
    bytes_free(&error);
    scratch_remove();
    return done_testing();
}
