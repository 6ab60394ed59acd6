/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Domains, accounts and aliases: what an address leads to, and that a failure to look is never "unknown".
 */
#include "tap.h"

#include "base/clock.h"
#include "base/files.h"
#include "store/directory.h"
#include "store/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16
#define X249 X64 X64 X64 X16 X16 X16 "xxxxxxxxx"

static const struct settings *settings;
static char folder[] = "/tmp/postern-directory-XXXXXX";

static const char domains[] = "# ours\nother.test = second.test\nExample.test\nsecond.test\n"
                              "third.test = Example.TEST\nbackup.test relay\nall.test  relay  all\n";
static const char accounts[] = "alice@example.test\nBob@Example.Test\ncarol\neve@second.test\n"
                               "carol+x@example.test\nfrank@example.test\n";
static const char recipients[] = "# of backup.test\njoe@Backup.test\nanne+lists@backup.test\n";
static const char aliases[] =
    "postmaster: alice@example.test\n"
    "Team: alice, bob@example.test,\n   outside@elsewhere.test  # a comment\n"
    "twice: team, alice, ALICE@example.test\n"
    "sales@second.test: eve@second.test\n"
    "@second.test: eve@second.test\n"
    "bob@example.test: bob@example.test, archive@elsewhere.test\n"
    "list: :include:list\nnamed: :include:named\nround: :include:lists/round, alice\nempty: :include:lists/empty\n"
    "gone: :include:lists/gone\n"
    "frank: frank+archive, outside@elsewhere.test\n"
    "team+lead: carol\n"
    "bob@third.test: alice\njoe+vip@backup.test: alice\n@backup.test: eve@second.test\n"
    "half: ghost, carol\n"
    "ghosts: ghost, ghoul\n"
    "d10: d9\nd9: d8\nd8: d7\nd7: d6\nd6: d5\nd5: d4\nd4: d3\nd3: d2\nd2: d1\nd1: alice\n"
    "w0: w1@example.test, w1\nw1: w2, w2@example.test\nw2: alice, bob\n";

static void write_text(const char *name, struct span text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (file_replace(AT_FDCWD, path, text, 0600) != ST_OK)
        abort();
}

/* Two aliases of exactly and of one more than the limit. */
static void add_large(struct bytes *text)
{
    bytes_add_str(text, aliases);
    for (unsigned over = 0; over < 2; over++) {
        bytes_printf(text, "%s:", over ? "toomany" : "enough");
        for (unsigned i = 0; i < DIRECTORY_TARGETS + over; i++)
            bytes_printf(text, "%s\n  u%u@elsewhere.test", i ? "," : "", i);
        bytes_add_str(text, "\n");
    }
}

static void fill(struct settings *s, struct bytes *error)
{
    struct bytes text;
    char path[128];
    bytes_init(&text, 1 << 20);
    add_large(&text);
    write_text("postern.conf", SPAN("hostname mail.example.test\nrecipient-delimiter +\n"));
    write_text("relay-recipients", span_of(recipients));
    write_text("list", SPAN("# who reads it\n\nalice, \"bob@example.test\" # both\nreader@elsewhere.test\n"
                            "not an address\n|program\n:include:list\n  carol\r\nnobody\n"));
    write_text("named",
               SPAN("Al Ice <alice@example.test>\n\"Bob, the\" <bob@example.test>, Carol <carol> (home)\n"
                    "(gone) eve@second.test # here\n\"quo ted\"@elsewhere.test\nbroken <x@>, frank\n"));
    snprintf(path, sizeof path, "%s/lists", folder);
    if (mkdir(path, 0700) != 0)
        abort();
    write_text("lists/round", SPAN("carol\nround\n"));
    write_text("lists/empty", SPAN(""));
    write_text("domains", span_of(domains));
    write_text("accounts", span_of(accounts));
    write_text("aliases", span_bytes(&text));
    snprintf(path, sizeof path, "%s/postern.conf", folder);
    if (settings_load(path, s, error) != ST_OK)
        abort();
    for (int t = 0; t < TABLES; t++)
        ok(tables_compile(s, (enum table_name)t, error) == ST_OK, "%s is compiled %s",
           tables_word((enum table_name)t), bytes_str(error));
    bytes_free(&text);
}

