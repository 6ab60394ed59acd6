/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sets of a header section (RFC 8617 4.2), their structure (5.2, steps 1 to 3), and what their seals
 * cover (5.1.1); see arc_private.h.
 */
#include "text/lexical.h"
#include "trust/arc_private.h"

static const char *const names[ARC_PARTS] = {
    [ARC_RESULTS] = "ARC-Authentication-Results",
    [ARC_MESSAGE] = "ARC-Message-Signature",
    [ARC_SEAL] = "ARC-Seal",
};

static bool which_part(struct span name, enum arc_part *part)
{
    for (*part = 0; *part < ARC_PARTS; ++*part)
        if (span_ieq_str(name, names[*part]))
            return true;
    return false;
}

/* What stands from here to a blank or comment, "=" or ";". */
static struct span take_word(struct span *rest)
{
    size_t n = 0;
    *rest = lexical_skip(*rest);
    while (n < rest->n && !lexical_blank(rest->p[n]) && !memchr("(=;", rest->p[n], 3))
        n++;
    struct span word = span_head(*rest, n);
    *rest = lexical_skip(span_from(*rest, n));
    return word;
}

/* The "i=1;" that results begin with (4.1.1). Whether what follows can be read is nothing that a chain
 * depends on (3.4). */
static struct span results_instance(struct span value)
{
    struct span rest = value, name = take_word(&rest), none = { "", 0 };
    if (!span_eq_str(name, "i") || !span_starts(rest, "="))
        return none;
    rest = span_from(rest, 1);
    struct span instance = take_word(&rest);
    return span_starts(rest, ";") ? instance : none;
}

/* 0: none, or not one from 1 to ARC_INSTANCES. `tags` are those of a signature. */
static unsigned instance_of(enum arc_part part, const struct header_field *field, struct dkim_tags *tags)
{
    uint64_t instance = 0;
    const struct dkim_tag *tag = NULL;
    if (part != ARC_RESULTS && dkim_tags_read(field->value, tags))
        tag = dkim_tag(tags, "i");
    struct span text = tag ? tag->value : part == ARC_RESULTS ? results_instance(field->value) : SPAN("");
    return span_u64(text, ARC_INSTANCES, &instance) ? (unsigned)instance : 0;
}

/* What a seal says of the chain before it (5.2, step 3.3; 4.1.3 on h=). NULL: what it has to. */
static const char *judge_seal(const struct dkim_tags *tags, unsigned instance, bool *failed)
{
    const struct dkim_tag *cv = dkim_tag(tags, "cv");
    *failed = cv && span_eq_str(cv->value, "fail");
    if (*failed)
        return "a seal says cv=fail";
    if (!cv || !span_eq_str(cv->value, instance == 1 ? "none" : "pass"))
        return "a seal has another cv= than its instance has to";
    return dkim_tag(tags, "h") ? "a seal has h=" : NULL;
}

static void break_chain(struct arc_chain *chain, const char *why)
{
    if (!chain->broken)
        chain->broken = why;
}

static void add_field(struct arc_chain *chain, enum arc_part part, const struct header_field *field)
{
    struct dkim_tags tags;
    unsigned instance = instance_of(part, field, &tags);
    if (!instance) {
        break_chain(chain, "a field has no instance, or one that isn't 1 to 50");
        return;
    }
    struct header_field *place = &chain->sets[instance - 1].fields[part];
    if (place->name.p)
        break_chain(chain, "a set has a field twice");
    *place = *field;
    if (instance > chain->newest) {
        chain->newest = instance;
        chain->ended = false;
    }
    bool failed = false;
    const char *wrong = part == ARC_SEAL ? judge_seal(&tags, instance, &failed) : NULL;
    if (wrong)
        break_chain(chain, wrong);
    if (failed && instance == chain->newest)
        chain->ended = true;
}

void arc_chain_read(struct span header, struct arc_chain *chain)
{
    struct header_field field;
    enum arc_part part;
    *chain = (struct arc_chain){ .newest = 0 };
    while (header_next(&header, &field))
        if (which_part(field.name, &part))
            add_field(chain, part, &field);
    for (unsigned i = 0; i < chain->newest; i++)
        for (part = 0; part < ARC_PARTS; part++)
            if (!chain->sets[i].fields[part].name.p)
                break_chain(chain, "a set isn't complete");
    if (chain->ended)
        chain->broken = "the newest seal says cv=fail";
}

static const struct span nothing = { NULL, 0 };

/* A seal, the last field of what it signs itself. */
static void hash_own_seal(struct dkim_hash *h, const struct header_field *seal)
{
    struct dkim_tags tags;
    const struct dkim_tag *value = dkim_tags_read(seal->value, &tags) ? dkim_tag(&tags, "b") : NULL;
    dkim_hash_field(h, DKIM_RELAXED, seal, true, value ? value->raw : nothing);
}

static void hash_below_seal(struct dkim_hash *h, const struct header_field *fields)
{
    dkim_hash_field(h, DKIM_RELAXED, &fields[ARC_RESULTS], false, nothing);
    dkim_hash_field(h, DKIM_RELAXED, &fields[ARC_MESSAGE], false, nothing);
}

/* A set into the hash of those before it; and what its own seal signs. */
static bool hash_set(struct dkim_hash *running, const struct header_field *fields,
                     unsigned char out[HASH_SIZE])
{
    struct dkim_hash own;
    hash_below_seal(running, fields);
    if (!dkim_hash_copy(running, &own))
        return false;
    hash_own_seal(&own, &fields[ARC_SEAL]);
    dkim_hash_field(running, DKIM_RELAXED, &fields[ARC_SEAL], false, nothing);
    return dkim_hash_end(&own, out);
}

bool arc_chain_hash(const struct arc_chain *chain, unsigned first, unsigned char (*hashes)[HASH_SIZE])
{
    struct dkim_hash running;
    bool good = dkim_hash_start(&running, NULL);
    for (unsigned i = first; good && i <= chain->newest; i++)
        good = hash_set(&running, chain->sets[i - 1].fields, hashes[i - 1]);
    dkim_hash_drop(&running);
    return good;
}

bool arc_chain_data(const struct arc_chain *chain, unsigned first, struct bytes *data)
{
    struct dkim_hash hash;
    bool good = dkim_hash_start(&hash, data);
    for (unsigned i = first; good && i <= chain->newest; i++) {
        const struct header_field *fields = chain->sets[i - 1].fields;
        hash_below_seal(&hash, fields);
        if (i < chain->newest)
            dkim_hash_field(&hash, DKIM_RELAXED, &fields[ARC_SEAL], false, nothing);
        else
            hash_own_seal(&hash, &fields[ARC_SEAL]);
    }
    dkim_hash_drop(&hash);
    return good && !data->failed;
}
