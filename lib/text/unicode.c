/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Case and normalisation by libunistring; see unicode.h.
 *
 * The library takes a microsecond for a character. So what each becomes is asked of it once and kept, in
 * pages of 256 characters that are made when the first of them is met. All that isn't a matter of one
 * character is the order of combining marks that stand in a row; those are put in order as they are appended,
 * as far back as marks go in any text that makes sense (Unicode's "stream-safe" text has 30).
 *
 * ASCII needs no tables: an ASCII character is a starter and decomposes to itself.
 */
#include "text/unicode.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#define PAGE 256
#define PAGES (0x110000 / PAGE)
#define FORM_BYTES 14   /* of a character's form that are kept; three Hangul letters are 9 */
#define FORM_LONGEST 72 /* U+FDFA becomes 18 characters */
#define MARKS 32        /* of a row that are put in order */
#define ROUNDS 3 /* of folding what was folded: what decomposes to capitals, as U+1D400 does, and U+1D6A4 */

struct form {
    unsigned char length; /* 0: not asked yet. TOO_LONG: isn't kept */
    bool mark;            /* begins with a combining mark */
    char text[FORM_BYTES];
};
enum { TOO_LONG = 255 };

struct unicode_folder {
    enum unicode_form form;
    struct form *pages[PAGES];
};

struct unicode_folder *unicode_folder_new(enum unicode_form form)
{
    struct unicode_folder *f = calloc(1, sizeof *f);
    if (f)
        f->form = form;
    return f;
}

void unicode_folder_free(struct unicode_folder *f)
{
    for (size_t i = 0; f && i < PAGES; i++)
        free(f->pages[i]);
    free(f);
}

/* Each character's title case; where that would not fit, the rest as it is. */
static size_t titles(const uint8_t *text, size_t n, uint8_t to[FORM_LONGEST])
{
    size_t length = 0;
    for (size_t at = 0; at < n;) {
        ucs4_t c;
        int step = u8_mbtouc(&c, text + at, n - at);
        int put = u8_uctomb(to + length, uc_totitle(c), (ptrdiff_t)(FORM_LONGEST - length));
        if (put < 0)
            break;
        length += (size_t)put;
        at += (size_t)step;
    }
    return length;
}

/* What one character becomes; 0 without memory. */
static size_t form_of(enum unicode_form form, uint32_t c, char out[FORM_LONGEST])
{
    uint8_t title[FORM_LONGEST], *to = (uint8_t *)out;
    int length = u8_uctomb(to, c, 4);
    size_t n = length > 0 ? (size_t)length : 0, got = FORM_LONGEST;
    if (form == UNICODE_CASEMAP) {
        n = titles(to, n, title);
        return u8_normalize(UNINORM_NFKD, title, n, to, &got) ? got : 0;
    }
    for (int round = 0; round < ROUNDS; round++) {
        n = titles(to, n, title);
        got = FORM_LONGEST;
        if (!u8_casefold(title, n, NULL, UNINORM_NFKD, to, &got))
            return 0;
        n = got;
    }
    return n;
}

/* The form of c: kept, or else in `text`. NULL without memory. */
static const char *find_form(struct unicode_folder *f, uint32_t c, char text[FORM_LONGEST], size_t *n,
                             bool *mark)
{
    struct form **page = &f->pages[c / PAGE];
    if (!*page && !(*page = calloc(PAGE, sizeof **page)))
        return NULL;
    struct form *form = &(*page)[c % PAGE];
    if (form->length == 0 || form->length == TOO_LONG) {
        uint32_t first = 0;
        *n = form_of(f->form, c, text);
        if (*n == 0)
            return NULL;
        utf8_read((struct span){ text, *n }, &first);
        form->mark = uc_combining_class(first) != 0;
        form->length = *n <= FORM_BYTES ? (unsigned char)*n : TOO_LONG;
        memcpy(form->text, text, *n <= FORM_BYTES ? *n : 0);
    }
    *mark = form->mark;
    if (form->length == TOO_LONG)
        return text;
    *n = form->length;
    return form->text;
}

/* Where the last character of out begins. */
static size_t last_character(const struct bytes *out, size_t end)
{
    size_t at = end;
    while (at > 0 && end - at < 4 && ((unsigned char)out->data[--at] & 0xc0) == 0x80)
        ;
    return at;
}

/* Puts a mark before those of a higher class that *out ends with. */
static void add_mark(const char *p, size_t n, uint32_t c, struct bytes *out)
{
    size_t at = out->len;
    int class = uc_combining_class(c);
    for (int i = 0; i < MARKS && at > 0; i++) {
        uint32_t before = 0;
        size_t start = last_character(out, at);
        utf8_read((struct span){ out->data + start, at - start }, &before);
        if (uc_combining_class(before) <= class)
            break;
        at = start;
    }
    if (!bytes_reserve(out, n))
        return;
    memmove(out->data + at + n, out->data + at, out->len - at + 1);
    memcpy(out->data + at, p, n);
    out->len += n;
}

static void add_marks(struct span form, struct bytes *out)
{
    while (form.n) {
        uint32_t c = 0;
        size_t n = utf8_read(form, &c);
        n = n ? n : 1;
        if (uc_combining_class(c) != 0 && out->len > 0)
            add_mark(form.p, n, c, out);
        else
            bytes_add(out, form.p, n);
        form = span_from(form, n);
    }
}

static void add_ascii(enum unicode_form form, struct span run, struct bytes *out)
{
    if (run.n == 0 || !bytes_reserve(out, run.n))
        return;
    char *to = out->data + out->len;
    unsigned first = form == UNICODE_SEARCH ? 'A' : 'a';
    for (size_t i = 0; i < run.n; i++) {
        unsigned char c = (unsigned char)run.p[i];
        to[i] = (char)(c ^ ((unsigned)c - first < 26U ? 32U : 0U));
    }
    out->len += run.n;
    out->data[out->len] = '\0';
}

/* Appends the form of a character whose form isn't known yet, is long, or begins with a mark. */
static void add_character(struct unicode_folder *f, uint32_t c, struct bytes *out)
{
    char longest[FORM_LONGEST];
    size_t n = 0;
    bool mark = false;
    const char *form = find_form(f, c, longest, &n, &mark);
    if (!form)
        out->failed = true;
    else if (mark)
        add_marks((struct span){ form, n }, out);
    else
        bytes_add(out, form, n);
}

/* Appends the forms of the characters beyond ASCII that the text begins with; their bytes. */
static size_t add_others(struct unicode_folder *f, struct span text, struct bytes *out)
{
    size_t at = 0;
    while (at < text.n && (text.p[at] & 0x80) && !out->failed) {
        uint32_t c = UTF8_REPLACEMENT;
        size_t length = utf8_read(span_from(text, at), &c);
        const struct form *page = f->pages[c / PAGE], *form = page ? &page[c % PAGE] : NULL;
        at += length ? length : 1;
        if (form && !form->mark && form->length && form->length != TOO_LONG &&
            out->room - out->len > FORM_BYTES && out->limit - out->len >= FORM_BYTES) {
            memcpy(out->data + out->len, form->text, FORM_BYTES);
            out->len += form->length;
        } else {
            add_character(f, c, out);
        }
    }
    if (out->data)
        out->data[out->len] = '\0';
    return at;
}

bool unicode_folder_add(struct unicode_folder *f, struct span text, struct bytes *out)
{
    while (text.n && !out->failed) {
        size_t n = utf8_ascii_run(text);
        add_ascii(f->form, span_head(text, n), out);
        text = span_from(text, n);
        text = span_from(text, add_others(f, text, out));
    }
    return !out->failed;
}

bool unicode_fold(struct span text, struct bytes *out)
{
    struct unicode_folder *f = NULL;
    if (utf8_ascii_run(text) == text.n) {
        add_ascii(UNICODE_SEARCH, text, out);
    } else if ((f = unicode_folder_new(UNICODE_SEARCH))) {
        unicode_folder_add(f, text, out);
        unicode_folder_free(f);
    } else {
        out->failed = true;
    }
    return !out->failed;
}

static bool normalize(uninorm_t form, struct span text, struct bytes *out)
{
    size_t n = 0;
    if (utf8_ascii_run(text) == text.n)
        return bytes_add_span(out, text);
    if (!utf8_valid(text))
        return false;
    uint8_t *normal = u8_normalize(form, (const uint8_t *)text.p, text.n, NULL, &n);
    if (!normal)
        out->failed = true;
    else
        bytes_add(out, normal, n);
    free(normal);
    return !out->failed;
}

bool unicode_nfc(struct span text, struct bytes *out)
{
    return normalize(UNINORM_NFC, text, out);
}

bool unicode_fold_nfc(struct span text, struct bytes *out)
{
    size_t n = 0;
    if (!utf8_valid(text))
        return false;
    uint8_t *folded = u8_casefold((const uint8_t *)text.p, text.n, NULL, UNINORM_NFC, NULL, &n);
    if (!folded)
        out->failed = true;
    else
        bytes_add(out, folded, n);
    free(folded);
    return !out->failed;
}

bool unicode_nfkc(struct span text, struct bytes *out)
{
    return normalize(UNINORM_NFKC, text, out);
}

enum unicode_direction unicode_direction(uint32_t character)
{
    switch (uc_bidi_category(character)) {
    case UC_BIDI_L:
        return UNICODE_LEFT_TO_RIGHT;
    case UC_BIDI_R:
    case UC_BIDI_AL:
        return UNICODE_RIGHT_TO_LEFT;
    default:
        return UNICODE_NEUTRAL;
    }
}
