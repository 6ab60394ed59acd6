/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Logins: three tries, names with and without a domain, unknown users that cost and wait the same, hashes
 * that are few at a time, and what happens when nothing can be looked up.
 */
#include "tap.h"

#include "base/clock.h"
#include "base/files.h"
#include "store/login.h"
#include "store/password.h"
#include "store/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/postern-login-XXXXXX";

static void write_text(const char *name, struct span text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (file_replace(AT_FDCWD, path, text, 0600) != ST_OK)
        abort();
}

static void fill(struct settings *s, struct bytes *error)
{
    struct bytes secrets;
    char path[128];
    bytes_init(&secrets, 16384);
    bytes_add_str(&secrets, "alice@example.test:");
    password_hash(SPAN("alice-secret"), &secrets);
    bytes_add_str(&secrets, ":1000:1000::/home/alice\nbob:{PLAIN}bob-secret\nghost:{PLAIN}ghost-secret\n"
                            "odd@example.test:{ROT13}frperg\noff:{PLAIN}off-secret::::::nologin\n"
                            "star*admin:{PLAIN}star-secret\nmany@example.test:");
    password_hash(SPAN("many-secret"), &secrets);
    bytes_add_str(&secrets, "::::::");
    for (int i = 0; i < SECRETS_APPS; i++)
        bytes_printf(&secrets, "app=x%d,2026-11-26T18:40:05Z,{SSHA256}%s ", i,
                     "3s+ownhHFf2xfEZ0NpWNsjdFiHwq+25GUqXOueAY0zJC/qUr");
    bytes_add_char(&secrets, '\n');
    write_text("postern.conf", SPAN("hostname mail.example.test\nspool spool\n"));
    write_text("domains", SPAN("example.test\n"));
    write_text("accounts",
               SPAN("alice@example.test\nbob@example.test\nlocked@example.test\nodd@example.test\n"
                    "off@example.test\nstar*admin@example.test\nmany@example.test\n"));
    write_text("masters", SPAN("Admin:{PLAIN}admin-secret\ngone:{PLAIN}gone-secret::::::nologin\n"));
    write_text("aliases", SPAN("team: alice\n"));
    write_text("secrets", span_bytes(&secrets));
    snprintf(path, sizeof path, "%s/spool/slots", folder);
    file_make_dirs(path, 0700);
    snprintf(path, sizeof path, "%s/postern.conf", folder);
    if (settings_load(path, s, error) != ST_OK)
        abort();
    for (int t = 0; t < TABLES; t++)
        ok(tables_compile(s, (enum table_name)t, error) == ST_OK, "a table is compiled %s", bytes_str(error));
    bytes_free(&secrets);
}

static const struct {
    const char *name, *password;
    enum status expected;
} rows[] = {
    { "alice@example.test", "alice-secret", ST_OK },
    { "alice", "alice-secret", ST_OK },
    { "ALICE@Example.Test", "alice-secret", ST_OK },
    { "bob", "bob-secret", ST_OK },
    { "alice", "Alice-secret", ST_PERM },
    { "alice", "", ST_PERM },
    { "bob", "alice-secret", ST_PERM },
    { "nobody", "x", ST_PERM },
    { "ghost", "ghost-secret", ST_PERM }, /* a secret, but no account */
    { "locked", "", ST_PERM },            /* an account, but no secret */
    { "team", "alice-secret", ST_PERM },  /* an alias */
    { "alice@elsewhere.test", "alice-secret", ST_PERM },
    { "", "x", ST_PERM },
    { "@", "x", ST_PERM },
    { "../../etc/passwd", "x", ST_PERM },
    { "alice\nbob", "x", ST_PERM },
    { "odd", "secret", ST_TEMP },
};

