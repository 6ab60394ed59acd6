/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DER of RSA public keys; see der.h.
 */
#include "net/der.h"

enum { DER_INTEGER = 0x02, DER_BIT_STRING = 0x03, DER_SEQUENCE = 0x30 };

/* The value at the start of *rest, if it has that tag; *rest moves behind it. */
static bool take(struct span *rest, unsigned char tag, struct span *value)
{
    if (rest->n < 2 || (unsigned char)rest->p[0] != tag)
        return false;
    size_t length = (unsigned char)rest->p[1], head = 2;
    if (length & 0x80) {
        size_t bytes = length & 0x7f;
        if (bytes == 0 || bytes > 3 || rest->n < 2 + bytes)
            return false;
        for (length = 0; head < 2 + bytes; head++)
            length = length << 8 | (unsigned char)rest->p[head];
        if (length < 128 || length >> (8 * (bytes - 1)) == 0)
            return false;
    }
    if (length > rest->n - head)
        return false;
    *value = span_head(span_from(*rest, head), length);
    *rest = span_from(*rest, head + length);
    return true;
}

static bool take_positive(struct span *rest, struct span *number)
{
    if (!take(rest, DER_INTEGER, number) || number->n == 0 || (unsigned char)number->p[0] >= 0x80)
        return false;
    if (number->p[0] == 0) { /* only before a number whose first bit is set */
        *number = span_from(*number, 1);
        return number->n && (unsigned char)number->p[0] >= 0x80;
    }
    return true;
}

/* The bit string of a SubjectPublicKeyInfo for rsaEncryption, whose parameters are NULL or missing. */
static bool subject_key(struct span sequence, struct span *key)
{
    static const char algorithm[] = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    struct span id;
    if (!take(&sequence, DER_SEQUENCE, &id) || !take(&sequence, DER_BIT_STRING, key) || sequence.n)
        return false;
    struct span full = { algorithm, sizeof algorithm - 1 };
    if (!span_eq(id, full) && !span_eq(id, span_head(full, full.n - 2)))
        return false;
    if (key->n == 0 || key->p[0] != 0)
        return false;
    *key = span_from(*key, 1);
    return true;
}

bool der_rsa_public(struct span der, struct span *modulus, struct span *exponent)
{
    struct span sequence, key;
    if (!take(&der, DER_SEQUENCE, &sequence) || der.n)
        return false;
    if (subject_key(sequence, &key) && (!take(&key, DER_SEQUENCE, &sequence) || key.n))
        return false;
    return take_positive(&sequence, modulus) && take_positive(&sequence, exponent) && sequence.n == 0;
}

unsigned der_bits(struct span number)
{
    if (number.n == 0)
        return 0;
    unsigned bits = (unsigned)(number.n - 1) * 8;
    for (unsigned first = (unsigned char)number.p[0]; first; first >>= 1)
        bits++;
    return bits;
}

bool der_is_odd(struct span number)
{
    return number.n && (number.p[number.n - 1] & 1);
}
