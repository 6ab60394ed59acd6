/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of SPF share: spf.c (records and their order), spf_term.c (the grammar of terms),
 * spf_macro.c (macros), spf_match.c (mechanisms), spf_foresee.c (what will be asked next).
 */
#ifndef POSTERN_TRUST_SPF_PRIVATE_H
#define POSTERN_TRUST_SPF_PRIVATE_H

#include "trust/spf.h"

#define SPF_LEVELS (SPF_TERMS + 1)
#define SPF_EXPANDED 16384 /* octets that macros may come to */
#define SPF_TARGET 253     /* of them stay in a name (7.3) */
#define SPF_VALUE 1024     /* of one macro */

enum spf_kind {
    SPF_ALL,
    SPF_INCLUDE,
    SPF_A,
    SPF_MX,
    SPF_PTR,
    SPF_IP4,
    SPF_IP6,
    SPF_EXISTS,
    SPF_REDIRECT,
    SPF_EXP,
    SPF_OTHER, /* a modifier that we don't know, and pass over (6) */
};

struct spf_term {
    struct span text;
    enum spf_kind kind;
    enum trust_result qualifier; /* of a mechanism: what the check comes to if it matches */
    struct span domain;          /* domain-spec; p is NULL where there is none */
    unsigned prefix4, prefix6;   /* bits that count */
    struct in6_addr network;     /* ip4 (IPv4-mapped), ip6 */
};

/* The next term at *rest, what follows "v=spf1" in a record: ST_OK; ST_NONE at its end; ST_PERM: a syntax
 * error (4.6), with term->text. */
enum status spf_term_next(struct span *rest, struct spf_term *term);

struct spf_level {
    char domain[DNS_NAME_LIMIT];
    struct bytes record;
    struct span rest;     /* of the record, not evaluated yet */
    struct span redirect; /* domain-specs; p is NULL where there is none */
    struct span exp;
    struct spf_term include; /* that led to the level above */
    bool foreseen;           /* the resolver has heard what this record will ask */
};

struct spf_state {
    const struct trust_lookup *lookup;
    const struct spf_query *query;
    struct spf_verdict *verdict;
    bool v4;
    char helo[SPF_VALUE]; /* A-labels where it is a domain */
    struct span local;    /* of the sender */
    unsigned terms, voids;
    size_t depth; /* levels in use */
    struct spf_level levels[SPF_LEVELS];
    struct bytes expanded; /* its memory is there from the start */
    bool names_known, names_void;
    size_t name_count;
    char names[SPF_NAMES][DNS_NAME_LIMIT]; /* of the client, validated (5.5) */
    struct dns_answer answer;
};

/* Are these macros sound? In a text spaces and %{c}, %{r} and %{t} may stand too (6.2, 7.2). */
bool spf_macro_string(struct span text, bool is_text);
/* A macro-string that ends as a domain has to (7.1 domain-end). */
bool spf_domain_spec(struct span text);
/* Expands into s->expanded, %{d} being `domain`. *local: the sender's local part is in it. False: too
 * long. */
bool spf_expand(struct spf_state *s, struct span text, const char *domain, bool *local);

enum spf_target {
    SPF_TARGET_NAME,
    SPF_TARGET_NONE,  /* no domain name came out (4.8) */
    SPF_TARGET_NEVER, /* it can't match: a local part outside ASCII is in it (RFC 8616 4) */
};
/* The target name of a term at `level` (4.8), in lower case, cut to 253 octets, without the final dot. */
enum spf_target spf_target_name(struct spf_state *s, const struct spf_level *level, struct span domain_spec,
                                char name[DNS_NAME_LIMIT]);
/* Labels of 1 to 63 ASCII characters, at most 253 in all. */
bool spf_is_name(const char *name);

/* What a mechanism came to. */
enum spf_match { SPF_NO, SPF_YES, SPF_TEMPERROR, SPF_PERMERROR };
/* Does a mechanism other than "include" match? It has been counted. Errors have said why. */
enum spf_match spf_match(struct spf_state *s, const struct spf_level *level, const struct spf_term *term);
/* The client's validated name for %{p} (7.3): "unknown" if there is none. */
const char *spf_validated_name(struct spf_state *s, const char *domain);
/* PTR's question for the client. */
void spf_reverse_name(const struct spf_state *s, char name[DNS_NAME_LIMIT]);
enum dns_type spf_address_type(const struct spf_state *s);
/* The client's address as %{i}: octets or nibbles with dots. */
void spf_dotted(const struct spf_state *s, char text[DNS_NAME_LIMIT]);

/* Tells the resolver what a record is going to ask, from the term `first` on; once a record. */
void spf_foresee(struct spf_state *s, struct spf_level *level, const struct spf_term *first);

/* Sets the verdict's `why`; whatever isn't printable becomes '?'. */
void spf_why(struct spf_state *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
