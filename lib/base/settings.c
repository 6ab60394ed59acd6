/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of settings, and reading and printing the file; see settings.h. To add a key: a member in struct
 * settings, a row below, a paragraph in postern.conf.5. What its value may be: settings_values.c.
 */
#include "base/settings_private.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SETTINGS_FILE_LIMIT 65536

#define AT(member) offsetof(struct settings, member)

static const struct setting_key keys[] = {
    { "hostname", TYPE_NAME, AT(hostname), "" },
    { "addresses", TYPE_ADDRESSES, AT(addresses), "" },
    { "mail", TYPE_PATH, AT(mail), "/var/mail/postern/%d/%u" },
    { "spool", TYPE_PATH, AT(spool), "/var/spool/postern" },
    { "tls-certificate", TYPE_PATH, AT(tls_certificate), "cert.pem" },
    { "tls-key", TYPE_PATH, AT(tls_key), "key.pem" },
    { "certificate", TYPE_CERTIFICATES, AT(certificates), "" },
    { "networks", TYPE_NETWORKS, AT(networks), "" },
    { "message-size", TYPE_SOME_SIZE, AT(message_size), "50M" },
    { "recipients", TYPE_NUMBER, AT(recipients), "1000" },
    { "quota-storage", TYPE_SIZE, AT(quota_storage), "0" },
    { "quota-messages", TYPE_COUNT, AT(quota_messages), "0" },
    { "quota-warning", TYPE_WARNINGS, AT(quota_warnings), "80 95" },
    { "expire", TYPE_EXPIRIES, AT(expiries), "" },
    { "recipient-delimiter", TYPE_STRING, AT(recipient_delimiter), "+" },
    { "alias-directories", TYPE_STRING, AT(alias_directories), "" },
    { "srs", TYPE_YESNO, AT(srs), "yes" },
    { "pipe-socket", TYPE_PATH, AT(pipe_socket), "/run/postern/pipe" },
    { "pipe-timeout", TYPE_SECONDS, AT(pipe_timeout), "15m" },
    { "learn-spam", TYPE_STRING, AT(learn_spam), "" },
    { "learn-ham", TYPE_STRING, AT(learn_ham), "" },
    { "resolver", TYPE_STRING, AT(resolver), "" },
    { "smtp-port", TYPE_PORT, AT(smtp_port), "25" },
    { "https-port", TYPE_PORT, AT(https_port), "443" },
    { "ca-file", TYPE_FILE, AT(ca_file), "" },
    { "trust-anchor", TYPE_FILE, AT(trust_anchor), "" },
    { "dnssec-exempt", TYPE_STRING, AT(dnssec_exempt), "" },
    { "idle-exit", TYPE_SECONDS, AT(idle_exit), "60s" },
    { "timeout", TYPE_SECONDS, AT(timeout), "5m" },
    { "connections", TYPE_NUMBER, AT(connections), "500" },
    { "connections-per-source", TYPE_NUMBER, AT(connections_per_source), "50" },
    { "connection-rate", TYPE_COUNT, AT(connection_rate), "0" },
    { "login-failures", TYPE_COUNT, AT(login_failures), "20" },
    { "messages-per-source", TYPE_COUNT, AT(messages_per_source), "0" },
    { "messages-per-account", TYPE_COUNT, AT(messages_per_account), "1000" },
    { "greylist", TYPE_SECONDS, AT(greylist), "0" },
    { "dns-block", TYPE_ZONES, AT(dns_block), "" },
    { "dns-allow", TYPE_ZONES, AT(dns_allow), "" },
    { "domain-block", TYPE_ZONES, AT(domain_block), "" },
    { "helo-check", TYPE_HELO, AT(helo_check), "own" },
    { "reverse-dns", TYPE_REVERSE, AT(reverse_dns), "off" },
    { "sender-domain", TYPE_DOMAIN, AT(sender_domain), "off" },
    { "dmarc", TYPE_DMARC, AT(dmarc), "junk" },
    { "spf", TYPE_DOMAIN, AT(spf), "mark" },
    { "arc-trust", TYPE_DOMAINS, AT(arc_trust), "" },
    { "dns-defer", TYPE_SECONDS, AT(dns_defer), "1h" },
    { "milter", TYPE_MILTERS, AT(milters), "" },
    { "retry-first", TYPE_SECONDS, AT(retry_first), "1m" },
    { "retry-max", TYPE_SECONDS, AT(retry_max), "4h" },
    { "queue-lifetime", TYPE_SECONDS, AT(queue_lifetime), "5d" },
    { "delay-notice", TYPE_SECONDS, AT(delay_notice), "4h" },
    { "bounce-size", TYPE_SIZE, AT(bounce_size), "50K" },
    { "destinations", TYPE_NUMBER, AT(destinations), "20" },
    { "destination-connections", TYPE_NUMBER, AT(destination_connections), "10" },
    { "destination-rate", TYPE_COUNT, AT(destination_rate), "0" },
    { "plaintext-login", TYPE_YESNO, AT(plaintext_login), "no" },
    { "scram", TYPE_YESNO, AT(scram), "yes" },
    { "sandbox", TYPE_SANDBOX, AT(sandbox), "require" },
};
#define KEYS (sizeof keys / sizeof keys[0])

