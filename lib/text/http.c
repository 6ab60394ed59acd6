/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads the head of a response and chunks; see http.h.
 */
#include "text/http.h"

#define CHUNK_SIZE_DIGITS 8
#define LENGTH_MOST (UINT64_C(1) << 40)

static bool is_token(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && !strchr("!#$%&'*+-.^_`|~", s.p[i]))
            return false;
    return s.n > 0 && memchr(s.p, '\0', s.n) == NULL;
}

/* The next line, without its CRLF or LF. ST_NONE: it hasn't come as a whole. */
static enum status next_line(struct span *rest, struct span *line)
{
    size_t lf = span_find(*rest, '\n');
    if (lf == rest->n)
        return ST_NONE;
    *line = span_head(*rest, lf);
    *rest = span_from(*rest, lf + 1);
    if (line->n && line->p[line->n - 1] == '\r')
        line->n--;
    return span_find(*line, '\r') == line->n && span_find(*line, '\0') == line->n ? ST_OK : ST_PERM;
}

/* "HTTP/1.1 200 OK" */
static bool read_status_line(struct span line, struct http_head *head)
{
    uint64_t code;
    if (line.n < 12 || !span_starts(line, "HTTP/1.") || !ascii_digit(line.p[7]) || line.p[8] != ' ' ||
        (line.n > 12 && line.p[12] != ' ') || !span_u64(span_head(span_from(line, 9), 3), 599, &code))
        return false;
    head->status = (unsigned)code;
    return code >= 100;
}

static bool read_type(struct span value, struct http_head *head)
{
    struct span type;
    span_cut(&value, ';', &type);
    head->plain = span_ieq_str(span_trim(type), "text/plain");
    return true;
}

static bool read_length(struct span value, struct http_head *head)
{
    uint64_t length;
    if (!span_u64(value, LENGTH_MOST, &length) || (head->has_length && length != head->length))
        return false;
    head->has_length = true;
    head->length = length;
    return true;
}

static bool read_transfer(struct span value, struct http_head *head)
{
    bool again = head->chunked;
    head->chunked = true;
    return !again && span_ieq_str(value, "chunked");
}

static bool read_encoding(struct span value, struct http_head *head)
{
    head->encoded = head->encoded || !span_ieq_str(value, "identity");
    return true;
}

static const struct {
    const char *name;
    bool (*read)(struct span value, struct http_head *head);
} fields[] = {
    { "content-type", read_type },
    { "content-length", read_length },
    { "transfer-encoding", read_transfer },
    { "content-encoding", read_encoding },
};

static bool read_field(struct span line, struct http_head *head)
{
    struct span name, value = line;
    if (span_find(line, ':') == line.n)
        return false;
    span_cut(&value, ':', &name);
    if (!is_token(name))
        return false;
    value = span_trim(value);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (span_ieq_str(name, fields[i].name))
            return fields[i].read(value, head);
    return true;
}

/* One head, up to its empty line. */
static enum status read_one(struct span *rest, struct http_head *head)
{
    struct span line;
    *head = (struct http_head){ 0 };
    enum status st = next_line(rest, &line);
    if (st == ST_OK && !read_status_line(line, head))
        st = ST_PERM;
    while (st == ST_OK) {
        st = next_line(rest, &line);
        if (st == ST_OK && line.n == 0)
            return head->chunked && head->has_length ? ST_PERM : ST_OK;
        if (st == ST_OK && !read_field(line, head))
            st = ST_PERM;
    }
    return st;
}

enum status http_head_read(struct span data, struct http_head *head, size_t *used)
{
    struct span rest = data;
    enum status st;
    do
        st = read_one(&rest, head);
    while (st == ST_OK && head->status < 200 && head->status != 101);
    *used = data.n - rest.n;
    if (st == ST_OK && head->status == 101) /* we asked for no other protocol */
        return ST_PERM;
    if (st == ST_OK ? *used > HTTP_HEAD_LIMIT : data.n > HTTP_HEAD_LIMIT)
        return ST_PERM;
    return st;
}

enum status http_chunks_read(struct span data, struct bytes *out)
{
    struct span line, size;
    uint64_t n;
    enum status st;
    while ((st = next_line(&data, &line)) == ST_OK) {
        span_cut(&line, ';', &size); /* behind it are extensions */
        size = span_trim(size);
        char lower[CHUNK_SIZE_DIGITS];
        if (size.n == 0 || size.n > CHUNK_SIZE_DIGITS)
            return ST_PERM;
        for (size_t i = 0; i < size.n; i++)
            lower[i] = ascii_lower(size.p[i]);
        if (!span_hex((struct span){ lower, size.n }, UINT32_MAX, &n))
            return ST_PERM;
        if (n == 0)
            break;
        if (data.n < n)
            return out->len + n > out->limit ? ST_PERM : ST_NONE;
        if (!bytes_add(out, data.p, (size_t)n))
            return ST_PERM;
        data = span_from(data, (size_t)n);
        st = next_line(&data, &line);
        if (st != ST_OK || line.n)
            return st == ST_NONE && data.n < 2 ? ST_NONE : ST_PERM;
    }
    while (st == ST_OK) { /* trailer fields, up to an empty line */
        st = next_line(&data, &line);
        if (st == ST_OK && line.n == 0)
            return ST_OK;
    }
    return st;
}
