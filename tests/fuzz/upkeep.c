/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What upkeep reads: the file that says which warnings were told, as a mailbox's owner may write it, and the
 * settings expire and quota-warning as an administrator may; these are printed as they are read.
 */
#include "fuzz.h"

#include "../../lib/base/settings_upkeep.c"
#include "../../lib/store/quota_warning.c"
#include "store/expire.h"

static void state(struct span text)
{
    struct state s;
    read_text(text, &s);
    HOLDS(s.bytes <= 100 && s.messages <= 100);
    HOLDS(!s.id[0] || queue_id_valid(s.id));
    HOLDS(span_starts(text, STATE_FORMAT) || (!s.bytes && !s.messages && !s.id[0]));
}

static bool read_lines(struct span text, struct settings *s)
{
    struct span line;
    bool good = true;
    while (good && text.n && span_cut(&text, '\n', &line))
        good = settings_add_expiry(s, span_starts(line, "expire ") ? span_from(line, 7) : line) == NULL;
    return good;
}

static void expiries(struct span text)
{
    struct settings s = { .expiries = NULL }, again = s;
    struct expire_rules rules;
    struct bytes out;
    const char *wrong = NULL;
    bytes_init(&out, 1 << 20);
    read_lines(text, &s);
    HOLDS(s.expiry_count <= SETTINGS_EXPIRIES);
    settings_print_expiries(&s, "expire", &out);
    HOLDS(read_lines(span_bytes(&out), &again) && again.expiry_count == s.expiry_count);
    for (size_t i = 0; i < s.expiry_count; i++)
        HOLDS(strcmp(s.expiries[i].folder, again.expiries[i].folder) == 0 &&
              s.expiries[i].seconds == again.expiries[i].seconds && s.expiries[i].seconds);
    enum status st = expire_rules_read(&s, &rules, &wrong);
    HOLDS(st == ST_OK ? rules.count == s.expiry_count : wrong != NULL);
    for (size_t i = 0; st == ST_OK && i < rules.count; i++)
        HOLDS(rules.list[i].use || folder_name_valid(span_of(rules.list[i].folder)));
    expire_rules_free(&rules);
    settings_free_expiries(&again);
    settings_free_expiries(&s);
    bytes_free(&out);
}

static void warnings(struct span text)
{
    struct quota_warnings w = { .count = 0 }, again;
    struct bytes out;
    if (settings_set_warnings(&w, text))
        return;
    bytes_init(&out, 256);
    settings_print_warnings(&w, &out);
    HOLDS(!settings_set_warnings(&again, span_bytes(&out)) && again.count == w.count);
    HOLDS(memcmp(again.percent, w.percent, w.count * sizeof w.percent[0]) == 0);
    for (size_t i = 1; i < w.count; i++)
        HOLDS(w.percent[i - 1] < w.percent[i] && w.percent[i] <= 100);
    bytes_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const what[])(struct span) = { state, expiries, warnings };
    if (size == 0)
        return 0;
    what[data[0] % 3](fuzz_span(data + 1, size - 1));
    return 0;
}