/* With a master user of the name admin, whose password is admin-secret. */
static const struct {
    const char *as, *name, *password;
    enum status expected;
    int why;             /* errno of ST_PERM */
    const char *account; /* whose it is then */
} master_rows[] = {
    { "", "alice*admin", "admin-secret", ST_OK, 0, "alice@example.test" },
    { "", "alice@example.test*ADMIN", "admin-secret", ST_OK, 0, "alice@example.test" },
    { "alice", "admin", "admin-secret", ST_OK, 0, "alice@example.test" },
    { "ALICE@example.test", "alice", "alice-secret", ST_OK, 0, "alice@example.test" }, /* herself */
    { "", "locked*admin", "admin-secret", ST_OK, 0, "locked@example.test" }, /* without a password */
    { "", "off*admin", "admin-secret", ST_OK, 0, "off@example.test" },       /* disabled */
    { "", "off", "off-secret", ST_PERM, EKEYREVOKED, "" },
    { "", "off", "wrong", ST_PERM, EPERM, "" },
    { "", "nobody*admin", "admin-secret", ST_PERM, ENOENT, "" },
    { "", "nobody*admin", "wrong", ST_PERM, EPERM, "" },
    { "", "alice*admin", "alice-secret", ST_PERM, EPERM, "" },
    { "", "alice*nobody", "admin-secret", ST_PERM, EPERM, "" },
    { "", "alice*bob", "bob-secret", ST_PERM, EPERM, "" },
    { "", "alice*", "admin-secret", ST_PERM, EPERM, "" },
    { "", "*admin", "admin-secret", ST_PERM, EPERM, "" },
    { "", "admin", "admin-secret", ST_PERM, EPERM, "" },
    { "", "alice*admin*admin", "admin-secret", ST_PERM, ENOENT, "" },
    { "", "alice*gone", "gone-secret", ST_PERM, EKEYREVOKED, "" }, /* a disabled master */
    { "alice", "bob", "bob-secret", ST_PERM, EPERM, "" },
    { "alice", "bob*admin", "admin-secret", ST_PERM, EPERM, "" },
    { "", "star*admin", "star-secret", ST_OK, 0, "star*admin@example.test" },
    { "", "star*admin", "admin-secret", ST_PERM, EPERM, "" },
};
#define MASTER_ROWS (sizeof master_rows / sizeof master_rows[0])

#define ROWS (sizeof rows / sizeof rows[0])

/* All at a time, as most of it is waiting. */
static void each_row(const struct settings *s)
{
    pid_t children[ROWS];
    fflush(stdout);
    for (size_t i = 0; i < ROWS; i++) {
        children[i] = fork();
        if (children[i] != 0)
            continue;
        struct login l;
        login_init(&l, s, NULL);
        enum status st = login_check(&l, SPAN(""), span_of(rows[i].name), span_of(rows[i].password));
        _exit(st == rows[i].expected && l.done == (st == ST_OK) ? 0 : 1);
    }
    for (size_t i = 0; i < ROWS; i++) {
        int status = -1;
        waitpid(children[i], &status, 0);
        ok(status == 0, "name %zu with its password: %d", i, (int)rows[i].expected);
    }
}

static void each_master_row(const struct settings *s)
{
    pid_t children[MASTER_ROWS];
    fflush(stdout);
    for (size_t i = 0; i < MASTER_ROWS; i++) {
        children[i] = fork();
        if (children[i] != 0)
            continue;
        struct login l;
        login_init(&l, s, NULL);
        enum status st = login_check(&l, span_of(master_rows[i].as), span_of(master_rows[i].name),
                                     span_of(master_rows[i].password));
        int why = st == ST_OK ? 0 : errno;
        bool master = strcmp(master_rows[i].password, "admin-secret") == 0;
        _exit(st == master_rows[i].expected && why == master_rows[i].why &&
                      strcmp(l.done ? l.account.text : "", master_rows[i].account) == 0 &&
                      strcmp(l.master, l.done && master ? "admin" : "") == 0
                  ? 0
                  : 1);
    }
    for (size_t i = 0; i < MASTER_ROWS; i++) {
        int status = -1;
        waitpid(children[i], &status, 0);
        ok(status == 0, "%s as \"%s\" with %s: %d", master_rows[i].name, master_rows[i].as,
           master_rows[i].password, (int)master_rows[i].expected);
    }
}

