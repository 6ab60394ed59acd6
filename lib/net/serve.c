/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * main() of the handlers: what happens before the first connection; see serve.h.
 *
 * With settings that can't be used, clients are still accepted and told so (a
 * socket that nobody accepts from would be restarted for ever), slowly.
 */
#include "net/serve.h"
#include "base/files.h"
#include "base/log.h"
#include "base/options.h"
#include "net/channel.h"
#include "net/connection.h"
#include "net/warm.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define NOBODY 65534
#define PATHS (24 + SETTINGS_CERTIFICATES)
#define SESSION_MEMORY (64u << 20)
#define GUARD_MEMORY (128u << 20)
#define MAILBOX_MEMORY (512u << 20)
#define BROKEN_PAUSE_MS 1000
#define LOAD_TRIES 5

bool serving_flag(const struct serving *s, char flag)
{
    return strchr(s->flags, flag) != NULL;
}

/* -1, or the code to exit with. */
static int parse_options(int argc, char **argv, struct serving *s)
{
    char letters[32];
    snprintf(letters, sizeof letters, ":c:tvh%s", s->service->flags);
    for (int letter; (letter = getopt_long(argc, argv, letters, options_words, NULL)) != -1;) {
        size_t n = strlen(s->flags);
        if (letter == OPTIONS_HELP || letter == 'h') {
            fputs(s->service->usage, stdout);
            return EX_OK;
        }
        if (letter == 'c')
            s->settings_file = optarg;
        else if (letter == 't')
            s->implicit_tls = true;
        else if (letter == 'v')
            log_verbose(true);
        else if (strchr(s->service->flags, letter) && n + 1 < sizeof s->flags)
            s->flags[n] = (char)letter;
        else
            return options_wrong(s->service->name, letter, argv);
    }
    return optind < argc ? options_too_much(s->service->name, argv[optind]) : -1;
}

/* The certificates, and which files are their keys: once more where both were replaced meanwhile. */
static enum status load_pairs(struct handler *h, struct bytes *why)
{
    settings_resolve_keys(&h->settings);
    for (int tries = LOAD_TRIES;;) {
        enum status st = tls_server_load(&h->settings, &h->serving.tls, why);
        if (!settings_resolve_keys(&h->settings) || --tries == 0)
            return st;
        tls_server_free(h->serving.tls);
        h->serving.tls = NULL;
        bytes_clear(why);
    }
}

static bool load_certificate(struct handler *h, struct bytes *error)
{
    struct bytes why;
    bytes_init(&why, 1024);
    enum status st = load_pairs(h, &why);
    if (st != ST_OK && h->serving.implicit_tls)
        bytes_add_span(error, span_bytes(&why));
    else if (st != ST_OK)
        log_event(LOG_WARNING, "no-tls", "why", bytes_str(&why), NULL);
    bytes_free(&why);
    return st == ST_OK || !h->serving.implicit_tls;
}

static bool prepare_boxes(struct handler *h, struct bytes *error)
{
    const struct service *service = h->serving.service;
    const struct settings *s = &h->settings;
    struct sandbox_path paths[PATHS];
    size_t count = service->guard_paths(s, paths, PATHS - SETTINGS_CERTIFICATES - 2);
    for (size_t i = 0; i <= s->certificate_count; i++)
        paths[count++] = (struct sandbox_path){ settings_key_file(s, i), SANDBOX_READ };
    if (sandbox_prepare(SANDBOX_SESSION, s->sandbox, NULL, 0, SESSION_MEMORY, &h->session_box, error) !=
            ST_OK ||
        sandbox_prepare(SANDBOX_GUARD, s->sandbox, paths, count, GUARD_MEMORY, &h->guard_box, error) != ST_OK)
        return false;
    if (service->asks_dns && service->asks_dns(&h->serving, true) != DNS_NEVER &&
        sandbox_prepare(SANDBOX_RESOLVER, s->sandbox, NULL, 0, SESSION_MEMORY, &h->resolver_box, error) !=
            ST_OK)
        return false;
    if (!service->mailbox)
        return true;
    struct bytes root;
    bytes_init(&root, 4096);
    settings_mail_root(s, &root);
    struct sandbox_path mail = { bytes_str(&root), SANDBOX_READ | SANDBOX_WRITE };
    paths[count++] = mail;
    bool ok = sandbox_prepare(SANDBOX_MAILBOX, s->sandbox, &mail, 1, MAILBOX_MEMORY, &h->mailbox_box,
                              error) == ST_OK &&
              sandbox_prepare(SANDBOX_WAITING, s->sandbox, paths, count, MAILBOX_MEMORY, &h->waiting_box,
                              error) == ST_OK;
    h->serving.mailbox_box = h->mailbox_box;
    bytes_free(&root);
    return ok;
}

/* Settings, user, certificate, sandboxes. On failure the handler is broken, and the log has the reason. */
static void prepare(struct handler *h)
{
    struct bytes error;
    bytes_init(&error, 4096);
    h->serving.settings = &h->settings;
    h->broken = settings_load(h->serving.settings_file, &h->settings, &error) != ST_OK ||
                sandbox_drop_root(h->settings.spool, &error) != ST_OK || !load_certificate(h, &error) ||
                !prepare_boxes(h, &error);
    if (h->broken) {
        log_event(LOG_ERR, "unusable", "why", bytes_str(&error), NULL);
        if (getuid() == 0 && (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
            exit(EX_CONFIG);
    }
    bytes_free(&error);
}

/* Whoever holds the socket would start us again at once: slowly. */
static int unknown_start(const struct activation *on)
{
    log_event(LOG_ERR, "no-libsystemd", "why", on->error, "do", "install libsystemd0, or start this by inetd",
              NULL);
    poll(NULL, 0, BROKEN_PAUSE_MS);
    return EX_OSFILE;
}

/* Here, as no sandbox would let it be read. */
static void read_boot(char *to, size_t size)
{
    struct bytes text;
    bytes_init(&text, size);
    if (file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", &text) == ST_OK)
        span_copy(span_trim(span_bytes(&text)), to, size);
    bytes_free(&text);
}

int serve(int argc, char **argv, const struct service *service)
{
    struct activation on;
    struct handler h = { .serving = { .service = service,
                                      .relay = -1,
                                      .control = -1,
                                      .channel = -1,
                                      .resolver = -1,
                                      .place = -1,
                                      .disk_notices = -1 } };
    bool known = activation_get(&on);
    log_open(service->name);
    sandbox_first();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    read_boot(h.serving.boot, sizeof h.serving.boot);
    int code = parse_options(argc, argv, &h.serving);
    if (code >= 0)
        return code;
    if (!known)
        return unknown_start(&on);
    activation_alone(&on);
    prepare(&h);
    h.serving.message = malloc(sizeof *h.serving.message);
    if (!h.serving.message)
        return EX_OSERR;
    if (on.kind == ACTIVATION_LISTENING)
        return warm_run(&h, on.in, argv);
    if (h.broken) {
        connection_refuse(&h, on.out, service->unavailable);
        poll(NULL, 0, BROKEN_PAUSE_MS);
        return EX_CONFIG;
    }
    return connection_run(&h, on.in, on.out);
}
