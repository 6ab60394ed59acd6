/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern setup: a working server in the settings' folder. It asks nothing, and writes only what isn't there
 * yet, so it can be run again after anything. In /etc/postern the mail and the spool lie below /var; anywhere
 * else they lie in the folder itself, so that a whole server fits in it.
 *
 * What is done as root, and who owns the files then, is in setup_folders.c; all here is done as the owner.
 */
#include "setup.h"
#include "base/clock.h"
#include "base/files.h"
#include "net/idna.h"
#include "net/sandbox.h"
#include "store/srs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static const char *const table_texts[TABLES] = {
    [TABLE_DOMAINS] =
        "# The domains whose mail this server receives, one a line. The first is what names without\n"
        "# a domain mean. Also: example.net = example.org, another name of one of them; example.com relay,\n"
        "# another server's, for which this one takes mail. After editing by hand: postern tables\n",
    [TABLE_ACCOUNTS] =
        "# The accounts, one address a line. `postern user add` adds one, with password and folders.\n"
        "# Limits may follow: alice@example.org storage=2G messages=50000. See `postern user quota`.\n",
    [TABLE_ALIASES] =
        "# name: target, target      for every domain of this server; also name@domain: and @domain:\n"
        "# See aliases(5). After editing by hand: postern tables\n",
    [TABLE_SECRETS] = "# user@domain:{SCHEME}hash   `postern user passwd` changes one\n",
    [TABLE_RELAY] =
        "# Recipients of the domains that are relayed, one a line: user@example.com, or @example.com for "
        "all of\n"
        "# that domain. After editing by hand: postern tables\n",
};

static int write_new(const char *path, const char *contents, mode_t mode)
{
    struct stat info;
    if (stat(path, &info) == 0)
        return EX_OK;
    if (errno == ENOENT && file_replace(AT_FDCWD, path, span_of(contents), mode) == ST_OK)
        return EX_OK;
    return complain(EX_CANTCREAT, "%s: can't write it: %s", path, strerror(errno));
}

static int make_spool(struct setup *u)
{
    static const char *const parts[] = { "queue", "tmp", "slots" };
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (snprintf(path, sizeof path, "%s/%s", u->spool, parts[i]) >= PATH_MAX)
            return complain(EX_CONFIG, "spool: the path is too long");
        if (file_make_dirs(path, 0700) != ST_OK)
            return complain(EX_CANTCREAT, "%s: can't make it: %s", path, strerror(errno));
    }
    return EX_OK;
}

/* The line for the sandbox, empty where the kernel has what it needs. */
static const char *sandbox_line(void)
{
    struct sandbox *box = NULL;
    struct bytes error;
    bytes_init(&error, 4096);
    enum status st =
        sandbox_prepare(SANDBOX_SESSION, SANDBOX_REQUIRE, NULL, 0, (uint64_t)1 << 30, &box, &error);
    if (st != ST_OK)
        complain(
            EX_OK,
            "warning: %s. Each connection is normally locked into a sandbox, so that a mistake in the code "
            "that strangers talk to gives them nothing. Here it can't be, or only in part; the setting "
            "`sandbox try` makes the server run all the same. Better: a kernel with Landlock and seccomp, "
            "such as Debian 12's",
            bytes_str(&error));
    else
        sandbox_free(box);
    bytes_free(&error);
    return st == ST_OK ? "" : "sandbox try\n";
}

static void settings_text(struct setup *u, struct bytes *text)
{
    bytes_printf(text,
                 "# The settings of this server: lines of `key value`. postern.conf(5) explains each key;\n"
                 "# `postern config` prints all of them as they are in effect.\n\n"
                 "hostname %s\n",
                 u->hostname);
    if (!u->system)
        bytes_add_str(text, "mail mail/%d/%u\nspool spool\n");
    bytes_add_str(text,
                  "\n# Mail that lies in these folders for so long is removed, where you take the # away:\n"
                  "#expire Trash 30d\n#expire Junk 30d\n\n");
    bytes_add_str(text, sandbox_line());
}

