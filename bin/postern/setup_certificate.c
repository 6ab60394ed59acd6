/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern setup: the certificate. Where an ACME client has one for the host name, a copy of it is installed,
 * since the client's own key is root's alone; else one is made that signs itself, so that TLS works before
 * there is a real one. What is there and good is left alone, however often setup is run.
 *
 * A server in /etc whose machine has certbot gets a deploy hook in certbot's folder for such, which takes
 * over every renewal. It does nothing any more once postern is gone.
 */
#include "setup.h"
#include "certificate.h"
#include "base/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define CERTBOT_HOOKS "/etc/letsencrypt/renewal-hooks/deploy"
#define CERTBOT_HOOK CERTBOT_HOOKS "/postern"

/* A path that a shell takes as it is. */
static bool is_plain(const char *path)
{
    return path[0] == '/' &&
           path[strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")] == '\0';
}

/* A hook that is there, whatever is in it, is the administrator's. */
static void write_hook(struct setup *u)
{
    char program[PATH_MAX];
    struct stat info;
    struct bytes text;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = '\0';
    if (!u->system || getuid() != 0 || !is_plain(program) || stat(CERTBOT_HOOKS, &info) != 0 ||
        info.st_uid != 0 || lstat(CERTBOT_HOOK, &info) == 0)
        return;
    bytes_init(&text, 4 * PATH_MAX);
    bytes_printf(&text,
                 "#!/bin/sh\n"
                 "# Written by postern setup: certbot calls this for each certificate that it has renewed.\n"
                 "[ ! -x %s ] || exec %s certificate install\n",
                 program, program);
    if (file_replace(AT_FDCWD, CERTBOT_HOOK, span_bytes(&text), 0755) == ST_OK)
        u->hook = CERTBOT_HOOK;
    bytes_free(&text);
}

int setup_find_certificate(struct setup *u)
{
    struct certificate_target t;
    struct bytes roots, why;
    const char *file;
    write_hook(u);
    if (!u->is_new && certificate_target(&u->a->s, 0, &t) && !certificate_is_poor(&t))
        return EX_OK;
    bytes_init(&why, 65536);
    certificate_roots(&u->a->s, &roots, &file);
    certificate_find(u->is_new ? u->hostname : u->a->s.hostname, NULL, span_bytes(&roots), &u->found, &why);
    struct span rest = span_bytes(&why), line;
    for (bool more = !u->found.count && why.len; more; more = rest.n > 0) {
        span_cut(&rest, '\n', &line);
        complain(EX_OK, "warning: not installed: %.*s", (int)line.n, line.p);
    }
    bytes_free(&roots);
    bytes_free(&why);
    return EX_OK;
}

int setup_certificate(struct setup *u)
{
    const struct settings *s = &u->a->s;
    struct certificate_target t;
    struct bytes error;
    bool certificate = access(s->tls_certificate, F_OK) == 0, key = access(s->tls_key, F_OK) == 0;
    if (u->found.count && certificate_target(s, 0, &t))
        return certificate_put(s, &t, &u->found);
    if (certificate && key)
        return EX_OK;
    if (certificate)
        return complain(EX_CONFIG, "%s: is missing, though its certificate %s is there", s->tls_key,
                        s->tls_certificate);
    if (key)
        return complain(EX_CONFIG, "%s: is missing, though its key %s is there", s->tls_certificate,
                        s->tls_key);
    bytes_init(&error, 4096);
    int result = EX_OK;
    if (certificate_make(s->hostname, s->tls_certificate, s->tls_key, &error) != ST_OK)
        result = complain(EX_CANTCREAT, "%s", bytes_str(&error));
    bytes_free(&error);
    return result;
}

static bool is_self_signed(const struct setup *u)
{
    struct certificate_info info;
    struct bytes error;
    bytes_init(&error, 4096);
    bool yes = certificate_read(u->a->s.tls_certificate, NULL, &info, &error) == ST_OK && info.self_signed;
    certificate_free(&info);
    bytes_free(&error);
    return yes;
}

void setup_say_certificate(const struct setup *u)
{
    const char *option = u->system ? "" : " -c ", *file = u->system ? "" : u->a->file;
    if (is_self_signed(u))
        printf("  3. The certificate is self-signed: servers accept it, mail programs warn. Once an ACME "
               "client has\n"
               "     got a real one, postern%s%s certificate install\n"
               "     puts it here; the client's deploy hook should call that. No restart is needed.\n",
               option, file);
    else
        printf("  3. A renewed certificate comes here by postern%s%s certificate install,\n"
               "     which the ACME client's deploy hook should call. No restart is needed.\n",
               option, file);
    if (u->hook)
        printf("     For certbot that is done: %s was written.\n", u->hook);
}
