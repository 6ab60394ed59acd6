/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The checksum of index and cache sees what a torn write or a damaged file looks like.
 */
#include "tap.h"

#include "base/checksum.h"

#include <string.h>

#define LONGEST 300

static unsigned char data[2 * LONGEST];

static void fill(void)
{
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof data; i++) {
        x = x * 1664525 + 1013904223;
        data[i] = (unsigned char)(x >> 24);
    }
}

/* Of all lengths, every other value of every byte. */
static void bytes_changed(void)
{
    size_t missed = 0;
    for (size_t n = 1; n <= LONGEST; n += n < 70 ? 1 : 23) {
        uint32_t sum = checksum(0, data, n);
        for (size_t i = 0; i < n; i++)
            for (unsigned by = 1; by < 256; by++) {
                data[i] ^= (unsigned char)by;
                missed += checksum(0, data, n) == sum;
                data[i] ^= (unsigned char)by;
            }
    }
    ok(missed == 0, "%zu changed bytes not seen", missed);
}

/* Cut short, or gone on with what a file that grew is filled with. */
static void lengths(void)
{
    static unsigned char zeros[LONGEST];
    size_t alike = 0;
    for (size_t n = 1; n < LONGEST; n++)
        alike += checksum(0, data, n) == checksum(0, data, n - 1) ||
                 checksum(0, zeros, n) == checksum(0, zeros, n - 1);
    ok(alike == 0, "%zu lengths alike", alike);
}

/* Half of one version, half of the next; and pieces that changed places. */
static void torn(void)
{
    size_t missed = 0;
    uint32_t old = checksum(0, data, LONGEST), new = checksum(0, data + LONGEST, LONGEST);
    for (size_t at = 1; at < LONGEST; at++) {
        unsigned char mixed[LONGEST];
        memcpy(mixed, data, at);
        memcpy(mixed + at, data + LONGEST + at, LONGEST - at);
        uint32_t sum = checksum(0, mixed, LONGEST);
        missed += sum == old || sum == new;
        memcpy(mixed, data + at, LONGEST - at);
        memcpy(mixed + LONGEST - at, data, at);
        missed += checksum(0, mixed, LONGEST) == old;
    }
    ok(missed == 0, "%zu torn writes not seen", missed);
}

static void place_and_seed(void)
{
    unsigned char elsewhere[LONGEST + 1];
    memcpy(elsewhere + 1, data, LONGEST);
    ok(checksum(0, elsewhere + 1, LONGEST) == checksum(0, data, LONGEST), "the same bytes at an odd address");
    ok(checksum(1, data, LONGEST) != checksum(0, data, LONGEST), "another beginning");
    ok(checksum(0, NULL, 0) == checksum(0, data, 0), "nothing");
}

int main(void)
{
    fill();
    bytes_changed();
    lengths();
    torn();
    place_and_seed();
    return done_testing();
}
