/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The grammar of IMAP commands (RFC 3501 9): pure functions from bytes to structs, without
 * input or output, so that they can be fuzzed.
 *
 * A parser walks over one whole command in which literals stand where they were sent, `{5}` CRLF and five
 * bytes. Every function returns false at what it doesn't understand and leaves a line for the
 * client in p->error; the first such line stays. Spans point into the command or into p->text.
 */
#ifndef POSTERN_IMAPD_PARSE_H
#define POSTERN_IMAPD_PARSE_H

#include "base/bytes.h"

#define TAG_LIMIT 128
#define KEYWORDS_LIMIT 64 /* keywords in one flag list */
#define FETCH_ITEMS 64    /* items of one FETCH */
#define FETCH_MORE 2      /* that are added to them: UID and MODSEQ */
#define FETCH_NAMES 256   /* header names of one FETCH, all items together */
#define FETCH_PARTS 50    /* numbers in one part specifier: MIME_DEPTH */
#define SEARCH_KEYS 2000  /* keys of one SEARCH */
#define SEARCH_DEPTH 40   /* parentheses, NOT and OR within each other */
#define LIST_PATTERNS 100 /* patterns of one LIST */
#define CREATE_USES 20    /* special uses of one CREATE */

struct parser {
    struct span in;
    size_t at;
    struct bytes *text; /* unescaped quoted strings; room for all is made first, so it never moves */
    const char *error;  /* NULL, or why parsing failed */
};

/* `text` is emptied; its limit must be no less than in.n. */
void parser_init(struct parser *p, struct span in, struct bytes *text);
/* Sets the error, if none is set. Always false. */
bool parse_fail(struct parser *p, const char *error);

/* What stands next, or 0 at the end. */
char parse_peek(const struct parser *p);
bool parse_char(struct parser *p, char c); /* without an error: to try */
bool parse_space(struct parser *p);
bool parse_end(struct parser *p);
bool parse_tag(struct parser *p, struct span *tag);
bool parse_atom(struct parser *p, struct span *atom);
bool parse_astring(struct parser *p, struct span *s);
bool parse_string(struct parser *p, struct span *s);       /* quoted or literal */
bool parse_list_mailbox(struct parser *p, struct span *s); /* astring in which % and * may stand */
bool parse_number(struct parser *p, uint32_t *n);
/* number64 (RFC 9051), mod-sequences (RFC 7162): 63 bits. */
bool parse_number64(struct parser *p, uint64_t *n);
/* ID's argument (RFC 2971): NIL or a list of strings, which nobody keeps. */
bool parse_id(struct parser *p);

/* A sequence set; 0 stands for '*'. `$` alone is what SEARCH saved (RFC 5182). Free with set_free, also after
 * a failure. */
struct range {
    uint32_t first, last;
};
struct set {
    struct range *ranges;
    size_t count, room;
    bool saved; /* `$`; there are no ranges */
};
bool parse_set(struct parser *p, struct set *set);
void set_free(struct set *set);

struct flag_list {
    uint32_t system; /* FLAG_* of store/mailbox.h */
    struct span keywords[KEYWORDS_LIMIT];
    size_t keyword_count;
};

enum store_mode { STORE_SET, STORE_ADD, STORE_REMOVE };
/* `+FLAGS.SILENT (...)` */
bool parse_store(struct parser *p, enum store_mode *mode, bool *silent, struct flag_list *flags);

/* One message of an APPEND: what stands in front of its literal's bytes. */
struct append_message {
    struct flag_list flags;
    int64_t date; /* 0 where none was given */
    uint64_t size;
    bool plus;   /* the bytes follow without being invited */
    bool binary; /* `~{n}`: they may hold NULs (RFC 3516) */
    bool utf8;   /* `UTF8 (~{n}`: a ')' follows the bytes (RFC 6855 4) */
};
/* APPEND's arguments up to the first message's bytes. */
struct append_args {
    struct span folder;
    struct append_message message;
};
bool parse_append(struct parser *p, struct append_args *args);
/* What follows a message's bytes (RFC 3502): nothing, and *end is true, or the next message up to its bytes.
 * `utf8` is that of the one before. */
bool parse_append_more(struct parser *p, bool utf8, struct append_message *message, bool *end);

