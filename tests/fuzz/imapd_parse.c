/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * imapd's parser: whatever a client sends, what was parsed lies inside the command or the strings unescaped
 * from it, counts keep their limits, and a search is a tree. The first byte, from '0' on, says which
 * grammar.
 */
#include "fuzz.h"

#include "../../bin/imapd/parse.c"
#include "../../bin/imapd/parse_fetch.c"
#include "../../bin/imapd/parse_folders.c"
#include "../../bin/imapd/parse_modifiers.c"
#include "../../bin/imapd/parse_search.c"
#include "../../bin/imapd/parse_sort.c"

static void check_span(const struct parser *p, struct span s)
{
    HOLDS(s.n == 0 || fuzz_within(s, p->in) || fuzz_within(s, span_bytes(p->text)));
    HOLDS(span_find(s, '\0') == s.n);
}

static void check_parser(const struct parser *p, bool good)
{
    HOLDS(p->at <= p->in.n);
    HOLDS(good == (p->error == NULL));
    HOLDS(!p->text->failed && p->text->len <= p->in.n);
}

static void fetches(struct parser *p)
{
    struct fetch *f = calloc(1, sizeof *f);
    HOLDS(f != NULL);
    bool good = parse_fetch(p, f);
    check_parser(p, good);
    HOLDS(f->count <= FETCH_ITEMS && f->name_count <= FETCH_NAMES && (!good || f->count > 0));
    for (size_t n = 0; n < f->count; n++) {
        const struct fetch_item *item = &f->items[n];
        HOLDS(item->part_count <= FETCH_PARTS && item->first_name + item->name_count <= f->name_count);
        for (size_t k = 0; k < item->part_count; k++)
            HOLDS(item->parts[k] > 0);
        for (size_t k = 0; k < item->name_count; k++)
            check_span(p, f->names[item->first_name + k]);
    }
    free(f);
}

/* Every key but the root is reached once. */
static size_t count_keys(const struct parser *p, const struct search *s, size_t at, unsigned depth)
{
    size_t count = 1;
    HOLDS(at < s->count && depth <= SEARCH_DEPTH + 2);
    check_span(p, s->keys[at].text);
    for (size_t n = s->keys[at].child; n; n = s->keys[n].next)
        count += count_keys(p, s, n, depth + 1);
    return count;
}

static void check_search(struct parser *p, struct search *s, bool good)
{
    check_parser(p, good);
    HOLDS(s->count <= SEARCH_KEYS && s->returns < RETURN_SAVE * 2);
    check_span(p, s->charset);
    if (good)
        HOLDS(count_keys(p, s, 0, 0) == s->count);
    search_free(s);
}

static void searches(struct parser *p)
{
    struct search s;
    bool good = parse_search(p, &s);
    check_search(p, &s, good);
}

static void sorts(struct parser *p)
{
    struct search s;
    struct sort_args args;
    bool good = parse_sort(p, &args, &s);
    HOLDS(args.count <= SORT_KINDS && (!good || (args.count > 0 && s.charset.p)));
    for (size_t n = 0; n < args.count; n++)
        HOLDS(args.criteria[n].by < SORT_KINDS);
    check_search(p, &s, good);
}

static void threads(struct parser *p)
{
    struct search s;
    enum thread_by by;
    bool good = parse_thread(p, &by, &s);
    HOLDS(!good || (s.charset.p && !s.returns));
    check_search(p, &s, good);
}

static void sets(struct parser *p)
{
    struct set set;
    bool good = parse_set(p, &set);
    HOLDS(p->at <= p->in.n && (!good || set.saved != (set.count > 0)) && set.count <= p->in.n);
    set_free(&set);
}

static void flags(struct parser *p)
{
    struct flag_list list = { 0 };
    enum store_mode mode;
    bool silent, good = parse_store(p, &mode, &silent, &list);
    check_parser(p, good);
    HOLDS(list.keyword_count <= KEYWORDS_LIMIT && (list.system & ~(uint32_t)FLAG_SYSTEM) == 0);
    for (size_t n = 0; good && n < list.keyword_count; n++)
        check_span(p, list.keywords[n]);
}

