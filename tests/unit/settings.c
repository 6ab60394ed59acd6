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
    static const struct {
        const char *name, *text, *expected;
    } rows[] = {
        { "unknown key", "hostname a.test\nbogus 1\n", ":2: bogus: no such setting" },
        { "bad size", "message-size 12Q\n", ":1: message-size: must be" },
        { "no size", "message-size 0\n", ":1: message-size: must be a size" },
        { "overflow", "message-size 99999999999999999999\n", ":1: message-size: must be" },
        { "bad bool", "\n\nplaintext-login maybe\n", ":3: plaintext-login: must be yes or no" },
        { "bad network", "networks 10.0.0.0/33\n", ":1: networks: must be" },
        { "bad port", "smtp-port 0\n", ":1: smtp-port: must be" },
        { "no addresses", "addresses 192.0.2.1/32\n", ":1: addresses: must be" },
        { "bad host", "hostname a b\n", ":1: hostname: must be" },
        { "bad sandbox", "sandbox off\n", ":1: sandbox: must be" },
        { "a certificate without a key", "certificate mail.a.test cert.pem\n",
          ":1: certificate: must be a host name" },
        { "a certificate for nothing", "certificate *. cert.pem key.pem\n",
          ":1: certificate: must be a host name" },
        { "a certificate for a wrong name", "certificate a*.test cert.pem key.pem\n",
          ":1: certificate: must be a host name" },
        { "a filter by no address", "milter /run/x.sock\n",
          ":1: milter: must begin with a filter's address" },
        { "a filter without a port", "milter inet:127.0.0.1\n",
          ":1: milter: must begin with a filter's address" },
        { "a filter at port 0", "milter inet:127.0.0.1:0\n",
          ":1: milter: must begin with a filter's address" },
        { "a filter at an IPv6 address without brackets", "milter inet:::1:99\n",
          ":1: milter: must begin with" },
        { "a filter at no host", "milter inet::99\n", ":1: milter: must begin with a filter's address" },
        { "a filter at a network", "milter inet:[::1/64]:99\n",
          ":1: milter: must begin with a filter's address" },
        { "a filter without a time", "milter unix:x timeout=0\n", ":1: milter: takes timeout=30s" },
        { "a filter with another fate", "milter unix:x down=drop\n", ":1: milter: takes timeout=30s" },
        { "a filter for nobody", "milter unix:x for=\n", ":1: milter: takes timeout=30s" },
        { "a filter and more", "milter unix:x for=in more\n", ":1: milter: takes timeout=30s" },
        { "a certificate and more", "certificate a.test cert.pem key.pem x\n",
          ":1: certificate: must be a host name" },
        { "no zone", "dns-block zen.test=127.0.0.256\n", ":1: dns-block: must be" },
        { "no word", "helo-check maybe\n", ":1: helo-check: must be off, own, mark" },
        { "a word of another", "reverse-dns own\n", ":1: reverse-dns: must be off, mark" },
        { "no domain", "arc-trust a.test localhost\n", ":1: arc-trust: must be domains" },
        { "a domain with an underscore or what else", "arc-trust a.test b_.test,c.test\n",
          ":1: arc-trust: must be domains" },
        { "a folder without a time", "expire Trash\n", ":1: expire: must be a folder and the time" },
        { "a folder for no time", "expire Trash 0\n", ":1: expire: must be a folder and the time" },
        { "a time for no folder", "expire 30d\n", ":1: expire: must be a folder and the time" },
        { "a path", "expire a/b 30d\n", ":1: expire: must be a folder and the time" },
        { "no per cent", "quota-warning\n", ":1: quota-warning: must be off" },
        { "too many of them", "quota-warning 101\n", ":1: quota-warning: must be off" },
        { "not ascending", "quota-warning 50 50\n", ":1: quota-warning: must be off" },
        { "nine", "quota-warning 1 2 3 4 5 6 7 8 9\n", ":1: quota-warning: must be off" },
        { "empty path", "spool\n", ":1: spool: needs a path" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct settings s;
        enum status st = load(rows[i].text, &s, error);
        ok(st == ST_PERM && strstr(bytes_str(error), rows[i].expected) && strstr(bytes_str(error), path),
           "%s: %s", rows[i].name, bytes_str(error));
    }
}

