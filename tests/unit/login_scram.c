/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SCRAM in the guard: exchanges that are right, replayed, out of order, bound to another channel; those who
 * are unknown or have no verifier; and the entries of secrets.
 */
#include "tap.h"

#include "../helpers/scram_client.h"
#include "base/clock.h"
#include "base/files.h"
#include "store/login.h"
#include "store/scram_fake.h"
#include "store/scram_verifier.h"
#include "store/secrets.h"
#include "store/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/postern-scram-XXXXXX";

static const char *at(const char *name)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_text(const char *name, struct span text)
{
    if (file_replace(AT_FDCWD, at(name), text, 0600) != ST_OK)
        abort();
}

/* An entry whose verifier has so many iterations and such a salt. */
static void add_entry(struct bytes *secrets, const char *name, const char *password, const char *salt,
                      unsigned iterations)
{
    struct scram_verifier v;
    if (!scram_verifier_make(span_of(password), span_of(salt), iterations, &v))
        abort();
    bytes_printf(secrets, "%s:{CRYPT}$1$saltstri$x::::::x=y scram={SCRAM-SHA-256}", name);
    scram_write_verifier(&v, secrets);
    bytes_add_char(secrets, '\n');
}

static void fill(struct settings *s)
{
    struct bytes secrets, error;
    bytes_init(&secrets, 16384);
    bytes_init(&error, 4096);
    add_entry(&secrets, "alice@example.test", "alice-secret", "salt of alice's.", 4096);
    add_entry(&secrets, "bob@example.test", "bob-secret", "bob's is longer than hers", 5000);
    bytes_add_str(&secrets, "carol@example.test:{PLAIN}carol-secret\n");
    write_text("postern.conf", SPAN("hostname mail.example.test\nspool spool\n"));
    write_text("domains", SPAN("example.test\n"));
    write_text("accounts", SPAN("alice@example.test\nbob@example.test\ncarol@example.test\n"));
    write_text("secrets", span_bytes(&secrets));
    file_make_dirs(at("spool/slots"), 0700);
    if (settings_load(at("postern.conf"), s, &error) != ST_OK)
        abort();
    for (int t = 0; t < TABLES; t++)
        ok(tables_compile(s, (enum table_name)t, &error) == ST_OK, "a table is compiled %s",
           bytes_str(&error));
    bytes_free(&secrets);
    bytes_free(&error);
}

/* One exchange, as it goes on. */
struct dance {
    struct login login;
    const char *gs2, *binding_data;
    struct bytes bare, server_first, without_proof, server_final;
    unsigned char proof[SCRAM_KEY];
};

static struct dance *new_dance(const struct settings *s)
{
    struct dance *d = calloc(1, sizeof *d);
    login_init(&d->login, s, NULL);
    d->gs2 = "n,,";
    d->binding_data = "";
    struct bytes *all[] = { &d->bare, &d->server_first, &d->without_proof, &d->server_final };
    for (size_t i = 0; i < 4; i++)
        bytes_init(all[i], 4096);
    return d;
}

static void end_dance(struct dance *d)
{
    login_forget(&d->login);
    bytes_free(&d->bare);
    bytes_free(&d->server_first);
    bytes_free(&d->without_proof);
    bytes_free(&d->server_final);
    free(d);
}

static enum status first(struct dance *d, const char *name)
{
    bytes_clear(&d->bare);
    bytes_clear(&d->server_first);
    bytes_printf(&d->bare, "n=%s,r=abc", name);
    struct scram_request r = { false,         span_of(d->gs2), span_bytes(&d->bare),
                               span_of(name), SPAN("abc"),     span_of(d->binding_data) };
    return login_scram_first(&d->login, &r, &d->server_first);
}

/* What a client with this password says last; it binds to `data`. */
static void prepare_final(struct dance *d, const char *password, const char *data)
{
    bytes_clear(&d->without_proof);
    scram_write_expected(span_of(d->gs2), span_of(data), scram_attribute(span_bytes(&d->server_first), 'r'),
                         &d->without_proof);
    if (!scram_client_prove(span_of(password), span_bytes(&d->bare), span_bytes(&d->server_first),
                            span_bytes(&d->without_proof), d->proof))
        abort();
}

