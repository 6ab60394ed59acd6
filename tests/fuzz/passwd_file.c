/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lines of passwd-files: what is read lies within the line, a password has its {SCHEME}, and what the table
 * takes of it says the same when it is read again.
 */
#include "fuzz.h"

#include "store/passwd_file.h"
#include "store/password.h"
#include "store/secrets.h"

static void check_extra(struct span extra)
{
    struct span word, name;
    struct quota q = { QUOTA_UNSET, QUOTA_UNSET };
    while (secrets_next(&extra, &word)) {
        enum passwd_extra what = passwd_extra_read(word, &name, &q);
        HOLDS(fuzz_within(name, word) &&
              (what == PASSWD_HONOURED || what == PASSWD_KEPT || what == PASSWD_REFUSED));
    }
    HOLDS(q.bytes == QUOTA_UNSET || q.bytes <= UINT64_MAX >> 1);
}

/* The line that import writes, as a passwd-file of its own. */
static void check_again(const struct passwd_entry *e, struct span line)
{
    struct bytes written;
    struct passwd_entry again;
    bytes_init(&written, FUZZ_OUT_LIMIT);
    secrets_line(SPAN("a@b"), span_bytes(&e->stored), SPAN(""), e->shadow ? SPAN("") : line, &written);
    if (password_grade(span_bytes(&e->stored)) != PASSWORD_UNUSABLE &&
        span_find(span_bytes(&e->stored), ':') == e->stored.len) {
        HOLDS(!passwd_entry_read(span_bytes(&written), "CRYPT", &again));
        HOLDS(span_eq(span_bytes(&again.stored), span_bytes(&e->stored)));
        passwd_entry_free(&again);
    }
    bytes_free(&written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span line = fuzz_span(data, size);
    struct passwd_entry e;
    const char *why = passwd_entry_read(line, "CRYPT", &e);
    if (!why) {
        HOLDS(fuzz_within(e.name, line) && (e.extra.n == 0 || fuzz_within(e.extra, line)));
        HOLDS(e.stored.len == 0 ||
              (e.stored.data[0] == '{' && span_find(span_bytes(&e.stored), '}') < e.stored.len));
        check_extra(e.extra);
        if (e.stored.len && span_find(line, '\n') == line.n)
            check_again(&e, line);
    }
    passwd_entry_free(&e);
    return 0;
}
