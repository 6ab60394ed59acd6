/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What imapd's files share: the state of a logged-in connection, replies, and the commands.
 *
 *     session.c   before login: greeting, STARTTLS, LOGIN, AUTHENTICATE (the sandboxed session)
 *     commands.c  after it: the command loop and its table (the mailbox process)
 *     reader.c    one command with its literals, for both
 *     parse*.c    its grammar
 *     capabilities.c  what there is, by table
 *     respond.c   replies, and what changed in the selected mailbox
 *     names.c     mailbox names between client and disk
 *     sets.c      sequence sets, and UIDs as sets
 *     qresync.c   mod-sequences, and what has vanished
 *     compress.c  COMPRESS
 *     learn.c     messages that are moved into or out of Junk
 *
 * The commands: folders.c, list.c with pattern.c, select.c, status.c, quota.c, append.c, copy.c (and MOVE,
 * EXPUNGE), store.c, idle.c; fetch.c with fetch_items.c, section.c (the bytes of BODY[...]), binary.c
 * (BINARY[...]) and wire.c (with CRLF); search.c with search_find.c and search_keys.c (which messages),
 * match.c (texts) and esearch.c (the answer), sort.c, thread.c.
 *
 * A command's function leaves its tagged reply with reply(); the loop first reports what changed in the
 * selected mailbox, then sends it, as RFC 3501 7 wants. Untagged data are written at once.
 */
#ifndef POSTERN_IMAPD_IMAPD_H
#define POSTERN_IMAPD_IMAPD_H

#include "net/command.h"
#include "net/conn.h"
#include "parse.h"
#include "reader.h"
#include "store/handover.h"
#include "store/mailbox.h"
#include "text/mime.h"

#define BAD_LIMIT 20               /* wrong commands end a connection */
#define REPLY_LIMIT (16u << 20)    /* bytes of a tagged reply: a COPYUID of a large folder */
#define LINE_LIMIT (16u << 20)     /* bytes of an untagged reply, apart from streamed literals */
#define LITERALS_LIMIT 65536       /* bytes of literals in a command after login, APPEND's message apart */
#define IDLE_MS (30 * 60 * 1000)   /* RFC 3501 5.4 */
#define LITERAL_MS (5 * 60 * 1000) /* silence within an APPEND */

/* States, and the flags of a command's row. */
enum {
    STATE_NONE = 1,
    STATE_USER = 2,
    STATE_SELECTED = 4,
    STATE_ANY = STATE_NONE | STATE_USER | STATE_SELECTED
};
enum {
    COMMAND_KEEP = 1,   /* no EXPUNGE while it runs: sequence numbers stay (RFC 3501 7.4.1) */
    COMMAND_SILENT = 2, /* changes aren't looked for behind it */
};

/* Where the last partial FETCH ended, so that a message read piece by piece is walked over once. */
struct fetch_place {
    uint32_t uid;
    uint64_t start;  /* of the section in its file */
    uint64_t wire;   /* bytes with CRLF behind start */
    uint64_t stored; /* the same place in the file */
};

/* The same for BINARY[...]. */
struct decoded_place {
    uint32_t uid;
    uint64_t start; /* of the part in its file */
    uint64_t bytes; /* decoded so far */
    struct mime_decoder decoder;
};

/* The last large message of which one part was asked piece by piece: its map and structure, for the next
 * piece. */
struct kept_message {
    uint32_t uid; /* 0: none */
    struct mailbox_map map;
    struct mime_part *root;
};

/* `$`, what SEARCH RETURN (SAVE) found in the selected mailbox: ascending (RFC 5182). */
struct saved {
    uint32_t *uids;
    size_t count;
};

/* What the client knows of the selected mailbox's mod-sequences (qresync.c). */
struct client_modseq {
    bool none;      /* the mailbox keeps none */
    bool owed;      /* messages were expunged by this command: its reply must name HIGHESTMODSEQ */
    uint64_t known; /* what it takes for HIGHESTMODSEQ */
    uint64_t seen;  /* the highest MODSEQ since the last tagged reply */
};

struct imap {
    struct mailbox_start *start;
    const struct settings *settings;
    struct conn *conn;
    struct reader reader;
    struct mail *mail;
    struct mailbox *box; /* the selected mailbox, or NULL */
    char tag[TAG_LIMIT + 1];
    char names[2][FOLDER_NAME_LIMIT + 1]; /* as on disk: what folder_argument() gave last and before */
    bool second_name;
    bool uid; /* the command came as UID ... */
    bool done;
    unsigned enabled;   /* ENABLED_* of capabilities.h */
    unsigned bad;       /* wrong commands so far */
    struct bytes text;  /* unescaped strings of the command */
    struct bytes line;  /* an untagged reply in the making */
    struct bytes reply; /* the tagged reply behind the tag */
    size_t keywords; /* how many of the selected mailbox the client was told of */
    struct client_modseq modseq;
    void (*behind_reply)(struct imap *i); /* what a command does behind its tagged reply, once; or NULL */
    struct deflate *deflate;              /* to be started there */
    struct fetch_place place;
    struct decoded_place decoded;
    struct kept_message kept;
    struct saved saved;
};

