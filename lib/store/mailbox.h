/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One folder's messages in UID order, over plain Maildir files.
 *
 * The Maildir is the truth. A message's UID stands in its file name with the folder's
 * UIDVALIDITY (`,P=validity.uid`, both in lower-case hex); flags stand behind `:2,`, keywords as the letters
 * a to z that the folder's durable file names. That file also holds the ceiling of reserved UIDs, so no UID
 * is ever given twice. Other programs may change the Maildir at any time; mailbox_refresh() says what
 * changed.
 *
 * Callers never see directories or file names: they ask for messages by index.
 */
#ifndef POSTERN_STORE_MAILBOX_H
#define POSTERN_STORE_MAILBOX_H

#include "store/content.h"
#include "store/folders.h"

#define MAILBOX_KEYWORDS 26
#define MAILBOX_KEYWORD_LIMIT 64 /* bytes of a keyword */

enum {
    FLAG_SEEN = 1 << 26,
    FLAG_ANSWERED = 1 << 27,
    FLAG_FLAGGED = 1 << 28,
    FLAG_DELETED = 1 << 29,
    FLAG_DRAFT = 1 << 30,
    FLAG_SYSTEM = 0x1f << 26, /* all of these; bits 0 to 25 are the folder's keywords a to z */
};

/* A message as the session sees it: a copy, so that it stays what it was when the mailbox changes. */
struct mailbox_message {
    uint32_t uid;
    uint32_t flags;     /* FLAG_* and keyword bits */
    uint64_t modseq;    /* of its last change (RFC 7162) */
    bool recent;        /* this session was the first to see it (RFC 3501 2.3.2) */
    bool gone;          /* the file is gone; a refresh without `keep` will report it */
    bool in_new;        /* the file lies in new/ */
    uint64_t size;      /* of the file. 0: not known, ask mailbox_file_size() */
    uint64_t wire_size; /* with CRLF line ends: RFC822.SIZE. 0: not known, ask mailbox_wire_size() */
};

struct mailbox {
    struct mail *mail;
    char folder[FOLDER_NAME_LIMIT + 1];
    bool read_only;
    uint32_t uid_validity, uid_next;
    uint64_t modseq;                  /* HIGHESTMODSEQ: no change up to here is news to this session */
    char mailbox_id[40];              /* OBJECTID, RFC 8474 */
    char *keywords[MAILBOX_KEYWORDS]; /* NULL where free */
    size_t count;                     /* messages, in order of UID: sequence number n has the index n - 1 */
    int watch;     /* an inotify descriptor (or -1) that becomes readable when the folder changes */
    void *private; /* mailbox_private.h */
};

/* Opens and scans. Unless read_only, messages in new/ are moved to cur/ and given UIDs on disk; read_only
 * gives UIDs inside new/ (EXAMINE and STATUS change no \Recent). ST_NONE if there is no such folder. */
enum status mailbox_open(struct mail *mail, struct span folder, bool read_only, struct mailbox **box);
/* The same, read-only, for who closes it again at once: it has no `watch`, which would cost 10 ms to give
 * up. */
enum status mailbox_look(struct mail *mail, struct span folder, struct mailbox **box);
void mailbox_close(struct mailbox *box);

/* What a refresh found. `expunged`: UIDs that are gone, ascending. `changed`: UIDs whose flags changed by
 * somebody else's hand. New ones are behind the others. */
struct mailbox_changes {
    uint32_t *expunged;
    size_t expunged_count;
    uint32_t *changed;
    size_t changed_count;
    size_t added;  /* messages, at the end */
    bool keywords; /* the folder got a new keyword */
};
/* Looks again if the directories changed. While `keep` is true, messages that are gone stay (sequence numbers
 * must not move during FETCH, STORE and SEARCH, RFC 3501 7.4.1) and are reported by the first refresh without
 * it. Sub-second changes are seen. ST_NONE: the folder was removed or has another UIDVALIDITY by now, and the
 * session must end. ST_TEMP: nothing is told now, and all of it by the next one. */
enum status mailbox_refresh(struct mailbox *box, bool keep, struct mailbox_changes *changes);
void mailbox_changes_free(struct mailbox_changes *changes);

/* Index of the UID, or of the first one above it: box->count if none. */
size_t mailbox_find(const struct mailbox *box, uint32_t uid);

/* index < box->count in all of these. */
struct mailbox_message mailbox_message(const struct mailbox *box, size_t index);
uint32_t mailbox_uid(const struct mailbox *box, size_t index);
/* INTERNALDATE: the file's mtime, in seconds. 0 where the file is gone. */
int64_t mailbox_date(struct mailbox *box, size_t index);
/* The name of the message's file, as last seen. */
void mailbox_name(const struct mailbox *box, size_t index, char name[256]);