static void check_known(const struct set *set)
{
    for (size_t n = 0; n < set->count; n++)
        HOLDS(set->ranges[n].first > 0 && set->ranges[n].last > 0);
}

static void modifiers(struct parser *p)
{
    struct select_modifiers s;
    struct fetch_modifiers f;
    struct store_modifiers t;
    struct parser again = *p;
    bool good = parse_select_modifiers(&again, &s);
    check_parser(&again, good);
    if (good && s.qresync) {
        HOLDS(s.resync.uid_validity > 0 && s.resync.modseq > 0 && s.resync.modseq <= INT64_MAX);
        HOLDS((s.resync.match_numbers.count > 0) == (s.resync.match_uids.count > 0));
        check_known(&s.resync.known);
        check_known(&s.resync.match_numbers);
        check_known(&s.resync.match_uids);
    }
    select_modifiers_free(&s);
    again = *p;
    good = parse_fetch_modifiers(&again, &f);
    check_parser(&again, good);
    HOLDS(!good || ((f.changed || !f.vanished) && f.changed_since <= INT64_MAX));
    again = *p;
    good = parse_store_modifiers(&again, &t);
    HOLDS(good == (again.error == NULL));
    HOLDS(!good || t.unchanged == (t.unchanged_since <= INT64_MAX));
}

static void check_message(const struct parser *p, const struct append_message *m)
{
    HOLDS(m->flags.keyword_count <= KEYWORDS_LIMIT && m->date >= 0 && m->size <= INT64_MAX);
    HOLDS(!m->utf8 || m->binary);
    for (size_t n = 0; n < m->flags.keyword_count; n++)
        check_span(p, m->flags.keywords[n]);
}

static void appends(struct parser *p)
{
    struct append_args a;
    struct append_message m;
    struct parser again = *p;
    bool end;
    if (parse_append(&again, &a)) {
        check_span(&again, a.folder);
        check_message(&again, &a.message);
        HOLDS(again.at == again.in.n);
    }
    bytes_clear(p->text);
    bool utf8 = p->in.n % 2, good = parse_append_more(p, utf8, &m, &end);
    HOLDS(p->at <= p->in.n && (!good || p->at == p->in.n));
    if (good && !end)
        check_message(p, &m);
}

static void lists(struct parser *p)
{
    struct list_args *a = malloc(sizeof *a);
    HOLDS(a != NULL);
    bool good = parse_list(p, a);
    check_parser(p, good);
    HOLDS(a->pattern_count <= LIST_PATTERNS && (!good || a->pattern_count > 0));
    HOLDS(!good || !(a->select & LIST_RECURSIVE) || (a->select & (LIST_SUBSCRIBED | LIST_SPECIAL_USE)));
    for (size_t n = 0; good && n < a->pattern_count; n++)
        check_span(p, a->patterns[n]);
    free(a);
}

static void others(struct parser *p)
{
    struct status_args a;
    struct create_args c;
    struct span s;
    struct parser again = *p;
    if (parse_status(&again, &a))
        check_span(&again, a.folder);
    again = *p;
    if (parse_create(&again, &c))
        check_span(&again, c.folder);
    HOLDS(c.use_count <= CREATE_USES);
    for (size_t n = 0; n < c.use_count; n++)
        check_span(&again, c.uses[n]);
    again = *p;
    parse_id(&again);
    again = *p;
    if (parse_tag(&again, &s) && parse_space(&again) && parse_astring(&again, &s) && parse_space(&again))
        parse_list_mailbox(&again, &s);
    HOLDS(again.at <= again.in.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const grammars[])(struct parser *p) = { fetches, searches, sets,      flags, appends,
                                                        others,  lists,    modifiers, sorts, threads };
    struct parser p;
    struct bytes text;
    if (size == 0)
        return 0;
    bytes_init(&text, size + 1);
    parser_init(&p, fuzz_span(data + 1, size - 1), &text);
    grammars[(uint8_t)(data[0] - '0') % (sizeof grammars / sizeof grammars[0])](&p);
    bytes_free(&text);
    return 0;
}