/* --- respond.c */
/* The tagged reply, such as "OK [READ-ONLY] Selected"; the last one counts. */
void reply(struct imap *i, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* BAD with the parser's error; counts as a wrong command. */
void reply_bad(struct imap *i, const struct parser *p);
/* NO for a status that isn't ST_OK: of a folder (ST_NONE: [NONEXISTENT]) or the store. */
void reply_failed(struct imap *i, enum status st);
void add_number(struct bytes *b, uint64_t n);
void add_flags(struct bytes *b, const struct mailbox *box, uint32_t flags, bool recent);
/* A message's flags, without \Recent for who enabled IMAP4rev2. */
void add_message_flags(const struct imap *i, struct bytes *b, const struct mailbox_message *m);
void write_line(struct imap *i); /* sends i->line and empties it */
void write_flags_of_folder(struct imap *i);
/* The same where the folder has keywords that the client wasn't told of. */
void tell_keywords(struct imap *i);
void write_exists(struct imap *i);
/* EXPUNGE, or VANISHED where QRESYNC is enabled. */
void write_expunged(struct imap *i, const struct mailbox_changes *changes);
/* `* n FETCH (FLAGS (...))`, with UID in UID commands, with QRESYNC and in IMAP4rev2 (RFC 9051 7.5.2), and
 * with MODSEQ where the client wants it. */
void write_flags(struct imap *i, size_t index);
/* The same without FLAGS, to a client that wants MODSEQ. */
void write_modseq(struct imap *i, size_t index);
/* Reports what others changed. With `keep` nothing is expunged. */
void sync_mailbox(struct imap *i, bool keep);

/* --- names.c */
/* The folder's name of a command as it is stored, with INBOX in capitals; false, with a reply, if it can't be
 * one. Valid until the second call after this one. */
bool folder_argument(struct imap *i, struct span name, struct span *folder);
/* Appends a stored name as the client wants to see it. */
bool name_for_client(const struct imap *i, struct span folder, struct bytes *b);
/* The same, as a string in i->line. */
void add_mailbox(struct imap *i, struct span folder);
/* Does the client's spelling of the folder's name differ from what it is told? */
bool name_differs(const struct imap *i, struct span supplied, struct span folder);
/* The OLDNAME item of a LIST response, in i->line. */
void add_old_name(struct imap *i, struct span supplied);
/* Appends a LIST pattern in the form in which names are compared; false if it can match none. */
bool pattern_normal(const struct imap *i, struct span pattern, struct bytes *b);

/* --- status.c */
/* Must mailbox_status() look for sizes? */
bool status_needs_sizes(unsigned items);
/* False, with the parser's error, for items that this client's IMAP hasn't. */
bool status_items_fit(const struct imap *i, struct parser *p, unsigned items);
/* A STATUS response in i->line. */
void add_status(struct imap *i, struct span folder, unsigned items, const struct mailbox_status *st);

/* --- quota.c */
/* May so much mail be added? False with a reply. */
bool quota_allows(struct imap *i, uint64_t bytes, uint64_t messages);

/* --- select.c and fetch.c */
/* Nothing is selected any more; nothing is expunged. */
void close_mailbox(struct imap *i);
/* Forgets i->place, i->decoded and i->kept. */
void fetch_forget(struct imap *i);

/* --- idle.c */
/* While the client says nothing: what the mailbox still has to write. */
void work_while_silent(struct imap *i);

/* --- sets.c */
/* The entries that a set names, ascending, each once. *indexes is malloc'd. False with a reply: a sequence
 * number that isn't there, or no memory. */
bool set_indexes(struct imap *i, const struct set *set, bool uid, size_t **indexes, size_t *count);
/* Takes these messages (ascending) for `$`. False, and nothing is saved, without memory. */
bool saved_keep(struct imap *i, const size_t *indexes, size_t count);
void saved_clear(struct imap *i);
/* Ranges of UIDs in the order given, for COPYUID: "4,7:9". */
void add_uids(struct bytes *b, const uint32_t *uids, size_t count);

/* --- the commands' files; each function takes the struct imap and the argument behind the command's name */
void imap_mailbox(struct mailbox_start *start); /* commands.c: `mailbox` of struct service */
void imap_session(struct serving *s);           /* session.c: `session` of struct service */
void command_select(void *imap, struct span argument);
void command_examine(void *imap, struct span argument);
void command_close(void *imap, struct span argument);
void command_unselect(void *imap, struct span argument);
void command_status(void *imap, struct span argument);
void command_fetch(void *imap, struct span argument);
void command_store(void *imap, struct span argument);
void command_search(void *imap, struct span argument);
void command_sort(void *imap, struct span argument);
void command_thread(void *imap, struct span argument);
void command_copy(void *imap, struct span argument);
void command_move(void *imap, struct span argument);
void command_expunge(void *imap, struct span argument);
void command_append(void *imap, struct span argument); /* an APPEND without a message */
void command_idle(void *imap, struct span argument);
void command_compress(void *imap, struct span argument);
void command_getquota(void *imap, struct span argument);
void command_getquotaroot(void *imap, struct span argument);
void command_setquota(void *imap, struct span argument);
void command_list(void *imap, struct span argument);
void command_lsub(void *imap, struct span argument);
void command_create(void *imap, struct span argument);
void command_delete(void *imap, struct span argument);
void command_rename(void *imap, struct span argument);
void command_subscribe(void *imap, struct span argument);
void command_unsubscribe(void *imap, struct span argument);
/* append.c: READ_APPEND of the reader. */
void append_message(struct imap *i, struct span argument);

#endif
