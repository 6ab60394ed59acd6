/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ARC: chains that we seal and verify, each rule of RFC 8617 broken in turn, and what seals cover.
 */
#include "tap.h"

#include "arc.h"
#include "trust/arc_private.h"

#define MAIL                                                                                                 \
    "From: Joe <joe@author.test>\r\nTo: list@forward.test\r\nSubject: dinner\r\n"                            \
    "DKIM-Signature: v=1; a=rsa-sha256; d=author.test; s=x; h=from; bh=x; b=x\r\n\r\nAre you hungry?\r\n"

static struct dns_zone zone;
static struct trust_lookup lookup;

static struct arc_result judge(const struct bytes *message)
{
    struct arc_result result;
    arc_verify_free(verify(&lookup, span_bytes(message), &result));
    return result;
}

/* One set more on the message's head. */
static enum status seal(struct bytes *message)
{
    return seal_as(&lookup, message, "forward.test", "dmarc=pass header.from=author.test");
}

static struct bytes chain_of(unsigned count)
{
    struct bytes message;
    bytes_init(&message, ARC_TEST_LIMIT);
    bytes_add_str(&message, MAIL);
    for (unsigned i = 0; i < count; i++)
        if (seal(&message) != ST_OK)
            message.failed = true;
    return message;
}

/* Instead of the n bytes at `at`. */
static void put(struct bytes *message, size_t at, size_t n, const char *text)
{
    struct bytes out;
    bytes_init(&out, 1 << 20);
    bytes_add_span(&out, span_head(span_bytes(message), at));
    bytes_add_str(&out, text);
    bytes_add_span(&out, span_from(span_bytes(message), at + n));
    bytes_free(message);
    *message = out;
}

/* The field "NAME: i=INSTANCE;"; its name is enough for others. */
static struct span find_field(const struct bytes *message, const char *name, unsigned instance)
{
    struct span rest = span_bytes(message);
    struct header_field field;
    char begin[16];
    snprintf(begin, sizeof begin, " i=%u;", instance);
    while (header_next(&rest, &field))
        if (span_ieq_str(field.name, name) && (!instance || span_starts(field.value, begin)))
            return field.whole;
    return (struct span){ NULL, 0 };
}

enum change { NONE, DROP, TWICE, CHANGE, DROP_SET };
#define AAR "ARC-Authentication-Results"
#define AMS "ARC-Message-Signature"
#define AS "ARC-Seal"

/* False: there was nothing to change. */
static bool change(struct bytes *message, enum change what, const char *name, unsigned instance,
                   const char *from, const char *to)
{
    static const char *const set[] = { AAR, AMS, AS };
    if (what == DROP_SET) {
        bool good = true;
        for (size_t i = 0; i < 3; i++)
            good = change(message, DROP, set[i], instance, NULL, NULL) && good;
        return good;
    }
    struct span field = find_field(message, name, instance);
    size_t at = field.p ? (size_t)(field.p - message->data) : 0;
    if (what == NONE || !field.p)
        return what == NONE;
    if (what == DROP) {
        put(message, at, field.n, "");
    } else if (what == TWICE) {
        char *copy = span_dup(field);
        put(message, at, 0, copy);
        free(copy);
    } else {
        const char *place = memmem(field.p, field.n, from, strlen(from));
        if (!place)
            return false;
        put(message, (size_t)(place - message->data), strlen(from), to);
    }
    return true;
}