static struct address address(const char *text)
{
    struct address a;
    struct span path = SPAN("<Postmaster>");
    if (strcmp(text, "Postmaster") == 0 ? address_path(&path, &a) != ADDRESS_OK
                                        : address_parse(span_of(text), &a) != ADDRESS_OK)
        abort();
    return a;
}

/* "alice@example.test>out@elsewhere.test": '>' in front of an outside one. Or "NONE", "TEMP", "PERM
 * reason". */
static const char *expand(struct directory *d, const char *text, struct bytes *out)
{
    struct address a = address(text);
    struct targets targets = { 0 };
    bytes_clear(out);
    errno = 0;
    switch (directory_expand(d, &a, &targets)) {
    case ST_OK:
        break;
    case ST_NONE:
        return "NONE";
    case ST_TEMP:
        return "TEMP";
    case ST_PERM:
        return errno == EREMOTE ? "PERM remote"
               : errno == ELOOP ? "PERM loop"
               : errno == E2BIG ? "PERM many"
                                : "PERM ?";
    }
    if (targets.count > 20)
        bytes_printf(out, "%zu targets", targets.count);
    else
        for (size_t i = 0; i < targets.count; i++) {
            struct address a2;
            target_address(&targets.list[i], settings, &a2);
            bytes_printf(out, "%s%s%s%s",
                         targets.list[i].local     ? (i ? " " : "")
                         : targets.list[i].program ? "|"
                                                   : ">",
                         targets.list[i].forwarded ? ""
                         : targets.list[i].local   ? ""
                                                   : "=",
                         targets.list[i].program ? targets.list[i].program : "",
                         targets.list[i].program ? "" : a2.text);
        }
    targets_free(&targets);
    return bytes_str(out);
}

static const struct {
    const char *address, *expected;
} rows[] = {
    { "alice@example.test", "alice@example.test" },
    { "ALICE@EXAMPLE.TEST", "alice@example.test" },
    { "\"alice\"@example.test", "alice@example.test" },
    { "carol@example.test", "carol@example.test" },
    { "nobody@example.test", "NONE" },
    { "alice@elsewhere.test", "PERM remote" },
    { "alice@sub.example.test", "PERM remote" },
    { "Postmaster", "alice@example.test" },
    { "postmaster@example.test", "alice@example.test" },
    { "postmaster@second.test", "alice@example.test" },
    { "team@example.test",
      "alice@example.test bob@example.test>archive@elsewhere.test>outside@elsewhere.test" },
    { "team@second.test",
      "alice@example.test bob@example.test>archive@elsewhere.test>outside@elsewhere.test" },
    { "twice@example.test",
      "alice@example.test bob@example.test>archive@elsewhere.test>outside@elsewhere.test" },
    { "sales@second.test", "eve@second.test" },
    { "sales@example.test", "NONE" },
    { "anything@second.test", "eve@second.test" },
    { "bob@example.test", "bob@example.test>archive@elsewhere.test" },
    { "alice+news@example.test", "alice+news@example.test" },
    { "alice+@example.test", "alice@example.test" },
    { "+alice@example.test", "NONE" },
    { "\"alice+x\"@example.test", "alice+x@example.test" },
    { "nobody+x@example.test", "NONE" },
    { "carol+x@example.test", "carol+x@example.test" },
    { "carol+x+y@example.test", "carol+x+y@example.test" },
    { "postmaster+x@example.test", "alice+x@example.test" },
    { "team+lead@example.test", "carol@example.test" },
    { "bob+a@example.test", "bob+a@example.test>archive@elsewhere.test" },
    { "frank@example.test", "frank+archive@example.test>outside@elsewhere.test" },
    { "frank+b@example.test", "frank+archive@example.test>outside@elsewhere.test" },
    { "alice@third.test", "alice@example.test" },
    { "alice+z@third.test", "alice+z@example.test" },
    { "bob@third.test", "alice@example.test" },
    { "team@third.test",
      "alice@example.test bob@example.test>archive@elsewhere.test>outside@elsewhere.test" },
    { "nobody@third.test", "NONE" },
    { "nobody@other.test", "eve@second.test" },
    { "joe@backup.test", ">=joe@backup.test" },
    { "JOE+x@backup.test", ">=joe+x@backup.test" },
    { "joe+vip@backup.test", "alice@example.test" },
    { "anne+lists@backup.test", ">=anne+lists@backup.test" },
    { "anne@backup.test", "eve@second.test" },
    { "postmaster@backup.test", "alice@example.test" },
    { "team@backup.test", "eve@second.test" },
    { "anybody@all.test", ">=anybody@all.test" },
    { "list@example.test",
      "alice@example.test bob@example.test>archive@elsewhere.test>reader@elsewhere.test carol@example.test" },
    { "named@example.test",
      "alice@example.test bob@example.test>archive@elsewhere.test carol@example.test eve@second.test"
      ">\"quo ted\"@elsewhere.test frank+archive@example.test>outside@elsewhere.test" },
    { "round@example.test", "PERM loop" },
    { "empty@example.test", "" },
    { "gone@example.test", "TEMP" },
    { "half@example.test", "carol@example.test" },
    { "ghosts@example.test", "NONE" },
    { "d10@example.test", "alice@example.test" },
    { "d1+" X249 "@example.test", "alice+" X249 "@example.test" },
    { "d1+" X249 "y@example.test", "alice@example.test" },
    { "alice@MAIL.example.test", "alice@example.test" },
    { "postmaster@mail.example.test", "alice@example.test" },
    { "nobody@mail.example.test", "NONE" },
    { "MAILER-DAEMON@mail.example.test", "alice@example.test" },
    { "mailer-daemon@second.test", "alice@example.test" },
    { "team+lead@localhost", "carol@example.test" },
    { "alice@localhost.example.test", "PERM remote" },
    { "w0@example.test", "alice@example.test bob@example.test>archive@elsewhere.test" },
    { "enough@example.test", "1000 targets" },
    { "toomany@example.test", "PERM many" },
};