/* Where everything lies: by the settings, or by those that we are going to write. */
static int find_places(struct setup *u)
{
    struct bytes error, root;
    bytes_init(&error, 4096);
    bytes_init(&root, sizeof u->mail - 1);
    int result = EX_OK;
    enum status st = settings_load(u->a->file, &u->a->s, &error);
    u->is_new = st == ST_NONE;
    if (u->is_new)
        bytes_printf(&root, "%s/mail", u->system ? "/var" : u->folder);
    else if (st != ST_OK)
        result = complain(EX_CONFIG, "%s", bytes_str(&error));
    else
        settings_mail_root(&u->a->s, &root);
    if (u->is_new && u->system)
        bytes_add_str(&root, "/postern");
    snprintf(u->mail, sizeof u->mail, "%s", bytes_str(&root));
    int n = u->is_new
                ? snprintf(u->spool, sizeof u->spool, "%s", u->system ? "/var/spool/postern" : u->folder)
                : snprintf(u->spool, sizeof u->spool, "%s", u->a->s.spool ? u->a->s.spool : "");
    if (u->is_new && !u->system && n > 0 && (size_t)n < sizeof u->spool)
        n += snprintf(u->spool + n, sizeof u->spool - (size_t)n, "/spool");
    if (result == EX_OK && (root.failed || n < 0 || (size_t)n >= sizeof u->spool))
        result = complain(EX_CONFIG, "%s: the path is too long", u->a->file);
    bytes_free(&root);
    bytes_free(&error);
    return result;
}

static int write_settings(struct setup *u)
{
    struct bytes text, error;
    int result = EX_OK;
    bytes_init(&text, 65536);
    bytes_init(&error, 4096);
    if (u->is_new) {
        settings_text(u, &text);
        result = write_new(u->a->file, bytes_str(&text), 0644);
        if (result == EX_OK && settings_load(u->a->file, &u->a->s, &error) != ST_OK)
            result = complain(EX_CONFIG, "%s", bytes_str(&error));
    }
    bytes_free(&error);
    bytes_free(&text);
    return result;
}

/* What senders are rewritten with when mail is sent on; see store/srs.h. */
static int write_srs_key(struct setup *u)
{
    char path[PATH_MAX], key[80];
    if (snprintf(path, sizeof path, "%s/" SRS_KEY_FILE, u->folder) >= PATH_MAX)
        return complain(EX_CONFIG, "%s: the path is too long", u->folder);
    snprintf(key, sizeof key, "%016" PRIx64 "%016" PRIx64 "%016" PRIx64 "%016" PRIx64 "\n", random_u64(),
             random_u64(), random_u64(), random_u64());
    int result = write_new(path, key, 0600);
    explicit_bzero(key, sizeof key);
    return result;
}

static int add_domain(struct setup *u)
{
    struct bytes text;
    struct span line;
    int result = edit_read(u->a, TABLE_DOMAINS, &text);
    if (result == EX_OK && !edit_find(u->a, TABLE_DOMAINS, &text, u->domain, &line)) {
        edit_append(&text, u->domain);
        result = edit_write(u->a, TABLE_DOMAINS, &text);
    }
    bytes_free(&text);
    return result;
}

/* postmaster and so on lead to ADDRESS, else to the first account; without either, the first `user add` sees
 * to it. */
static int add_aliases(struct setup *u)
{
    struct bytes text, domain;
    struct span rest, line;
    struct address to;
    if (u->address)
        return alias_make_standard(u->a, u->address);
    int result = edit_read(u->a, TABLE_ACCOUNTS, &text);
    rest = span_bytes(&text);
    if (result == EX_OK && edit_next(&rest, &line) && (result = edit_first_domain(u->a, &domain)) == EX_OK) {
        if (tables_address(line, span_bytes(&domain), &to))
            result = alias_make_standard(u->a, to.text);
        bytes_free(&domain);
    }
    bytes_free(&text);
    return result;
}

static int write_tables(struct setup *u)
{
    char path[PATH_MAX];
    bool made;
    int result = edit_lock(u->a);
    if (result != EX_OK)
        return result;
    for (int t = 0; result == EX_OK && t < TABLES; t++) {
        enum table_name name = (enum table_name)t;
        if (!table_texts[t])
            continue; /* one that few need: without its text nobody opens it */
        result = tables_path(&u->a->s, name, false, path, sizeof path)
                     ? write_new(path, table_texts[t], name == TABLE_SECRETS ? 0600 : 0644)
                     : complain(EX_CONFIG, "%s: the path is too long", u->folder);
    }
    if (result == EX_OK)
        result = add_domain(u);
    if (result == EX_OK)
        result = add_aliases(u);
    if (result == EX_OK)
        result = edit_compile_all(u->a);
    if (result == EX_OK)
        result = dkim_make_first(u->a, u->domain, &made);
    edit_unlock(u->a);
    return result;
}