static const struct setting_key *find_key(struct span name)
{
    for (size_t i = 0; i < KEYS; i++)
        if (span_eq_str(name, keys[i].name))
            return &keys[i];
    return NULL;
}

static bool set_line(struct settings *s, unsigned number, struct span line, struct bytes *error)
{
    line = span_trim(line);
    if (line.n == 0 || line.p[0] == '#')
        return true;
    size_t end = 0;
    while (end < line.n && line.p[end] != ' ' && line.p[end] != '\t')
        end++;
    struct span name = span_head(line, end);
    const struct setting_key *k = find_key(name);
    if (!k) {
        bytes_printf(error, "%s:%u: %.*s: no such setting; `postern config` lists them", s->file, number,
                     SPAN_FMT(span_head(name, 64)));
        return false;
    }
    char *value = span_dup(span_trim(span_from(line, end)));
    const char *wrong = value ? settings_set(s, k, value) : "holds a NUL";
    if (wrong)
        bytes_printf(error, "%s:%u: %s: %s", s->file, number, k->name, wrong);
    free(value);
    return !wrong;
}

static bool set_defaults(struct settings *s)
{
    for (size_t i = 0; i < KEYS; i++)
        if (settings_set(s, &keys[i], keys[i].standard))
            return false;
    char name[256] = "localhost";
    gethostname(name, sizeof name - 1);
    free(s->hostname);
    s->hostname = strdup(name); /* whatever it is called */
    return s->hostname != NULL;
}

/* Fills s->file and s->directory with absolute paths. */
static bool set_place(struct settings *s, const char *file)
{
    char *here = file[0] == '/' ? strdup("") : getcwd(NULL, 0);
    if (!here || asprintf(&s->file, "%s%s%s", here, here[0] ? "/" : "", file) < 0) {
        s->file = NULL;
        free(here);
        return false;
    }
    free(here);
    const char *slash = strrchr(s->file, '/');
    s->directory = strndup(s->file, slash == s->file ? 1 : (size_t)(slash - s->file));
    return s->directory != NULL;
}

enum status settings_load(const char *file, struct settings *s, struct bytes *error)
{
    struct bytes text;
    bytes_init(&text, SETTINGS_FILE_LIMIT);
    *s = (struct settings){ 0 };
    enum status st = ST_TEMP;
    if (!set_place(s, file ? file : SETTINGS_DEFAULT_FILE) || !set_defaults(s)) {
        bytes_add_str(error, "out of memory");
        goto failed;
    }
    st = file_read(AT_FDCWD, s->file, &text);
    if (st != ST_OK) {
        bytes_printf(error, "%s: %s%s", s->file, st == ST_PERM ? "larger than 64 KiB" : strerror(errno),
                     st == ST_NONE ? "; `postern setup` writes it" : "");
        goto failed;
    }
    struct span rest = span_bytes(&text), line;
    for (unsigned number = 1; span_cut(&rest, '\n', &line); number++)
        if (!set_line(s, number, line, error)) {
            st = ST_PERM;
            goto failed;
        }
    bytes_free(&text);
    return ST_OK;
failed:
    bytes_free(&text);
    settings_free(s);
    return st;
}

void settings_free(struct settings *s)
{
    for (size_t i = 0; i < KEYS; i++)
        settings_free_key(s, &keys[i]);
    free(s->file);
    free(s->directory);
    *s = (struct settings){ 0 };
}

void settings_print(const struct settings *s, struct bytes *out)
{
    for (size_t i = 0; i < KEYS; i++)
        settings_print_key(s, &keys[i], out);
}