/* The size of the message's file, which is asked for where it isn't known. */
uint64_t mailbox_file_size(struct mailbox *box, size_t index);
/* How many are \\Recent, and the index of the first that isn't \\Seen (count if all are). */
size_t mailbox_recent(const struct mailbox *box);
size_t mailbox_first_unseen(const struct mailbox *box);

/* The message's file, opened read-only; follows a rename by another program. ST_NONE if the message is
 * gone. */
enum status mailbox_file(struct mailbox *box, size_t index, int *fd);
/* The message's bytes: a copy, or from 64 KiB on the file mapped, which dies with SIGBUS where another
 * program cuts it short meanwhile; Maildir programs don't. ST_NONE if the message is gone. Free with
 * mailbox_unmap. */
struct mailbox_map {
    struct span bytes;
    void *base;
    size_t length;
    bool mapped;
};
enum status mailbox_map(struct mailbox *box, size_t index, struct mailbox_map *map);
void mailbox_unmap(struct mailbox_map *map);
/* The same in two steps, of which threads may take the second side by side while nothing else is done with
 * the mailbox: where the message's file was last seen, and its bytes. False where it isn't there any more (or
 * can't be read): ask mailbox_map() then. */
struct mailbox_spot {
    int dir;
    char name[256];
};
bool mailbox_spot(struct mailbox *box, size_t index, struct mailbox_spot *spot);
bool mailbox_map_spot(const struct mailbox_spot *spot, struct mailbox_map *map);
/* RFC822.SIZE; counts once and remembers. */
enum status mailbox_wire_size(struct mailbox *box, size_t index, uint64_t *size);

/* The bit of a keyword, made and written to the durable file where `make`. ST_NONE: no such keyword; ST_PERM:
 * all 26 in use or the name is no atom. */
enum status mailbox_keyword(struct mailbox *box, struct span name, bool make, uint32_t *bit);
/* A change of many messages' flags (STORE). */
enum flags_change { FLAGS_SET, FLAGS_ADD, FLAGS_REMOVE };
enum flags_result {
    FLAGS_STORED,   /* as asked */
    FLAGS_MERGED,   /* stored, but another session's change, not reported yet, was there too: report the flags
                     */
    FLAGS_MODIFIED, /* not stored: its mod-sequence is above unchanged_since */
    FLAGS_GONE,     /* not stored: there is no such message any more */
    FLAGS_FAILED,   /* not stored: errno says why */
};
struct flags_store {
    enum flags_change change;
    uint32_t flags;           /* FLAG_* and keyword bits */
    uint64_t unchanged_since; /* UINT64_MAX: whatever they are (RFC 7162 3.1.3) */
};
/* Changes the messages' flags, all under one mod-sequence, and those that have them already keep theirs.
 * results[n] says what became of indexes[n] (ascending). ST_PERM with errno EROFS for a read-only mailbox;
 * else the worst of what happened: ST_OK, ST_NONE (some are gone), ST_TEMP. */
enum status mailbox_store(struct mailbox *box, const size_t *indexes, size_t count,
                          const struct flags_store *store, unsigned char *results);

/* Brings some of the flags that a large mailbox_store() changed into file names, for other programs; a few
 * milliseconds' work, for when the client is silent. True if more wait. mailbox_close() does all that is
 * left. */
bool mailbox_work(struct mailbox *box);
bool mailbox_has_work(const struct mailbox *box);

/* UIDs of messages that were expunged since that mod-sequence, ascending; *uids is malloc'd. Those are among
 * them that have gone by now and are still shown here. ST_NONE: that far back nothing is known, and every UID
 * that is absent must be taken for one (RFC 7162 3.2.5.2 allows it). */
enum status mailbox_expunged_since(struct mailbox *box, uint64_t modseq, uint32_t **uids, size_t *count);

/* Removes these messages' files, fsyncs, and takes them out of the mailbox; indexes ascending. *gone has the
 * UIDs that really went. */
enum status mailbox_expunge(struct mailbox *box, const size_t *indexes, size_t count,
                            struct mailbox_changes *gone);

/* Messages to be appended, all or none: each is written with mailbox_append_write (CRLF converted to LF) and
 * ended with mailbox_append_end, then all are published. A message without a byte needs no write. */
struct mailbox_append;
/* `selected`: a mailbox that is open, or NULL. Where it is the folder's, its next refresh finds the messages
 * known. It stays open until they are published. */
enum status mailbox_append_begin(struct mail *mail, struct mailbox *selected, struct span folder,
                                 struct mailbox_append **append);
/* Makes the next message's file, while the client is about to send it; else the first write does. */
enum status mailbox_append_expect(struct mailbox_append *append);
/* Before the first write of a message that may hold NULs: its parts in Content-Transfer-Encoding binary
 * become base64 where LF line ends would spoil them. */
