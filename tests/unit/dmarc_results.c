/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is recorded for aggregate reports: lines in which nothing can be forged, files that are bounded and
 * go.
 */
#include "tap.h"

#include "store/day_file.h"
#include "store/dmarc_results.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOW 1795696711 /* 2026-11-26 12:38:31 */
#define DAY 86400

static char spool[] = "/tmp/postern-dmarc-XXXXXX";

static const char *in_spool(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/dmarc-results/%s", spool, name);
    return path;
}

static const char *read_day(const char *day)
{
    static char text[1 << 20];
    FILE *f = fopen(in_spool(day), "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = '\0';
    if (f)
        fclose(f);
    return text;
}

static struct dmarc_results usual(void)
{
    return (struct dmarc_results){
        .from = "www.example.org",
        .mail_from = "bounce.example.org",
        .policy_domain = "example.org",
        .p = "reject",
        .sp = "quarantine",
        .np = "none",
        .strict_spf = true,
        .fo = "0",
        .rua = "mailto:a@b.test,mailto:c@d.test",
        .disposition = "quarantine",
        .reason = "local_policy",
        .spf_domain = "bounce.example.org",
        .spf_result = "softfail",
        .spf_aligned = false,
        .dkim_aligned = false,
    };
}

static void lines(void)
{
    struct bytes line;
    struct dmarc_results r = usual();
    bytes_init(&line, DMARC_RESULTS_TEXT);
    dmarc_results_start(&r, &line);
    dmarc_results_signature("example.org", "2026a", "fail", &line);
    dmarc_results_signature("list.test", "x", "pass", &line);
    ok(dmarc_results_add(spool, NOW, "192.0.2.1", "example.net", span_bytes(&line)) == ST_OK,
       "a message is recorded");
    const char *wanted =
        "at=1795696711 ip=192.0.2.1 to=example.net from=www.example.org mfrom=bounce.example.org "
        "policy=example.org "
        "p=reject sp=quarantine np=none adkim=r aspf=s t=n fo=0 disposition=quarantine dkim=fail spf=fail "
        "reason=local_policy spf-domain=bounce.example.org spf-result=softfail "
        "rua=\"mailto:a@b.test,mailto:c@d.test\" signature=example.org,2026a,fail "
        "signature=list.test,x,pass\n";
    ok(strcmp(read_day("2026-11-26"), wanted) == 0, "in one line");
    bytes_clear(&line);
    r = (struct dmarc_results){ .from = "a b\"c\\d\ne",
                                .rua = "x\" at=1 \\",
                                .p = "none",
                                .dkim_aligned = true,
                                .testing = true,
                                .disposition = "none" };
    dmarc_results_start(&r, &line);
    dmarc_results_signature("a b", "c\"", "pass\nat=3", &line);
    ok(dmarc_results_add(spool, NOW + DAY, "2001:db8::1", NULL, span_bytes(&line)) == ST_OK &&
           strcmp(read_day("2026-11-27"),
                  "at=1795783111 ip=2001:db8::1 from=a?b?c?d?e p=none adkim=r aspf=r t=y "
                  "disposition=none dkim=pass spf=fail rua=\"x? at=1 ?\" "
                  "signature=a?b,c?,pass?at=3\n") == 0,
       "what strangers say stays in its place");
    ok(dmarc_results_add(spool, NOW + 2 * DAY, "192.0.2.1", "e.test", SPAN("x=y\r\nat=2\0\x80\\")) == ST_OK &&
           strcmp(read_day("2026-11-28"), "at=1795869511 ip=192.0.2.1 to=e.test x=y??at=2???\n") == 0,
       "a session that was taken over writes one line too");
    bytes_free(&line);
}

static void limits(void)
{
    static char name[300], big[DMARC_RESULTS_LINE];
    struct bytes line;
    memset(name, 'a', sizeof name - 1);
    struct dmarc_results r = { .from = name,
                               .mail_from = name,
                               .policy_domain = name,
                               .spf_domain = name,
                               .p = "none",
                               .disposition = "none",
                               .rua = name };
    bytes_init(&line, DMARC_RESULTS_TEXT);
    dmarc_results_start(&r, &line);
    for (int i = 0; i < 100; i++)
        dmarc_results_signature(name, "s", "pass", &line);
    ok(!line.failed && line.len > 3000 &&
           dmarc_results_add(spool, NOW + 3 * DAY, "192.0.2.1", name, span_bytes(&line)) == ST_OK,
       "of 100 signatures those that fit: a line of %zu bytes", line.len);
    bytes_free(&line);
    memset(big, 'x', sizeof big);
    ok(dmarc_results_add(spool, NOW, "192.0.2.1", NULL, (struct span){ big, sizeof big }) == ST_PERM,
       "a line that is too long isn't recorded");
    ok(truncate(in_spool("2026-11-26"), DMARC_RESULTS_LIMIT - 10) == 0 &&
           dmarc_results_add(spool, NOW, "192.0.2.1", NULL, SPAN("x=y")) == ST_PERM,
       "a full day takes no more");
}

static void sweeping(void)
{
    dmarc_results_sweep(spool, NOW + DMARC_RESULTS_DAYS * DAY);
    ok(access(in_spool("2026-11-26"), F_OK) == 0, "a day is kept as long as it should be");
    close(open(in_spool("notes"), O_CREAT | O_WRONLY, 0600));
    ok(dmarc_results_add(spool, NOW + (DMARC_RESULTS_DAYS + 1) * DAY, "192.0.2.1", NULL, SPAN("x=y")) ==
               ST_OK &&
           access(in_spool("2026-11-26"), F_OK) != 0 && access(in_spool("2026-11-27"), F_OK) == 0,
       "and no longer: a new day sweeps");
    ok(access(in_spool("notes"), F_OK) == 0, "what isn't a day stays");
    dmarc_results_sweep(spool, NOW + 100 * DAY);
    ok(access(in_spool("2026-12-07"), F_OK) != 0, "sweeping alone does it too");
}

static void many_writers(void)
{
    enum { WRITERS = 8, EACH = 200 };
    char wanted[256];
    for (int w = 0; w < WRITERS; w++) {
        if (fork() != 0)
            continue;
        char text[200];
        memset(text, 'a' + w, sizeof text);
        int failed = 0;
        for (int i = 0; i < EACH; i++)
            failed |=
                dmarc_results_add(spool, NOW, "192.0.2.1", NULL, (struct span){ text, sizeof text }) != ST_OK;
        _exit(failed);
    }
    int status, failed = 0, whole = 0, rows = 0;
    while (wait(&status) > 0)
        failed |= status;
    struct span rest = span_of(read_day("2026-11-26")), row;
    while (span_cut(&rest, '\n', &row) && row.n) {
        rows++;
        snprintf(wanted, sizeof wanted, "at=%d ip=192.0.2.1 ", NOW);
        size_t head = strlen(wanted);
        memset(wanted + head, row.p[row.n - 1], 200);
        whole += row.n == head + 200 && memcmp(row.p, wanted, row.n) == 0;
    }
    ok(!failed && rows == WRITERS * EACH && whole == rows, "%d lines of %d writers, %d whole", rows, WRITERS,
       whole);
}

static void trouble(void)
{
    char path[300];
    snprintf(path, sizeof path, "%s/none", spool);
    ok(dmarc_results_add(path, NOW, "192.0.2.1", NULL, SPAN("x=y")) == ST_TEMP,
       "no spool: for now it can't be");
}

int main(void)
{
    char command[300];
    if (!mkdtemp(spool))
        return 1;
    lines();
    limits();
    sweeping();
    many_writers();
    trouble();
    snprintf(command, sizeof command, "rm -r '%s'", spool);
    ok(system(command) == 0, "cleared");
    return done_testing();
}