static const struct {
    const char *name;
    unsigned count; /* sets that are made; then comes the change */
    enum change what;
    const char *field;
    unsigned instance;
    const char *from, *to;
    unsigned more; /* sets on top of it */
    enum trust_result expected;
    unsigned newest, oldest;
    const char *why; /* a part of it */
} cases[] = {
    { "no chain", 0, NONE, "", 0, "", "", 0, TRUST_NONE, 0, 0, "" },
    { "one", 1, NONE, "", 0, "", "", 0, TRUST_PASS, 1, 0, "" },
    { "two", 2, NONE, "", 0, "", "", 0, TRUST_PASS, 2, 0, "" },
    { "three", 3, NONE, "", 0, "", "", 0, TRUST_PASS, 3, 0, "" },
    { "fifty", 50, NONE, "", 0, "", "", 0, TRUST_PASS, 50, 0, "" },
    /* 5.2, step 3.1 */
    { "no results in the newest", 3, DROP, AAR, 3, "", "", 0, TRUST_FAIL, 3, 0, "a set isn't complete" },
    { "no results in an older one", 3, DROP, AAR, 1, "", "", 0, TRUST_FAIL, 3, 0, "a set isn't complete" },
    { "no message signature in the newest", 3, DROP, AMS, 3, "", "", 0, TRUST_FAIL, 3, 0,
      "a set isn't complete" },
    { "no message signature in an older one", 3, DROP, AMS, 2, "", "", 0, TRUST_FAIL, 3, 0,
      "a set isn't complete" },
    { "no seal in the newest", 3, DROP, AS, 3, "", "", 0, TRUST_FAIL, 3, 0, "a set isn't complete" },
    { "no seal in an older one", 3, DROP, AS, 1, "", "", 0, TRUST_FAIL, 3, 0, "a set isn't complete" },
    { "results twice", 3, TWICE, AAR, 2, "", "", 0, TRUST_FAIL, 3, 0, "a set has a field twice" },
    { "a message signature twice", 3, TWICE, AMS, 3, "", "", 0, TRUST_FAIL, 3, 0, "a set has a field twice" },
    { "a seal twice", 3, TWICE, AS, 1, "", "", 0, TRUST_FAIL, 3, 0, "a set has a field twice" },
    /* 5.2, step 3.2 */
    { "the first set is gone", 3, DROP_SET, "", 1, "", "", 0, TRUST_FAIL, 3, 0, "a set isn't complete" },
    { "a set between is gone", 3, DROP_SET, "", 2, "", "", 0, TRUST_FAIL, 3, 0, "a set isn't complete" },
    { "the newest set is gone: the chain before it", 3, DROP_SET, "", 3, "", "", 0, TRUST_PASS, 2, 0, "" },
    /* 4.2.1 */
    { "instance 0 of results", 1, CHANGE, AAR, 1, "i=1", "i=0", 0, TRUST_FAIL, 1, 0, "1 to 50" },
    { "instance 0 of a message signature", 1, CHANGE, AMS, 1, "i=1", "i=0", 0, TRUST_FAIL, 1, 0, "1 to 50" },
    { "instance 0 of a seal", 1, CHANGE, AS, 1, "i=1", "i=0", 0, TRUST_FAIL, 1, 0, "1 to 50" },
    { "instance 51 of results", 1, CHANGE, AAR, 1, "i=1", "i=51", 0, TRUST_FAIL, 1, 0, "1 to 50" },
    { "instance 51 of a message signature", 1, CHANGE, AMS, 1, "i=1", "i=51", 0, TRUST_FAIL, 1, 0,
      "1 to 50" },
    { "instance 51 of a seal", 1, CHANGE, AS, 1, "i=1", "i=51", 0, TRUST_FAIL, 1, 0, "1 to 50" },
    { "an instance that is no number", 2, CHANGE, AS, 1, "i=1", "i=one", 0, TRUST_FAIL, 2, 0, "1 to 50" },
    { "an instance with a sign", 2, CHANGE, AMS, 1, "i=1", "i=+1", 0, TRUST_FAIL, 2, 0, "1 to 50" },
    { "a negative instance", 2, CHANGE, AAR, 1, "i=1", "i=-1", 0, TRUST_FAIL, 2, 0, "1 to 50" },
    { "an endless instance", 1, CHANGE, AS, 1, "i=1", "i=18446744073709551617", 0, TRUST_FAIL, 1, 0,
      "1 to 50" },
    { "an empty instance", 1, CHANGE, AMS, 1, "i=1", "i=", 0, TRUST_FAIL, 1, 0, "1 to 50" },
    { "no instance in results", 1, CHANGE, AAR, 1, "i=1; ", "", 0, TRUST_FAIL, 1, 0, "1 to 50" },
    { "no instance in a message signature", 1, CHANGE, AMS, 1, "i=1; ", "", 0, TRUST_FAIL, 1, 0, "1 to 50" },
    { "no instance in a seal", 1, CHANGE, AS, 1, "i=1; ", "", 0, TRUST_FAIL, 1, 0, "1 to 50" },
    { "two instances in a seal", 1, CHANGE, AS, 1, "i=1; ", "i=1; i=1; ", 0, TRUST_FAIL, 1, 0, "1 to 50" },
    { "a set that takes another's number", 3, CHANGE, AS, 2, "i=2", "i=1", 0, TRUST_FAIL, 3, 0, "cv=" },
    /* 5.2, step 3.3 */
    { "cv=pass of the first", 1, CHANGE, AS, 1, "cv=none", "cv=pass", 0, TRUST_FAIL, 1, 0, "cv=" },
    { "cv=fail of the first", 1, CHANGE, AS, 1, "cv=none", "cv=fail", 0, TRUST_FAIL, 1, 0, "cv=fail" },
    { "cv=none of the second", 2, CHANGE, AS, 2, "cv=pass", "cv=none", 0, TRUST_FAIL, 2, 0, "cv=" },
    { "cv=fail of an older one", 3, CHANGE, AS, 2, "cv=pass", "cv=fail", 0, TRUST_FAIL, 3, 0,
      "a seal says cv=fail" },
    { "another cv=", 2, CHANGE, AS, 2, "cv=pass", "cv=passed", 0, TRUST_FAIL, 2, 0, "cv=" },
    { "no cv=", 2, CHANGE, AS, 2, "cv=pass;", "", 0, TRUST_FAIL, 2, 0, "cv=" },
    { "h= in a seal", 1, CHANGE, AS, 1, "cv=none;", "cv=none; h=from;", 0, TRUST_FAIL, 1, 0, "h=" },
    /* step 4 */
    { "another subject", 1, CHANGE, "Subject", 0, "dinner", "supper", 0, TRUST_FAIL, 1, 0,
      "i=1: the message signature" },
    { "a second From", 1, TWICE, "From", 0, "", "", 0, TRUST_FAIL, 1, 0, "i=1: the message signature" },
    { "another DKIM signature", 1, CHANGE, "DKIM-Signature", 0, "s=x", "s=y", 0, TRUST_FAIL, 1, 0,
      "i=1: the message signature" },
    { "a message signature over seals", 1, CHANGE, AMS, 1, "h=From", "h=ARC-Seal:From", 0, TRUST_FAIL, 1, 0,
      "covers a seal" },
    { "one without From", 1, CHANGE, AMS, 1, "h=From:From:", "h=", 0, TRUST_FAIL, 1, 0, "From isn't signed" },
    { "a field that nobody signs", 2, CHANGE, "To", 0, "To:", "X-Seen: by us\r\nTo:", 0, TRUST_PASS, 2, 0,
      "" },
    /* step 5 */
    { "changed before the second seal", 1, CHANGE, "Subject", 0, "dinner", "[list] dinner", 1, TRUST_FAIL, 2,
      0, "cv=fail" },
    /* step 6 */
    { "other results", 1, CHANGE, AAR, 1, "author.test", "other.test", 0, TRUST_FAIL, 1, 0, "i=1: the seal" },
    { "other results of an older one", 3, CHANGE, AAR, 1, "dmarc=pass", "dmarc=fail", 0, TRUST_FAIL, 3, 0,
      "the seal" },
    { "another old message signature", 3, CHANGE, AMS, 1, "t=", "t=1", 0, TRUST_FAIL, 3, 0, "the seal" },
    { "an old seal by another", 3, CHANGE, AS, 1, "t=", "t=1", 0, TRUST_FAIL, 3, 0, "the seal" },
    { "another folding", 2, CHANGE, AAR, 1, ";\r\n\tdmarc", "; dmarc", 0, TRUST_PASS, 2, 0, "" },
    { "a comment in front of the instance", 1, CHANGE, AAR, 1, " i=1", " (an instance) i = 1 (so)", 0,
      TRUST_FAIL, 1, 0, "i=1: the seal" },
    { "results that nobody can read", 1, CHANGE, AAR, 1, "mx.forward.test;", "=\"(;", 0, TRUST_FAIL, 1, 0,
      "i=1: the seal" },
    { "names in capitals", 2, CHANGE, AS, 1, "ARC-Seal", "ARC-SEAL", 0, TRUST_PASS, 2, 0, "" },
    { "a key that isn't there", 1, CHANGE, AS, 1, "s=s", "s=gone", 0, TRUST_FAIL, 1, 0, "i=1: the seal" },
    { "an unknown algorithm", 1, CHANGE, AS, 1, "ed25519-sha256", "rot13", 0, TRUST_FAIL, 1, 0,
      "i=1: the seal" },
};

