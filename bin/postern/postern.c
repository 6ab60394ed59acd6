/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern(8), the administrator's command: reads the options, finds the command in a table, loads the
 * settings, and (as root) becomes the owner of the spool before the command touches anything.
 */
#include "command.h"
#include "base/log.h"
#include "net/sandbox.h"

#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#ifndef POSTERN_VERSION
#define POSTERN_VERSION "0.1"
#endif

#define HELP_MARGIN 37 /* columns before what a command does */

static int help_command(struct admin *a, int argc, char **argv);
static int config_command(struct admin *a, int argc, char **argv);

const struct command commands[] = {
    { "setup", NULL, "HOSTNAME DOMAIN [ADDRESS]", "make a working server in FILE's folder", 2, 3,
      NO_SETTINGS | KEEP_ROOT, setup_command },
    { "domain", "add", "DOMAIN [= OTHER | relay [all]]",
      "receive mail for a domain; or as another name of one; or to send it on to its own server", 1, 3, 0,
      domain_add },
    { "domain", "remove", "DOMAIN", "no longer", 1, 1, 0, domain_remove },
    { "domain", "list", "[--json]", "the first is what names without a domain mean", 0, 0, JSON,
      domain_list },
    { "relay", "add", "RECIPIENT...", "take mail for user@DOMAIN, or @DOMAIN, of a domain that is relayed", 1,
      INT_MAX, 0, relay_add },
    { "relay", "remove", "RECIPIENT...", "no longer", 1, INT_MAX, 0, relay_remove },
    { "relay", "list", "[--json]", "all of them", 0, 0, JSON, relay_list },
    { "bcc", "add", "all|from|to [WHO] TARGET...",
      "send a copy of all mail, or that from or to user@DOMAIN or @DOMAIN, to targets", 2, INT_MAX, 0,
      bcc_add },
    { "bcc", "remove", "all|from|to [WHO]", "no longer", 1, 2, 0, bcc_remove },
    { "bcc", "list", "[--json]", "who gets copies", 0, 0, JSON, bcc_list },
    { "user", "add", "ADDRESS", "make an account; the password comes from the terminal or a line of input", 1,
      1, 0, user_add },
    { "user", "remove", "ADDRESS", "remove an account; its mail stays", 1, 1, 0, user_remove },
    { "user", "passwd", "ADDRESS", "change a password", 1, 1, 0, user_passwd },
    { "user", "list", "[--json]", "all accounts", 0, 0, JSON, user_list },
    { "user", "show", "[--json] ADDRESS", "may it log in, with which passwords, and when did it last", 1, 1,
      JSON, user_show },
    { "user", "disable", "ADDRESS", "no more logins; mail is still delivered", 1, 1, 0, user_disable },
    { "user", "enable", "ADDRESS", "logins again", 1, 1, 0, user_enable },
    { "user", "apppass", "add|remove ADDRESS NAME | list [--json] [ADDRESS]",
      "make a password for one program or device, and print it once; take it back; show when each was used",
      1, 3, JSON, user_apppass },
    { "user", "import", "[--dry-run] [--replace] [--scheme SCHEME] [--domain DOMAIN] FILE",
      "make accounts of a passwd-file of Dovecot's, or of /etc/shadow; - is standard input", 1, 7, KEEP_ROOT,
      user_import },
    { "user", "quota", "[--json] ADDRESS [LIMIT...]",
      "show what it holds and may hold, or set it: storage=2G messages=50000, default", 1, 3, JSON,
      user_quota },
    { "master", "add", "NAME",
      "somebody who may log in as any account, as ACCOUNT*NAME; the password is read", 1, 1, 0, master_add },
    { "master", "remove", "NAME", "no longer", 1, 1, 0, master_remove },
    { "master", "passwd", "NAME", "change the password", 1, 1, 0, master_passwd },
    { "master", "list", "[--json]", "all of them", 0, 0, JSON, master_list },
    { "alias", "add", "NAME TARGET...",
      "send mail for a name (everywhere), NAME@DOMAIN or @DOMAIN to targets", 2, INT_MAX, 0, alias_add },
    { "alias", "remove", "NAME [TARGET]", "remove an alias, or one of its targets", 1, 2, 0, alias_remove },
    { "alias", "list", "[--json]", "all aliases", 0, 0, JSON, alias_list },
    { "alias", "import", "FILE",
      "add those of another server's /etc/aliases whose names have none yet (- is standard input)", 1, 1, 0,
      alias_import },
    { "refuse", "add", "from|to|client WHO [TEXT...]",
      "take no mail from or to an address, domain or .domain, or from a client's address or network", 2,
      INT_MAX, 0, refuse_add },
    { "refuse", "remove", "from|to|client WHO", "take it again", 2, 2, 0, refuse_remove },
    { "refuse", "list", "[--json]", "all of these", 0, 0, JSON, refuse_list },
    { "route", "add", "WHO WHERE [OPTION...]",
      "send mail for a domain, .domain, address or * by a host: smtp:[HOST]:PORT, lmtp:unix:PATH", 2, INT_MAX,
      0, route_add },
    { "route", "remove", "WHO", "send it to the domain's own servers again", 1, 1, 0, route_remove },
    { "route", "list", "[--json]", "all of these", 0, 0, JSON, route_list },
    { "dkim", "list", "[--json] [--dns] [DOMAIN...]",
      "the keys that mail is signed with; and whether DNS has them", 0, INT_MAX, JSON, dkim_list },
    { "dkim", "make", "DOMAIN...", "make a pair of keys, RSA and Ed25519, and print their records", 1,
      INT_MAX, 0, dkim_make },
    { "dkim", "rotate", "[--now] [DOMAIN...]",
      "make new keys; run again, have them sign in place of the old ones once DNS has them", 0, INT_MAX, 0,
      dkim_rotate },
    { "dkim", "remove", "[--now] DOMAIN [SELECTOR...]", "remove keys that sign no more and left DNS", 1,
      INT_MAX, 0, dkim_remove },
    { "certificate", "install", "[FOLDER | CERTIFICATE KEY]",
      "use what an ACME client has got; its deploy hook calls this", 0, 2, KEEP_ROOT, certificate_install },
    { "dns", NULL, "[--json] [DOMAIN...]", "the records to publish, as lines of a zone file", 0, INT_MAX,
      JSON, dns_command },
    { "queue", "list", "[--json] [FILTER...]", "what waits to go out, a line for each recipient", 0, INT_MAX,
      0, queue_list_command },
    { "queue", "show", "[--json] ID...", "one message, with its envelope", 1, INT_MAX, 0, queue_show },
    { "queue", "retry", "[ID... | all | FILTER...]", "try messages now", 0, INT_MAX, 0, queue_retry },
    { "queue", "hold", "ID... | all | FILTER...", "don't send them until they are released", 1, INT_MAX, 0,
      queue_hold },
    { "queue", "release", "ID... | all | FILTER...", "send them after all", 1, INT_MAX, 0, queue_release },
    { "queue", "drop", "ID... | all | FILTER...", "remove them, unsent and without a bounce", 1, INT_MAX, 0,
      queue_drop },
    { "queue", NULL, "[--json] [FILTER...]", "the list; a FILTER is --sender A, --recipient A or --domain D",
      0, INT_MAX, 0, queue_list_command },
    { "doctor", NULL, "[--json | --list] [--outside HOST] [--signed DOMAIN] [--proc FOLDER] [CHECK...]",
      "what is wrong with this installation, worst first; exit status 0, 1 (warnings) or 2 (errors)", 0,
      INT_MAX, NO_SETTINGS | KEEP_ROOT, doctor_command },
    { "status", NULL, "[--json] [--file FILE] [--proc FOLDER]",
      "connections now, messages of the last hour, day and week, the queue, mailboxes, certificates", 0,
      INT_MAX, KEEP_ROOT, status_command },
    { "metrics", NULL, "[--file FILE] [--proc FOLDER]", "the same for Prometheus, as OpenMetrics text", 0,
      INT_MAX, KEEP_ROOT, metrics_command },
    { "trace", NULL, "[--json] [--since TIME] [--file FILE] ID | ADDRESS | MESSAGE-ID",
      "what the log says of a message", 1, 5, NO_SETTINGS | KEEP_ROOT | JSON, trace_command },
    { "import", NULL, "[--json] [--folder NAME] [--format FORMAT] ADDRESS SOURCE",
      "bring an mbox (- is standard input), or a Maildir with its folders, into an account", 2, 6,
      KEEP_ROOT | JSON, import_command },
    { "export", NULL, "[--json] [--folder NAME] [--mbox] ADDRESS TARGET",
      "write an account's mail to a new Maildir, or a folder to an mbox (- is standard output)", 2, 5,
      KEEP_ROOT | JSON, export_command },
    { "upkeep", NULL, "[--due] [--dry-run] [ADDRESS...]",
      "let old mail of Trash and Junk expire, warn of full mailboxes: what a timer does every few minutes", 0,
      INT_MAX, 0, upkeep_command },
    { "backup", "list", "[--json] DIR", "the backups that lie there", 1, 1, KEEP_ROOT | JSON, backup_list },
    { "backup", "verify", "[--json] BACKUP",
      "read a backup, DIR/TIME or the last one of DIR, and compare it with its list", 1, 1, KEEP_ROOT | JSON,
      backup_verify },
    { "backup", NULL, "[--keep N] [--full] DIR",
      "a copy of everything in a new folder of DIR, while mail flows; "
      "what didn't change is linked from the last",
      1, 4, KEEP_ROOT, backup_command },
    { "restore", NULL, "[--json] [--check | --replace | --to NAME] BACKUP [ADDRESS [NAME]]",
      "bring back from a backup what isn't there: a whole server, an account or a folder", 1, 5,
      NO_SETTINGS | KEEP_ROOT | JSON, restore_command },
    { "tables", NULL, "", "compile the tables after editing them by hand", 0, 0, 0, tables_command },
    { "config", NULL, "[--json] [KEY...]", "the settings in effect, or these", 0, INT_MAX, KEEP_ROOT | JSON,
      config_command },
    { "help", NULL, "[COMMAND [WORD]]", "this, or a command's", 0, 2, NO_SETTINGS | KEEP_ROOT, help_command },
    { "complete", NULL, "", "what the shell asks for completions", 0, INT_MAX,
      NO_SETTINGS | KEEP_ROOT | HIDDEN, complete_command },
    { .word = NULL },
};