static enum status final(struct dance *d)
{
    bytes_clear(&d->server_final);
    return login_scram_final(&d->login, span_bytes(&d->without_proof), d->proof, &d->server_final);
}

static void right(const struct settings *s)
{
    struct dance *d = new_dance(s);
    ok(!login_scram_enter(&d->login), "nobody enters without an exchange");
    ok(final(d) == ST_PERM && errno == EPROTO, "nor is there a last message");
    enum status st = first(d, "alice");
    ok(st == ST_OK && span_starts(span_bytes(&d->server_first), "r=abc") && d->server_first.len > 5 + 24 &&
           strstr(bytes_str(&d->server_first), ",s=c2FsdCBvZiBhbGljZSdzLg==,i=4096"),
       "server-first: %s", bytes_str(&d->server_first));
    ok(!login_scram_enter(&d->login), "nor in the middle of it");
    prepare_final(d, "alice-secret", "");
    st = final(d);
    ok(st == ST_OK && span_starts(span_bytes(&d->server_final), "v=") && d->server_final.len == 46,
       "server-final: %s", bytes_str(&d->server_final));
    ok(!d->login.done && final(d) == ST_PERM && errno == EPROTO, "one proof an exchange");
    ok(login_scram_enter(&d->login) && d->login.done &&
           strcmp(d->login.account.text, "alice@example.test") == 0,
       "then she enters");
    ok(!login_scram_enter(&d->login), "once");
    ok(first(d, "bob") == ST_PERM && errno == EACCES, "and nobody behind her");
    end_dance(d);
}

static void wrong(const struct settings *s)
{
    struct dance *d = new_dance(s);
    first(d, "alice");
    prepare_final(d, "wrong", "");
    int64_t start = clock_ms();
    ok(final(d) == ST_PERM && errno == EPERM && d->server_final.len == 0, "a wrong password");
    ok(clock_ms() - start >= 400, "waits");
    prepare_final(d, "alice-secret", "");
    ok(final(d) == ST_PERM && errno == EPROTO, "the right one comes too late for this exchange");
    first(d, "alice");
    prepare_final(d, "alice-secret", "");
    d->proof[0] ^= 1;
    start = clock_ms();
    ok(final(d) == ST_PERM && errno == EPERM && clock_ms() - start >= 900,
       "one bit wrong, and it waits longer");
    first(d, "alice");
    ok(first(d, "alice") == ST_PERM && errno == EACCES && !d->login.scram, "three beginnings are all");
    ok(login_check(&d->login, SPAN(""), SPAN("alice"), SPAN("x")) == ST_PERM && errno == EACCES,
       "for passwords too");
    end_dance(d);
}

/* What was said in one exchange, said again in the next. */
static void replayed(const struct settings *s)
{
    struct dance *old = new_dance(s), *d = new_dance(s);
    first(old, "alice");
    prepare_final(old, "alice-secret", "");
    ok(final(old) == ST_OK, "an exchange that somebody listens to");
    first(d, "alice");
    ok(!span_eq(span_bytes(&old->server_first), span_bytes(&d->server_first)), "the next has another nonce");
    ok(login_scram_final(&d->login, span_bytes(&old->without_proof), old->proof, &d->server_final) ==
               ST_PERM &&
           errno == EBADMSG,
       "its last message doesn't fit");
    end_dance(d);
    d = new_dance(s);
    first(d, "alice");
    prepare_final(d, "?", "");
    ok(login_scram_final(&d->login, span_bytes(&d->without_proof), old->proof, &d->server_final) == ST_PERM &&
           errno == EPERM && d->server_final.len == 0,
       "nor its proof with the new nonce");
    end_dance(d);
    d = new_dance(s);
    first(d, "bob");
    prepare_final(d, "alice-secret", "");
    ok(final(d) == ST_PERM && errno == EPERM, "nor her password for his account");
    end_dance(old);
    end_dance(d);
}