static void run_cases(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes message = chain_of(cases[i].count);
        bool made = !message.failed && change(&message, cases[i].what, cases[i].field, cases[i].instance,
                                              cases[i].from, cases[i].to);
        for (unsigned k = 0; k < cases[i].more; k++)
            made = seal(&message) == ST_OK && made;
        struct arc_result r = judge(&message);
        if (!ok(made && r.result == cases[i].expected && r.newest == cases[i].newest &&
                    r.oldest_pass == cases[i].oldest && strstr(r.why, cases[i].why) &&
                    (*r.why || r.result != TRUST_FAIL),
                "%s: %s", cases[i].name, trust_result_name(cases[i].expected)))
            printf("# %s %u %u: %s\n", trust_result_name(r.result), r.newest, r.oldest_pass, r.why);
        bytes_free(&message);
    }
}

/* A list that verifies, changes the message and then seals what it found: the older message signature fails,
 * and that is all (5.2, step 5). `oldest` may be 0: the change is undone again. */
static void older_may_fail(void)
{
    struct bytes message = chain_of(1);
    struct arc_result r;
    arc_verify_free(verify(&lookup, span_bytes(&message), &r)); /* as it came: pass */
    change(&message, CHANGE, "Subject", 0, "dinner", "[list] dinner");
    ok(seal_chain(&message, &r, "forward.test", "arc=pass") == ST_OK, "a list seals what it changed");
    r = judge(&message);
    ok(r.result == TRUST_PASS && r.oldest_pass == 2,
       "the older message signature fails, the chain passes: oldest-pass 2");
    seal(&message);
    seal(&message);
    r = judge(&message);
    ok(r.result == TRUST_PASS && r.newest == 4 && r.oldest_pass == 2, "and so it stays");
    change(&message, CHANGE, "Subject", 0, "[list] ", "");
    r = judge(&message);
    ok(r.result == TRUST_FAIL, "where it is the newest that fails, the chain does");
    bytes_free(&message);
}

