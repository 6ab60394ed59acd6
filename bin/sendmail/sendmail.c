/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * sendmail(8): options and what to do. Called as mailq or newaliases, or with -bp, -bi or -q, it runs
 * `postern`, which knows how. It runs as whoever calls it and holds no privilege; smtpd learns from the
 * kernel who that is.
 */
#include "sendmail.h"
#include "base/files.h"
#include "base/options.h"

#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define DOMAINS_LIMIT (1u << 20)
#define RECIPIENTS_LIMIT 10000
#define SHOWN 200 /* bytes of a wrong address that are shown */

enum mode { SEND, SPEAK_SMTP, LIST_QUEUE, COMPILE_ALIASES, RUN_QUEUE, HELP };

int complain(int code, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    fputs("sendmail: ", stderr);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
    return code;
}

/* --- addresses */

/* An address of the command line or a header, with our domain where it has none. False, and said, if it is no
 * address. */
static bool complete_address(const struct job *job, struct span text, struct address *a)
{
    struct span null_path = SPAN("<>");
    struct bytes whole;
    text = span_trim(text);
    if (text.n >= 2 && text.p[0] == '<' && text.p[text.n - 1] == '>')
        text = span_head(span_from(text, 1), text.n - 2);
    if (!text.n)
        return address_path(&null_path, a) == ADDRESS_OK;
    bytes_init(&whole, ADDRESS_LIMIT);
    bytes_add_span(&whole, text);
    if (span_find(text, '@') == text.n) {
        bytes_add_char(&whole, '@');
        bytes_add_str(&whole, job->domain);
    }
    bool good = !whole.failed && address_parse(span_bytes(&whole), a) == ADDRESS_OK;
    bytes_free(&whole);
    if (!good)
        complain(EX_USAGE, "%.*s: this is no address", SPAN_FMT(span_head(text, SHOWN)));
    return good;
}

bool add_recipient(struct job *job, struct span text)
{
    struct address a;
    if (!complete_address(job, text, &a))
        return false;
    if (address_is_null(&a)) {
        complain(EX_USAGE, "an empty address is no recipient");
        return false;
    }
    for (size_t i = 0; i < job->recipient_count; i++)
        if (address_same(&job->recipients[i].address, &a))
            return true;
    struct recipient *list = NULL;
    if (job->recipient_count < RECIPIENTS_LIMIT)
        list = realloc(job->recipients, (job->recipient_count + 1) * sizeof *list);
    if (!list) {
        complain(EX_UNAVAILABLE, "too many recipients");
        return false;
    }
    job->recipients = list;
    list[job->recipient_count++] = (struct recipient){ .address = a };
    return true;
}

/* --- who calls, and what our domain is */

static int load_settings(struct job *job)
{
    struct bytes error;
    bytes_init(&error, 1024);
    enum status st = settings_load(job->settings_file, &job->settings, &error);
    int code = st == ST_OK ? EX_OK : complain(EX_CONFIG, "%s", bytes_str(&error));
    bytes_free(&error);
    return code;
}

/* The first of the text `domains`, which anybody may read; where not, our host name. */
static void find_domain(struct job *job)
{
    struct bytes text;
    char path[PATH_MAX];
    struct span rest, line;
    bytes_init(&text, DOMAINS_LIMIT);
    snprintf(path, sizeof path, "%s/domains", job->settings.directory);
    span_copy(span_of(job->settings.hostname), job->domain, sizeof job->domain);
    rest = file_read(AT_FDCWD, path, &text) == ST_OK ? span_bytes(&text) : (struct span){ NULL, 0 };
    while (span_cut(&rest, '\n', &line)) {
        line = span_trim(line);
        if (line.n && line.p[0] != '#' && line.n < sizeof job->domain) {
            span_copy(line, job->domain, sizeof job->domain);
            break;
        }
    }
    bytes_free(&text);
}

static void find_user(struct job *job, struct bytes *name)
{
    const struct passwd *entry = getpwuid(getuid());
    if (!entry) {
        snprintf(job->user, sizeof job->user, "uid%lu", (unsigned long)getuid());
        return;
    }
    snprintf(job->user, sizeof job->user, "%s", entry->pw_name);
    bytes_add_span(name, span_head(span_of(entry->pw_gecos), strcspn(entry->pw_gecos, ",")));
    if (!job->full_name && name->len)
        job->full_name = bytes_str(name);
}

/* --- what to do */

