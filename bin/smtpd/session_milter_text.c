/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A message while filters change it: its header section in memory, its body where it lies, which is the
 * memory of `in`, its file, mapped, or what a filter put in its place. See session_milter.h.
 *
 * A body that replaces another is made into lines as behind DATA: LF and CR become CRLF, NUL and lines that
 * are too long are refused. More than SMTPD_MEMORY_LIMIT of it goes to a file of the guard's, and the guard
 * takes the last file that it gave out: whoever took one that came to nothing has to take another and put the
 * body there.
 */
#include "session_milter.h"
#include "session_milter_text.h"
#include "base/files.h"
#include "text/header.h"

#include <sys/mman.h>
#include <unistd.h>

#define HEADER_LIMIT (SMTPD_MEMORY_LIMIT + SMTPD_ADDED_LIMIT + SMTPD_FILTERED_LIMIT)

static bool ends_section(struct span s)
{
    return (s.n == 2 && span_starts(s, "\r\n")) ||
           (s.n > 3 && span_eq_str(span_from(s, s.n - 4), "\r\n\r\n"));
}

/* Parts `front` and what comes behind it into header and body. */
static void part(struct milter_text *t, struct span front, struct span rest)
{
    size_t end = header_end(front);
    struct span in_front = span_head(front, end), more = { NULL, 0 };
    if (!ends_section(in_front)) {
        more = span_head(rest, header_end(rest));
        rest = span_from(rest, more.n);
    }
    bytes_add_span(&t->header, in_front);
    bytes_add_span(&t->header, more);
    t->parted = ends_section(span_bytes(&t->header));
    if (t->parted)
        t->header.len -= 2;
    t->body = rest;
}

static bool map(struct milter_text *t, int file, uint64_t size)
{
    void *place = size ? mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, file, 0) : NULL;
    if (place == MAP_FAILED)
        return false;
    if (t->map)
        munmap(t->map, t->map_size);
    t->map = place;
    t->map_size = (size_t)size;
    return true;
}

static bool map_all(struct milter_text *t, int file)
{
    off_t size = lseek(file, 0, SEEK_END); /* where it is already */
    return size >= 0 && map(t, file, (uint64_t)size);
}

bool milter_text_begin(struct incoming *in, struct milter_text *t)
{
    *t = (struct milter_text){ .in = in };
    bytes_init(&t->header, HEADER_LIMIT);
    bytes_init(&t->replaced, SMTPD_MEMORY_LIMIT + 2 * MILTER_CHUNK);
    t->in_files = in->file >= 0;
    bytes_add_span(&t->header, span_bytes(&in->added));
    if (!t->in_files)
        part(t, span_bytes(&in->head), span_from(span_bytes(&in->memory), in->head_length));
    else if (map_all(t, in->file))
        part(t, (struct span){ NULL, 0 }, (struct span){ t->map, t->map_size });
    else
        return false;
    return !t->header.failed;
}

void milter_text_free(struct milter_text *t)
{
    if (t->map)
        munmap(t->map, t->map_size);
    bytes_free(&t->header);
    bytes_free(&t->replaced);
}

/* --- a file of the guard's */

static int take_file(struct milter_text *t)
{
    int file;
    t->in->trouble = incoming_ask_file(t->in, &file);
    t->in_files = true;
    return file;
}

static bool write_file(struct milter_text *t, int file, struct span bytes)
{
    if (file_write(file, bytes) == ST_OK)
        return true;
    t->in->trouble = VERDICT_DISK_FULL;
    return false;
}

/* --- another body */

void milter_body_begin(struct milter_body *b, struct milter_text *t)
{
    *b = (struct milter_body){ .text = t, .file = -1 };
    bytes_init(&b->memory, SMTPD_MEMORY_LIMIT + 4 * MILTER_ANSWER_LIMIT);
}

static void settle(struct milter_body *b)
{
    if (b->memory.failed)
        b->text->in->trouble = VERDICT_FAILED;
    if (b->file < 0 && b->memory.len > SMTPD_MEMORY_LIMIT)
        b->file = take_file(b->text);
    if (b->file >= 0 && write_file(b->text, b->file, span_bytes(&b->memory)))
        bytes_clear(&b->memory);
}

