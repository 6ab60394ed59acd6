/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the administrator sees and types: messages, text from elsewhere made harmless, and passwords.
 */
#include "admin.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#define MESSAGE_LIMIT 8192
#define PASSWORD_LIMIT 511 /* what crypt(3) takes */

/* The length of the printable UTF-8 character at s, or 0: control bytes (C1 too), direction marks and bad
 * sequences. */
static size_t printable(struct span s)
{
    unsigned char c = (unsigned char)s.p[0];
    if (c < 0x80)
        return c >= 0x20 && c != 0x7f;
    size_t n = c >= 0xf0 && c < 0xf5 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 0;
    if (n == 0 || s.n < n)
        return 0;
    uint32_t value = c & (0xff >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)s.p[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | ((unsigned char)s.p[i] & 0x3f);
    }
    if (value < 0xa0 || (n == 3 && value < 0x800) || (n == 4 && (value < 0x10000 || value > 0x10ffff)))
        return 0;
    if ((value >= 0xd800 && value < 0xe000) || (value >= 0x200e && value <= 0x200f) ||
        (value >= 0x2028 && value <= 0x202e) || (value >= 0x2066 && value <= 0x2069))
        return 0;
    return n;
}

static void put_text(FILE *f, struct span text)
{
    while (text.n) {
        size_t n = printable(text);
        if (n)
            fwrite(text.p, 1, n, f);
        else
            fprintf(f, "\\x%02x", (unsigned char)text.p[0]);
        text = span_from(text, n ? n : 1);
    }
}

void say_text(struct span text)
{
    put_text(stdout, text);
}

int complain(int status, const char *format, ...)
{
    char message[MESSAGE_LIMIT];
    va_list ap;
    va_start(ap, format);
    vsnprintf(message, sizeof message, format, ap);
    va_end(ap);
    fflush(stdout);
    fputs("postern: ", stderr);
    put_text(stderr, span_of(message));
    fputc('\n', stderr);
    return status;
}

/* One line, byte by byte: what follows it belongs to somebody else. */
static bool read_line(int fd, struct bytes *line)
{
    char c;
    ssize_t n;
    bytes_clear(line);
    while ((n = read(fd, &c, 1)) == 1 && c != '\n')
        bytes_add_char(line, c);
    if (line->len && line->data[line->len - 1] == '\r')
        line->data[--line->len] = '\0';
    explicit_bzero(&c, sizeof c);
    return n >= 0 && (n == 1 || line->len);
}

static bool ask(const char *prompt, const char *whose, struct bytes *answer)
{
    fprintf(stderr, "%s for %s: ", prompt, whose);
    bool ok = read_line(STDIN_FILENO, answer);
    fputc('\n', stderr);
    return ok;
}

static bool ask_twice(const char *whose, struct bytes *password)
{
    struct termios before, silent;
    struct bytes again;
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return false;
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    silent.c_lflag |= ISIG | ICANON;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    bytes_init(&again, PASSWORD_LIMIT);
    bool ok = ask("Password", whose, password) && ask("The same again", whose, &again);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    if (ok && !span_eq(span_bytes(password), span_bytes(&again))) {
        complain(EX_USAGE, "the two passwords differ; nothing was changed");
        ok = false;
    }
    bytes_wipe(&again);
    return ok;
}

bool read_password(const char *whose, struct bytes *password)
{
    bytes_init(password, PASSWORD_LIMIT);
    bool terminal = isatty(STDIN_FILENO);
    bool ok = terminal ? ask_twice(whose, password) : read_line(STDIN_FILENO, password);
    if (!ok && !terminal)
        complain(EX_NOINPUT, "no password on standard input: one line is expected");
    else if (password->failed)
        complain(EX_DATAERR, "the password is longer than %d bytes", PASSWORD_LIMIT);
    else if (ok && span_find(span_bytes(password), '\0') < password->len)
        complain(EX_DATAERR, "the password holds a NUL");
    else if (ok && password->len == 0)
        complain(EX_DATAERR, "an empty password is no password");
    else if (ok)
        return true;
    bytes_wipe(password);
    return false;
}
