/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern.conf: values, defaults, and errors that name file, line and key.
 */
#include "tap.h"

#include "base/settings.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/postern-settings-XXXXXX";

static enum status load(const char *text, struct settings *s, struct bytes *error)
{
    FILE *f = fopen(path, "w");
    if (!f)
        abort();
    fputs(text, f);
    fclose(f);
    bytes_clear(error);
    return settings_load(path, s, error);
}

static void wrong_lines(struct bytes *error)
{
    static const struct { const char *name, *text, *expected; } rows[] = {
        { "unknown key", "hostname a.test\nbogus 1\n", ":2: bogus: no such setting" },
        { "bad size", "message-size 12Q\n", ":1: message-size: must be" },
        { "overflow", "message-size 99999999999999999999\n", ":1: message-size: must be" },
        { "bad bool", "\n\nplaintext-login maybe\n", ":3: plaintext-login: must be yes or no" },
        { "bad network", "networks 10.0.0.0/33\n", ":1: networks: must be" },
        { "bad port", "smtp-port 0\n", ":1: smtp-port: must be" },
        { "bad host", "hostname a b\n", ":1: hostname: must be" },
        { "bad sandbox", "sandbox off\n", ":1: sandbox: must be" },
        { "empty path", "spool\n", ":1: spool: needs a path" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct settings s;
        enum status st = load(rows[i].text, &s, error);
        ok(st == ST_PERM && strstr(bytes_str(error), rows[i].expected) && strstr(bytes_str(error), path),
           "%s: %s", rows[i].name, bytes_str(error));
    }
}

static bool trusts(const struct settings *s, const char *v6)
{
    struct in6_addr a;
    return inet_pton(AF_INET6, v6, &a) == 1 && settings_trusts(s, &a);
}

int main(void)
{
    struct bytes error, out;
    struct settings s;
    bytes_init(&error, 4096);
    bytes_init(&out, 65536);
    close(mkstemp(path));

    ok(load("# nothing\n\nhostname mx.test\nmessage-size 2M\ntimeout 2m\nhostname last.test\r\n"
            "networks 10.1.0.0/16 2001:db8::/33\nspool queue/here\nplaintext-login yes", &s, &error) == ST_OK,
       "a file is read");
    ok(strcmp(s.hostname, "last.test") == 0, "the last line of a key wins");
    ok(s.message_size == 2097152 && s.timeout == 120 && s.plaintext_login, "units and yes");
    ok(strcmp(s.spool, "/tmp/queue/here") == 0, "relative paths are relative to the file: %s", s.spool);
    ok(trusts(&s, "::ffff:10.1.255.1") && !trusts(&s, "::ffff:10.2.0.1"), "IPv4 networks");
    ok(trusts(&s, "2001:db8:7fff::1") && !trusts(&s, "2001:db8:8000::1"), "IPv6 networks with an odd prefix");
    ok(settings_maildir(&s, SPAN("Bob"), SPAN("Example.ORG"), &out) &&
           strcmp(bytes_str(&out), "/var/mail/postern/example.org/bob") == 0, "a Maildir's path");
    bytes_clear(&out);
    ok(!settings_maildir(&s, SPAN("../x"), SPAN("example.org"), &out), "no path from a name with a slash");
    bytes_clear(&out);
    ok(!settings_maildir(&s, SPAN(".."), SPAN("example.org"), &out), "no path from dots");
    bytes_clear(&out);
    ok(settings_mail_root(&s, &out) && strcmp(bytes_str(&out), "/var/mail/postern") == 0, "the root of all Maildirs");
    bytes_clear(&out);
    settings_print(&s, &out);
    ok(strstr(bytes_str(&out), "networks 10.1.0.0/16 2001:db8::/33\n") != NULL, "networks are printed as read");
    struct settings again;
    ok(load(bytes_str(&out), &again, &error) == ST_OK, "what is printed can be read again: %s", bytes_str(&error));
    settings_free(&again);
    settings_free(&s);
    wrong_lines(&error);
    unlink(path);
    ok(settings_load(path, &s, &error) == ST_NONE, "a missing file is ST_NONE");
    bytes_free(&out);
    bytes_free(&error);
    return done_testing();
}