static int run_postern(const struct job *job, enum mode mode)
{
    static const char *const words[][2] = {
        [LIST_QUEUE] = { "queue", "list" },
        [COMPILE_ALIASES] = { "tables", NULL },
        [RUN_QUEUE] = { "queue", "retry" },
    };
    const char *argv[6] = { "postern" };
    size_t n = 1;
    if (job->settings_file) {
        argv[n++] = "-c";
        argv[n++] = job->settings_file;
    }
    argv[n++] = words[mode][0];
    argv[n++] = words[mode][1];
    return run_program("postern", (char *const *)(uintptr_t)argv);
}

static int prepare(struct job *job, char **recipients)
{
    if (!complete_address(job, span_of(job->sender_text ? job->sender_text : job->user), &job->sender))
        return EX_USAGE;
    for (; *recipients; recipients++)
        if (!add_recipient(job, span_of(*recipients)))
            return EX_USAGE;
    if (!job->recipient_count && !job->from_header)
        return complain(EX_USAGE, "no recipients; name them, or give -t to take them from the message");
    int code = message_read(job);
    if (code == EX_OK && !job->recipient_count)
        return complain(EX_USAGE, "no recipients in To, Cc or Bcc");
    return code;
}

static int send_message(struct job *job, char **recipients)
{
    struct bytes name;
    int code = load_settings(job);
    if (code != EX_OK)
        return code;
    bytes_init(&name, 1024);
    find_domain(job);
    find_user(job, &name);
    code = prepare(job, recipients);
    if (code == EX_OK)
        code = submit(job);
    bytes_free(&name);
    bytes_free(&job->message);
    free(job->recipients);
    settings_free(&job->settings);
    return code;
}

static int speak_smtp(struct job *job)
{
    int code = load_settings(job);
    if (code == EX_OK)
        code = relay(job);
    else
        puts(RELAY_UNAVAILABLE);
    settings_free(&job->settings);
    return code;
}

static int read_mode(const char *value, enum mode *mode)
{
    switch (value[0]) {
    case 'm':
    case 'a':
        return EX_OK;
    case 's':
        *mode = SPEAK_SMTP;
        return EX_OK;
    case 'p':
        *mode = LIST_QUEUE;
        return EX_OK;
    case 'i':
        *mode = COMPILE_ALIASES;
        return EX_OK;
    default:
        return complain(EX_USAGE, "-b%s: there is no such mode here; smtpd(8) receives mail", value);
    }
}

/* Options of other sendmails that mean nothing here are taken and passed over. */
static int read_options(int argc, char **argv, struct job *job, enum mode *mode)
{
    int code = EX_OK;
    for (int letter;
         (letter = getopt_long(argc, argv, ":A:B:C:c:F:GIL:N:O:R:UV:X:b:d::e:f:h:imno:p:q::r:stvx",
                               options_words, NULL)) != -1;) {
        if (letter == OPTIONS_HELP)
            *mode = HELP;
        else if (letter == '?' || letter == ':')
            return options_wrong("sendmail", letter, argv);
        else if (letter == 'c' || letter == 'C')
            job->settings_file = optarg;
        else if (letter == 'f' || letter == 'r')
            job->sender_text = optarg;
        else if (letter == 'F')
            job->full_name = optarg;
        else if (letter == 'i' || (letter == 'o' && optarg[0] == 'i'))
            job->dots = true;
        else if (letter == 't' || (letter == 'o' && optarg[0] == 't'))
            job->from_header = true;
        else if (letter == 'q')
            *mode = RUN_QUEUE;
        else if (letter == 'I')
            *mode = COMPILE_ALIASES;
        else if (letter == 'b' && code == EX_OK)
            code = read_mode(optarg, mode);
    }
    return code;
}

static enum mode mode_of_name(const char *name)
{
    const char *slash = strrchr(name, '/');
    name = slash ? slash + 1 : name;
    return strcmp(name, "mailq") == 0 ? LIST_QUEUE : strcmp(name, "newaliases") == 0 ? COMPILE_ALIASES : SEND;
}

static const char usage[] =
    "usage: sendmail [-c FILE] [-F NAME] [-f SENDER] [-it] [RECIPIENT...]   hand in the message on stdin\n"
    "       sendmail [-c FILE] -bs   speak SMTP on stdin and stdout\n"
    "       mailq        list the queue\n"
    "       newaliases   compile the tables\n";

int main(int argc, char **argv)
{
    struct job job = { .dots = false };
    enum mode mode = mode_of_name(argc ? argv[0] : "sendmail");
    int code = read_options(argc, argv, &job, &mode);
    if (code != EX_OK)
        return code;
    if (mode == HELP)
        return fputs(usage, stdout) < 0 ? EX_IOERR : EX_OK;
    return mode == SEND         ? send_message(&job, argv + optind)
           : mode == SPEAK_SMTP ? speak_smtp(&job)
                                : run_postern(&job, mode);
}
