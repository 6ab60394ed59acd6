/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Authentication-Results (RFC 8601): writing ours, reading anybody's, and finding those of strangers that
 * claim to be ours, which have to go (5). ARC-Authentication-Results (RFC 8617 4.1.1) is the same with an
 * instance in front.
 *
 *     Authentication-Results: mx.example.org;
 *             dmarc=pass (p=reject) header.from=example.net;
 *             spf=pass smtp.mailfrom=joe@example.net
 *
 * What is written can't be broken by the values in it, which strangers choose: what isn't a token or an
 * address is quoted, what can't be quoted becomes '?', and they are cut at AUTH_RESULTS_VALUE_LIMIT. Lines
 * have 78 characters at most where the values allow it, and 998 always.
 */
#ifndef POSTERN_TRUST_AUTH_RESULTS_H
#define POSTERN_TRUST_AUTH_RESULTS_H

#include "base/bytes.h"
#include "trust/result.h"

#define AUTH_RESULTS_VALUE_LIMIT 400 /* bytes of a value, reason or comment, before quoting */
#define AUTH_RESULTS_WORD_LIMIT 64   /* of a keyword */
#define AUTH_RESULTS_PROPERTIES 16   /* of one result that are read; further ones are passed over */

/* Writes one field, with CRLF as line ends. */
struct auth_results {
    struct bytes *out;
    size_t column; /* where its last line ends */
    size_t count;  /* results so far */
};
/* "Authentication-Results: ID", or with an instance above 0 "ARC-Authentication-Results: i=INSTANCE; ID" */
void auth_results_start(struct auth_results *w, struct bytes *out, const char *authserv_id,
                        unsigned instance);
/* "; METHOD=RESULT"; what follows belongs to it. The two are ours, and keywords. */
void auth_results_method(struct auth_results *w, const char *method, const char *result);
/* " (TEXT)"; nothing for "" or NULL */
void auth_results_comment(struct auth_results *w, const char *text);
/* " reason=TEXT"; behind the method, before its properties. Nothing for "" or NULL. */
void auth_results_reason(struct auth_results *w, const char *text);
/* " TYPE.NAME=VALUE"; nothing where the value is "" or NULL */
void auth_results_property(struct auth_results *w, const char *type, const char *name, const char *value);
/* "; none" if nothing was added, and the line end. False if *out is over its limit. */
bool auth_results_end(struct auth_results *w);

/* One result as it was read. Keywords are in lower case; values have their quoting removed and are cut at
 * their room. */
struct auth_result {
    char method[AUTH_RESULTS_WORD_LIMIT];
    unsigned version; /* of the method; 1 where none is said */
    char result[AUTH_RESULTS_WORD_LIMIT];
    char reason[AUTH_RESULTS_VALUE_LIMIT + 1]; /* or "" */
    size_t count;
    struct auth_property {
        char type[AUTH_RESULTS_WORD_LIMIT], name[AUTH_RESULTS_WORD_LIMIT]; /* "header", "from" */
        char value[AUTH_RESULTS_VALUE_LIMIT + 1];
    } properties[AUTH_RESULTS_PROPERTIES];
};

struct auth_results_reader {
    struct span rest;
    bool bad; /* what followed couldn't be read, and is lost */
};
/* Reads the value of a field up to its results: the authserv-id without quoting, as it came, into `id` of
 * `room` bytes; its version (1 where none is said). With `instance` (not NULL) it is an
 * ARC-Authentication-Results, which must begin with "i=". False: it can't be read. */
bool auth_results_open(struct span value, char *id, size_t room, unsigned *version, unsigned *instance,
                       struct auth_results_reader *reader);
/* The next result. False at the end, also of what can be read (`bad`). "none" alone gives no result. */
bool auth_results_next(struct auth_results_reader *reader, struct auth_result *result);
/* The value of a property, or NULL. */
const char *auth_result_property(const struct auth_result *result, const char *type, const char *name);

/* Does the value of this Authentication-Results field claim to be from `authserv_id`, or can't it be told (no
 * readable authserv-id: some reader might find ours in it)? Without regard to case, quoting, comments,
 * folding, version, a final dot, and A-labels against U-labels. */
bool auth_results_claims(struct span value, const char *authserv_id);

#endif