static void milters(struct bytes *error)
{
    struct settings s, again;
    struct bytes out;
    bytes_init(&out, 100000);
    ok(load(
           "milter unix:run/a.sock\nmilter inet:[::1]:11332 for=in down=accept timeout=2m\nmilter inet:localhost:99 "
           "down=refuse for=submission\nmilter unix:/tmp/run/a.sock timeout=5\n",
           &s, error) == ST_OK &&
           s.milter_count == 3,
       "three filters");
    const struct milter_setting *m = s.milters;
    ok(strcmp(m[0].path, "/tmp/run/a.sock") == 0 && m[0].timeout == 5 && m[0].down == MILTER_DOWN_DEFER &&
           m[0].uses == MILTER_FOR_ALL,
       "a second line with the same address replaces the first, in its place");
    ok(!m[1].path && strcmp(m[1].host, "::1") == 0 && strcmp(m[1].port, "11332") == 0 &&
           m[1].timeout == 120 && m[1].down == MILTER_DOWN_ACCEPT && m[1].uses == MILTER_FOR_IN,
       "one by IPv6");
    ok(strcmp(m[2].host, "localhost") == 0 && m[2].timeout == 30 && m[2].down == MILTER_DOWN_REFUSE &&
           m[2].uses == MILTER_FOR_SUBMISSION, "one by name");
    settings_print(&s, &out);
    settings_free(&s);
    ok(strstr(bytes_str(&out), "milter inet:[::1]:11332 timeout=120 down=accept for=in\n") &&
           load(bytes_str(&out), &again, error) == ST_OK && again.milter_count == 3,
       "they are printed as read");
    settings_free(&again);
    ok(load("milter unix:a\nmilter\n", &s, error) == ST_OK && s.milter_count == 0, "none after all");
    settings_free(&s);
    bytes_clear(&out);
    for (int i = 0; i < 17; i++)
        bytes_printf(&out, "milter unix:%d\n", i);
    ok(load(bytes_str(&out), &s, error) == ST_PERM &&
           strstr(bytes_str(error), ":17: milter: is one too many"),
       "17 filters are one too many");
    bytes_free(&out);
}

static void upkeep(struct bytes *error)
{
    struct settings s, again;
    struct bytes out;
    bytes_init(&out, 100000);
    ok(load(
           "expire Trash 30d\nexpire  Deleted Items\t12h\nexpire Junk 1d\nexpire Trash 7d\nexpire Junk off\nquota-warning 50 \t90\n",
           &s, error) == ST_OK &&
           s.expiry_count == 2,
       "two folders");
    const struct expiry_setting *e = s.expiries;
    ok(strcmp(e[0].folder, "Deleted Items") == 0 && e[0].seconds == 43200, "one with a blank in its name");
    ok(strcmp(e[1].folder, "Trash") == 0 && e[1].seconds == 604800, "the last line of a folder wins");
    ok(s.quota_warnings.count == 2 && s.quota_warnings.percent[0] == 50 && s.quota_warnings.percent[1] == 90,
       "two thresholds");
    settings_print(&s, &out);
    settings_free(&s);
    ok(strstr(bytes_str(&out), "\nexpire Deleted Items 43200\nexpire Trash 604800\n") &&
           strstr(bytes_str(&out), "\nquota-warning 50 90\n") &&
           load(bytes_str(&out), &again, error) == ST_OK && again.expiry_count == 2 &&
           again.quota_warnings.count == 2,
       "they are printed as read");
    settings_free(&again);
    ok(load("expire a 1d\nexpire b 1d\nexpire off\nquota-warning off\n", &s, error) == ST_OK &&
           s.expiry_count == 0 && s.quota_warnings.count == 0,
       "none after all");
    bytes_clear(&out);
    settings_print(&s, &out);
    settings_free(&s);
    ok(strstr(bytes_str(&out), "\nexpire \n") && strstr(bytes_str(&out), "\nquota-warning off\n") &&
           load(bytes_str(&out), &again, error) == ST_OK && again.expiry_count == 0 &&
           again.quota_warnings.count == 0,
       "which is printed, and read");
    settings_free(&again);
    bytes_clear(&out);
    for (int i = 0; i < 101; i++)
        bytes_printf(&out, "expire %d 1d\n", i);
    ok(load(bytes_str(&out), &s, error) == ST_PERM &&
           strstr(bytes_str(error), ":101: expire: is one too many"),
       "101 folders are one too many");
    bytes_free(&out);
}