static void bound(const struct settings *s)
{
    static const struct {
        const char *name, *gs2, *ours, *theirs;
        enum status expected;
    } rows[] = {
        { "the same data", "p=tls-exporter,,", "DATA", "DATA", ST_OK },
        { "other data", "p=tls-exporter,,", "DATA", "DATB", ST_PERM },
        { "more data", "p=tls-exporter,,", "DATA", "DATAB", ST_PERM },
        { "less data", "p=tls-exporter,,", "DATA", "DAT", ST_PERM },
        { "none", "p=tls-exporter,,", "DATA", "", ST_PERM },
        { "some where none are wanted", "n,,", "", "DATA", ST_PERM },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dance *d = new_dance(s);
        d->gs2 = rows[i].gs2;
        d->binding_data = rows[i].ours;
        first(d, "alice");
        prepare_final(d, "alice-secret", rows[i].theirs);
        enum status st = final(d);
        ok(st == rows[i].expected && (st == ST_OK || errno == EBADMSG), "a channel bound to: %s",
           rows[i].name);
        end_dance(d);
    }
}

/* Salt and iterations that a name gets. */
static const char *form_of(const struct settings *s, const char *name, char *to, size_t size)
{
    struct dance *d = new_dance(s);
    if (first(d, name) != ST_OK)
        abort();
    snprintf(to, size, "%s", strstr(bytes_str(&d->server_first), ",s="));
    end_dance(d);
    return to;
}

static void unknown(const struct settings *s)
{
    char one[256], two[256];
    struct stat info;
    form_of(s, "nobody", one, sizeof one);
    ok(strcmp(one, form_of(s, "nobody", two, sizeof two)) == 0,
       "somebody unknown has the same salt always: %s", one);
    ok(strcmp(one, form_of(s, "NOBODY@Example.TEST", two, sizeof two)) == 0, "however the name is written");
    ok(strcmp(one, form_of(s, "nobody2", two, sizeof two)) != 0, "and another name another");
    ok(strcmp(form_of(s, "carol", one, sizeof one), form_of(s, "carol", two, sizeof two)) == 0 &&
           strstr(one, ",i="),
       "so has an account without a verifier: %s", one);
    ok(strcmp(form_of(s, "a b", one, sizeof one), form_of(s, "A B", two, sizeof two)) == 0,
       "and what is no address");
    size_t like_alice = 0, like_bob = 0;
    for (int i = 0; i < 40; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        form_of(s, name, one, sizeof one);
        like_alice += strlen(one) == strlen(",s=c2FsdCBvZiBhbGljZSdzLg==,i=4096") && strstr(one, ",i=4096");
        like_bob +=
            strlen(one) == strlen(",s=Ym9iJ3MgaXMgbG9uZ2VyIHRoYW4gaGVycw==,i=5000") && strstr(one, ",i=5000");
    }
    ok(like_alice && like_bob && like_alice + like_bob == 40,
       "they look like the accounts': %zu like one, %zu like the other", like_alice, like_bob);
    ok(stat(at("spool/login.key"), &info) == 0 && (info.st_mode & 07777) == 0600 && info.st_size == 32,
       "the key is ours alone");
    struct dance *d = new_dance(s);
    first(d, "nobody");
    prepare_final(d, "x", "");
    ok(final(d) == ST_PERM && errno == EPERM && d->server_final.len == 0,
       "no proof is right for somebody unknown");
    first(d, "carol");
    prepare_final(d, "carol-secret", "");
    ok(final(d) == ST_PERM && errno == EPERM, "nor for her who has no verifier");
    end_dance(d);
}

static void key_at_once(const struct settings *s)
{
    int ends[2];
    struct scram_verifier v, all[8];
    unlink(at("spool/login.key"));
    if (pipe(ends) != 0)
        abort();
    for (int i = 0; i < 8; i++)
        if (fork() == 0) {
            bool made =
                scram_fake(s, SPAN("x"), SPAN(""), &v) == ST_OK && write(ends[1], &v, sizeof v) == sizeof v;
            _exit(made ? 0 : 1);
        }
    size_t same = 0;
    for (int i = 0; i < 8; i++) {
        int how = -1;
        wait(&how);
        same += how == 0 && read(ends[0], &all[i], sizeof all[i]) == sizeof all[i] &&
                memcmp(&all[i], &all[0], sizeof all[0]) == 0;
    }
    ok(same == 8, "of eight that make the key at once all use one (%zu)", same);
    ok(all[0].iterations == SCRAM_ITERATIONS && all[0].salt_length == SCRAM_SALT,
       "where the table has no verifiers they look as ours do");
    close(ends[0]);
    close(ends[1]);
}

