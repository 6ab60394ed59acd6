/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern doctor: the table of checks, their findings, worst first, and the exit status that monitoring
 * plugins have: 0 nothing but notes, 1 warnings, 2 errors.
 *
 * It changes nothing. As root, the checks that need it come first (who listens on a port); then it becomes
 * the owner of the spool, as whom the server runs, and sees of files what the server sees. Settings that
 * can't be read are a finding too, and then the only one.
 */
#include "doctor.h"
#include "net/sandbox.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define OUTSIDE "gmail-smtp-in.l.google.com"
#define SIGNED_NAME "org"
#define TEXT_LIMIT 2048

enum { AS_ROOT = 1 };

static const struct check {
    const char *name;
    void (*run)(struct doctor *d);
    enum severity severity;
    int flags;
    const char *help;
} checks[] = {
    { "units", doctor_units, SEVERITY_ERROR, AS_ROOT, "systemd's units: failed, or not open" },
    { "ports", doctor_ports, SEVERITY_ERROR, AS_ROOT, "who else listens on mail's ports" },
    { "certificate-found", doctor_certificate_found, SEVERITY_WARNING, AS_ROOT,
      "what an ACME client has got is used" },
    { "sandbox", doctor_sandbox, SEVERITY_ERROR, 0, "the kernel has Landlock and seccomp" },
    { "inotify", doctor_inotify, SEVERITY_WARNING, 0, "enough instances for IMAP's IDLE" },
    { "disk", doctor_disk, SEVERITY_WARNING, 0, "room for mail and spool" },
    { "inodes", doctor_inodes, SEVERITY_WARNING, 0, "and for their files" },
    { "clock", doctor_clock, SEVERITY_WARNING, 0, "the clock is kept right" },
    { "permissions", doctor_permissions, SEVERITY_ERROR, 0,
      "who may read and write settings, secrets, keys, spool and mail" },
    { "tables", doctor_tables, SEVERITY_ERROR, 0, "compiled tables are what their texts say" },
    { "passwords", doctor_passwords, SEVERITY_WARNING, 0,
      "passwords can be checked, and are worth little to who steals them" },
    { "settings", doctor_settings, SEVERITY_WARNING, 0, "settings that do nothing, or too much" },
    { "queue", doctor_queue, SEVERITY_WARNING, 0, "mail that waits for long, or isn't tried" },
    { "upkeep", doctor_upkeep, SEVERITY_WARNING, 0, "mail expires, and who fills his mailbox is warned" },
    { "certificate", doctor_certificate, SEVERITY_ERROR, 0, "certificate and key fit each other" },
    { "certificate-key", doctor_certificate_key, SEVERITY_ERROR, 0, "the server alone can read its key" },
    { "certificate-name", doctor_certificate_name, SEVERITY_ERROR, 0, "it has the server's name" },
    { "certificate-chain", doctor_certificate_chain, SEVERITY_WARNING, 0,
      "somebody who is trusted signed it" },
    { "certificate-days", doctor_certificate_days, SEVERITY_WARNING, 0, "days that it is still valid" },
    { "resolver", doctor_resolver, SEVERITY_ERROR, 0, "the resolver answers" },
    { "dnssec", doctor_dnssec, SEVERITY_WARNING, 0, "and verifies signatures" },
    { "addresses", doctor_addresses, SEVERITY_WARNING, 0, "the host knows a public address of its own" },
    { "dns-host", doctor_host, SEVERITY_ERROR, 0, "the host name leads to it (A, AAAA)" },
    { "dns-reverse", doctor_reverse, SEVERITY_ERROR, 0, "and its addresses lead back (PTR)" },
    { "dns-tlsa", doctor_tlsa, SEVERITY_ERROR, 0, "TLSA records fit the certificate" },
    { "dns-mx", doctor_mx, SEVERITY_ERROR, 0, "each domain's mail comes here" },
    { "dns-spf", doctor_spf, SEVERITY_ERROR, 0, "the host may send each domain's mail" },
    { "dns-dkim", doctor_dkim, SEVERITY_ERROR, 0, "the keys that sign are published" },
    { "dns-dmarc", doctor_dmarc, SEVERITY_WARNING, 0, "each domain has a policy" },
    { "dns-tls-reports", doctor_tls_reports, SEVERITY_NOTE, 0, "and a place for reports of TLS" },
    { "dns-sts", doctor_sts, SEVERITY_WARNING, 0,
      "a policy of MTA-STS that is announced is served, and right" },
    { "dns-services", doctor_services, SEVERITY_NOTE, 0, "mail programs find the server (SRV)" },
    { "dns-autoconfig", doctor_autoconfig, SEVERITY_WARNING, 0,
      "settings for mail programs that are announced are served, and right" },
    { "port-25-out", doctor_port_out, SEVERITY_ERROR, 0, "mail can leave" },
};
#define CHECKS (sizeof checks / sizeof checks[0])

const char *doctor_check(size_t at)
{
    return at < CHECKS ? checks[at].name : NULL;
}

/* --- findings --- */

__attribute__((format(printf, 4, 0))) static void add(struct doctor *d, enum severity severity,
                                                      const char *todo, const char *format, va_list ap)
{
    char text[TEXT_LIMIT];
    vsnprintf(text, sizeof text, format, ap);
    struct finding f = { severity, d->check, strdup(text), strdup(todo) };
    if (d->count < DOCTOR_FINDINGS && f.text && f.todo) {
        d->findings[d->count++] = f;
        return;
    }
    free(f.text);
    free(f.todo);
}

void doctor_found(struct doctor *d, const char *todo, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    add(d, d->severity, todo, format, ap);
    va_end(ap);
}

