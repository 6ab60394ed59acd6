/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lines of a backup's list: what they say lies in the text, a path that may be opened stays below the backup,
 * and what is escaped comes back as it was.
 */
#include "fuzz.h"

#include "../../bin/postern/manifest.h"

static void check_path(struct span escaped)
{
    struct bytes path, again;
    bytes_init(&path, 65536);
    bytes_init(&again, 65536);
    if (manifest_path(escaped, &path)) {
        struct span rest = span_bytes(&path), part;
        HOLDS(path.len && path.data[0] != '/' && !memchr(path.data, 0, path.len));
        while (rest.n && span_cut(&rest, '/', &part))
            HOLDS(part.n && !span_eq_str(part, ".") && !span_eq_str(part, ".."));
        manifest_escape(span_bytes(&path), &again);
        bytes_clear(&path);
        HOLDS(again.failed || manifest_path(span_bytes(&again), &path));
    }
    bytes_free(&path);
    bytes_free(&again);
}

/* Any bytes but NUL, there and back. */
static void check_escape(struct span raw)
{
    struct bytes escaped, back;
    bytes_init(&escaped, 4 * raw.n + 1);
    bytes_init(&back, raw.n + 1);
    manifest_escape(raw, &escaped);
    HOLDS(!escaped.failed && span_find(span_bytes(&escaped), ' ') == escaped.len);
    bool same = manifest_unescape(span_bytes(&escaped), &back) && span_eq(span_bytes(&back), raw);
    HOLDS(same || (raw.n && memchr(raw.p, 0, raw.n)));
    bytes_free(&escaped);
    bytes_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_span(data, size), rest = input;
    struct manifest_entry e;
    while (manifest_next(&rest, &e)) {
        if (e.kind == MANIFEST_OTHER || e.kind == MANIFEST_WRONG)
            continue;
        HOLDS(e.path.n && fuzz_within(e.path, input));
        HOLDS(e.kind != MANIFEST_FILE_LINE ||
              (e.hash.n == 64 && e.mtime.tv_nsec >= 0 && e.mtime.tv_nsec < 1000000000));
        check_path(e.path);
    }
    struct manifest m = { .text = input };
    struct span lines;
    if (manifest_account(&m, "a@b", &lines))
        HOLDS(fuzz_within(lines, input));
    check_escape(input);
    return 0;
}