static void broken(const struct settings *s)
{
    struct dance *d = new_dance(s);
    write_text("spool/login.key", SPAN("short"));
    ok(first(d, "alice") == ST_TEMP && !d->login.scram, "with a damaged key: ST_TEMP");
    end_dance(d);
    d = new_dance(s);
    unlink(at("spool/login.key"));
    first(d, "alice");
    prepare_final(d, "alice-secret", "");
    char slots[160];
    snprintf(slots, sizeof slots, "%s", at("spool/slots"));
    rename(slots, at("away"));
    ok(final(d) == ST_TEMP && !login_scram_enter(&d->login), "without slots: ST_TEMP, closed");
    rename(at("away"), slots);
    write_text("secrets.gdbm", SPAN("damage"));
    ok(first(d, "alice") == ST_TEMP, "with a damaged table: ST_TEMP");
    end_dance(d);
}

#define KEYS ",AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define VERIFIER "4096,c2FsdA==" KEYS
#define SCRAM "{SCRAM-SHA-256}" VERIFIER
#define APP_HASH "{SSHA256}3s+ownhHFf2xfEZ0NpWNsjdFiHwq+25GUqXOueAY0zJC/qUr"
#define APP(name) "app=" name ",2026-11-26T18:40:05Z," APP_HASH

static const struct {
    const char *line, *value; /* NULL: refused */
} entries[] = {
    { "a@b:{CRYPT}x", "{CRYPT}x" },
    { "a@b:{CRYPT}x:1:2::/home::", "{CRYPT}x" },
    { "a@b:{CRYPT}x::::::scram={SCRAM-SHA-256}" VERIFIER, "{CRYPT}x\n{SCRAM-SHA-256}" VERIFIER },
    { "a@b:{CRYPT}x::::::u=1  scram={scram-sha-256}" VERIFIER " v", "{CRYPT}x\n{SCRAM-SHA-256}" VERIFIER },
    { "a@b:{CRYPT}x:scram={SCRAM-SHA-256}" VERIFIER, "{CRYPT}x" },
    { "a@b:{CRYPT}x::::::noscram={SCRAM-SHA-256}" VERIFIER, "{CRYPT}x" },
    { "a@b:{CRYPT}x::::::u=1:2 scram={SCRAM-SHA-256}" VERIFIER, "{CRYPT}x\n{SCRAM-SHA-256}" VERIFIER },
    { "a@b:{SCRAM-SHA-256}" VERIFIER, "{SCRAM-SHA-256}" VERIFIER },
    { "a@b:{SCRAM-SHA-256}" VERIFIER ":1:2::::u=1", "{SCRAM-SHA-256}" VERIFIER },
    { "a@b:{SCRAM-SHA-256}4096,c2FsdA==", NULL },
    { "a@b:{CRYPT}x::::::scram=" VERIFIER, NULL },
    { "a@b:{CRYPT}x::::::scram={SCRAM-SHA-256}", NULL },
    { "a@b:{CRYPT}x::::::scram={SCRAM-SHA-256}x", NULL },
    { "a@b:{CRYPT}x::::::scram={SCRAM-SHA-1}" VERIFIER, NULL },
    { "a@b:{CRYPT}x::::::nologin", "{CRYPT}x\nnologin" },
    { "a@b:{CRYPT}x::::::nologin=y u=1 reason=gone", "{CRYPT}x\nnologin=y" },
    { "a@b:{CRYPT}x::::::nologins", "{CRYPT}x" },
    { "a@b:{CRYPT}x::::::allow_nets=192.0.2.0/24,::1,local", "{CRYPT}x\nallow_nets=192.0.2.0/24,::1,local" },
    { "a@b:{CRYPT}x::::::allow_nets=", NULL },
    { "a@b:{CRYPT}x::::::allow_nets=192.0.2.0/24,,::1", NULL },
    { "a@b:{CRYPT}x::::::allow_nets=example.org", NULL },
    { "a@b:{CRYPT}x::::::allow_nets=192.0.2.0/33", NULL },
    { "a@b:{CRYPT}x::::::" APP("phone") " u=1 " APP("tablet-2") "," SCRAM,
      "{CRYPT}x\n" APP("phone") "\n" APP("tablet-2") "," SCRAM },
    { "a@b:{CRYPT}x::::::scram=" SCRAM " " APP("phone") "," SCRAM " nologin",
      "{CRYPT}x\n" SCRAM "\n" APP("phone") "," SCRAM "\nnologin" },
    { "a@b:{CRYPT}x::::::" APP("phone") " " APP("phone"), NULL },
    { "a@b:{CRYPT}x::::::" APP(""), NULL },
    { "a@b:{CRYPT}x::::::" APP("-"), NULL },
    { "a@b:{CRYPT}x::::::" APP("a/b"), NULL },
    { "a@b:{CRYPT}x::::::" APP("a23456789012345678901234567890123"), NULL },
    { "a@b:{CRYPT}x::::::app=phone", NULL },
    { "a@b:{CRYPT}x::::::app=phone,yesterday," APP_HASH, NULL },
    { "a@b:{CRYPT}x::::::app=phone,2026-11-26T18:40:05Z,{ROT13}x", NULL },
    { "a@b:{CRYPT}x::::::app=phone,2026-11-26T18:40:05Z,", NULL },
    { "a@b:{CRYPT}x::::::" APP("phone") ",{SCRAM-SHA-256}x", NULL },
    { "a@b:{CRYPT}x::::::" APP("phone") "," VERIFIER, NULL },
};