static void tries(const struct settings *s)
{
    struct login l;
    login_init(&l, s, NULL);
    int64_t start = clock_ms();
    ok(login_check(&l, SPAN(""), SPAN("nobody"), SPAN("x")) == ST_PERM && errno != EACCES,
       "a first wrong one");
    int64_t first = clock_ms() - start;
    ok(login_check(&l, SPAN(""), SPAN("alice"), SPAN("x")) == ST_PERM && errno != EACCES, "a second");
    int64_t second = clock_ms() - start - first;
    ok(first >= 500 && second >= 1000, "each waits, longer and longer: %lld, %lld ms", (long long)first,
       (long long)second);
    ok(login_check(&l, SPAN(""), SPAN("alice"), SPAN("y")) == ST_PERM && errno != EACCES, "a third");
    start = clock_ms();
    ok(login_check(&l, SPAN(""), SPAN("alice"), SPAN("alice-secret")) == ST_PERM && errno == EACCES &&
           clock_ms() - start < 3000,
       "a fourth isn't looked at, right as it is");
    login_init(&l, s, NULL);
    ok(login_check(&l, SPAN(""), SPAN("alice"), SPAN("alice-secret")) == ST_OK && l.done &&
           strcmp(l.account.text, "alice@example.test") == 0,
       "another connection isn't concerned");
    ok(login_check(&l, SPAN(""), SPAN("bob"), SPAN("bob-secret")) == ST_PERM && errno == EACCES,
       "nobody logs in twice");
}

/* Microseconds of CPU, so that neither the delay nor a busy machine counts; the least of these and of
 * `best`. */
static int64_t cost(const struct settings *s, struct span name, int64_t best)
{
    struct login l;
    login_init(&l, s, NULL);
    clock_t start = clock();
    login_check(&l, SPAN(""), name, SPAN("wrong"));
    int64_t took = (int64_t)(clock() - start) * 1000000 / CLOCKS_PER_SEC;
    return took < best ? took : best;
}

/* In turns, as what else the processor does makes it slower for a while. */
static void same_cost(const struct settings *s)
{
    int64_t known = INT64_MAX, unknown = INT64_MAX, many = INT64_MAX;
    for (int i = 0; i < 4; i++) {
        known = cost(s, SPAN("alice"), known);
        unknown = cost(s, SPAN("nobody"), unknown);
        many = cost(s, SPAN("many"), many);
    }
    ok(many > known / 2 && many < known * 2, "so does one with 32 app passwords: %lld us", (long long)many);
    ok(known > 0 && unknown > known / 2 && unknown < known * 2,
       "unknown users cost the same: %lld and %lld us", (long long)known, (long long)unknown);
}

/* What a master's guesses cost is his, and not the accounts' that he names. */
static void master_limits(const struct settings *s)
{
    struct settings few = *s;
    struct peer peer = { .known = true, .text = "192.0.2.9" };
    struct login l;
    few.login_failures = 2;
    peer.address = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
    peer.address.s6_addr[0] = 0x20;
    login_init(&l, &few, &peer);
    ok(login_check(&l, SPAN(""), SPAN("alice*admin"), SPAN("admin-secret")) == ST_OK,
       "a master user logs in");
    login_init(&l, &few, &peer);
    ok(login_check(&l, SPAN(""), SPAN("bob*admin"), SPAN("x")) == ST_PERM && errno == EPERM &&
           login_check(&l, SPAN("alice"), SPAN("admin"), SPAN("x")) == ST_PERM && errno == EPERM,
       "and guesses for two accounts");
    login_init(&l, &few, &peer);
    ok(login_check(&l, SPAN(""), SPAN("alice*admin"), SPAN("admin-secret")) == ST_PERM && errno == EUSERS,
       "then he is refused, right as he is");
    login_init(&l, &few, &peer);
    ok(login_check(&l, SPAN(""), SPAN("bob"), SPAN("bob-secret")) == ST_OK, "and the accounts aren't");
}