static void may_send(struct directory *d)
{
    static const struct {
        const char *account, *as;
        enum status expected;
    } sends[] = {
        { "alice@example.test", "alice@example.test", ST_OK },
        { "alice@example.test", "Alice@Example.Test", ST_OK },
        { "alice@example.test", "team@example.test", ST_OK },
        { "bob@example.test", "team@second.test", ST_OK },
        { "carol@example.test", "team@example.test", ST_PERM },
        { "alice@example.test", "bob@example.test", ST_PERM },
        { "alice@example.test", "nobody@example.test", ST_PERM },
        { "alice@example.test", "alice@elsewhere.test", ST_PERM },
        { "alice@example.test", "loop1@example.test", ST_PERM },
        { "eve@second.test", "whatever@second.test", ST_OK },
        { "bob@example.test", "outside@elsewhere.test", ST_PERM },
        { "bob@example.test", "bob+x@example.test", ST_OK },
        { "bob@example.test", "carol+x@example.test", ST_PERM },
        { "carol@example.test", "carol@third.test", ST_OK },
        { "carol@example.test", "carol@mail.example.test", ST_OK },
        { "carol@example.test", "alice@mail.example.test", ST_PERM },
        { "alice@example.test", "joe@backup.test", ST_PERM },
    };
    for (size_t i = 0; i < sizeof sends / sizeof sends[0]; i++) {
        struct address account = address(sends[i].account), as = address(sends[i].as);
        ok(directory_may_send_as(d, &account, &as) == sends[i].expected, "%s %s send as %s", sends[i].account,
           sends[i].expected == ST_OK ? "may" : "may not", sends[i].as);
    }
}

/* Several recipients of one message: each target once among all. */
static void together(struct directory *d)
{
    struct targets targets = { 0 };
    struct address alice = address("alice@example.test"), team = address("team@example.test"),
                   ghost = address("ghost@example.test");
    ok(directory_expand(d, &alice, &targets) == ST_OK && directory_expand(d, &team, &targets) == ST_OK &&
           targets.count == 4,
       "targets that are there already aren't added again");
    ok(directory_expand(d, &alice, &targets) == ST_OK && targets.count == 4, "and that isn't \"unknown\"");
    ok(directory_expand(d, &ghost, &targets) == ST_NONE && targets.count == 4,
       "an unknown one leaves the list as it is");
    targets_free(&targets);
}

static void simple(struct directory *d)
{
    struct bytes first;
    struct address a = address("BOB@example.test"), account;
    bytes_init(&first, 300);
    ok(directory_domain(d, SPAN("EXAMPLE.test")) == ST_OK, "a domain in any case");
    ok(directory_domain(d, SPAN("test")) == ST_NONE && directory_domain(d, SPAN("")) == ST_NONE &&
           directory_domain(d, SPAN(".")) == ST_NONE,
       "what is none");
    ok(directory_first_domain(d, &first) == ST_OK && strcmp(bytes_str(&first), "example.test") == 0,
       "the first domain");
    ok(directory_account(d, &a, &account) == ST_OK && strcmp(account.text, "bob@example.test") == 0,
       "an account's canonical name");
    a = address("team@example.test");
    ok(directory_account(d, &a, &account) == ST_NONE, "an alias is no account");
    bytes_free(&first);
}