/* --- mailboxes as a whole (parse_folders.c) */
enum {
    STATUS_MESSAGES = 1,
    STATUS_RECENT = 2,
    STATUS_UIDNEXT = 4,
    STATUS_UIDVALIDITY = 8,
    STATUS_UNSEEN = 16,
    STATUS_DELETED = 32,
    STATUS_SIZE = 64,
    STATUS_DELETED_STORAGE = 128,
    STATUS_HIGHESTMODSEQ = 256,
    STATUS_MAILBOXID = 512,
};
struct status_args {
    struct span folder;
    unsigned items; /* STATUS_* */
};
bool parse_status(struct parser *p, struct status_args *args);

enum {
    LIST_SUBSCRIBED = 1,
    LIST_REMOTE = 2,
    LIST_RECURSIVE = 4, /* RECURSIVEMATCH */
    LIST_SPECIAL_USE = 8,
    LIST_CHILDREN = 16,
    LIST_STATUS = 32,
};
struct list_args {
    bool extended;   /* the syntax of RFC 5258 */
    unsigned select; /* LIST_*: which mailboxes */
    unsigned give;   /* LIST_*: what is told of them; what `select` implies is there */
    unsigned status; /* STATUS_* of RETURN (STATUS (...)) */
    struct span reference;
    struct span patterns[LIST_PATTERNS];
    size_t pattern_count;
};
bool parse_list(struct parser *p, struct list_args *args);

struct create_args {
    struct span folder;
    bool with_uses;
    struct span uses[CREATE_USES]; /* attributes such as \Sent, known or not */
    size_t use_count;
};
bool parse_create(struct parser *p, struct create_args *args);

/* --- FETCH (parse_fetch.c) */
enum fetch_kind {
    FETCH_UID,
    FETCH_FLAGS,
    FETCH_INTERNALDATE,
    FETCH_SIZE,
    FETCH_ENVELOPE,
    FETCH_BODY,
    FETCH_BODYSTRUCTURE,
    FETCH_SECTION,
    FETCH_MODSEQ,
    FETCH_BINARY,
    FETCH_BINARY_SIZE,
    FETCH_PREVIEW,
    FETCH_SAVEDATE,
    FETCH_EMAILID,
    FETCH_THREADID,
};
enum section_what {
    SECTION_ALL,
    SECTION_HEADER,
    SECTION_FIELDS,
    SECTION_FIELDS_NOT,
    SECTION_TEXT,
    SECTION_MIME
};
struct fetch_item {
    enum fetch_kind kind;
    const char *label; /* RFC822 and its kin; NULL: BODY[...] */
    enum section_what what;
    bool peek;
    bool lazy; /* PREVIEW (LAZY) */
    bool partial;
    unsigned needs; /* NEEDS_* of fetch.h, for fetch_items.c */
    uint64_t offset, length; /* of 63 bits, as IMAP4rev2 has them */
    uint32_t parts[FETCH_PARTS];
    size_t part_count;
    size_t first_name, name_count; /* in fetch.names */
};
struct fetch {
    struct fetch_item items[FETCH_ITEMS + FETCH_MORE];
    size_t count;
    struct span names[FETCH_NAMES];
    size_t name_count;
};
/* The items; modifiers may follow. */
bool parse_fetch(struct parser *p, struct fetch *fetch);

/* --- what stands in parentheses behind or between arguments (parse_modifiers.c) */
/* What a client knows of a mailbox (RFC 7162 3.2.5). */
struct qresync {
    uint32_t uid_validity;
    uint64_t modseq;
    struct set known;                     /* UIDs; empty: all */
    struct set match_numbers, match_uids; /* message numbers, and the UIDs they had; empty: not told */
};
struct select_modifiers {
    bool condstore, qresync;
    struct qresync resync;
};
/* All that follows the mailbox's name, which may be nothing. Free with select_modifiers_free, also after a
 * failure. */
bool parse_select_modifiers(struct parser *p, struct select_modifiers *m);
void select_modifiers_free(struct select_modifiers *m);

struct fetch_modifiers {
    bool changed, vanished; /* vanished only with changed */
    uint64_t changed_since;
};
/* All that follows FETCH's items, which may be nothing. */
bool parse_fetch_modifiers(struct parser *p, struct fetch_modifiers *m);

