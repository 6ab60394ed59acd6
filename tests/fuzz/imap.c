/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * IMAP commands: every argument's grammar, and what BODY[...] finds in a message. The first byte chooses the
 * command, the rest is its arguments.
 */
#include "fuzz.h"
#include "imapgrammar.h"

#include "../../bin/imapd/match.h"
#include "../../bin/imapd/parse.h"
#include "../../bin/imapd/section.h"

static const char message[] =
    "From: a@b\nSubject: =?utf-8?Q?=C3=BC?=\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n"
    "--b\nContent-Type: message/rfc822\n\nSubject: y\nContent-Type: multipart/alternative; boundary=c\n\n"
    "--c\n\none\n--c\nContent-Type: text/html; charset=koi8-r\n\n\xd0\n--c--\n--b--\n";

struct input {
    struct span command;
    struct bytes text;
    struct parser p;
};

/* Is s in the command, or in the unescaped strings beside it? */
static void check_span(const struct input *in, struct span s)
{
    HOLDS(s.n == 0 || fuzz_within(s, in->command) || fuzz_within(s, span_bytes(&in->text)));
}

static void check_flags(const struct input *in, const struct flag_list *flags)
{
    HOLDS(flags->keyword_count <= KEYWORDS_LIMIT);
    for (size_t i = 0; i < flags->keyword_count; i++) {
        HOLDS(flags->keywords[i].n > 0);
        check_span(in, flags->keywords[i]);
    }
}

static void check_fetch(struct input *in)
{
    struct fetch *fetch = calloc(1, sizeof *fetch);
    struct bytes out, built;
    struct span found;
    HOLDS(fetch);
    bytes_init(&out, FUZZ_OUT_LIMIT);
    bytes_init(&built, FUZZ_OUT_LIMIT);
    struct mime_part *root = mime_parse(SPAN(message));
    HOLDS(root);
    if (parse_fetch(&in->p, fetch)) {
        HOLDS(fetch->count > 0 && fetch->count <= FETCH_ITEMS && fetch->name_count <= FETCH_NAMES);
        for (size_t i = 0; i < fetch->count; i++) {
            const struct fetch_item *item = &fetch->items[i];
            HOLDS(item->part_count <= FETCH_PARTS && item->first_name + item->name_count <= fetch->name_count);
            for (size_t n = 0; n < item->name_count; n++)
                check_span(in, fetch->names[item->first_name + n]);
            if (item->kind != FETCH_SECTION)
                continue;
            if (section_find(fetch, item, SPAN(message), root, &built, &found))
                HOLDS(fuzz_within(found, SPAN(message)) || fuzz_within(found, span_bytes(&built)));
            bytes_clear(&out);
            section_label(fetch, item, &out);
            for (size_t n = 0; n < out.len; n++)
                HOLDS(out.data[n] != '\r' && out.data[n] != '\n' && out.data[n] != 0 && !(out.data[n] & 0x80));
        }
    }
    mime_free(root);
    bytes_free(&out);
    bytes_free(&built);
    free(fetch);
}

static void check_search(struct input *in)
{
    struct search search = { .count = 0 };
    struct match match;
    match_init(&match);
    struct mime_part *root = mime_parse(SPAN(message));
    HOLDS(root);
    if (parse_search(&in->p, &search)) {
        HOLDS(search.count > 0 && search.count <= SEARCH_KEYS + 1 && search.keys[0].kind == SEARCH_AND);
        check_span(in, search.charset);
        for (size_t i = 0; i < search.count; i++) {
            const struct search_key *key = &search.keys[i];
            /* Children stand behind their parents, siblings in order: nothing goes round in a circle. */
            HOLDS(key->child == 0 || (key->child > i && key->child < search.count));
            HOLDS(key->next == 0 || (key->next > i && key->next < search.count));
            HOLDS(key->kind != SEARCH_NOT || (key->child && !search.keys[key->child].next));
            HOLDS(key->kind != SEARCH_OR || (key->child && search.keys[key->child].next));
            span_find(key->field, '\0'); /* FROM's is a constant; reads it for the sanitizer */
            check_span(in, key->text);
            if (key->kind == SEARCH_BODY)
                match_body(&match, root, key->text);
            if (key->kind == SEARCH_HEADER)
                match_header(&match, root->header, key->field, key->text);
        }
    }
    search_free(&search);
    mime_free(root);
    match_free(&match);
}

static void check_rest(struct input *in, unsigned choice)
{
    struct flag_list flags = { .system = 0 };
    struct append_args append;
    struct status_args status;
    struct set set = { .count = 0 };
    enum store_mode mode;
    struct span s;
    bool silent;
    if (choice == 2 && parse_flags(&in->p, true, &flags))
        check_flags(in, &flags);
    if (choice == 3 && parse_store(&in->p, &mode, &silent, &flags))
        check_flags(in, &flags);
    if (choice == 4 && parse_append(&in->p, &append)) {
        check_span(in, append.folder);
        check_flags(in, &append.flags);
    }
    if (choice == 5 && parse_status(&in->p, &status)) {
        check_span(in, status.folder);
        HOLDS(status.count > 0 && status.count <= STATUS_ITEMS);
    }
    if (choice == 6) {
        if (parse_set(&in->p, &set))
            HOLDS(set.count > 0);
        set_free(&set);
    }
    if (choice == 7 && parse_id(&in->p))
        parse_end(&in->p);
    if (choice == 8)
        while (parse_list_mailbox(&in->p, &s) && parse_space(&in->p))
            check_span(in, s);
    if (choice == 9)
        while (parse_astring(&in->p, &s) && parse_space(&in->p))
            check_span(in, s);
    if (choice == 10 && parse_tag(&in->p, &s))
        check_span(in, s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in;
    if (size == 0)
        return 0;
    unsigned choice = data[0] % 11;
    in.command = fuzz_span(data + 1, size - 1);
    bytes_init(&in.text, size);
    parser_init(&in.p, in.command, &in.text);
    if (choice == 0)
        check_fetch(&in);
    else if (choice == 1)
        check_search(&in);
    else
        check_rest(&in, choice);
    HOLDS(in.p.at <= in.command.n);
    bytes_free(&in.text);
    return 0;
}