static void damaged(const struct settings *s, struct bytes *out)
{
    static const char *const names[] = { "domains.gdbm", "accounts.gdbm", "aliases.gdbm" };
    struct directory *d;
    struct bytes good;
    char path[128];
    bytes_init(&good, 1 << 22);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        bytes_clear(&good);
        if (file_read(AT_FDCWD, path, &good) != ST_OK)
            abort();
        write_text(names[i], span_head(span_bytes(&good), good.len / 2));
        const char *said = "TEMP";
        if (directory_open(s, &d) == ST_OK) {
            said = expand(d, "nobody@example.test", out);
            directory_close(d);
        }
        ok(strcmp(said, "TEMP") == 0, "%s, cut in half: %s", names[i], said);
        unlink(path);
        ok(directory_open(s, &d) == ST_TEMP && !d, "%s, missing", names[i]);
        write_text(names[i], span_bytes(&good));
    }
    bytes_free(&good);
}

static void fresh(const struct settings *s, struct bytes *error)
{
    struct table *t;
    struct timespec times[2] = { { 1000, 0 }, { 1000, 0 } };
    char path[128];
    snprintf(path, sizeof path, "%s/accounts", folder);
    if (tables_open(s, TABLE_ACCOUNTS, &t) != ST_OK)
        abort();
    ok(tables_fresh(s, TABLE_ACCOUNTS, t) == ST_OK, "a table is fresh");
    utimensat(AT_FDCWD, path, times, 0);
    ok(tables_fresh(s, TABLE_ACCOUNTS, t) == ST_OK, "still so when its text was only touched");
    write_text("accounts", SPAN("alice@example.test\nBob@Example.Test\ncarol\nEve@second.test\n"));
    ok(tables_fresh(s, TABLE_ACCOUNTS, t) == ST_NONE, "no longer when a byte of the text differs");
    write_text("accounts", SPAN("alice@example.test\na@b@c storage=1G\n"));
    bytes_clear(error);
    enum status st = tables_compile(s, TABLE_ACCOUNTS, error);
    ok(st == ST_PERM && strstr(bytes_str(error), "accounts:2: a@b@c: is no"),
       "a mistake names file and line: %s", bytes_str(error));
    write_text("accounts", SPAN("alice@example.test storage=1G\nbob size=1\n"));
    bytes_clear(error);
    st = tables_compile(s, TABLE_ACCOUNTS, error);
    ok(st == ST_PERM && strstr(bytes_str(error), "accounts:2: size=1: are no limits"),
       "and so does one in limits: %s", bytes_str(error));
    table_close(t);
    struct address eve = address("eve@second.test"), account;
    struct directory *d;
    ok(directory_open(s, &d) == ST_OK && directory_account(d, &eve, &account) == ST_OK,
       "and the old table stays");
    directory_close(d);
}