static void add_byte(struct milter_body *b, char c)
{
    bytes_add_char(&b->memory, c);
    b->size++;
    b->line = c == '\n' ? 0 : b->line + 1;
    b->bad = b->bad || c == '\0' || b->line > SMTP_DATA_LINE_LIMIT;
    b->eight_bit = b->eight_bit || (unsigned char)c > 127;
}

bool milter_body_add(struct milter_body *b, struct span piece)
{
    for (size_t i = 0; i < piece.n; i++) {
        char c = piece.p[i];
        if (b->cr != (c == '\n'))
            add_byte(b, b->cr ? '\n' : '\r');
        add_byte(b, c);
        b->cr = c == '\r';
    }
    settle(b);
    return !b->bad && b->size <= b->text->in->session->serving->settings->message_size;
}

bool milter_body_take(struct milter_body *b)
{
    struct milter_text *t = b->text;
    if (b->cr || b->line)
        milter_body_add(b, SPAN("\n"));
    settle(b);
    bool good = t->in->trouble == VERDICT_OK;
    if (good && b->file >= 0 && !map(t, b->file, b->size))
        t->in->trouble = VERDICT_FAILED;
    good = t->in->trouble == VERDICT_OK;
    if (good && b->file >= 0) {
        t->body = (struct span){ t->map, t->map_size };
    } else if (good) {
        bytes_free(&t->replaced);
        t->replaced = b->memory;
        bytes_init(&b->memory, 0);
        t->body = span_bytes(&t->replaced);
    }
    if (b->eight_bit)
        t->in->reader.found |= SMTP_DATA_EIGHT_BIT;
    t->changed = true;
    file_close(b->file);
    bytes_free(&b->memory);
    return good;
}

void milter_body_drop(struct milter_body *b)
{
    struct milter_text *t = b->text;
    bytes_free(&b->memory);
    if (b->file < 0)
        return;
    file_close(b->file);
    int file = take_file(t);
    if (file >= 0 && write_file(t, file, t->body)) {
        if (map(t, file, t->body.n))
            t->body = (struct span){ t->map, t->map_size };
        else
            t->in->trouble = VERDICT_FAILED;
    }
    t->changed = true;
    file_close(file);
}

/* --- all of it */

static void into_memory(struct milter_text *t, const char *empty_line)
{
    struct incoming *in = t->in;
    struct bytes all;
    bytes_init(&all, in->memory.limit);
    bytes_add_span(&all, span_bytes(&t->header));
    bytes_add_str(&all, empty_line);
    if (!bytes_add_span(&all, t->body))
        in->trouble = VERDICT_FAILED;
    bytes_free(&in->memory);
    in->memory = all;
}

static void into_file(struct milter_text *t, const char *empty_line)
{
    struct incoming *in = t->in;
    int file = take_file(t);
    if (file < 0)
        return;
    if (write_file(t, file, span_bytes(&t->header)) && write_file(t, file, span_of(empty_line)))
        write_file(t, file, t->body);
    file_close(in->file);
    in->file = file;
    bytes_clear(&in->memory);
}

void milter_text_finish(struct milter_text *t)
{
    struct incoming *in = t->in;
    const char *empty_line = t->parted || t->body.n ? "\r\n" : "";
    uint64_t size = t->header.len + strlen(empty_line) + t->body.n;
    if (!t->changed || in->trouble != VERDICT_OK)
        return;
    if (size > in->session->serving->settings->message_size + SMTPD_FILTERED_LIMIT) {
        in->refusal = "552 5.3.4 The message is too big when the filters have changed it" BY_MESSAGE_SIZE;
        return;
    }
    if (t->in_files || size > SMTPD_MEMORY_LIMIT)
        into_file(t, empty_line);
    else
        into_memory(t, empty_line);
    bytes_clear(&in->added);
    bytes_clear(&in->head);
    in->head_length = 0;
    struct header_field field = { .value = { NULL, 0 } };
    header_find(span_bytes(&t->header), "Message-ID", &field);
    message_id_read(field.value, in->message_id);
}
