/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The record of an account's last logins, of whatever bytes it is: what is read are lines as they are
 * written, and a login is recorded in it all the same, and then found.
 */
#include "fuzz.h"

#include "base/files.h"
#include "store/last_login.h"
#include "text/date.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool each(const struct last_login *l, void *data)
{
    int64_t at;
    size_t *count = data;
    HOLDS(date_read_internet(span_of(l->time), &at) && l->name[0] && l->service[0] && l->peer[0]);
    HOLDS(!strpbrk(l->name, " \n") && ++*count <= LAST_LOGIN_LINES);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char spool[] = "/dev/shm/postern-fuzz-XXXXXX";
    static struct settings settings;
    struct address account;
    struct last_login found;
    char path[128];
    size_t count = 0;
    if (!settings.spool) {
        HOLDS(mkdtemp(spool) != NULL);
        settings.spool = spool;
        snprintf(path, sizeof path, "%s/last-login", spool);
        HOLDS(mkdir(path, 0700) == 0);
    }
    HOLDS(address_parse(SPAN("a@b.test"), &account) == ADDRESS_OK);
    snprintf(path, sizeof path, "%s/last-login/a@b.test", spool);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    HOLDS(fd >= 0 && file_write(fd, fuzz_span(data, size)) == ST_OK);
    close(fd);
    last_login_each(&settings, &account, each, &count);
    HOLDS(last_login_note(&settings, &account, "phone", "imapd", "192.0.2.1"));
    HOLDS(last_login_find(&settings, &account, "phone", &found) == ST_OK);
    count = 0;
    HOLDS(last_login_each(&settings, &account, each, &count) == ST_OK && count >= 1);
    return 0;
}