/* Fifty sets over a header of a mebibyte: older message signatures are hashed as far as ARC_OLDER_LIMIT
 * goes. */
static void older_cost(void)
{
    struct bytes message = chain_of(0), subject;
    bytes_init(&subject, 1 << 20);
    bytes_add_str(&subject, "dinner");
    while (subject.len < 900000)
        bytes_add_str(&subject, " a b");
    change(&message, CHANGE, "Subject", 0, "dinner", bytes_str(&subject));
    for (int i = 0; i < 8; i++)
        seal(&message);
    struct arc_result r = judge(&message);
    ok(r.result == TRUST_PASS && r.newest == 8 && r.oldest_pass == 8 - ARC_OLDER_LIMIT / message.len,
       "a chain over a huge header passes; of the older message signatures few are looked at");
    bytes_free(&subject);
    bytes_free(&message);
}

/* 5.1: not onto a failed chain that is marked so, and no 51st. */
static void ends(void)
{
    struct bytes message = chain_of(2);
    struct arc_result r;
    change(&message, CHANGE, "Subject", 0, "dinner", "supper");
    ok(seal(&message) == ST_OK, "a failed chain gets one more set");
    struct span last = find_field(&message, AS, 3);
    ok(last.p && memmem(last.p, last.n, "cv=fail", 7), "which says cv=fail");
    struct arc_chain *chain = malloc(sizeof *chain);
    unsigned char(*hashes)[HASH_SIZE] = calloc(ARC_INSTANCES, sizeof *hashes);
    struct dkim_tags *tags = malloc(sizeof *tags);
    struct dkim_signature *s = malloc(sizeof *s);
    for (unsigned first = 3; first == 3 || first == 1; first -= 2) {
        arc_chain_read(span_bytes(&message), chain);
        arc_chain_hash(chain, first, hashes);
        dkim_signature_read(DKIM_ARC_SEAL, &chain->sets[2].fields[ARC_SEAL], ARC_TEST_NOW, tags, s);
        memcpy(s->header_hash, hashes[2], HASH_SIZE);
        dkim_signature_verify(s, &lookup);
        ok((s->result.result == TRUST_PASS) == (first == 3), "its seal is %sover %s",
           first == 3 ? "" : "not ", first == 3 ? "its own set" : "all of them");
    }
    r = judge(&message);
    ok(r.result == TRUST_FAIL && r.ended && strstr(r.why, "the newest seal says cv=fail"),
       "the chain is ended");
    ok(arc_next_instance(&r) == 0 && seal(&message) == ST_PERM, "and nothing more is put onto it");
    bytes_free(&message);
    message = chain_of(50);
    r = judge(&message);
    ok(arc_next_instance(&r) == 0 && seal(&message) == ST_PERM, "no 51st set");
    bytes_free(&message);
    message = chain_of(1);
    change(&message, CHANGE, AS, 1, "i=1", "i=x");
    ok(seal(&message) == ST_OK && find_field(&message, AS, 2).p,
       "a chain of broken fields is sealed behind the highest instance");
    r = judge(&message);
    ok(r.ended, "with cv=fail");
    bytes_free(&message);
    free(s);
    free(tags);
    free(hashes);
    free(chain);
}