static bool is_second(const struct command *c, const char *second)
{
    return !second || (c->second && strcmp(c->second, second) == 0);
}

/* "user add ADDRESS" */
static void put_synopsis(const struct command *c, struct bytes *to)
{
    bytes_printf(to, "%s%s%s%s%s", c->word, c->second ? " " : "", c->second ? c->second : "",
                 c->arguments[0] ? " " : "", c->arguments);
}

/* On a terminal in lines that fit, behind a margin; else one line a command, for grep. */
static void print_help(const struct command *c)
{
    struct bytes line;
    struct span rest = span_of(c->help), word;
    size_t width = terminal_width(), at = HELP_MARGIN;
    bytes_init(&line, 4096);
    put_synopsis(c, &line);
    printf("  %-*s", HELP_MARGIN - 3, bytes_str(&line));
    if (width && line.len > HELP_MARGIN - 3)
        printf("\n%*s", HELP_MARGIN - 1, "");
    while (span_cut(&rest, ' ', &word)) {
        if (width && at + word.n >= width) {
            printf("\n%*s", HELP_MARGIN - 1, "");
            at = HELP_MARGIN;
        }
        printf(" %.*s", SPAN_FMT(word));
        at += word.n + 1;
    }
    putchar('\n');
    bytes_free(&line);
}