static void mistakes(const struct settings *s, struct bytes *error)
{
    static const struct {
        enum table_name table;
        const char *text, *expected;
    } wrongs[] = {
        { TABLE_DOMAINS, "a.test\nb test\n", "domains:2: b test: can't stand behind a domain" },
        { TABLE_DOMAINS, "[1.2.3.4]\n", "domains:1: [1.2.3.4]: is no domain" },
        { TABLE_SECRETS, "alice@example.test\n", "secrets:1: alice@example.test: has no {SCHEME}hash" },
        { TABLE_SECRETS, "\n:x\n", "secrets:2: is no address" },
        { TABLE_ALIASES, "a: b\nb\n", "aliases:2: b: needs a ':'" },
        { TABLE_ALIASES, "a: /var/mail/x\n", "aliases:1: /var/mail/x: a file can't be a target" },
        { TABLE_ALIASES, "a: :include:\n", "aliases:1: a: :include: needs" },
        { TABLE_ALIASES, "a: :include:/x\n", "aliases:1: /x: can't be included" },
        { TABLE_ALIASES, "b: c\nself: self\n",
          "aliases:2: leads to itself, and there is no account of that name: self > self" },
        { TABLE_ALIASES,
          "x: one, alice\none: two\n\ntwo: three+detail\nthree@example.test: carol, one@third.test\n",
          "aliases:2: leads in a circle; take one step out of it: one > two > three@example.test > one" },
        { TABLE_ALIASES, "@second.test: ghost@second.test\n", "aliases:1: leads to itself" },
        { TABLE_ALIASES,
          "d1: alice\nd2: d1\nd3: d2\nd4: d3\nd5: d4\nd6: d5\nd7: d6\nd8: d7\nd9: d8\nd10: d9\nd11: d10\n",
          "aliases:11: is the head of more than ten aliases" },
        { TABLE_DOMAINS, "a.test\nb.test = c.test\n",
          "domains:2: b.test: is to be another name of a domain that isn't" },
        { TABLE_DOMAINS, "a.test\nb.test = a.test\nc.test = b.test\n", "domains:3: c.test: is to be" },
        { TABLE_DOMAINS, "a.test = a.test\n", "domains:1: a.test = a.test: can't be another name of itself" },
        { TABLE_DOMAINS, "a.test relay some\n", "domains:1: a.test relay some: can't stand behind" },
        { TABLE_RELAY, "a@b.test\nb\n", "relay-recipients:2: b: is no address" },
        { TABLE_MASTERS, "a*b:{PLAIN}x\n", "masters:1: a*b: can't be a master user's name" },
        { TABLE_MASTERS, "a@b.test:{PLAIN}x::::::allow_nets=b.test\n",
          "masters:1: a@b.test: has an allow_nets" },
        { TABLE_MASTERS, "admin:\n", "masters:1: admin: has no {SCHEME}hash" },
        { TABLE_BCC, "# x\nsome a@b.test\n", "bcc:2: some a@b.test: begins with none of all, from and to" },
        { TABLE_BCC, "from joe a@b.test\n", "bcc:1: from joe a@b.test: needs user@domain" },
        { TABLE_BCC, "all\n", "bcc:1: all: has no target" },
        { TABLE_BCC, "to @x.test \"a\n", "bcc:1: to @x.test \"a: a quote isn't closed" },
        { TABLE_RELAY, "@\n", "relay-recipients:1: @: is no address" },
        { TABLE_ALIASES, "a: b c@\n", "aliases:1: b c@: is no address" },
        { TABLE_ALIASES, "a:\n", "aliases:1: a: has no target" },
        { TABLE_ALIASES, "@: b\n", "aliases:1: @: is no name" },
    };
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        bytes_clear(error);
        enum status st = tables_check(s, wrongs[i].table, span_of(wrongs[i].text), error);
        ok(st == ST_PERM && strstr(bytes_str(error), wrongs[i].expected), "%s", bytes_str(error));
    }
}

/* What each connection of smtpd pays: the tables opened and compared with their texts' times, one address
 * looked up. */
static void measure(const struct settings *s)
{
    struct address alice = address("alice@example.test");
    int64_t best = INT64_MAX;
    for (int i = 0; i < 200; i++) {
        struct directory *d;
        struct targets targets = { 0 };
        int64_t start = clock_now_us();
        if (directory_open(s, &d) != ST_OK || directory_expand(d, &alice, &targets) != ST_OK)
            abort();
        targets_free(&targets);
        directory_close(d);
        int64_t took = clock_now_us() - start;
        best = took < best ? took : best;
    }
    ok(best < 5000, "opened and looked up in %lld us", (long long)best);
}

int main(void)
{
    struct settings s;
    struct bytes error, out;
    struct directory *d;
    bytes_init(&error, 4096);
    bytes_init(&out, 1 << 20);
    if (!mkdtemp(folder))
        abort();
    settings = &s;
    fill(&s, &error);
    if (!ok(directory_open(&s, &d) == ST_OK, "the directory opens"))
        return 1;
    simple(d);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *said = expand(d, rows[i].address, &out);
        ok(strcmp(said, rows[i].expected) == 0, "%s: %s", rows[i].address, said);
    }
    may_send(d);
    together(d);
    directory_close(d);
    measure(&s);
    damaged(&s, &out);
    fresh(&s, &error);
    mistakes(&s, &error);
    settings_free(&s);
    char command[160];
    snprintf(command, sizeof command, "rm -r %s", folder);
    ok(system(command) == 0, "cleaned up");
    bytes_free(&error);
    bytes_free(&out);
    return done_testing();
}
