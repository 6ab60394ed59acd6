/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Subscriptions; see subscriptions.h. The file is replaced under the account's lock, so that two sessions
 * lose none of each other's. Lines that are no valid names are kept out of sight, but in the file.
 */
#include "store/subscriptions.h"
#include "base/files.h"

#include <errno.h>
#include <string.h>

#define FILE_NAME "subscriptions"
#define FILE_LIMIT ((size_t)4 << 20)
#define NEWER_HEADER "V\t2\n\n"

/* Something that is no file stands for no subscriptions; the next change replaces it where it can. */
static enum status read_file(struct mail *mail, struct bytes *out)
{
    enum status st = file_read_beneath(mail_dir(mail), FILE_NAME, out);
    return st == ST_PERM && out->len == 0 ? ST_NONE : st == ST_PERM ? ST_TEMP : st;
}

void subscriptions_parse(struct span text, struct bytes *out)
{
    struct span line;
    bool newer = span_starts(text, NEWER_HEADER);
    if (newer)
        text = span_from(text, strlen(NEWER_HEADER));
    while (text.n && span_cut(&text, '\n', &line)) {
        for (size_t i = 0; i < line.n; i++)
            bytes_add_char(out, newer && line.p[i] == '\t' ? '.' : line.p[i]);
        if (line.n)
            bytes_add_char(out, '\n');
    }
}

enum status subscriptions_read(struct mail *mail, struct bytes *out)
{
    struct bytes file;
    bytes_init(&file, FILE_LIMIT);
    enum status st = read_file(mail, &file);
    if (st == ST_OK)
        subscriptions_parse(span_bytes(&file), out);
    bytes_free(&file);
    if (out->failed)
        return ST_TEMP;
    return st == ST_NONE ? ST_OK : st;
}

static bool same_folder(struct span a, struct span b)
{
    return span_eq(a, b) || (folder_is_inbox(a) && folder_is_inbox(b));
}

static enum status replace_line(struct mail *mail, struct span name, bool subscribed)
{
    struct bytes old, new;
    bytes_init(&old, FILE_LIMIT);
    bytes_init(&new, FILE_LIMIT);
    enum status st = subscriptions_read(mail, &old);
    struct span rest = span_bytes(&old), line;
    bool found = false;
    while (rest.n && span_cut(&rest, '\n', &line)) {
        bool same = same_folder(line, name);
        found |= same;
        if (!same || subscribed) {
            bytes_add_span(&new, line);
            bytes_add_char(&new, '\n');
        }
    }
    if (subscribed && !found) {
        bytes_add_span(&new, name);
        bytes_add_char(&new, '\n');
    }
    if (new.failed)
        st = ST_TEMP;
    if (st == ST_OK && found != subscribed)
        st = file_replace(mail_dir(mail), FILE_NAME, span_bytes(&new), 0600);
    bytes_free(&old);
    bytes_free(&new);
    return st;
}

enum status folder_subscribe(struct mail *mail, struct span name, bool subscribed)
{
    char path[FOLDER_NAME_LIMIT + 2];
    if (!folder_path(name, path, sizeof path)) {
        errno = EINVAL;
        return ST_PERM;
    }
    int lock = mail_lock(mail);
    if (lock < 0)
        return ST_TEMP;
    enum status st = replace_line(mail, folder_is_inbox(name) ? SPAN("INBOX") : name, subscribed);
    file_close(lock);
    return st;
}
