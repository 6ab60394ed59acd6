/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Dates: what is read can be written and read again.
 */
#include "fuzz.h"

#include "text/date.h"

static void check(int64_t seconds)
{
    struct bytes out;
    int64_t again = 0;
    int zone = 1;
    bytes_init(&out, 100);
    HOLDS(date_write(seconds, &out));
    HOLDS(date_read(span_bytes(&out), &again, &zone) && zone == 0);
    int64_t mail = again;
    bytes_clear(&out);
    HOLDS(date_write_imap(seconds, &out) && out.len == 28);
    HOLDS(date_read_imap((struct span){ out.data + 1, 26 }, &again) && again == mail);
    /* Only what lies outside of the years 0 to 9999 is moved. */
    HOLDS(mail == seconds || seconds < -62167219200 || seconds > 253402300799);
    bytes_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_span(data, size);
    int64_t seconds = 0;
    int zone = 0;
    if (date_read(input, &seconds, &zone)) {
        HOLDS(zone > -100 * 60 && zone < 100 * 60);
        check(seconds);
    }
    if (date_read_imap(input, &seconds))
        check(seconds);
    if (date_read_imap_day(input, &seconds)) {
        HOLDS(seconds % 86400 == 0);
        check(seconds);
    }
    if (size >= sizeof seconds) {
        memcpy(&seconds, data, sizeof seconds);
        check(seconds);
    }
    return 0;
}
