/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Base subjects; see subject.h. The numbered steps are those of RFC 5256 2.1.
 *
 * Its rules are stated as loops in which leading "[blobs]" are looked at again each time something was
 * removed. Here they are looked at once: where no "Re:" follows the last of them, none will follow when fewer
 * are left. So a subject takes the time of reading it, whatever it holds.
 */
#include "text/subject.h"
#include "text/address.h"
#include "text/lexical.h"
#include "text/words.h"

static bool is_wsp(char c)
{
    return c == ' ' || c == '\t';
}

static size_t wsp_run(struct span s)
{
    size_t n = 0;
    while (n < s.n && is_wsp(s.p[n]))
        n++;
    return n;
}

/* (1) Blanks in a row become one space. Bytes left of the n at p. */
static size_t join_blanks(char *p, size_t n)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        bool blank = lexical_blank(p[i]);
        if (blank && to > 0 && p[to - 1] == ' ')
            continue;
        p[to++] = blank ? ' ' : p[i];
    }
    return to;
}

/* subj-blob with its blanks: `[...] `. 0 if there is none. */
static size_t blob(struct span s)
{
    size_t n = 1;
    if (s.n == 0 || s.p[0] != '[')
        return 0;
    while (n < s.n && s.p[n] != '[' && s.p[n] != ']')
        n++;
    if (n == s.n || s.p[n] != ']')
        return 0;
    n++;
    return n + wsp_run(span_from(s, n));
}

/* subj-refwd: `Re:`, `Fw [blob]:`. 0 if there is none. */
static size_t reply_mark(struct span s)
{
    size_t n = span_istarts(s, "re") ? 2 : span_istarts(s, "fwd") ? 3 : span_istarts(s, "fw") ? 2 : 0;
    if (n == 0)
        return 0;
    n += wsp_run(span_from(s, n));
    n += blob(span_from(s, n));
    return n < s.n && s.p[n] == ':' ? n + 1 : 0;
}

/* (2) subj-trailer */
static struct span without_trailer(struct span s, bool *reply)
{
    for (;;) {
        while (s.n && is_wsp(s.p[s.n - 1]))
            s.n--;
        if (s.n < 5 || !span_ieq_str(span_from(s, s.n - 5), "(fwd)"))
            return s;
        s.n -= 5;
        *reply = true;
    }
}

/* (3) to (5): subj-leader, then blobs, as long as something is left. */
static struct span without_leader(struct span s, bool *reply)
{
    size_t n;
    for (;;) {
        s = span_from(s, wsp_run(s));
        struct span behind = s;
        while ((n = blob(behind)) > 0)
            behind = span_from(behind, n);
        n = reply_mark(behind);
        if (n == 0)
            break;
        s = span_from(behind, n);
        *reply = true;
    }
    while ((n = blob(s)) > 0 && n < s.n)
        s = span_from(s, n);
    return s;
}

static struct span base_of(struct span s, bool *reply)
{
    for (;;) {
        s = without_leader(without_trailer(s, reply), reply);
        /* (6) subj-fwd */
        if (!span_istarts(s, "[fwd:") || s.p[s.n - 1] != ']')
            return s;
        s = span_from(span_head(s, s.n - 1), 5);
        *reply = true;
    }
}

bool subject_base(struct span value, struct bytes *out, bool *reply)
{
    size_t start = out->len;
    *reply = false;
    words_decode(value, out);
    if (!out->data || out->len == start)
        return !out->failed;
    size_t n = join_blanks(out->data + start, out->len - start);
    struct span base = base_of((struct span){ out->data + start, n }, reply);
    for (size_t i = 0; i < base.n; i++) /* forwards, in place */
        out->data[start + i] = base.p[i];
    out->len = start + base.n;
    out->data[out->len] = '\0';
    return !out->failed;
}

bool subject_address(struct span value, bool display, struct bytes *out)
{
    struct address_entry entry;
    if (!address_list_next(&value, &entry))
        return !out->failed;
    bool group = entry.kind != ADDRESS_MAILBOX;
    if (group || (display && entry.name.len > 0)) {
        words_decode(span_bytes(&entry.name), out);
    } else {
        bytes_add_span(out, span_bytes(&entry.local));
        if (display && entry.domain.len > 0) {
            bytes_add_char(out, '@');
            bytes_add_span(out, span_bytes(&entry.domain));
        }
    }
    out->failed |= entry.name.failed || entry.local.failed || entry.domain.failed;
    address_entry_free(&entry);
    return !out->failed;
}