static void others(void)
{
    struct bytes message = chain_of(2);
    struct arc_result r;
    struct dns_query queries[4];
    struct arc_verifier *v = verify(&lookup, span_bytes(&message), &r);
    ok(strcmp(r.domain, "forward.test") == 0 && strcmp(r.selector, "s") == 0, "the newest sealer is told");
    arc_verify_free(v);
    struct dkim_verifier *body = dkim_verify_start(span_bytes(&message), ARC_TEST_NOW);
    v = arc_verify_start(span_bytes(&message), ARC_TEST_NOW, body);
    ok(arc_verify_queries(v, queries, 4) == 1 && strcmp(queries[0].name, "s._domainkey.forward.test") == 0,
       "each key is asked for once");
    arc_verify_free(v);
    dkim_verify_free(body);
    change(&message, CHANGE, AS, 2, "s=s", "s=later");
    r = judge(&message);
    ok(r.result == TRUST_FAIL && r.temporary, "DNS that can't tell fails the chain, and that is told");
    bytes_free(&message);
    message = chain_of(2);
    char *newest = span_dup(find_field(&message, AS, 2));
    change(&message, DROP, AS, 2, "", "");
    put(&message, (size_t)(find_field(&message, "To", 0).p - message.data), 0, newest);
    r = judge(&message);
    ok(r.result == TRUST_PASS, "where in the header the fields stand doesn't matter");
    free(newest);
    bytes_free(&message);
    bytes_init(&message, 65536);
    bytes_add_str(&message, "To: x\r\n\r\n");
    ok(seal(&message) == ST_PERM, "no seal where there is no From");
    bytes_free(&message);
}

int main(void)
{
    struct bytes record, line;
    bytes_init(&record, 4096);
    bytes_init(&line, 4096);
    lookup = zone_lookup(&zone);
    if (!ok(make_key(&record), "a key"))
        return done_testing();
    bytes_printf(&line, "s._domainkey.forward.test TXT %s", bytes_str(&record));
    zone_add(&zone, bytes_str(&line));
    zone_add(&zone, "later._domainkey.forward.test TIMEOUT");
    run_cases();
    older_may_fail();
    older_cost();
    ends();
    others();
    zone_clear(&zone);
    signature_key_free(&key);
    bytes_free(&line);
    bytes_free(&record);
    return done_testing();
}