/* --- what to do next --- */

static void say_next(struct setup *u)
{
    char option[PATH_MAX + 8] = "", *domain = (char *)(uintptr_t)u->domain;
    const char *host = u->a->s.hostname;
    if (!u->system)
        snprintf(option, sizeof option, " -c %s", u->a->file);
    printf(
        "%s is ready to receive mail for %s. Settings and tables are in %s,\nmail in %s, the spool in %s.\n",
        host, u->domain, u->folder, u->mail, u->spool);
    if (strcasecmp(host, u->hostname) != 0)
        printf("The host name stays %s, as %s has it; change it there if %s is right.\n", host, u->a->file,
               u->hostname);
    if (u->trial)
        printf("There is no user `postern` on this machine, so the files belong to `%s`: fine for a trial.\n",
               TRIAL_OWNER);
    printf("\nNext:\n"
           "  1. postern%s user add %s\n"
           "     makes an account; mail for postmaster and abuse goes to %s.\n",
           option, u->address ? u->address : "YOU", u->address ? u->address : "the first one");
    puts("  2. Publish the records below in the DNS; PTR, from this machine's addresses back to its name, is "
         "set by\n     whoever gave you the addresses.");
    setup_say_certificate(u);
    if (u->system)
        puts("  4. systemctl enable --now postern.target\n"
             "     opens the ports.");
    else
        puts("  4. Start a handler by hand, such as `smtpd -c FILE`, or from systemd or inetd; README.md "
             "shows how.");
    printf("  5. postern%s doctor\n     says what is still wrong, now and later.\n"
           "\nThe records, which `postern%s dns` prints again:\n\n",
           option, option);
    dns_command(u->a, 1, &domain);
}

static int check_arguments(struct setup *u)
{
    char probe[ADDRESS_LIMIT + 4];
    struct address a;
    const char *names[] = { u->hostname, u->domain };
    for (size_t i = 0; i < 2; i++) {
        int n = snprintf(probe, sizeof probe, "x@%s", names[i]);
        if (n < 0 || (size_t)n >= sizeof probe || !tables_address(span_of(probe), SPAN(""), &a) ||
            address_domain(&a).p[0] == '[')
            return complain(EX_DATAERR, "%s: is no %s; one looks like %s", names[i],
                            i ? "domain" : "host name", i ? "example.org" : "mail.example.org");
    }
    if (u->address && !tables_address(span_of(u->address), span_of(u->domain), &u->canonical))
        return complain(EX_DATAERR, "%s: is no address; one looks like you@%s", u->address, u->domain);
    if (u->address)
        u->address = u->canonical.text;
    return EX_OK;
}

int setup_command(struct admin *a, int argc, char **argv)
{
    char hostname[ADDRESS_DOMAIN_LIMIT + 1], domain[ADDRESS_DOMAIN_LIMIT + 1], file[PATH_MAX];
    struct setup u = { .a = a, .hostname = hostname, .domain = domain, .address = argc > 2 ? argv[2] : NULL };
    if (!idna_to_ascii(span_of(argv[0]), hostname) || !idna_to_ascii(span_of(argv[1]), domain))
        return complain(EX_DATAERR, "%s: is too long for a domain, or none that DNS can have",
                        hostname[0] ? argv[1] : argv[0]);
    char *here = a->file[0] == '/' ? NULL : getcwd(NULL, 0);
    int n = snprintf(file, sizeof file, "%s%s%s", here ? here : "", here ? "/" : "", a->file);
    free(here);
    if (n < 0 || (size_t)n >= sizeof file || !strrchr(file, '/'))
        return complain(EX_CONFIG, "%s: the path is too long", a->file);
    a->file = file;
    snprintf(u.folder, sizeof u.folder, "%.*s", (int)(strrchr(file, '/') - file), file);
    u.system = strcmp(u.folder, SYSTEM_FOLDER) == 0;
    int result = check_arguments(&u);
    umask(022); /* for folders on the way to ours; all else gets its mode by name */
    certificate_pair_init(&u.found);
    int (*const steps[])(struct setup *) = {
        find_places, setup_find_certificate, setup_folders, write_settings,
        make_spool,  setup_certificate,      write_srs_key, write_tables,
    };
    for (size_t i = 0; result == EX_OK && i < sizeof steps / sizeof steps[0]; i++)
        result = steps[i](&u);
    if (result == EX_OK)
        say_next(&u);
    certificate_pair_free(&u.found);
    return result;
}