/* Of one command, or of all that begin with this word. False: that is no command. */
static bool help_words(const char *word, const char *second)
{
    bool known = false, only = second != NULL;
    for (const struct command *c = commands; c->word; c++) {
        if (strcmp(c->word, word) != 0 || !is_second(c, second) || c->flags & HIDDEN)
            continue;
        if (!known)
            fputs("usage: postern [-c FILE] COMMAND\n\n", stdout);
        print_help(c);
        known = true;
    }
    if (!known)
        return only && help_words(word, NULL);
    puts("\nSee postern(8).");
    return true;
}

static int help_command(struct admin *a, int argc, char **argv)
{
    (void)a;
    if (argc > 0 && help_words(argv[0], argc > 1 ? argv[1] : NULL))
        return EX_OK;
    if (argc > 0)
        return complain(EX_USAGE, "'%s' is no command; `postern help` shows them", argv[0]);
    puts("usage: postern [-c FILE] COMMAND\n");
    for (const struct command *c = commands; c->word; c++)
        if (!(c->flags & HIDDEN))
            print_help(c);
    puts("\n  -c FILE     the settings, " SETTINGS_DEFAULT_FILE " if not given; the tables lie beside them\n"
         "  --help      this; behind a command: that command's\n"
         "  --version   the version\n\n"
         "See postern(8), and postern.conf(5) for the settings.");
    return EX_OK;
}

static bool is_wanted(struct span key, int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (span_eq_str(key, argv[i]))
            return true;
    return argc == 0;
}

static int check_keys(struct span printed, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        struct span rest = printed, line;
        bool known = false;
        while (!known && span_cut(&rest, '\n', &line))
            known = argv[i][0] && span_eq_str(tables_first_word(line), argv[i]);
        if (!known)
            return complain(EX_USAGE, "'%s' is no setting; `postern config` shows them", argv[i]);
    }
    return EX_OK;
}

static int config_command(struct admin *a, int argc, char **argv)
{
    struct bytes out;
    struct span rest, line;
    bytes_init(&out, 1 << 20);
    settings_print(&a->s, &out);
    int result = check_keys(span_bytes(&out), argc, argv);
    for (rest = span_bytes(&out); result == EX_OK && span_cut(&rest, '\n', &line) && line.n;) {
        struct span key = tables_first_word(line);
        if (is_wanted(key, argc, argv) && a->json)
            json_line((struct json_member[]){ { "key", key },
                                              { "value", span_trim(span_from(line, key.n)) } },
                      2);
        else if (is_wanted(key, argc, argv))
            printf("%.*s\n", SPAN_FMT(line));
    }
    bytes_free(&out);
    return result;
}