struct store_modifiers {
    bool unchanged;
    uint64_t unchanged_since; /* UINT64_MAX if not given */
};
/* `(UNCHANGEDSINCE 5) ` in front of STORE's item, or nothing. */
bool parse_store_modifiers(struct parser *p, struct store_modifiers *m);

/* --- SEARCH, SORT and THREAD (parse_search.c, parse_sort.c) */
enum search_kind {
    SEARCH_AND, /* all children; an empty one matches everything */
    SEARCH_OR,
    SEARCH_NOT,
    SEARCH_ALL,
    SEARCH_FLAG,   /* number: all these bits are set */
    SEARCH_UNFLAG, /* none is */
    SEARCH_KEYWORD,
    SEARCH_UNKEYWORD,
    SEARCH_RECENT,
    SEARCH_OLD,
    SEARCH_NEW,
    SEARCH_BEFORE,
    SEARCH_ON,
    SEARCH_SINCE,
    SEARCH_SAVEDBEFORE, /* RFC 8514 */
    SEARCH_SAVEDON,
    SEARCH_SAVEDSINCE,
    SEARCH_EMAILID, /* RFC 8474 */
    SEARCH_THREADID,
    SEARCH_OLDER, /* number: seconds before now (RFC 5032) */
    SEARCH_YOUNGER,
    SEARCH_SENTBEFORE,
    SEARCH_SENTON,
    SEARCH_SENTSINCE,
    SEARCH_HEADER,
    SEARCH_BODY,
    SEARCH_TEXT,
    SEARCH_LARGER,
    SEARCH_SMALLER,
    SEARCH_MODSEQ, /* number: the least mod-sequence (RFC 7162 3.1.5) */
    SEARCH_SEQUENCE,
    SEARCH_UID,
};
struct search_key {
    enum search_kind kind;
    size_t child;      /* first key below, 0 if none (key 0 is the root) */
    size_t next;       /* its next sibling, 0 if none */
    struct span field; /* HEADER's name */
    struct span text;  /* what is sought; a keyword's name */
    int64_t number;    /* flags, size, seconds, a mod-sequence, or a day's first second */
    struct set set;
};
/* RETURN options (RFC 4731, RFC 5182). RETURN () is RETURN_GIVEN and nothing else. */
enum {
    RETURN_GIVEN = 1,
    RETURN_MIN = 2,
    RETURN_MAX = 4,
    RETURN_ALL = 8,
    RETURN_COUNT = 16,
    RETURN_SAVE = 32,
};
struct search {
    struct search_key *keys; /* keys[0] is an AND of all */
    size_t count, room;
    unsigned returns;    /* RETURN_* */
    struct span charset; /* p is NULL if none was given */
    bool modseq;         /* there is a MODSEQ key */
};
/* Free with search_free, also after a failure. */
bool parse_search(struct parser *p, struct search *search);
void search_free(struct search *search);
/* The parts of it: `RETURN (...) `, if it stands there; the keys up to the end, at least one. *search begins
 * as zeros. */
bool parse_returns(struct parser *p, struct search *search);
bool parse_keys(struct parser *p, struct search *search);

enum sort_by {
    SORT_ARRIVAL,
    SORT_CC,
    SORT_DATE,
    SORT_FROM,
    SORT_SIZE,
    SORT_SUBJECT,
    SORT_TO,
    SORT_DISPLAYFROM, /* RFC 5957 */
    SORT_DISPLAYTO,
    SORT_KINDS
};
struct sort_criterion {
    enum sort_by by;
    bool reverse;
};
/* The criteria in order; one that was named before decides nothing any more and is left out. */
struct sort_args {
    struct sort_criterion criteria[SORT_KINDS];
    size_t count;
};
/* Arguments of SORT (RFC 5256, RETURN by RFC 5267) and THREAD. Free *search as above. */
bool parse_sort(struct parser *p, struct sort_args *sort, struct search *search);
enum thread_by { THREAD_ORDEREDSUBJECT, THREAD_REFERENCES };
bool parse_thread(struct parser *p, enum thread_by *by, struct search *search);

#endif
