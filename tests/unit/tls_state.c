/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Remembered policies and hosts, the record of TLS results, and what damage does to them.
 */
#include "tap.h"

#include "base/log.h"
#include "store/tls_results.h"
#include "store/tls_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOW INT64_C(1795696711) /* 2026-11-26 */

static char spool[] = "/tmp/postern-state-XXXXXX";
static char path[128];

static const char *in_spool(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", spool, name);
    return path;
}

static enum status keep(const char *domain, const char *id, int64_t expires, int64_t retry, const char *text)
{
    struct tls_state_policy p = { .fetched = NOW, .expires = expires, .retry = retry };
    snprintf(p.id, sizeof p.id, "%s", id);
    bytes_init(&p.text, TLS_STATE_POLICY_LIMIT);
    bytes_add_str(&p.text, text);
    enum status st = tls_state_policy_keep(spool, domain, &p, NOW);
    bytes_free(&p.text);
    return st;
}

/* "STATUS ID RETRY TEXT" */
static const char *look(const char *domain, int64_t now)
{
    static char text[400];
    struct tls_state_policy p;
    enum status st = tls_state_policy(spool, domain, now, &p);
    snprintf(text, sizeof text, "%d %s %d %s", (int)st, p.id, (int)p.retry, bytes_str(&p.text));
    bytes_free(&p.text);
    return text;
}

static void is(const char *got, const char *expected, const char *name)
{
    if (!ok(strcmp(got, expected) == 0, "%s", name))
        printf("# got %s\n", got);
}

/* Another process has just opened the file that it will write, and locked it; then it ends. */
static void being_made(void)
{
    struct stat made, there;
    int fd = open(in_spool("tls-state"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) != 0 || fstat(fd, &made) != 0)
        exit(1);
    is(look("a.test", NOW), "2  0 ", "a file that somebody is making: can't tell");
    ok(stat(in_spool("tls-state"), &there) == 0 && there.st_ino == made.st_ino, "and it stays his");
    close(fd);
    is(look("a.test", NOW), "1  0 ", "an empty one has nothing");
    ok(keep("a.test", "id", NOW + 10, 0, "x\n") == ST_OK && stat(in_spool("tls-state"), &there) == 0 &&
           there.st_ino == made.st_ino,
       "and is the one that is written to");
    is(look("a.test", NOW), "0 id 0 x\n", "as any other");
    ok(access(in_spool("tls-state.damaged"), F_OK) != 0, "none of them is damaged");
    unlink(in_spool("tls-state"));
}

/* Who reads meanwhile takes nothing away, and who writes first loses nothing to who writes next. */
static void makers(void)
{
    enum { MAKERS = 6, ROUNDS = 20 };
    char name[32];
    int status, failed = 0, there = 0;
    for (int round = 0; round < ROUNDS; round++) {
        unlink(in_spool("tls-state"));
        for (int i = 0; i < MAKERS; i++) {
            if (fork() != 0)
                continue;
            snprintf(name, sizeof name, "maker%d.test", i);
            look(name, NOW);
            int tries = 100; /* others may keep it for long */
            while (tries && keep(name, "id", NOW + 10, 0, "x\n") != ST_OK)
                tries--;
            look(name, NOW);
            _exit(!tries);
        }
        while (wait(&status) > 0)
            failed |= status;
        for (int i = 0; i < MAKERS; i++) {
            snprintf(name, sizeof name, "maker%d.test", i);
            there += strcmp(look(name, NOW), "0 id 0 x\n") == 0;
        }
    }
    ok(!failed && there == MAKERS * ROUNDS, "%d policies of %d that were kept at the same time", there,
       MAKERS * ROUNDS);
    ok(access(in_spool("tls-state.damaged"), F_OK) != 0, "and nobody saw anything damaged");
    unlink(in_spool("tls-state"));
}