/* One line about words that are no command. */
static int unknown(const char *word, const char *second)
{
    struct bytes known;
    int result;
    if (!word) {
        fputs("usage: postern [-c FILE] COMMAND; `postern help` shows the commands\n", stderr);
        return EX_USAGE;
    }
    bytes_init(&known, 4096);
    for (const struct command *c = commands; c->word; c++)
        if (strcmp(c->word, word) == 0 && c->second && !(c->flags & HIDDEN))
            bytes_printf(&known, "%s%s", known.len ? ", " : "", c->second);
    if (!known.len)
        result = complain(EX_USAGE, "'%s' is no command; `postern help` shows them", word);
    else if (second && second[0] == '-')
        result = complain(EX_USAGE, "%s %s: no such option; `postern help %s` shows what there is", word,
                          second, word);
    else if (second)
        result = complain(EX_USAGE, "'%s %s' is no command; behind '%s' stands one of: %s", word, second,
                          word, bytes_str(&known));
    else
        result = complain(EX_USAGE, "'%s' wants another word: %s; `postern help %s` says more", word,
                          bytes_str(&known), word);
    bytes_free(&known);
    return result;
}

/* One line about arguments that can't be right whatever they mean. EX_OK: they can. */
static int check_arguments(const struct command *c, int argc, char **argv)
{
    struct bytes synopsis;
    const char *wrong = c->flags & HIDDEN ? NULL : syntax_wrong_option(c, argc, argv);
    int result = EX_OK;
    bytes_init(&synopsis, 4096);
    put_synopsis(c, &synopsis);
    if (wrong)
        result = complain(EX_USAGE, "%s: no such option; usage: postern %s", wrong, bytes_str(&synopsis));
    else if (argc < c->least)
        result = complain(EX_USAGE, "not all that is needed was given; usage: postern %s",
                          bytes_str(&synopsis));
    else if (argc > c->most)
        result = complain(EX_USAGE, "'%s' is too much; usage: postern %s", argv[c->most],
                          bytes_str(&synopsis));
    bytes_free(&synopsis);
    return result;
}

/* --json, where it may stand anywhere, out of the arguments and into a->json. */
static int take_json(struct admin *a, const struct command *c, int argc, char **argv)
{
    int kept = 0;
    for (int i = 0; i < argc; i++) {
        bool json = c->flags & JSON && strcmp(argv[i], "--json") == 0;
        a->json = a->json || json;
        if (!json)
            argv[kept++] = argv[i];
    }
    return kept;
}

static int load(struct admin *a, const struct command *c)
{
    struct bytes error;
    int result = EX_OK;
    bytes_init(&error, 4096);
    if (settings_load(a->file, &a->s, &error) != ST_OK)
        result = complain(EX_CONFIG, "%s", bytes_str(&error));
    else if (!(c->flags & KEEP_ROOT) && sandbox_drop_root(a->s.spool, &error) != ST_OK)
        result = complain(EX_NOPERM, "%s", bytes_str(&error));
    bytes_free(&error);
    return result;
}

int main(int argc, char **argv)
{
    struct admin a = { .file = SETTINGS_DEFAULT_FILE, .lock = -1 };
    int at = 1;
    setlocale(LC_CTYPE, "");
    umask(077);
    log_open("postern");
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "-c") == 0 && at + 1 < argc)
            a.file = argv[++at];
        else if (strcmp(argv[at], "-c") == 0)
            return complain(EX_USAGE, "-c: the file is missing");
        else if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0)
            return help_command(&a, 0, NULL);
        else if (strcmp(argv[at], "--version") == 0)
            return puts("postern " POSTERN_VERSION) < 0;
        else
            return complain(EX_USAGE, "%s: no such option before the command; `postern help` shows them",
                            argv[at]);
    }
    const struct command *c = command_find(argc - at, argv + at);
    bool help = argc - at > 1 && strcmp(argv[argc - 1], "--help") == 0 && !(c && c->flags & HIDDEN);
    if (help && help_words(argv[at], c ? c->second : NULL))
        return EX_OK;
    if (!c)
        return unknown(argv[at], at + 1 < argc ? argv[at + 1] : NULL);
    at += c->second ? 2 : 1;
    argc = take_json(&a, c, argc - at, argv + at);
    int result = check_arguments(c, argc, argv + at);
    if (result == EX_OK && !(c->flags & NO_SETTINGS))
        result = load(&a, c);
    if (result == EX_OK)
        result = c->run(&a, argc, argv + at);
    settings_free(&a.s);
    if (fflush(stdout) != 0 && result == EX_OK)
        result = complain(EX_IOERR, "can't write to standard output");
    return result;
}
