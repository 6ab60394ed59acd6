/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pop3 PORT USER PASSWORD COUNT OCTETS [retr|sums]: a POP3 session on a maildrop that must hold COUNT
 * messages of OCTETS in all. Prints the microseconds from connect to the end of UIDL, whose COUNT identifiers
 * must differ; with `retr`, messages a second of RETR of each message, whose sizes must add up to OCTETS.
 * `sums` looks at every body (sum.h), and prints nothing.
 */
#include "sum.h"
#include "wire.h"

static void wire_line(struct wire *w)
{
    const char *end = "\r\n";
    while (w->len < 2 || memcmp(w->data + w->len - 2, end, 2) != 0)
        wire_more(w);
    if (w->data[0] != '+')
        bench_wrong("-ERR");
}

static void wire_text(struct wire *w)
{
    while (w->len < 5 || memcmp(w->data + w->len - 5, "\r\n.\r\n", 5) != 0) {
        if (w->len > 3 && w->data[0] == '-')
            bench_wrong("-ERR");
        wire_more(w);
    }
}

static int compare(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* COUNT lines `NUMBER IDENTIFIER`, in order, all different. */
static void check_uidl(struct wire *w, long count)
{
    char **ids = calloc((size_t)count + 1, sizeof *ids), *rest, *line;
    long n = 0;
    w->data[w->len - 5] = '\0';
    rest = w->data;
    strsep(&rest, "\n");
    while (rest && *rest && n <= count && (line = strsep(&rest, "\n"))) {
        if (strtol(line, &ids[n], 10) != n + 1)
            bench_wrong("UIDL's numbers");
        n++;
    }
    qsort(ids, (size_t)n, sizeof *ids, compare);
    for (long i = 1; i < n; i++)
        if (strcmp(ids[i - 1], ids[i]) == 0)
            bench_wrong("UIDL names two messages alike");
    if (n != count)
        bench_wrong("UIDL's count");
    free(ids);
}

static size_t unstuffed(char *data, size_t n)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++)
        if (data[i] != '.' || (i && data[i - 1] != '\n'))
            data[to++] = data[i];
        else if (i + 1 < n && data[i + 1] == '.')
            data[to++] = data[i++]; /* one of the two */
    return to;
}

static void retrieve(struct wire *w, long count, size_t octets, bool sums)
{
    char line[64];
    size_t all = 0;
    double begin = bench_now();
    for (long i = 1; i <= count; i++) {
        snprintf(line, sizeof line, "RETR %ld\r\n", i);
        wire_say(w, line);
        wire_text(w);
        char *message = memchr(w->data, '\n', w->len);
        size_t n = w->len - 3 - (size_t)(message + 1 - w->data);
        if (sums && (n = unstuffed(message + 1, n), !sum_is_right(message + 1, n)))
            bench_wrong("a body isn't whole");
        all += n;
    }
    double took = bench_now() - begin;
    /* Without unstuffing there are a few dots more. */
    if (sums ? all != octets : all < octets || all > octets + octets / 100)
        bench_wrong("the messages' sizes");
    if (!sums)
        printf("%.0f\n", (double)count / took * 1e6);
}

int main(int argc, char **argv)
{
    struct wire w = { 0 };
    char line[512];
    if (argc < 6)
        return 64;
    long count = atol(argv[4]), n;
    size_t octets = strtoul(argv[5], NULL, 10), size;
    wire_open(&w, argv[1]);
    close(w.fd);
    double begin = bench_now();
    wire_open(&w, argv[1]);
    wire_line(&w);
    snprintf(line, sizeof line, "USER %s\r\n", argv[2]);
    wire_say(&w, line);
    wire_line(&w);
    snprintf(line, sizeof line, "PASS %s\r\n", argv[3]);
    wire_say(&w, line);
    wire_line(&w);
    wire_say(&w, "STAT\r\n");
    wire_line(&w);
    if (sscanf(w.data, "+OK %ld %zu", &n, &size) != 2 || n != count || size != octets)
        bench_wrong("STAT");
    wire_say(&w, "UIDL\r\n");
    wire_text(&w);
    double took = bench_now() - begin;
    check_uidl(&w, count);
    if (argc == 6)
        printf("%.0f\n", took);
    else
        retrieve(&w, count, octets, strcmp(argv[6], "sums") == 0);
    wire_say(&w, "QUIT\r\n");
    wire_line(&w);
    return 0;
}