static void policies(void)
{
    is(look("a.test", NOW), "1  0 ", "no file: no policy");
    ok(access(in_spool("tls-state"), F_OK) != 0, "and looking makes none");
    ok(keep("A.test", "id1", NOW + 10, 0, "version: STSv1\n") == ST_OK, "a policy is kept");
    is(look("a.test", NOW + 9), "0 id1 0 version: STSv1\n", "and found, whatever the case");
    is(look("a.test", NOW + 10), "1 id1 0 version: STSv1\n", "until it expires");
    is(look("b.test", NOW), "1  0 ", "another domain has none");
    keep("a.test", "id2", NOW + 20, 7, "new\n");
    is(look("a.test", NOW), "0 id2 7 new\n", "a new one replaces it");
    keep("c.test", "", 0, 99, "");
    is(look("c.test", NOW), "1  99 ", "when to fetch again is known without a policy");
    struct stat st;
    ok(stat(in_spool("tls-state"), &st) == 0 && (st.st_mode & 0777) == 0600, "the file is the owner's alone");
}

static void hosts(void)
{
    struct tls_state_host h = { NOW, "dane" };
    ok(tls_state_host(spool, "mx.test", NOW, &h) == ST_NONE, "a host that isn't known");
    h = (struct tls_state_host){ NOW, "dane" };
    ok(tls_state_host_keep(spool, "mx.test", &h, NOW) == ST_OK, "a host is kept");
    h.what[0] = '\0';
    ok(tls_state_host(spool, "MX.test", NOW + 1000, &h) == ST_OK && strcmp(h.what, "dane") == 0 &&
           h.seen == NOW,
       "and found");
    ok(tls_state_host(spool, "mx.test", NOW + TLS_STATE_HOST_SECONDS, &h) == ST_NONE,
       "and forgotten in time");
    ok(strncmp(look("mx.test", NOW), "1", 1) == 0, "a host is no domain");
}

static void resolver(void)
{
    struct tls_state_resolver r;
    ok(tls_state_resolver(spool, &r) == ST_NONE, "nothing is known of the resolver");
    r = (struct tls_state_resolver){ NOW, NOW - 5 };
    ok(tls_state_resolver_keep(spool, &r, NOW) == ST_OK, "that it is unable is kept");
    r.unable = r.warned = 0;
    ok(tls_state_resolver(spool, &r) == ST_OK && r.unable == NOW && r.warned == NOW - 5, "and found");
}

/* A file that has grown too large loses what is over, and nothing else. */
static void growth(void)
{
    static char large[TLS_STATE_POLICY_LIMIT];
    struct stat st;
    char name[32];
    memset(large, 'x', sizeof large - 1);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "old%d.test", i);
        keep(name, "old", NOW - 1, 0, "over\n");
        snprintf(name, sizeof name, "new%d.test", i);
        keep(name, "new", NOW + 1000, 0, "holds\n");
    }
    bool grown = true;
    for (int i = 0; i < 2000 && grown; i++) {
        snprintf(name, sizeof name, "large%d.test", i);
        grown = keep(name, "old", NOW - 1, 0, large) == ST_OK && stat(in_spool("tls-state"), &st) == 0 &&
                st.st_size < (off_t)TLS_STATE_LIMIT;
    }
    ok(!grown && st.st_size >= (off_t)TLS_STATE_LIMIT, "a large file");
    ok(keep("d.test", "id", NOW + 10, 0, "d\n") == ST_OK, "takes a policy");
    ok(stat(in_spool("tls-state"), &st) == 0 && st.st_size < 1 << 20, "and is small again");
    int there = 0, over = 0;
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "new%d.test", i);
        there += strcmp(look(name, NOW), "0 new 0 holds\n") == 0;
        snprintf(name, sizeof name, "old%d.test", i);
        over += strcmp(look(name, NOW), "1  0 ") == 0;
    }
    ok(there == 20 && over == 20, "%d that hold are there, %d that were over are not", there, over);
    is(look("a.test", NOW), "0 id2 7 new\n", "nor did another get lost");
}