/* All slots held: a login waits for one, and gets it. */
static void slots(const struct settings *s)
{
    int fds[16], count = 0, begins[2];
    char path[128];
    if (pipe(begins) != 0)
        abort();
    for (; count < 16; count++) {
        snprintf(path, sizeof path, "%s/spool/slots/login.%d", folder, count);
        fds[count] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        flock(fds[count], LOCK_EX);
    }
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct login l;
        for (int i = 0; i < count; i++)
            close(fds[i]);
        login_init(&l, s, NULL);
        int64_t start = clock_ms();
        file_write(begins[1], SPAN("x"));
        enum status st = login_check(&l, SPAN(""), SPAN("alice"), SPAN("alice-secret"));
        _exit(st == ST_OK && clock_ms() - start >= 250 ? 0 : 1);
    }
    char byte;
    close(begins[1]);
    ok(read(begins[0], &byte, 1) == 1, "a login begins");
    usleep(300000);
    for (int i = 0; i < count; i++)
        close(fds[i]);
    close(begins[0]);
    int status;
    waitpid(child, &status, 0);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "and waits while all slots are taken");
}

static void broken(const struct settings *s)
{
    struct login l;
    char path[128], away[128];
    snprintf(path, sizeof path, "%s/spool/slots", folder);
    snprintf(away, sizeof away, "%s/away", folder);
    login_init(&l, s, NULL);
    rename(path, away);
    ok(login_check(&l, SPAN(""), SPAN("alice"), SPAN("alice-secret")) == ST_TEMP && !l.done,
       "without slots: closed, ST_TEMP");
    rename(away, path);
    write_text("secrets.gdbm", SPAN("damage"));
    ok(login_check(&l, SPAN(""), SPAN("alice"), SPAN("alice-secret")) == ST_TEMP && !l.done,
       "a damaged table: ST_TEMP");
    snprintf(path, sizeof path, "%s/secrets.gdbm", folder);
    unlink(path);
    ok(login_check(&l, SPAN(""), SPAN("alice"), SPAN("alice-secret")) == ST_TEMP && !l.done,
       "a missing table: ST_TEMP");
}

static void plain(void)
{
    static const struct {
        const char *text;
        size_t n;
        bool good;
        const char *as, *name, *password;
    } messages[] = {
        { "\0alice\0secret", 13, true, "", "alice", "secret" },
        { "alice\0alice\0secret", 18, true, "", "alice", "secret" },
        { "bob\0alice\0secret", 16, true, "bob", "alice", "secret" },
        { "\0alice\0", 7, false, "", "", "" },
        { "\0\0secret", 8, false, "", "", "" },
        { "\0alice", 6, false, "", "", "" },
        { "alice", 5, false, "", "", "" },
        { "", 0, false, "", "", "" },
        { "\0a\0b\0c", 6, false, "", "", "" },
        { "\0a\0b\0", 5, false, "", "", "" },
    };
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        struct span as = SPAN(""), name = SPAN(""), password = SPAN("");
        bool good =
            login_split_plain((struct span){ messages[i].text, messages[i].n }, &as, &name, &password);
        ok(good == messages[i].good &&
               (!good || (span_eq_str(as, messages[i].as) && span_eq_str(name, messages[i].name) &&
                          span_eq_str(password, messages[i].password))),
           "PLAIN message %zu is %s", i, good ? "good" : "refused");
    }
}

int main(void)
{
    struct settings s;
    struct bytes error;
    bytes_init(&error, 4096);
    if (!mkdtemp(folder))
        abort();
    fill(&s, &error);
    each_row(&s);
    each_master_row(&s);
    tries(&s);
    same_cost(&s);
    master_limits(&s);
    slots(&s);
    plain();
    broken(&s);
    settings_free(&s);
    char command[160];
    snprintf(command, sizeof command, "rm -r %s", folder);
    ok(system(command) == 0, "cleaned up");
    bytes_free(&error);
    return done_testing();
}
