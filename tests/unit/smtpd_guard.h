/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A server in a scratch folder, its guard in a process of its own, and a session that says what it is told
 * to: what the tests of smtpd's guard share.
 */
#ifndef POSTERN_TESTS_SMTPD_GUARD_H
#define POSTERN_TESTS_SMTPD_GUARD_H

#include "../../bin/smtpd/guard.h"

#include "net/channel.h"
#include "store/password.h"
#include "store/tables.h"
#include "tap.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))
#define ENDED 99 /* the guard hung up */
#define FILES 3  /* that a message without filters may need */

static char folder[] = "/tmp/postern-guard.XXXXXX";

struct play {
    struct settings settings;
    struct message *m;
    int channel;
    pid_t pid;
    uint64_t origin;
    unsigned uid;    /* of a user of this machine */
    const char *log; /* in the folder; NULL: "log" */
};

/* --- a server */

UNUSED static void write_text(const char *name, const char *text)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        exit(1);
}

UNUSED static void make_dir(const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (mkdir(path, 0700) != 0)
        exit(1);
}

UNUSED static void make_server(struct play *p)
{
    struct bytes secret, error;
    char conf[PATH_MAX];
    bytes_init(&secret, 1000);
    bytes_init(&error, 1000);
    if (!mkdtemp(folder))
        exit(1);
    make_dir("spool");
    make_dir("spool/slots");
    make_dir("spool/tmp");
    write_text("postern.conf",
               "hostname mail.test\nmail mail/%d/%u\nspool spool\nrecipients 3\nmessage-size 2M\n"
               "plaintext-login yes\nsandbox none\n");
    write_text("domains", "here.test\n");
    write_text("accounts", "alice@here.test\nbob@here.test\n");
    write_text("aliases", "outside: x@far.test\nc: alice\nd: alice\n");
    bytes_add_str(&secret, "alice@here.test:");
    password_hash(SPAN("alice-secret"), &secret);
    write_text("secrets", bytes_str(&secret));
    snprintf(conf, sizeof conf, "%s/postern.conf", folder);
    bool good = settings_load(conf, &p->settings, &error) == ST_OK;
    for (int i = 0; i < TABLES && good; i++)
        good = tables_compile(&p->settings, (enum table_name)i, &error) == ST_OK;
    if (!ok(good, "a server"))
        printf("# %s\n", bytes_str(&error));
    bytes_free(&secret);
    bytes_free(&error);
}

/* How many files lie in a directory below the server's; -1 if it isn't there. */
UNUSED static int count(const char *name)
{
    char path[PATH_MAX];
    int n = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    DIR *dir = opendir(path);
    if (!dir)
        return -1;
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        n += e->d_type == DT_REG;
    closedir(dir);
    return n;
}

/* How many lines the guards' log has with that in them, from the beginning of the test on. */
UNUSED static unsigned logged(const char *what)
{
    char path[PATH_MAX], line[8192];
    unsigned n = 0;
    snprintf(path, sizeof path, "%s/log", folder);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        n += strstr(line, what) != NULL;
    if (f)
        fclose(f);
    return n;
}

/* From an address, or (NULL) as a user of this machine. */
UNUSED static void start(struct play *p, const char *flags, const char *address)
{
    static const struct service service = { .name = "smtpd" };
    int pair[2];
    if (channel_pair(pair) != ST_OK)
        exit(1);
    fflush(stdout);
    p->pid = fork();
    if (p->pid == 0) {
        struct serving serving = {
            .service = &service, .settings = &p->settings, .channel = pair[1], .resolver = -1
        };
        char mapped[64];
        snprintf(mapped, sizeof mapped, "::ffff:%s", address ? address : "0.0.0.0");
        inet_pton(AF_INET6, mapped, &serving.peer.address);
        inet_pton(AF_INET6, "::ffff:192.0.2.25", &serving.peer.here);
        snprintf(serving.flags, sizeof serving.flags, "%s", flags);
        snprintf(serving.peer.text, sizeof serving.peer.text, "%s", address ? address : "local");
        serving.peer.known = address != NULL;
        serving.peer.local = !address;
        serving.peer.named = true;
        serving.peer.uid = p->uid;
        for (size_t i = 0; i < SETTINGS_MILTERS; i++)
            serving.milters[i] = i < p->settings.milter_count ? dup(STDOUT_FILENO) : -1; /* any descriptor */
        close(pair[0]);
        char log[PATH_MAX];
        snprintf(log, sizeof log, "%s/%s", folder, p->log ? p->log : "log");
        if (!freopen(log, "a", stderr))
            _exit(1);
        _exit(guard_run(&serving));
    }
    close(pair[1]);
    p->channel = pair[0];
}