static void secrets_entries(void)
{
    struct span field[SECRETS_FIELDS];
    struct bytes value;
    bytes_init(&value, 4096);
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        bytes_clear(&value);
        secrets_fields(span_of(entries[i].line), field);
        bool good = !secrets_value(field[1], field[SECRETS_FIELDS - 1], &value);
        ok(good == (entries[i].value != NULL) && (!good || strcmp(bytes_str(&value), entries[i].value) == 0),
           "an entry %zu: %s", i, bytes_str(&value));
    }
    bytes_free(&value);
}

/* What counts in exchanges: the account's own verifier first, then those that have its salt. */
static void secrets_values(void)
{
    static const struct {
        const char *name, *value;
        size_t count;
        const char *first, *second;
    } rows[] = {
        { "no verifier", "{CRYPT}x", 0, "", "" },
        { "one", "{CRYPT}x\n" SCRAM, 1, "", "" },
        { "one that is the hash", SCRAM, 1, "", "" },
        { "a wrong one", "{SCRAM-SHA-256}x", 0, "", "" },
        { "a disabled account's", "{CRYPT}x\n" SCRAM "\nnologin", 1, "", "" },
        { "one that is the hash, with more", SCRAM "\nnologin", 1, "", "" },
        { "with an app password", "{CRYPT}x\n" SCRAM "\n" APP("phone") "," SCRAM, 2, "", "phone" },
        { "an app password's alone", "{CRYPT}x\n" APP("phone") "," SCRAM, 1, "phone", "" },
        { "of one that has none", "{CRYPT}x\n" SCRAM "\n" APP("phone"), 1, "", "" },
        { "of another salt", "{CRYPT}x\n" SCRAM "\n" APP("phone") ",{SCRAM-SHA-256}4096,c2FsdX==" KEYS, 1, "",
          "" },
        { "of other iterations", "{CRYPT}x\n" SCRAM "\n" APP("phone") ",{SCRAM-SHA-256}5000,c2FsdA==" KEYS, 1,
          "", "" },
        { "of two", "{CRYPT}x\n" APP("a") "," SCRAM "\n" APP("b") "," SCRAM, 2, "a", "b" },
    };
    struct secrets_verifier list[SECRETS_APPS + 1];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memset(list, 0, sizeof list);
        size_t count = secrets_value_verifiers(span_of(rows[i].value), list);
        ok(count == rows[i].count && (count < 1 || strcmp(list[0].app, rows[i].first) == 0) &&
               (count < 2 || strcmp(list[1].app, rows[i].second) == 0),
           "verifiers: %s: %zu", rows[i].name, count);
    }
    ok(span_eq_str(secrets_value_hash(SPAN("{CRYPT}x\ny")), "{CRYPT}x"), "a value's hash");
    ok(secrets_value_disabled(SPAN("{CRYPT}x\nnologin")) &&
           secrets_value_disabled(SPAN("{CRYPT}x\nnologin=1")) &&
           !secrets_value_disabled(SPAN("{CRYPT}nologin\nscram=x")) &&
           !secrets_value_disabled(SPAN("nologin")),
       "and whether it is disabled");
}