void doctor_found_as(struct doctor *d, enum severity severity, const char *todo, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    add(d, severity, todo, format, ap);
    va_end(ap);
}

static const char *severity_word(enum severity severity)
{
    static const char *const words[] = { "note", "warning", "error" };
    return words[severity];
}

static void print_json(const struct finding *f)
{
    printf("{\"severity\":\"%s\",\"check\":\"%s\",\"text\":", severity_word(f->severity), f->check);
    json_string(span_of(f->text));
    fputs(",\"todo\":", stdout);
    json_string(span_of(f->todo));
    puts("}");
}

static void print_line(const struct finding *f)
{
    printf("%-7s %s: ", severity_word(f->severity), f->check);
    say_text(span_of(f->text));
    fputs("; ", stdout);
    say_text(span_of(f->todo));
    putchar('\n');
}

/* The exit status. */
static int report(const struct doctor *d, size_t ran)
{
    int worst = SEVERITY_NOTE;
    for (int severity = SEVERITY_ERROR; severity >= SEVERITY_NOTE; severity--)
        for (size_t i = 0; i < d->count; i++) {
            if ((int)d->findings[i].severity != severity)
                continue;
            worst = severity > worst ? severity : worst;
            (d->json ? print_json : print_line)(&d->findings[i]);
        }
    if (!d->json && worst == SEVERITY_NOTE)
        printf("all is well: %zu checks\n", ran);
    return worst;
}

/* --- running --- */

static bool is_meant(const struct check *c, int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], c->name) == 0)
            return true;
    return argc == 0 || strcmp(c->name, "resolver") == 0; /* others ask it */
}

static size_t run(struct doctor *d, int argc, char **argv, int flags)
{
    size_t ran = 0;
    for (size_t i = 0; i < CHECKS; i++) {
        if ((checks[i].flags & AS_ROOT) != flags || !is_meant(&checks[i], argc, argv))
            continue;
        d->check = checks[i].name;
        d->severity = checks[i].severity;
        checks[i].run(d);
        ran++;
    }
    return ran;
}

static enum status ask_dns(void *arg, const char *name, enum dns_type type, struct dns_answer *answer)
{
    const struct doctor *d = arg;
    return dns_ask(&d->resolver, name, type, answer);
}

static int add_domain(struct admin *a, const struct domain_entry *e, bool only_keys, void *arg)
{
    struct doctor *d = arg;
    (void)a, (void)only_keys;
    if (d->domain_count < DOCTOR_DOMAINS)
        d->domains[d->domain_count++] = *e;
    return EX_OK;
}

static size_t look(struct doctor *d, int argc, char **argv)
{
    struct bytes error;
    size_t ran = 0;
    bytes_init(&error, 4096);
    d->check = "settings";
    d->severity = SEVERITY_ERROR;
    if (settings_load(d->a->file, &d->a->s, &error) != ST_OK) {
        doctor_found(d, "mend that line, or run postern setup where there is no such file", "%s",
                     bytes_str(&error));
    } else {
        ran = run(d, argc, argv, AS_ROOT);
        d->check = "settings";
        d->severity = SEVERITY_ERROR;
        bytes_clear(&error);
        if (sandbox_drop_root(d->a->s.spool, &error) != ST_OK) {
            doctor_found(d, "give the spool to the user as whom the server runs: postern setup does", "%s",
                         bytes_str(&error));
        } else {
            records_addresses(&d->a->s, &d->own);
            records_each_domain(d->a, 0, NULL, add_domain, d);
            ran += run(d, argc, argv, 0);
        }
    }
    bytes_free(&error);
    return ran;
}

/* The value of an option: "--proc", DIR. */
static bool option(int *argc, char ***argv, const char *name, const char **value)
{
    if (*argc < 2 || strcmp((*argv)[0], name) != 0)
        return false;
    *value = (*argv)[1];
    *argc -= 2;
    *argv += 2;
    return true;
}

static int list_checks(void)
{
    for (size_t i = 0; i < CHECKS; i++)
        printf("%s %s %s\n", checks[i].name, severity_word(checks[i].severity), checks[i].help);
    return EX_OK;
}

static int check_names(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        bool known = false;
        for (size_t j = 0; j < CHECKS; j++)
            known = known || strcmp(argv[i], checks[j].name) == 0;
        if (!known)
            return complain(EX_USAGE, "%s: is no check; `postern doctor --list` shows them", argv[i]);
    }
    return EX_OK;
}

int doctor_command(struct admin *a, int argc, char **argv)
{
    struct doctor d = { .a = a, .proc = "/proc", .outside = OUTSIDE, .signed_name = SIGNED_NAME };
    for (bool more = true; argc > 0 && more;) {
        if (strcmp(argv[0], "--list") == 0)
            return list_checks();
        bool json = strcmp(argv[0], "--json") == 0;
        d.json = d.json || json;
        argc -= json;
        argv += json;
        more = json || option(&argc, &argv, "--proc", &d.proc) ||
               option(&argc, &argv, "--outside", &d.outside) ||
               option(&argc, &argv, "--signed", &d.signed_name);
    }
    int result = check_names(argc, argv);
    if (result != EX_OK)
        return result;
    d.lookup = (struct trust_lookup){ .arg = &d, .ask = ask_dns };
    d.findings = calloc(DOCTOR_FINDINGS, sizeof *d.findings);
    d.domains = calloc(DOCTOR_DOMAINS, sizeof *d.domains);
    if (d.findings && d.domains)
        result = report(&d, look(&d, argc, argv));
    else
        result = complain(EX_OSERR, "out of memory");
    for (size_t i = 0; i < d.count; i++) {
        free(d.findings[i].text);
        free(d.findings[i].todo);
    }
    free(d.findings);
    free(d.domains);
    return result;
}