UNUSED static void stop(struct play *p)
{
    int status;
    close(p->channel);
    waitpid(p->pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        ok(false, "the guard ended with status %x", (unsigned)status);
}

/* --- a session that says what it is told to */

UNUSED static unsigned call(struct play *p)
{
    uint64_t verdict;
    if (!channel_call(p->channel, p->m) || !message_get_u64(p->m, &verdict))
        return ENDED;
    return (unsigned)verdict;
}

#define MAIL_HELO "h\r\nX-Forged: yes\r\n\r\n"

/* MAIL without its last field, the release time. */
UNUSED static void start_mail_as(struct play *p, const char *helo, const char *path, uint64_t bits)
{
    message_start(p->m, VERB_MAIL);
    message_put_str(p->m, helo);
    message_put_str(p->m, path);
    message_put_u64(p->m, bits);
    message_put_u64(p->m, 0);
    message_put_u64(p->m, RET_UNSAID);
    message_put_str(p->m, "");
}

UNUSED static void start_mail(struct play *p, const char *path, uint64_t bits)
{
    start_mail_as(p, MAIL_HELO, path, bits);
}

UNUSED static unsigned mail(struct play *p, const char *path)
{
    start_mail(p, path, MAIL_EXTENDED);
    message_put_u64(p->m, 0);
    return call(p);
}

UNUSED static unsigned one(struct play *p, unsigned verb, const char *field)
{
    message_start(p->m, verb);
    message_put_str(p->m, field);
    return call(p);
}

UNUSED static unsigned rcpt_saying(struct play *p, const char *path, uint64_t notify, const char *orcpt)
{
    message_start(p->m, VERB_RCPT);
    message_put_str(p->m, path);
    message_put_u64(p->m, notify);
    message_put_str(p->m, orcpt);
    return call(p);
}

UNUSED static unsigned login_as(struct play *p, const char *as, const char *name, const char *password)
{
    message_start(p->m, VERB_LOGIN);
    message_put_str(p->m, as);
    message_put_str(p->m, name);
    message_put_str(p->m, password);
    return call(p);
}

UNUSED static unsigned login(struct play *p, const char *name, const char *password)
{
    return login_as(p, "", name, password);
}

UNUSED static void start_commit(struct play *p, uint64_t bits, struct span added, struct span last)
{
    message_start(p->m, VERB_COMMIT);
    message_put_str(p->m, "TLS1.3 (forged)");
    message_put_u64(p->m, bits);
    message_put(p->m, added);
    message_put_str(p->m, "a@b.test");
    message_put(p->m, last);
}

UNUSED static unsigned commit_adding(struct play *p, uint64_t bits, struct span added, struct span last)
{
    start_commit(p, bits, added, last);
    return call(p);
}

UNUSED static unsigned commit_with(struct play *p, uint64_t bits, struct span last)
{
    return commit_adding(p, bits, SPAN(""), last);
}

UNUSED static unsigned file(struct play *p, int *fd)
{
    message_start(p->m, VERB_FILE);
    unsigned v = call(p);
    *fd = v == VERDICT_OK ? p->m->fd : -1;
    return v;
}

UNUSED static bool piece(struct play *p, size_t n)
{
    static const char zeroes[CHANNEL_PIECE + 100];
    message_start(p->m, VERB_PIECE);
    message_put(p->m, (struct span){ zeroes, n });
    return channel_send(p->channel, p->m);
}

/* The server's folder goes. */
UNUSED static void clear_away(struct play *p)
{
    char command[sizeof folder + 10];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ok(system(command) == 0, "cleared away");
    settings_free(&p->settings);
    free(p->m);
}

#endif
