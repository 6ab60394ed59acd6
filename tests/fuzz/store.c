/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What lies on disk and was perhaps written by others: file names of Maildirs, folder names, line ends; and
 * the SASL PLAIN message.
 */
#include "fuzz.h"

#include "store/content.h"
#include "store/filename.h"
#include "store/folders.h"
#include "store/login.h"
#include "text/utf7.h"

static void check_filename(struct span name)
{
    struct filename f, again;
    char text[FILENAME_LIMIT + 1];
    filename_parse(name, &f);
    HOLDS(fuzz_within(f.base, name) && (f.fields.n == 0 || fuzz_within(f.fields, name)));
    HOLDS(f.letters.n == 0 || fuzz_within(f.letters, name));
    HOLDS(f.more.n == 0 || fuzz_within(f.more, name));
    filename_time(&f);
    struct filename_new n = {
        .size = 4321, .wire = 4410, .validity = 7, .uid = 9, .flags = f.flags, .info = true
    };
    if (span_find(name, '\0') < name.n || span_find(name, '/') < name.n || f.base.n == 0 ||
        !filename_write(f.base, &f, &n, text))
        return;
    HOLDS(strlen(text) <= FILENAME_LIMIT);
    filename_parse(span_of(text), &again);
    HOLDS(span_eq(again.base, f.base) && again.flags == f.flags && again.info);
    HOLDS(again.size == 4321 && again.wire == 4410 && again.validity == 7 && again.uid == 9);
}

static void check_lines(struct span in, size_t piece)
{
    struct lf_lines l = { .held = false };
    struct bytes out;
    bytes_init(&out, in.n + 1);
    HOLDS(bytes_reserve(&out, in.n + 1));
    for (struct span rest = in; rest.n; rest = span_from(rest, piece)) {
        char *room = malloc(span_head(rest, piece).n + 1);
        HOLDS(room);
        HOLDS(bytes_add(&out, room, lf_lines_add(&l, span_head(rest, piece), room)));
        free(room);
    }
    char end;
    HOLDS(bytes_add(&out, &end, lf_lines_end(&l, &end)));
    HOLDS(l.lf_size == out.len && l.crlf_size == lf_wire_size(span_bytes(&out)) && out.len <= in.n);
    bytes_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_span(data, size), as, name, password;
    char path[600];
    check_filename(input);
    check_lines(input, size ? data[0] % 9 + 1U : 1);
    if (folder_name_valid(input))
        HOLDS(utf7_valid(input) && span_find(input, '/') == size);
    if (folder_path(input, path, sizeof path))
        HOLDS(folder_name_valid(input) && path[0] == '.' && !strchr(path, '/') && strcmp(path, "..") != 0);
    if (login_split_plain(input, &as, &name, &password)) {
        HOLDS((as.n == 0 || fuzz_within(as, input)) && fuzz_within(name, input) &&
              fuzz_within(password, input));
        HOLDS(span_find(name, '\0') == name.n && span_find(password, '\0') == password.n);
    }
    return 0;
}