void mailbox_append_binary(struct mailbox_append *append);
/* A failure is kept: every later write, end and publish answers the same. */
enum status mailbox_append_write(struct mailbox_append *append, struct span crlf_data);
/* The message's flags, keywords (names; NULL-terminated array, or NULL) and date (0: now). Keywords for which
 * no letter is left are passed over. */
enum status mailbox_append_end(struct mailbox_append *append, uint32_t system_flags,
                               const char *const *keywords, int64_t date);
/* Publishes all into cur/, durable when it returns, with UIDs from *first_uid on. Frees `append` whatever it
 * answers. */
enum status mailbox_append_publish(struct mailbox_append *append, uint32_t *uid_validity,
                                   uint32_t *first_uid);
/* Messages that come from another Maildir, between begin and the first end: a folder that never gave a UID
 * takes over this UIDVALIDITY, and UIDs below `next` count as given. */
void mailbox_append_take_over(struct mailbox_append *append, uint32_t uid_validity, uint32_t next);
/* The next message to be ended keeps its file's base, where that can be a name here, and (in a folder with
 * that UIDVALIDITY) its UID, if it is above all that were given; 0: it had none. UIDs are to come in
 * ascending order. ST_TEMP: no memory. */
enum status mailbox_append_keep(struct mailbox_append *append, struct span base, uint32_t uid);
/* Instead of publish: removes what was written, and frees. */
void mailbox_append_abort(struct mailbox_append *append);

/* Copies messages (indexes ascending) to another folder, all or none, with flags, keywords and date. *uids
 * (malloc'd, the caller frees) has the new UIDs in the same order. ST_NONE: no such folder. ST_PERM: source
 * messages are gone (errno ENOENT). */
enum status mailbox_copy(struct mailbox *box, const size_t *indexes, size_t count, struct span folder,
                         uint32_t *uid_validity, uint32_t **uids);

/* What is asked of a message most often, kept by the cache: nothing of it opens the file where the cache has
 * it. The spans are valid until the next call for this mailbox. */
struct summary {
    struct span envelope;       /* "(...)": ENVELOPE's value (RFC 3501 7.4.2) */
    struct span body_structure; /* BODYSTRUCTURE's */
    struct span body;           /* BODY's */
    struct span header; /* the usual fields (summary_has_field), as they stand in the file: LF or CRLF */
    uint64_t header_size, header_lines; /* of the whole header, in the file */
};
/* ST_NONE if the message is gone. ST_TEMP with errno. */
enum status mailbox_summary(struct mailbox *box, size_t index, struct summary *summary);
/* Summaries of these messages (ascending, and valid until the next call) will be asked for in this order:
 * they may be read ahead. */
void mailbox_expect(struct mailbox *box, const size_t *indexes, size_t count);
/* Is a field of that name among those that summary.header holds, if the message has it? */
bool summary_has_field(struct span name);

/* Moves messages (indexes ascending) to another folder, with flags, keywords, date and EMAILID; durable when
 * it returns. They are still shown here: mailbox_forget() takes them out. ST_NONE: no such folder. ST_PERM
 * with errno ENOENT: some were gone, the others have been moved; with EXDEV: it is the same folder. ST_TEMP:
 * some may have been moved all the same. */
struct mailbox_moved {
    uint32_t uid_validity; /* of the other folder */
    uint32_t *from, *to;   /* UIDs */
    size_t *indexes;
    size_t count;
};
enum status mailbox_move(struct mailbox *box, const size_t *indexes, size_t count, struct span folder,
                         struct mailbox_moved *moved);
void mailbox_moved_free(struct mailbox_moved *moved);
/* mailbox_expunge() of messages whose files aren't here any more. */
enum status mailbox_forget(struct mailbox *box, const size_t *indexes, size_t count,
                           struct mailbox_changes *gone);

/* STATUS of a folder without selecting it. */
struct mailbox_status {
    uint32_t messages, recent, unseen, deleted, uid_next, uid_validity;
    uint64_t size;         /* of all messages: the sum of RFC822.SIZE; 0 unless asked for */
    uint64_t deleted_size; /* of the files of those that are \Deleted */
    uint64_t modseq;
    char mailbox_id[40];
};
enum status mailbox_status(struct mail *mail, struct span folder, bool sizes, struct mailbox_status *status);

/* An exclusive lock on the account's mail for one POP3 session (RFC 1939 4). ST_TEMP if another holds it.
 * Released by mail_close, or before that: a client that has heard the goodbye doesn't wait for this process
 * to end. */
enum status mail_lock_pop3(struct mail *mail);
void mail_unlock_pop3(struct mail *mail);

#endif