static size_t certificate_of(const struct settings *s, const char *name)
{
    return settings_certificate_of(s, span_of(name));
}

static void certificates(struct bytes *error)
{
    struct settings s, again;
    struct bytes out;
    bytes_init(&out, 65536);
    ok(load(
           "certificate *.A.test wild.pem /keys/wild.key\ncertificate mail.a.test\tx.pem x.key\ncertificate b.test b.pem b.key\n"
           "certificate Mail.a.test mail.pem mail.key\n",
           &s, error) == ST_OK &&
           s.certificate_count == 3,
       "three certificates");
    ok(strcmp(s.certificates[1].certificate, "/tmp/mail.pem") == 0 &&
           strcmp(s.certificates[0].key, "/keys/wild.key") == 0,
       "the last line of a domain wins; paths are relative to the file");
    ok(certificate_of(&s, "MAIL.a.test") == 1 && certificate_of(&s, "imap.a.test") == 0,
       "the whole name, then the wildcard");
    ok(certificate_of(&s, "a.test") == 3 && certificate_of(&s, "x.y.a.test") == 3 &&
           certificate_of(&s, ".a.test") == 3 && certificate_of(&s, "") == 3 &&
           certificate_of(&s, "*.b.test") == 3,
       "a wildcard is one label");
    ok(certificate_of(&s, "b.test") == 2 && certificate_of(&s, "b.test.") == 3, "another");
    settings_print(&s, &out);
    ok(strstr(bytes_str(&out), "certificate mail.a.test /tmp/mail.pem /tmp/mail.key\n") &&
           load(bytes_str(&out), &again, error) == ST_OK && again.certificate_count == 3,
       "they are printed as read");
    settings_free(&again);
    settings_free(&s);
    ok(load("certificate a.test a b\ncertificate\n", &s, error) == ST_OK && s.certificate_count == 0,
       "none after all");
    settings_free(&s);
    bytes_clear(&out);
    for (int i = 0; i <= SETTINGS_CERTIFICATES; i++)
        bytes_printf(&out, "certificate d%d.test c k\n", i);
    ok(load(bytes_str(&out), &s, error) == ST_PERM &&
           strstr(bytes_str(error), ":101: certificate: is one too many"),
       "too many: %s", bytes_str(error));
    bytes_free(&out);
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
    ok(settings_mail_root(&s, &out) && strcmp(bytes_str(&out), "/var/mail/postern") == 0,
       "the root of all Maildirs");
    bytes_clear(&out);
    settings_print(&s, &out);
    ok(strstr(bytes_str(&out), "networks 10.1.0.0/16 2001:db8::/33\n") != NULL,
       "networks are printed as read");
    struct settings again;
    ok(load(bytes_str(&out), &again, &error) == ST_OK, "what is printed can be read again: %s",
       bytes_str(&error));
    settings_free(&again);
    settings_free(&s);
    wrong_lines(&error);
    certificates(&error);
    milters(&error);
    upkeep(&error);
    unlink(path);
    ok(settings_load(path, &s, &error) == ST_NONE, "a missing file is ST_NONE");
    bytes_free(&out);
    bytes_free(&error);
    return done_testing();
}
