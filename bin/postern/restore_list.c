/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What restore and verify tell: a line for each folder of each account, and one for each file that isn't
 * right. Names come from mail and from a backup that may have lain anywhere: they are made harmless.
 */
#include "restore.h"
#include "text/utf7.h"

#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

#define WRONG_LIMIT ((size_t)64 << 20)

void list_begin(struct restore *r)
{
    bytes_init(&r->wrong, WRONG_LIMIT);
    if (!r->a->json)
        return;
    printf("{\"backup\": ");
    json_string(span_of(r->manifest.begun));
    printf(", \"folders\": [");
}

static void json_tally(const struct restore *r, const struct tally *t)
{
    printf("%s\n{\"account\": ", r->listed ? "," : "");
    json_string(span_of(t->address));
    json_folder(", ", span_of(t->folder));
    printf(", \"messages\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"present\": %" PRIu64
           ", \"damaged\": %" PRIu64 ", \"missing\": %" PRIu64 "}",
           t->messages, t->bytes, t->present, t->damaged, t->missing);
}

void list_tally(struct restore *r, const struct tally *t)
{
    progress_end(&r->progress);
    r->messages += t->address[0] ? t->messages : 0;
    r->bytes += t->address[0] ? t->bytes : 0;
    r->present += t->address[0] ? t->present : 0;
    r->damaged += t->damaged;
    r->missing += t->missing;
    if (r->a->json) {
        json_tally(r, t);
    } else {
        say_word(t->address[0] ? span_of(t->address) : SPAN("-"));
        putchar(' ');
        say_folder(span_of(t->folder));
        printf(
            " %s %" PRIu64 " bytes %" PRIu64 " present %" PRIu64 " damaged %" PRIu64 " missing %" PRIu64 "\n",
            t->address[0] ? "messages" : "files", t->messages, t->bytes, t->present, t->damaged, t->missing);
    }
    r->listed = true;
}

void list_wrong(struct restore *r, const char *word, struct span path)
{
    bytes_printf(&r->wrong, "%s ", word);
    bytes_add_span(&r->wrong, path);
    bytes_add_char(&r->wrong, '\n');
}

static void put_wrong(const struct restore *r, struct span line, bool first)
{
    struct span word;
    if (!r->a->json) {
        say_text(line);
        putchar('\n');
        return;
    }
    span_cut(&line, ' ', &word);
    printf("%s\n{\"%.*s\": ", first ? "" : ",", SPAN_FMT(word));
    json_string(line);
    putchar('}');
}

int list_end(struct restore *r)
{
    struct span rest = span_bytes(&r->wrong), line;
    progress_end(&r->progress);
    if (r->a->json)
        printf("],\n\"wrong\": [");
    for (bool first = true; rest.n && span_cut(&rest, '\n', &line); first = false)
        put_wrong(r, line, first);
    if (r->a->json)
        printf("],\n\"messages\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"present\": %" PRIu64
               ", \"damaged\": %" PRIu64 ", \"missing\": %" PRIu64 ", \"whole\": %s}\n",
               r->messages, r->bytes, r->present, r->damaged, r->missing,
               r->manifest.whole && !r->damaged && !r->missing ? "true" : "false");
    else
        printf("total messages %" PRIu64 " bytes %" PRIu64 " present %" PRIu64 " damaged %" PRIu64
               " missing %" PRIu64 "\n",
               r->messages, r->bytes, r->present, r->damaged, r->missing);
    bytes_free(&r->wrong);
    fflush(stdout);
    if (!r->manifest.whole)
        return complain(EX_DATAERR, "%s: the backup's list is damaged; what it doesn't say can't be known",
                        r->source);
    return r->damaged || r->missing ? complain(EX_DATAERR, "%s: not all is as it was backed up", r->source)
                                    : EX_OK;
}
