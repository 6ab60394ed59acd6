/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The DNS tree walk of DMARC (RFC 9989 4.10): policy records of a domain and of what is above it, each asked
 * for once in a check, and the organizational domain that they make. For dmarc.c and its tests.
 */
#ifndef POSTERN_TRUST_DMARC_WALK_H
#define POSTERN_TRUST_DMARC_WALK_H

#include "trust/dmarc.h"

struct dmarc_seen {
    char name[DNS_NAME_LIMIT];
    /* ST_OK; ST_NONE: no record, or several (4.10 step 2); ST_PERM: one for no message; ST_TEMP */
    enum status status;
    bool several;
    struct dmarc_record record;
};

struct dmarc_walk {
    const struct trust_lookup *lookup;
    size_t room; /* how many may be asked for */
    size_t count;
    struct dmarc_seen seen[DMARC_QUESTIONS];
};

/* With room for DMARC_QUESTIONS. NULL without memory; freed with free(3). */
struct dmarc_walk *dmarc_walk_new(const struct trust_lookup *lookup);
/* The record at a domain, asked for if it wasn't yet. NULL: the questions are used up. */
const struct dmarc_seen *dmarc_walk_at(struct dmarc_walk *w, const char *domain);
/* The same, but nothing is asked: NULL where it wasn't. */
const struct dmarc_seen *dmarc_walk_known(const struct dmarc_walk *w, const char *domain);
/* The organizational domain (4.10.2), which is `domain` or stands at its end: *organization points there.
 * ST_TEMP: DNS can't tell now. ST_PERM: the questions are used up. */
enum status dmarc_walk_organization(struct dmarc_walk *w, const char *domain, const char **organization);
/* Is it `parent`, or below it? */
bool dmarc_within(const char *domain, const char *parent);
/* "_dmarc." and the domain. False if it is too long for a name, so that nothing can be there. */
bool dmarc_record_name(const char *domain, char name[DNS_NAME_LIMIT]);

#endif
