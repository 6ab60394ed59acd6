/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * srs forward KEY SENDER DOMAIN, srs reverse KEY ADDRESS: as store/srs.h does, now; KEY is a file. Prints the
 * address.
 */
#include "base/clock.h"
#include "base/files.h"
#include "store/srs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct bytes key;
    struct address a, out;
    bytes_init(&key, 4096);
    if (argc < 4 || file_read(AT_FDCWD, argv[2], &key) != ST_OK ||
        address_parse(span_of(argv[3]), &a) != ADDRESS_OK)
        return 64;
    bool forward = strcmp(argv[1], "forward") == 0 && argc == 5;
    enum status st = forward ? srs_forward(span_bytes(&key), &a, span_of(argv[4]), clock_now(), &out)
                             : srs_reverse(span_bytes(&key), &a, clock_now(), &out);
    bytes_free(&key);
    if (st == ST_OK)
        puts(out.text);
    return st == ST_OK ? 0 : 1;
}
