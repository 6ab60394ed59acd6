/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DMARC (RFC 9989, which replaced RFC 7489): is the domain that a reader sees in From one that SPF or DKIM
 * vouches for, and if it isn't, what does its owner ask of us? Organizational domains are found by walking up
 * the DNS tree (4.10); there is no list of public suffixes, and no pct.
 *
 * What a receiver then does is his own decision. Section 5.4: he should not reject a message solely because
 * the published policy is "reject"; 7.4 and 8: he must not; without other knowledge he treats it as
 * "quarantine". Readers of mailing lists would lose their subscriptions otherwise. So dmarc_decide() says
 * Junk, unless the administrator's setting says `refuse`; and even then what came by a mailing list goes to
 * Junk.
 */
#ifndef POSTERN_TRUST_DMARC_H
#define POSTERN_TRUST_DMARC_H

#include "base/settings.h"
#include "trust/lookup.h"
#include "trust/result.h"

#define DMARC_AUTHORS 4      /* domains of From that are checked; with more of them the message is suspect */
#define DMARC_WALK 8         /* questions of one tree walk (4.10) */
#define DMARC_IDENTITIES 100 /* of DKIM that are looked at */
#define DMARC_QUESTIONS 64   /* records that one dmarc_check() asks for; what takes more is not aligned */
#define DMARC_WHY_LIMIT 256
#define DMARC_RUA_LIMIT 512

/* Who wrote it: the domains of all From fields, each once, as A-labels in lower case (5.3.1). */
struct dmarc_author {
    size_t count;
    char domains[DMARC_AUTHORS][DNS_NAME_LIMIT];
    size_t fields; /* From fields */
    /* From that can't be read for sure: more domains than DMARC_AUTHORS, a domain that is none, text where
     * none may be (11.5). NULL: nothing of the kind. Else what, for a person. */
    const char *suspect;
};
/* Reads it from a header section (see text/header.h). */
void dmarc_author(struct span header, struct dmarc_author *author);

enum dmarc_policy { DMARC_POLICY_NONE, DMARC_POLICY_QUARANTINE, DMARC_POLICY_REJECT };
/* "none", "quarantine", "reject" */
const char *dmarc_policy_name(enum dmarc_policy policy);

/* A policy record (4.7, 4.8). What it doesn't say has its default. */
struct dmarc_record {
    enum dmarc_policy p, sp, np; /* sp and np as they apply: p and sp where they aren't published */
    bool has_sp, has_np;
    bool strict_dkim, strict_spf; /* adkim=s, aspf=s */
    bool testing;                 /* t=y */
    char psd;                     /* 'y', 'n', 'u' */
    char fo[8];                   /* "0", "1:d:s" */
    char rua[DMARC_RUA_LIMIT];    /* valid URIs with commas between, without sizes ("!10m"); "": no reports */
    bool failure_reports;         /* ruf has a valid URI */
    bool repaired;                /* p, sp or np couldn't be read, so it is as if it said p=none (4.10.1) */
};
/* Reads the text of a TXT record. ST_NONE: it isn't one of DMARC, version 1. ST_PERM: it is one by which no
 * message is treated (no valid p, or an invalid sp or np, and no valid rua; 4.10.1); `psd` is read all the
 * same. */
enum status dmarc_record_parse(struct span text, struct dmarc_record *record);

/* What SPF or DKIM says of a domain. */
struct dmarc_identity {
    enum trust_result result;
    const char *domain; /* in any case; NULL or "": none */
};

struct dmarc_verdict {
    /* TRUST_NONE: no author domain, or it has no policy. TRUST_PASS, TRUST_FAIL. TRUST_TEMPERROR: DNS can't
     * tell now. TRUST_PERMERROR: its record can't be applied, or From can't be read (`suspect`). */
    enum trust_result result;
    bool suspect;                       /* From is made to deceive, or broken (11.5) */
    char domain[DNS_NAME_LIMIT];        /* the author domain that the verdict is about; "" if there is none */
    char policy_domain[DNS_NAME_LIMIT]; /* where the record was found; "" if none was */
    char organization[DNS_NAME_LIMIT];  /* the author's organizational domain; "" while nobody had to know */
    struct dmarc_record record;         /* with policy_domain */
    enum dmarc_policy published;        /* which of p, sp, np is for this domain */
    /* That, a level lower with t=y (4.7); DMARC_POLICY_NONE but for TRUST_FAIL. */
    enum dmarc_policy policy;
    bool dkim_aligned, spf_aligned; /* passed and aligned */
    bool harmless;                  /* with TRUST_TEMPERROR: the policy is known, and asks for nothing */
    char why[DMARC_WHY_LIMIT];      /* for headers and the log: printable ASCII, strangers' domains in it */
};

struct dmarc_query {
    const struct dmarc_author *author;
    struct dmarc_identity spf;         /* of MAIL FROM; of HELO where MAIL FROM is <> (3.2.4), else not */
    const struct dmarc_identity *dkim; /* each signature's */
    size_t dkim_count;
};
/* Of several author domains each is checked, and the strictest outcome counts (11.5). */
void dmarc_check(const struct trust_lookup *lookup, const struct dmarc_query *query,
                 struct dmarc_verdict *verdict);
/* Tells the resolver what dmarc_check() is going to ask first: for when the header section is there. */
void dmarc_expect(const struct trust_lookup *lookup, const struct dmarc_author *author);

enum dmarc_disposition { DMARC_ACCEPT, DMARC_TO_JUNK, DMARC_REJECT };
/* Why it isn't what the policy asks for, in the words of RFC 9990 (its "policy override reasons"). */
enum dmarc_reason {
    DMARC_REASON_NONE, /* it is */
    DMARC_REASON_LOCAL_POLICY,
    DMARC_REASON_MAILING_LIST,
    DMARC_REASON_TEST_MODE,
    DMARC_REASON_TRUSTED_FORWARDER,
};
/* "local_policy" ...; "" for DMARC_REASON_NONE */
const char *dmarc_reason_name(enum dmarc_reason reason);

/* What else is known of the message. */
struct dmarc_evidence {
    bool trusted_forwarder; /* a valid ARC chain, sealed by one whom we trust, says that it passed there */
    bool mailing_list;      /* dmarc_from_list() */
};
struct dmarc_decision {
    enum dmarc_disposition disposition;
    enum dmarc_reason reason;
    /* DNS can't tell now, and what it says might make a difference: worth a 451 (5.3.6, 7.2). */
    bool defer;
};
/* What becomes of the message (5.3.6, 5.4, 7.4, and see above). With `defer` the rest of it is for a caller
 * who doesn't want to wait any longer. */
struct dmarc_decision dmarc_decide(const struct dmarc_verdict *verdict, enum dmarc_handling setting,
                                   const struct dmarc_evidence *evidence);
/* Says its header section that it came by a mailing list (List-Id, RFC 2919; List-Post, RFC 2369)? Anybody
 * can write that: it turns a refusal into Junk, and no more. */
bool dmarc_from_list(struct span header);

#endif