static void networks(void)
{
    static const struct {
        const char *value, *peer; /* NULL: without an address */
        bool expected;
    } rows[] = {
        { "x", "192.0.2.1", true },
        { "x", NULL, true },
        { "x\nallow_nets=192.0.2.0/24", "192.0.2.77", true },
        { "x\nallow_nets=192.0.2.0/24", "192.0.3.77", false },
        { "x\nallow_nets=192.0.2.0/24", NULL, false },
        { "x\nallow_nets=192.0.2.0/24", "2001:db8::1", false },
        { "x\nallow_nets=10.0.0.0/8,2001:db8::/32", "2001:db8::1", true },
        { "x\nallow_nets=10.0.0.0/8,2001:db8::/32", "2001:db9::1", false },
        { "x\nallow_nets=local", NULL, true },
        { "x\nallow_nets=local", "127.0.0.1", false },
        { "x\nallow_nets=10.0.0.1,garbage", "10.0.0.1", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct peer peer = { .known = rows[i].peer != NULL };
        struct network net;
        if (peer.known && settings_parse_network(span_of(rows[i].peer), &net))
            peer.address = net.address;
        ok(secrets_value_admits(span_of(rows[i].value), &peer) == rows[i].expected, "from %s by %s",
           rows[i].peer ? rows[i].peer : "here", rows[i].value + 1);
    }
}

static const struct {
    const char *old, *new;
} changes[] = {
    { "", "a@b:HASH::::::scram=VERIFIER" },
    { "a@b:old", "a@b:HASH::::::scram=VERIFIER" },
    { "a@b:old:1:2:g:/h:/s", "a@b:HASH:1:2:g:/h:/s:scram=VERIFIER" },
    { "a@b:old::::::scram=old", "a@b:HASH::::::scram=VERIFIER" },
    { "a@b:old:1:::::u=1 scram=old v=2:3", "a@b:HASH:1:::::scram=VERIFIER u=1 v=2:3" },
};

static void secrets_changed(void)
{
    struct bytes line;
    bytes_init(&line, 4096);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        bytes_clear(&line);
        bool good = secrets_line(SPAN("a@b"), SPAN("HASH"), SPAN("VERIFIER"), span_of(changes[i].old), &line);
        ok(good && strcmp(bytes_str(&line), changes[i].new) == 0, "an entry changed: %s", bytes_str(&line));
    }
    bytes_free(&line);
}

static void extra_changed(void)
{
    static const struct {
        const char *old, *without, *with, *new;
    } rows[] = {
        { "a@b:H", "nologin", "nologin", "a@b:H::::::nologin" },
        { "a@b:H:1:2:g:/h:/s:u=1:2 nologin v", "nologin", "nologin", "a@b:H:1:2:g:/h:/s:u=1:2 v nologin" },
        { "a@b:H::::::nologin", "nologin", "", "a@b:H::::::" },
        { "a@b:H::::::nologin=y nologins", "nologin=", "", "a@b:H::::::nologins" },
        { "a@b:H::::::app=x,1 app=xy,2", "app=x,", "", "a@b:H::::::app=xy,2" },
        { "a@b:H::::::app=x,1", "", "app=y,2", "a@b:H::::::app=x,1 app=y,2" },
    };
    struct bytes line;
    bytes_init(&line, 4096);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bytes_clear(&line);
        ok(secrets_change(span_of(rows[i].old), rows[i].without, span_of(rows[i].with), &line) &&
               strcmp(bytes_str(&line), rows[i].new) == 0,
           "an entry's extra fields: %s", bytes_str(&line));
    }
    bytes_free(&line);
}

int main(void)
{
    struct settings s;
    if (!mkdtemp(folder))
        abort();
    fill(&s);
    right(&s);
    wrong(&s);
    replayed(&s);
    bound(&s);
    unknown(&s);
    key_at_once(&s);
    broken(&s);
    secrets_entries();
    secrets_values();
    networks();
    secrets_changed();
    extra_changed();
    settings_free(&s);
    char command[160];
    snprintf(command, sizeof command, "rm -r %s", folder);
    ok(system(command) == 0, "cleaned up");
    return done_testing();
}
