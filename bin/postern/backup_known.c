/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which of an account's messages an earlier backup has, so that they needn't be read again.
 *
 * A message's file never changes, only its name and folder. It is known again by the unique part of its name,
 * or by its EMAILID, which MOVE and COPY keep, and only where size and time, to the nanosecond, are the same
 * too. All is read off the earlier list; its files aren't looked at.
 */
#include "backup.h"
#include "base/files.h"
#include "base/siphash.h"
#include "base/sort.h"
#include "store/durable.h"
#include "store/mailbox_ids.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static uint64_t hash_of(const uint64_t key[2], char kind, struct span text)
{
    char both[FILENAME_LIMIT + EMAIL_ID_LIMIT];
    size_t n = text.n < sizeof both - 1 ? text.n : sizeof both - 1;
    both[0] = kind;
    if (n)
        memcpy(both + 1, text.p, n);
    return siphash(key, (struct span){ both, n + 1 }).low;
}

uint64_t known_base(const uint64_t key[2], struct span base)
{
    return hash_of(key, 'b', base);
}

uint64_t known_email_id(const uint64_t key[2], const char *email_id)
{
    return hash_of(key, 'e', span_of(email_id));
}

static void add(struct known *k, uint64_t hash, const char *entry, size_t source)
{
    if (k->count == k->room) {
        size_t room = k->room ? 2 * k->room : 256;
        struct known_key *more = realloc(k->keys, room * sizeof *more);
        k->failed |= !more;
        if (!more)
            return;
        k->keys = more;
        k->room = room;
    }
    k->keys[k->count++] = (struct known_key){ hash, entry, (uint8_t)source };
}

/* The folder that lines are about, as its own file in the backup says. */
struct known_folder {
    char mailbox_id[FOLDER_ID_SIZE];
    uint32_t validity;
};

static void read_folder(const struct backup_source *source, const char *path, struct known_folder *f)
{
    struct durable d;
    int dir = file_open_beneath(source->fd, path, O_RDONLY | O_DIRECTORY, 0);
    *f = (struct known_folder){ 0 };
    if (dir >= 0 && durable_read(dir, &d) == ST_OK) {
        memcpy(f->mailbox_id, d.mailbox_id, sizeof f->mailbox_id);
        f->validity = d.uid_validity;
        durable_free(&d);
    }
    file_close(dir);
}

static void add_message(struct backup *b, struct span name, const char *entry, size_t source,
                        const struct known_folder *folder)
{
    struct filename f;
    char id[EMAIL_ID_LIMIT + 1] = "";
    filename_parse(name, &f);
    add(&b->known, known_base(b->key, f.base), entry, source);
    if (f.email_id.n)
        span_copy(f.email_id, id, sizeof id);
    else if (f.uid && f.validity == folder->validity)
        email_id_derive(folder->mailbox_id, f.validity, f.uid, id);
    if (id[0])
        add(&b->known, known_email_id(b->key, id), entry, source);
}

/* The folder's own file stands before its messages. */
static void add_line(struct backup *b, const struct manifest_entry *e, const char *entry, size_t source,
                     struct bytes *path, struct known_folder *folder)
{
    bytes_clear(path);
    if (e->kind != MANIFEST_FILE_LINE || !manifest_path(e->path, path))
        return;
    struct span whole = span_bytes(path);
    const char *slash = memrchr(whole.p, '/', whole.n);
    size_t at = slash ? (size_t)(slash - whole.p) : 0;
    struct span name = span_from(whole, at + 1), parent = span_head(whole, at);
    bool is_message = parent.n > 4 && (memcmp(parent.p + parent.n - 4, "/cur", 4) == 0 ||
                                       memcmp(parent.p + parent.n - 4, "/new", 4) == 0);
    if (is_message) {
        add_message(b, name, entry, source, folder);
    } else if (span_eq_str(name, "postern-folder")) {
        path->data[at] = '\0';
        read_folder(&b->sources[source], path->data, folder);
    }
}

static void add_source(struct backup *b, const char *address, size_t source, struct bytes *path)
{
    struct span rest;
    struct manifest_entry e;
    struct known_folder folder = { 0 };
    if (!manifest_account(&b->sources[source].manifest, address, &rest))
        return;
    for (const char *at = rest.p; manifest_next(&rest, &e); at = rest.p)
        add_line(b, &e, at, source, path, &folder);
}

/* By hash, so that they can be searched. */
static bool sort(struct known *k)
{
    struct sort_item *items = malloc((k->count + 1) * sizeof *items);
    struct known_key *sorted = malloc((k->count + 1) * sizeof *sorted);
    for (size_t i = 0; items && i < k->count; i++)
        items[i] = (struct sort_item){ k->keys[i].hash, (uint32_t)i };
    bool good = items && sorted && sort_items(items, k->count, NULL, NULL);
    for (size_t i = 0; good && i < k->count; i++)
        sorted[i] = k->keys[items[i].item];
    free(items);
    free(good ? k->keys : sorted);
    if (good)
        k->keys = sorted;
    return good;
}

bool known_read(struct backup *b, const char *address)
{
    struct bytes path;
    bytes_init(&path, BACKUP_PATH_LIMIT);
    b->known = (struct known){ 0 };
    for (size_t i = 0; i < b->source_count; i++)
        add_source(b, address, i, &path);
    bytes_free(&path);
    return !b->known.failed && sort(&b->known);
}

void known_free(struct known *k)
{
    free(k->keys);
    *k = (struct known){ 0 };
}

static bool find_key(const struct backup *b, uint64_t hash, const struct stat *info, struct manifest_entry *e,
                     const struct backup_source **source)
{
    const struct known *k = &b->known;
    size_t low = 0, high = k->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (k->keys[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < k->count && k->keys[low].hash == hash; low++) {
        const struct backup_source *from = &b->sources[k->keys[low].source];
        struct span rest =
            span_from(from->manifest.text, (size_t)(k->keys[low].entry - from->manifest.text.p));
        *source = from;
        if (manifest_next(&rest, e) && e->size == (uint64_t)info->st_size &&
            e->mtime.tv_sec == info->st_mtim.tv_sec && e->mtime.tv_nsec == info->st_mtim.tv_nsec)
            return true;
    }
    return false;
}

bool known_find(const struct backup *b, struct span base, const char *email_id, const struct stat *info,
                struct manifest_entry *e, const struct backup_source **source)
{
    return find_key(b, known_base(b->key, base), info, e, source) ||
           (email_id[0] && find_key(b, known_email_id(b->key, email_id), info, e, source));
}