/* Every byte of the file changed, in turn: never a wrong value, never a crash. */
static void damage(void)
{
    static char file[1 << 20];
    int fd = open(in_spool("tls-state"), O_RDWR);
    ssize_t n = read(fd, file, sizeof file);
    int wrong = 0, lost = 0;
    for (ssize_t at = 0; at < n; at += at < 8192 ? 5 : 501) {
        char other = (char)(file[at] ^ 0x41);
        fd = open(in_spool("tls-state"), O_RDWR | O_CREAT | O_TRUNC, 0600);
        if (write(fd, file, (size_t)n) != n || pwrite(fd, &other, 1, at) != 1)
            wrong++;
        close(fd);
        const char *got = look("a.test", NOW);
        if (strcmp(got, "0 id2 7 new\n") != 0) {
            lost++;
            wrong += got[0] == '0';
        }
    }
    ok(n > 0 && wrong == 0 && lost > 0, "a changed byte: nothing wrong is believed (%d looks found nothing)",
       lost);
    fd = open(in_spool("tls-state"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    ok(write(fd, "no database", 11) == 11, "a file that is none");
    close(fd);
    is(look("a.test", NOW), "1  0 ", "counts as empty");
    ok(keep("a.test", "id3", NOW + 10, 0, "x\n") == ST_OK, "and is begun anew");
    is(look("a.test", NOW), "0 id3 0 x\n", "as before");
    ok(access(in_spool("tls-state.damaged"), F_OK) == 0, "what was there is put aside");
}

static size_t read_day(const char *day, char *to, size_t room)
{
    char name[64];
    snprintf(name, sizeof name, "tls-results/%s", day);
    FILE *f = fopen(in_spool(name), "r");
    size_t n = f ? fread(to, 1, room - 1, f) : 0;
    to[n] = '\0';
    if (f)
        fclose(f);
    return n;
}

static void results(void)
{
    static char text[8192];
    struct tls_session s = { NOW,         "a.test",    TLS_POLICY_STS,      "mx.a.test",
                             "192.0.2.1", "192.0.2.2", TLS_RESULT_SUCCESS, NULL };
    ok(tls_results_add(spool, &s) == ST_OK, "a session is recorded");
    s.result = TLS_RESULT_EXPIRED;
    s.mx = "m x\n\"";
    s.from = NULL;
    s.text = "it \"said\"\r\nso \xc3";
    ok(tls_results_add(spool, &s) == ST_OK, "and another");
    ok(tls_results_policy(spool, NOW, "a.test", TLS_POLICY_STS, "version: STSv1|mode: none") == ST_OK,
       "and the policy");
    read_day("2026-11-26", text, sizeof text);
    is(text,
       "at=1795696711 domain=a.test policy=sts mx=mx.a.test from=192.0.2.1 to=192.0.2.2 result=success\n"
       "at=1795696711 domain=a.test policy=sts mx=m?x?? to=192.0.2.2 result=certificate-expired text=\"it ?said???so ?\"\n"
       "policy domain=a.test policy=sts text=\"version: STSv1|mode: none\"\n",
       "a line each, in which nothing can be forged");
    ok(truncate(in_spool("tls-results/2026-11-26"), TLS_RESULTS_LIMIT - 10) == 0 &&
           tls_results_add(spool, &s) == ST_PERM,
       "a full day takes no more");
    s.at = NOW + 86400;
    ok(tls_results_add(spool, &s) == ST_OK && read_day("2026-11-27", text, sizeof text) > 0,
       "the next one does");
    tls_results_sweep(spool, NOW + TLS_RESULTS_DAYS * 86400);
    ok(access(in_spool("tls-results/2026-11-26"), F_OK) == 0, "a day is kept as long as it should be");
    tls_results_sweep(spool, NOW + (TLS_RESULTS_DAYS + 1) * 86400);
    ok(access(in_spool("tls-results/2026-11-26"), F_OK) != 0, "and no longer");
    ok(access(in_spool("tls-results/2026-11-27"), F_OK) == 0, "the one after it is");
    int named = 0;
    for (int i = 0; i < TLS_RESULTS; i++)
        named += tls_result_name((enum tls_result)i) != NULL;
    ok(named == TLS_RESULTS, "each result has its name");
}

int main(void)
{
    char command[128];
    if (!mkdtemp(spool))
        return 1;
    log_open("tls_state");
    log_leave();
    being_made();
    makers();
    policies();
    hosts();
    resolver();
    growth();
    damage();
    results();
    snprintf(command, sizeof command, "rm -rf %s", spool);
    return system(command) == 0 ? done_testing() : 1;
}
